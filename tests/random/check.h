/* check.h -- a graph and a pipeline, and what must hold of them.
 *
 *   text      what is printed parses, and prints the same: before, and after each pass
 *   verify    the verifier accepts the graph after each pass
 *   values    the evaluator gives the same before and after each pass (ir/same.h), unless
 *             the pass changes values by design
 *   gradient  what autodiff adds agrees with differences of the loss
 *   compile   a fused and planned graph compiles
 *   compiled  and its kernels give what the evaluator gives
 *   order     the same bits, however their tasks are cut and ordered
 *
 * Tolerances follow the graph: a copy with noise of the size of rounding in every value
 * (copy.h) says how far rounding may move a result.
 *
 * A pass that refuses a graph, which it says by GF_ERR_PASS, is left out.
 */
#ifndef GF_TESTS_RANDOM_CHECK_H
#define GF_TESTS_RANDOM_CHECK_H

#include "passes/passes.h"

enum { CASE_PASSES = 32, CASE_PASS_TEXT = 160 };

typedef struct Case {
    const char *text; /* of the graph, borrowed */
    char passes[CASE_PASSES][CASE_PASS_TEXT];
    uint32_t pass_count;
    int64_t tokens, seqs; /* sizes, and the maxima of the plan */
    bool cuda;            /* passes for the cuda target, its kernels in emulation; else the cpu's */
    bool compiled;        /* run its code, if it comes out planned */
} Case;

typedef enum CheckKind {
    CHECK_FINE,
    CHECK_GRAPH, /* the graph itself cannot be made, or evaluated */
    CHECK_TEXT,
    CHECK_PASS, /* a pass fails, and does not just refuse */
    CHECK_VERIFY,
    CHECK_VALUES,
    CHECK_GRADIENT,
    CHECK_COMPILE,
    CHECK_COMPILED,
    CHECK_ORDER,
    CHECK_CRASH,
    CHECK_HANGS,
    CHECK_KINDS
} CheckKind;

extern const char *const check_kinds[CHECK_KINDS];

typedef struct Outcome {
    CheckKind kind;
    char pass[32];      /* at which; "" none */
    char message[1000]; /* what differs */
    bool refused[CASE_PASSES];
    uint32_t pass_runs;
    bool ran_compiled;
    uint32_t loose;                      /* comparisons that rounding alone makes meaningless */
    unsigned char ops[GF_OP_COUNT];      /* of the graph that was compiled */
    unsigned char passes[GF_PASS_COUNT]; /* of passes.def, that ran */
} Outcome;

/* In this process. */
void check_case(const Case *c, Outcome *out);

/* In a child, so that a crash is an outcome, too. */
void check_case_apart(const Case *c, Outcome *out);

/* out->kind and out->message. */
void outcome_fail(Outcome *out, CheckKind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
void outcome_fail_diags(Outcome *out, CheckKind kind, const GfDiags *diags);

/* check_compiled.c: compile and run `g`, which is planned. */
void check_compiled(const Case *c, const GfGraph *g, Outcome *out);

/* Some product's factors are rounded, to bf16 or tf32. */
bool graph_rounds(const GfGraph *g);

/* check_gradient.c: gradients of `g` against differences. */
void check_gradient(const GfGraph *g, const char *sizes, Outcome *out);

const char *case_sizes(const Case *c, char text[64]);
const GfTarget *case_target(const Case *c);

#endif
