/* test_cost.c -- FLOPs and bytes of ops and kernels.
 *
 * Every op's formula (ir/cost.def) is held against a count: the op is computed here
 * once more, naively, by functions that count what they do.  That this is the op and
 * not something else is seen from its result, which must be the evaluator's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/eval_run.h"

#include "ir/cost.h"
#include "ir/philox.h"

/* ---- arithmetic that counts ------------------------------------------------------------ */

static int64_t counted;

static double add(double a, double b)
{
    return counted++, a + b;
}
static double sub(double a, double b)
{
    return counted++, a - b;
}
static double mul(double a, double b)
{
    return counted++, a * b;
}
static double quotient(double a, double b)
{
    return counted++, a / b;
}
static double larger(double a, double b)
{
    return counted++, a > b ? a : b;
}
static double smaller(double a, double b)
{
    return counted++, a < b ? a : b;
}
static double negated(double a)
{
    return counted++, -a;
}
static double of(double (*function)(double), double a)
{
    return counted++, function(a);
}

static double sum_of(const double *x, int64_t count, int64_t stride)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum = add(sum, x[i * stride]);
    return sum;
}

static double dot(const double *x, int64_t x_stride, const double *y, int64_t y_stride, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum = add(sum, mul(x[i * x_stride], y[i * y_stride]));
    return sum;
}

/* ---- the ops, naively ---------------------------------------------------------------------- */

/* Sizes of every case: rows, columns, inner size, and for attention sequences and heads. */
enum { N = 6, M = 4, K = 5, SEQS = 3, LENGTH = N / SEQS, HEADS = 2, ROOM = 64 };

/* in[i]: operand i; out[i]: result i. */
typedef struct Args {
    const double *in[9];
    double out[3][ROOM];
} Args;

static int32_t *rng_of(const double *in)
{
    static int32_t rng[4];

    for (int i = 0; i < 4; i++)
        rng[i] = (int32_t)in[i];
    return rng;
}

#define EACH for (int i = 0; i < N * M; i++)
#define MAP(name, expression)                                                                                          \
    static void name(Args *args)                                                                                       \
    {                                                                                                                  \
        const double *a = args->in[0], *b = args->in[1];                                                               \
        (void)a, (void)b;                                                                                              \
        EACH args->out[0][i] = expression;                                                                             \
    }

MAP(do_add, add(a[i], b[i]))
MAP(do_sub, sub(a[i], b[i]))
MAP(do_mul, mul(a[i], b[i]))
MAP(do_div, quotient(a[i], b[i]))
MAP(do_min, smaller(a[i], b[i]))
MAP(do_max, larger(a[i], b[i]))
MAP(do_scale, mul(3, a[i]))
MAP(do_offset, add(3, a[i]))
MAP(do_neg, negated(a[i]))
MAP(do_exp, of(exp, a[i]))
MAP(do_log, of(log, a[i]))
MAP(do_sqrt, of(sqrt, a[i]))
MAP(do_tanh, of(tanh, a[i]))
MAP(do_sigmoid, quotient(1, add(1, of(exp, negated(a[i])))))
MAP(do_erf, of(erf, a[i]))
MAP(do_relu, larger(a[i], 0))
MAP(do_gelu, mul(a[i], mul(0.5, add(1, of(erf, mul(a[i], sqrt(0.5)))))))
MAP(do_relu_grad, (counted++, a[i] > 0 ? b[i] : 0))
MAP(do_gelu_grad, mul(b[i], add(mul(0.5, add(1, of(erf, mul(a[i], sqrt(0.5))))),
                                mul(a[i], mul(1 / sqrt(2 * acos(-1)), of(exp, mul(-0.5, mul(a[i], a[i]))))))))
MAP(do_bce, add(sub(larger(a[i], 0), mul(a[i], b[i])), of(log1p, of(exp, negated(of(fabs, a[i]))))))
MAP(do_dropout, mul(a[i], gf_dropout_factor(rng_of(b), 7, 0.25, i / M, i % M)))
MAP(do_mean_grad, quotient(a[0], N *M))
MAP(do_broadcast, a[0])
MAP(do_gather, a[(int)b[i / M] * M + i % M])
MAP(do_const, 2.5)

