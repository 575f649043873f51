/* row_ops.c -- the reductions along rows: which sums they need, and what they
 * make of them.  Formulas: ops.def.  m is the number of columns.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"

static V scalar_of(Emit *e, const GfNode *n, int index)
{
    return ll_splat(e->l, ll_get(e->l, row_scalars(e, n)[index]));
}

static V columns(Emit *e, const GfNode *n)
{
    return ll_convert(e->l, emit_dim(e, emit_shape(&gf_operand(n, 0)->type).cols), e->l->f32);
}

/* ---- layer_norm: scalars {mean, rstd} ------------------------------------------- */

static V layer_norm_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    V x = emit_operand(e, n, 0, p);

    (void)slot;
    if (phase == 0)
        return x;
    V d = ll_fsub(e->l, x, scalar_of(e, n, 0));
    return ll_fmul(e->l, d, d);
}

static void layer_norm_finish(Emit *e, const GfNode *n, int phase, const V *totals, V *scalars, Point p)
{
    Ll *l = e->l;
    V mean = ll_fdiv(l, totals[0], columns(e, n));

    (void)p;
    scalars[phase] =
        phase == 0 ? mean : ll_fdiv(l, ll_f(l, 1), ll_fsqrt(l, ll_fadd(l, mean, ll_f(l, gf_attr_f(n, "eps")))));
}

static V layer_norm_scalar(Emit *e, const GfNode *n, uint32_t result, const V *scalars)
{
    (void)e;
    (void)n;
    return scalars[result - 1];
}

static V layer_norm_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    V d = ll_fsub(l, emit_operand(e, n, 0, p), scalar_of(e, n, 0));

    (void)result;
    return ll_fma(l, ll_fmul(l, d, scalar_of(e, n, 1)), emit_operand(e, n, 1, p), emit_operand(e, n, 2, p));
}

static const RowOp layer_norm_row = {
    .phases = 2, .slots = {1, 1}, .term = layer_norm_term, .finish = layer_norm_finish, .scalar = layer_norm_scalar};
const CpuOp cpu_layer_norm = {.element = layer_norm_element, .row = &layer_norm_row};

/* ---- layer_norm_grad: dx = rstd (dy g - (a + xhat b)), a = mean of dy g,
 *      b = mean of dy g xhat, xhat = (x - mean) rstd; scalars {a, b} ---------------- */

static V normalized(Emit *e, const GfNode *n, Point p)
{
    V d = ll_fsub(e->l, emit_operand(e, n, 1, p), emit_operand(e, n, 3, p));
    return ll_fmul(e->l, d, emit_operand(e, n, 4, p));
}

static V layer_norm_grad_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    V dyg = ll_fmul(e->l, emit_operand(e, n, 0, p), emit_operand(e, n, 2, p));

    (void)phase;
    return slot == 0 ? dyg : ll_fmul(e->l, dyg, normalized(e, n, p));
}

static void layer_norm_grad_finish(Emit *e, const GfNode *n, int phase, const V *totals, V *scalars, Point p)
{
    V m = columns(e, n);

    (void)phase;
    (void)p;
    scalars[0] = ll_fdiv(e->l, totals[0], m);
    scalars[1] = ll_fdiv(e->l, totals[1], m);
}

static V layer_norm_grad_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    V dyg = ll_fmul(l, emit_operand(e, n, 0, p), emit_operand(e, n, 2, p));
    V mean = ll_fma(l, normalized(e, n, p), scalar_of(e, n, 1), scalar_of(e, n, 0));

    (void)result;
    return ll_fmul(l, emit_operand(e, n, 4, p), ll_fsub(l, dyg, mean));
}

static const RowOp layer_norm_grad_row = {
    .phases = 1, .slots = {2}, .term = layer_norm_grad_term, .finish = layer_norm_grad_finish};
const CpuOp cpu_layer_norm_grad = {.element = layer_norm_grad_element, .row = &layer_norm_grad_row};

/* ---- softmax and cross entropy: scalars {max, sum of e^(x - max)} ----------------- */

static V exp_below(Emit *e, const GfNode *n, Point p)
{
    return ll_exp(e->l, ll_fsub(e->l, emit_operand(e, n, 0, p), scalar_of(e, n, 0)));
}

static V softmax_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    (void)slot;
    return phase == 0 ? emit_operand(e, n, 0, p) : exp_below(e, n, p);
}

static void softmax_finish(Emit *e, const GfNode *n, int phase, const V *totals, V *scalars, Point p)
{
    (void)e;
    (void)n;
    (void)p;
    scalars[phase] = totals[0];
}

static V softmax_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    (void)result;
    return ll_fdiv(e->l, exp_below(e, n, p), scalar_of(e, n, 1));
}

static const RowOp softmax_row = {
    .phases = 2, .slots = {1, 1}, .largest = {true, false}, .term = softmax_term, .finish = softmax_finish};
const CpuOp cpu_softmax = {.element = softmax_element, .row = &softmax_row};

