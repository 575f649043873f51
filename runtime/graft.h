/* graft.h -- graft as a library: compile a job, step, evaluate, predict, save.
 *
 *   graft_job *job;
 *   graft_trainer *trainer;
 *   graft_error error;
 *
 *   if (graft_job_open(&job, "job.json", NULL, &error) != GRAFT_OK)
 *       fprintf(stderr, "%s", error.text);
 *   graft_trainer_open(&trainer, job, 0, &error);           compiles variant 0
 *   while (!graft_trainer_is_done(trainer))
 *       graft_trainer_step(trainer, &step, &error);
 *   graft_trainer_evaluate(trainer, GRAFT_TEST, &scores, &error);
 *   graft_trainer_save(trainer, "model", &error);
 *
 *   graft_model_open(&model, "model", NULL, &error);
 *   graft_model_predict(model, texts, count, logits, probabilities, &error);
 *
 * This is the only header: it needs nothing but the C library, and C++ takes it, too.
 * Link with -lgraft; `pkg-config graft` knows the flags.
 *
 * Every function that can fail returns GRAFT_OK or the number of its kind of error (103
 * is what the command prints as GF0103; `graft explain GF0103` has its meaning), and fills
 * `error`, which may be NULL, with what was found where.  Nothing is printed, nothing
 * ends the process.  What an ..._open could not open is NULL, and nothing needs closing;
 * closing NULL is harmless.
 *
 * Pointers are not NULL but where a comment says what that means; a figure that nobody wants
 * (graft_step, graft_result) may be NULL.
 *
 * An object is used by one thread at a time; different jobs and models may be used by
 * different threads.  Strings that are returned belong to their object.  A trainer is
 * closed before its job.
 */
#ifndef GRAFT_H
#define GRAFT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef GRAFT_API
#if defined __GNUC__
#define GRAFT_API __attribute__((visibility("default")))
#else
#define GRAFT_API
#endif
#endif

enum { GRAFT_OK = 0 };

/* What went wrong. */
typedef struct graft_error {
    int code;        /* as returned */
    char text[4096]; /* as the command prints it: place, message, line, note; ends with a newline */
} graft_error;

/* "0.1.0" */
GRAFT_API const char *graft_version(void);

/* ---- jobs: what learns what from which data; the files are those of `graft train` ---- */

typedef struct graft_job graft_job;

/* A key of the job by its dotted path, laid over the file: {"training.learning_rate", "3e-5"}.
 * Relative paths in values are relative to the working directory. */
typedef struct graft_setting {
    const char *key, *value;
} graft_setting;

/* Zero is a good default. */
typedef struct graft_job_options {
    const graft_setting *settings;
    size_t setting_count;
    const char *device; /* "cpu", "cuda", "cuda:1"; NULL: the job's, else a CUDA device if there is one, else cpu */
    unsigned threads;   /* of the CPU; 0: the job's, GRAFT_THREADS, or one a processor */
} graft_job_options;

/* Read JOB.json, or NAME.gfc that `graft compile` or graft_compile wrote, with the model,
 * the checkpoint and the data that it names, and open the device.  Nothing is written. */
GRAFT_API int graft_job_open(graft_job **job, const char *path, const graft_job_options *options, graft_error *error);
GRAFT_API void graft_job_close(graft_job *job);

/* The runs of the job: one a variant, or one for each seed and setting of it. */
GRAFT_API size_t graft_job_variant_count(const graft_job *job);
GRAFT_API const char *graft_job_variant_name(const graft_job *job, size_t variant); /* NULL: there is none */

/* The classes, in the order of the logits; none for a regression. */
GRAFT_API size_t graft_job_class_count(const graft_job *job);
GRAFT_API const char *graft_job_class_name(const graft_job *job, size_t label); /* NULL: there is none */

/* Compile all variants of JOB.json for a target ("cpu", "cpu:x86-64-v3", "cuda:sm_90a")
 * into one file, which is run without LLVM and NVRTC. */
GRAFT_API int graft_compile(const char *path, const graft_job_options *options, const char *target, const char *output,
                            graft_error *error);

/* ---- figures ---- */

typedef enum graft_split { GRAFT_TRAIN, GRAFT_VALIDATION, GRAFT_TEST } graft_split;

/* An optimizer step. */
typedef struct graft_step {
    int64_t step, max_steps;  /* step counts from 1 */
    double epoch;             /* epochs done, with a fraction */
    double loss;              /* mean over the examples, before the update */
    double grad_norm;         /* before clipping */
    double learning_rate;     /* of this step */
    int64_t examples, tokens; /* of this step; no token is padding */
    double seconds;
} graft_step;

/* A figure by the name that it has in the Trainer's log, without "eval_": "f1". */
typedef struct graft_metric {
    const char *name;
    double value;
} graft_metric;

enum { GRAFT_METRICS_MAX = 16 };

typedef struct graft_scores {
    double loss; /* mean over the examples, in nats; of a regression the mean squared error */
    int64_t examples, tokens;
    double seconds;
    size_t metric_count; /* of classes: accuracy, f1, precision, recall ...; of values: mse, pearson ... */
    graft_metric metrics[GRAFT_METRICS_MAX];
} graft_scores;