static void do_correction(Args *args)
{
    counted++; /* the power */
    args->out[0][0] = sub(1, pow(0.5, args->in[0][0]));
}

static void do_adamw(Args *args)
{
    const double *p = args->in[0], *g = args->in[1], *m = args->in[2], *v = args->in[3];
    const double lr = *args->in[4], clip = *args->in[5], c1 = *args->in[6], c2 = *args->in[7];

    EACH
    {
        double d = mul(clip, g[i]);
        double m1 = add(mul(0.9, m[i]), mul(1 - 0.9, d));
        double v1 = add(mul(0.999, v[i]), mul(mul(1 - 0.999, d), d));
        double direction = quotient(quotient(m1, c1), add(of(sqrt, quotient(v1, c2)), 1e-8));
        args->out[0][i] = sub(p[i], mul(lr, add(direction, mul(0.01, p[i]))));
        args->out[1][i] = m1;
        args->out[2][i] = v1;
    }
}

static void do_layer_norm(Args *args)
{
    for (int i = 0; i < N; i++) {
        const double *x = args->in[0] + i * M;
        double mean = quotient(sum_of(x, M, 1), M), variance = 0;
        for (int j = 0; j < M; j++) {
            double d = sub(x[j], mean);
            variance = add(variance, mul(d, d));
        }
        counted++; /* 1 / root */
        double rstd = 1 / of(sqrt, add(quotient(variance, M), 0.5));
        for (int j = 0; j < M; j++)
            args->out[0][i * M + j] = add(mul(mul(sub(x[j], mean), rstd), args->in[1][j]), args->in[2][j]);
        args->out[1][i] = mean;
        args->out[2][i] = rstd;
    }
}

static void do_layer_norm_grad(Args *args)
{
    for (int i = 0; i < N; i++) {
        const double *dy = args->in[0] + i * M, *x = args->in[1] + i * M;
        double xhat[M], d[M], mean = args->in[3][i], rstd = args->in[4][i];
        for (int j = 0; j < M; j++) {
            xhat[j] = mul(sub(x[j], mean), rstd);
            d[j] = mul(dy[j], args->in[2][j]);
        }
        double s1 = quotient(sum_of(d, M, 1), M), s2 = quotient(dot(d, 1, xhat, 1, M), M);
        for (int j = 0; j < M; j++)
            args->out[0][i * M + j] = mul(rstd, sub(sub(d[j], s1), mul(xhat[j], s2)));
    }
}

/* x - max; returns the sum of e^ of it, which goes to e. */
static double exponents(const double *x, double *shifted, double *e)
{
    double most = -INFINITY, sum = 0;

    for (int j = 0; j < M; j++)
        most = larger(most, x[j]);
    for (int j = 0; j < M; j++) {
        shifted[j] = sub(x[j], most);
        e[j] = of(exp, shifted[j]);
        sum = add(sum, e[j]);
    }
    return sum;
}

static void do_softmax(Args *args)
{
    for (int i = 0; i < N; i++) {
        double shifted[M], e[M], sum = exponents(args->in[0] + i * M, shifted, e);
        for (int j = 0; j < M; j++)
            args->out[0][i * M + j] = quotient(e[j], sum);
    }
}

static void do_softmax_grad(Args *args)
{
    for (int i = 0; i < N; i++) {
        const double *y = args->in[0] + i * M, *dy = args->in[1] + i * M;
        double sum = dot(y, 1, dy, 1, M);
        for (int j = 0; j < M; j++)
            args->out[0][i * M + j] = mul(y[j], sub(dy[j], sum));
    }
}

static void do_cross_entropy(Args *args)
{
    for (int i = 0; i < N; i++) {
        double shifted[M], e[M], sum = exponents(args->in[0] + i * M, shifted, e);
        args->out[0][i] = sub(of(log, sum), shifted[(int)args->in[1][i]]);
    }
}

static void do_cross_entropy_grad(Args *args)
{
    for (int i = 0; i < N; i++) {
        double shifted[M], p[M], sum = exponents(args->in[0] + i * M, shifted, p);
        for (int j = 0; j < M; j++)
            p[j] = quotient(p[j], sum);
        int label = (int)args->in[1][i];
        p[label] = sub(p[label], 1);
        for (int j = 0; j < M; j++)
            args->out[0][i * M + j] = mul(p[j], args->in[2][i]);
    }
}

