/* math.c -- exp, log, tanh, erf and dropout masks as straight vector code.
 *
 * Each is the classic scheme (argument reduction, then a polynomial in Horner
 * form); the coefficients are weighted least-squares fits on Chebyshev nodes,
 * iterated towards the minimax polynomial, then rounded to float.
 * Reduction of exp and log: Cody & Waite, Software Manual for the Elementary
 * Functions, 1980.
 */
#include "codegen/cpu/ll.h"
#include "ir/philox.h"

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

/* e^x = 2^k e^r with |r| <= ln 2 / 2; x is clamped to [-87.3, 88.4]: 1.2e-38 to 2.4e38. */
V ll_exp(Ll *l, V x)
{
    static const double c[] = {1, 1, 0.5, 0.16666405, 0.041666061, 0.0083759707, 0.0013957405};
    LLVMTypeRef type = LLVMTypeOf(x);
    V bounded = ll_fmin(l, ll_fmax(l, x, constant(l, x, -87.33654)), constant(l, x, 88.3762));
    V scaled = ll_fmul(l, bounded, constant(l, x, 1.44269504088896341));
    V k = ll_intrinsic(l, "llvm.rint", &type, 1, &scaled, 1);
    V r = ll_fma(l, k, constant(l, x, -0.693359375), bounded);
    r = ll_fma(l, k, constant(l, x, 2.12194440e-4), r);
    V ki = LLVMBuildFPToSI(l->b, k, int_type(l, x), "");
    V power = LLVMBuildShl(l->b, LLVMBuildAdd(l->b, ki, int_constant(l, x, 127), ""), int_constant(l, x, 23), "");
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

/* x P(x^2) up to 1, else 1 - e^(-x^2) Q(1 / (1 + |x|/2)) with the sign of x. */
V ll_erf(Ll *l, V x)
{
    static const double p[] = {1.1283792,    -0.37612638,    0.11283781,    -0.026865376,
                               0.0052208589, -0.00084812805, 0.00011243720, -9.5982568e-06};
    static const double q[] = {-0.0001395945, 0.2846978,  0.26102963,  0.34318501,
                               -0.09416125,   0.55176461, -0.46348602, 0.11715046};
    V a = ll_fmin(l, ll_fabs(l, x), constant(l, x, 4.2)), u = ll_fmul(l, a, a);
    V small = ll_fmul(l, x, horner(l, u, p, 8));
    V t = ll_fdiv(l, constant(l, x, 1), ll_fma(l, a, constant(l, x, 0.5), constant(l, x, 1)));
    V tail = ll_fmul(l, ll_exp(l, ll_fneg(l, u)), horner(l, t, q, 8));
    V large = ll_copysign(l, ll_fsub(l, constant(l, x, 1), tail), x);
    return ll_select(l, ll_flt(l, a, constant(l, x, 1)), small, large);
}

/* ---- Philox -------------------------------------------------------------------------- */

/* One round over `lanes` counters at once.  The 64-bit products are split into halves. */
static void philox_round(Ll *l, V c[4], V k0, V k1, LLVMTypeRef vi, LLVMTypeRef vl, V m0, V m1, V shift)
{
    V p0 = LLVMBuildMul(l->b, LLVMBuildZExt(l->b, c[0], vl, ""), m0, "");
    V p1 = LLVMBuildMul(l->b, LLVMBuildZExt(l->b, c[2], vl, ""), m1, "");
    V high0 = LLVMBuildTrunc(l->b, LLVMBuildLShr(l->b, p0, shift, ""), vi, "");
    V high1 = LLVMBuildTrunc(l->b, LLVMBuildLShr(l->b, p1, shift, ""), vi, "");

    c[0] = LLVMBuildXor(l->b, LLVMBuildXor(l->b, high1, c[1], ""), k0, "");
    c[2] = LLVMBuildXor(l->b, LLVMBuildXor(l->b, high0, c[3], ""), k1, "");
    c[1] = LLVMBuildTrunc(l->b, p1, vi, "");
    c[3] = LLVMBuildTrunc(l->b, p0, vi, "");
}

static V splat_to(Ll *l, V scalar, unsigned lanes)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
    LLVMTypeRef mask = LLVMVectorType(l->i32, lanes);
    V one = LLVMBuildInsertElement(l->b, LLVMGetPoison(type), scalar, ll_i32(l, 0), "");
    return LLVMBuildShuffleVector(l->b, one, LLVMGetPoison(type), LLVMConstNull(mask), "");
}

