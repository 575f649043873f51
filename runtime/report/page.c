/* page.c -- the report as a page: comparison, curves, classes, settings, machine.
 *
 * No script, no resource from elsewhere; well-formed as XML too.  Every text that
 * comes from a file goes through gf_html_text.
 */
#include "runtime/io/file.h"
#include "runtime/report/chart.h"
#include "runtime/report/classes.h"
#include "runtime/report/compare.h"
#include "runtime/report/facts.h"
#include "runtime/report/html.h"
#include "runtime/report/style.h"

#include <math.h>
#include <string.h>

/* ---- head ---- */

/* The jobs' names, each once; a folder's where no job is known. */
static void add_title(const GfReport *r, GfText *out)
{
    const char *separator = "";

    for (size_t i = 0; i < r->count; i++) {
        const char *name = *r->runs[i].job ? r->runs[i].job : r->runs[i].name;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(name, *r->runs[k].job ? r->runs[k].job : r->runs[k].name) == 0;
        if (again)
            continue;
        gf_text_add(out, "%s", separator);
        gf_html_text(out, name);
        separator = ", ";
    }
}

static void add_head(const GfReport *r, GfText *out)
{
    gf_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                     "'unsafe-inline'\"/>\n<title>");
    add_title(r, out);
    gf_text_add(out, " – graft report</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n",
                (const char *)gf_report_style);
}

/* ---- the first lines ---- */

static const GfReportRun *best_run(const GfReport *r, GfMetric metric)
{
    const GfReportRun *best = NULL;

    for (size_t i = 0; i < r->count; i++) {
        double value = r->runs[i].scores.values[metric];
        if (!isnan(value) && (!best || value > best->scores.values[metric]))
            best = &r->runs[i];
    }
    return best;
}

static void add_best_card(const GfReport *r, GfText *out)
{
    GfMetric metric = r->runs[0].problem == GF_PROBLEM_REGRESSION ? GF_METRIC_PEARSON : GF_METRIC_F1;
    const GfReportRun *best = best_run(r, metric);

    if (!best)
        return;
    gf_text_add(out, "<li><b>%.4f</b><span>", best->scores.values[metric]);
    gf_text_add(out, "%s%s: ", r->count > 1 ? "best " : "", gf_metric_info(metric)->title);
    gf_html_text(out, best->name);
    gf_text_add(out, ", on the ");
    gf_html_text(out, best->scores.split);
    gf_text_add(out, " split</span></li>\n");
}

static void add_data_card(const GfReportRun *run, GfText *out)
{
    const cJSON *train = gf_json_find(&run->results, run->data, "train");
    const cJSON *mean = gf_json_find(&run->results, run->data, "tokens_per_example");

    if (!cJSON_IsNumber(train))
        return;
    gf_text_add(out, "<li><b>");
    gf_html_count(out, train->valuedouble);
    gf_text_add(out, "</b><span>training examples");
    if (cJSON_IsNumber(mean))
        gf_text_add(out, ", %.1f tokens each", mean->valuedouble);
    if (cJSON_IsTrue(gf_json_find(&run->results, run->data, "generated")))
        gf_text_add(out, ", made from a seed");
    gf_text_add(out, "</span></li>\n");
}

static void add_model_card(const GfReportRun *run, GfText *out)
{
    if (isnan(run->all))
        return;
    gf_text_add(out, "<li><b>");
    gf_html_count(out, run->all);
    gf_text_add(out, "</b><span>parameters of ");
    gf_html_text(out, *run->model ? run->model : run->name);
    gf_text_add(out, "</span></li>\n");
}

static void add_time_card(const GfReport *r, GfText *out)
{
    double seconds = 0;

    for (size_t i = 0; i < r->count; i++)
        seconds += isnan(r->runs[i].seconds) ? 0 : r->runs[i].seconds;
    if (seconds <= 0)
        return;
    if (seconds < 120)
        gf_text_add(out, "<li><b>%.1f s</b>", seconds);
    else if (seconds < 7200)
        gf_text_add(out, "<li><b>%.1f min</b>", seconds / 60);
    else
        gf_text_add(out, "<li><b>%.1f h</b>", seconds / 3600);
    gf_text_add(out, "<span>of training in %zu run%s</span></li>\n", r->count, r->count == 1 ? "" : "s");
}

static void add_summary(const GfReport *r, GfText *out)
{
    const GfReportRun *first = &r->runs[0];

    gf_text_add(out, "<header><h1>");
    add_title(r, out);
    gf_text_add(out, "</h1>\n<p class=\"soft\">");
    gf_html_text(out, first->about);
    gf_text_add(out, "</p>\n<ul class=\"cards\">\n");
    add_best_card(r, out);
    add_time_card(r, out);
    add_data_card(first, out);
    add_model_card(first, out);
    gf_text_add(out, "</ul></header>\n");
}

/* ---- the curves ---- */

static void add_legend(const GfReport *r, GfText *out)
{
    gf_text_add(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < r->count; i++) {
        gf_text_add(out, "<li>");
        gf_chart_key(out, i);
        gf_html_text(out, r->runs[i].name);
        gf_text_add(out, "</li>");
    }
    gf_text_add(out, "</ul>\n");
}

static const char **names_of(const GfReport *r, GfArena *arena)
{
    const char **names = GF_NEW_ARRAY(arena, const char *, r->count + 1);

    for (size_t i = 0; names && i < r->count; i++)
        names[i] = r->runs[i].name;
    return names;
}

