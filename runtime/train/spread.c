/* spread.c -- see spread.h. */
#include "runtime/train/spread.h"

#include <math.h>

void gf_spread_add(GfSpread *s, double value)
{
    double difference = value - s->mean;

    s->count++;
    s->mean += difference / (double)s->count;
    s->squares += difference * (value - s->mean);
}

double gf_spread_mean(const GfSpread *s)
{
    return s->count ? s->mean : NAN;
}

double gf_spread_deviation(const GfSpread *s)
{
    return s->count > 1 ? sqrt(s->squares / (double)(s->count - 1)) : NAN;
}

static bool is_member(const GfRunGroup *g, size_t run, GfTogether together, const void *self)
{
    for (size_t i = 0; i < g->count; i++)
        if (!together || !together(self, g->runs[i], run))
            return false;
    return true;
}

GfRunGroups gf_run_groups(GfArena *arena, size_t count, GfTogether together, const void *self)
{
    GfRunGroups groups = {.list = GF_NEW_ARRAY(arena, GfRunGroup, count + 1)};

    for (size_t run = 0; groups.list && run < count; run++) {
        size_t g = 0;
        while (g < groups.count && !is_member(&groups.list[g], run, together, self))
            g++;
        if (g == groups.count) {
            size_t *runs = GF_NEW_ARRAY(arena, size_t, count - run);
            if (!runs)
                return (GfRunGroups){0};
            groups.list[groups.count++] = (GfRunGroup){.runs = runs};
        }
        groups.several = groups.several || groups.list[g].count > 0;
        groups.list[g].runs[groups.list[g].count++] = run;
    }
    return groups;
}
