/* merge_lora.c -- add adapters to the weights they stand beside.
 *
 *   before                                    after
 *   %1 = linear %x, %w, %c : f32[tokens,m]    %5 = matmul %B, %A : f32[m,k]
 *   %2 = linear %x, %A : f32[tokens,8]        %6 = scale %5 {by = 4.0} : f32[m,k]
 *   %3 = scale %2 {by = 4.0}                  %7 = add %w, %6 : f32[m,k]
 *   %4 = linear %3, %B                        %8 = linear %x, %7, %c : f32[tokens,m]
 *   %5 = add %1, %4
 *
 * 1. Each add is looked at, in order: is it an adapter (low_rank.h)?  Several
 *    beside one linear go one after the other.
 * 2. One with a dropout that drops on its way is kept, and counted: run
 *    `inference` first.  The mask belongs to an element of x, not to the weight.
 *
 * Legal: x w' + by (x A') B' = x (w + by B A)'.  Additions are in another order
 * and the sum is rounded to f32 once, as in the checkpoint that `graft export
 * --merge` writes.  Only where nobody else reads the values that go: else they
 * stay, and there is nothing to gain.
 *
 * `graft export --merge` adds up by itself, weight by weight and in double
 * (runtime/train/model_values.c): it needs no batch, no compiler, and what it
 * writes is not rounded before it is added.
 *
 * Cost: 2 m k (r + 1) operations a run for 2 r (m + k) a token saved: fewer from
 * m k / (m + k) tokens on.  The merged weight is a value of each run, since A and B
 * may change between runs: it is packed anew in each, where the frozen weight was
 * packed once.  On the cpu target that eats up the gain: in the tile of the base
 * product the up-projection is nearly free (fuse-lora).  So evaluation keeps the
 * adapter, and this pass is for graphs that go elsewhere.  O(nodes).
 * Source: Hu et al., arXiv:2106.09685, section 4.1.  Tests: tests/golden/merge-lora/.
 */
#include "passes/merge_lora.h"
#include "passes/declare.h"
#include "passes/low_rank.h"

static GfValue *build(GfPassCtx *cx, GfGraph *g, const GfLowRank *ad, GfOp op, GfValue *const *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!in[i])
            return NULL;
    }
    return gf_build(g, ad->sum, ad->base, cx->diags, op, NULL, 0, in, count);
}

static GfValue *scaled(GfPassCtx *cx, GfGraph *g, const GfLowRank *ad, GfValue *v)
{
    GfAttr by = gf_attr_float("by", ad->by);

    if (!v || ad->by == 1)
        return v;
    return gf_build(g, ad->sum, ad->base, cx->diags, GF_OP_SCALE, &by, 1, &v, 1);
}

/* The sum, and what only it read; nothing else reads them (low_rank.h). */
static void remove_adapter(GfGraph *g, const GfLowRank *ad)
{
    GfNode *other = gf_operand(ad->sum, gf_operand(ad->sum, 0)->node == ad->base ? 1 : 0)->node, *below;

    gf_remove(g, ad->sum);
    gf_remove(g, ad->base);
    for (bool more = true; more; other = below) {
        more = other != ad->down;
        below = gf_operand(other, 0)->node;
        gf_remove(g, other);
    }
}

GfStatus gf_merge_low_rank(GfPassCtx *cx, GfGraph *g, const GfLowRank *ad)
{
    GfValue *product = build(cx, g, ad, GF_OP_MATMUL, (GfValue *[]){ad->b, ad->a}, 2);
    GfValue *w = build(cx, g, ad, GF_OP_ADD, (GfValue *[]){ad->w, scaled(cx, g, ad, product)}, 2);
    GfValue *y = build(cx, g, ad, GF_OP_LINEAR, (GfValue *[]){ad->x, w, ad->bias}, ad->bias ? 3 : 2);

    if (!y)
        return gf_build_status(cx);
    gf_replace_uses(g, gf_result(ad->sum), y);
    remove_adapter(g, ad);
    return GF_OK;
}

GfStatus gf_pass_merge_lora(GfPassCtx *cx, GfGraph *g)
{
    GfLowRank ad;

    GF_EACH_NODE (n, g) {
        if (!gf_low_rank_find(n, &ad))
            continue;
        cx->counts[ad.drops]++;
        if (!ad.drops)
            GF_TRY(gf_merge_low_rank(cx, g, &ad));
    }
    return GF_OK;
}
