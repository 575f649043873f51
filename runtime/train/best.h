/* best.h -- which evaluation was the best, and when to stop for want of a better one.
 *
 *   better    as greater_is_better says, strictly: of equal ones the first stays
 *   patience  counts evaluations in a row that did not better the best so far by
 *             more than early_stopping_threshold; training stops when there are
 *             early_stopping_patience of them
 *
 * A metric that is not a number is never better.
 * Source: transformers 5, Trainer._determine_best_metric and EarlyStoppingCallback;
 * the latter sees the best before this evaluation, so a gain within the threshold
 * makes a new best and yet counts as none.
 */
#ifndef GF_RUNTIME_TRAIN_BEST_H
#define GF_RUNTIME_TRAIN_BEST_H

#include "frontend/graph/training.h"
#include "runtime/train/evaluate.h"

typedef struct GfBest {
    bool found;
    double metric;
    int64_t step;    /* of the evaluation; saved as checkpoint-<step> when that is due too */
    int64_t waiting; /* evaluations in a row without a gain */
    bool stop;       /* patience is at its end */
} GfBest;

/* Take in the metric of an evaluation after `step`.  True: it is the best so far. */
bool gf_best_update(GfBest *best, const GfTraining *training, int64_t step, double metric);

/* Whether the job asks for a best model at all. */
bool gf_best_is_wanted(const GfTraining *training);

/* The value that metric_for_best_model names, which gf_metric_check has checked. */
double gf_best_metric(const GfTraining *training, const GfEvaluation *evaluation);

#endif
