/* pass_stats.c -- see pass_stats.h. */
#include "frontend/cli/pass_stats.h"

#include <string.h>

/* "merged=3 removed=1" */
static const char *counters_text(const GfPassReport *report, GfArena *arena)
{
    GfText text = {.arena = arena};
    const char *names = report->info->counters;

    for (int i = 0; i < GF_MAX_COUNTERS && *names; i++) {
        size_t length = strcspn(names, " ");
        gf_text_add(&text, "%s%.*s=%lld", i ? " " : "", (int)length, names, (long long)report->counts[i]);
        names += length + strspn(names + length, " ");
    }
    return gf_text_str(&text);
}

static int widest(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

void gf_print_pass_stats(const GfPassReport *reports, size_t count, GfArena *arena, FILE *out)
{
    int pass_width = 4, counter_width = 8;

    for (size_t i = 0; i < count; i++) {
        pass_width = widest(pass_width, reports[i].info->text);
        counter_width = widest(counter_width, counters_text(&reports[i], arena));
    }
    fprintf(out, "%-*s  %-*s  %6s  %6s  %9s\n", pass_width, "pass", counter_width, "counters", "before", "after", "ms");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%-*s  %-*s  %6u  %6u  %9.3f\n", pass_width, reports[i].info->text, counter_width,
                counters_text(&reports[i], arena), reports[i].nodes_before, reports[i].nodes_after,
                reports[i].seconds * 1e3);
}