/* Whether the column is that of the row's label. */
static V is_label(Emit *e, const GfNode *n, Point p)
{
    Ll *l = e->l;
    V label = ll_load_i32(l, emit_base(e, gf_operand(n, 1)), p.row);
    V lane = LLVMBuildTrunc(l->b, ll_sub(l, label, p.col), l->i32, "");
    return LLVMBuildICmp(l->b, LLVMIntEQ, ll_iota(l), ll_splat(l, lane), "");
}

/* 1 there, else 0. */
static V one_hot(Emit *e, const GfNode *n, Point p)
{
    return ll_select(e->l, is_label(e, n, p), ll_vf(e->l, 1), ll_vf(e->l, 0));
}

/* Second slot of phase 1: x at the label; scalar 2. */
static V cross_entropy_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    if (phase == 0 || slot == 0)
        return softmax_term(e, n, phase, slot, p);
    return ll_fmul(e->l, one_hot(e, n, p), emit_operand(e, n, 0, p));
}

static void cross_entropy_finish(Emit *e, const GfNode *n, int phase, const V *totals, V *scalars, Point p)
{
    softmax_finish(e, n, phase, totals, scalars, p);
    if (phase == 1)
        scalars[2] = totals[1];
}

static V cross_entropy_scalar(Emit *e, const GfNode *n, uint32_t result, const V *scalars)
{
    (void)n;
    (void)result;
    return ll_fadd(e->l, ll_fsub(e->l, scalars[0], scalars[2]), ll_log(e->l, scalars[1]));
}

static const RowOp cross_entropy_row = {.phases = 2,
                                        .slots = {1, 2},
                                        .largest = {true, false},
                                        .term = cross_entropy_term,
                                        .finish = cross_entropy_finish,
                                        .scalar = cross_entropy_scalar};
const CpuOp cpu_cross_entropy = {.row = &cross_entropy_row};

/* Second slot of phase 1: e^(x - max) beside the label; scalar 2.  At the label softmax - 1
 * is less than its own rounding where the row is nearly sure; minus the others' share has
 * all digits. */
static V cross_entropy_grad_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    V term = softmax_term(e, n, phase, slot, p);
    return slot == 0 ? term : ll_select(e->l, is_label(e, n, p), ll_vf(e->l, 0), term);
}

static V cross_entropy_grad_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    V up = ll_select(l, is_label(e, n, p), ll_fneg(l, scalar_of(e, n, 2)), exp_below(e, n, p));

    (void)result;
    return ll_fmul(l, ll_fdiv(l, up, scalar_of(e, n, 1)), emit_operand(e, n, 2, p));
}

static const RowOp cross_entropy_grad_row = {.phases = 2,
                                             .slots = {1, 2},
                                             .largest = {true, false},
                                             .term = cross_entropy_grad_term,
                                             .finish = cross_entropy_finish};
const CpuOp cpu_cross_entropy_grad = {.element = cross_entropy_grad_element, .row = &cross_entropy_grad_row};

/* ---- softmax_grad: scalar {sum of dy y} ------------------------------------------- */

static V softmax_grad_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    (void)phase;
    (void)slot;
    return ll_fmul(e->l, emit_operand(e, n, 0, p), emit_operand(e, n, 1, p));
}

static V softmax_grad_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    (void)result;
    return ll_fmul(l, emit_operand(e, n, 0, p), ll_fsub(l, emit_operand(e, n, 1, p), scalar_of(e, n, 0)));
}

static const RowOp softmax_grad_row = {.phases = 1, .slots = {1}, .term = softmax_grad_term, .finish = softmax_finish};
const CpuOp cpu_softmax_grad = {.element = softmax_grad_element, .row = &softmax_grad_row};

/* ---- sum_cols, max_cols, pick_cols --------------------------------------------------- */

static V sum_cols_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    (void)phase;
    (void)slot;
    return emit_operand(e, n, 0, p);
}

static V sum_cols_scalar(Emit *e, const GfNode *n, uint32_t result, const V *scalars)
{
    (void)e;
    (void)n;
    (void)result;
    return scalars[0];
}

static const RowOp sum_cols_row = {
    .phases = 1, .slots = {1}, .term = sum_cols_term, .finish = softmax_finish, .scalar = sum_cols_scalar};
const CpuOp cpu_sum_cols = {.row = &sum_cols_row};

static const RowOp max_cols_row = {.phases = 1,
                                   .slots = {1},
                                   .largest = {true},
                                   .term = sum_cols_term,
                                   .finish = softmax_finish,
                                   .scalar = sum_cols_scalar};
const CpuOp cpu_max_cols = {.row = &max_cols_row};

static V pick_cols_term(Emit *e, const GfNode *n, int phase, int slot, Point p)
{
    return ll_fmul(e->l, one_hot(e, n, p), sum_cols_term(e, n, phase, slot, p));
}

static const RowOp pick_cols_row = {
    .phases = 1, .slots = {1}, .term = pick_cols_term, .finish = softmax_finish, .scalar = sum_cols_scalar};
const CpuOp cpu_pick_cols = {.row = &pick_cols_row};
