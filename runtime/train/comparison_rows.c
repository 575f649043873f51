/* comparison_rows.c -- see comparison_rows.h. */
#include "runtime/train/comparison_rows.h"

#include <math.h>
#include <string.h>

/* ---- rows ---- */

static bool belong_together(const void *self, size_t a, size_t b)
{
    const GfJobVariant *variants = self;
    return variants[a].item == variants[b].item && strcmp(variants[a].group, variants[b].group) == 0;
}

static GfRunGroups groups_of(const GfComparison *c, GfArena *arena)
{
    return gf_run_groups(arena, c->count, belong_together, c->session->job->variants);
}

GfComparisonRows gf_comparison_rows(const GfComparison *c, GfArena *arena, bool gathered)
{
    GfRunGroups groups = gathered ? groups_of(c, arena) : gf_run_groups(arena, c->count, NULL, NULL);
    GfComparisonRows rows = {.list = GF_NEW_ARRAY(arena, GfComparisonRow, groups.count + 1), .groups = gathered};

    for (size_t i = 0; rows.list && i < groups.count; i++) {
        const GfRunGroup *g = &groups.list[i];
        const char *name = gathered ? c->session->job->variants[g->runs[0]].group : c->results[g->runs[0]].name;
        rows.list[rows.count++] = (GfComparisonRow){.name = name, .runs = g->runs, .count = g->count};
    }
    return rows;
}

bool gf_comparison_is_gathered(const GfComparison *c, GfArena *arena)
{
    return groups_of(c, arena).several;
}

/* ---- figures ---- */

static double per_second(double count, double seconds)
{
    return seconds > 0 ? count / seconds : 0;
}

double gf_figure_trainable(const GfVariantResult *r)
{
    return (double)r->params.trainable;
}

double gf_figure_all(const GfVariantResult *r)
{
    return (double)r->params.all;
}

double gf_figure_epochs(const GfVariantResult *r)
{
    return r->epochs;
}

double gf_figure_seconds(const GfVariantResult *r)
{
    return r->train.seconds;
}

double gf_figure_speed(const GfVariantResult *r)
{
    return per_second((double)r->train.examples, r->train.seconds);
}

double gf_figure_loss(const GfVariantResult *r)
{
    return r->evaluated ? r->evaluation.loss : NAN;
}

double gf_figure_steps(const GfVariantResult *r)
{
    return (double)r->train.step;
}

double gf_figure_train_loss(const GfVariantResult *r)
{
    return r->train.total_loss / (double)r->train.step;
}

double gf_figure_token_speed(const GfVariantResult *r)
{
    return per_second((double)r->train.tokens, r->train.seconds);
}

double gf_figure_value(GfFigure figure, const GfVariantResult *r)
{
    if (figure.value)
        return figure.value(r);
    return r->evaluated ? r->evaluation.scores.values[figure.metric] : NAN;
}

GfSpread gf_figure_spread(const GfComparison *c, GfFigure figure, const GfComparisonRow *row)
{
    GfSpread spread = {0};

    for (size_t i = 0; i < row->count; i++)
        gf_spread_add(&spread, gf_figure_value(figure, &c->results[row->runs[i]]));
    return spread;
}
