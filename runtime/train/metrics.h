/* metrics.h -- how good a model is, by scikit-learn's and scipy's definitions.
 *
 *   single-label  a confusion matrix: memory for classes, not for examples
 *   multi-label   three counts a class; a class is predicted where its logit is above 0,
 *                 that is, its probability above 1/2
 *   regression    every value and its prediction: ranks need them all
 */
#ifndef GF_RUNTIME_TRAIN_METRICS_H
#define GF_RUNTIME_TRAIN_METRICS_H

#include "frontend/graph/metric.h"
#include "runtime/train/correlation.h"

/* How often a class is true, is predicted, and is both. */
typedef struct GfClassCounts {
    uint64_t is, said, hit;
} GfClassCounts;

/* Arrays live in the arena given to gf_metrics_init; those of other problems are NULL. */
typedef struct GfMetrics {
    GfProblem problem;
    size_t classes;            /* or values an example */
    uint64_t total;            /* examples */
    uint64_t *matrix;          /* [truth * classes + predicted] */
    GfClassCounts *counts;     /* [classes] */
    uint64_t exact;            /* examples of which every class is right */
    size_t capacity;           /* examples */
    double *truth, *predicted; /* [value * capacity + example] */
    double *ranks[2];          /* [capacity] */
    GfPlaced *scratch;         /* [capacity] */
} GfMetrics;

/* By GfMetric.  Of a classification each is in [0, 1]: f1, precision and recall are
 * means over the classes, weighted by how often a class is true; f1_macro is their
 * plain mean, of single labels over the classes that are true or predicted somewhere,
 * f1_micro counts all classes as one; a class that would divide by zero scores 0.  The accuracy of multi-label is the
 * share of examples that are right in every class.  Of a regression, mse is over all values, pearson and spearman are
 * means over the values of an example, NAN where one of them is constant. */
typedef struct GfScores {
    double values[GF_METRIC_COUNT]; /* those of other problems: 0 */
} GfScores;

/* One class against all others; support is how often it is true. */
typedef struct GfClassScores {
    double precision, recall, f1;
    uint64_t support;
} GfClassScores;

/*   examples  of a regression, the most that will be added
 * Errors: GF_ERR_VALUE no classes, GF_ERR_MEMORY. */
GfStatus gf_metrics_init(GfMetrics *metrics, GfArena *arena, GfProblem problem, size_t classes, size_t examples,
                         GfDiags *diags);
void gf_metrics_reset(GfMetrics *metrics);

/* Single-label: count one example.
 * Errors: GF_ERR_LABEL a class out of range; nothing is counted then. */
GfStatus gf_metrics_add(GfMetrics *metrics, int64_t truth, int64_t predicted, GfDiags *diags);

/* Multi-label and regression: one example's targets and logits, [classes] each. */
void gf_metrics_add_row(GfMetrics *metrics, const float *targets, const float *logits);

/* All zero when nothing was counted. */
GfScores gf_metrics_scores(GfMetrics *metrics);

/* Of a classification, class < metrics->classes. */
GfClassScores gf_metrics_class(const GfMetrics *metrics, size_t class);

/* A copy in `arena` of what gf_metrics_class and the matrix need. */
GfStatus gf_metrics_keep(GfMetrics *kept, GfArena *arena, const GfMetrics *metrics, GfDiags *diags);

#endif