static void do_sum_cols(Args *args)
{
    for (int i = 0; i < N; i++)
        args->out[0][i] = sum_of(args->in[0] + i * M, M, 1);
}

static void do_max_cols(Args *args)
{
    for (int i = 0; i < N; i++) {
        double most = -INFINITY;
        for (int j = 0; j < M; j++)
            most = larger(most, args->in[0][i * M + j]);
        args->out[0][i] = most;
    }
}

static void do_pick_cols(Args *args)
{
    for (int i = 0; i < N; i++)
        args->out[0][i] = args->in[0][i * M + (int)args->in[1][i]];
}

static void do_sum_rows(Args *args)
{
    for (int j = 0; j < M; j++)
        args->out[0][j] = sum_of(args->in[0] + j, N, M);
}

static void do_sum(Args *args)
{
    args->out[0][0] = sum_of(args->in[0], (int64_t)N * M, 1);
}

static void do_mean(Args *args)
{
    args->out[0][0] = quotient(sum_of(args->in[0], (int64_t)N * M, 1), N * M);
}

static void do_sum_squares(Args *args)
{
    for (int q = 0; q < 2; q++)
        args->out[0][q] = dot(args->in[0] + q * N * M / 2, 1, args->in[0] + q * N * M / 2, 1, N * M / 2);
}

static void do_global_norm(Args *args)
{
    double sum = 0;

    EACH sum = add(sum, args->in[0][i]);
    for (int j = 0; j < M; j++)
        sum = add(sum, args->in[1][j]);
    args->out[0][0] = of(sqrt, sum);
}

static void do_linear(Args *args)
{
    EACH
    {
        double sum = dot(args->in[0] + i / M * K, 1, args->in[1] + i % M * K, 1, K);
        args->out[0][i] = args->in[2] ? add(sum, args->in[2][i % M]) : sum;
    }
}

static void do_matmul(Args *args)
{
    EACH args->out[0][i] = dot(args->in[0] + i / M * K, 1, args->in[1] + i % M, M, K);
}

static void do_matmul_transposed(Args *args)
{
    EACH args->out[0][i] = dot(args->in[0] + i / M, N, args->in[1] + i % M * K, 1, K);
}

enum { D = M / HEADS };

/* The factors of one head of one sequence's scores, and where they stand. */
static double score(const double *q, const double *k)
{
    return mul(dot(q, 1, k, 1, D), 1 / sqrt(D));
}

static double kept(Args *args, int rng, int row, int head, int key)
{
    return gf_dropout_factor(rng_of(args->in[rng]), 15, 0.25, row, (head << 16) + key);
}

static void attention_row(Args *args, int head, int row, int start)
{
    const double *q = args->in[0] + row * M + head * D, *k = args->in[1] + start * M + head * D;
    const double *v = args->in[2] + start * M + head * D;
    double s[LENGTH], most = -INFINITY, sum = 0, y[D] = {0};

    for (int j = 0; j < LENGTH; j++) {
        s[j] = score(q, k + j * M);
        most = larger(most, s[j]);
    }
    for (int j = 0; j < LENGTH; j++) {
        double e = of(exp, sub(s[j], most));
        sum = add(sum, e);
        e = mul(e, kept(args, 5, row, head, j));
        for (int c = 0; c < D; c++)
            y[c] = add(y[c], mul(e, v[j * M + c]));
    }
    for (int c = 0; c < D; c++)
        args->out[0][row * M + head * D + c] = quotient(y[c], sum);
    args->out[1][row * HEADS + head] = add(most, of(log, sum));
}

static void do_attention(Args *args)
{
    for (int head = 0; head < HEADS; head++) {
        for (int row = 0; row < N; row++)
            attention_row(args, head, row, row / LENGTH * LENGTH);
    }
}

