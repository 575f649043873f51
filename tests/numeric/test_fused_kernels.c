/* test_fused_kernels.c -- fused regions, compiled, against the evaluator: the
 * fusions of a training step one by one, a whole step of a small encoder, and
 * random graphs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/numeric/kernel_case.h"
#include "tests/support/eval_run.h"

#define D "f32[tokens,$m]"
#define X "%x = input : " D "\n"
#define DY "%dy = input : " D "\n"
#define RNG "%rng = input : i32[4]\n"
#define ROWS "%rows = input : i32[tokens]\n" RNG
#define W(kind) "%w = param \"w\"" kind " : f32[$m,$k]\n%b = param \"b\"" kind " : f32[$m]\n"
#define XK "%x = input : f32[tokens,$k]\n"
#define NORM "%g = input : f32[$m]\n%c = input : f32[$m]\n"
#define ADAPTER "%A = param \"A\" : f32[8,$k]\n%B = param \"B\" : f32[$m,8]\n"

#define LORA_FORWARD                                                                                                   \
    XK W(" frozen") ADAPTER RNG                                                                                        \
        "%1 = linear %x, %w, %b : " D "\n%2 = dropout %x, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"                  \
        "%3 = linear %2, %A : f32[tokens,8]\n%4 = scale %3 {by = 4} : f32[tokens,8]\n%5 = linear %4, %B : " D          \
        "\n%6 = add %1, %5 : " D "\nreturn y = %6, s = %4\n"
#define LORA_BACKWARD                                                                                                  \
    XK DY "%w = param \"w\" frozen : f32[$m,$k]\n" ADAPTER RNG "%s = input : f32[tokens,8]\n"                          \
          "%ds = matmul %dy, %B : f32[tokens,8]\n%d4 = scale %ds {by = 4} : f32[tokens,8]\n"                           \
          "%dB = matmul %dy, %s {transpose_a = 1} : f32[$m,8]\n"                                                       \
          "%2 = dropout %x, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"                                                \
          "%dA = matmul %d4, %2 {transpose_a = 1} : f32[8,$k]\n"                                                       \
          "%5 = matmul %d4, %A : f32[tokens,$k]\n%6 = dropout %5, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"          \
          "%7 = matmul %dy, %w : f32[tokens,$k]\n%dx = add %7, %6 : f32[tokens,$k]\n"                                  \
          "return dA = %dA, dB = %dB, dx = %dx\n"

static const KernelSizes row_sizes[] = {{29, 4, NULL}, {1, 1, NULL}, {12, 3, NULL}, {25, 5, NULL}};

enum { SIZES = sizeof row_sizes / sizeof *row_sizes };

typedef struct Fusion {
    const char *lines, *passes;
} Fusion;

/* ---- the fusions of a training step -------------------------------------------------------- */

