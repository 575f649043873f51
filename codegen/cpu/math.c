/* math.c -- exp, log, tanh, sigmoid and erf as straight vector code.
 *
 * Each is the classic scheme (argument reduction, then a polynomial in Horner
 * form); the coefficients are weighted least-squares fits on Chebyshev nodes,
 * iterated towards the minimax polynomial, then rounded to float.
 * Reduction of exp and log: Cody & Waite, Software Manual for the Elementary
 * Functions, 1980.
 */
#include "codegen/cpu/ll.h"

static V constant(Ll *l, V like, double value)
{
    return LLVMGetTypeKind(LLVMTypeOf(like)) == LLVMVectorTypeKind ? ll_vf(l, value) : ll_f(l, value);
}

/* The integer type with the shape of `like`. */
static LLVMTypeRef int_type(Ll *l, V like)
{
    return LLVMGetTypeKind(LLVMTypeOf(like)) == LLVMVectorTypeKind ? l->vi : l->i32;
}

static V int_constant(Ll *l, V like, uint32_t value)
{
    return LLVMGetTypeKind(LLVMTypeOf(like)) == LLVMVectorTypeKind ? ll_vi(l, value)
                                                                   : LLVMConstInt(l->i32, value, false);
}

static V as_int(Ll *l, V x)
{
    return LLVMBuildBitCast(l->b, x, int_type(l, x), "");
}

/* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
static V horner(Ll *l, V x, const double *c, int n)
{
    V y = constant(l, x, c[n - 1]);

    for (int i = n - 2; i >= 0; i--)
        y = ll_fma(l, y, x, constant(l, x, c[i]));
    return y;
}

/* Added to a float below 2^22 in size, rounds it to an integer: its last bits. */
#define ROUNDER 12582912.0

/* e^x = 2^k e^r with |r| <= ln 2 / 2; x is clamped to [-87.3, 88.4]: 1.2e-38 to
 * 2.4e38.  NaN passes: it is the second operand of each comparison. */
V ll_exp(Ll *l, V x)
{
    static const double c[] = {1, 1, 0.5, 0.16666405, 0.041666061, 0.0083759707, 0.0013957405};
    LLVMTypeRef type = LLVMTypeOf(x);
    V bounded = ll_fmin(l, constant(l, x, 88.3762), ll_fmax(l, constant(l, x, -87.33654), x));
    V rounded = ll_fma(l, bounded, constant(l, x, 1.44269504088896341), constant(l, x, ROUNDER));
    V k = ll_fsub(l, rounded, constant(l, x, ROUNDER));
    V r = ll_fma(l, k, constant(l, x, -0.693359375), bounded);
    r = ll_fma(l, k, constant(l, x, 2.12194440e-4), r);
    V exponent = LLVMBuildAdd(l->b, as_int(l, rounded), int_constant(l, x, 127), "");
    V power = LLVMBuildShl(l->b, exponent, int_constant(l, x, 23), "");
    return ll_fmul(l, horner(l, r, c, 7), LLVMBuildBitCast(l->b, power, type, ""));
}

/* ln x = k ln 2 + ln(1 + m), 1 + m in [sqrt(1/2), sqrt 2); x > 0 and normal. */
V ll_log(Ll *l, V x)
{
    static const double c[] = {0.33333325, -0.250003,   0.20002007, -0.16642348,
                               0.14185883, -0.12955236, 0.12838112, -0.083109409};
    LLVMTypeRef type = LLVMTypeOf(x);
    V bits = as_int(l, x);
    /* Shift the exponent so that mantissas from sqrt(1/2) upward share it. */
    V shifted = LLVMBuildSub(l->b, bits, int_constant(l, x, 0x3f3504f3u), "");
    V k = LLVMBuildAShr(l->b, shifted, int_constant(l, x, 23), "");
    V mantissa = LLVMBuildSub(l->b, bits, LLVMBuildShl(l->b, k, int_constant(l, x, 23), ""), "");
    V m = ll_fsub(l, LLVMBuildBitCast(l->b, mantissa, type, ""), constant(l, x, 1));
    V kf = LLVMBuildSIToFP(l->b, k, type, "");
    V m2 = ll_fmul(l, m, m);
    V tail = ll_fmul(l, ll_fmul(l, m2, m), horner(l, m, c, 8));
    tail = ll_fma(l, kf, constant(l, x, -2.12194440e-4), tail);
    tail = ll_fma(l, m2, constant(l, x, -0.5), tail);
    return ll_fma(l, kf, constant(l, x, 0.693359375), ll_fadd(l, m, tail));
}

/* ln(1 + x) for 0 <= x <= 1: 1 + x is rounded to u, and what that has lost, x - (u - 1),
 * is added to first order. */
V ll_log1p(Ll *l, V x)
{
    V u = ll_fadd(l, constant(l, x, 1), x);
    V lost = ll_fsub(l, x, ll_fsub(l, u, constant(l, x, 1)));
    return ll_fadd(l, ll_log(l, u), ll_fdiv(l, lost, u));
}

V ll_sigmoid(Ll *l, V x)
{
    V one = constant(l, x, 1);
    return ll_fdiv(l, one, ll_fadd(l, one, ll_exp(l, ll_fneg(l, x))));
}

/* x + x^3 P(x^2) below 0.625, else 1 - 2 / (e^2|x| + 1) with the sign of x. */
V ll_tanh(Ll *l, V x)
{
    static const double c[] = {-0.33333334, 0.13333298, -0.053957954, 0.021758145, -0.0083084963, 0.0022526328};
    V a = ll_fabs(l, x), u = ll_fmul(l, x, x);
    V small = ll_fma(l, ll_fmul(l, x, u), horner(l, u, c, 6), x);
    V e = ll_exp(l, ll_fadd(l, a, a));
    V ratio = ll_fdiv(l, constant(l, x, 2), ll_fadd(l, e, constant(l, x, 1)));
    V large = ll_copysign(l, ll_fsub(l, constant(l, x, 1), ratio), x);
    return ll_select(l, ll_flt(l, a, constant(l, x, 0.625)), small, large);
}

/* x P(x^2) / Q(x^2), x clamped to where the quotient is 1 as a float. */
V ll_erf(Ll *l, V x)
{
    static const double p[] = {1.12837914, 0.191550293, 0.0528754466, 0.00380816156, 0.000284687869, 2.02591003e-06};
    static const double q[] = {1, 0.503089703, 0.114559619, 0.0150550895, 0.00117072602, 3.78318291e-05};
    V c = ll_fmin(l, constant(l, x, 3.95), ll_fmax(l, constant(l, x, -3.95), x)), u = ll_fmul(l, c, c);

    return ll_fdiv(l, ll_fmul(l, c, horner(l, u, p, 6)), horner(l, u, q, 6));
}
