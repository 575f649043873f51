/* cmd_metrics.c -- `graft metrics`: lines of labels in, lines of scores out.
 *
 *   $ echo '{"labels": 2, "truth": [0, 1, 1], "predicted": [0, 1, 0]}' | graft metrics
 *   {"accuracy": 0.66666666666666663, "f1": 0.66666666666666663, "precision": 0.83333333333333337, ...}
 */
#define _POSIX_C_SOURCE 200809L

#include "frontend/graph/json.h"
#include "runtime/train/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 4096 };

static const char usage[] =
    "usage: graft metrics\n"
    "\n"
    "Reads lines such as {\"labels\": 3, \"truth\": [0, 2], \"predicted\": [1, 2]} from standard\n"
    "input: the number of classes, then for every example its class and the class predicted.\n"
    "Writes accuracy, F1 (weighted by class, of all classes alike, of all labels alike), weighted\n"
    "precision and recall of each line as JSON.  A class that is never predicted scores 0.\n"
    "\n"
    "With \"problem_type\": \"multi_label_classification\" every example is a list of 0 and 1, one a\n"
    "class, and its prediction a list of logits, of which those above 0 are predicted; with\n"
    "\"regression\" both are lists of numbers, and mean squared error, Pearson's and Spearman's\n"
    "correlation come back.\n";

int gf_cmd_metrics(int argc, char **argv);

/* Count the examples of one line's two arrays, which run side by side. */
static GfStatus count_examples(GfMetrics *metrics, const GfJson *doc, const cJSON *truth, const cJSON *predicted,
                               GfDiags *diags)
{
    const cJSON *p = predicted->child;

    for (const cJSON *t = truth->child; t; t = t->next, p = p->next) {
        int64_t is = 0, said = 0;
        GF_TRY(gf_json_as_int(doc, t, "an item of 'truth'", &is, diags));
        GF_TRY(gf_json_as_int(doc, p, "an item of 'predicted'", &said, diags));
        if (gf_metrics_add(metrics, is, said, NULL) == GF_OK)
            continue;
        bool first = is < 0 || (uint64_t)is >= metrics->classes;
        return gf_fail(diags, gf_json_loc(doc, first ? t : p), GF_ERR_LABEL,
                       "class %lld, where classes go from 0 to %zu", (long long)(first ? is : said),
                       metrics->classes - 1);
    }
    return GF_OK;
}

/* A list of one number a class. */
static GfStatus read_row(float *row, const GfJson *doc, const cJSON *list, size_t classes, const char *what,
                         GfDiags *diags)
{
    double number = 0;

    GF_TRY(gf_json_as_array(doc, list, what, &list, diags));
    if ((size_t)cJSON_GetArraySize(list) != classes)
        return gf_fail(diags, gf_json_loc(doc, list), GF_ERR_DATA, "%s needs %zu numbers, found %d", what, classes,
                       cJSON_GetArraySize(list));
    for (const cJSON *item = list->child; item; item = item->next) {
        GF_TRY(gf_json_as_number(doc, item, what, &number, diags));
        *row++ = (float)number;
    }
    return GF_OK;
}

static GfStatus add_rows(GfMetrics *metrics, GfArena *arena, const GfJson *doc, const cJSON *truth,
                         const cJSON *predicted, GfDiags *diags)
{
    float *is = GF_NEW_ARRAY(arena, float, metrics->classes), *said = GF_NEW_ARRAY(arena, float, metrics->classes);
    const cJSON *p = predicted->child;

    if (!is || !said)
        return gf_fail_memory(diags);
    for (const cJSON *t = truth->child; t; t = t->next, p = p->next) {
        GF_TRY(read_row(is, doc, t, metrics->classes, "an item of 'truth'", diags));
        GF_TRY(read_row(said, doc, p, metrics->classes, "an item of 'predicted'", diags));
        gf_metrics_add_row(metrics, is, said);
    }
    return GF_OK;
}

