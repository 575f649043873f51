/* test_eval.c -- the evaluator, op by op, against values worked out by hand.
 *
 * A case is a graph, the data of its inputs, params and states in order of
 * their nodes, one after the other, and that of its outputs likewise.  Every op
 * of ops.def must have a case.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/eval_run.h"

#include "ir/philox.h"

#define LN2 0.69314718055994530942
#define LN3 1.0986122886681098
#define LN4 (2 * LN2)

typedef struct Case {
    GfOp op;
    const char *body;
    Data in, out;
} Case;

static const Case cases[] = {
    /* structure */
    {GF_OP_INPUT, "%x = input : f32[seqs]\nreturn y = %x\n", DATA(1, 2, 3), DATA(1, 2, 3)},
    {GF_OP_PARAM, "%x = param \"w\" : f32[2]\nreturn y = %x\n", DATA(1, 2), DATA(1, 2)},
    {GF_OP_STATE, "%x = state \"m\" : f32[2]\nreturn y = %x\n", DATA(1, 2), DATA(1, 2)},
    {GF_OP_UPDATE, "%x = param \"w\" : f32[]\n%y = neg %x : f32[]\nupdate %x = %y\nreturn x = %x\n", DATA(3), DATA(3)},
    {GF_OP_GRAD, "%x = param \"w\" : f32[]\n%y = neg %x : f32[]\ngrad %x = %y\nreturn y = %y\n", DATA(3), DATA(-3)},
    {GF_OP_RETURN, "%x = input : f32[]\nreturn a = %x, b = %x\n", DATA(3), DATA(3, 3)},

    /* elementwise */
    {GF_OP_CONST, "%y = const {value = 2.5} : f32[tokens]\nreturn y = %y\n", DATA(0), DATA(2.5, 2.5)},
    {GF_OP_ADD, "%a = input : f32[2,2]\n%b = input : f32[2]\n%y = add %a, %b : f32[2,2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 10, 20), DATA(11, 22, 13, 24)},
    {GF_OP_ADD, "%a = input : f32[2,1]\n%b = input : f32[3]\n%y = add %a, %b : f32[2,3]\nreturn y = %y\n",
     DATA(1, 2, 10, 20, 30), DATA(11, 21, 31, 12, 22, 32)},
    {GF_OP_ADD, "%a = input : f32[2,1,2]\n%b = input : f32[1,2,1]\n%y = add %a, %b : f32[2,2,2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 10, 20), DATA(11, 12, 21, 22, 13, 14, 23, 24)},
    {GF_OP_SUB, "%a = input : f32[]\n%b = input : f32[2]\n%y = sub %a, %b : f32[2]\nreturn y = %y\n", DATA(5, 1, 7),
     DATA(4, -2)},
    {GF_OP_MUL, "%a = input : f32[2,2]\n%b = input : f32[2,1]\n%y = mul %a, %b : f32[2,2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 10, 100), DATA(10, 20, 300, 400)},
    {GF_OP_DIV, "%a = input : f32[2]\n%b = input : f32[]\n%y = div %a, %b : f32[2]\nreturn y = %y\n", DATA(1, 3, 2),
     DATA(0.5, 1.5)},
    {GF_OP_MIN, "%a = input : f32[2]\n%b = input : f32[]\n%y = min %a, %b : f32[2]\nreturn y = %y\n", DATA(1, 3, 2),
     DATA(1, 2)},
    {GF_OP_MAX, "%a = input : f32[2]\n%b = input : f32[]\n%y = max %a, %b : f32[2]\nreturn y = %y\n", DATA(1, 3, 2),
     DATA(2, 3)},
    {GF_OP_SCALE, "%x = input : f32[2]\n%y = scale %x {by = -2.0} : f32[2]\nreturn y = %y\n", DATA(1, 3), DATA(-2, -6)},
    {GF_OP_OFFSET, "%x = input : f32[2]\n%y = offset %x {by = -2.0} : f32[2]\nreturn y = %y\n", DATA(1, 3),
     DATA(-1, 1)},
    {GF_OP_NEG, "%x = input : f32[2]\n%y = neg %x : f32[2]\nreturn y = %y\n", DATA(1, -3), DATA(-1, 3)},
    {GF_OP_EXP, "%x = input : f32[2]\n%y = exp %x : f32[2]\nreturn y = %y\n", DATA(0, LN3), DATA(1, 3)},
    {GF_OP_LOG, "%x = input : f32[2]\n%y = log %x : f32[2]\nreturn y = %y\n", DATA(1, 3), DATA(0, LN3)},
    {GF_OP_SQRT, "%x = input : f32[2]\n%y = sqrt %x : f32[2]\nreturn y = %y\n", DATA(9, 2),
     DATA(3, 1.4142135623730951)},
    {GF_OP_TANH, "%x = input : f32[2]\n%y = tanh %x : f32[2]\nreturn y = %y\n", DATA(LN3, -LN3), DATA(0.8, -0.8)},
    {GF_OP_SIGMOID, "%x = input : f32[3]\n%y = sigmoid %x : f32[3]\nreturn y = %y\n", DATA(0, LN3, -1000),
     DATA(0.5, 0.75, 0)},
    {GF_OP_ERF, "%x = input : f32[2]\n%y = erf %x : f32[2]\nreturn y = %y\n", DATA(0.5, -1),
     DATA(0.5204998778130465, -0.8427007929497149)},
    {GF_OP_RELU, "%x = input : f32[3]\n%y = relu %x : f32[3]\nreturn y = %y\n", DATA(-1, 0, 2), DATA(0, 0, 2)},
    {GF_OP_GELU, "%x = input : f32[3]\n%y = gelu %x : f32[3]\nreturn y = %y\n", DATA(0, 1, -1),
     DATA(0, 0.8413447460685429, -0.15865525393145707)},
    {GF_OP_RELU_GRAD, "%x = input : f32[3]\n%dy = input : f32[3]\n%y = relu_grad %x, %dy : f32[3]\nreturn y = %y\n",
     DATA(-1, 0, 2, 5, 6, 7), DATA(0, 0, 7)},
    {GF_OP_GELU_GRAD, "%x = input : f32[2]\n%dy = input : f32[2]\n%y = gelu_grad %x, %dy : f32[2]\nreturn y = %y\n",
     DATA(0, 1, 3, 2), DATA(1.5, 2.1666309411753726)},
    /* p = 1/2, 3/4, 3/4, 1/4 half and half; and far out, where e^x overflows */
    {GF_OP_BCE_WITH_LOGITS,
     "%x = input : f32[6]\n%t = input : f32[6]\n%y = bce_with_logits %x, %t : f32[6]\nreturn y = %y\n",
     DATA(0, LN3, LN3, -LN3, 1000, -1000, 1, 1, 0, 0.5, 1, 1), DATA(LN2, LN4 - LN3, LN4, LN4 - LN3 / 2, 0, 1000)},
    /* seed, key, step and micro-batch 0: the words of the known-answer test,
     * of which only the first lies below 2^31 */
    {GF_OP_DROPOUT,
     "%x = input : f32[4]\n%rng = input : i32[4]\n%y = dropout %x, %rng {p = 0.5, key = 0} : f32[4]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 0, 0, 0, 0), DATA(0, 4, 6, 8)},
    /* the mask as a Python Philox gives it: 110111 011010 */
    {GF_OP_DROPOUT,
     "%x = input : f32[2,6]\n%rng = input : i32[4]\n%y = dropout %x, %rng {p = 0.25, key = 7} : f32[2,6]\n"
     "return y = %y\n",
     DATA(3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 5, 6, 3, 2), DATA(4, 8, 0, 16, 20, 24, 0, 32, 36, 0, 44, 0)},
    /* rows 1, 0, 1 of the same mask */
    {GF_OP_DROPOUT,
     "%x = input : f32[3,6]\n%rows = input : i32[3]\n%rng = input : i32[4]\n"
     "%y = dropout %x, %rows, %rng {p = 0.25, key = 7} : f32[3,6]\nreturn y = %y\n",
     DATA(21, 24, 27, 30, 33, 36, 3, 6, 9, 12, 15, 18, 3, 6, 9, 12, 15, 18, 1, 0, 1, 5, 6, 3, 2),
     DATA(0, 32, 36, 0, 44, 0, 4, 8, 0, 16, 20, 24, 0, 8, 12, 0, 20, 0)},
    {GF_OP_MEAN_GRAD, "%dy = input : f32[]\n%y = mean_grad %dy : f32[tokens,2]\nreturn y = %y\n", DATA(8),
     DATA(2, 2, 2, 2)},
    {GF_OP_BROADCAST, "%x = input : f32[2,1]\n%y = broadcast %x : f32[2,seqs]\nreturn y = %y\n", DATA(1, 2),
     DATA(1, 1, 1, 2, 2, 2)},
    {GF_OP_GATHER, "%t = input : f32[3,2]\n%ids = input : i32[4]\n%y = gather %t, %ids : f32[4,2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 5, 6, 2, 0, 2, 1), DATA(5, 6, 1, 2, 5, 6, 3, 4)},
    {GF_OP_GATHER, "%t = input : f32[3]\n%ids = input : i32[2]\n%y = gather %t, %ids : f32[2]\nreturn y = %y\n",
     DATA(1, 2, 3, 2, 0), DATA(3, 1)},
    {GF_OP_BIAS_CORRECTION, "%step = input : i32[]\n%y = bias_correction %step {beta = 0.5} : f32[]\nreturn y = %y\n",
     DATA(3), DATA(0.875)},
    /* d = 0.5 2 = 1; m' = 0.25 + 0.5; v' = 0.75 + 0.25; p' = 0.95 - 0.1 (0.75/0.5) / (sqrt(1/0.25) + 0.5) */
    {GF_OP_ADAMW,
     "%p = param \"p\" : f32[1]\n%g = input : f32[1]\n%m = state \"m\" : f32[1]\n%v = state \"v\" : f32[1]\n"
     "%lr = input : f32[]\n%clip = input : f32[]\n%c1 = input : f32[]\n%c2 = input : f32[]\n"
     "%y = adamw %p, %g, %m, %v, %lr, %clip, %c1, %c2 {beta1 = 0.5, beta2 = 0.75, eps = 0.5, weight_decay = 0.5} : "
     "f32[1], f32[1], f32[1]\nreturn p = %y#0, m = %y#1, v = %y#2\n",
     DATA(1, 2, 0.5, 1, 0.1, 0.5, 0.5, 0.25), DATA(0.89, 0.75, 1)},

    /* along rows */
    {GF_OP_LAYER_NORM,
     "%x = input : f32[2,2]\n%g = input : f32[2]\n%b = input : f32[2]\n"
     "%y = layer_norm %x, %g, %b {eps = 3.0} : f32[2,2], f32[2,1], f32[2,1]\n"
     "return y = %y#0, mean = %y#1, rstd = %y#2\n",
     DATA(1, 3, 12, 10, 4, 8, 100, 200), DATA(98, 204, 102, 196, 2, 11, 0.5, 0.5)},
    {GF_OP_LAYER_NORM_GRAD,
     "%dy = input : f32[1,4]\n%x = input : f32[1,4]\n%g = input : f32[4]\n%mean = input : f32[1,1]\n"
     "%rstd = input : f32[1,1]\n%y = layer_norm_grad %dy, %x, %g, %mean, %rstd : f32[1,4]\nreturn y = %y\n",
     DATA(0.5, 0, 0, 0, 1, 1, 3, 3, 2, 5, 6, 7, 2, 1), DATA(0.5, -0.5, 0, 0)},
    {GF_OP_SOFTMAX, "%x = input : f32[2,2]\n%y = softmax %x : f32[2,2]\nreturn y = %y\n", DATA(0, LN3, 1000, 1000),
     DATA(0.25, 0.75, 0.5, 0.5)},
    {GF_OP_SOFTMAX_GRAD,
     "%y = input : f32[2]\n%dy = input : f32[2]\n%dx = softmax_grad %y, %dy : f32[2]\nreturn dx = %dx\n",
     DATA(0.25, 0.75, 4, 0), DATA(0.75, -0.75)},
    {GF_OP_SUM_COLS, "%x = input : f32[2,2]\n%y = sum_cols %x : f32[2,1]\nreturn y = %y\n", DATA(1, 2, 3, 4),
     DATA(3, 7)},
    {GF_OP_MAX_COLS, "%x = input : f32[2,3]\n%y = max_cols %x : f32[2,1]\nreturn y = %y\n", DATA(1, 3, 2, -4, -5, -6),
     DATA(3, -4)},
    {GF_OP_PICK_COLS,
     "%x = input : f32[2,3]\n%labels = input : i32[2]\n%y = pick_cols %x, %labels : f32[2,1]\nreturn y = %y\n",
     DATA(1, 3, 2, -4, -5, -6, 2, 0), DATA(2, -4)},
    {GF_OP_CROSS_ENTROPY,
     "%x = input : f32[2,2]\n%labels = input : i32[2]\n%y = cross_entropy %x, %labels : f32[2,1]\nreturn y = %y\n",
     DATA(0, LN3, -1000, -1000, 1, 0), DATA(LN4 - LN3, LN2)},
    {GF_OP_CROSS_ENTROPY_GRAD,
     "%x = input : f32[2,2]\n%labels = input : i32[2]\n%dy = input : f32[2,1]\n"
     "%y = cross_entropy_grad %x, %labels, %dy : f32[2,2]\nreturn y = %y\n",
     DATA(0, LN3, LN3, 0, 1, 1, 2, 4), DATA(0.5, -0.5, 3, -3)},

    /* over rows, over all */
    {GF_OP_SUM_ROWS, "%x = input : f32[2,2]\n%y = sum_rows %x : f32[2]\nreturn y = %y\n", DATA(1, 2, 3, 4), DATA(4, 6)},
    {GF_OP_SUM, "%x = input : f32[2,2]\n%y = sum %x : f32[]\nreturn y = %y\n", DATA(1, 2, 3, 4), DATA(10)},
    {GF_OP_MEAN, "%x = input : f32[2,2]\n%y = mean %x : f32[]\nreturn y = %y\n", DATA(1, 2, 3, 4), DATA(2.5)},
    {GF_OP_SUM_SQUARES, "%x = input : f32[5]\n%y = sum_squares %x {parts = 2} : f32[2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 5), DATA(14, 41)},
    {GF_OP_SUM_SQUARES, "%x = input : f32[2,2]\n%y = sum_squares %x {parts = 2} : f32[2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4), DATA(5, 25)},
    {GF_OP_SUM_SQUARES, "%x = input : f32[2]\n%y = sum_squares %x {parts = 4} : f32[4]\nreturn y = %y\n", DATA(2, 3),
     DATA(4, 9, 0, 0)},
    {GF_OP_GLOBAL_NORM, "%a = input : f32[2]\n%b = input : f32[1]\n%y = global_norm %a, %b : f32[]\nreturn y = %y\n",
     DATA(4, 5, 7), DATA(4)},

    /* matrix products */
    /* ties: to even in bf16 (7 bits of mantissa), away from zero in tf32 (10 bits) */
    {GF_OP_LINEAR,
     "%x = input : f32[1,2]\n%w = input : f32[1,2]\n%y = linear %x, %w {round = \"bf16\"} : f32[1,1]\nreturn y = %y\n",
     DATA(1.00390625, 1.01171875, 1, -4), DATA(1 - 4.0625)},
    {GF_OP_MATMUL,
     "%a = input : f32[1,2]\n%b = input : f32[2,1]\n%y = matmul %a, %b {round = \"tf32\"} : f32[1,1]\nreturn y = %y\n",
     DATA(1.00048828125, -1.00048828125, 2, 0.5), DATA(1.5 * 1.0009765625)},
    {GF_OP_LINEAR,
     "%x = input : f32[2,3]\n%w = input : f32[2,3]\n%b = input : f32[2]\n%y = linear %x, %w, %b : f32[2,2]\n"
     "return y = %y\n",
     DATA(1, 2, 3, 4, 5, 6, 1, 0, 2, 0, 3, 0, 100, 200), DATA(107, 206, 116, 215)},
    {GF_OP_LINEAR, "%x = input : f32[1,2]\n%w = input : f32[3,2]\n%y = linear %x, %w : f32[1,3]\nreturn y = %y\n",
     DATA(1, 2, 1, 0, 0, 1, 1, 1), DATA(1, 2, 3)},
    {GF_OP_MATMUL, "%a = input : f32[2,3]\n%b = input : f32[3,1]\n%y = matmul %a, %b : f32[2,1]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 5, 6, 1, 10, 100), DATA(321, 654)},
    {GF_OP_MATMUL,
     "%a = input : f32[3,2]\n%b = input : f32[3,1]\n%y = matmul %a, %b {transpose_a = 1} : f32[2,1]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 5, 6, 1, 10, 100), DATA(531, 642)},
    {GF_OP_MATMUL,
     "%a = input : f32[1,3]\n%b = input : f32[2,3]\n%y = matmul %a, %b {transpose_b = 1} : f32[1,2]\nreturn y = %y\n",
     DATA(1, 10, 100, 1, 2, 3, 4, 5, 6), DATA(321, 654)},
    {GF_OP_MATMUL,
     "%a = input : f32[3,1]\n%b = input : f32[2,3]\n"
     "%y = matmul %a, %b {transpose_a = 1, transpose_b = 1} : f32[1,2]\nreturn y = %y\n",
     DATA(1, 10, 100, 1, 2, 3, 4, 5, 6), DATA(321, 654)},

    /* packed sequences: row 0 belongs to none, rows 1 and 2 to the first, row 3
     * to the second, an empty one stands at the end; scores are 0, ln 2 ... */
    {GF_OP_ATTENTION,
     ATTENTION_INPUTS("4", "2")
         SEQUENCES("3") "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 2} : f32[4,2], f32[4,2]\n"
                        "return y = %y#0, lse = %y#1\n",
     DATA(9, 9, LN2, LN3, LN2, 0, 5, 5, 7, 7, 0, 0, 1, 1, 5, 5, 9, 9, 3, 4, 6, 8, 7, 11, 1, 3, 4, 2, 1, 0, 1, 2, 3, 4),
     DATA(0, 0, 5, 7, 5, 6, 7, 11, 0, 0, LN3, LN4, LN3, LN2, 25, 25)},
    /* the same with the mask of a Python Philox: head 0 keeps [1,1] [2,2] [3,3], head 1 [1,2] [2,2] */
    {GF_OP_ATTENTION,
     ATTENTION_INPUTS("4", "2") SEQUENCES(
         "2") "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 2, p = 0.5, key = 15} : f32[4,2], f32[4,2]\n"
              "return y = %y#0, lse = %y#1\n",
     DATA(9, 9, LN2, LN3, LN2, 0, 5, 5, 7, 7, 0, 0, 1, 1, 5, 5, 9, 9, 3, 4, 6, 8, 7, 11, 1, 3, 2, 1, 1, 2, 3, 4),
     DATA(0, 0, 2, 12, 8, 8, 14, 0, 0, 0, LN3, LN4, LN3, LN2, 25, 25)},
    /* the first rows of the same, with the same mask, and of an empty sequence */
    {GF_OP_ATTENTION,
     "%q = input : f32[3,2]\n%k = input : f32[4,2]\n%v = input : f32[4,2]\n" SEQUENCES(
         "3") "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 2, p = 0.5, key = 15, first = 1} : "
              "f32[3,2], f32[3,2]\nreturn y = %y#0, lse = %y#1\n",
     DATA(LN2, LN3, 5, 5, 8, 8, 7, 7, 0, 0, 1, 1, 5, 5, 9, 9, 3, 4, 6, 8, 7, 11, 1, 3, 4, 2, 1, 0, 1, 2, 3, 4),
     DATA(2, 12, 14, 0, 0, 0, LN3, LN4, 25, 25, 0, 0)},
    /* four columns: scores are halved */
    {GF_OP_ATTENTION,
     ATTENTION_INPUTS("2", "4")
         SEQUENCES("1") "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 1} : f32[2,4], f32[2,1]\n"
                        "return y = %y#0, lse = %y#1\n",
     DATA(LN4, 0, 0, 0, 0, 0, 0, 0, /**/ 0, 1, 2, 3, 1, 1, 2, 3, /**/ 3, 0, 3, 6, 6, 3, 0, 3, /**/ 0, 2, 0, 0, 0, 0),
     DATA(5, 2, 1, 4, 4.5, 1.5, 1.5, 4.5, LN3, LN2)},
    /* P = 1/3, 2/3 in both rows; kept are [1,1] and [2,2] */
    {GF_OP_ATTENTION_GRAD,
     "%dy = input : f32[3,1]\n" ATTENTION_INPUTS("3", "1") "%y = input : f32[3,1]\n%lse = input : f32[3,1]\n" SEQUENCES(
         "1") "%d = attention_grad %dy, %q, %k, %v, %y, %lse, %starts, %lengths, %rng {heads = 1, p = 0.5, key = 15} "
              ": f32[3,1], f32[3,1], f32[3,1]\nreturn dq = %d#0, dk = %d#1, dv = %d#2\n",
     DATA(9, 1, 1, 9, LN2, LN2, 9, 0, 1, 9, 3, 6, 9, 2, 8, 9, LN3, LN3, 1, 2, 1, 2, 3, 4),
     DATA(0, -4. / 3, 8. / 3, 0, -4. / 3 * LN2, 4. / 3 * LN2, 0, 2. / 3, 4. / 3)},
    /* the first of these two rows alone */
    {GF_OP_ATTENTION_GRAD,
     "%dy = input : f32[1,1]\n%q = input : f32[1,1]\n%k = input : f32[3,1]\n%v = input : f32[3,1]\n"
     "%y = input : f32[1,1]\n%lse = input : f32[1,1]\n" SEQUENCES(
         "1") "%d = attention_grad %dy, %q, %k, %v, %y, %lse, %starts, %lengths, %rng {heads = 1, p = 0.5, key = 15, "
              "first = 1} : f32[1,1], f32[3,1], f32[3,1]\nreturn dq = %d#0, dk = %d#1, dv = %d#2\n",
     DATA(1, LN2, 9, 0, 1, 9, 3, 6, 2, LN3, 1, 2, 1, 2, 3, 4),
     DATA(-4. / 3, 0, 4. / 3 * LN2, -4. / 3 * LN2, 0, 2. / 3, 0)},
    {GF_OP_SCATTER_ADD,
     "%x = input : f32[3,2]\n%ids = input : i32[3]\n%y = scatter_add %x, %ids : f32[4,2]\nreturn y = %y\n",
     DATA(1, 2, 3, 4, 5, 6, 2, 0, 2), DATA(3, 4, 0, 0, 6, 8, 0, 0)},
    {GF_OP_SCATTER_ADD,
     "%x = input : f32[2]\n%ids = input : i32[2]\n%y = scatter_add %x, %ids : f32[3]\nreturn y = %y\n",
     DATA(1, 2, 1, 1), DATA(0, 3, 0)},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

/* ---- running a case ------------------------------------------------------------------ */

static bool graph_has(const GfGraph *g, GfOp op)
{
    GF_EACH_NODE (n, g) {
        if (n->op == op)
            return true;
    }
    return false;
}

static void run_case(const Case *c)
{
    Run r;

    run_start(&r, c->body);
    assert_true(graph_has(r.g, c->op));
    run_check(&r, run_bind(&r, c->in), c->body);
    for (int again = 0; again < 2; again++) { /* a second run must not see the first */
        run_check(&r, gf_eval_run(r.e, &r.diags), c->body);
        if (!outputs_are(&r, c->out))
            fail_msg("wrong values: %s", c->body);
    }
    run_free(&r);
}

static void every_case_gives_its_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        run_case(&cases[i]);
}

static void every_op_has_a_case(void **state)
{
    bool seen[GF_OP_COUNT] = {0};

    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        seen[cases[i].op] = true;
    for (int op = 0; op < GF_OP_COUNT; op++) {
        if (!seen[op])
            fail_msg("no case for '%s'", gf_op_text((GfOp)op));
    }
}

/* Each single value, a little off, is noticed. */
static void planted_errors_are_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        Run r;
        double wrong[64];
        Data out = {wrong, cases[i].out.count};
        run_start(&r, cases[i].body);
        run_check(&r, run_bind(&r, cases[i].in), "bind");
        run_check(&r, gf_eval_run(r.e, &r.diags), "run");
        for (int64_t k = 0; k < out.count; k++) {
            memcpy(wrong, cases[i].out.values, (size_t)out.count * sizeof(double));
            wrong[k] += 1e-9;
            assert_false(outputs_are(&r, out));
        }
        run_free(&r);
    }
}

/* ---- randomness ------------------------------------------------------------------------- */

/* Known answers of the authors' library, Random123. */
static void philox_gives_the_known_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        gf_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].want, sizeof out);
    }
}

/* Of many elements, about a share p is dropped and the mean of the factors is 1. */
static void dropout_drops_the_share_asked_for(void **state)
{
    static const double p[] = {0, 0.1, 0.5, 0.9};
    const int32_t rng[4] = {42, 0, 1, 0};
    enum { COUNT = 40000 };

    (void)state;
    for (size_t k = 0; k < sizeof p / sizeof p[0]; k++) {
        double sum = 0;
        for (int64_t i = 0; i < COUNT; i++)
            sum += gf_dropout_factor(rng, 3, p[k], i / 200, i % 200);
        /* the variance of a factor is p / (1 - p); five standard deviations */
        assert_true(fabs(sum / COUNT - 1) <= 5 * sqrt(p[k] / (1 - p[k]) / COUNT));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_its_values),       cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(planted_errors_are_noticed),        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(dropout_drops_the_share_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
