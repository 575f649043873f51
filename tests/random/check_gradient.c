/* check_gradient.c -- gradients against differences of the loss.
 *
 * All parameters move along one random direction d: (loss(p + h d) - loss(p - h d)) / 2h
 * is the sum of gradient times d.  With two steps h; where these two disagree the loss
 * has a corner nearby, or too few digits, and nothing is said.  Nor is it where factors
 * of products are rounded: the loss goes in steps, with differences of 0 on each.
 */
#include "tests/random/check.h"

#include "tests/random/evaluate.h"
#include "tests/random/generate.h"

#include "ir/random.h"

#include <math.h>
#include <stdlib.h>

/* Of central differences in double with steps near 1e-5, on functions of about 1. */
#define AGREEMENT 1e-4

/* The direction's element for the param `n`, and how large it is. */
static double direction(uint64_t *random)
{
    return 2 * gf_random_uniform(random) - 1;
}

static const GfValue *gradient_of(const GfGraph *g, const GfNode *param)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_GRAD && gf_operand(n, 0)->node == param)
            return gf_operand(n, 1);
    }
    return NULL;
}

/* Params moved by h d; what `loss` then is. */
static GfStatus loss_at(Evaluated *e, double h, double *loss, GfDiags *diags)
{
    uint64_t random = 1;

    for (const GfNode *n = e->g->first; n; n = n->next) {
        int64_t count;
        if (n->op != GF_OP_PARAM || !gradient_of(e->g, n))
            continue;
        double *data = evaluate_data(e, NULL, n, &count);
        for (int64_t i = 0; i < count; i++)
            data[i] += h * direction(&random);
        GfStatus status = gf_eval_bind(e->eval, n, data, diags);
        free(data);
        GF_TRY(status);
    }
    GF_TRY(gf_eval_run(e->eval, diags));
    *loss = gf_eval_value(e->eval, gf_graph_output(e->g, "loss"))->data[0];
    return GF_OK;
}

/* The sum of gradient times d, and of its terms' sizes. */
static double along(const Evaluated *e, double *size)
{
    uint64_t random = 1;
    double sum = 0;

    *size = 0;
    for (const GfNode *n = e->g->first; n; n = n->next) {
        const GfValue *v = n->op == GF_OP_PARAM ? gradient_of(e->g, n) : NULL;
        const GfTensor *t = v ? gf_eval_value(e->eval, v) : NULL;
        for (int64_t i = 0; t && i < t->count; i++) {
            double term = t->data[i] * direction(&random);
            sum += term;
            *size += term * term;
        }
    }
    *size = sqrt(*size);
    return sum;
}

static double scale_of(const Evaluated *e)
{
    const GfNode *n = gf_find_name(e->g, "loss_scale");
    const GfTensor *t = n ? gf_eval_value(e->eval, &n->results[0]) : NULL;

    return t ? t->data[0] : 1;
}

static GfStatus differences(Evaluated *e, double h, double *out, GfDiags *diags)
{
    double up, down;

    GF_TRY(loss_at(e, h, &up, diags));
    GF_TRY(loss_at(e, -h, &down, diags));
    *out = (up - down) / (2 * h);
    return GF_OK;
}

static GfStatus compare(Evaluated *e, Outcome *out, GfDiags *diags)
{
    double loss, size, wide, narrow;

    if (graph_rounds(e->g)) {
        out->loose++;
        return GF_OK;
    }
    GF_TRY(loss_at(e, 0, &loss, diags));
    double want = along(e, &size), scale = scale_of(e);
    GF_TRY(differences(e, 2e-5, &wide, diags));
    GF_TRY(differences(e, 1e-5, &narrow, diags));
    double least = AGREEMENT * (fabs(want) + size + 1e-4 * fabs(loss));
    if (!isfinite(wide) || !isfinite(narrow) || !isfinite(want) || fabs(wide - narrow) * scale > least / 4)
        out->loose++;
    else if (fabs(narrow * scale - want) > least)
        outcome_fail(out, CHECK_GRADIENT, "along a random direction the gradient is %.9g, differences say %.9g", want,
                     narrow * scale);
    return GF_OK;
}

void check_gradient(const GfGraph *g, const char *sizes, Outcome *out)
{
    Evaluated e;
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    if (evaluate_bind(&e, g, NULL, sizes, &diags) != GF_OK || compare(&e, out, &diags) != GF_OK)
        outcome_fail_diags(out, CHECK_GRADIENT, &diags);
    evaluate_free(&e);
    gf_diags_free(&diags);
}
