/* inference.c -- dropout becomes the identity.
 *
 *   before                                    after
 *   %1 = dropout %x, %rng {p = 0.1, key = 3}  %1 = dropout %x, %rng {p = 0.0, key = 3}
 *
 * 1. Every attribute p > 0 (of dropout and attention) becomes 0.
 * 2. With frozen=1 only where nothing trains: of an attention that depends on frozen
 *    parameters and inputs alone, and of a dropout that does and has a reader that does.
 *    One whose readers all train, as before a classifier or an adapter's
 *    down-projection, is theirs: it stays.
 *
 * `fold` then removes the dropouts and `dce` the input rng.  Changes values by
 * design: it is how a network trained with dropout is evaluated, and with frozen=1 how
 * a frozen part gives the same for an example every time, which hoist-frozen uses.
 * With frozen=1 before autodiff: a backward pass draws the masks of the forward one.
 * O(nodes).
 * Source: Srivastava et al., JMLR 15 (2014), with the scaling done in training.
 * Tests: tests/golden/inference/.
 */
#include "passes/frozen_part.h"

static bool has_gradients(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next)
        if (n->op == GF_OP_GRAD || n->op == GF_OP_UPDATE)
            return true;
    return false;
}

static bool has_frozen_reader(const GfNode *n, const GfPart *parts)
{
    for (const GfUse *use = n->results[0].uses; use; use = use->next)
        if (parts[use->user->id] == GF_PART_EXAMPLE)
            return true;
    return false;
}

/* `parts` NULL: everything is. */
static bool is_inside(const GfNode *n, const GfPart *parts)
{
    if (!parts)
        return true;
    return parts[n->id] == GF_PART_EXAMPLE && (n->op != GF_OP_DROPOUT || has_frozen_reader(n, parts));
}

GfStatus gf_pass_inference(GfPassCtx *cx, GfGraph *g)
{
    bool frozen = gf_option_i(cx, "frozen") != 0;

    if (frozen && has_gradients(g)) {
        gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'inference' of frozen parts needs a graph without gradients");
        gf_note(cx->diags, "it must run before 'autodiff', which makes the masks of the backward pass");
        return GF_ERR_PASS;
    }
    const GfPart *parts = frozen ? gf_frozen_part(cx, g, true) : NULL;
    if (frozen && !parts)
        return gf_fail_memory(cx->diags);
    GF_EACH_NODE (n, g) {
        if (gf_attr_f(n, "p") <= 0 || !is_inside(n, parts))
            continue;
        if (gf_attr_set(g, n, gf_attr_float("p", 0)) != GF_OK)
            return gf_fail_memory(cx->diags);
        cx->counts[0]++;
    }
    return GF_OK;
}
