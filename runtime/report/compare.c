/* compare.c -- see compare.h. */
#include "runtime/report/compare.h"

#include "runtime/report/chart.h"
#include "runtime/report/html.h"

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
} Column;

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
    {"trainable", get_trainable, FORM_COUNT, GOAL_NONE, 0},
    {"% of all", get_share, FORM_SHORT, GOAL_NONE, 0},
    {"epochs", get_epochs, FORM_SHORT, GOAL_NONE, 0},
    {"seconds", get_seconds, FORM_SECONDS, GOAL_NONE, 0},
    {"examples/s", get_speed, FORM_COUNT, GOAL_NONE, 0},
    {"accuracy", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_ACCURACY},
    {"precision", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_PRECISION},
    {"recall", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_RECALL},
    {"F1", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_F1},
    {"MSE", NULL, FORM_SCORE, GOAL_LOW, GF_METRIC_MSE},
    {"Pearson", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_PEARSON},
    {"Spearman", NULL, FORM_SCORE, GOAL_HIGH, GF_METRIC_SPEARMAN},
    {"loss", get_loss, FORM_SCORE, GOAL_LOW, 0},
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

/* Whether no other run has a better figure, and one at least a worse. */
static bool is_best(const GfReport *r, const Column *c, double value)
{
    bool beats = false;

    if (c->goal == GOAL_NONE || isnan(value))
        return false;
    for (size_t i = 0; i < r->count; i++) {
        double other = value_of(c, &r->runs[i]), ahead = c->goal == GOAL_HIGH ? value - other : other - value;
        if (ahead < 0)
            return false;
        beats = beats || ahead > 0;
    }
    return beats;
}

static void add_figure(const GfReport *r, GfText *out, const Column *c, const GfReportRun *run)
{
    double value = value_of(c, run);

    gf_text_add(out, "%s", is_best(r, c, value) ? "<td class=\"best\">" : "<td>");
    if (c->form == FORM_COUNT || (c->form == FORM_SECONDS && value >= 100))
        gf_html_count(out, value);
    else if (c->form == FORM_SHORT && !isnan(value))
        gf_text_add(out, "%.3g", value);
    else
        gf_html_number(out, value, c->form == FORM_SCORE ? 4 : 1);
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

static void add_run_row(const GfReport *r, GfText *out, size_t index)
{
    const GfReportRun *run = &r->runs[index];

    gf_text_add(out, "<tr><th scope=\"row\">");
    gf_chart_key(out, index);
    gf_html_text(out, run->name);
    if (splits_differ(r) && run->scores.split) {
        gf_text_add(out, " <span class=\"note\">on ");
        gf_html_text(out, run->scores.split);
        gf_text_add(out, "</span>");
    }
    gf_text_add(out, "</th>");
    for (size_t k = 0; k < COLUMNS; k++) {
        if (is_shown(r, &columns[k]))
            add_figure(r, out, &columns[k], run);
    }
    gf_text_add(out, "</tr>\n");
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
    gf_text_add(out, "<section><h2>%s</h2>\n<div class=\"wide\" tabindex=\"0\"><table class=\"scores\"><caption>",
                r->count > 1 ? "Comparison" : "Result");
    if (!splits_differ(r) && r->runs[0].scores.split) {
        gf_text_add(out, "Scores on the ");
        gf_html_text(out, r->runs[0].scores.split);
        gf_text_add(out, " split; %s. ", explain(r->runs[0].problem));
    }
    gf_text_add(out, "Seconds and examples/s are those of the training steps alone.</caption>\n"
                     "<thead><tr><th scope=\"col\">variant</th>");
    for (size_t k = 0; k < COLUMNS; k++) {
        if (is_shown(r, &columns[k]))
            gf_text_add(out, "<th scope=\"col\">%s</th>", columns[k].title);
    }
    gf_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < r->count; i++)
        add_run_row(r, out, i);
    gf_text_add(out, "</tbody></table></div></section>\n");
}