/* {0, 1, ... lanes-1} added to a splat of `first`. */
static V count_from(Ll *l, V first, unsigned lanes)
{
    V step[16];
    for (unsigned i = 0; i < lanes; i++)
        step[i] = ll_i32(l, (int32_t)i);
    return LLVMBuildAdd(l->b, splat_to(l, first, lanes), LLVMConstVector(step, lanes), "");
}

/* Words of `width` consecutive columns: width / 4 counters give 4 words each,
 * word w of counter c being column 4 c + w. */
static V interleave(Ll *l, V c[4], unsigned lanes)
{
    V first[32], both[64];

    for (unsigned i = 0; i < lanes; i++) {
        first[2 * i] = ll_i32(l, (int32_t)i);
        first[2 * i + 1] = ll_i32(l, (int32_t)(lanes + i));
    }
    for (unsigned i = 0; i < lanes; i++) {
        both[4 * i] = ll_i32(l, (int32_t)(2 * i));
        both[4 * i + 1] = ll_i32(l, (int32_t)(2 * i + 1));
        both[4 * i + 2] = ll_i32(l, (int32_t)(2 * lanes + 2 * i));
        both[4 * i + 3] = ll_i32(l, (int32_t)(2 * lanes + 2 * i + 1));
    }
    V mask = LLVMConstVector(first, 2 * lanes);
    V low = LLVMBuildShuffleVector(l->b, c[0], c[1], mask, "");
    V high = LLVMBuildShuffleVector(l->b, c[2], c[3], mask, "");
    return LLVMBuildShuffleVector(l->b, low, high, LLVMConstVector(both, 4 * lanes), "");
}

static V philox_words(Ll *l, V counter0, V row, V key, V step, V seed0, V seed1)
{
    unsigned lanes = l->width / 4;
    LLVMTypeRef vi = LLVMVectorType(l->i32, lanes), vl = LLVMVectorType(l->i64, lanes);
    V m0 = splat_to(l, ll_i(l, GF_PHILOX_M0), lanes), m1 = splat_to(l, ll_i(l, GF_PHILOX_M1), lanes);
    V shift = splat_to(l, ll_i(l, 32), lanes);
    V c[4] = {count_from(l, counter0, lanes), splat_to(l, row, lanes), splat_to(l, key, lanes),
              splat_to(l, step, lanes)};

    for (int round = 0; round < GF_PHILOX_ROUNDS; round++) {
        philox_round(l, c, splat_to(l, seed0, lanes), splat_to(l, seed1, lanes), vi, vl, m0, m1, shift);
        seed0 = LLVMBuildAdd(l->b, seed0, LLVMConstInt(l->i32, GF_PHILOX_W0, false), "");
        seed1 = LLVMBuildAdd(l->b, seed1, LLVMConstInt(l->i32, GF_PHILOX_W1, false), "");
    }
    return interleave(l, c, lanes);
}

static V low_word(Ll *l, V i64)
{
    return LLVMBuildTrunc(l->b, i64, l->i32, "");
}

V ll_dropout(Ll *l, V rng, V key, double p, V row, V column)
{
    V word[4];
    for (int i = 0; i < 4; i++)
        word[i] = ll_load(l, l->i32, ll_at(l, l->i32, rng, ll_i(l, i)));
    V step = LLVMBuildAdd(l->b, LLVMBuildShl(l->b, word[2], ll_i32(l, 8), ""), word[3], "");
    V words = philox_words(l, low_word(l, ll_sdiv(l, column, ll_i(l, 4))), low_word(l, row), low_word(l, key), step,
                           word[0], word[1]);
    V dropped = LLVMBuildICmp(l->b, LLVMIntULT, words, ll_vi(l, gf_dropout_threshold(p)), "");
    return ll_select(l, dropped, ll_vf(l, 0), ll_vf(l, 1.0 / (1.0 - p)));
}
