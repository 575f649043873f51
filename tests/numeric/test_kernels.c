/* test_kernels.c -- every op's compiled CPU kernel, alone, against the
 * evaluator: ragged tails of rows and columns, several sizes for one compiled
 * program, three vector widths, any order of tasks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/numeric/kernel_case.h"
#include "tests/support/eval_run.h"

#define X "%x = input : f32[tokens,$m]\n"
#define DY "%dy = input : f32[tokens,$m]\n"
#define RNG "%rng = input : i32[4]\n"
#define LABELS "%labels = input : i32[tokens]\n"
#define RETURN_Y "return y = %y\n"
#define UNARY(op) X "%y = " op " : f32[tokens,$m]\n" RETURN_Y
#define POSITIVE(op) "%pos = input : f32[tokens,$m]\n%y = " op " %pos : f32[tokens,$m]\n" RETURN_Y
#define BINARY(op, type) X "%pos = input : f32" type "\n%y = " op " %x, %pos : f32[tokens,$m]\n" RETURN_Y

/* ulps: rounding errors of an element in units of EPS; `sums`: of each of many
 * terms, whose errors add up as a random walk. */
typedef struct OpCase {
    const char *lines;
    double ulps;
    bool sums;
} OpCase;

/* ---- ops over $m columns ---------------------------------------------------------------- */

