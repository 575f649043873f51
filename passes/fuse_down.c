/* fuse_down.c -- put a product of few columns in front of the tile of the product behind it.
 *
 *   before                                      after fuse-lora,fuse-down
 *   %1 = linear %x, %lora_a : f32[tokens,8]     %1 = linear %x, %lora_a : f32[tokens,8] @k0
 *   %2 = scale %1 {by = 4.0} : f32[tokens,8]    %2 = scale %1 {by = 4.0} : f32[tokens,8] @k0
 *   %3 = linear %x, %w, %b : f32[tokens,768]    %3 = linear %x, %w, %b : f32[tokens,768] @k0
 *   %4 = linear %2, %lora_b : f32[tokens,768]   %4 = linear %2, %lora_b : f32[tokens,768] @k0
 *   %5 = add %3, %4 : f32[tokens,768]           %5 = add %3, %4 : f32[tokens,768] @k0
 *
 * So a linear with LoRA is one kernel, the mask of its dropout included, and x is read
 * once.  Backward the same: ds = s dy B in front of dx = dy W + dropout(ds A), one read
 * of dy for both.  What somebody else reads of %1 and %2 is stored.
 *
 * For each product L of rows with a constant inner size of at most 64:
 *   1. Down from its first factor over nodes that are linear in one operand (scale,
 *      dropout, neg), to a product P of that many columns.
 *   2. Merge P with the nodes between, then with the kernel of L: a head, see
 *      gf_kernel_is_head.
 *
 * Not part of the training pipeline.  The head is computed for whole rows, so the
 * kernel's work is dealt out by rows alone, and each task needs all panels of the
 * weights.  Those of a frozen linear are packed once: there the two kernels take some
 * 2 % less of a step's time, and the work comes in fewer pieces.  Of dx = dy W, and of
 * weights that train, the panels are packed for each piece: dx and ds together take
 * 13 % longer (bench_step shows both).  So these are left to the option everywhere=1.
 * A target that computes a tile of some columns at a time (cuda) would compute the head,
 * and draw its mask, for each of them: gf_kernel_form refuses all but narrow ones.
 *
 * Legal because kernel numbers change no value; gf_groups_merge refuses what is not
 * convex.  O(nodes).
 * Source: LoRA, Hu et al., arXiv:2106.09685; where to cut around s, and that dy is worth
 * reading once, LoRAFusion, arXiv:2510.00206.  Tests: tests/golden/fuse-down/.
 */
#include "passes/groups.h"

enum { MAX_CHAIN = 16 };

/* Step 1: P; the nodes between go into `between`.  NULL: there is none. */
static GfNode *product_before(const GfNode *low, GfNode **between, uint32_t *count)
{
    GfNode *n = gf_operand(low, 0)->node;

    for (*count = 0; !gf_is_product(n); n = gf_operand(n, 0)->node) {
        bool linear = gf_op_info(n->op)->class_ == GF_CLASS_ELEMENTWISE && gf_op_has(n->op, GF_LINEAR_MAP);
        if (!linear || *count == MAX_CHAIN)
            return NULL;
        between[(*count)++] = n;
    }
    return n;
}

/* A task can have all columns of its rows without packing weights for it: all broad
 * products of the kernel, and there are some, are linears of frozen weights. */
static bool is_packed(const GfGroup *group)
{
    bool any = false;

    for (uint32_t i = 0; i < group->count; i++) {
        const GfNode *n = group->nodes[i];
        if (!gf_is_product(n) || gf_is_low_rank(n))
            continue;
        const GfNode *b = gf_operand(n, 1)->node;
        if (n->op != GF_OP_LINEAR || b->op != GF_OP_PARAM || !b->frozen)
            return false;
        any = true;
    }
    return any;
}

/* Step 2. */
static bool join(GfGroups *s, GfNode *low)
{
    GfNode *between[MAX_CHAIN];
    uint32_t count;
    GfNode *product = product_before(low, between, &count);

    if (!product || product->kernel == low->kernel)
        return false;
    for (uint32_t i = count; i-- > 0;) { /* from the product on: the way is convex at each step */
        if (!gf_groups_merge(s, product, between[i]))
            return false;
    }
    return gf_groups_merge(s, product, low);
}

GfStatus gf_pass_fuse_down(GfPassCtx *cx, GfGraph *g)
{
    bool everywhere = gf_option_i(cx, "everywhere") != 0;
    GfGroups s;

    GF_TRY(gf_groups_init(&s, cx, g));
    GF_EACH_NODE (n, g) {
        if (gf_is_low_rank(n) && (everywhere || is_packed(gf_groups_of(&s, n))))
            cx->counts[0] += join(&s, n);
    }
    gf_groups_drop_singles(&s, g);
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}
