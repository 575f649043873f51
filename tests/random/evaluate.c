/* evaluate.c -- see evaluate.h. */
#include "tests/random/evaluate.h"

#include "ir/sample.h"

#include <stdlib.h>

bool is_bindable(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

double *evaluate_data(const Evaluated *e, const GfGraph *like, const GfNode *n, int64_t *count)
{
    *count = gf_type_elements(&n->results[0].type, e->sizes);
    double *data = calloc((size_t)*count + 1, sizeof *data);

    gf_sample_fill(e->g, like, n, e->sizes, data, *count);
    for (int64_t i = 0; i < *count; i++)
        data[i] = (double)(float)data[i];
    return data;
}

GfStatus evaluate_bind(Evaluated *e, const GfGraph *g, const GfGraph *like, const char *sizes, GfDiags *diags)
{
    *e = (Evaluated){.g = g};
    gf_sample_sizes(g, sizes, e->sizes);
    GF_TRY(gf_eval_new(g, e->sizes, NULL, &e->eval, diags));
    for (const GfNode *n = g->first; n; n = n->next) {
        int64_t count;
        if (!is_bindable(n))
            continue;
        double *data = evaluate_data(e, like, n, &count);
        GfStatus status = gf_eval_bind(e->eval, n, data, diags);
        free(data);
        GF_TRY(status);
    }
    return GF_OK;
}

void evaluate_free(Evaluated *e)
{
    gf_eval_free(e->eval);
    e->eval = NULL;
}