static void attention_grad_row(Args *args, int head, int row, int start)
{
    const int i = row * M + head * D;
    const double *dy = args->in[0] + i, *q = args->in[1] + i, *y = args->in[4] + i;
    double delta = dot(dy, 1, y, 1, D);

    for (int j = 0; j < LENGTH; j++) {
        const int at = (start + j) * M + head * D;
        const double *k = args->in[2] + at, *v = args->in[3] + at, drop = kept(args, 8, row, head, j);
        double p = of(exp, sub(score(q, k), args->in[5][row * HEADS + head])), w = mul(p, drop);
        double ds = mul(mul(p, sub(mul(dot(dy, 1, v, 1, D), drop), delta)), 1 / sqrt(D));
        for (int c = 0; c < D; c++) {
            args->out[0][i + c] = add(args->out[0][i + c], mul(ds, k[c]));
            args->out[1][at + c] = add(args->out[1][at + c], mul(ds, q[c]));
            args->out[2][at + c] = add(args->out[2][at + c], mul(w, dy[c]));
        }
    }
}

static void do_attention_grad(Args *args)
{
    for (int head = 0; head < HEADS; head++) {
        for (int row = 0; row < N; row++)
            attention_grad_row(args, head, row, row / LENGTH * LENGTH);
    }
}

static void do_scatter_add(Args *args)
{
    EACH
    {
        int at = (int)args->in[1][i / M] * M + i % M;
        args->out[0][at] = add(args->out[0][at], args->in[0][i]);
    }
}

/* ---- cases ------------------------------------------------------------------------------- */

typedef struct Case {
    GfOp op;
    void (*compute)(Args *args);
    const char *body; /* of a graph with inputs and one other node, whose results come out */
} Case;

#define X "%x = input : f32[6,4]\n"
#define Y "%b = input : f32[6,4]\n"
#define ONE(op, attrs) X "%y = " op " %x" attrs " : f32[6,4]\nreturn y = %y\n"
#define TWO(op) X Y "%y = " op " %x, %b : f32[6,4]\nreturn y = %y\n"
#define RANDOM "%rng = input : i32[4]\n"
#define PACKED "%starts = input : i32[3]\n%lengths = input : i32[3]\n" RANDOM

