/* eval_run.h -- for tests: a graph from text, bound and evaluated. */
#ifndef GF_TESTS_SUPPORT_EVAL_RUN_H
#define GF_TESTS_SUPPORT_EVAL_RUN_H

#include "ir/ir.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

/* Rounding of a few dozen operations in double, relative to the norm. */
#define TOLERANCE (64 * 2.220446049250313e-16)

typedef struct Data {
    const double *values;
    int64_t count;
} Data;

#define DATA(...)                                                                                                      \
    {                                                                                                                  \
        (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double)                          \
    }
/* Lines of a graph that uses attention. */
#define ATTENTION_INPUTS(n, h)                                                                                         \
    "%q = input : f32[" n "," h "]\n%k = input : f32[" n "," h "]\n%v = input : f32[" n "," h "]\n"
#define SEQUENCES(n) "%starts = input : i32[" n "]\n%lengths = input : i32[" n "]\n%rng = input : i32[4]\n"

/* Of tokens and seqs. */
static const int64_t test_sizes[] = {2, 3};

typedef struct Run {
    GfGraph *g;
    GfEval *e;
    GfDiags diags;
} Run;

/* The first diagnostic, to be shown when a test fails. */
static inline const char *run_message(const Run *r)
{
    return r->diags.first ? r->diags.first->message : "";
}

static inline void run_check(const Run *r, GfStatus status, const char *what)
{
    if (status != GF_OK)
        fail_msg("%s: %s", what, run_message(r));
}

/* Parses the graph; run_prepare makes the evaluator once passes have run. */
static inline void run_parse(Run *r, const char *text)
{
    *r = (Run){0};
    gf_diags_init(&r->diags, NULL);
    run_check(r, gf_graph_parse("test.gir", text, strlen(text), NULL, &r->g, &r->diags), text);
}

static inline void run_prepare(Run *r, const int64_t *sizes)
{
    run_check(r, gf_eval_new(r->g, sizes, NULL, &r->e, &r->diags), "gf_eval_new");
}

static inline void run_free(Run *r)
{
    gf_eval_free(r->e);
    gf_graph_free(r->g);
    gf_diags_free(&r->diags);
}

static inline bool is_bound_node(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

/* |a - b| <= relative |b| in the Euclidean norm; false if anything is not finite. */
static inline bool near_norm(const double *a, const double *b, int64_t count, double relative)
{
    double difference = 0, norm = 0;

    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(difference) <= relative * sqrt(norm);
}

/* The graph @t(tokens, seqs) with these lines, for tokens = 2 and seqs = 3. */
static inline void run_start(Run *r, const char *body)
{
    char text[2048];

    snprintf(text, sizeof text, "graph @t(tokens, seqs) {\n%s}\n", body);
    run_parse(r, text);
    run_prepare(r, test_sizes);
}

/* Binds all that can be bound, from one array. */
static inline GfStatus run_bind(Run *r, Data in)
{
    int64_t used = 0;

    GF_EACH_NODE (n, r->g) {
        if (!is_bound_node(n))
            continue;
        int64_t count = gf_type_elements(&n->results[0].type, test_sizes);
        assert_true(used + count <= in.count);
        GF_TRY(gf_eval_bind(r->e, n, in.values + used, &r->diags));
        used += count;
    }
    return GF_OK;
}

/* The outputs, one after the other, equal `want`. */
static inline bool outputs_are(const Run *r, Data want)
{
    const GfNode *end = gf_graph_return(r->g);
    double got[64];
    int64_t count = 0;

    for (uint32_t i = 0; i < end->operand_count; i++) {
        const GfTensor *t = gf_eval_value(r->e, gf_operand(end, i));
        assert_true(count + t->count <= 64);
        memcpy(got + count, t->data, (size_t)t->count * sizeof(double));
        count += t->count;
    }
    return count == want.count && near_norm(got, want.values, count, TOLERANCE);
}

#endif
