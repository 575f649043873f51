/* dce.c -- remove nodes whose values nobody reads.
 *
 *   before                       after
 *   %y = input : f32[8]
 *   %2 = mul %x, %x : f32[8]     %2 = mul %x, %x : f32[8]
 *   %3 = exp %y : f32[8]         return out = %2
 *   return out = %2
 *
 * 1. Walk the nodes backwards; remove a node without uses if it is GF_PURE, an
 *    input or a state.  Its operands stand before it and lose a use in time.
 * 2. With params=1 params go too.  Not by default: a model's parameters are
 *    counted and saved also where a step does not read them.
 *
 * Legal: what is removed has no effect and no reader.  O(nodes).
 * Source: folklore; Allen and Cocke, A Catalogue of Optimizing Transformations,
 * 1971.  Tests: tests/golden/dce/.
 */
#include "passes/remove.h"

static bool is_read(const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].uses)
            return true;
    }
    return false;
}

static bool may_remove(const GfNode *n, bool params)
{
    if (n->op == GF_OP_PARAM)
        return params;
    return gf_op_has(n->op, GF_PURE) || n->op == GF_OP_INPUT || n->op == GF_OP_STATE;
}

GfStatus gf_pass_dce(GfPassCtx *cx, GfGraph *g)
{
    bool params = gf_option_i(cx, "params") != 0;
    GfNode *prev;

    for (GfNode *n = g->last; n; n = prev) {
        prev = n->prev;
        if (is_read(n) || !may_remove(n, params))
            continue;
        GF_TRY(gf_remove_unread(cx, g, n));
        cx->counts[0]++;
    }
    return GF_OK;
}
