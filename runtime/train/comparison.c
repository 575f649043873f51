/* comparison.c -- see comparison.h. */
#include "runtime/train/comparison.h"

#include "runtime/io/folder.h"
#include "runtime/train/comparison_rows.h"
#include "runtime/train/history.h"

#include <math.h>
#include <string.h>

void gf_add_count(GfText *text, int64_t count)
{
    if (count >= 1000) {
        gf_add_count(text, count / 1000);
        gf_text_add(text, ",%03d", (int)(count % 1000));
    } else {
        gf_text_add(text, "%d", (int)count);
    }
}

/* ---- columns: a figure of a run ---- */

typedef enum Form { FORM_COUNT, FORM_SHORT, FORM_SECONDS, FORM_SCORE } Form;

typedef struct Column {
    const char *title;
    GfFigure figure;
    Form form;
    bool settled; /* by the model: every run of a group has the same */
} Column;

enum { COLUMNS_MAX = 6 + GF_METRIC_COUNT };

/* Those of every job, with the metrics of its problem before the loss. */
static size_t list_columns(const GfComparison *c, Column columns[COLUMNS_MAX])
{
    static const GfMetric metrics[] = {GF_METRIC_ACCURACY, GF_METRIC_PRECISION, GF_METRIC_RECALL,  GF_METRIC_F1,
                                       GF_METRIC_MSE,      GF_METRIC_PEARSON,   GF_METRIC_SPEARMAN};
    const Column first[] = {{"trainable", {gf_figure_trainable, 0}, FORM_COUNT, true},
                            {"all", {gf_figure_all, 0}, FORM_COUNT, true},
                            {"epochs", {gf_figure_epochs, 0}, FORM_SHORT, false},
                            {"seconds", {gf_figure_seconds, 0}, FORM_SECONDS, false},
                            {"examples/s", {gf_figure_speed, 0}, FORM_COUNT, false}};
    size_t count = sizeof first / sizeof *first;

    memcpy(columns, first, sizeof first);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if (gf_metric_is_of(metrics[i], c->session->corpus.labels.problem))
            columns[count++] = (Column){gf_metric_info(metrics[i])->title, {NULL, metrics[i]}, FORM_SCORE, false};
    }
    columns[count++] = (Column){"loss", {gf_figure_loss, 0}, FORM_SCORE, false};
    return count;
}

/* A deviation has the decimals of its mean, and whole figures none. */
static void add_figure(GfText *t, Form form, double value, double mean)
{
    if (isnan(value))
        gf_text_add(t, "-");
    else if (form == FORM_COUNT)
        gf_add_count(t, (int64_t)(value + 0.5));
    else if (form == FORM_SHORT)
        gf_text_add(t, "%.3g", value);
    else if (form == FORM_SECONDS)
        gf_text_add(t, mean < 100 ? "%.1f" : "%.0f", value);
    else
        gf_text_add(t, "%.4f", value);
}

static void add_cell(GfText *t, const GfComparison *c, const Column *column, const GfComparisonRow *row,
                     const char *sign)
{
    GfSpread spread = gf_figure_spread(c, column->figure, row);
    double mean = gf_spread_mean(&spread), deviation = gf_spread_deviation(&spread);

    add_figure(t, column->form, mean, mean);
    if (row->count == 1 || column->settled || isnan(mean))
        return;
    gf_text_add(t, " %s ", sign);
    add_figure(t, column->form, deviation, mean);
}

/* ---- a table as cells ---- */

/* Column 0 is the name, then, of groups, the number of runs. */
typedef struct Cells {
    size_t rows, columns; /* titles are row 0 */
    const char **text;    /* [rows * columns] */
} Cells;

static const char *row_cell(const GfComparison *c, const GfComparisonRows *rows, const GfComparisonRow *row,
                            const Column *columns, size_t k, const char *sign, GfArena *arena)
{
    GfText cell = {.arena = arena};

    if (k == 0)
        return row->name;
    if (rows->groups && k == 1)
        return gf_arena_printf(arena, "%zu", row->count);
    add_cell(&cell, c, &columns[k - 1 - rows->groups], row, sign);
    return gf_text_str(&cell);
}

static Cells make_cells(const GfComparison *c, const GfComparisonRows *rows, const char *sign, GfArena *arena)
{
    Column columns[COLUMNS_MAX];
    size_t extra = 1 + rows->groups;
    Cells cells = {.rows = rows->count + 1, .columns = extra + list_columns(c, columns)};
    size_t count = cells.rows * cells.columns;

    cells.text = GF_NEW_ARRAY(arena, const char *, count);
    if (!cells.text)
        return (Cells){0};
    for (size_t k = 0; k < cells.columns; k++)
        cells.text[k] = k == 0 ? "variant" : k < extra ? "runs" : columns[k - extra].title;
    for (size_t i = 0; i < rows->count; i++) {
        for (size_t k = 0; k < cells.columns; k++) {
            const char *text = row_cell(c, rows, &rows->list[i], columns, k, sign, arena);
            cells.text[(i + 1) * cells.columns + k] = text ? text : "";
        }
    }
    return cells;
}

