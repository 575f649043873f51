/* best.c -- see best.h. */
#include "runtime/train/best.h"

#include <math.h>

static bool is_better(const GfTraining *t, double metric, double best)
{
    return t->greater_is_better == GF_MAYBE_YES ? metric > best : metric < best;
}

bool gf_best_update(GfBest *b, const GfTraining *t, int64_t step, double metric)
{
    bool better = !isnan(metric) && (!b->found || is_better(t, metric, b->metric));
    bool gain = !b->found || (better && fabs(metric - b->metric) > t->early_stopping_threshold);

    b->waiting = gain ? 0 : b->waiting + 1;
    if (t->early_stopping_patience && b->waiting >= t->early_stopping_patience)
        b->stop = true;
    if (!better)
        return false;
    b->found = true;
    b->metric = metric;
    b->step = step;
    return true;
}

bool gf_best_is_wanted(const GfTraining *t)
{
    return t->load_best_model_at_end || t->early_stopping_patience || t->best_is_named;
}

double gf_best_metric(const GfTraining *t, const GfEvaluation *e)
{
    GfMetric metric = gf_metric_find(t->metric_for_best_model);

    if (gf_metric_is_loss(t->metric_for_best_model))
        return e->loss;
    return metric < GF_METRIC_COUNT ? e->scores.values[metric] : NAN;
}
