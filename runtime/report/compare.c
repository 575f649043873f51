/* compare.c -- see compare.h. */
#include "runtime/report/compare.h"

#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/train/spread.h"

#include <math.h>
#include <string.h>

typedef enum Goal { GOAL_NONE, GOAL_HIGH, GOAL_LOW } Goal;

typedef enum Form { FORM_COUNT, FORM_SHORT, FORM_SECONDS, FORM_SCORE } Form;

/* A column's figure of a run. */
typedef struct Column {
    const char *title;
    double (*value)(const GfReportRun *run); /* NULL: the metric */
    Form form;
    Goal goal;
    GfMetric metric;
    bool settled; /* by the model: every run of a group has the same */
} Column;

/* A row: a run, or runs that differ in the seed alone. */
typedef struct Rows {
    const GfRunGroup *list;
    size_t count;
    bool gathered; /* the number of runs is shown */
} Rows;

static double get_trainable(const GfReportRun *run)
{
    return run->trainable;
}

static double get_share(const GfReportRun *run)
{
    return 100 * run->trainable / run->all;
}

static double get_epochs(const GfReportRun *run)
{
    return run->epochs;
}

static double get_seconds(const GfReportRun *run)
{
    return run->seconds;
}

static double get_speed(const GfReportRun *run)
{
    return run->examples_per_second;
}

static double get_loss(const GfReportRun *run)
{
    return run->scores.loss;
}

static const Column columns[] = {
    {"trainable", get_trainable, FORM_COUNT, GOAL_NONE, 0, true},
    {"% of all", get_share, FORM_SHORT, GOAL_NONE, 0, true},
    {"epochs", get_epochs, FORM_SHORT, GOAL_NONE, 0, false},
    {"seconds", get_seconds, FORM_SECONDS, GOAL_NONE, 0, false},
    {"examples/s", get_speed, FORM_COUNT, GOAL_NONE, 0, false},
    {"accuracy", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_ACCURACY, false},
    {"precision", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_PRECISION, false},
    {"recall", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_RECALL, false},
    {"F1", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_F1, false},
    {"MSE", NULL, FORM_SCORE, GOAL_LOW, GF_METRIC_MSE, false},
    {"Pearson", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_PEARSON, false},
    {"Spearman", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_SPEARMAN, false},
    {"loss", get_loss, FORM_SCORE, GOAL_LOW, 0, false},
};

enum { COLUMNS = sizeof columns / sizeof *columns };

static double value_of(const Column *c, const GfReportRun *run)
{
    return c->value ? c->value(run) : run->scores.values[c->metric];
}

/* A metric has a column where a run's problem has it. */
static bool is_shown(const GfReport *r, const Column *c)
{
    bool shown = c->value != NULL;

    for (size_t i = 0; i < r->count; i++)
        shown = shown || gf_metric_is_of(c->metric, r->runs[i].problem);
    return shown;
}

static GfSpread spread_of(const GfReport *r, const Column *c, const GfRunGroup *row)
{
    GfSpread spread = {0};

    for (size_t i = 0; i < row->count; i++)
        gf_spread_add(&spread, value_of(c, &r->runs[row->runs[i]]));
    return spread;
}

static double mean_of(const GfReport *r, const Column *c, const GfRunGroup *row)
{
    GfSpread spread = spread_of(r, c, row);
    return gf_spread_mean(&spread);
}

/* Whether no other row has a better figure, and one at least a worse. */
static bool is_best(const GfReport *r, const Rows *rows, const Column *c, double value)
{
    bool beats = false;

    if (c->goal == GOAL_NONE || isnan(value))
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        double other = mean_of(r, c, &rows->list[i]), ahead = c->goal == GOAL_HIGH ? value - other : other - value;
        if (ahead < 0)
            return false;
        beats = beats || ahead > 0;
    }
    return beats;
}

/* A deviation has the decimals of its mean. */
static void add_value(GfText *out, const Column *c, double value, double mean)
{
    if (c->form == FORM_COUNT || (c->form == FORM_SECONDS && mean >= 100))
        gf_html_count(out, value);
    else if (c->form == FORM_SHORT && !isnan(value))
        gf_text_add(out, "%.3g", value);
    else
        gf_html_number(out, value, c->form == FORM_SCORE ? 4 : 1);
}

static void add_figure(const GfReport *r, GfText *out, const Rows *rows, const Column *c, const GfRunGroup *row)
{
    GfSpread spread = spread_of(r, c, row);
    double mean = gf_spread_mean(&spread);

    gf_text_add(out, "%s", is_best(r, rows, c, mean) ? "<td class=\"best\">" : "<td>");
    add_value(out, c, mean, mean);
    if (row->count > 1 && !c->settled && !isnan(mean)) {
        gf_text_add(out, " ± ");
        add_value(out, c, gf_spread_deviation(&spread), mean);
    }
    gf_text_add(out, "</td>");
}

static bool splits_differ(const GfReport *r)
{
    for (size_t i = 1; i < r->count; i++)
        if (r->runs[i].scores.split && r->runs[0].scores.split &&
            strcmp(r->runs[i].scores.split, r->runs[0].scores.split) != 0)
            return true;
    return false;
}

