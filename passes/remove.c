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

#include "passes/fuse_copies.h"

static GfStatus move(GfPassCtx *cx, GfGraph *g, GfNode *n, int32_t old);

/* What operand `i` of `n`, which has left kernel `old`, is there: a constant is copied, all else moved. */
static GfStatus move_operand(GfPassCtx *cx, GfGraph *g, GfNode *n, uint32_t i, int32_t old)
{
    GfNode *from = gf_operand(n, i)->node, *copy;

    if (from->kernel != old)
        return GF_OK;
    if (from->op != GF_OP_CONST)
        return move(cx, g, from, old);
    GF_TRY(gf_copy_node(cx, g, from, n, &copy));
    copy->kernel = n->kernel;
    gf_set_operand(n, i, gf_result(copy));
    return GF_OK;
}

/* `n` and what it is made of in kernel `old`, to the kernel given out last; each node once. */
static GfStatus move(GfPassCtx *cx, GfGraph *g, GfNode *n, int32_t old)
{
    n->kernel = g->next_kernel - 1;
    for (uint32_t i = 0; i < n->operand_count; i++)
        GF_TRY(move_operand(cx, g, n, i, old));
    return GF_OK;
}

static GfNode *tail_of(const GfGraph *g, int32_t kernel)
{
    GF_EACH_NODE (n, g) {
        if (kernel != GF_NO_KERNEL && n->kernel == kernel && gf_kernel_is_tail(n))
            return n;
    }
    return NULL;
}

GfStatus gf_remove_unread(GfPassCtx *cx, GfGraph *g, GfNode *n)
{
    GfNode *tail = gf_is_product(n) ? tail_of(g, n->kernel) : NULL;
    GfNode *from = gf_is_product(n) ? gf_operand(n, 0)->node : NULL;

    if (from && from->kernel == n->kernel && gf_kernel_is_head(from)) {
        g->next_kernel++;
        GF_TRY(move(cx, g, from, n->kernel));
    }
    gf_remove(g, n);
    if (tail && tail != n && !gf_kernel_is_tail(tail))
        tail->kernel = g->next_kernel++;
    return GF_OK;
}