static const OpCase column_cases[] = {
    {"%y = const {value = 2.5} : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {"%y = const {value = 2.5} : f32[$m]\n" RETURN_Y, 1, false},
    {BINARY("add", "[tokens,$m]"), 1, false},
    {BINARY("add", "[$m]"), 1, false},
    {BINARY("sub", "[tokens,1]"), 1, false},
    {BINARY("sub", "[]"), 1, false},
    {BINARY("mul", "[1,$m]"), 1, false},
    {BINARY("mul", "[1]"), 1, false},
    {BINARY("div", "[tokens,$m]"), 1, false},
    {BINARY("min", "[$m]"), 1, false},
    {BINARY("max", "[tokens,$m]"), 1, false},
    {"%a = input : f32[tokens,1]\n%b = input : f32[$m]\n%y = mul %a, %b : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {UNARY("scale %x {by = 0.3}"), 2, false},
    {UNARY("offset %x {by = 0.7}"), 2, false},
    {UNARY("neg %x"), 1, false},
    {UNARY("exp %x"), 4, false},
    {POSITIVE("log"), 4, false},
    {POSITIVE("sqrt"), 1, false},
    {UNARY("tanh %x"), 4, false},
    {UNARY("sigmoid %x"), 4, false},
    {UNARY("erf %x"), 8, false},
    {UNARY("relu %x"), 1, false},
    {UNARY("gelu %x"), 8, false},
    {X DY "%y = relu_grad %x, %dy : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {X DY "%y = gelu_grad %x, %dy : f32[tokens,$m]\n" RETURN_Y, 8, false},
    {X "%pos = input : f32[tokens,$m]\n%y = bce_with_logits %x, %pos : f32[tokens,$m]\n" RETURN_Y, 4, false},
    {X RNG "%y = dropout %x, %rng {p = 0.1, key = 7} : f32[tokens,$m]\n" RETURN_Y, 2, false},
    {X "%rows = input : i32[tokens]\n" RNG
       "%y = dropout %x, %rows, %rng {p = 0.1, key = 7} : f32[tokens,$m]\n" RETURN_Y,
     2, false},
    {"%x = input : f32[$m]\n" RNG "%y = dropout %x, %rng {p = 0.5, key = 3} : f32[$m]\n" RETURN_Y, 2, false},
    {"%dy = input : f32[]\n%y = mean_grad %dy : f32[tokens,$m]\n" RETURN_Y, 2, false},
    {"%x = input : f32[$m]\n%y = broadcast %x : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {"%x = input : f32[tokens,1]\n%y = broadcast %x : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {"%x = input : f32[]\n%y = broadcast %x : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {"%x = input : f32[37,$m]\n%ids = input : i32[tokens]\n%y = gather %x, %ids : f32[tokens,$m]\n" RETURN_Y, 1, false},
    {X "%ids = input : i32[seqs]\n%y = gather %x, %ids : f32[seqs,$m]\n" RETURN_Y, 1, false},
    {"%x = input : f32[$m]\n%ids = input : i32[tokens]\n%y = gather %x, %ids : f32[tokens]\n" RETURN_Y, 1, false},
    {"%pos = input : f32[tokens,$m]\n%g = input : f32[$m]\n%b = input : f32[$m]\n%y = layer_norm %pos, %g, %b "
     "{eps = 1e-12} : f32[tokens,$m], f32[tokens,1], f32[tokens,1]\nreturn y = %y#0, mean = %y#1, rstd = %y#2\n",
     12, false},
    {X "%g = input : f32[$m]\n%b = input : f32[$m]\n%y = layer_norm %x, %g, %b {eps = 0.01} : f32[tokens,$m], "
       "f32[tokens,1], f32[tokens,1]\nreturn y = %y#0\n",
     12, false},
    {DY X "%g = input : f32[$m]\n%mean = input : f32[tokens,1]\n%pos = input : f32[tokens,1]\n%y = layer_norm_grad "
          "%dy, %x, %g, %mean, %pos : f32[tokens,$m]\n" RETURN_Y,
     8, true},
    {UNARY("softmax %x"), 8, false},
    {"%wide = input : f32[tokens,$m]\n%y = softmax %wide : f32[tokens,$m]\n" RETURN_Y, 40, false},
    {X DY "%y = softmax_grad %x, %dy : f32[tokens,$m]\n" RETURN_Y, 2, true},
    {X "%y = sum_cols %x : f32[tokens,1]\n" RETURN_Y, 2, true},
    {X "%y = max_cols %x : f32[tokens,1]\n" RETURN_Y, 2, true},
    {X LABELS "%y = pick_cols %x, %labels : f32[tokens,1]\n" RETURN_Y, 2, true},
    {X LABELS "%y = cross_entropy %x, %labels : f32[tokens,1]\n" RETURN_Y, 8, false},
    {X LABELS "%dy = input : f32[tokens,1]\n%y = cross_entropy_grad %x, %labels, %dy : f32[tokens,$m]\n" RETURN_Y, 12,
     false},
    /* Rows that are sure of their label, but for e^-15: small gradients keep their digits. */
    {X LABELS "%down = const {value = -15} : f32[tokens,1]\n"
              "%sure = cross_entropy_grad %x, %labels, %down : f32[tokens,$m]\n%dy = input : f32[tokens,1]\n"
              "%y = cross_entropy_grad %sure, %labels, %dy : f32[tokens,$m]\n" RETURN_Y,
     40, false},
    {X "%y = sum_rows %x : f32[$m]\n" RETURN_Y, 2, true},
    {X "%y = sum %x : f32[]\n" RETURN_Y, 8, true},
    {X "%y = mean %x : f32[]\n" RETURN_Y, 8, true},
    {X "%y = sum_squares %x {parts = 7} : f32[7]\n" RETURN_Y, 8, false},
    {"%pos1 = input : f32[$m]\n%pos2 = input : f32[]\n%pos3 = input : f32[5]\n%y = global_norm %pos1, %pos2, %pos3 : "
     "f32[]\n" RETURN_Y,
     8, false},
    {X "%ids = input : i32[tokens]\n%y = scatter_add %x, %ids : f32[7,$m]\n" RETURN_Y, 2, true},
    {X "%ids = input : i32[tokens]\n%y = scatter_add %x, %ids : f32[1100,$m]\n" RETURN_Y, 2, true},
    {"%x = input : f32[tokens]\n%ids = input : i32[tokens]\n%y = scatter_add %x, %ids : f32[$m]\n" RETURN_Y, 2, true},
    {"%x = input : f32[tokens]\n%y = softmax %x : f32[tokens]\n" RETURN_Y, 8, false},
};

static const int64_t columns[] = {1, 3, 15, 16, 17, 31, 33, 48, 100, 384};
static const KernelSizes row_sizes[] = {{5, 2, NULL},  {1, 1, NULL},  {11, 11, NULL},
                                        {12, 5, NULL}, {13, 3, NULL}, {29, 8, NULL}};

enum { COLUMNS = sizeof columns / sizeof *columns, ROW_SIZES = sizeof row_sizes / sizeof *row_sizes };

static double tolerance_of(const OpCase *op, int64_t m, int64_t k)
{
    int64_t terms = m > k ? m : k;
    return op->ulps * EPS * (op->sums ? sqrt((double)(terms > 29 ? terms : 29)) : 1);
}

/* A sum of n products of normals is about sqrt n, and the errors of its
 * partial sums with it. */
static void check_columns(const OpCase *op, int64_t m, int64_t k, const char *processor)
{
    kernel_check(&(KernelCase){.lines = op->lines,
                               .m = m,
                               .k = k,
                               .processor = processor,
                               .tolerance = tolerance_of(op, m, k),
                               .typical = op->sums ? 1 : 0,
                               .sizes = row_sizes,
                               .size_count = ROW_SIZES});
}

/* The host gets all widths, other processors a few. */
static bool is_chosen(size_t column, const char *processor)
{
    return !processor || column % 5 == 1;
}

static void ops_over_columns_agree(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof column_cases / sizeof *column_cases; i++) {
            for (size_t c = 0; c < COLUMNS; c++) {
                if (is_chosen(c, processor))
                    check_columns(&column_cases[i], columns[c], 0, processor);
            }
        }
    }
}

/* ---- products ------------------------------------------------------------------------------ */

#define LINEAR(kind) "%x = input : f32[tokens,$k]\n%w = param \"w\"" kind " : f32[$m,$k]\n"
#define MATMUL(a, b, attrs, y)                                                                                         \
    "%a = input : f32" a "\n%b = input : f32" b "\n%y = matmul %a, %b" attrs " : f32" y "\n" RETURN_Y

static const OpCase product_cases[] = {
    {LINEAR("") "%y = linear %x, %w : f32[tokens,$m]\n" RETURN_Y, 2, true},
    {LINEAR(" frozen") "%y = linear %x, %w : f32[tokens,$m]\n" RETURN_Y, 2, true},
    {LINEAR("") "%b = param \"b\" : f32[$m]\n%y = linear %x, %w, %b : f32[tokens,$m]\n" RETURN_Y, 2, true},
    {LINEAR(" frozen") "%b = param \"b\" frozen : f32[$m]\n%y = linear %x, %w, %b : f32[tokens,$m]\n" RETURN_Y, 2,
     true},
    {MATMUL("[tokens,$k]", "[$k,$m]", "", "[tokens,$m]"), 2, true},
    {MATMUL("[tokens,$k]", "[$m,$k]", " {transpose_b = 1}", "[tokens,$m]"), 2, true},
    {MATMUL("[$k,tokens]", "[$k,$m]", " {transpose_a = 1}", "[tokens,$m]"), 2, true},
    {MATMUL("[$k,tokens]", "[$m,$k]", " {transpose_a = 1, transpose_b = 1}", "[tokens,$m]"), 2, true},
    {MATMUL("[tokens,$m]", "[tokens,$k]", " {transpose_a = 1}", "[$m,$k]"), 2, true},
    {MATMUL("[$k,$m]", "[tokens,$m]", " {transpose_b = 1}", "[$k,tokens]"), 2, true},
    {"%w = param \"w\" frozen : f32[$k,$m]\n%a = input : f32[tokens,$k]\n%y = matmul %a, %w : "
     "f32[tokens,$m]\n" RETURN_Y,
     2, true},
    {"%w = param \"w\" frozen : f32[$m,$k]\n%a = input : f32[tokens,$k]\n%y = matmul %a, %w {transpose_b = 1} : "
     "f32[tokens,$m]\n" RETURN_Y,
     2, true},
};

static const int64_t inners[] = {16, 100, 1, 33, 3, 384, 48, 15, 31, 17};

static void products_agree(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof product_cases / sizeof *product_cases; i++) {
            for (size_t c = 0; c < COLUMNS; c++) {
                if (is_chosen(c, processor))
                    check_columns(&product_cases[i], columns[c], inners[(c + i) % COLUMNS], processor);
            }
        }
    }
}

/* Rows enough for several chunks of a panel. */
static void tall_products_agree(void **state)
{
    static const KernelSizes tall[] = {{431, 1, NULL}, {96, 1, NULL}, {193, 1, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof product_cases / sizeof *product_cases; i++)
        kernel_check(&(KernelCase){.lines = product_cases[i].lines,
                                   .m = 40,
                                   .k = 70,
                                   .tolerance = 3 * EPS * sqrt(431),
                                   .sizes = tall,
                                   .size_count = 3});
}

/* y = x W^T and dx = dy W in one program. */
#define BOTH(kind)                                                                                                     \
    LINEAR(kind)                                                                                                       \
    DY "%y = linear %x, %w : f32[tokens,$m]\n%dx = matmul %dy, %w : f32[tokens,$k]\n"                                  \
       "return y = %y, dx = %dx\n"

static uint64_t bits_of_both(const char *lines, int64_t m, int64_t k, const char *processor, const char *spoiled)
{
    return kernel_bits(
        &(KernelCase){
            .lines = lines, .m = m, .k = k, .processor = processor, .sizes = row_sizes, .size_count = ROW_SIZES},
        spoiled);
}

/* One packed copy of a frozen weight serves both: the bits are those of a weight that is not packed,
 * and nobody reads the weight itself, so that its memory can go. */
static void packed_weights_serve_both_products(void **state)
{
    (void)state;
    if (kernel_is_emulated())
        return; /* nothing is packed */
    EACH_PROCESSOR(processor)
    {
        for (size_t c = 0; c < COLUMNS; c++) {
            int64_t m = columns[c], k = inners[(3 * c + 1) % COLUMNS];
            if (processor && c % 2)
                continue;
            check_columns(&(OpCase){BOTH(" frozen"), 2, true}, m, k, processor);
            uint64_t bits = bits_of_both(BOTH(""), m, k, processor, NULL);
            assert_true(bits_of_both(BOTH(" frozen"), m, k, processor, "w") == bits);
            assert_true(bits_of_both(BOTH(""), m, k, processor, "w") != bits); /* it would show */
        }
    }
}

/* ---- attention -------------------------------------------------------------------------------- */

#define QKV "%q = input : f32[tokens,$m]\n%k = input : f32[tokens,$m]\n%v = input : f32[tokens,$m]\n"
#define SEQUENCE_INPUTS "%starts = input : i32[seqs]\n%lengths = input : i32[seqs]\n" RNG
#define ATTENTION(attrs)                                                                                               \
    QKV SEQUENCE_INPUTS "%y = attention %q, %k, %v, %starts, %lengths, %rng {" attrs                                   \
                        "} : f32[tokens,$m], f32[tokens,$k]\n"
#define GRADIENT(attrs)                                                                                                \
    DY ATTENTION(attrs) "%g = attention_grad %dy, %q, %k, %v, %y#0, %y#1, %starts, %lengths, %rng {" attrs             \
                        "} : f32[tokens,$m], f32[tokens,$m], f32[tokens,$m]\n"

/* One query a sequence. */
#define FIRST(attrs)                                                                                                   \
    "%q = input : f32[seqs,$m]\n%k = input : f32[tokens,$m]\n%v = input : f32[tokens,$m]\n" SEQUENCE_INPUTS            \
    "%y = attention %q, %k, %v, %starts, %lengths, %rng {" attrs ", first = 1} : f32[seqs,$m], f32[seqs,$k]\n"
#define FIRST_GRADIENT(attrs)                                                                                          \
    "%dy = input : f32[seqs,$m]\n" FIRST(                                                                              \
        attrs) "%g = attention_grad %dy, %q, %k, %v, %y#0, %y#1, %starts, %lengths, %rng {" attrs                      \
               ", first = 1} : f32[seqs,$m], f32[tokens,$m], f32[tokens,$m]\n"

static const char *const attention_cases[] = {
    ATTENTION("heads = $k, p = 0, key = 5") "return y = %y#0, lse = %y#1\n",
    ATTENTION("heads = $k, p = 0.1, key = 5") "return y = %y#0\n",
    ATTENTION("heads = $k, p = 0.1, key = 5") "return lse = %y#1\n",
    GRADIENT("heads = $k, p = 0, key = 5") "return dq = %g#0, dk = %g#1, dv = %g#2\n",
    GRADIENT("heads = $k, p = 0.3, key = 5") "return dq = %g#0, dk = %g#1, dv = %g#2\n",
    GRADIENT("heads = $k, p = 0.3, key = 5") "return dq = %g#0\n",
    GRADIENT("heads = $k, p = 0.3, key = 5") "return dk = %g#1\n",
    GRADIENT("heads = $k, p = 0.3, key = 5") "return dv = %g#2\n",
    FIRST("heads = $k, p = 0, key = 5") "return y = %y#0, lse = %y#1\n",
    FIRST("heads = $k, p = 0.1, key = 5") "return y = %y#0\n",
    FIRST_GRADIENT("heads = $k, p = 0, key = 5") "return dq = %g#0, dk = %g#1, dv = %g#2\n",
    FIRST_GRADIENT("heads = $k, p = 0.3, key = 5") "return dq = %g#0, dk = %g#1, dv = %g#2\n",
    FIRST_GRADIENT("heads = $k, p = 0.3, key = 5") "return dq = %g#0\n",
};

static void attention_agrees(void **state)
{
    static const int64_t head_sizes[] = {12, 16, 32, 64, 7};
    static const int64_t mixed[] = {1, 2, 15, 16, 17, 40, 5}, single[] = {1}, ones[] = {1, 1, 1}, empty[] = {3, 0, 33};
    static const int64_t longer[] = {70, 1, 100};
    static const KernelSizes sizes[] = {{96, 7, mixed}, {1, 1, single}, {3, 3, ones}, {36, 3, empty}, {171, 3, longer}};

    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases; i++) {
            for (size_t h = 0; h < sizeof head_sizes / sizeof *head_sizes; h += processor ? 3 : 1)
                kernel_check(&(KernelCase){.lines = attention_cases[i],
                                           .m = head_sizes[h] * (h == 0 ? 3 : 2),
                                           .k = h == 0 ? 3 : 2,
                                           .processor = processor,
                                           .tolerance = 40 * EPS,
                                           .typical = 0.3,
                                           .sizes = sizes,
                                           .size_count = 5});
        }
    }
}

