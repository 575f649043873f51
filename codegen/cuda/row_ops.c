/* row_ops.c -- the reductions along rows: which sums they need, and what they
 * make of them.  Formulas: ir/ops.def.
 */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"

static const char *columns(CudaEmit *e, const GfNode *n)
{
    return cuda_dim(e, cuda_shape(&gf_operand(n, 0)->type).cols);
}

static void keep_total(CudaEmit *e, const GfNode *n, int phase, const char *const *totals, const char **scalars)
{
    (void)e;
    (void)n;
    scalars[phase] = totals[0];
}

/* ---- layer_norm: scalars {mean, rstd} ------------------------------------------- */

static const char *layer_norm_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    (void)slot;
    const char *x = cuda_operand(e, n, 0);
    return phase == 0 ? x : cuda_text(e, "gf_square(%s - %s)", x, s[0]);
}

static void layer_norm_finish(CudaEmit *e, const GfNode *n, int phase, const char *const *totals, const char **s)
{
    if (phase == 0)
        s[0] = cuda_text(e, "%s / %s", totals[0], columns(e, n));
    else
        s[1] = cuda_text(e, "1.0f / sqrtf(%s / %s + %s)", totals[0], columns(e, n), cuda_float(e, gf_attr_f(n, "eps")));
}

static const char *layer_norm_scalar(CudaEmit *e, const GfNode *n, uint32_t result, const char *const *s)
{
    (void)e;
    (void)n;
    return s[result - 1];
}

static const char *layer_norm_write(CudaEmit *e, const GfNode *n, uint32_t result)
{
    const char *const *s = cuda_row_scalars(e, n);

    (void)result;
    const char *x = cuda_operand(e, n, 0), *g = cuda_operand(e, n, 1), *b = cuda_operand(e, n, 2);
    return cuda_text(e, "(%s - %s) * %s * %s + %s", x, s[0], s[1], g, b);
}

static const CudaRowOp layer_norm_row = {
    .phases = 2, .slots = {1, 1}, .term = layer_norm_term, .finish = layer_norm_finish, .scalar = layer_norm_scalar};
const CudaOp cuda_layer_norm = {.write = layer_norm_write, .row = &layer_norm_row};

/* ---- layer_norm_grad: dx = rstd (dy g - (a + xhat b)), a = mean of dy g,
 *      b = mean of dy g xhat, xhat = (x - mean) rstd; scalars {a, b} ---------------- */

static const char *layer_norm_grad_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    (void)phase;
    (void)s;
    const char *dy = cuda_operand(e, n, 0), *g = cuda_operand(e, n, 2);
    if (slot == 0)
        return cuda_text(e, "%s * %s", dy, g);
    const char *x = cuda_operand(e, n, 1), *mean = cuda_operand(e, n, 3), *rstd = cuda_operand(e, n, 4);
    return cuda_text(e, "%s * %s * ((%s - %s) * %s)", dy, g, x, mean, rstd);
}

static void layer_norm_grad_finish(CudaEmit *e, const GfNode *n, int phase, const char *const *totals, const char **s)
{
    (void)phase;
    s[0] = cuda_text(e, "%s / %s", totals[0], columns(e, n));
    s[1] = cuda_text(e, "%s / %s", totals[1], columns(e, n));
}

static const char *layer_norm_grad_write(CudaEmit *e, const GfNode *n, uint32_t result)
{
    const char *const *s = cuda_row_scalars(e, n);

    (void)result;
    const char *dy = cuda_operand(e, n, 0), *x = cuda_operand(e, n, 1), *g = cuda_operand(e, n, 2);
    const char *mean = cuda_operand(e, n, 3), *rstd = cuda_operand(e, n, 4);
    return cuda_text(e, "%s * (%s * %s - (%s + (%s - %s) * %s * %s))", rstd, dy, g, s[0], x, mean, rstd, s[1]);
}

static const CudaRowOp layer_norm_grad_row = {
    .phases = 1, .slots = {2}, .term = layer_norm_grad_term, .finish = layer_norm_grad_finish};
const CudaOp cuda_layer_norm_grad = {.write = layer_norm_grad_write, .row = &layer_norm_grad_row};

/* ---- softmax and cross entropy: scalars {largest, sum of e^(x - largest)} ---------- */

static const char *softmax_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    (void)slot;
    const char *x = cuda_operand(e, n, 0);
    return phase == 0 ? x : cuda_text(e, "expf(%s - %s)", x, s[0]);
}

static const char *softmax_write(CudaEmit *e, const GfNode *n, uint32_t result)
{
    const char *const *s = cuda_row_scalars(e, n);

    (void)result;
    return cuda_text(e, "expf(%s - %s) / %s", cuda_operand(e, n, 0), s[0], s[1]);
}

static const CudaRowOp softmax_row = {
    .phases = 2, .slots = {1, 1}, .largest = {true, false}, .term = softmax_term, .finish = keep_total};
const CudaOp cuda_softmax = {.write = softmax_write, .row = &softmax_row};

