/* run.h -- the folder of a trained model, which `graft eval` reads.
 *
 *   model.safetensors       every parameter of the graph, adapters included, f32
 *   config.json             sizes and classes, as transformers has them
 *   tokenizer.json or vocab.txt, tokenizer_config.json
 *   trainer_state.json      the log of the training
 *   results.json            scores, settings and machine: results.h
 *   graft.json              what follows, and where the data is
 *   graft-model.json        the graph
 *   graft-variant.json      what trained
 */
#ifndef GF_RUNTIME_TRAIN_RUN_H
#define GF_RUNTIME_TRAIN_RUN_H

#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "runtime/io/hf_config.h"
#include "runtime/train/corpus.h"
#include "runtime/train/history.h"

/* What is saved; all borrowed. */
typedef struct GfRunSave {
    const GfJob *job;
    const GfVariant *variant;
    const GfModel *model;
    const GfHfConfig *config; /* the checkpoint's; NULL: none */
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
    GfJson doc; /* graft.json */
    GfHfConfig config;
    GfModel model;
    GfVariant variant;
    GfTokenizer tokenizer;
    bool has_tokenizer;
    const char *weights;
    size_t max_length;
    GfModelLimits limits;
    GfDataFormat format; /* of the files that it was trained with */
    GfLabels labels;
    double validation_share; /* of train, chosen by `seed`; 0: none */
    int64_t seed;
} GfRun;

/* On error nothing needs closing.  Errors: those of the files. */
GfStatus gf_run_open(GfRun *run, const char *folder, GfDiags *diags);
void gf_run_close(GfRun *run);

/* The examples of a split that the run was trained beside, from where they were.
 * Errors: GF_ERR_VALUE the job had no such split; those of the data set. */
GfStatus gf_run_split(GfRun *run, GfSplit split, GfDataset *dataset, GfDiags *diags);

/* The examples of a file that is written as those of the job; where the job left
 * that to the names of its files, so does this. */
GfStatus gf_run_file(GfRun *run, const char *path, GfDataset *dataset, GfDiags *diags);

#endif