static GfStatus score_document(const GfJson *doc, GfArena *arena, GfMetrics *metrics, GfDiags *diags)
{
    GfProblem problem = GF_PROBLEM_SINGLE_LABEL;
    int64_t labels = 0;
    const cJSON *truth = NULL, *predicted = NULL;

    GF_TRY(gf_json_get_int_in(doc, doc->root, "labels", GF_REQUIRED, 1, LABELS_MAX, &labels, diags));
    GF_TRY(gf_problem_read(&problem, doc, doc->root, diags));
    GF_TRY(gf_json_get_array(doc, doc->root, "truth", GF_REQUIRED, &truth, diags));
    GF_TRY(gf_json_get_array(doc, doc->root, "predicted", GF_REQUIRED, &predicted, diags));
    int count = cJSON_GetArraySize(truth), other = cJSON_GetArraySize(predicted);
    if (count != other)
        return gf_fail(diags, gf_json_loc(doc, predicted), GF_ERR_DATA, "%d true classes, but %d predicted", count,
                       other);
    if (count == 0)
        return gf_fail(diags, gf_json_loc(doc, truth), GF_ERR_DATA, "no examples to score");
    GF_TRY(gf_metrics_init(metrics, arena, problem, (size_t)labels, (size_t)count, diags));
    return problem == GF_PROBLEM_SINGLE_LABEL ? count_examples(metrics, doc, truth, predicted, diags)
                                              : add_rows(metrics, arena, doc, truth, predicted, diags);
}

/* "null" where a figure is undefined. */
static void print_scores(GfMetrics *metrics)
{
    GfScores scores = gf_metrics_scores(metrics);
    const char *separator = "{";

    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (!gf_metric_is_of(m, metrics->problem))
            continue;
        printf("%s\"%s\": ", separator, gf_metric_info(m)->name);
        if (isnan(scores.values[m]))
            printf("null");
        else
            printf("%.17g", scores.values[m]);
        separator = ", ";
    }
    printf("}\n");
}

static GfStatus score_line(const char *text, size_t length, unsigned long number, GfDiags *diags)
{
    GfMetrics metrics;
    GfArena arena;
    GfJson doc;
    char name[40];

    snprintf(name, sizeof name, "stdin, line %lu", number);
    GF_TRY(gf_json_read_text(&doc, name, text, length, diags));
    gf_arena_init(&arena, NULL);
    GfStatus status = score_document(&doc, &arena, &metrics, diags);
    if (status == GF_OK)
        print_scores(&metrics);
    gf_arena_free(&arena);
    gf_json_close(&doc);
    return status;
}

static GfStatus score_lines(GfDiags *diags)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length;
    GfStatus status = GF_OK;

    for (unsigned long number = 1; status == GF_OK && (length = getline(&text, &capacity, stdin)) >= 0; number++) {
        if (strspn(text, " \t\r\n") < (size_t)length)
            status = score_line(text, (size_t)length, number, diags);
        fflush(stdout); /* whoever writes line by line may wait for each answer */
    }
    free(text);
    if (status == GF_OK && ferror(stdin))
        status = gf_fail(diags, (GfLoc){.file = "stdin"}, GF_ERR_IO, "cannot be read: %s", strerror(errno));
    if (status == GF_OK && ferror(stdout))
        status = gf_fail(diags, (GfLoc){.file = "stdout"}, GF_ERR_IO, "cannot be written");
    return status;
}

int gf_cmd_metrics(int argc, char **argv)
{
    GfDiags diags;

    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(usage, stdout);
        return 0;
    }
    gf_diags_init(&diags, NULL);
    GfStatus status =
        argc > 1 ? gf_fail(&diags, GF_NOWHERE, GF_ERR_USAGE, "unknown argument '%s'", argv[1]) : score_lines(&diags);
    gf_diags_print(&diags, stderr);
    if (status == GF_ERR_USAGE)
        fputs(usage, stderr);
    gf_diags_free(&diags);
    return status == GF_OK ? 0 : status == GF_ERR_USAGE ? 2 : 1;
}
