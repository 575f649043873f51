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

int64_t gf_schedule_warmup(int64_t steps, double ratio, int64_t total)
{
    return steps > 0 ? steps : (int64_t)ceil((double)total * ratio);
}

/* How far the way from the end of the warm-up to the end of the training is gone, in [0, 1]. */
static double progress(const GfSchedule *s, int64_t step)
{
    if (step >= s->total)
        return 1;
    return (double)(step - s->warmup) / (double)(s->total - s->warmup);
}

double gf_schedule_rate(const GfSchedule *schedule, int64_t step)
{
    if (step < schedule->warmup)
        return schedule->base * (double)step / (double)schedule->warmup;
    if (schedule->kind == GF_SCHEDULE_CONSTANT || schedule->kind == GF_SCHEDULE_CONSTANT_WITH_WARMUP)
        return schedule->base;
    double x = progress(schedule, step);
    if (schedule->kind == GF_SCHEDULE_LINEAR)
        return schedule->base * (1 - x);
    return schedule->base * (0.5 * (1 + cos(pi * x)));
}