static void add_curves(const GfReport *r, GfText *out)
{
    static const char *const titles[] = {
#define X(id, key, title) title,
        GF_CURVE_TABLE(X)
#undef X
    };
    const GfCurve **curves = GF_NEW_ARRAY(out->arena, const GfCurve *, r->count + 1);
    GfChart chart = {.names = names_of(r, out->arena), .curves = curves, .count = r->count};
    bool begun = false;

    for (size_t k = 0; curves && chart.names && k < GF_CURVE_COUNT; k++) {
        for (size_t i = 0; i < r->count; i++)
            curves[i] = &r->runs[i].curves[k];
        chart.title = titles[k];
        chart.share = k == GF_CURVE_ACCURACY || k == GF_CURVE_F1;
        if (!gf_chart_has_points(&chart))
            continue;
        if (!begun) {
            gf_text_add(out, "<section><h2>Learning curves</h2>\n");
            add_legend(r, out);
            gf_text_add(out, "<div class=\"charts\">\n");
        }
        begun = true;
        gf_chart_add(out, &chart);
    }
    if (begun)
        gf_text_add(out, "</div></section>\n");
}

/* ---- classes ---- */

static void add_classes(const GfReport *r, GfText *out)
{
    bool begun = false;

    for (size_t i = 0; i < r->count; i++) {
        if (!gf_report_has_classes(&r->runs[i]))
            continue;
        if (!begun)
            gf_text_add(out, "<section><h2>Classes</h2>\n");
        begun = true;
        gf_text_add(out, "<h3>");
        gf_html_text(out, r->runs[i].name);
        gf_text_add(out, "</h3>\n");
        gf_report_classes(out, &r->runs[i]);
    }
    if (begun)
        gf_text_add(out, "</section>\n");
}

/* ---- settings and machine ---- */

/* What of a variant's file the arguments do not hold already. */
static void set_recipe(GfFacts *f, size_t index, const GfReportRun *run)
{
    static const char *const keys[] = {"freeze", "train", "lora"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *node = gf_json_find(&run->results, run->recipe, keys[i]);
        const cJSON member = {.child = (cJSON *)node};
        if (!node)
            continue;
        const char *prefix = cJSON_IsObject(node) ? gf_arena_printf(f->arena, "%s.", keys[i]) : NULL;
        if (prefix)
            gf_facts_set_members(f, index, &run->results, node, prefix);
        else
            gf_facts_set_members(f, index, &run->results, &member, "");
    }
}

static void add_settings(const GfReport *r, GfText *out)
{
    GfFacts f = {.arena = out->arena, .runs = r->count};
    const char **names = names_of(r, out->arena);

    for (size_t i = 0; i < r->count; i++) {
        const GfReportRun *run = &r->runs[i];
        gf_facts_set(&f, i, "model", run->model);
        gf_facts_set(&f, i, "checkpoint", run->checkpoint);
        set_recipe(&f, i, run);
        gf_facts_set_members(&f, i, &run->results, run->training, "");
    }
    if (f.count == 0 || !names)
        return;
    gf_text_add(out, "<section><h2>Settings</h2>\n");
    gf_facts_table(&f, out, "Arguments by their names in transformers; what differs between runs comes first", names);
    gf_text_add(out, "</section>\n");
}

static void set_seconds(GfFacts *f, size_t index, const char *key, double value)
{
    const char *text = isnan(value) ? "" : gf_arena_printf(f->arena, "%.1f", value);
    gf_facts_set(f, index, key, text ? text : "");
}

/* "25.3 GB" */
static void set_memory(GfFacts *f, size_t index, const GfReportRun *run)
{
    const cJSON *bytes = gf_json_find(&run->results, run->machine, "memory");
    const char *text = cJSON_IsNumber(bytes) ? gf_arena_printf(f->arena, "%.1f GB", 1e-9 * bytes->valuedouble) : NULL;

    gf_facts_set(f, index, "memory", text ? text : "");
}

static void add_machine(const GfReport *r, GfText *out)
{
    GfFacts f = {.arena = out->arena, .runs = r->count};
    const char **names = names_of(r, out->arena);

    for (size_t i = 0; i < r->count; i++) {
        const GfReportRun *run = &r->runs[i];
        gf_facts_set(&f, i, "graft", run->version);
        gf_facts_set_members(&f, i, &run->results, run->machine, "");
        set_memory(&f, i, run);
        gf_facts_set_members(&f, i, &run->results, run->data, "data.");
        gf_facts_set(&f, i, "started", run->started);
        gf_facts_set(&f, i, "finished", run->finished);
        set_seconds(&f, i, "seconds of compiling", run->compile_seconds);
        set_seconds(&f, i, "seconds of training", run->seconds);
        gf_facts_set(&f, i, "folder", run->folder);
    }
    if (!names)
        return;
    gf_text_add(out, "<section><h2>Machine and data</h2>\n");
    gf_facts_table(&f, out, "Where and when; times are UTC", names);
    gf_text_add(out, "</section>\n");
}

void gf_report_page(const GfReport *r, GfText *out)
{
    add_head(r, out);
    add_summary(r, out);
    gf_report_comparison(out, r);
    add_curves(r, out);
    add_classes(r, out);
    add_settings(r, out);
    add_machine(r, out);
    gf_text_add(out, "<footer>Written by graft " GRAFT_VERSION ". Everything on this page comes from results.json and "
                     "trainer_state.json of the runs.</footer>\n</main>\n</body>\n</html>\n");
}