static const Fusion fusions[] = {
    /* linear + gelu, both stored */
    {XK W("") "%y = linear %x, %w, %b : " D "\n%z = gelu %y : " D "\nreturn y = %y, z = %z\n", NULL},
    /* linear + bias + dropout + residual */
    {XK W(" frozen") RNG "%r = input : " D "\n%y = linear %x, %w, %b : " D
                         "\n%d = dropout %y, %rng {p = 0.1, key = 4} : " D "\n%z = add %d, %r : " D "\nreturn z = %z\n",
     NULL},
    /* dx = dy w', through gelu */
    {"%dy = input : f32[tokens,$k]\n%x = input : " D "\n%w = param \"w\" : f32[$k,$m]\n%d = matmul %dy, %w : " D
     "\n%dx = gelu_grad %x, %d : " D "\nreturn dx = %dx\n",
     NULL},
    /* two products into one tile, scaled */
    {XK W("") "%t = input : f32[tokens,8]\n%B = param \"B\" : f32[$m,8]\n%1 = linear %x, %w, %b : " D
              "\n%2 = linear %t, %B : " D "\n%3 = add %1, %2 : " D "\nreturn y = %3\n",
     "fuse-lora,fuse"},
    /* LoRA forward: dropout as a prologue of the narrow product */
    {LORA_FORWARD, "fuse-lora,fuse"},
    /* LoRA backward: ds, dA from the masked input, dB, and dx with the masked low-rank product */
    {LORA_BACKWARD, "fuse-lora,fuse"},
    /* the same of rows taken from elsewhere, which draw the masks of where they came from */
    {XK W(" frozen") ADAPTER ROWS
     "%r = input : " D "\n%1 = linear %x, %w, %b : " D "\n%d = dropout %1, %rows, %rng {p = 0.1, key = 4} : " D
     "\n%z = add %d, %r : " D "\n%2 = dropout %x, %rows, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"
     "%3 = linear %2, %A : f32[tokens,8]\n%4 = linear %3, %B : " D "\n%5 = add %1, %4 : " D "\nreturn y = %5, z = %z\n",
     "fuse-lora,fuse"},
    {XK DY "%w = param \"w\" frozen : f32[$m,$k]\n" ADAPTER ROWS "%s = input : f32[tokens,8]\n"
           "%ds = matmul %dy, %B : f32[tokens,8]\n"
           "%2 = dropout %x, %rows, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"
           "%dA = matmul %ds, %2 {transpose_a = 1} : f32[8,$k]\n"
           "%5 = matmul %ds, %A : f32[tokens,$k]\n%6 = dropout %5, %rows, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"
           "%7 = matmul %dy, %w : f32[tokens,$k]\n%dx = add %7, %6 : f32[tokens,$k]\nreturn dA = %dA, dx = %dx\n",
     "fuse-lora,fuse"},
    {X NORM ROWS "%n = layer_norm %x, %g, %c {eps = 0.001} : " D
                 ", f32[tokens,1], f32[tokens,1]\n%y = dropout %n#0, %rows, %rng {p = 0.1, key = 2} : " D
                 "\nreturn y = %y\n",
     NULL},
    {DY ROWS "%1 = dropout %dy, %rows, %rng {p = 0.3, key = 6} : " D "\n%2 = sum_rows %1 : f32[$m]\nreturn b = %2\n",
     NULL},
    /* the adapter added to the weight */
    {XK W(" frozen") ADAPTER "%1 = linear %x, %w, %b : " D "\n%2 = linear %x, %A : f32[tokens,8]\n"
                             "%3 = scale %2 {by = 4} : f32[tokens,8]\n%4 = linear %3, %B : " D "\n%5 = add %1, %4 : " D
                             "\nreturn y = %5\n",
     "merge-lora,dce,fuse"},
    /* the gradients of an adapter, not by way of that of its weight */
    {XK DY ADAPTER "%1 = matmul %dy, %x {transpose_a = 1} : f32[$m,$k]\n%2 = scale %1 {by = 4} : f32[$m,$k]\n"
                   "%dB = linear %2, %A : f32[$m,8]\n%dA = matmul %B, %2 {transpose_a = 1} : f32[8,$k]\n"
                   "return dA = %dA, dB = %dB\n",
     "order-lora{tokens=4000},fuse"},
    /* query and key of one input, each with its adapter and mask: two kernels */
    {XK RNG W(" frozen") "%v = param \"v\" : f32[$m,$k]\n" ADAPTER
                         "%C = param \"C\" : f32[8,$k]\n%1 = linear %x, %w, %b : " D "\n%2 = linear %x, %v : " D
                         "\n%3 = dropout %x, %rng {p = 0.1, key = 1} : f32[tokens,$k]\n"
                         "%4 = linear %3, %A : f32[tokens,8]\n"
                         "%5 = dropout %x, %rng {p = 0.2, key = 2} : f32[tokens,$k]\n"
                         "%6 = linear %5, %C : f32[tokens,8]\n%7 = linear %4, %B : " D "\n%8 = add %1, %7 : " D
                         "\nreturn q = %8, k = %2, s = %6\n",
     "fuse-lora,merge-matmuls,fuse"},
    /* composite ops taken apart */
    {X DY NORM "%n = layer_norm %x, %g, %c {eps = 0.001} : " D ", f32[tokens,1], f32[tokens,1]\n%2 = gelu %n#0 : " D
               "\n%3 = softmax %2 : " D "\n%4 = softmax_grad %3, %dy : " D "\n%5 = gelu_grad %n#0, %4 : " D
               "\nreturn a = %3, b = %5\n",
     "decompose,fuse"},
    {X "%labels = input : i32[tokens]\n%l = cross_entropy %x, %labels : f32[tokens,1]\nreturn l = %l\n",
     "decompose,fuse"},
    /* embeddings */
    {"%ids = input : i32[tokens]\n%types = input : i32[tokens]\n%t = param \"t\" frozen : f32[37,$m]\n"
     "%u = param \"u\" : f32[2,$m]\n" NORM RNG "%1 = gather %t, %ids : " D "\n%2 = gather %u, %types : " D
     "\n%3 = add %1, %2 : " D "\n%n = layer_norm %3, %g, %c {eps = 0.001} : " D
     ", f32[tokens,1], f32[tokens,1]\n%y = dropout %n#0, %rng {p = 0.1, key = 2} : " D
     "\nreturn y = %y, mean = %n#1, rstd = %n#2, e = %3\n",
     NULL},
    /* layer norm of a sum, whose result two others read */
    {X DY NORM "%1 = add %x, %dy : " D "\n%n = layer_norm %1, %g, %c {eps = 0.001} : " D
               ", f32[tokens,1], f32[tokens,1]\n%2 = gelu %n#0 : " D "\n%3 = mul %2, %x : " D
               "\nreturn a = %n#0, b = %3\n",
     NULL},
    /* gradients that meet before a layer norm, and go through dropout after it */
    {X DY NORM RNG
     "%e = input : " D "\n%mean = input : f32[tokens,1]\n%pos = input : f32[tokens,1]\n%1 = add %dy, %e : " D
     "\n%2 = layer_norm_grad %1, %x, %g, %mean, %pos : " D "\n%3 = dropout %2, %rng {p = 0.2, key = 9} : " D
     "\nreturn a = %2, b = %3\n",
     NULL},
    /* softmax and its gradient, one after the other */
    {X DY "%p = softmax %x : " D "\n%d = softmax_grad %p, %dy : " D
          "\n%s = sum_cols %d : f32[tokens,1]\n%y = add %d, %s : " D "\nreturn y = %y\n",
     NULL},
    /* sums over rows that share what they read */
    {X DY "%mean = input : f32[tokens,1]\n%pos = input : f32[tokens,1]\n%1 = sub %x, %mean : " D
          "\n%2 = mul %1, %pos : " D "\n%3 = mul %dy, %2 : " D
          "\n%4 = sum_rows %3 : f32[$m]\n%5 = sum_rows %dy : f32[$m]\nreturn g = %4, b = %5\n",
     NULL},
    {DY RNG "%1 = dropout %dy, %rng {p = 0.3, key = 6} : " D "\n%2 = sum_rows %1 : f32[$m]\nreturn b = %2\n", NULL},
    /* a head: classifier, loss and its gradient */
    {XK W("") "%labels = input : i32[tokens]\n%scale = input : f32[tokens,1]\n%y = linear %x, %w, %b : " D
              "\n%l = cross_entropy %y, %labels : f32[tokens,1]\n%loss = mean %l : f32[]\n"
              "%d = cross_entropy_grad %y, %labels, %scale : " D "\nreturn loss = %loss, d = %d, logits = %y\n",
     NULL},
    /* an update in place after clipping, the gradient a product */
    {XK DY
     "%p = param \"p\" : f32[$m,$k]\n%mm = state \"m\" : f32[$m,$k]\n%pos = state \"v\" : f32[$m,$k]\n"
     "%step = input : i32[]\n%lr = input : f32[]\n%g = matmul %dy, %x {transpose_a = 1} : f32[$m,$k]\n"
     "%q = sum_squares %g {parts = 3} : f32[3]\n%n = global_norm %q : f32[]\n%1 = offset %n {by = 1e-6} : f32[]\n"
     "%one = const {value = 1} : f32[]\n%2 = div %one, %1 : f32[]\n%3 = min %one, %2 : f32[]\n"
     "%c1 = bias_correction %step {beta = 0.9} : f32[]\n%c2 = bias_correction %step {beta = 0.999} : f32[]\n"
     "%u = adamw %p, %g, %mm, %pos, %lr, %3, %c1, %c2 {weight_decay = 0.01} : f32[$m,$k], f32[$m,$k], f32[$m,$k]\n"
     "update %p = %u#0\nupdate %mm = %u#1\nupdate %pos = %u#2\nreturn norm = %n\n",
     NULL},
};

