/* autodiff_ops.c -- gradients, one function for each name in the column `grad`
 * of ops.def.
 *
 * A function gets the node and dy, the gradient of the loss by its result, and
 * gives the gradient by each operand that is wanted.  The line above it says
 * what it computes; x0, x1 ... are the operands, y the result.
 */
#include "passes/autodiff.h"

#include <math.h>

/* ---- short forms ------------------------------------------------------------------ */

static GfValue *unary(GfAutodiff *ad, GfOp op, GfValue *x)
{
    return gf_autodiff_emit(ad, &(GfEmit){.op = op, .in = {x}, .count = 1});
}

static GfValue *binary(GfAutodiff *ad, GfOp op, GfValue *a, GfValue *b)
{
    return gf_autodiff_emit(ad, &(GfEmit){.op = op, .in = {a, b}, .count = 2});
}

static GfValue *mul(GfAutodiff *ad, GfValue *a, GfValue *b)
{
    return binary(ad, GF_OP_MUL, a, b);
}

static GfValue *scale(GfAutodiff *ad, GfValue *x, double by)
{
    GfAttr attr = gf_attr_float("by", by);
    return gf_autodiff_emit(ad, &(GfEmit){.op = GF_OP_SCALE, .in = {x}, .count = 1, .attrs = &attr, .attr_count = 1});
}

/* x as `op` makes it of a type that it states itself. */
static GfValue *stated(GfAutodiff *ad, GfOp op, GfValue *x, const GfType *type)
{
    return gf_autodiff_emit(ad, &(GfEmit){.op = op, .in = {x}, .count = 1, .declared = type});
}

/* a b, each transposed or not */
static GfValue *product(GfAutodiff *ad, GfValue *a, bool transpose_a, GfValue *b, bool transpose_b)
{
    GfAttr attrs[] = {gf_attr_int("transpose_a", transpose_a), gf_attr_int("transpose_b", transpose_b)};
    return gf_autodiff_emit(ad,
                            &(GfEmit){.op = GF_OP_MATMUL, .in = {a, b}, .count = 2, .attrs = attrs, .attr_count = 2});
}

/* ---- none ---------------------------------------------------------------------------- */

static void grad_none(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)dy;
    gf_autodiff_fail(ad, "'%s' has no gradient, and the loss depends on parameters through it", gf_op_text(n->op));
}

/* ---- arithmetic ------------------------------------------------------------------------ */

/* dx0 = dx1 = dy */
static void grad_add(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)n;
    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, dy);
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, dy);
}

/* dx0 = dy, dx1 = -dy */
static void grad_sub(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)n;
    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, dy);
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, unary(ad, GF_OP_NEG, dy));
}

/* dx0 = dy x1, dx1 = dy x0 */
static void grad_mul(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, mul(ad, dy, gf_operand(n, 1)));
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, mul(ad, dy, gf_operand(n, 0)));
}

/* dx0 = dy / x1, dx1 = -y (dy / x1) */
static void grad_div(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *quotient = binary(ad, GF_OP_DIV, dy, gf_operand(n, 1));

    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, quotient);
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, unary(ad, GF_OP_NEG, mul(ad, gf_result(n), quotient)));
}

/* dx = by dy */
static void grad_scale(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, scale(ad, dy, gf_attr_f(n, "by")));
}

/* dx = dy */
static void grad_offset(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)n;
    gf_autodiff_give(ad, 0, dy);
}

/* dx = -dy */
static void grad_neg(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)n;
    gf_autodiff_give(ad, 0, unary(ad, GF_OP_NEG, dy));
}

/* ---- functions --------------------------------------------------------------------------- */

/* dx = dy y */
static void grad_exp(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, mul(ad, dy, gf_result(n)));
}

/* dx = dy / x */
static void grad_log(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, binary(ad, GF_OP_DIV, dy, gf_operand(n, 0)));
}

/* dx = dy / 2y */
static void grad_sqrt(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, scale(ad, binary(ad, GF_OP_DIV, dy, gf_result(n)), 0.5));
}

/* dx = dy - dy y y */
static void grad_tanh(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *y = gf_result(n);

    gf_autodiff_give(ad, 0, binary(ad, GF_OP_SUB, dy, mul(ad, mul(ad, dy, y), y)));
}

/* dx = dy y - dy y y */
static void grad_sigmoid(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *y = gf_result(n), *part = mul(ad, dy, y);

    gf_autodiff_give(ad, 0, binary(ad, GF_OP_SUB, part, mul(ad, part, y)));
}

/* dx = 2 / sqrt pi e^(-x x) dy */
static void grad_erf(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *x = gf_operand(n, 0);
    GfValue *bell = unary(ad, GF_OP_EXP, unary(ad, GF_OP_NEG, mul(ad, x, x)));

    gf_autodiff_give(ad, 0, scale(ad, mul(ad, dy, bell), M_2_SQRTPI));
}

/* dx = dy where x > 0 */
static void grad_relu(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, binary(ad, GF_OP_RELU_GRAD, gf_operand(n, 0), dy));
}

/* dx = dy gelu'(x) */
static void grad_gelu(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, binary(ad, GF_OP_GELU_GRAD, gf_operand(n, 0), dy));
}

/* dx0 = (sigmoid(x0) - x1) dy, dx1 = -x0 dy */
static void grad_bce_with_logits(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *x = gf_operand(n, 0), *t = gf_operand(n, 1);

    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, mul(ad, binary(ad, GF_OP_SUB, unary(ad, GF_OP_SIGMOID, x), t), dy));
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, unary(ad, GF_OP_NEG, mul(ad, x, dy)));
}

