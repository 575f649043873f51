/* fuse_up_grad.c -- put the gradient of an up-projection beside that of its input.
 *
 *   before                                                 after
 *   %1 = matmul %dy, %lora_b : f32[tokens,8]               %1 = matmul %dy, %lora_b : f32[tokens,8] @k0
 *   %2 = matmul %dy, %t {transpose_a = 1} : f32[768,8]     %2 = matmul %dy, %t {transpose_a = 1} : f32[768,8] @k0
 *
 * So dB = dy' t and ds = dy B, both of the up-projection y = t B', take one read of dy
 * from memory instead of two.  Where fuse-down{everywhere=1} has put ds in front of
 * dx = dy W + dropout(ds A), all three do.
 *
 * For each product T of few columns that sums over the rows of its first factor:
 *   1. Among the products of these rows, find a P whose second factor has the type of T.
 *   2. Merge T with the kernel of P: a tail, see gf_kernel_is_tail.
 *
 * What it costs.  The kernel is dealt out by rows; every task has a sum of its own, of the
 * size of dB, and these are added in a fixed order afterwards: on the cpu by a small
 * launch of its own, on a device by the last block.  The split depends on
 * sizes, on the cpu on its vectors too, so the bits are the same for any number of threads.  The sums, written once and
 * read once near the processor, are a third of dy on the cpu; no plan or count of bytes
 * has them.
 *
 * Not part of the training pipeline.  On the cpu dB and ds of bert-base, rank 8, take
 * 0.81 of their time (medians of 5 alternating runs of bench_step, 712 tokens; 0.80 to
 * 0.85), which is 0.15 % of a step: of whole steps, 0.99 in the median and 0.90 to 1.04,
 * nothing can be seen.  On a device it has not been measured; with wgmma the kernel falls
 * back to the tile of mma.sync.
 *
 * Legal because kernel numbers change no value; gf_groups_merge refuses what is not
 * convex.  O(nodes + uses of what is multiplied).
 * Source: LoRAFusion, arXiv:2510.00206.  Tests: tests/golden/fuse-up-grad/.
 */
#include "passes/groups.h"

/* A product that only sums over rows, as they are in memory. */
static bool sums_rows(const GfNode *n)
{
    const GfType *type = n->result_count ? &n->results[0].type : NULL;

    return n->op == GF_OP_MATMUL && gf_attr_i(n, "transpose_a") && !gf_attr_i(n, "transpose_b") &&
           type->dims[1].symbol == GF_CONSTANT && type->dims[1].size <= GF_HEAD_COLUMNS;
}

/* Step 1, for one use of the rows. */
static bool is_partner(const GfUse *u, const GfNode *sum)
{
    const GfNode *n = u->user;

    return n->op == GF_OP_MATMUL && u == n->operands && !gf_attr_i(n, "transpose_a") && !gf_attr_i(n, "transpose_b") &&
           gf_type_eq(&gf_operand(n, 1)->type, &sum->results[0].type);
}

static bool join(GfGroups *s, const GfNode *sum)
{
    for (const GfUse *u = gf_operand(sum, 0)->uses; u; u = u->next) {
        if (!is_partner(u, sum))
            continue;
        if (u->user->kernel == sum->kernel)
            return false;
        if (gf_groups_merge(s, sum, u->user))
            return true;
    }
    return false;
}

GfStatus gf_pass_fuse_up_grad(GfPassCtx *cx, GfGraph *g)
{
    GfGroups s;

    GF_TRY(gf_groups_init(&s, cx, g));
    GF_EACH_NODE (n, g)
        cx->counts[0] += sums_rows(n) && join(&s, n);
    gf_groups_drop_singles(&s, g);
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}