/* ---- products in front of a tile ------------------------------------------------------------ */

static const Fusion heads[] = {
    {LORA_FORWARD, "fuse-lora,fuse-down,fuse"},
    {LORA_FORWARD, "fuse-down{everywhere=1},fuse"},
    /* the same of rank 41, the head with a bias, both of its values stored */
    {XK W(" frozen") "%A = param \"A\" : f32[41,$k]\n%a = param \"a\" : f32[41]\n%B = param \"B\" : f32[$m,41]\n"
                     "%1 = linear %x, %A, %a : f32[tokens,41]\n%2 = neg %1 : f32[tokens,41]\n%3 = linear %2, %B : " D
                     "\n%4 = linear %x, %w, %b : " D "\n%5 = add %3, %4 : " D "\nreturn y = %5, s = %1, t = %2\n",
     "fuse-lora,fuse-down,fuse"},
    {LORA_BACKWARD, "fuse-lora,fuse-down{everywhere=1},fuse"},
    /* what is between draws a mask; weights of several groups of panels, and parts of a sum on cuda */
    {"%x = input : f32[tokens,800]\n" RNG "%w = param \"w\" : f32[$m,800]\n%A = param \"A\" : f32[8,800]\n"
     "%B = param \"B\" : f32[$m,8]\n%1 = linear %x, %w : " D "\n%2 = linear %x, %A : f32[tokens,8]\n"
     "%3 = dropout %2, %rng {p = 0.2, key = 3} : f32[tokens,8]\n%4 = scale %3 {by = 4} : f32[tokens,8]\n"
     "%5 = linear %4, %B : " D "\n%6 = add %1, %5 : " D "\nreturn y = %6, s = %2\n",
     "fuse-lora,fuse-down{everywhere=1},fuse"},
    /* beside a product of rows that are stored transposed */
    {XK "%z = input : f32[$k,tokens]\n%v = param \"v\" : f32[$k,$m]\n" ADAPTER
        "%1 = matmul %z, %v {transpose_a = 1} : " D "\n%2 = linear %x, %A : f32[tokens,8]\n%3 = linear %2, %B : " D
        "\n%4 = add %1, %3 : " D "\nreturn y = %4\n",
     "fuse-lora,fuse-down{everywhere=1},fuse"},
};

