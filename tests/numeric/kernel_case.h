/* kernel_case.h -- compiled kernels against the evaluator: one check.
 *
 * The graph is compiled once, bound to seeded random data for each of the
 * sizes, run, and its outputs and updated tensors compared with what the
 * evaluator gives for the graph as it was written.  Each comparison is shown to
 * fail on planted wrong answers; each run is repeated with the tasks in pieces
 * and in another order, which must give the same bits.
 *
 * Data follow the names of inputs, params and states:
 *   pos...   0.1 + |normal|: what is divided by, or under a root
 *   wide...  evenly over -30 .. 30
 *   starts, lengths   the sequences; step: see KernelCase; lr: 0.01
 * Matrices that are params have rows of about unit length.  Other floats are normal; other integers are drawn below the
 * limit that their use sets, with repetitions.
 */
#ifndef GF_TESTS_NUMERIC_KERNEL_CASE_H
#define GF_TESTS_NUMERIC_KERNEL_CASE_H

#include "ir/ir.h"

/* Rounding of one operation in f32, relative. */
#define EPS 5.9604644775390625e-8

typedef struct KernelSizes {
    int64_t tokens, seqs;
    const int64_t *lengths; /* of the sequences; NULL: `tokens` cut evenly */
} KernelSizes;

typedef struct KernelCase {
    const char *lines; /* of the graph @t(tokens, seqs); "$m" and "$k" stand for the numbers below */
    int64_t m, k;
    const char *processor; /* NULL: the host's */
    const char *made_by;   /* passes over what is written: both sides get their result; NULL: none */
    const char *oracle_by; /* passes for the evaluator's side instead; NULL: made_by */
    const char *passes;    /* then, for the compiled side; NULL: "fuse" */
    double tolerance;      /* relative to the norm of the reference */
    double typical;        /* of an element: where few elements cancel, the norm counts as if they were this large */
    const KernelSizes *sizes;
    size_t size_count;
    int32_t step;      /* bound to %step */
    uint32_t launches; /* as a device with block kernels makes them, where those are emulated; 0: any number */
} KernelCase;

/* Fails the test, naming the graph, when anything differs. */
void kernel_check(const KernelCase *c);

/* y[i] = the graph's output y for its input x : f32[tokens], compiled. */
void kernel_map(const char *lines, const char *processor, const float *x, float *y, int64_t count);

/* Fails the test when the code of the graph calls anything outside of it. */
void kernel_check_closed(const char *lines, int64_t m, int64_t k, const char *processor);

/* Bits of the outputs at all sizes.  Once frozen params are packed, the param of this label
 * (NULL: none) becomes NaN: whoever reads it as it was stored, shows.  For the cpu target. */
uint64_t kernel_bits(const KernelCase *c, const char *spoiled);

/* Whether kernels of a device are emulated, in place of those of the cpu. */
bool kernel_is_emulated(void);

/* Whether this machine runs code for the processor. */
bool kernel_can_run(const char *processor);

/* The ops that kernel_check has compiled so far. */
bool kernel_has_seen(GfOp op);

/* NULL (the host's own) and names of processors with other vector widths. */
enum { KERNEL_PROCESSORS = 4 };
extern const char *const kernel_processors[KERNEL_PROCESSORS];

/* Each check for each processor that this machine can run. */
#define EACH_PROCESSOR(p)                                                                                              \
    for (size_t p##_i = 0; p##_i < KERNEL_PROCESSORS; p##_i++)                                                         \
        for (const char *p = kernel_processors[p##_i], *p##_once = ""; p##_once && kernel_can_run(p); p##_once = NULL)

#endif
