/* pass_stats.c -- see pass_stats.h. */
#include "frontend/cli/pass_stats.h"

#include "frontend/cli/format.h"
#include "frontend/cli/sizes.h"

#include <string.h>

/* ---- cells ------------------------------------------------------------------------------ */

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

/* What is shown of a measure, and whether in units of 1000. */
typedef struct Column {
    const char *title;
    double (*of)(const GfMeasure *m);
    bool scaled;
} Column;

static double nodes_of(const GfMeasure *m)
{
    return m->nodes;
}
static double ops_of(const GfMeasure *m)
{
    return m->ops;
}
static double kernels_of(const GfMeasure *m)
{
    return m->kernels;
}
static double flops_of(const GfMeasure *m)
{
    return m->cost.flops;
}
static double bytes_of(const GfMeasure *m)
{
    return m->cost.read + m->cost.written;
}
static double peak_of(const GfMeasure *m)
{
    return (double)m->peak;
}

static const Column columns[] = {
    {"nodes", nodes_of, false}, {"ops", ops_of, false},    {"kernels", kernels_of, false},
    {"FLOPs", flops_of, true},  {"bytes", bytes_of, true}, {"peak", peak_of, true},
};

enum { COLUMNS = sizeof columns / sizeof *columns, MAX_CELLS = COLUMNS + 3 };

static const char *number_text(const Column *column, double value, GfArena *arena)
{
    if (value < 0 && column->of == peak_of)
        return "-";
    return column->scaled ? gf_format_scaled(arena, value) : gf_format_count(arena, (int64_t)value);
}

/* "512.1 G (+341.2 G)"; the change is left out where there is none. */
static const char *cell_text(const Column *column, const GfMeasure *before, const GfMeasure *after, GfArena *arena)
{
    double value = column->of(after), change = before ? value - column->of(before) : 0;
    const char *text = number_text(column, value, arena);
    bool known = value >= 0 && before && column->of(before) >= 0;

    if (change == 0 || !known)
        return text;
    const char *step = column->scaled ? gf_format_scaled(arena, change < 0 ? -change : change)
                                      : gf_format_count(arena, (int64_t)(change < 0 ? -change : change));
    text = gf_arena_printf(arena, "%s (%s%s)", text, change < 0 ? "-" : "+", step);
    return text ? text : "";
}

/* ---- the table -------------------------------------------------------------------------- */

typedef struct Row {
    const char *cells[MAX_CELLS];
} Row;

/* `report` NULL: the graph before the first pass, `first`. */
static Row row_of(const GfPassReport *report, const GfPassReport *first, bool timed, GfArena *arena)
{
    const GfMeasure *before = report ? &report->before : NULL, *after = report ? &report->after : &first->before;
    Row row = {{report ? report->info->text : "(before)", report ? counters_text(report, arena) : ""}};

    for (int i = 0; i < COLUMNS; i++)
        row.cells[2 + i] = cell_text(&columns[i], before, after, arena);
    row.cells[MAX_CELLS - 1] = timed && report ? gf_arena_printf(arena, "%.3f", report->seconds * 1e3) : "";
    return row;
}

static Row title_row(void)
{
    Row row = {{"pass", "counters"}};

    for (int i = 0; i < COLUMNS; i++)
        row.cells[2 + i] = columns[i].title;
    row.cells[MAX_CELLS - 1] = "ms";
    return row;
}

static void print_plain(const Row *rows, size_t count, FILE *out)
{
    int width[MAX_CELLS] = {0};

    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < MAX_CELLS; k++) {
            int length = (int)strlen(rows[i].cells[k]);
            width[k] = length > width[k] ? length : width[k];
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < MAX_CELLS; k++) {
            bool left = k < 2, empty = k + 1 == MAX_CELLS && !*rows[i].cells[k];
            if (!empty)
                fprintf(out, "%s%*s", k ? "  " : "", left ? -width[k] : width[k], rows[i].cells[k]);
        }
        fputs("\n", out);
    }
}

static void print_markdown(const Row *rows, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k + 1 < MAX_CELLS; k++)
            fprintf(out, "| %s ", rows[i].cells[k]);
        fputs("|\n", out);
        if (i == 0)
            fputs("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n", out);
    }
}

void gf_print_pass_stats(const GfPassStats *stats, GfArena *arena, FILE *out)
{
    bool markdown = stats->form && strcmp(stats->form, "markdown") == 0;
    Row *rows = GF_NEW_ARRAY(arena, Row, stats->count + 2);
    size_t count = 0;

    if (!rows)
        return;
    rows[count++] = title_row();
    if (stats->count)
        rows[count++] = row_of(NULL, stats->reports, false, arena);
    for (size_t i = 0; i < stats->count; i++)
        rows[count++] = row_of(&stats->reports[i], stats->reports, !markdown, arena);
    if (arena->failed)
        return;
    (markdown ? print_markdown : print_plain)(rows, count, out);
    fprintf(out, "%sFor %s tokens in %s sequences of equal length; bytes are read and written by kernels.\n",
            markdown ? "\n" : "", gf_format_count(arena, stats->tokens), gf_format_count(arena, stats->seqs));
}

/* ---- options ---------------------------------------------------------------------------- */

GfStatus gf_check_stats_form(const GfOptions *o, GfDiags *diags)
{
    const char *form = gf_options_value(o, "stats");

    if (!form || !*form || strcmp(form, "markdown") == 0)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--stats is plain or 'markdown', not '%s'", form);
}

GfStatus gf_stats_sizes(const GfOptions *o, const GfGraph *g, int64_t *tokens, int64_t *seqs, GfDiags *diags)
{
    bool given = gf_options_has(o, "tokens") || gf_options_has(o, "seqs");

    GF_TRY(gf_check_stats_form(o, diags));
    GF_TRY(gf_read_sizes(o, tokens, seqs, diags));
    for (uint32_t i = 0; i < g->symbol_count && g->arena_size >= 0 && !given; i++)
        *(strcmp(g->symbols[i], "seqs") == 0 ? seqs : tokens) = g->plan_sizes[i];
    return GF_OK;
}