/* ---- sums over rows beside products of these rows --------------------------------------------- */

static const Fusion tails[] = {
    {LORA_BACKWARD, "fuse-lora,fuse-up-grad,fuse"},
    {LORA_BACKWARD, "fuse-lora,fuse-down{everywhere=1},fuse-up-grad,fuse"},
    /* beside a tile of several groups of panels, one of which has to add up the sum */
    {"%dy = input : f32[tokens,800]\n%t = input : f32[tokens,8]\n%w = param \"w\" : f32[800,$m]\n"
     "%A = param \"A\" : f32[8,$m]\n%B = param \"B\" : f32[800,8]\n%1 = matmul %dy, %B : f32[tokens,8]\n"
     "%2 = matmul %1, %A : " D "\n%3 = matmul %dy, %w : " D "\n%4 = add %3, %2 : " D
     "\n%5 = matmul %dy, %t {transpose_a = 1} : f32[800,8]\nreturn dx = %4, dB = %5\n",
     "fuse-lora,fuse-down{everywhere=1},fuse-up-grad,fuse"},
    /* of rank 41; parts of a sum on cuda; nothing behind the product */
    {"%dy = input : f32[tokens,800]\n%t = input : f32[tokens,41]\n%B = param \"B\" : f32[800,41]\n"
     "%ds = matmul %dy, %B : f32[tokens,41]\n%dB = matmul %dy, %t {transpose_a = 1} : f32[800,41]\n"
     "return ds = %ds, dB = %dB\n",
     "fuse-up-grad,fuse"},
    /* one column; the sum alone is read */
    {DY "%t = input : f32[tokens,1]\n%B = param \"B\" : f32[$m,1]\n%ds = matmul %dy, %B : f32[tokens,1]\n"
        "%dB = matmul %dy, %t {transpose_a = 1} : f32[$m,1]\n%u = neg %dB : f32[$m,1]\nreturn ds = %ds, u = %u\n",
     "fuse-up-grad,fuse"},
    /* two of them, each with rows of its own: one kernel's code, the same memory for the sums */
    {DY "%e = input : " D "\n%t = input : f32[tokens,8]\n%B = param \"B\" : f32[$m,8]\n"
        "%1 = matmul %dy, %B : f32[tokens,8]\n%2 = matmul %dy, %t {transpose_a = 1} : f32[$m,8]\n"
        "%3 = matmul %e, %B : f32[tokens,8]\n%4 = matmul %e, %t {transpose_a = 1} : f32[$m,8]\n"
        "return a = %1, b = %2, c = %3, d = %4\n",
     "fuse-up-grad,fuse"},
};