/* ---- the optimizer ------------------------------------------------------------------------------ */

#define ADAMW(shape, attrs)                                                                                            \
    "%p = param \"p\" : f32" shape "\n%m = state \"m\" : f32" shape "\n%pos_v = state \"v\" : f32" shape               \
    "\n%g = input : f32" shape "\n%pos_lr = input : f32[]\n%pos_clip = input : f32[]\n%pos_c1 = input : f32[]\n"       \
    "%pos_c2 = input : f32[]\n%y = adamw %p, %g, %m, %pos_v, %pos_lr, %pos_clip, %pos_c1, %pos_c2 {" attrs             \
    "} : f32" shape ", f32" shape ", f32" shape "\n"
#define UPDATES "update %p = %y#0\nupdate %m = %y#1\nupdate %pos_v = %y#2\n"

static const char *const adamw_cases[] = {
    ADAMW("[$m]", "eps = 1e-8, weight_decay = 0.01") "return p = %y#0, m = %y#1, v = %y#2\n",
    ADAMW("[13,$m]", "beta1 = 0.8, beta2 = 0.99, eps = 1e-6, weight_decay = 0") UPDATES "return\n",
    ADAMW("[170,$m]", "eps = 1e-8, weight_decay = 0.1") UPDATES "return\n",
};

