/* metrics.h -- how good a classifier is, by scikit-learn's definitions.
 *
 * A confusion matrix is all that is kept: evaluation needs memory for classes,
 * not for examples.
 */
#ifndef GF_RUNTIME_TRAIN_METRICS_H
#define GF_RUNTIME_TRAIN_METRICS_H

#include "ir/diag.h"

typedef struct GfMetrics {
    size_t classes;
    uint64_t *matrix; /* [truth * classes + predicted], in the arena given to gf_metrics_init */
    uint64_t total;
} GfMetrics;

/* Each in [0, 1].  f1, precision and recall are means over the classes, weighted by
 * how often a class is the truth; where a class would divide by zero it scores 0. */
typedef struct GfScores {
    double accuracy;
    double f1;
    double precision;
    double recall;
} GfScores;

/* One class against all others; support is how often it is the truth. */
typedef struct GfClassScores {
    double precision, recall, f1;
    uint64_t support;
} GfClassScores;

/* Errors: GF_ERR_VALUE no classes, GF_ERR_MEMORY. */
GfStatus gf_metrics_init(GfMetrics *metrics, GfArena *arena, size_t classes, GfDiags *diags);
void gf_metrics_reset(GfMetrics *metrics);

/* Count one example.  Errors: GF_ERR_LABEL a class out of range; nothing is counted then. */
GfStatus gf_metrics_add(GfMetrics *metrics, int64_t truth, int64_t predicted, GfDiags *diags);

/* All zero when nothing was counted. */
GfScores gf_metrics_scores(const GfMetrics *metrics);

/* class < metrics->classes */
GfClassScores gf_metrics_class(const GfMetrics *metrics, size_t class);

#endif