static const int64_t widths[] = {384, 6, 33, 16, 100, 1, 48};

enum { WIDTHS = sizeof widths / sizeof *widths };

static void check(const Fusion *f, const KernelSizes *sizes, uint32_t count, int64_t m, int64_t k,
                  const char *processor)
{
    kernel_check(&(KernelCase){.lines = f->lines,
                               .m = m,
                               .k = k,
                               .processor = processor,
                               .passes = f->passes,
                               .tolerance = 2 * EPS * sqrt((double)(m > k ? m : k) + 64),
                               .typical = 0.3,
                               .sizes = sizes,
                               .size_count = count,
                               .step = 10});
}

static void fusions_agree(void **state)
{
    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++) {
            for (size_t w = 0; w < (processor ? 2 : WIDTHS); w++)
                check(&fusions[i], row_sizes, SIZES, widths[w], widths[(w + 2 + i) % WIDTHS], processor);
        }
    }
}

/* Rows go by in blocks, of which a head is computed whole. */
static void heads_agree(void **state)
{
    static const KernelSizes sizes[] = {{131, 4, NULL}, {48, 1, NULL}, {13, 2, NULL}, {97, 5, NULL}};
    static const KernelSizes few[] = {{13, 1, NULL}, {7, 2, NULL}}; /* a narrower tile on cuda */

    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
            for (size_t w = 0; w < (processor ? 2 : WIDTHS); w++)
                check(&heads[i], sizes, 4, widths[w], widths[(w + 2 + i) % WIDTHS], processor);
            check(&heads[i], few, 2, 24, 40, processor);
        }
    }
}

/* The sums of many tasks, of one, and of a short one behind others. */
static void tails_agree(void **state)
{
    static const KernelSizes sizes[] = {{200, 4, NULL}, {96, 1, NULL}, {13, 2, NULL}, {97, 5, NULL}};
    static const KernelSizes few[] = {{13, 1, NULL}, {7, 2, NULL}}; /* a narrower tile on cuda */

    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
            for (size_t w = 1; w < (processor ? 2 : 4); w++)
                check(&tails[i], sizes, 4, widths[w], widths[(w + 2 + i) % WIDTHS], processor);
            check(&tails[i], few, 2, 24, 40, processor);
        }
    }
}

/* ---- a whole step ------------------------------------------------------------------------------ */

#define LINEAR_PARAMS(name, out, in)                                                                                   \
    "%w" name " = param \"" name ".weight\" : f32[" out "," in "]\n%b" name " = param \"" name ".bias\" : f32[" out    \
    "]\n"
