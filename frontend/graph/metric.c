/* metric.c -- see metric.h. */
#include "frontend/graph/metric.h"

#include <string.h>

static const GfMetricInfo infos[GF_METRIC_COUNT] = {
#define X(id, name, title) {name, "eval_" name, title},
    GF_METRIC_TABLE(X)
#undef X
};

const GfMetricInfo *gf_metric_info(GfMetric metric)
{
    return &infos[metric];
}

bool gf_metric_is_of(GfMetric metric, GfProblem problem)
{
    bool values = metric >= GF_METRIC_MSE;
    return problem == GF_PROBLEM_DERIVED || values == (problem == GF_PROBLEM_REGRESSION);
}

static const char *bare(const char *name)
{
    return strncmp(name, "eval_", 5) == 0 ? name + 5 : name;
}

GfMetric gf_metric_find(const char *name)
{
    GfMetric m = 0;

    while (m < GF_METRIC_COUNT && strcmp(infos[m].name, bare(name)) != 0)
        m++;
    return m;
}

bool gf_metric_is_loss(const char *name)
{
    return strcmp(bare(name), "loss") == 0;
}

bool gf_metric_grows(const char *name)
{
    return !gf_metric_is_loss(name) && gf_metric_find(name) != GF_METRIC_MSE;
}

/* Where no name is close, the one that most people mean. */
static void note_closest(const char *name, GfProblem problem, GfDiags *diags)
{
    const char *names[GF_METRIC_COUNT + 1] = {"loss"};
    size_t count = 1;

    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (gf_metric_is_of(m, problem))
            names[count++] = infos[m].name;
    }
    const char *close = gf_closest(bare(name), names, count);
    gf_note(diags, "did you mean 'eval_%s'?", close ? close : problem == GF_PROBLEM_REGRESSION ? "pearson" : "f1");
}

GfStatus gf_metric_check(const char *name, GfProblem problem, GfLoc loc, GfDiags *diags)
{
    GfMetric m = gf_metric_find(name);

    if (gf_metric_is_loss(name) || (m < GF_METRIC_COUNT && gf_metric_is_of(m, problem)))
        return GF_OK;
    if (m == GF_METRIC_COUNT)
        gf_fail(diags, loc, GF_ERR_VALUE, "there is no metric '%s'", name);
    else
        gf_fail(diags, loc, GF_ERR_VALUE, "there is no metric '%s' of a %s", name, gf_problem_names[problem]);
    note_closest(name, problem, diags);
    return GF_ERR_VALUE;
}
