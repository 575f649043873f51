/* schedule.c -- see schedule.h. */
#include "runtime/train/schedule.h"

#include <math.h>
#include <string.h>

static const char *const texts[GF_SCHEDULE_COUNT] = {
#define X(id, text) [GF_SCHEDULE_##id] = text,
    GF_SCHEDULE_TABLE(X)
#undef X
};

static const double pi = 3.14159265358979323846;

const char *gf_schedule_text(GfScheduleKind kind)
{
    return texts[kind];
}

GfStatus gf_schedule_kind(const char *text, GfLoc loc, GfScheduleKind *out, GfDiags *diags)
{
    for (int i = 0; i < GF_SCHEDULE_COUNT; i++) {
        if (strcmp(text, texts[i]) == 0) {
            *out = (GfScheduleKind)i;
            return GF_OK;
        }
    }
    GfStatus status = gf_fail(diags, loc, GF_ERR_VALUE, "unknown schedule '%s'", text);
    const char *close = gf_closest(text, texts, GF_SCHEDULE_COUNT);
    if (close)
        gf_note(diags, "did you mean '%s'?", close);
    else
        gf_note(diags, "the schedules are: linear, cosine, constant, constant_with_warmup");
    return status;
}

int64_t gf_schedule_warmup(double steps, double ratio, int64_t total)
{
    return steps >= 1 ? (int64_t)steps : (int64_t)ceil((double)total * (steps > 0 ? steps : ratio));
}

/* The share of base.  From the last planned step on that of the end: warm-up may be longer. */
static double factor_of(const GfSchedule *s, int64_t step)
{
    bool over = step >= s->total;
    double way = (double)(s->total - s->warmup);

    if (step < s->warmup)
        return (double)step / (double)s->warmup;
    switch (s->kind) {
    case GF_SCHEDULE_LINEAR:
        return over ? 0 : (double)(s->total - step) / way;
    case GF_SCHEDULE_COSINE:
        return over ? 0 : 0.5 * (1 + cos(pi * ((double)(step - s->warmup) / way)));
    default:
        return 1;
    }
}

double gf_schedule_rate(const GfSchedule *schedule, int64_t step)
{
    return schedule->base * factor_of(schedule, step);
}