static const char *is_label(CudaEmit *e, const GfNode *n)
{
    return cuda_text(e, "%s == %s[%s]", e->col, cuda_pointer(e, gf_operand(n, 1)), e->row);
}

/* Second slot of phase 1: x at the label; scalar 2. */
static const char *cross_entropy_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    if (slot == 0)
        return softmax_term(e, n, phase, slot, s);
    return cuda_text(e, "%s ? %s : 0.0f", is_label(e, n), cuda_operand(e, n, 0));
}

static void cross_entropy_finish(CudaEmit *e, const GfNode *n, int phase, const char *const *totals, const char **s)
{
    keep_total(e, n, phase, totals, s);
    if (phase == 1)
        s[2] = totals[1];
}

static const char *cross_entropy_scalar(CudaEmit *e, const GfNode *n, uint32_t result, const char *const *s)
{
    (void)n;
    (void)result;
    return cuda_text(e, "(%s - %s + logf(%s))", s[0], s[2], s[1]);
}

static const CudaRowOp cross_entropy_row = {.phases = 2,
                                            .slots = {1, 2},
                                            .largest = {true, false},
                                            .term = cross_entropy_term,
                                            .finish = cross_entropy_finish,
                                            .scalar = cross_entropy_scalar};
const CudaOp cuda_cross_entropy = {.row = &cross_entropy_row};

/* Second slot of phase 1: e^(x - largest) beside the label; scalar 2.  At the label softmax - 1
 * is less than its own rounding where the row is nearly sure; minus the others' share has
 * all digits. */
static const char *cross_entropy_grad_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    const char *term = softmax_term(e, n, phase, slot, s);
    return slot == 0 ? term : cuda_text(e, "%s ? 0.0f : %s", is_label(e, n), term);
}

static const char *cross_entropy_grad_write(CudaEmit *e, const GfNode *n, uint32_t result)
{
    const char *const *s = cuda_row_scalars(e, n);
    const char *x = cuda_operand(e, n, 0), *dy = cuda_operand(e, n, 2);

    (void)result;
    return cuda_text(e, "(%s ? -%s : expf(%s - %s)) / %s * %s", is_label(e, n), s[2], x, s[0], s[1], dy);
}

static const CudaRowOp cross_entropy_grad_row = {.phases = 2,
                                                 .slots = {1, 2},
                                                 .largest = {true, false},
                                                 .term = cross_entropy_grad_term,
                                                 .finish = cross_entropy_finish};
const CudaOp cuda_cross_entropy_grad = {.write = cross_entropy_grad_write, .row = &cross_entropy_grad_row};

/* ---- softmax_grad: scalar {sum of dy y} -------------------------------------------- */

static const char *softmax_grad_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    (void)phase;
    (void)slot;
    (void)s;
    const char *y = cuda_operand(e, n, 0), *dy = cuda_operand(e, n, 1);
    return cuda_text(e, "%s * %s", y, dy);
}

static const char *softmax_grad_write(CudaEmit *e, const GfNode *n, uint32_t result)
{
    (void)result;
    const char *y = cuda_operand(e, n, 0), *dy = cuda_operand(e, n, 1);
    return cuda_text(e, "%s * (%s - %s)", y, dy, cuda_row_scalars(e, n)[0]);
}

static const CudaRowOp softmax_grad_row = {.phases = 1, .slots = {1}, .term = softmax_grad_term, .finish = keep_total};
const CudaOp cuda_softmax_grad = {.write = softmax_grad_write, .row = &softmax_grad_row};

/* ---- sum_cols, max_cols, pick_cols ----------------------------------------------------- */

static const char *sum_cols_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    (void)phase;
    (void)slot;
    (void)s;
    return cuda_operand(e, n, 0);
}

static const char *sum_cols_scalar(CudaEmit *e, const GfNode *n, uint32_t result, const char *const *s)
{
    (void)e;
    (void)n;
    (void)result;
    return s[0];
}

static const CudaRowOp sum_cols_row = {
    .phases = 1, .slots = {1}, .term = sum_cols_term, .finish = keep_total, .scalar = sum_cols_scalar};
const CudaOp cuda_sum_cols = {.row = &sum_cols_row};

static const CudaRowOp max_cols_row = {.phases = 1,
                                       .slots = {1},
                                       .largest = {true},
                                       .term = sum_cols_term,
                                       .finish = keep_total,
                                       .scalar = sum_cols_scalar};
const CudaOp cuda_max_cols = {.row = &max_cols_row};

static const char *pick_cols_term(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *s)
{
    return cuda_text(e, "%s ? %s : 0.0f", is_label(e, n), sum_cols_term(e, n, phase, slot, s));
}

static const CudaRowOp pick_cols_row = {
    .phases = 1, .slots = {1}, .term = pick_cols_term, .finish = keep_total, .scalar = sum_cols_scalar};
const CudaOp cuda_pick_cols = {.row = &pick_cols_row};
