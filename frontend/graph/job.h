/* job.h -- a job file: which model learns what from which data, and how.
 *
 *   {
 *     "job": "emotion",                        its name; the file's by default
 *     "model": "../bert.json",
 *     "checkpoint": "bert-base-uncased",       a folder, of a model or of a PEFT adapter; absent: weights are
 *                                              drawn from the seed
 *     "base": "bert-base-uncased",             an adapter's base; absent: the one it names
 *     "tokenizer": "vocab.txt",                a file or folder; absent: the checkpoint's folder
 *     "config": {"hidden_dropout_prob": 0},    laid over the model's config
 *     "data": {
 *       "dir": "emotion", "train": "train.csv", "validation": "validation.csv", "test": "test.csv",
 *       "columns": {"text": "sentence", "label": "mood"},     data_format.h
 *       "labels": ["sadness", "joy"], "class_weights": "balanced", "max_length": 512
 *     },
 *     "variants": ["../variants/full.json", {"file": "../variants/lora.json", "training": {"learning_rate": 5e-4}}],
 *     "training": {...},                       training.h
 *     "seeds": [1, 2, 3],                      runs of each variant, see job_grid.h; the comparison
 *                                              gives their mean and standard deviation
 *     "device": "cuda:0", "threads": 2         absent: a CUDA device if there is one, else the CPU
 *   }
 *
 * "labels" lists the classes in the order of their ids; absent: they are those of the
 * checkpoint, if it has names for them and the training data has no others; else they
 * have the order in which the training data first shows them, or, if they are exactly
 * the numbers 0 to n - 1, that of the numbers.  "class_weights" weighs the loss of an
 * example by its class: a list in the order of the labels, an object by name, or
 * "balanced", examples / (classes * examples of the class).  "validation_share": 0.1
 * sets a part of the training data aside, chosen by data_seed, else seed, and rounded.
 *
 * Instead of files, "data": {"generate": {"seed": 7, "train": 2000, "validation": 400,
 * "test": 400, "labels": 6}} has text made from a seed.
 *
 * "batches": "FILE.json" in place of "train" has batches that were tokenized and
 * put together elsewhere, in their order: [{"sequences": [[101, 7592, 102], ...],
 * "labels": [0, ...]}, ...]; batch sizes are the file's.
 *
 * Relative paths are relative to the file that holds them, those from `--set`
 * and output folders to the working directory.  Training arguments: those of
 * the job, then the variant file's, then the variant's in the job, then `--set
 * training.KEY=...`; the last one wins.
 */
#ifndef GF_FRONTEND_GRAPH_JOB_H
#define GF_FRONTEND_GRAPH_JOB_H

#include "frontend/graph/data_format.h"
#include "frontend/graph/training.h"
#include "frontend/graph/variant.h"

enum { GF_JOB_LABELS_MAX = 4096, GF_JOB_VARIANTS_MAX = 64 };

/* Text made from a seed instead of files; counts are examples. */
typedef struct GfJobGenerate {
    bool given;
    int64_t seed, train, validation, test;
} GfJobGenerate;

typedef struct GfJobData {
    const char *train, *validation, *test; /* files; NULL: not given (train is, without `generate`) */
    const char *batches;                   /* a file; NULL: not given */
    GfDataFormat format;
    GfProblem problem;          /* GF_PROBLEM_DERIVED: the data tells */
    const char **labels;        /* names of the classes, in order */
    size_t label_count;         /* 0: the data tells */
    const cJSON *class_weights; /* "balanced", a list or an object, in the job; NULL: all 1 */
    double validation_share;    /* of train, in (0, 1); 0: none */
    int64_t max_length;         /* tokens of a text at most; 0: as many as the model has positions for */
    GfJobGenerate generate;
} GfJobData;

/* A run of a variant. */
typedef struct GfJobVariant {
    const char *name;  /* of its folder: "lora", "lora-learning_rate=5e-05-seed=2" */
    const char *group; /* the same without the seed: runs to be averaged share it, and `item` */
    const cJSON *item; /* of the list of variants */
    GfVariant variant;
    GfTraining training;       /* the job's with the variant's laid over it */
    bool weighted;             /* the data's classes have weights in the loss */
    const cJSON *own_training; /* "training" of its item in the job's list, in the job's document; NULL: none */
} GfJobVariant;

/* A job with all that it names but checkpoint and data, as texts: see job_pack.h. */
typedef struct GfJobPack GfJobPack;

typedef struct GfJob {
    GfArena arena; /* of the lists and paths */
    GfJson doc;
    GfJson sets;           /* what `--set` gave, as an object */
    const GfJobPack *pack; /* borrowed: the model and the variants are there; NULL: they are files */
    const char *path;
    const char *name, *about;
    const char *model;
    const char *checkpoint; /* NULL: weights are drawn from the seed */
    const char *base;       /* of a checkpoint that is an adapter; NULL: as it says itself */
    const char *tokenizer;  /* NULL: the checkpoint's */
    const cJSON *config;    /* in doc, or NULL: a source of gf_model_load */
    GfJobData data;
    GfTraining training;    /* the job's own */
    GfJobVariant *variants; /* their runs, one each where nothing is a list */
    size_t variant_count;
    const char *device; /* "cpu", "cuda", "cuda:1"; NULL: not given */
    int64_t threads;    /* 0: one a core */
} GfJob;

/* Read a job and its variants, after `sets` were laid over it.  The key
 * `variants` may be set to names of the job's variants or to files, separated by
 * commas.  On error nothing needs closing (closing is harmless).
 *
 * Errors: GF_ERR_IO, GF_ERR_SYNTAX, GF_ERR_KEY, GF_ERR_VALUE, GF_ERR_NAME, each
 * with its place in the job, a variant or a --set. */
GfStatus gf_job_load(GfJob *job, const char *path, const GfSet *sets, size_t set_count, GfDiags *diags);
GfStatus gf_job_load_text(GfJob *job, const char *name, const char *text, size_t length, const GfSet *sets,
                          size_t set_count, GfDiags *diags);
/* The same from a pack, which outlives the job.  Paths in it are relative to the
 * folder of pack->path. */
GfStatus gf_job_load_pack(GfJob *job, const GfJobPack *pack, const GfSet *sets, size_t set_count, GfDiags *diags);

void gf_job_close(GfJob *job);

/* The model and the data that a job names can be read; its variants already were.
 * Errors: GF_ERR_IO, at the key. */
GfStatus gf_job_check_files(const GfJob *job, GfDiags *diags);

#endif
