/* run.h -- the folder of a trained model: what `graft train` writes, and what
 * `graft eval` and `graft export` read.
 *
 *   model.safetensors       every parameter, f32; or, for a LoRA variant, an adapter of PEFT:
 *   adapter_config.json, adapter_model.safetensors
 *   base/                   the adapter's base, where no checkpoint is it (model_save.h)
 *   config.json             sizes and classes, as transformers has them
 *   tokenizer.json or vocab.txt, tokenizer_config.json
 *   trainer_state.json      the log of the training
 *   results.json            scores, settings and machine: results.h
 *   graft.json              what follows, and where the data is
 *   graft-model.json        the graph
 *   graft-variant.json      what trained
 *
 * A folder without graft.json is one that transformers or peft has written: its
 * graph is that of its model_type, its classes are config.json's, and it has no data.
 */
#ifndef GF_RUNTIME_TRAIN_RUN_H
#define GF_RUNTIME_TRAIN_RUN_H

#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "runtime/io/hf_config.h"
#include "runtime/io/pretrained.h"
#include "runtime/train/corpus.h"
#include "runtime/train/history.h"

/* What is saved; all borrowed. */
typedef struct GfRunSave {
    const GfJob *job;
    const GfVariant *variant;
    const GfModel *model;
    const GfHfConfig *config; /* the checkpoint's; NULL: none */
    const char *base;         /* the checkpoint's folder, an adapter's base; NULL: none */
    const char *home;         /* where the folder will stand; NULL: where it is written */
    const GfCorpus *corpus;
    GfStore *store;
    const GfHistory *history;
    GfTrainer *trainer;
} GfRunSave;

/* Write all files; folders on the way are made.  Each file is replaced all at once. */
GfStatus gf_run_save(const char *folder, const GfRunSave *what, GfDiags *diags);

/* A saved run, ready to be evaluated. */
typedef struct GfRun {
    GfArena arena;
    bool own;   /* `graft train` has written it */
    GfJson doc; /* graft.json; empty when it is not there */
    GfPretrained pretrained;
    GfHfConfig config;
    GfModel model;
    GfVariant variant;
    GfTokenizer tokenizer;
    bool has_tokenizer;
    size_t max_length;
    GfModelLimits limits;
    GfDataFormat format; /* of the files that it was trained with */
    GfLabels labels;
    double validation_share; /* of train, chosen by `seed`; 0: none */
    int64_t seed;
} GfRun;

typedef struct GfRunOptions {
    const char *base;  /* an adapter's base; NULL: as it says itself (pretrained.h) */
    const char *model; /* a model file; NULL: the run's own, or graft's for the model_type */
} GfRunOptions;

/* options: NULL for none.  On error nothing needs closing.  Errors: those of the files. */
GfStatus gf_run_open(GfRun *run, const char *folder, const GfRunOptions *options, GfDiags *diags);
void gf_run_close(GfRun *run);

/* Where the parameters of the run's graph come from; borrows the run. */
GfStoreSource gf_run_source(const GfRun *run);

/* The examples of a split that the run was trained beside, from where they were.
 * Errors: GF_ERR_VALUE the job had no such split; those of the data set. */
GfStatus gf_run_split(GfRun *run, GfSplit split, GfDataset *dataset, GfDiags *diags);

/* The examples of a file that is written as those of the job; where the job left
 * that to the names of its files, so does this. */
GfStatus gf_run_file(GfRun *run, const char *path, GfDataset *dataset, GfDiags *diags);

#endif