#define NORM_PARAMS(name)                                                                                              \
    "%g" name " = param \"" name ".gain\" : f32[24]\n%c" name " = param \"" name ".shift\" : f32[24]\n"

/* One encoder layer with embeddings, pooler and classifier. */
static const char encoder[] =
    "%ids = input : i32[tokens]\n%starts = input : i32[seqs]\n%lengths = input : i32[seqs]\n"
    "%labels = input : i32[seqs]\n" RNG
    "%table = param \"embeddings.weight\" : f32[50,24]\n" NORM_PARAMS("n0") LINEAR_PARAMS(
        "query", "24",
        "24") LINEAR_PARAMS("key", "24",
                            "24") LINEAR_PARAMS("value", "24",
                                                "24") LINEAR_PARAMS("out", "24",
                                                                    "24") NORM_PARAMS("n1") LINEAR_PARAMS("up", "40",
                                                                                                          "24")
        LINEAR_PARAMS("down", "24", "40") NORM_PARAMS("n2") LINEAR_PARAMS("pooler", "24", "24") LINEAR_PARAMS(
            "classifier", "6",
            "24") "%e = gather %table, %ids : f32[tokens,24]\n"
                  "%n = layer_norm %e, %gn0, %cn0 {eps = 1e-12} : f32[tokens,24], f32[tokens,1], f32[tokens,1]\n"
                  "%x = dropout %n#0, %rng {p = 0.1, key = 1} : f32[tokens,24]\n"
                  "%q = linear %x, %wquery, %bquery : f32[tokens,24]\n%k = linear %x, %wkey, %bkey : f32[tokens,24]\n"
                  "%v = linear %x, %wvalue, %bvalue : f32[tokens,24]\n"
                  "%a = attention %q, %k, %v, %starts, %lengths, %rng {heads = 2, p = 0.1, key = 2} : f32[tokens,24], "
                  "f32[tokens,2]\n"
                  "%o = linear %a#0, %wout, %bout : f32[tokens,24]\n%od = dropout %o, %rng {p = 0.1, key = 3} : "
                  "f32[tokens,24]\n"
                  "%r = add %od, %x : f32[tokens,24]\n"
                  "%h = layer_norm %r, %gn1, %cn1 {eps = 1e-12} : f32[tokens,24], f32[tokens,1], f32[tokens,1]\n"
                  "%u = linear %h#0, %wup, %bup : f32[tokens,40]\n%ug = gelu %u : f32[tokens,40]\n"
                  "%f = linear %ug, %wdown, %bdown : f32[tokens,24]\n%fd = dropout %f, %rng {p = 0.1, key = 4} : "
                  "f32[tokens,24]\n"
                  "%s = add %fd, %h#0 : f32[tokens,24]\n"
                  "%z = layer_norm %s, %gn2, %cn2 {eps = 1e-12} : f32[tokens,24], f32[tokens,1], f32[tokens,1]\n"
                  "%first = gather %z#0, %starts : f32[seqs,24]\n%p = linear %first, %wpooler, %bpooler : "
                  "f32[seqs,24]\n"
                  "%t = tanh %p : f32[seqs,24]\n%td = dropout %t, %rng {p = 0.1, key = 5} : f32[seqs,24]\n"
                  "%logits = linear %td, %wclassifier, %bclassifier : f32[seqs,6]\n"
                  "%ce = cross_entropy %logits, %labels : f32[seqs,1]\n%loss = mean %ce : f32[]\n"
                  "return loss = %loss, logits = %logits\n";

#define TIDY ",fold,cse,dce"
#define LORA "attach-lora{targets=\"query value\", r=8, alpha=32, dropout=0.1}"
#define OPTIMIZER ",adamw{max_grad_norm=1, weight_decay=0.01}"

#define CLASSIFIER "freeze{freeze=\"*\", train=\"classifier.*\"},"
/* A step that computes some rows only, against one that computes all of them. */
#define NARROW(variant, rest)                                                                                          \
    {                                                                                                                  \
        variant "narrow-rows," rest, "fuse-lora,fuse", variant rest                                                    \
    }

