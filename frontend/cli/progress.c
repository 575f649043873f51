/* progress.c -- see progress.h. */
#include "frontend/cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>

enum { BAR_MAX = 24, BAR_MIN = 8, WIDTH_DEFAULT = 80, PART_BYTES = 64, PARTS = 5 };
#define REFRESH_SECONDS 0.1

int gf_progress_width(FILE *out)
{
    struct winsize size;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

/* ---- the line ---- */

/* "0:41", "1:02:09" */
static void format_time(char *out, size_t size, double seconds)
{
    long long s = (long long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%lld:%02lld left", s / 60, s % 60);
}

/* The parts in the order of their worth: what comes last is left out first. */
static void format_parts(char parts[PARTS][PART_BYTES], const GfProgressState *s)
{
    int64_t whole = s->epoch_steps > 0 ? s->epoch_steps : 1, before = s->step > 0 ? s->step - 1 : 0;

    snprintf(parts[0], PART_BYTES, "epoch %lld", (long long)(before / whole + 1));
    snprintf(parts[1], PART_BYTES, "%lld/%lld", (long long)(before % whole + 1), (long long)whole);
    snprintf(parts[2], PART_BYTES, "loss %.4f", s->loss);
    snprintf(parts[3], PART_BYTES, "%.0f examples/s", s->examples_per_second);
    parts[4][0] = '\0';
    if (s->seconds_left >= 0)
        format_time(parts[4], PART_BYTES, s->seconds_left);
}

static void add_bar(GfText *text, const GfProgressState *s, int cells)
{
    int64_t whole = s->epoch_steps > 0 ? s->epoch_steps : 1, done = s->step > 0 ? (s->step - 1) % whole + 1 : 0;
    int filled = (int)((double)cells * (double)done / (double)whole);

    gf_text_add(text, "  [");
    for (int i = 0; i < cells; i++)
        gf_text_add(text, "%c", i < filled ? '#' : i == filled ? '>' : ' ');
    gf_text_add(text, "]");
}

void gf_progress_line(GfText *text, const GfProgressState *state, int width)
{
    char parts[PARTS][PART_BYTES];
    int used = 0, count = 0, gap = 2, brackets = 4;

    format_parts(parts, state);
    for (; count < PARTS && *parts[count]; count++) {
        int more = (int)strlen(parts[count]) + (count ? gap : 0);
        if (used + more > width)
            break;
        used += more;
    }
    int cells = width - used - brackets;
    for (int i = 0; i < count; i++) {
        gf_text_add(text, "%s%s", i ? "  " : "", parts[i]);
        if (i == 0 && cells >= BAR_MIN)
            add_bar(text, state, cells < BAR_MAX ? cells : BAR_MAX);
    }
}

/* ---- on the screen ---- */

void gf_progress_clear(GfProgress *p)
{
    if (!p->columns)
        return;
    fprintf(p->out, "\r%*s\r", p->columns, "");
    fflush(p->out); /* stderr may be what comes next */
    p->columns = 0;
}

void gf_progress_begin(GfProgress *p)
{
    gf_progress_clear(p);
    *p = (GfProgress){.out = p->out, .before = -1};
}

/* Evaluations on the way take time too: what is left is reckoned by the clock. */
static double time_left(const GfProgress *p, const GfProgressState *s, double now)
{
    int64_t done = s->step - p->before;
    return done > 0 ? (now - p->begun) / (double)done * (double)(s->max_steps - s->step) : -1;
}

static void draw(GfProgress *p, const GfProgressState *s)
{
    GfArena scratch;
    GfText line = {.arena = &scratch};

    gf_arena_init(&scratch, NULL);
    gf_progress_line(&line, s, gf_progress_width(p->out) - 1); /* the last column would wrap on some terminals */
    fprintf(p->out, "\r%s", gf_text_str(&line));
    if ((int)line.length < p->columns)
        fprintf(p->out, "%*s", p->columns - (int)line.length, "");
    p->columns = (int)line.length;
    fflush(p->out);
    gf_arena_free(&scratch);
}

void gf_progress_step(GfProgress *p, GfProgressState state, double now)
{
    if (!p->out)
        return;
    if (p->before < 0) {
        p->before = state.step;
        p->begun = now;
    }
    if (now - p->shown < REFRESH_SECONDS)
        return;
    p->shown = now;
    state.seconds_left = time_left(p, &state, now);
    draw(p, &state);
}
