/* steps.h -- what a variant compiles to: programs over one store of tensors.
 *
 *   update      forward, backward, clipping, AdamW: an optimizer step of one
 *               micro-batch, or of the last one of several
 *   accumulate  forward, backward, gradients added up: the micro-batches before
 *   evaluate    forward without dropout
 *   frozen      what of the first two is the same for an example in every epoch: their
 *               inputs hoisted.0, hoisted.1 ...; only of a step that hoist-frozen has cut
 *   frozen_evaluate  the same of evaluate
 */
#ifndef GF_RUNTIME_TRAIN_STEPS_H
#define GF_RUNTIME_TRAIN_STEPS_H

#include "frontend/graph/model.h"
#include "runtime/data/batch.h"
#include "runtime/exec/exec.h"
#include "runtime/train/recipe.h"

/* The most that a batch can hold. */
typedef struct GfBatchLimits {
    int64_t tokens, seqs; /* 0: no such batches, no program for them */
} GfBatchLimits;

enum {
    GF_STEP_UPDATE,
    GF_STEP_ACCUMULATE,
    GF_STEP_EVALUATE,
    GF_STEP_FROZEN_TRAIN,
    GF_STEP_FROZEN_EVALUATE,
    GF_STEP_PROGRAMS
};

/* What a variant compiles to. */
typedef struct GfPrograms {
    GfProgram *of[GF_STEP_PROGRAMS]; /* NULL: not wanted */
    GfParamCount params;             /* of the variant, adapters included */
} GfPrograms;

/* All is borrowed and outlives the steps. */
typedef struct GfStepsOptions {
    const GfModel *model;
    const GfVariant *variant;   /* NULL: everything trains */
    const GfTraining *training; /* NULL: the defaults */
    const GfBackend *backend;
    const GfDevice *device;
    const GfStoreSource *source;
    GfBatchLimits train, evaluate;
    bool weighted;              /* the batches' weights count in the loss */
    bool return_gradients;      /* outputs "grad.NAME" of update */
    bool logits_only;           /* evaluate has no loss, and needs no labels */
    bool hoist;                 /* cut steps where the variant allows it; whoever runs them binds what is hoisted */
    const GfPrograms *programs; /* compiled before; NULL: they are compiled, of what stands above */
} GfStepsOptions;

typedef struct GfCompiled {
    const GfProgram *program; /* NULL: not wanted */
    GfExec *exec;
} GfCompiled;

typedef struct GfSteps {
    GfStore store;
    GfCompiled update, accumulate, evaluate;
    GfCompiled frozen, frozen_evaluate;
    GfPrograms own;      /* those compiled here */
    GfParamCount params; /* of the variant, adapters included */
    double compile_seconds;
} GfSteps;

/* Compile the programs of options->model, as `how` says: its target, NULL: the device's.
 * On error nothing needs freeing (freeing is harmless). */
GfStatus gf_programs_compile(GfPrograms *programs, const GfStepsOptions *options, const GfCompileOptions *how,
                             GfDiags *diags);
void gf_programs_free(GfPrograms *programs);

/* Compile the programs unless they are there, fill the store, make the programs runnable.
 * On error nothing needs freeing (freeing is harmless). */
GfStatus gf_steps_new(GfSteps *steps, const GfStepsOptions *options, GfDiags *diags);
void gf_steps_free(GfSteps *steps);

/* The scalars of a step beside its batch. */
typedef struct GfStepInputs {
    uint64_t seed;
    int64_t step;  /* from 1 */
    int64_t micro; /* from 0, the micro-batch of the step */
    double lr;
    double
        loss_scale; /* the micro-batch's share of the weights of the whole step: of its sequences, where all weigh 1 */
} GfStepInputs;

/* Bind a batch and the scalars (NULL: zeros, for evaluation), and begin to run:
 * gf_exec_wait comes before outputs.  The batch may be filled anew at once.
 * Errors: GF_ERR_VALUE the batch is larger than planned; GF_ERR_DEVICE. */
GfStatus gf_steps_run(GfExec *exec, const GfBatch *batch, const GfStepInputs *inputs, GfDiags *diags);

/* Seconds of a clock that only goes forward. */
double gf_now(void);

#endif