static void updates_agree(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof adamw_cases / sizeof *adamw_cases; i++) {
            for (size_t c = 0; c < COLUMNS; c++) {
                if (is_chosen(c, processor))
                    check_columns(&(OpCase){adamw_cases[i], 8, false}, columns[c], 0, processor);
            }
        }
    }
}

static void bias_corrections_agree(void **state)
{
    static const char *const lines[] = {
        "%step = input : i32[]\n%y = bias_correction %step {beta = 0.9} : f32[]\n" RETURN_Y,
        "%step = input : i32[]\n%y = bias_correction %step {beta = 0.999} : f32[]\n" RETURN_Y,
    };
    static const int32_t steps[] = {1, 2, 3, 1000, 100000, INT32_MAX};

    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < 2; i++) {
            for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
                kernel_check(&(KernelCase){.lines = lines[i],
                                           .processor = processor,
                                           .tolerance = 2 * EPS,
                                           .sizes = row_sizes,
                                           .size_count = 1,
                                           .step = steps[s]});
        }
    }
}

/* Kernels of one structure and different sizes share code but not sizes. */
static void sizes_stay_apart(void **state)
{
    static const OpCase op = {"%dy = input : f32[]\n%y = mean_grad %dy : f32[tokens,$m]\n%z = mean_grad %dy : "
                              "f32[70,$m]\n%u = mean_grad %dy : f32[9]\n%w = const {value = 3} : f32[7]\n"
                              "%v = const {value = 3} : f32[seqs,2]\n"
                              "return y = %y, z = %z, u = %u, w = %w, v = %v\n",
                              2, false};
    (void)state;
    check_columns(&op, 300, 0, NULL);
}

