/* session.h -- a job at work: model, data and threads, and each variant's run.
 *
 *   gf_session_open(&s, &job, threads)
 *   for each variant: gf_session_train(&s, i, ...)   compile, train, save, test
 *   gf_session_close(&s)
 *
 * All that can be checked before a training is checked by gf_session_open.
 * Reports through callbacks; prints nothing.
 */
#ifndef GF_RUNTIME_TRAIN_SESSION_H
#define GF_RUNTIME_TRAIN_SESSION_H

#include "frontend/graph/job.h"
#include "runtime/io/hf_config.h"
#include "runtime/io/pretrained.h"
#include "runtime/train/corpus.h"
#include "runtime/train/estimate.h"
#include "runtime/train/history.h"
#include "runtime/train/job_file.h"
#include "runtime/train/run.h"

#include <signal.h>
#include <time.h>

typedef enum GfBegin {
    GF_BEGIN_NEW,       /* an earlier run in the output folders is an error */
    GF_BEGIN_OVERWRITE, /* it is removed when the variant's turn comes */
    GF_BEGIN_RESUME     /* it goes on: what is finished stays, the rest from its newest checkpoint */
} GfBegin;

/* Zero is a good default. */
typedef struct GfSessionOptions {
    uint32_t threads; /* of the CPU; 0: the job's, else gf_pool_default_threads */
    GfBegin begin;
    const char *checkpoint; /* with GF_BEGIN_RESUME: go on from this one, not the newest of its variant */
    const volatile sig_atomic_t *interrupt; /* see GfTrainerOptions */
    bool estimate;         /* what each variant will take, before it begins; a few steps are measured */
    bool dry_run;          /* and no more than that: nothing is trained or written */
    const GfJobFile *file; /* the job was compiled: its programs, borrowed; NULL: it is compiled here */
} GfSessionOptions;

typedef struct GfSession {
    GfArena arena;
    const GfJob *job;        /* borrowed */
    GfPretrained pretrained; /* not open without one: weights are drawn from the seed */
    GfHfConfig config;       /* the checkpoint's */
    GfModel model;
    GfModelLimits limits;
    GfCorpus corpus;
    GfDevice device;
    const GfBackend *backend; /* NULL: options.file has the programs */
    GfSessionOptions options;
    int resumed; /* the variant of options.checkpoint; -1: none */
} GfSession;

/* What a variant came to. */
typedef struct GfVariantResult {
    const char *name;
    const char *folder; /* where the model was saved */
    GfParamCount params;
    GfEstimate estimate;
    double compile_seconds;
    GfTrainState train;
    double epochs;        /* done, with a fraction */
    bool finished_before; /* nothing was done: the results are those of an earlier session */
    bool interrupted;     /* saved in the midst of the training, and not evaluated */
    int64_t resumed_step; /* where it went on; 0: at the beginning */
    bool evaluated;       /* on `split`: the test split, else the validation split */
    GfSplit split;
    GfEvaluation evaluation;
    GfMetrics metrics;        /* of that evaluation, in the session's arena */
    time_t started, finished; /* seconds since 1970 */
} GfVariantResult;

typedef struct GfSessionEvents {
    void *self;
    /* the variant is compiled, training is about to begin; may be NULL */
    void (*begin)(void *self, const GfJobVariant *variant, const GfTrainer *trainer, const GfEstimate *estimate);
    GfTrainEvents train;
    GfLogListener log; /* what enters the log of the training */
    /* a checkpoint of step `step` is whole, in `folder`; may be NULL */
    void (*checkpoint)(void *self, const char *folder, int64_t step);
    /* the model was saved to result->folder; may be NULL */
    void (*saved)(void *self, const GfVariantResult *result);
} GfSessionEvents;

/* Load model and data, check the variants against the model, open the device that
 * the job names, make the output folders and see what is in them.  `job` outlives
 * the session; options NULL: the defaults.  On error nothing needs closing.
 * Errors: those of the files; GF_ERR_NAME a variant of another model; GF_ERR_VALUE
 * no output_dir, GF_ERR_IO one that cannot be written to, an earlier run that would
 * be overwritten.  With options->file no compiler is asked for, and what it was compiled
 * for must be what is here: see job_file.h; GF_ERR_TARGET another kind of device. */
GfStatus gf_session_open(GfSession *session, const GfJob *job, const GfSessionOptions *options, GfDiags *diags);
void gf_session_close(GfSession *session);

/* Make the output folder of variant `index` and see what is in it, as session->options.begin
 * says; gf_session_open does so for all, unless options.dry_run.  Errors: as there. */
GfStatus gf_session_claim(GfSession *session, size_t index, GfDiags *diags);

/* Compile a variant and fill in its weights.  Errors: those of gf_steps_new; with
 * options.file GF_ERR_NAME it was not compiled. */
GfStatus gf_session_compile(const GfSession *session, const GfJobVariant *variant, GfSteps *steps, GfDiags *diags);

/* The examples of a split; NULL: there are none. */
const GfDataset *gf_session_split(const GfSession *session, GfSplit split);

/* What gf_run_save is to write of a variant; all borrowed. */
GfRunSave gf_session_describe(GfSession *session, const GfJobVariant *variant, GfSteps *steps, GfHistory *history,
                              GfTrainer *trainer);

/* Where the parameters of a variant come from; borrows the session. */
GfStoreSource gf_session_source(const GfSession *session, const GfTraining *training);

/* Train variant `index` of the job with checkpoints in output_dir/<variant>; at the
 * end save the model there, the best one if the job says so, evaluate it and write
 * results.json, whose presence says that the run is finished.  result's contents
 * live in the session's arena. */
GfStatus gf_session_train(GfSession *session, size_t index, const GfSessionEvents *events, GfVariantResult *result,
                          GfDiags *diags);

#endif
