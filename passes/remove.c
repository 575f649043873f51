/* remove.c -- see remove.h.
 *
 *   before: nobody reads %4                     after
 *   %1 = linear %x, %w : f32[tokens,768] @k0    %1 = linear %x, %w : f32[tokens,768] @k0
 *   %2 = linear %x, %a : f32[tokens,8] @k0      %2 = linear %x, %a : f32[tokens,8] @k1
 *   %4 = linear %2, %b : f32[tokens,768] @k0    return y = %1, s = %2
 *   return y = %1, s = %2
 *
 * Legal because nothing that stays in the kernel reads the head or what it is made of
 * there: each node of these has one user in the kernel, on the way to `n`.
 */
#include "passes/remove.h"

#include "ir/kernel.h"

/* `n` and what it is made of in kernel `old`, but for constants. */
static void move(GfNode *n, int32_t old, int32_t new)
{
    n->kernel = new;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfNode *from = gf_operand(n, i)->node;
        if (from->kernel == old && from->op != GF_OP_CONST)
            move(from, old, new);
    }
}

/* A constant of kernel `old` that `user`, of another now, reads: a copy for it. */
static GfStatus copy_constant(GfPassCtx *cx, GfGraph *g, GfNode *user, uint32_t operand)
{
    const GfNode *n = gf_operand(user, operand)->node;
    GfNodeSpec spec = {
        .op = n->op, .attrs = n->attrs, .attr_count = n->attr_count, .declared = &n->results[0].type, .loc = n->loc};
    GfNode *copy;

    GF_TRY(gf_graph_add(g, user, &spec, &copy, cx->diags));
    copy->kernel = user->kernel;
    gf_set_operand(user, operand, gf_result(copy));
    return GF_OK;
}

static GfStatus copy_constants(GfPassCtx *cx, GfGraph *g, GfNode *n, int32_t old)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfNode *from = gf_operand(n, i)->node;
        if (from->op == GF_OP_CONST && from->kernel == old)
            GF_TRY(copy_constant(cx, g, n, i));
        else if (from->kernel == n->kernel && from->op != GF_OP_CONST)
            GF_TRY(copy_constants(cx, g, from, old));
    }
    return GF_OK;
}

GfStatus gf_remove_unread(GfPassCtx *cx, GfGraph *g, GfNode *n)
{
    GfNode *from = n->operand_count ? gf_operand(n, 0)->node : NULL;
    int32_t old = n->kernel;

    if (from && gf_op_info(n->op)->class_ == GF_CLASS_GEMM && from->kernel == old && gf_kernel_is_head(from)) {
        move(from, old, g->next_kernel++);
        GF_TRY(copy_constants(cx, g, from, old));
    }
    gf_remove(g, n);
    return GF_OK;
}