/* ---- functions, value by value --------------------------------------------------------------------- */

typedef struct Function {
    const char *op;
    double (*f)(double);
    double from, to;           /* the values tried */
    double relative, absolute; /* an error within either bound will do */
} Function;

static double gelu(double x)
{
    return x * erfc(-x * sqrt(0.5)) / 2;
}

static double gelu_slope(double x)
{
    return erfc(-x * sqrt(0.5)) / 2 + x * exp(-x * x / 2) * 0.39894228040143268;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* -ln sigmoid x and -ln(1 - sigmoid x) */
static double loss_of_one(double x)
{
    return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x;
}

static double loss_of_zero(double x)
{
    return loss_of_one(-x);
}

static const Function functions[] = {
    {"exp %x", exp, -87, 88, 2.5 * EPS, 0},
    {"exp %x", exp, -1e-3, 1e-3, 2.5 * EPS, 0},
    {"log %x", log, 1e-30, 1e30, 2.5 * EPS, 0},
    {"log %x", log, 0.5, 2, 4 * EPS, 1e-9},
    {"tanh %x", tanh, -12, 12, 4 * EPS, 0},
    {"tanh %x", tanh, -0.1, 0.1, 4 * EPS, 0},
    {"erf %x", erf, -6, 6, 8 * EPS, 0},
    {"erf %x", erf, -0.01, 0.01, 8 * EPS, 0},
    {"gelu %x", gelu, -12, 12, 8 * EPS, 1e-6},
    {"gelu_grad %x, %one", gelu_slope, -12, 12, 8 * EPS, 1e-6},
    {"sqrt %x", sqrt, 1e-30, 1e30, EPS, 0},
    {"sigmoid %x", sigmoid, -86, 86, 4 * EPS, 0},
    {"bce_with_logits %x, %one", loss_of_one, -86, 86, 5 * EPS, 0},
    {"bce_with_logits %x, %zero", loss_of_zero, -86, 86, 5 * EPS, 0},
};

enum { VALUES = 100003 };

/* Even steps, of the exponent where the range spans many. */
static double value_at(const Function *f, int i)
{
    double t = (double)i / (VALUES - 1);
    return (double)(float)(f->from > 0 && f->to / f->from > 1e6 ? f->from * pow(f->to / f->from, t)
                                                                : f->from + (f->to - f->from) * t);
}

static void check_function(const Function *f, const char *processor)
{
    char lines[256];
    float *x = malloc(VALUES * sizeof *x), *y = malloc(VALUES * sizeof *y);

    for (int i = 0; i < VALUES; i++)
        x[i] = (float)value_at(f, i);
    snprintf(lines, sizeof lines,
             "%%one = const {value = 1} : f32[tokens]\n%%zero = const {value = 0} : f32[tokens]\n%%x = input : "
             "f32[tokens]\n%%y = %s : "
             "f32[tokens]\nreturn y = %%y\n",
             f->op);
    kernel_map(lines, processor, x, y, VALUES);
    for (int i = 0; i < VALUES; i++) {
        double want = f->f((double)x[i]), error = fabs((double)y[i] - want);
        if (!(error <= f->absolute || error <= f->relative * fabs(want)))
            fail_msg("%s at %.9g is %.9g, not %.9g: %.2f EPS (%s)", f->op, (double)x[i], (double)y[i], want,
                     error / fabs(want) / EPS, processor ? processor : "host");
    }
    free(x);
    free(y);
}

static void functions_are_precise(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
            check_function(&functions[i], processor);
    }
}

