/* elementwise.c -- the vector code of elementwise ops.
 *
 * Each takes a point and gives the op's value there; operands come through
 * emit_operand, which loads, broadcasts or computes them.  Formulas: ops.def.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"

#define BINARY(name, expression)                                                                                       \
    static V name##_element(Emit *e, const GfNode *n, uint32_t result, Point p)                                        \
    {                                                                                                                  \
        Ll *l = e->l;                                                                                                  \
        V a = emit_operand(e, n, 0, p), b = emit_operand(e, n, 1, p);                                                  \
        (void)result;                                                                                                  \
        return expression;                                                                                             \
    }                                                                                                                  \
    const CpuOp cpu_##name = {.element = name##_element};

#define UNARY(name, expression)                                                                                        \
    static V name##_element(Emit *e, const GfNode *n, uint32_t result, Point p)                                        \
    {                                                                                                                  \
        Ll *l = e->l;                                                                                                  \
        V x = emit_operand(e, n, 0, p);                                                                                \
        (void)result;                                                                                                  \
        return expression;                                                                                             \
    }                                                                                                                  \
    const CpuOp cpu_##name = {.element = name##_element};

BINARY(add, ll_fadd(l, a, b))
BINARY(sub, ll_fsub(l, a, b))
BINARY(mul, ll_fmul(l, a, b))
BINARY(div, ll_fdiv(l, a, b))
BINARY(min, ll_fmin(l, a, b))
BINARY(max, ll_fmax(l, a, b))
BINARY(relu_grad, ll_select(l, ll_flt(l, ll_vf(l, 0), a), b, ll_vf(l, 0)))

UNARY(scale, ll_fmul(l, x, ll_vf(l, gf_attr_f(n, "by"))))
UNARY(offset, ll_fadd(l, x, ll_vf(l, gf_attr_f(n, "by"))))
UNARY(neg, ll_fneg(l, x))
UNARY(exp, ll_exp(l, x))
UNARY(log, ll_log(l, x))
UNARY(sqrt, ll_fsqrt(l, x))
UNARY(tanh, ll_tanh(l, x))
UNARY(sigmoid, ll_sigmoid(l, x))
UNARY(erf, ll_erf(l, x))
UNARY(relu, ll_fmax(l, x, ll_vf(l, 0)))
UNARY(broadcast, ((void)l, x))

/* Phi(x), the normal distribution function. */
static V normal_cdf(Ll *l, V x)
{
    V erf = ll_erf(l, ll_fmul(l, x, ll_vf(l, 0.70710678118654752)));
    return ll_fma(l, erf, ll_vf(l, 0.5), ll_vf(l, 0.5));
}

UNARY(gelu, ll_fmul(l, x, normal_cdf(l, x)))

/* gelu'(x) = Phi(x) + x phi(x), phi(x) = e^(-x^2/2) / sqrt(2 pi) */
static V gelu_slope(Ll *l, V x)
{
    V half_square = ll_fmul(l, ll_fmul(l, x, x), ll_vf(l, -0.5));
    V density = ll_fmul(l, ll_exp(l, half_square), ll_vf(l, 0.39894228040143268));
    return ll_fma(l, x, density, normal_cdf(l, x));
}

BINARY(gelu_grad, ll_fmul(l, b, gelu_slope(l, a)))

/* max(x, 0) - x t + ln(1 + e^-|x|): every term is finite, and t = 0 or 1 cancels nothing. */
static V bce(Ll *l, V x, V t)
{
    V part = ll_fsub(l, ll_fmax(l, x, ll_vf(l, 0)), ll_fmul(l, x, t));
    return ll_fadd(l, part, ll_log1p(l, ll_exp(l, ll_fneg(l, ll_fabs(l, x)))));
}

BINARY(bce_with_logits, bce(l, a, b))

static V const_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    (void)result;
    (void)p;
    return ll_vf(e->l, gf_attr_f(n, "value"));
}

const CpuOp cpu_const = {.element = const_element};

static V dropout_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    V x = emit_operand(e, n, 0, p);

    (void)result;
    return gf_attr_f(n, "p") > 0 ? ll_fmul(e->l, x, emit_factors(e, n, p)) : x;
}

const CpuOp cpu_dropout = {.element = dropout_element};

/* The number of elements of the result, as a float. */
static V element_count(Emit *e, const GfNode *n)
{
    V count = e->flat ? e->elements : ll_i(e->l, 1);
    for (uint32_t i = 0; !e->flat && i < n->results[0].type.rank; i++)
        count = ll_mul(e->l, count, emit_dim(e, n->results[0].type.dims[i]));
    return ll_convert(e->l, count, e->l->f32);
}

