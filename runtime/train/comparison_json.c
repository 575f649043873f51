/* comparison_json.c -- comparison.json: every run, and what groups of runs came to. */
#include "runtime/train/comparison.h"
#include "runtime/train/comparison_rows.h"
#include "runtime/train/history.h"

#include <string.h>

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
    add_number(out, "train_loss", gf_figure_train_loss(r));
    add_number(out, "compile_seconds", r->compile_seconds);
    add_number(out, "seconds", r->train.seconds);
    add_number(out, "examples_per_second", gf_figure_speed(r));
    add_number(out, "tokens_per_second", gf_figure_token_speed(r));
    if (r->evaluated) {
        gf_text_add(out, ",\n     \"split\": \"%s\", ", gf_split_names[r->split]);
        gf_evaluation_print(out, &r->evaluation, ", ");
    }
    gf_text_add(out, "}");
}

/* ---- the groups in it ---- */

/* A figure as the entries of "variants" call it. */
typedef struct Named {
    const char *key;
    GfFigure figure;
} Named;

enum { FIGURES_MAX = 7 + GF_METRIC_COUNT };

static size_t list_figures(const GfComparison *c, const GfComparisonRow *row, Named figures[FIGURES_MAX])
{
    const Named first[] = {{"epochs", {gf_figure_epochs, 0}},
                           {"steps", {gf_figure_steps, 0}},
                           {"train_loss", {gf_figure_train_loss, 0}},
                           {"seconds", {gf_figure_seconds, 0}},
                           {"examples_per_second", {gf_figure_speed, 0}},
                           {"tokens_per_second", {gf_figure_token_speed, 0}}};
    size_t count = sizeof first / sizeof *first;

    memcpy(figures, first, sizeof first);
    if (!c->results[row->runs[0]].evaluated)
        return count;
    figures[count++] = (Named){"eval_loss", {gf_figure_loss, 0}};
    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (gf_metric_is_of(m, c->session->corpus.labels.problem))
            figures[count++] = (Named){gf_metric_info(m)->key, {NULL, m}};
    }
    return count;
}

static void add_figures(const GfComparison *c, GfText *out, const GfComparisonRow *row, const char *key,
                        double (*of)(const GfSpread *))
{
    Named figures[FIGURES_MAX];
    size_t count = list_figures(c, row, figures);

    gf_text_add(out, ",\n     \"%s\": {", key);
    for (size_t k = 0; k < count; k++) {
        GfSpread spread = gf_figure_spread(c, figures[k].figure, row);
        gf_text_add(out, "%s\"%s\": ", k ? ", " : "", figures[k].key);
        gf_json_add_number(out, of(&spread));
    }
    gf_text_add(out, "}");
}

/* Of the groups of more than one run; nothing where there are none. */
static void add_groups(const GfComparison *c, GfText *out)
{
    GfComparisonRows rows = gf_comparison_rows(c, out->arena, true);
    bool begun = false;

    for (size_t i = 0; i < rows.count; i++) {
        const GfComparisonRow *row = &rows.list[i];
        if (row->count == 1)
            continue;
        gf_text_add(out, begun ? ",\n    {\"group\": " : ",\n  \"groups\": [\n    {\"group\": ");
        gf_json_quote(out, row->name);
        add_number(out, "n", (double)row->count);
        gf_text_add(out, ", \"variants\": [");
        for (size_t k = 0; k < row->count; k++) {
            gf_text_add(out, k ? ", " : "");
            gf_json_quote(out, c->results[row->runs[k]].name);
        }
        gf_text_add(out, "]");
        add_figures(c, out, row, "mean", gf_spread_mean);
        add_figures(c, out, row, "std", gf_spread_deviation);
        gf_text_add(out, "}");
        begun = true;
    }
    gf_text_add(out, begun ? "\n  ]" : "");
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
    gf_text_add(out, "\n  ]");
    add_groups(c, out);
    gf_text_add(out, "\n}\n");
}