static void add_row(const GfReport *r, GfText *out, const Rows *rows, const GfRunGroup *row)
{
    const GfReportRun *run = &r->runs[row->runs[0]];

    gf_text_add(out, "<tr><th scope=\"row\">");
    if (!rows->gathered)
        gf_chart_key(out, row->runs[0]);
    gf_html_text(out, row->count > 1 ? run->group : run->name);
    if (splits_differ(r) && run->scores.split) {
        gf_text_add(out, " <span class=\"note\">on ");
        gf_html_text(out, run->scores.split);
        gf_text_add(out, "</span>");
    }
    gf_text_add(out, rows->gathered ? "</th><td>%zu</td>" : "</th>", row->count);
    for (size_t k = 0; k < COLUMNS; k++) {
        if (is_shown(r, &columns[k]))
            add_figure(r, out, rows, &columns[k], row);
    }
    gf_text_add(out, "</tr>\n");
}

static void add_table(const GfReport *r, GfText *out, const Rows *rows)
{
    gf_text_add(out, "<thead><tr><th scope=\"col\">variant</th>%s",
                rows->gathered ? "<th scope=\"col\">runs</th>" : "");
    for (size_t k = 0; k < COLUMNS; k++) {
        if (is_shown(r, &columns[k]))
            gf_text_add(out, "<th scope=\"col\">%s</th>", columns[k].title);
    }
    gf_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < rows->count; i++)
        add_row(r, out, rows, &rows->list[i]);
    gf_text_add(out, "</tbody></table></div>\n");
}

/* ---- runs that differ in the seed alone ---- */

/* Where a run's files go says nothing about what it learns. */
static bool is_of_no_account(const char *key)
{
    static const char *const keys[] = {"seed", "output_dir", "logging_dir"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool have_same_arguments(const GfReportRun *a, const GfReportRun *b)
{
    if (!a->training || !b->training || cJSON_GetArraySize(a->training) != cJSON_GetArraySize(b->training))
        return false;
    for (const cJSON *item = a->training->child; item; item = item->next) {
        const cJSON *other = gf_json_find(&b->results, b->training, item->string);
        if (!other || (!is_of_no_account(item->string) && !cJSON_Compare(item, other, true)))
            return false;
    }
    return true;
}

static bool have_same_seed(const GfReportRun *a, const GfReportRun *b)
{
    return cJSON_Compare(gf_json_find(&a->results, a->training, "seed"), gf_json_find(&b->results, b->training, "seed"),
                         true);
}

static bool have_same_split(const GfReportRun *a, const GfReportRun *b)
{
    return a->scores.split && b->scores.split && strcmp(a->scores.split, b->scores.split) == 0;
}

/* A run with the same seed again is the same once more, and no other sample. */
static bool belong_together(const void *self, size_t first, size_t run)
{
    const GfReportRun *runs = self, *a = &runs[first], *b = &runs[run];

    return *a->group && strcmp(a->group, b->group) == 0 && strcmp(a->job, b->job) == 0 &&
           strcmp(a->model, b->model) == 0 && strcmp(a->checkpoint, b->checkpoint) == 0 && have_same_split(a, b) &&
           have_same_arguments(a, b) && !have_same_seed(a, b) && cJSON_Compare(a->recipe, b->recipe, true);
}

/* The section's first table, if there is anything to gather. */
static void add_gathered(GfText *out, const GfReport *r)
{
    GfRunGroups groups = gf_run_groups(out->arena, r->count, belong_together, r->runs);
    Rows rows = {.list = groups.list, .count = groups.count, .gathered = true};

    if (!groups.several)
        return;
    gf_text_add(out, "<div class=\"wide\" tabindex=\"0\"><table class=\"scores\"><caption>Mean ± sample standard "
                     "deviation (n − 1) over runs that differ in the seed alone; the runs follow.</caption>\n");
    add_table(r, out, &rows);
}

/* What the figures are. */
static const char *explain(GfProblem problem)
{
    switch (problem) {
    case GF_PROBLEM_MULTI_LABEL:
        return "accuracy is the share of examples that are right in every class, precision, recall and F1 are weighted "
               "by class, loss is the mean binary cross entropy in nats";
    case GF_PROBLEM_REGRESSION:
        return "loss is the mean squared error";
    default:
        return "precision, recall and F1 are weighted by class, loss is the mean cross entropy in nats";
    }
}

void gf_report_comparison(GfText *out, const GfReport *r)
{
    GfRunGroups runs = gf_run_groups(out->arena, r->count, NULL, NULL);
    Rows rows = {.list = runs.list, .count = runs.count};

    gf_text_add(out, "<section><h2>%s</h2>\n", r->count > 1 ? "Comparison" : "Result");
    add_gathered(out, r);
    gf_text_add(out, "<div class=\"wide\" tabindex=\"0\"><table class=\"scores\"><caption>");
    if (!splits_differ(r) && r->runs[0].scores.split) {
        gf_text_add(out, "Scores on the ");
        gf_html_text(out, r->runs[0].scores.split);
        gf_text_add(out, " split; %s. ", explain(r->runs[0].problem));
    }
    gf_text_add(out, "Seconds and examples/s are those of the training steps alone.</caption>\n");
    add_table(r, out, &rows);
    gf_text_add(out, "</section>\n");
}
