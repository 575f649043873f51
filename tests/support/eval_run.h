/* eval_run.h -- for tests: a graph from text, bound and evaluated. */
#ifndef GF_TESTS_SUPPORT_EVAL_RUN_H
#define GF_TESTS_SUPPORT_EVAL_RUN_H

#include "ir/ir.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

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

/* |a - b| <= k eps |b| in the Euclidean norm; false if anything is not finite. */
static inline bool near_norm(const double *a, const double *b, int64_t count, double relative)
{
    double difference = 0, norm = 0;

    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(difference) <= relative * sqrt(norm);
}

#endif
