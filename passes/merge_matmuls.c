/* merge_matmuls.c -- products that share an input become one kernel.
 *
 *   before                                after
 *   %q = linear %x, %wq : f32[tokens,8]   %q = linear %x, %wq : f32[tokens,8] @k0
 *   %k = linear %x, %wk : f32[tokens,8]   %k = linear %x, %wk : f32[tokens,8] @k0
 *   %v = linear %x, %wv : f32[tokens,8]   %v = linear %x, %wv : f32[tokens,8] @k0
 *
 * One kernel with three outputs: a task computes the same tile of each from the
 * rows of x that it has at hand.  The weights stay three parameters: nothing is
 * concatenated, nothing is split again.
 *
 * 1. The input of a product is its first factor without masks, scales and signs.
 *    So the down-projections of query, key and value share x though each has a mask
 *    of its own: three masks, each with its own key, in one reading of x.
 * 2. Products with one input, of equal result types, that read it alike and stand
 *    at most NEAR apart join, with the kernels they are in already (fuse-lora),
 *    as long as the target's products_limit allows.
 *
 * Not part of the training pipeline.  On the cpu target the down-projections gain
 * a little, query, key and value lose more: the panels of three weights stay less
 * long in the caches than those of one (bench_step shows both).  A target that
 * joins launches runs the three side by side anyway.
 *
 * Legal because kernel numbers change no value; gf_groups_merge refuses what is
 * not convex.  O(nodes NEAR).
 * Source: the horizontal fusion of Li et al., arXiv:2007.01277, and the
 * query-key-value product of FasterTransformer.  Tests: tests/golden/merge-matmuls/.
 */
#include "passes/groups.h"

enum { NEAR = 64 };

/* A mask, a scale or a sign. */
static bool is_linear_map(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_ELEMENTWISE && gf_op_has(n->op, GF_LINEAR_MAP);
}

static const GfValue *input_of(const GfNode *n)
{
    const GfValue *v = gf_operand(n, 0);

    while (is_linear_map(v->node))
        v = gf_operand(v->node, 0);
    return v;
}

static bool reads_alike(const GfNode *a, const GfNode *b)
{
    bool turned = a->op == GF_OP_MATMUL && gf_attr_i(a, "transpose_a");
    return turned == (b->op == GF_OP_MATMUL && gf_attr_i(b, "transpose_a")) &&
           gf_type_eq(&a->results[0].type, &b->results[0].type) && input_of(a) == input_of(b);
}

/* The products behind `n` that join its kernel. */
static void merge_behind(GfGroups *s, GfNode *n)
{
    bool *counted = &(bool){false};
    uint32_t steps = 0;

    for (GfNode *other = n->next; other && steps < NEAR; other = other->next, steps++) {
        if (!gf_is_product(other) || other->kernel == n->kernel || !reads_alike(n, other) ||
            !gf_groups_merge(s, n, other))
            continue;
        s->cx->counts[0] += *counted ? 1 : 2;
        s->cx->counts[1] += *counted ? 0 : 1;
        *counted = true;
    }
}

GfStatus gf_pass_merge_matmuls(GfPassCtx *cx, GfGraph *g)
{
    GfGroups s;

    GF_TRY(gf_groups_init(&s, cx, g));
    GF_EACH_NODE (n, g) {
        if (gf_is_product(n))
            merge_behind(&s, n);
    }
    gf_groups_drop_singles(&s, g);
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}
