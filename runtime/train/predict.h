/* predict.h -- a saved model asked about texts.
 *
 *   gf_predictor_open(&p, "results/lora", &options, diags)   any folder that `graft eval` opens
 *   gf_predictor_run(&p, texts, count, logits, diags)        logits [count, classes], in the order of the texts
 *   gf_predictor_scores(&p, row, scores)                     logits to probabilities
 *   gf_predictor_close(&p)
 *
 * What is compiled is the forward pass alone, without a loss or its labels, once: any
 * number of texts of any length go through it in batches of like length.  A logit does
 * not depend on what else is asked at the same time.
 */
#ifndef GF_RUNTIME_TRAIN_PREDICT_H
#define GF_RUNTIME_TRAIN_PREDICT_H

#include "runtime/data/texts.h"
#include "runtime/train/run.h"
#include "runtime/train/steps.h"

enum { GF_PREDICT_BATCH_SIZE = 32, GF_PREDICT_BATCH_SIZE_MAX = 65536 };

/* All is borrowed; the device outlives the predictor. */
typedef struct GfPredictorOptions {
    const GfDevice *device;
    GfRunOptions run;
    size_t batch_size; /* texts a batch at most, fewer of long ones; 0: GF_PREDICT_BATCH_SIZE */
} GfPredictorOptions;

/* Stays where it is while it is open. */
typedef struct GfPredictor {
    GfRun run; /* labels.names, .count and .problem say what a row of logits is */
    GfSteps steps;
    const GfDevice *device;
    size_t batch_size;
    size_t plan_tokens; /* that a batch holds at most */
    GfArena arena;      /* of the batch */
    GfBatch batch;      /* room for plan_tokens and batch_size */
} GfPredictor;

/* Read the model and compile it.  On error nothing needs closing (closing is harmless).
 * Errors: those of gf_run_open and gf_steps_new. */
GfStatus gf_predictor_open(GfPredictor *predictor, const char *folder, const GfPredictorOptions *options,
                           GfDiags *diags);
void gf_predictor_close(GfPredictor *predictor);

/* The logits of `count` texts: [count, run.labels.count], row i of text i.  Texts are cut
 * to the model's max_length.  Bytes that are not UTF-8 are left out.
 * Errors: GF_ERR_VALUE a pair where the model has one token type or max_length no room for
 * it, a logit that is not a number; GF_ERR_DEVICE. */
GfStatus gf_predictor_run(GfPredictor *predictor, const GfAsked *texts, size_t count, float *logits, GfDiags *diags);

/* Texts that are sorted together: to ask about so many at a time makes the best batches. */
size_t gf_predictor_window(const GfPredictor *predictor);

/* What a row of logits says, [run.labels.count]: of single labels the softmax, of several
 * each one's sigmoid, which is above 1/2 where the class is predicted; of a regression the
 * values themselves. */
void gf_predictor_scores(const GfPredictor *predictor, const float *logits, double *scores);

/* The first of the largest. */
size_t gf_predictor_best(const GfPredictor *predictor, const float *logits);

#endif