static const Case cases[] = {
    {GF_OP_CONST, do_const, "%y = const {value = 2.5} : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_ADD, do_add, TWO("add")},
    {GF_OP_SUB, do_sub, TWO("sub")},
    {GF_OP_MUL, do_mul, TWO("mul")},
    {GF_OP_DIV, do_div, TWO("div")},
    {GF_OP_MIN, do_min, TWO("min")},
    {GF_OP_MAX, do_max, TWO("max")},
    {GF_OP_SCALE, do_scale, ONE("scale", " {by = 3.0}")},
    {GF_OP_OFFSET, do_offset, ONE("offset", " {by = 3.0}")},
    {GF_OP_NEG, do_neg, ONE("neg", "")},
    {GF_OP_EXP, do_exp, ONE("exp", "")},
    {GF_OP_LOG, do_log, ONE("log", "")},
    {GF_OP_SQRT, do_sqrt, ONE("sqrt", "")},
    {GF_OP_TANH, do_tanh, ONE("tanh", "")},
    {GF_OP_SIGMOID, do_sigmoid, ONE("sigmoid", "")},
    {GF_OP_ERF, do_erf, ONE("erf", "")},
    {GF_OP_RELU, do_relu, ONE("relu", "")},
    {GF_OP_GELU, do_gelu, ONE("gelu", "")},
    {GF_OP_RELU_GRAD, do_relu_grad, TWO("relu_grad")},
    {GF_OP_GELU_GRAD, do_gelu_grad, TWO("gelu_grad")},
    {GF_OP_BCE_WITH_LOGITS, do_bce, TWO("bce_with_logits")},
    {GF_OP_DROPOUT, do_dropout, X RANDOM "%y = dropout %x, %rng {p = 0.25, key = 7} : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_MEAN_GRAD, do_mean_grad, "%d = input : f32[]\n%y = mean_grad %d : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_BROADCAST, do_broadcast, "%d = input : f32[]\n%y = broadcast %d : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_GATHER, do_gather,
     "%t = input : f32[4,4]\n%ids = input : i32[6]\n%y = gather %t, %ids : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_BIAS_CORRECTION, do_correction,
     "%ids = input : i32[]\n%y = bias_correction %ids {beta = 0.5} : f32[]\nreturn y = %y\n"},
    {GF_OP_ADAMW, do_adamw,
     X Y "%m = input : f32[6,4]\n%v = input : f32[6,4]\n%lr = input : f32[]\n%clip = input : f32[]\n"
         "%c1 = input : f32[]\n%c2 = input : f32[]\n%y = adamw %x, %b, %m, %v, %lr, %clip, %c1, %c2 "
         "{beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01} : f32[6,4], f32[6,4], f32[6,4]\n"
         "return p = %y#0, m = %y#1, v = %y#2\n"},
    {GF_OP_LAYER_NORM, do_layer_norm,
     X "%g = input : f32[4]\n%b = input : f32[4]\n"
       "%y = layer_norm %x, %g, %b {eps = 0.5} : f32[6,4], f32[6,1], f32[6,1]\n"
       "return y = %y#0, mean = %y#1, rstd = %y#2\n"},
    {GF_OP_LAYER_NORM_GRAD, do_layer_norm_grad,
     X Y "%g = input : f32[4]\n%mean = input : f32[6,1]\n%rstd = input : f32[6,1]\n"
         "%y = layer_norm_grad %x, %b, %g, %mean, %rstd : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_SOFTMAX, do_softmax, ONE("softmax", "")},
    {GF_OP_SOFTMAX_GRAD, do_softmax_grad, TWO("softmax_grad")},
    {GF_OP_SUM_COLS, do_sum_cols, X "%y = sum_cols %x : f32[6,1]\nreturn y = %y\n"},
    {GF_OP_MAX_COLS, do_max_cols, X "%y = max_cols %x : f32[6,1]\nreturn y = %y\n"},
    {GF_OP_PICK_COLS, do_pick_cols,
     X "%labels = input : i32[6]\n%y = pick_cols %x, %labels : f32[6,1]\nreturn y = %y\n"},
    {GF_OP_CROSS_ENTROPY, do_cross_entropy,
     X "%labels = input : i32[6]\n%y = cross_entropy %x, %labels : f32[6,1]\nreturn y = %y\n"},
    {GF_OP_CROSS_ENTROPY_GRAD, do_cross_entropy_grad,
     X "%labels = input : i32[6]\n%d = input : f32[6,1]\n%y = cross_entropy_grad %x, %labels, %d : f32[6,4]\n"
       "return y = %y\n"},
    {GF_OP_SUM_ROWS, do_sum_rows, X "%y = sum_rows %x : f32[4]\nreturn y = %y\n"},
    {GF_OP_SUM, do_sum, X "%y = sum %x : f32[]\nreturn y = %y\n"},
    {GF_OP_MEAN, do_mean, X "%y = mean %x : f32[]\nreturn y = %y\n"},
    {GF_OP_SUM_SQUARES, do_sum_squares, X "%y = sum_squares %x {parts = 2} : f32[2]\nreturn y = %y\n"},
    {GF_OP_GLOBAL_NORM, do_global_norm,
     "%x = input : f32[24]\n%b = input : f32[4]\n%y = global_norm %x, %b : f32[]\nreturn y = %y\n"},
    {GF_OP_LINEAR, do_linear,
     "%x = input : f32[6,5]\n%w = input : f32[4,5]\n%y = linear %x, %w : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_LINEAR, do_linear,
     "%x = input : f32[6,5]\n%w = input : f32[4,5]\n%b = input : f32[4]\n%y = linear %x, %w, %b : f32[6,4]\n"
     "return y = %y\n"},
    {GF_OP_MATMUL, do_matmul,
     "%x = input : f32[6,5]\n%w = input : f32[5,4]\n%y = matmul %x, %w : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_MATMUL, do_matmul_transposed,
     "%x = input : f32[5,6]\n%w = input : f32[4,5]\n"
     "%y = matmul %x, %w {transpose_a = 1, transpose_b = 1} : f32[6,4]\nreturn y = %y\n"},
    {GF_OP_ATTENTION, do_attention,
     ATTENTION_INPUTS("6", "4") PACKED
     "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 2, p = 0.25, key = 15} : f32[6,4], f32[6,2]\n"
     "return y = %y#0, lse = %y#1\n"},
    {GF_OP_ATTENTION_GRAD, do_attention_grad,
     "%dy = input : f32[6,4]\n" ATTENTION_INPUTS(
         "6", "4") "%y = input : f32[6,4]\n%lse = input : f32[6,2]\n" PACKED
                   "%d = attention_grad %dy, %q, %k, %v, %y, %lse, %starts, %lengths, %rng {heads = 2, p = 0.25, key = "
                   "15} : "
                   "f32[6,4], f32[6,4], f32[6,4]\nreturn dq = %d#0, dk = %d#1, dv = %d#2\n"},
    {GF_OP_SCATTER_ADD, do_scatter_add,
     X "%ids = input : i32[6]\n%y = scatter_add %x, %ids : f32[4,4]\nreturn y = %y\n"},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static double input_value(const char *name, int64_t i)
{
    if (strcmp(name, "starts") == 0)
        return (double)(i * LENGTH);
    if (strcmp(name, "lengths") == 0)
        return LENGTH;
    if (strcmp(name, "ids") == 0 || strcmp(name, "labels") == 0 || strcmp(name, "rng") == 0)
        return (double)(i * 7 % M + (strcmp(name, "rng") == 0));
    return 0.1 + (double)((i * 37 + name[0] * 11) % 89) / 60;
}

static const GfNode *bind_all(Run *r)
{
    const GfNode *subject = NULL;

    GF_EACH_NODE (n, r->g) {
        double data[ROOM];
        int64_t count = n->result_count ? gf_type_elements(&n->results[0].type, test_sizes) : 0;
        if (n->op != GF_OP_INPUT && n->op != GF_OP_RETURN)
            subject = n;
        for (int64_t i = 0; i < count && i < ROOM; i++)
            data[i] = input_value(n->name, i);
        if (n->op == GF_OP_INPUT)
            run_check(r, gf_eval_bind(r->e, n, data, &r->diags), "bind");
    }
    return subject;
}

static bool results_agree(const Run *r, const GfNode *n, const Args *args)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        const GfTensor *t = gf_eval_value(r->e, &n->results[i]);
        if (!near_norm(args->out[i], t->data, t->count, 16 * TOLERANCE))
            return false;
    }
    return true;
}

/* The formula equals the count of operations, of which `lost` are forgotten. */
static bool count_agrees(const Case *c, int64_t lost)
{
    Args args = {0};
    GfSizes sizes = {{2, 3}};
    Run r;

    run_start(&r, c->body);
    const GfNode *n = bind_all(&r);
    run_check(&r, gf_eval_run(r.e, &r.diags), c->body);
    assert_int_equal(n->op, c->op);
    for (uint32_t i = 0; i < n->operand_count; i++)
        args.in[i] = gf_eval_value(r.e, gf_operand(n, i))->data;
    counted = -lost;
    c->compute(&args);
    if (!results_agree(&r, n, &args))
        fail_msg("what is counted is not the op: %s", c->body);
    bool same = gf_flops(n, &sizes) == (double)counted;
    if (!same && !lost)
        print_message("%s: the formula %s gives %g, counted are %lld\n", gf_op_text(c->op), gf_flops_formula(c->op),
                      gf_flops(n, &sizes), (long long)counted);
    run_free(&r);
    return same;
}

static void formulas_equal_a_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        assert_true(count_agrees(&cases[i], 0));
}

