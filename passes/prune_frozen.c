/* prune_frozen.c -- drop gradients of frozen parameters and all that only they needed.
 *
 *   before                                        after
 *   %w = param "encoder.weight" frozen            %w = param "encoder.weight" frozen
 *   %c = param "classifier.weight"                %c = param "classifier.weight"
 *   ...                                           ...
 *   %8 = matmul %7, %h {transpose_a = 1}          %8 = matmul %7, %h {transpose_a = 1}
 *   %9 = matmul %7, %c                            grad %c = %8
 *   %10 = matmul %9, %x {transpose_a = 1}
 *   grad %c = %8
 *   grad %w = %10
 *
 * 1. Every `grad` of a frozen param is removed; its value is a candidate.
 * 2. A candidate node is removed if it is pure and nobody reads any of its
 *    results; its operands become candidates.
 *
 * So the backward graph ends at the lowest trainable parameter: what lies below
 * was read by gradients of frozen parameters only.  Nodes that were dead before
 * are left to dce, so that the counters say what freezing saves.
 *
 * Legal: a removed node is pure and unread.  O(nodes).
 * Source: sparse backpropagation in PockEngine, arXiv:2310.17752.
 * Tests: tests/golden/prune-frozen/.
 */
#include "passes/remove.h"

/* Nodes that may have become dead, each at most once. */
typedef struct Candidates {
    GfNode **nodes;
    uint32_t count, ids;
    bool *listed; /* by id, below `ids` */
} Candidates;

static bool is_dead(const GfNode *n)
{
    if (!gf_op_has(n->op, GF_PURE))
        return false;
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].uses)
            return false;
    }
    return true;
}

/* Remove `n` and list what it read and nobody else does. */
static GfStatus remove_node(GfPassCtx *cx, GfGraph *g, Candidates *c, GfNode *n)
{
    GF_TRY(gf_remove_unread(cx, g, n));
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfNode *from = gf_operand(n, i)->node;
        if (!is_dead(from) || from->id >= c->ids || c->listed[from->id])
            continue;
        c->listed[from->id] = true;
        c->nodes[c->count++] = from;
    }
    return GF_OK;
}

GfStatus gf_pass_prune_frozen(GfPassCtx *cx, GfGraph *g)
{
    Candidates c = {.ids = gf_graph_ids(g),
                    .nodes = GF_NEW_ARRAY(cx->scratch, GfNode *, gf_graph_ids(g)),
                    .listed = GF_NEW_ARRAY(cx->scratch, bool, gf_graph_ids(g))};

    if (!c.nodes || !c.listed)
        return gf_fail_memory(cx->diags);
    GF_EACH_NODE (n, g) {
        if (n->op != GF_OP_GRAD || !gf_operand(n, 0)->node->frozen)
            continue;
        GF_TRY(remove_node(cx, g, &c, n));
        cx->counts[0]++;
    }
    for (; c.count; cx->counts[1]++)
        GF_TRY(remove_node(cx, g, &c, c.nodes[--c.count]));
    return GF_OK;
}
