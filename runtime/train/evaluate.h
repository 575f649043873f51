/* evaluate.h -- how good a model is on a data set. */
#ifndef GF_RUNTIME_TRAIN_EVALUATE_H
#define GF_RUNTIME_TRAIN_EVALUATE_H

#include "runtime/train/hoist.h"
#include "runtime/train/metrics.h"
#include "runtime/train/steps.h"

typedef struct GfEvaluation {
    GfProblem problem;
    double loss; /* mean over the examples, weighted as they are: nats, or of a regression squared errors */
    GfScores scores;
    int64_t examples, batches, tokens;
    double seconds;
} GfEvaluation;

/* A batch whose outputs are yet to be read. */
typedef struct GfEvaluated {
    int32_t seqs;
    double weight;   /* of its examples */
    int32_t *labels; /* [seqs] */
    float *targets;  /* [seqs, classes], or NULL: single labels */
} GfEvaluated;

/* Who wants the logits [seqs, classes] of every batch, in the data set's order. */
typedef struct GfLogitsHook {
    GfStatus (*take)(void *self, const GfEvaluated *batch, const float *logits, size_t classes, GfDiags *diags);
    void *self;
} GfLogitsHook;

/* What evaluating one data set needs, allocated once; the data set is borrowed. */
typedef struct GfEvaluator {
    GfBatcher batcher;
    GfEvaluated under_way[2];
    GfMetrics metrics;
    GfLogitsHook hook; /* take NULL: none; may be set after gf_evaluator_init */
    GfHoist hoist;     /* of the data set, after gf_evaluator_hoist; else empty */
} GfEvaluator;

GfStatus gf_evaluator_init(GfEvaluator *evaluator, GfArena *arena, const GfDataset *dataset, size_t batch_size,
                           GfDiags *diags);

/* Where the steps' evaluation has hoisted inputs, keep them as gf_hoist_init says; else nothing to do. */
GfStatus gf_evaluator_hoist(GfEvaluator *evaluator, GfArena *arena, GfSteps *steps, int64_t budget, GfDiags *diags);

/* Run all of the data set through `evaluate`, a program with outputs loss and
 * logits.  Keeps a confusion matrix or counts, no logits; of a regression the values.
 * Errors: GF_ERR_VALUE a loss that is not finite, a logit that is not a number; the hook's. */
GfStatus gf_evaluate(GfEvaluator *evaluator, GfExec *evaluate, GfEvaluation *out, GfDiags *diags);

#endif
