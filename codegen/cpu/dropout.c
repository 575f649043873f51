/* dropout.c -- dropout factors: Philox4x32-10 of ir/philox.h, pairs of vectors
 * at a time.
 *
 * A counter gives the words of 4 columns, so a pair of vectors takes width / 2
 * counters.  A word of a counter lives in the lower half of a 64-bit lane: there
 * the wide product is one instruction, and what is in the upper half is never
 * read.  The words are put in the order of their columns at the end.
 *
 * The upper half of what goes into the rounds repeats the lower one.  Were it
 * known to be 0, LLVM would drop the masks of wide_product, and where the value
 * comes from another basic block its instruction selection, which looks at one
 * block at a time, would multiply all 64 bits.
 */
#include "codegen/cpu/ll.h"
#include "ir/philox.h"

#include <stddef.h>

static V splat(Ll *l, V scalar, unsigned lanes)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes);
    V one = LLVMBuildInsertElement(l->b, LLVMGetPoison(type), scalar, ll_i32(l, 0), "");
    return LLVMBuildShuffleVector(l->b, one, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(l->i32, lanes)), "");
}

static V splat_const(Ll *l, uint64_t value, unsigned lanes)
{
    V lane[32];
    for (unsigned i = 0; i < lanes; i++)
        lane[i] = LLVMConstInt(l->i64, value, false);
    return LLVMConstVector(lane, lanes);
}

static V twice(Ll *l, V word)
{
    return LLVMBuildOr(l->b, word, LLVMBuildShl(l->b, word, ll_i(l, 32), ""), "");
}

static V load_word(Ll *l, V rng, int64_t index)
{
    return LLVMBuildZExt(l->b, ll_load(l, l->i32, ll_at(l, l->i32, rng, ll_i(l, index))), l->i64, "");
}

Dropout ll_dropout_open(Ll *l, V rng, V key)
{
    Dropout d;
    unsigned lanes = l->width / 2;
    V k0 = load_word(l, rng, 0), k1 = load_word(l, rng, 1);
    V step = LLVMBuildShl(l->b, load_word(l, rng, 2), ll_i(l, 8), "");

    for (int round = 0; round < GF_PHILOX_ROUNDS; round++) {
        d.key0[round] = splat(l, twice(l, k0), lanes);
        d.key1[round] = splat(l, twice(l, k1), lanes);
        k0 = LLVMBuildAdd(l->b, k0, ll_i(l, GF_PHILOX_W0), "");
        k1 = LLVMBuildAdd(l->b, k1, ll_i(l, GF_PHILOX_W1), "");
    }
    d.op = splat(l, twice(l, key), lanes);
    d.step = splat(l, twice(l, LLVMBuildAdd(l->b, step, load_word(l, rng, 3), "")), lanes);
    return d;
}

/* The product of the lower halves; `m` has nothing in its upper ones. */
static V wide_product(Ll *l, V word, V m, V low)
{
    return LLVMBuildMul(l->b, LLVMBuildAnd(l->b, word, low, ""), m, "");
}

static void run_round(Ll *l, const Dropout *d, int round, V c[4])
{
    unsigned lanes = l->width / 2;
    V m0 = splat_const(l, GF_PHILOX_M0, lanes), m1 = splat_const(l, GF_PHILOX_M1, lanes);
    V low = splat_const(l, 0xffffffffu, lanes), half = splat_const(l, 32, lanes);
    V p0 = wide_product(l, c[0], m0, low), p1 = wide_product(l, c[2], m1, low);
    V high0 = LLVMBuildLShr(l->b, p0, half, ""), high1 = LLVMBuildLShr(l->b, p1, half, "");

    c[0] = LLVMBuildXor(l->b, LLVMBuildXor(l->b, high1, c[1], ""), d->key0[round], "");
    c[2] = LLVMBuildXor(l->b, LLVMBuildXor(l->b, high0, c[3], ""), d->key1[round], "");
    c[1] = p1;
    c[3] = p0;
}

/* Lane i: i / 4 columns on, modulo `period` lanes. */
static V lane_numbers(Ll *l, unsigned period)
{
    V lane[32];
    for (unsigned i = 0; i < l->width / 2; i++)
        lane[i] = ll_i(l, i % period);
    return LLVMConstVector(lane, l->width / 2);
}

/* `a` in the first half of the lanes, `b` in the second. */
static V halves(Ll *l, V a, V b)
{
    unsigned lanes = l->width / 2;
    V pick[32], x = splat(l, a, lanes);

    if (a == b)
        return x;
    for (unsigned i = 0; i < lanes; i++)
        pick[i] = ll_i32(l, (int32_t)(i < lanes / 2 ? i : lanes + i));
    return LLVMBuildShuffleVector(l->b, x, splat(l, b, lanes), LLVMConstVector(pick, lanes), "");
}

/* The words of lanes [first, first + width / 4), in the order of their columns. */
static V in_order(Ll *l, V words01, V words23, unsigned first)
{
    V pick[32];

    for (unsigned i = 0; i < l->width / 4; i++) {
        pick[2 * i] = ll_i32(l, (int32_t)(first + i));
        pick[2 * i + 1] = ll_i32(l, (int32_t)(l->width / 2 + first + i));
    }
    V pairs = LLVMBuildShuffleVector(l->b, words01, words23, LLVMConstVector(pick, l->width / 2), "");
    return LLVMBuildBitCast(l->b, pairs, l->vi, "");
}

static V word_pairs(Ll *l, V even, V odd)
{
    unsigned lanes = l->width / 2;
    V high = LLVMBuildShl(l->b, odd, splat_const(l, 32, lanes), "");
    return LLVMBuildOr(l->b, LLVMBuildAnd(l->b, even, splat_const(l, 0xffffffffu, lanes), ""), high, "");
}

static void open_counters(Ll *l, const Dropout *d, DropoutPair at, V c[4])
{
    unsigned lanes = l->width / 2;
    V first = splat(l, twice(l, LLVMBuildLShr(l->b, at.column, ll_i(l, 2), "")), lanes);
    V second_row = at.second_row == at.row ? NULL : twice(l, at.second_row), row = twice(l, at.row);

    c[0] = LLVMBuildAdd(l->b, first, lane_numbers(l, second_row ? lanes / 2 : lanes), "");
    c[1] = halves(l, row, second_row ? second_row : row);
    c[2] = d->op;
    c[3] = d->step;
}

static void close_counters(Ll *l, double p, V c[4], V factors[2])
{
    V threshold = ll_vi(l, gf_dropout_threshold(p));
    V words01 = word_pairs(l, c[0], c[1]), words23 = word_pairs(l, c[2], c[3]);

    for (unsigned i = 0; i < 2; i++) {
        V words = in_order(l, words01, words23, i * (l->width / 4));
        V dropped = LLVMBuildICmp(l->b, LLVMIntULT, words, threshold, "");
        factors[i] = ll_select(l, dropped, ll_vf(l, 0), ll_vf(l, 1.0 / (1.0 - p)));
    }
}

void ll_dropout(Ll *l, const Dropout *d, double p, const DropoutPair *pairs, unsigned count, V *factors)
{
    V c[DROPOUT_PAIRS][4];

    for (unsigned i = 0; i < count; i++)
        open_counters(l, d, pairs[i], c[i]);
    for (int round = 0; round < GF_PHILOX_ROUNDS; round++) {
        for (unsigned i = 0; i < count; i++)
            run_round(l, d, round, c[i]);
    }
    for (unsigned i = 0; i < count; i++)
        close_counters(l, p, c[i], factors + 2 * i);
}