static const struct {
    const char *made_by, *passes, *oracle_by;
} steps[] = {
    {"fold", NULL, NULL},
    {"inference,fold,dce", NULL, NULL},
    {"autodiff" OPTIMIZER TIDY, NULL, NULL},
    {CLASSIFIER "autodiff,prune-frozen" OPTIMIZER TIDY, NULL, NULL},
    {CLASSIFIER LORA ",autodiff,prune-frozen" OPTIMIZER TIDY, "fuse-lora,fuse", NULL},
    {CLASSIFIER LORA ",autodiff,prune-frozen" OPTIMIZER TIDY, "fuse-lora,fuse-down{everywhere=1},fuse", NULL},
    {CLASSIFIER LORA ",autodiff,prune-frozen" OPTIMIZER TIDY, "fuse-lora,fuse-up-grad,fuse", NULL},
    {"autodiff,accumulate" TIDY, NULL, NULL},
    {"autodiff,adamw{max_grad_norm=1, accumulated=1}" TIDY, NULL, NULL},
    NARROW("", "autodiff" OPTIMIZER TIDY),
    NARROW(CLASSIFIER, "autodiff,prune-frozen" OPTIMIZER TIDY),
    NARROW(CLASSIFIER LORA ",", "autodiff,prune-frozen" OPTIMIZER TIDY),
    NARROW("", "inference,fold,dce"),
};

static void steps_agree(void **state)
{
    static const int64_t lengths[] = {3, 17, 1, 9}, two[] = {20, 18};
    static const KernelSizes sizes[] = {{30, 4, lengths}, {38, 2, two}, {5, 1, NULL}};

    (void)state;
    EACH_PROCESSOR(processor)
    {
        for (size_t i = processor ? 2 : 0; i < (processor ? 5 : sizeof steps / sizeof *steps); i += processor ? 2 : 1)
            kernel_check(&(KernelCase){.lines = encoder,
                                       .processor = processor,
                                       .made_by = steps[i].made_by,
                                       .oracle_by = steps[i].oracle_by,
                                       .passes = steps[i].passes,
                                       .tolerance = 1e-5,
                                       .typical = 1e-3,
                                       .sizes = sizes,
                                       .size_count = 3,
                                       .step = 7});
    }
}

/* ---- random graphs --------------------------------------------------------------------------------- */

enum { TEXT = 12000, NODES = 14, GRAPHS = 40 };

/* A value of type [tokens,$m] from ones before: '!' is its number, '@' the number
 * of an earlier one, picked anew each time. */
