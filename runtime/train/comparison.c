/* comparison.c -- see comparison.h. */
#include "runtime/train/comparison.h"

#include "runtime/io/folder.h"
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

static double per_second(double count, double seconds)
{
    return seconds > 0 ? count / seconds : 0;
}

/* ---- columns: one function writes a cell ---- */

static void cell_name(GfText *t, const GfVariantResult *r)
{
    gf_text_add(t, "%s", r->name);
}

static void cell_trainable(GfText *t, const GfVariantResult *r)
{
    gf_add_count(t, r->params.trainable);
}

static void cell_all(GfText *t, const GfVariantResult *r)
{
    gf_add_count(t, r->params.all);
}

static void cell_epochs(GfText *t, const GfVariantResult *r)
{
    gf_text_add(t, "%.3g", r->epochs);
}

static void cell_seconds(GfText *t, const GfVariantResult *r)
{
    gf_text_add(t, r->train.seconds < 100 ? "%.1f" : "%.0f", r->train.seconds);
}

static void cell_speed(GfText *t, const GfVariantResult *r)
{
    gf_add_count(t, (int64_t)(per_second((double)r->train.examples, r->train.seconds) + 0.5));
}

static void add_score(GfText *t, const GfVariantResult *r, double score)
{
    if (r->evaluated && !isnan(score))
        gf_text_add(t, "%.4f", score);
    else
        gf_text_add(t, "-");
}

static void cell_loss(GfText *t, const GfVariantResult *r)
{
    add_score(t, r, r->evaluation.loss);
}

typedef struct Column {
    const char *title;
    void (*cell)(GfText *text, const GfVariantResult *result); /* NULL: the metric */
    GfMetric metric;
} Column;

enum { COLUMNS_MAX = 7 + GF_METRIC_COUNT };

/* Those of every job, with the metrics of its problem before the loss. */
static size_t list_columns(const GfComparison *c, Column columns[COLUMNS_MAX])
{
    static const GfMetric metrics[] = {GF_METRIC_ACCURACY, GF_METRIC_PRECISION, GF_METRIC_RECALL,  GF_METRIC_F1,
                                       GF_METRIC_MSE,      GF_METRIC_PEARSON,   GF_METRIC_SPEARMAN};
    const Column first[] = {{"variant", cell_name, 0},    {"trainable", cell_trainable, 0},
                            {"all", cell_all, 0},         {"epochs", cell_epochs, 0},
                            {"seconds", cell_seconds, 0}, {"examples/s", cell_speed, 0}};
    size_t count = sizeof first / sizeof *first;

    memcpy(columns, first, sizeof first);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if (gf_metric_is_of(metrics[i], c->session->corpus.labels.problem))
            columns[count++] = (Column){gf_metric_info(metrics[i])->title, NULL, metrics[i]};
    }
    columns[count++] = (Column){"loss", cell_loss, 0};
    return count;
}

static void add_cell(GfText *text, const Column *column, const GfVariantResult *r)
{
    if (column->cell)
        column->cell(text, r);
    else
        add_score(text, r, r->evaluation.scores.values[column->metric]);
}

/* ---- the terminal's table ---- */

static size_t cell_length(GfArena *arena, const Column *column, const GfVariantResult *r)
{
    GfText text = {.arena = arena};
    add_cell(&text, column, r);
    return text.length;
}

/* The first column is aligned to the left, numbers to the right. */
static void add_padded(GfText *out, const char *text, size_t width, bool first)
{
    if (first)
        gf_text_add(out, "%-*s", (int)width, text);
    else
        gf_text_add(out, "  %*s", (int)width, text);
}

static size_t column_width(const GfComparison *c, GfArena *arena, const Column *column)
{
    size_t width = strlen(column->title);

    for (size_t i = 0; i < c->count; i++) {
        size_t length = cell_length(arena, column, &c->results[i]);
        width = length > width ? length : width;
    }
    return width;
}

void gf_comparison_text(const GfComparison *c, GfText *out)
{
    Column columns[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX], count = list_columns(c, columns);

    for (size_t k = 0; k < count; k++) {
        widths[k] = column_width(c, out->arena, &columns[k]);
        add_padded(out, columns[k].title, widths[k], k == 0);
    }
    gf_text_add(out, "\n");
    for (size_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < count; k++) {
            GfText cell = {.arena = out->arena};
            add_cell(&cell, &columns[k], &c->results[i]);
            add_padded(out, gf_text_str(&cell), widths[k], k == 0);
        }
        gf_text_add(out, "\n");
    }
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

void gf_comparison_markdown(const GfComparison *c, GfText *out)
{
    Column columns[COLUMNS_MAX];
    size_t count = list_columns(c, columns);

    gf_text_add(out, "# %s\n\n", c->session->job->name);
    for (size_t k = 0; k < count; k++)
        gf_text_add(out, "| %s ", columns[k].title);
    gf_text_add(out, "|\n");
    for (size_t k = 0; k < count; k++)
        gf_text_add(out, "| %s ", k ? "---:" : "---");
    gf_text_add(out, "|\n");
    for (size_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < count; k++) {
            gf_text_add(out, "| ");
            add_cell(out, &columns[k], &c->results[i]);
            gf_text_add(out, " ");
        }
        gf_text_add(out, "|\n");
    }
    gf_text_add(
        out, "\nScores are of the %s split%s. Seconds and examples/s are those of the training steps alone, on %s.\n",
        evaluated_split(c), explain(c->session->corpus.labels.problem), c->session->device.text);
}

static void add_number(GfText *out, const char *key, double value)
{
    gf_text_add(out, ", \"%s\": ", key);
    gf_json_add_number(out, value);
}

static void add_result(GfText *out, const GfVariantResult *r)
{
    gf_text_add(out, "    {\"variant\": ");
    gf_json_quote(out, r->name);
    add_number(out, "trainable", (double)r->params.trainable);
    add_number(out, "all", (double)r->params.all);
    add_number(out, "epochs", r->epochs);
    add_number(out, "steps", (double)r->train.step);
    add_number(out, "train_loss", r->train.total_loss / (double)r->train.step);
    add_number(out, "compile_seconds", r->compile_seconds);
    add_number(out, "seconds", r->train.seconds);
    add_number(out, "examples_per_second", per_second((double)r->train.examples, r->train.seconds));
    add_number(out, "tokens_per_second", per_second((double)r->train.tokens, r->train.seconds));
    if (r->evaluated) {
        gf_text_add(out, ",\n     \"split\": \"%s\", ", gf_split_names[r->split]);
        gf_evaluation_print(out, &r->evaluation, ", ");
    }
    gf_text_add(out, "}");
}

void gf_comparison_json(const GfComparison *c, GfText *out)
{
    gf_text_add(out, "{\n  \"job\": ");
    gf_json_quote(out, c->session->job->name);
    gf_text_add(out, ",\n  \"target\": ");
    gf_json_quote(out, c->session->device.target);
    gf_text_add(out, ",\n  \"device\": ");
    gf_json_quote(out, c->session->device.text);
    gf_text_add(out, ",\n  \"variants\": [");
    for (size_t i = 0; i < c->count; i++) {
        gf_text_add(out, i ? ",\n" : "\n");
        add_result(out, &c->results[i]);
    }
    gf_text_add(out, "\n  ]\n}\n");
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