UNARY(mean_grad, ll_fdiv(l, x, ll_splat(l, element_count(e, n))))

/* table[ids[j]] for the columns j at p of a table that is a vector. */
static V gather_elements(Emit *e, V table, V ids, Point p)
{
    Ll *l = e->l;
    V index = LLVMBuildBitCast(l->b, ll_vload(l, ids, p.col, p.mask), l->vi, "");
    V pointers = LLVMBuildGEP2(l->b, l->f32, table, &index, 1, "");
    LLVMTypeRef types[] = {l->vf, LLVMTypeOf(pointers)};
    V args[] = {pointers, ll_i32(l, 4), p.mask ? p.mask : LLVMConstAllOnes(l->vm), ll_vf(l, 0)};

    return ll_intrinsic(l, "llvm.masked.gather", types, 2, args, 4);
}

static V gather_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    Shape s = emit_shape(&n->results[0].type);
    V table = emit_base(e, gf_operand(n, 0)), ids = emit_base(e, gf_operand(n, 1));

    (void)result;
    if (n->results[0].type.rank == 1)
        return gather_elements(e, table, ids, p);
    V id = ll_load_i32(l, ids, p.row);
    return ll_vload(l, table, ll_add(l, ll_mul(l, id, emit_dim(e, s.cols)), p.col), p.mask);
}

const CpuOp cpu_gather = {.element = gather_element};

/* beta^step by squaring, in double: 1 - beta^step cancels for small steps. */
static V bias_correction_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    V power = ll_var(l, l->f64), square = ll_var(l, l->f64), left = ll_var(l, l->i64);

    (void)result;
    (void)p;
    ll_set(l, power, LLVMConstReal(l->f64, 1));
    ll_set(l, square, LLVMConstReal(l->f64, gf_attr_f(n, "beta")));
    ll_set(l, left, ll_load_i32(l, emit_base(e, gf_operand(n, 0)), ll_i(l, 0)));
    Loop bit = ll_for(l, ll_i(l, 0), ll_i(l, 31), 1);
    V odd = LLVMBuildTrunc(l->b, ll_get(l, left), l->i1, "");
    V times = ll_fmul(l, ll_get(l, power), ll_get(l, square));
    ll_set(l, power, ll_select(l, odd, times, ll_get(l, power)));
    ll_set(l, square, ll_fmul(l, ll_get(l, square), ll_get(l, square)));
    ll_set(l, left, LLVMBuildAShr(l->b, ll_get(l, left), ll_i(l, 1), ""));
    ll_end(l, &bit);
    V correction = ll_fsub(l, LLVMConstReal(l->f64, 1), ll_get(l, power));
    return ll_splat(l, ll_convert(l, correction, l->f32));
}

const CpuOp cpu_bias_correction = {.element = bias_correction_element};

/* m' = b1 m + (1-b1) g, v' = b2 v + (1-b2) g^2,
 * p' = p - lr (m'/c1 / (sqrt(v'/c2) + eps) + weight_decay p) */
static V adamw_element(Emit *e, const GfNode *n, uint32_t result, Point p)
{
    Ll *l = e->l;
    double b1 = gf_attr_f(n, "beta1"), b2 = gf_attr_f(n, "beta2"), decay = gf_attr_f(n, "weight_decay");
    V g = ll_fmul(l, emit_operand(e, n, 1, p), emit_operand(e, n, 5, p));

    if (result == 1)
        return ll_fma(l, g, ll_vf(l, 1 - b1), ll_fmul(l, emit_operand(e, n, 2, p), ll_vf(l, b1)));
    if (result == 2)
        return ll_fma(l, ll_fmul(l, g, g), ll_vf(l, 1 - b2), ll_fmul(l, emit_operand(e, n, 3, p), ll_vf(l, b2)));
    V m = emit_value(e, &n->results[1], p), v = emit_value(e, &n->results[2], p);
    V weight = emit_operand(e, n, 0, p), lr = emit_operand(e, n, 4, p);
    V root = ll_fsqrt(l, ll_fdiv(l, v, emit_operand(e, n, 7, p)));
    V step = ll_fdiv(l, ll_fdiv(l, m, emit_operand(e, n, 6, p)), ll_fadd(l, root, ll_vf(l, gf_attr_f(n, "eps"))));
    V kept = decay > 0 ? ll_fsub(l, weight, ll_fmul(l, ll_fmul(l, lr, ll_vf(l, decay)), weight)) : weight;
    return ll_fsub(l, kept, ll_fmul(l, lr, step));
}

const CpuOp cpu_adamw = {.element = adamw_element};