static void one_operation_too_few_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        assert_false(count_agrees(&cases[i], 1));
}

static void every_op_that_makes_code_has_a_case(void **state)
{
    bool seen[GF_OP_COUNT] = {0};

    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        seen[cases[i].op] = true;
    for (int op = 0; op < GF_OP_COUNT; op++) {
        bool structure = gf_op_info((GfOp)op)->class_ == GF_CLASS_STRUCTURE;
        if (structure ? strcmp(gf_flops_formula((GfOp)op), "0") != 0 : !seen[op])
            fail_msg("no case for '%s'", gf_op_text((GfOp)op));
    }
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* A gather, a product with its epilogue, and a sum; kernels as `fuse` would have them. */
#define BYTES(gather, product, epilogue, sum)                                                                          \
    "%ids = input : i32[tokens]\n%t = param \"t\" : f32[1000,8]\n%w = param \"w\" : f32[16,8]\n"                       \
    "%1 = gather %t, %ids : f32[tokens,8]" gather "\n%2 = linear %1, %w : f32[tokens,16]" product "\n"                 \
    "%3 = mul %2, %2 : f32[tokens,16]" epilogue "\n%4 = sum %3 : f32[]" sum "\nreturn y = %4\n"

static GfKernelCost *regions_of(Run *r, GfArena *arena, int64_t tokens, uint32_t *count)
{
    GfSizes sizes = gf_sizes_of(r->g, tokens, 1);
    GfKernelCost *regions = NULL;

    run_check(r, gf_kernel_costs(r->g, &sizes, arena, &regions, count, &r->diags), "gf_kernel_costs");
    return regions;
}

static void check_cost(const GfKernelCost *region, double flops, double read, double written)
{
    assert_true(region->cost.flops == flops);
    assert_true(region->cost.read == read);
    assert_true(region->cost.written == written);
}

static void bytes_of_ops_before_fusion(void **state)
{
    GfArena arena;
    uint32_t count;
    Run r;

    (void)state;
    gf_arena_init(&arena, NULL);
    run_parse(&r, "graph @t(tokens, seqs) {\n" BYTES("", "", "", "") "}\n");
    GfKernelCost *regions = regions_of(&r, &arena, 10, &count);
    assert_int_equal(count, 4);
    check_cost(&regions[0], 0, 10 * 4 + 10 * 8 * 4, 10 * 8 * 4); /* ten rows of the table, not all of it */
    check_cost(&regions[1], 2 * 8 * 10 * 16, 10 * 8 * 4 + 16 * 8 * 4, 10 * 16 * 4);
    check_cost(&regions[2], 10 * 16, 10 * 16 * 4, 10 * 16 * 4); /* one value, read once */
    check_cost(&regions[3], 10 * 16, 10 * 16 * 4, 4);
    regions = regions_of(&r, &arena, 5000, &count);
    check_cost(&regions[0], 0, 5000 * 4 + 1000 * 8 * 4, 5000 * 8 * 4); /* not more than the table */
    run_free(&r);
    gf_arena_free(&arena);
}

static void bytes_of_kernels(void **state)
{
    GfArena arena;
    uint32_t count;
    Run r;

    (void)state;
    gf_arena_init(&arena, NULL);
    run_parse(&r, "graph @t(tokens, seqs) {\n" BYTES(" @k2", " @k7", " @k7", " @k0") "}\n");
    GfKernelCost *regions = regions_of(&r, &arena, 10, &count);
    assert_int_equal(count, 3);
    assert_int_equal(regions[1].kernel, 7);
    assert_int_equal(regions[1].node_count, 2);
    check_cost(&regions[1], 2 * 8 * 10 * 16 + 10 * 16, 10 * 8 * 4 + 16 * 8 * 4, 10 * 16 * 4); /* %2 is not stored */
    assert_int_equal(regions[2].kernel, 0);
    run_free(&r);
    gf_arena_free(&arena);
}

static void unread_results_are_not_written(void **state)
{
    GfArena arena;
    uint32_t count;
    Run r;

    (void)state;
    gf_arena_init(&arena, NULL);
    run_parse(&r, "graph @t(tokens, seqs) {\n" X "%g = input : f32[4]\n"
                  "%y = layer_norm %x, %g, %g {eps = 0.5} : f32[6,4], f32[6,1], f32[6,1]\nreturn y = %y#0\n}\n");
    check_cost(&regions_of(&r, &arena, 1, &count)[0], 6 * (8 * 4 + 5), 6 * 4 * 4 + 4 * 4, 6 * 4 * 4);
    run_free(&r);
    gf_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_equal_a_count),
        cmocka_unit_test(one_operation_too_few_is_noticed),
        cmocka_unit_test(every_op_that_makes_code_has_a_case),
        cmocka_unit_test(bytes_of_ops_before_fusion),
        cmocka_unit_test(bytes_of_kernels),
        cmocka_unit_test(unread_results_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
