/* evaluate.h -- a graph evaluated on the data of ir/sample.h, rounded to f32. */
#ifndef GF_TESTS_RANDOM_EVALUATE_H
#define GF_TESTS_RANDOM_EVALUATE_H

#include "ir/ir.h"

typedef struct Evaluated {
    const GfGraph *g; /* borrowed */
    GfEval *eval;
    int64_t sizes[GF_MAX_SYMBOLS];
} Evaluated;

/* Bind: gf_eval_run comes next.  `like` (may be NULL) is another graph whose uses of
 * integers count, too.  Errors: as of the evaluator. */
GfStatus evaluate_bind(Evaluated *e, const GfGraph *g, const GfGraph *like, const char *sizes, GfDiags *diags);
void evaluate_free(Evaluated *e);

/* The data of an input, param or state: the caller frees them. */
double *evaluate_data(const Evaluated *e, const GfGraph *like, const GfNode *n, int64_t *count);

bool is_bindable(const GfNode *n);

#endif
