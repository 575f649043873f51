/* hoist_frozen.c -- what is the same for an example in every epoch is computed once.
 *
 *   before                                      after: the step
 *   %ids = input : i32[tokens]                  %hoisted.0 = input : f32[seqs,8]
 *   %starts = input : i32[seqs]                 %c = param "classifier.weight" : f32[6,8]
 *   %t = param "table" frozen : f32[100,8]      %5 = dropout %hoisted.0, %rng {p = 0.1, key = 1}
 *   %w = param "pooler" frozen : f32[8,8]       %6 = linear %5, %c
 *   %c = param "classifier.weight" : f32[6,8]   ...
 *   %1 = gather %t, %ids
 *   %2 = linear %1, %w                          after: part=frozen
 *   %3 = gather %2, %starts                     %1 = gather %t, %ids
 *   %5 = dropout %3, %rng {p = 0.1, key = 1}    %2 = linear %1, %w
 *   %6 = linear %5, %c                          %3 = gather %2, %starts
 *   ...                                         return hoisted.0 = %3
 *
 * The graph is cut in two; the pass leaves one of the parts, as `part` says.
 *
 * 1. Find the values that belong to an example alone (frozen_part.h): they depend on
 *    frozen parameters and the example's inputs, and on their way nothing is drawn.
 * 2. Of these, only what has a matrix product or an attention behind it is worth
 *    keeping: the rest, as the sum of embeddings, stays in the step.
 * 3. The frontier is what the rest of the step reads of them.  A value of it that one
 *    product, elementwise or row op makes of others of it, or of what stays anyway,
 *    stays, too: the input of query, key and value is kept, not all three; and of the
 *    lowest layer nothing, where its query, key and value have adapters.
 * 4. step: each value of the frontier is the input "hoisted.N", numbered in the order
 *    of the graph; what nobody reads any more goes, inputs are left to dce.
 *    frozen: the graph returns the frontier by these names, has no other effect, and no
 *    input that it does not read: labels and the like are not at hand when it runs.
 *
 * A step without a frontier stays as it is.  `inference{frozen=1}` makes one where
 * dropout stands in the way.
 *
 * Legal: rows of such a value depend on their example and on what never changes, so
 * they may be taken from any batch that the example was in.  The frontier does not
 * change what a dropout drops: masks are those of the rows in the step's own batch.
 * O(nodes).  Cost: the kept rows; what is saved is all that computed them, in every
 * epoch but the first.
 * Source: loop-invariant code motion over the epochs of a training; keeping the
 * activations of a frozen trunk is folklore of feature extraction (e.g. Donahue et al.,
 * DeCAF, arXiv:1310.1531).
 * Tests: tests/golden/hoist-frozen/, tests/unit/test_hoist.c.
 */
#include "passes/declare.h"
#include "passes/frozen_part.h"

#include "ir/kernel.h"

#include <string.h>

typedef struct Hoist {
    GfPassCtx *cx;
    GfGraph *g;
    const GfPart *parts;
    bool *costly; /* by id: of an example, with a product or an attention behind it */
    bool *moved;  /* by id: computed outside of the step */
    GfValue **frontier;
    const char **names;
    uint32_t count;
} Hoist;

/* ---- what moves ---- */

static bool is_product(const GfNode *n)
{
    return gf_is_product(n) || n->op == GF_OP_ATTENTION;
}

static bool is_costly(const Hoist *h, const GfNode *n)
{
    if (h->parts[n->id] != GF_PART_EXAMPLE)
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++)
        if (h->costly[gf_operand(n, i)->node->id])
            return true;
    return is_product(n);
}

/* Whether something that stays reads it. */
static bool is_frontier(const Hoist *h, const GfValue *v)
{
    if (!h->moved[v->node->id])
        return false;
    for (const GfUse *use = v->uses; use; use = use->next)
        if (!h->moved[use->user->id])
            return true;
    return false;
}

static bool has_frontier(const Hoist *h, const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++)
        if (is_frontier(h, &n->results[i]))
            return true;
    return false;
}

/* One op makes it of what the step has or gets: `seen` are the nodes with frontier
 * values before any was left in the step. */
static bool is_one_op_away(const Hoist *h, const GfNode *n, const bool *seen)
{
    if (!seen[n->id] || gf_op_info(n->op)->class_ == GF_CLASS_OPAQUE)
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        uint32_t from = gf_operand(n, i)->node->id;
        if (h->costly[from] && !seen[from])
            return false;
    }
    return true;
}