static const char *const templates[] = {
    "%! = tanh %@ : " D "\n",
    "%! = gelu %@ : " D "\n",
    "%! = scale %@ {by = 0.6} : " D "\n",
    "%! = erf %@ : " D "\n",
    "%! = softmax %@ : " D "\n",
    "%! = add %@, %@ : " D "\n",
    "%! = sub %@, %@ : " D "\n",
    "%! = max %@, %@ : " D "\n",
    "%! = gelu_grad %@, %@ : " D "\n",
    "%t! = tanh %@ : " D "\n%! = mul %t!, %@ : " D "\n",
    "%i! = input : f32[$m]\n%! = add %@, %i! : " D "\n",
    "%i! = input : f32[tokens,1]\n%! = add %@, %i! : " D "\n",
    "%i! = input : f32[1,$m]\n%! = sub %@, %i! : " D "\n",
    "%i! = input : f32[]\n%! = mul %@, %i! : " D "\n",
    "%! = dropout %@, %rng {p = 0.2, key = !} : " D "\n",
    "%! = dropout %@, %rng {p = 0.5, key = !} : " D "\n",
    "%w! = param \"w!\" : f32[$m,$m]\n%b! = param \"b!\" : f32[$m]\n%! = linear %@, %w!, %b! : " D "\n",
    "%w! = param \"w!\" frozen : f32[$m,$m]\n%! = linear %@, %w! : " D "\n",
    "%w! = param \"w!\" : f32[$m,$m]\n%! = matmul %@, %w! : " D "\n",
    "%a! = param \"a!\" : f32[8,$m]\n%b! = param \"b!\" : f32[$m,8]\n%l! = linear %@, %a! : f32[tokens,8]\n"
    "%! = linear %l!, %b! : " D "\n",
    "%d! = dropout %@, %rng {p = 0.2, key = !} : " D "\n%a! = param \"a!\" : f32[5,$m]\n%l! = linear %d!, %a! : "
    "f32[tokens,5]\n%e! = matmul %l!, %@ {transpose_a = 1} : f32[5,$m]\n%f! = scale %e! {by = 0.05} : f32[5,$m]\n"
    "%! = matmul %l!, %f! : " D "\n",
    "%d! = matmul %@, %@ {transpose_a = 1} : f32[$m,$m]\n%e! = tanh %d! : f32[$m,$m]\n%! = matmul %@, %e! : " D "\n",
    "%s! = sum_rows %@ : f32[$m]\n%r! = scale %s! {by = 0.05} : f32[$m]\n%! = sub %@, %r! : " D "\n",
    "%s! = sum_cols %@ : f32[tokens,1]\n%r! = scale %s! {by = 0.05} : f32[tokens,1]\n%! = add %@, %r! : " D "\n",
    "%s! = mean %@ : f32[]\n%! = add %@, %s! : " D "\n",
    "%g! = input : f32[$m]\n%c! = input : f32[$m]\n%n! = layer_norm %@, %g!, %c! {eps = 0.1} : " D
    ", f32[tokens,1], f32[tokens,1]\n%! = add %n!#0, %@ : " D "\n",
    "%g! = input : f32[$m]\n%c! = input : f32[$m]\n%n! = layer_norm %@, %g!, %c! {eps = 0.1} : " D
    ", f32[tokens,1], f32[tokens,1]\n%! = layer_norm_grad %@, %@, %g!, %n!#1, %n!#2 : " D "\n",
};

enum { TEMPLATES = sizeof templates / sizeof *templates };

static uint32_t pick(uint32_t *random, uint32_t limit)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % limit;
}

/* Mostly a late one, so that chains grow. */
static uint32_t earlier(uint32_t *random, uint32_t number)
{
    uint32_t back = pick(random, 3) ? pick(random, 3) : pick(random, 40);
    return number - 1 - back % number;
}

static int expand(char *out, const char *template, uint32_t number, uint32_t *random)
{
    int n = 0;

    for (const char *p = template; *p; p++) {
        if (*p == '!' || *p == '@')
            n += sprintf(out + n, "%u", *p == '!' ? number : earlier(random, number));
        else
            out[n++] = *p;
    }
    return n;
}

static void make_graph(char text[TEXT], uint32_t seed)
{
    uint32_t random = seed;
    int n = sprintf(text, "%%rng = input : i32[4]\n%%0 = input : " D "\n%%1 = input : " D "\n");

    for (uint32_t i = 2; i < NODES; i++)
        n += expand(text + n, templates[pick(&random, TEMPLATES)], i, &random);
    n += sprintf(text + n, "return a = %%%d, b = %%%d, c = %%%d\n", NODES - 1, NODES - 2, NODES / 2);
    assert_true(n < TEXT);
}

static void random_graphs_agree(void **state)
{
    static const int64_t columns[] = {24, 33, 100, 16, 3, 65};
    char text[TEXT];

    (void)state;
    for (uint32_t seed = 1; seed <= GRAPHS; seed++) {
        make_graph(text, seed);
        kernel_check(&(KernelCase){.lines = text,
                                   .m = columns[seed % 6],
                                   .processor = seed % 4 == 3 && kernel_can_run("x86-64-v3") ? "x86-64-v3" : NULL,
                                   .passes = seed % 2 ? "fuse" : "fuse-lora,fuse",
                                   .tolerance = 1e-5,
                                   .typical = 0.1,
                                   .sizes = row_sizes,
                                   .size_count = SIZES});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fusions_agree), cmocka_unit_test(heads_agree),         cmocka_unit_test(tails_agree),
        cmocka_unit_test(steps_agree),   cmocka_unit_test(random_graphs_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