/* ---- the terminal's table ---- */

static size_t column_width(const Cells *cells, size_t column)
{
    size_t width = 0;

    for (size_t i = 0; i < cells->rows; i++) {
        size_t length = strlen(cells->text[i * cells->columns + column]);
        width = length > width ? length : width;
    }
    return width;
}

/* The first column is aligned to the left, numbers to the right. */
static void add_aligned(GfText *out, const Cells *cells)
{
    for (size_t i = 0; i < cells->rows; i++) {
        for (size_t k = 0; k < cells->columns; k++) {
            int width = (int)column_width(cells, k);
            gf_text_add(out, k ? "  %*s" : "%-*s", width, cells->text[i * cells->columns + k]);
        }
        gf_text_add(out, "\n");
    }
}

static void add_text_table(const GfComparison *c, GfText *out, bool gathered)
{
    GfComparisonRows rows = gf_comparison_rows(c, out->arena, gathered);
    Cells cells = make_cells(c, &rows, "+-", out->arena);

    add_aligned(out, &cells);
}

void gf_comparison_text(const GfComparison *c, GfText *out)
{
    if (gf_comparison_is_gathered(c, out->arena)) {
        add_text_table(c, out, true);
        gf_text_add(out, "mean +- standard deviation (n - 1) over the runs of several seeds:\n\n");
    }
    add_text_table(c, out, false);
}

/* ---- files ---- */

static const char *evaluated_split(const GfComparison *c)
{
    return c->count && c->results[0].evaluated ? gf_split_names[c->results[0].split] : "no";
}

/* What the figures are. */
static const char *explain(GfProblem problem)
{
    switch (problem) {
    case GF_PROBLEM_MULTI_LABEL:
        return ", accuracy the share of examples that are right in every class, precision, recall and F1 weighted by "
               "class; loss is its mean binary cross entropy in nats";
    case GF_PROBLEM_REGRESSION:
        return "; loss is its mean squared error";
    default:
        return ", precision, recall and F1 weighted by class; loss is its mean cross entropy in nats";
    }
}

static void add_markdown_table(const GfComparison *c, GfText *out, bool gathered)
{
    GfComparisonRows rows = gf_comparison_rows(c, out->arena, gathered);
    Cells cells = make_cells(c, &rows, "±", out->arena);

    for (size_t i = 0; i < cells.rows; i++) {
        for (size_t k = 0; k < cells.columns; k++)
            gf_text_add(out, "| %s ", cells.text[i * cells.columns + k]);
        gf_text_add(out, "|\n");
        for (size_t k = 0; i == 0 && k < cells.columns; k++)
            gf_text_add(out, k ? "| ---: " : "| --- ");
        gf_text_add(out, i == 0 ? "|\n" : "");
    }
}

void gf_comparison_markdown(const GfComparison *c, GfText *out)
{
    gf_text_add(out, "# %s\n\n", c->session->job->name);
    if (gf_comparison_is_gathered(c, out->arena)) {
        add_markdown_table(c, out, true);
        gf_text_add(out, "\nMean ± sample standard deviation (n - 1) over the runs of several seeds, which are:\n\n");
    }
    add_markdown_table(c, out, false);
    gf_text_add(
        out, "\nScores are of the %s split%s. Seconds and examples/s are those of the training steps alone, on %s.\n",
        evaluated_split(c), explain(c->session->corpus.labels.problem), c->session->device.text);
}

static GfStatus write_one(const GfComparison *c, const char *name, void (*print)(const GfComparison *, GfText *),
                          GfArena *scratch, GfDiags *diags)
{
    GfText text = {.arena = scratch};
    const char *path = gf_path_join(scratch, c->session->job->training.output_dir, name);

    print(c, &text);
    if (scratch->failed)
        return gf_fail_memory(diags);
    return gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
}

GfStatus gf_comparison_write(const GfComparison *c, GfDiags *diags)
{
    const char *folder = c->session->job->training.output_dir;
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = gf_folder_make(folder, (GfLoc){.file = folder}, diags);
    if (status == GF_OK)
        status = write_one(c, "comparison.md", gf_comparison_markdown, &scratch, diags);
    if (status == GF_OK)
        status = write_one(c, "comparison.json", gf_comparison_json, &scratch, diags);
    gf_arena_free(&scratch);
    return status;
}