static GfStatus choose(Hoist *h)
{
    uint32_t ids = gf_graph_ids(h->g) + 1;
    bool *seen = GF_NEW_ARRAY(h->cx->scratch, bool, ids);

    h->costly = GF_NEW_ARRAY(h->cx->scratch, bool, ids);
    h->moved = GF_NEW_ARRAY(h->cx->scratch, bool, ids);
    h->parts = gf_frozen_part(h->cx, h->g, false);
    if (!seen || !h->costly || !h->moved || !h->parts)
        return gf_fail_memory(h->cx->diags);
    GF_EACH_NODE (n, h->g)
        h->costly[n->id] = h->moved[n->id] = is_costly(h, n);
    GF_EACH_NODE (n, h->g)
        seen[n->id] = has_frontier(h, n);
    GF_EACH_NODE (n, h->g)
        if (h->moved[n->id] && is_one_op_away(h, n, seen))
            h->moved[n->id] = false;
    return GF_OK;
}

static GfStatus add_frontier(Hoist *h, GfValue *v)
{
    const char *name = gf_arena_printf(h->cx->scratch, "hoisted.%u", h->count);

    if (!name)
        return gf_fail_memory(h->cx->diags);
    h->names[h->count] = name;
    h->frontier[h->count++] = v;
    return GF_OK;
}

static GfStatus list_frontier(Hoist *h)
{
    uint32_t most = 0;

    GF_EACH_NODE (n, h->g)
        most += n->result_count;
    h->frontier = GF_NEW_ARRAY(h->cx->scratch, GfValue *, most + 1);
    h->names = GF_NEW_ARRAY(h->cx->scratch, const char *, most + 1);
    if (!h->frontier || !h->names)
        return gf_fail_memory(h->cx->diags);
    GF_EACH_NODE (n, h->g)
        for (uint32_t i = 0; i < n->result_count; i++)
            if (is_frontier(h, &n->results[i]))
                GF_TRY(add_frontier(h, &n->results[i]));
    return GF_OK;
}

/* ---- cutting ---- */

/* Unread pure nodes, last to first; `inputs`: and unread inputs and states. */
static int64_t sweep(GfGraph *g, bool inputs)
{
    int64_t removed = 0;
    GfNode *prev;

    for (GfNode *n = g->last; n; n = prev) {
        bool read = !gf_op_has(n->op, GF_PURE) && !(inputs && (n->op == GF_OP_INPUT || n->op == GF_OP_STATE));
        prev = n->prev;
        for (uint32_t i = 0; i < n->result_count; i++)
            read = read || n->results[i].uses;
        if (read)
            continue;
        gf_remove(g, n);
        removed++;
    }
    return removed;
}

static GfStatus leave_step(Hoist *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        GfValue *input;
        GF_TRY(gf_declare_input(h->cx, h->g, h->names[i], h->frontier[i]->type, &input));
        gf_replace_uses(h->g, h->frontier[i], input);
    }
    h->cx->counts[1] = h->count ? sweep(h->g, false) : 0;
    return GF_OK;
}

static GfStatus leave_frozen(Hoist *h)
{
    GfNode *old = gf_graph_return(h->g);
    GfNodeSpec spec = {
        .op = GF_OP_RETURN, .operands = h->frontier, .operand_count = h->count, .outputs = h->names, .loc = old->loc};

    GF_TRY(gf_graph_add(h->g, NULL, &spec, NULL, h->cx->diags));
    gf_remove(h->g, old);
    GF_EACH_NODE (n, h->g)
        if (n->op == GF_OP_UPDATE || n->op == GF_OP_GRAD)
            gf_remove(h->g, n);
    h->cx->counts[1] = sweep(h->g, true);
    return GF_OK;
}

/* ---- the pass ---- */

static GfStatus read_part(const GfPassCtx *cx, bool *frozen)
{
    const char *part = gf_option_s(cx, "part");

    *frozen = strcmp(part, "frozen") == 0;
    if (*frozen || strcmp(part, "step") == 0)
        return GF_OK;
    return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "part=%s: the parts are step and frozen", part);
}

static GfStatus need_first_time(const GfPassCtx *cx, const GfGraph *g)
{
    const GfNode *found = gf_find_name(g, "hoisted.0");

    if (!found)
        return GF_OK;
    gf_fail(cx->diags, found->loc, GF_ERR_PASS, "'hoist-frozen' would make '%%hoisted.0', which is there already");
    gf_note(cx->diags, "has 'hoist-frozen' been run twice?");
    return GF_ERR_PASS;
}

static GfStatus fail_empty(const GfPassCtx *cx)
{
    gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'hoist-frozen' finds no frozen part that is worth keeping");
    gf_note(cx->diags, "dropout in the frozen part? 'inference{frozen=1}' before 'autodiff' takes it out");
    return GF_ERR_PASS;
}

GfStatus gf_pass_hoist_frozen(GfPassCtx *cx, GfGraph *g)
{
    Hoist h = {.cx = cx, .g = g};
    bool frozen;

    GF_TRY(read_part(cx, &frozen));
    GF_TRY(need_first_time(cx, g));
    GF_TRY(choose(&h));
    GF_TRY(list_frontier(&h));
    cx->counts[0] = h.count;
    if (!frozen)
        return leave_step(&h);
    return h.count ? leave_frozen(&h) : fail_empty(cx);
}