/* The metric of that name; NaN: there is none. */
GRAFT_API double graft_scores_metric(const graft_scores *scores, const char *name);

/* ---- a whole run, as `graft train` does it ---- */

typedef enum graft_begin {
    GRAFT_BEGIN_NEW,       /* an earlier run in output_dir/<variant> is an error */
    GRAFT_BEGIN_OVERWRITE, /* it is removed */
    GRAFT_BEGIN_RESUME     /* it goes on from its newest checkpoint, to the same bits; what is finished stays */
} graft_begin;

/* Zero is a good default. */
typedef struct graft_train_options {
    graft_begin begin;
    const char *checkpoint;                 /* with GRAFT_BEGIN_RESUME: this one instead */
    const volatile sig_atomic_t *interrupt; /* becomes nonzero: the step ends, a checkpoint is written; NULL: never */
    void *self;                             /* for the following, each of which may be NULL */
    void (*on_step)(void *self, const graft_step *step);
    /* The end of an epoch, or an evaluation within; scores NULL: nothing was evaluated. */
    void (*on_epoch)(void *self, double epoch, double train_loss, const graft_scores *scores);
} graft_train_options;

typedef struct graft_result {
    const char *folder; /* where the model is */
    int64_t steps;
    double epochs;
    double train_loss;   /* mean over the steps */
    bool interrupted;    /* saved in the midst; GRAFT_BEGIN_RESUME goes on */
    bool evaluated;      /* on the test split, else the validation split */
    graft_scores scores; /* of that */
} graft_result;

/* Train with evaluation, early stopping, checkpoints and the best model as the job says,
 * save to output_dir/<variant>, evaluate.  options NULL: the defaults. */
GRAFT_API int graft_job_train(graft_job *job, size_t variant, const graft_train_options *options, graft_result *result,
                              graft_error *error);

/* ---- a variant, step by step ---- */

typedef struct graft_trainer graft_trainer;

/* Compile a variant and fill in its weights.  Nothing is written but by the calls below. */
GRAFT_API int graft_trainer_open(graft_trainer **trainer, graft_job *job, size_t variant, graft_error *error);
GRAFT_API void graft_trainer_close(graft_trainer *trainer);

/* Parameters that train, and all. */
GRAFT_API void graft_trainer_parameters(const graft_trainer *trainer, int64_t *trainable, int64_t *all);

/* One optimizer step on the next batches of the job's training data.
 * Errors: a loss or gradient norm that is not finite; all steps are done. */
GRAFT_API int graft_trainer_step(graft_trainer *trainer, graft_step *step, graft_error *error);
GRAFT_API bool graft_trainer_is_done(const graft_trainer *trainer); /* all steps that the job asks for */

/* The model as it stands, on a split of the job. */
GRAFT_API int graft_trainer_evaluate(graft_trainer *trainer, graft_split split, graft_scores *scores,
                                     graft_error *error);

/* The model as it stands, for graft_model_open, transformers' and peft's from_pretrained.
 * A model that is in the folder is replaced. */
GRAFT_API int graft_trainer_save(graft_trainer *trainer, const char *folder, graft_error *error);

/* Write FOLDER/checkpoint-<step>, which graft_trainer_resume takes to go on to the same bits. */
GRAFT_API int graft_trainer_checkpoint(graft_trainer *trainer, const char *folder, graft_error *error);
GRAFT_API int graft_trainer_resume(graft_trainer *trainer, const char *checkpoint, graft_error *error);

/* ---- a saved model ---- */

typedef struct graft_model graft_model;

typedef enum graft_problem { GRAFT_SINGLE_LABEL, GRAFT_MULTI_LABEL, GRAFT_REGRESSION } graft_problem;

/* Zero is a good default. */
typedef struct graft_model_options {
    const char *device; /* as of a job */
    unsigned threads;
    const char *base;  /* of an adapter; NULL: the one it names */
    size_t batch_size; /* texts a batch at most; 0: 32 */
} graft_model_options;

/* Open the folder that a training, or transformers' or peft's save_pretrained, has written,
 * and compile its forward graph. */
GRAFT_API int graft_model_open(graft_model **model, const char *folder, const graft_model_options *options,
                               graft_error *error);
GRAFT_API void graft_model_close(graft_model *model);

GRAFT_API graft_problem graft_model_problem(const graft_model *model);
GRAFT_API size_t graft_model_output_count(const graft_model *model); /* classes, or values */
GRAFT_API const char *graft_model_output_name(const graft_model *model, size_t output);

/* A text of UTF-8, or a pair of texts. */
typedef struct graft_text {
    const char *text;
    const char *pair; /* NULL: none */
} graft_text;

/* Logits of texts, in their order; they run in batches of like length.
 *
 *   logits         out: f32[count, outputs]
 *   probabilities  out: f32[count, outputs], of single labels by softmax, of several by sigmoid;
 *                  of a regression the values; NULL: not wanted
 *
 * Texts are cut to the model's longest; bytes that are not UTF-8 are left out.
 * Errors: a pair for a model without token types; a logit that is not a number. */
GRAFT_API int graft_model_predict(graft_model *model, const graft_text *texts, size_t count, float *logits,
                                  float *probabilities, graft_error *error);

#ifdef __cplusplus
}
#endif

#endif