/* An object that is cached and loaded again must not need symbols from outside. */
static void code_stands_alone(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof column_cases / sizeof *column_cases; i++)
            kernel_check_closed(column_cases[i].lines, 17, 0, processor);
        for (size_t i = 0; i < sizeof product_cases / sizeof *product_cases; i++)
            kernel_check_closed(product_cases[i].lines, 17, 40, processor);
        for (size_t i = 0; i < sizeof attention_cases / sizeof *attention_cases; i++)
            kernel_check_closed(attention_cases[i], 48, 4, processor);
    }
}

/* ---- the table ------------------------------------------------------------------------------------------ */

/* Runs last: what has a row in ops.def and makes code has had a case. */
static void every_op_was_checked(void **state)
{
    (void)state;
    for (int op = 0; op < GF_OP_COUNT; op++) {
        if (gf_op_info((GfOp)op)->class_ != GF_CLASS_STRUCTURE && !kernel_has_seen((GfOp)op))
            fail_msg("no case for '%s'", gf_op_text((GfOp)op));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_over_columns_agree),
        cmocka_unit_test(products_agree),
        cmocka_unit_test(tall_products_agree),
        cmocka_unit_test(attention_agrees),
        cmocka_unit_test(packed_weights_serve_both_products),
        cmocka_unit_test(updates_agree),
        cmocka_unit_test(bias_corrections_agree),
        cmocka_unit_test(sizes_stay_apart),
        cmocka_unit_test(functions_are_precise),
        cmocka_unit_test(code_stands_alone),
        cmocka_unit_test(every_op_was_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