/* dx = dy drop: the mask of the same key, drawn again */
static void grad_dropout(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfEmit emit = {
        .op = GF_OP_DROPOUT, .in = {dy}, .count = n->operand_count, .attrs = n->attrs, .attr_count = n->attr_count};

    for (uint32_t i = 1; i < n->operand_count; i++)
        emit.in[i] = gf_operand(n, i);
    gf_autodiff_give(ad, 0, gf_autodiff_emit(ad, &emit));
}

/* ---- shapes and sums ------------------------------------------------------------------------ */

/* dx = dy, summed over the repetitions by gf_autodiff_give */
static void grad_broadcast(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    (void)n;
    gf_autodiff_give(ad, 0, dy);
}

/* dx[i,j] = dy / number of elements of x */
static void grad_mean(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, stated(ad, GF_OP_MEAN_GRAD, dy, &gf_operand(n, 0)->type));
}

/* dx[i,j] = dy */
static void grad_sum(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, stated(ad, GF_OP_BROADCAST, dy, &gf_operand(n, 0)->type));
}

/* dx[i,j] = dy[i,0] */
static void grad_sum_cols(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    grad_sum(ad, n, dy);
}

/* dx[i,j] = dy[j] */
static void grad_sum_rows(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    grad_sum(ad, n, dy);
}

/* dtable[v,j] = sum of dy[i,j] over i with ids[i] = v */
static void grad_gather(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0,
                     gf_autodiff_emit(ad, &(GfEmit){.op = GF_OP_SCATTER_ADD,
                                                    .in = {dy, gf_operand(n, 1)},
                                                    .count = 2,
                                                    .declared = &gf_operand(n, 0)->type}));
}

/* ---- along rows -------------------------------------------------------------------------------- */

/* dx = y (dy - sum_k dy[i,k] y[i,k]) */
static void grad_softmax(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(ad, 0, binary(ad, GF_OP_SOFTMAX_GRAD, gf_result(n), dy));
}

/* dx = (softmax(x) - onehot) dy */
static void grad_cross_entropy(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    gf_autodiff_give(
        ad, 0,
        gf_autodiff_emit(
            ad, &(GfEmit){.op = GF_OP_CROSS_ENTROPY_GRAD, .in = {gf_operand(n, 0), gf_operand(n, 1), dy}, .count = 3}));
}

/* (x - mean) rstd, as the forward pass had it */
static GfValue *normalized(GfAutodiff *ad, GfNode *n)
{
    GfValue *centred = binary(ad, GF_OP_SUB, gf_operand(n, 0), &n->results[1]);
    return mul(ad, centred, &n->results[2]);
}

/* dx: see layer_norm_grad; dg[j] = sum_i dy (x - mean) rstd; db[j] = sum_i dy */
static void grad_layer_norm(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *x = gf_operand(n, 0), *g = gf_operand(n, 1);

    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0,
                         gf_autodiff_emit(ad, &(GfEmit){.op = GF_OP_LAYER_NORM_GRAD,
                                                        .in = {dy, x, g, &n->results[1], &n->results[2]},
                                                        .count = 5}));
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, unary(ad, GF_OP_SUM_ROWS, mul(ad, dy, normalized(ad, n))));
    if (gf_autodiff_wants(ad, 2))
        gf_autodiff_give(ad, 2, unary(ad, GF_OP_SUM_ROWS, dy));
}

/* ---- matrix products ------------------------------------------------------------------------------ */

/* dx[n,k] = dy[n,m] w[m,k]; dw[m,k] = dy' x; db[m] = sum_i dy */
static void grad_linear(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, product(ad, dy, false, gf_operand(n, 1), false));
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, product(ad, dy, true, gf_operand(n, 0), false));
    if (n->operand_count == 3 && gf_autodiff_wants(ad, 2))
        gf_autodiff_give(ad, 2, unary(ad, GF_OP_SUM_ROWS, dy));
}

/* With A, B the operands as the product reads them: dA = dy B', dB = A' dy; an
 * operand stored transposed gets the transpose of that. */
static void grad_matmul(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfValue *a = gf_operand(n, 0), *b = gf_operand(n, 1);
    bool ta = gf_attr_i(n, "transpose_a"), tb = gf_attr_i(n, "transpose_b");

    if (gf_autodiff_wants(ad, 0))
        gf_autodiff_give(ad, 0, ta ? product(ad, b, tb, dy, true) : product(ad, dy, false, b, !tb));
    if (gf_autodiff_wants(ad, 1))
        gf_autodiff_give(ad, 1, tb ? product(ad, dy, true, a, ta) : product(ad, a, !ta, dy, false));
}

/* ---- packed sequences -------------------------------------------------------------------------------- */

/* dq, dk, dv: see attention_grad */
static void grad_attention(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    GfEmit emit = {.op = GF_OP_ATTENTION_GRAD,
                   .in = {dy, gf_operand(n, 0), gf_operand(n, 1), gf_operand(n, 2), gf_result(n), &n->results[1],
                          gf_operand(n, 3), gf_operand(n, 4), gf_operand(n, 5)},
                   .count = 9,
                   .attrs = n->attrs,
                   .attr_count = n->attr_count};
    GfValue *made = gf_autodiff_emit(ad, &emit);

    for (uint32_t i = 0; made && i < 3; i++) {
        if (gf_autodiff_wants(ad, i))
            gf_autodiff_give(ad, i, &made->node->results[i]);
    }
}

/* ---- the table -------------------------------------------------------------------------------------------- */

typedef void (*GradFn)(GfAutodiff *ad, GfNode *n, GfValue *dy);

static const GradFn grad_of[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, eval, grad, ...) [GF_OP_##id] = grad_##grad,
#include "ir/ops.def"
};

void gf_autodiff_node(GfAutodiff *ad, GfNode *n, GfValue *dy)
{
    grad_of[n->op](ad, n, dy);
}
