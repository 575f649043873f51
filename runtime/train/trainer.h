/* trainer.h -- the loop: epochs of shuffled packed batches, optimizer steps,
 * evaluation.
 *
 * An optimizer step takes gradient_accumulation_steps micro-batches, fewer at the
 * end of an epoch, and divides by the examples of all of them, or by their weights.  Everything a step
 * does depends on the state, the seed and the data alone.
 */
#ifndef GF_RUNTIME_TRAIN_TRAINER_H
#define GF_RUNTIME_TRAIN_TRAINER_H

#include "runtime/train/best.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/schedule.h"

#include <signal.h>

/* How far training has come: with the store's tensors, all that going on needs. */
typedef struct GfTrainState {
    int64_t step;      /* optimizer steps done */
    int64_t epoch;     /* epochs done */
    int64_t position;  /* micro-batches done of the epoch that runs */
    double epoch_loss; /* sum over the steps of the epoch that runs */
    int64_t epoch_steps;
    double total_loss; /* sum over all steps */
    int64_t examples, tokens;
    double seconds; /* spent in steps, without evaluation */
    GfBest best;
    int64_t best_saved; /* the step of the checkpoint that has the best model; 0: none has */
} GfTrainState;

/* One optimizer step. */
typedef struct GfStepReport {
    int64_t step, max_steps; /* step counts from 1 */
    double epoch;            /* epochs done, with a fraction */
    double loss;             /* mean over the examples of the step, weighted as they are, before its update */
    double grad_norm;        /* before clipping */
    double learning_rate;
    int64_t examples, tokens;
    double weight; /* of the examples: their number, where no class has a weight */
    double seconds;
} GfStepReport;

/* The end of an epoch, or an evaluation within one. */
typedef struct GfEpochReport {
    double epoch; /* epochs done */
    int64_t step;
    double train_loss;        /* mean over the steps of the epoch so far */
    int64_t examples, tokens; /* trained on in this epoch so far */
    double seconds;           /* of that */
    bool evaluated;
    GfEvaluation evaluation;
    bool is_best; /* so far, by metric_for_best_model */
} GfEpochReport;

/* Called as things happen; each may be NULL. */
typedef struct GfTrainEvents {
    void *self;
    void (*step)(void *self, const GfStepReport *report);
    void (*epoch)(void *self, const GfEpochReport *report);
    /* A checkpoint is due; an error ends the training. */
    GfStatus (*save)(void *self, GfDiags *diags);
} GfTrainEvents;

typedef struct GfTrainerOptions {
    const char *name; /* of the variant, for errors; NULL: "the model" */
    const GfTraining *training;
    GfSteps *steps;
    const GfDataset *train;
    size_t fixed_batch;          /* > 0: batches of this size in the order of the data set */
    const GfDataset *validation; /* NULL: never evaluated */
    const GfTrainEvents *events; /* NULL: none */
    /* Becomes nonzero, by a signal handler say: end after the step that runs; NULL: never. */
    const volatile sig_atomic_t *interrupt;
    bool step_by_step; /* the state is looked at after each step: none is begun before the last one is done */
} GfTrainerOptions;

/* Micro-batches that may be under way at once on a device that works on its own. */
enum { GF_FLIGHTS = 2 };

/* A micro-batch under way. */
typedef struct GfFlight {
    GfExec *exec;
    double weight; /* of its examples */
    int64_t step;
    bool last; /* of its step */
} GfFlight;

typedef struct GfTrainer {
    GfTrainerOptions options;
    GfTrainState state; /* what is done */
    GfTrainState begun; /* step, epoch and position with what is under way */
    GfFlight flights[GF_FLIGHTS];
    uint32_t first_flight, flight_count;
    GfStepReport reports[GF_FLIGHTS]; /* of the steps under way, by number */
    bool accumulates;
    GfBatcher batcher;
    GfHoist hoist; /* of the training data, where the step has hoisted inputs; else empty */
    GfEvaluator evaluator;
    GfSchedule schedule;
    int64_t epoch_steps; /* optimizer steps of a whole epoch */
    int64_t max_steps;
    uint64_t seed, data_seed;
    GfTrainState mark; /* the state when the epoch began: for its report */
    int64_t saved;     /* the step of the last save event */
    /* Arguments that the checkpoint it goes on from was trained with other values of, and
     * those: "learning_rate (0.001), weight_decay (0)"; NULL: none */
    const char *changed;
    bool interrupted; /* gf_trainer_run ended because of options.interrupt */
} GfTrainer;

/* Micro-batch size of a job: the file's when batches are fixed. */
size_t gf_train_batch_size(const GfTraining *training, size_t fixed_batch);

/* Plan the training; buffers live in `arena`, options' contents are borrowed.
 * Errors: GF_ERR_VALUE an unknown schedule, no steps at all. */
GfStatus gf_trainer_init(GfTrainer *trainer, GfArena *arena, const GfTrainerOptions *options, GfDiags *diags);

/* Run from where trainer->state stands to the last step, or until patience is at
 * its end, or an interrupt, after which the state has been saved.  What is done
 * after a step stands in this order: step event, evaluation and epoch event, save.
 * Errors: GF_ERR_VALUE a loss or gradient norm that is not finite. */
GfStatus gf_trainer_run(GfTrainer *trainer, GfDiags *diags);

/* One optimizer step; `report` may be NULL.  Not past max_steps.
 * Errors: GF_ERR_VALUE a loss or gradient norm that is not finite. */
GfStatus gf_trainer_step(GfTrainer *trainer, GfStepReport *report, GfDiags *diags);

#endif
