/* metric.h -- the figures that an evaluation gives beside its loss, by problem.
 *
 * In logs and results they are called "eval_" and the name.
 */
#ifndef GF_FRONTEND_GRAPH_METRIC_H
#define GF_FRONTEND_GRAPH_METRIC_H

#include "frontend/graph/data_format.h"

/* X(id, name, title of a column; NULL: in no table)
 * Of classifications up to and with RECALL, of regressions the others.  f1,
 * precision and recall are weighted by how often a class is true. */
#define GF_METRIC_TABLE(X)                                                                                             \
    X(ACCURACY, "accuracy", "accuracy")                                                                                \
    X(F1, "f1", "F1")                                                                                                  \
    X(F1_MACRO, "f1_macro", NULL)                                                                                      \
    X(F1_MICRO, "f1_micro", NULL)                                                                                      \
    X(PRECISION, "precision", "precision")                                                                             \
    X(RECALL, "recall", "recall")                                                                                      \
    X(MSE, "mse", "MSE")                                                                                               \
    X(PEARSON, "pearson", "Pearson")                                                                                   \
    X(SPEARMAN, "spearman", "Spearman")

typedef enum GfMetric {
#define X(id, name, title) GF_METRIC_##id,
    GF_METRIC_TABLE(X)
#undef X
        GF_METRIC_COUNT
} GfMetric;

typedef struct GfMetricInfo {
    const char *name;  /* "f1" */
    const char *key;   /* "eval_f1" */
    const char *title; /* "F1"; NULL: in no table */
} GfMetricInfo;

const GfMetricInfo *gf_metric_info(GfMetric metric);

/* Whether the evaluations of a problem have it; those of GF_PROBLEM_DERIVED may have any. */
bool gf_metric_is_of(GfMetric metric, GfProblem problem);

/* The metric of that name, with or without "eval_"; GF_METRIC_COUNT: none, as for the loss. */
GfMetric gf_metric_find(const char *name);

/* Whether it is the loss. */
bool gf_metric_is_loss(const char *name);

/* A better model has more of it; of errors and losses, less. */
bool gf_metric_grows(const char *name);

/* There is such a figure for the problem.  Errors: GF_ERR_VALUE at `loc`, with the closest name. */
GfStatus gf_metric_check(const char *name, GfProblem problem, GfLoc loc, GfDiags *diags);

#endif
