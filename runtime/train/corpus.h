/* corpus.h -- the data of a job: its classes, a tokenizer, and the examples of each split.
 *
 *   gf_corpus_open(&c, &job, ...) reads the files: now the classes are known
 *   ...                           and the model can be built
 *   gf_corpus_load(&c, ...)       tokenizes, up to what the model has room for
 *   gf_corpus_close(&c)
 */
#ifndef GF_RUNTIME_TRAIN_CORPUS_H
#define GF_RUNTIME_TRAIN_CORPUS_H

#include "frontend/graph/job.h"
#include "ir/ir.h"
#include "runtime/data/dataset.h"
#include "runtime/data/tokenizer_file.h"

/* What a model can look up, 0: no limit; and what of a batch it reads. */
typedef struct GfModelLimits {
    int64_t ids;       /* rows of the table that input `ids` addresses */
    int64_t positions; /* of the one that input `positions` addresses */
    int64_t types;     /* of the one that input `types` addresses */
    bool targets;      /* the graph has an input `targets` */
    bool weights;      /* the loss is the mean of one loss an example, which can be weighed: passes/weigh_loss.c */
} GfModelLimits;

GfModelLimits gf_model_limits(const GfGraph *graph);

/* Every token has its row.  `path` names the vocabulary in errors; NULL: a generated one.
 * Errors: GF_ERR_TOKENIZER. */
GfStatus gf_limits_check_vocab(const GfModelLimits *limits, const GfTokenizer *tokenizer, const char *path,
                               GfDiags *diags);

/* The model has what `dataset` brings.
 * Errors, at `loc`: GF_ERR_VALUE pairs without types, targets without an input for them, weights
 * where the loss is not the mean over the examples. */
GfStatus gf_limits_check_dataset(const GfModelLimits *limits, const GfDataset *dataset, GfLoc loc, GfDiags *diags);

typedef enum GfSplit { GF_SPLIT_TRAIN, GF_SPLIT_VALIDATION, GF_SPLIT_TEST, GF_SPLIT_COUNT } GfSplit;

extern const char *const gf_split_names[GF_SPLIT_COUNT]; /* "train", "validation", "test" */

typedef struct GfCorpus {
    GfArena arena;    /* of everything below but the tokenizer */
    const GfJob *job; /* borrowed */
    GfLabels labels;  /* the problem, and the names of the classes */
    GfArena texts;    /* of the tables, until they are tokenized */
    GfTable tables[GF_SPLIT_COUNT];
    GfTokenizer tokenizer;
    bool has_tokenizer;
    GfTokenizerFile vocab;             /* what the tokenizer was read from; no path: generated */
    size_t max_length;                 /* of a text, in tokens */
    const float *class_weights;        /* [labels.count]; NULL: all 1 */
    GfDataset splits[GF_SPLIT_COUNT];  /* no examples: not given */
    const char *files[GF_SPLIT_COUNT]; /* absolute paths; NULL: not from a file of texts */
    uint64_t seed;                     /* of the validation share */
    size_t fixed_batch;                /* > 0: train is in batches of this size, in their own order */
} GfCorpus;

/* Read the files that `job` names and settle the classes; `job` outlives the corpus.
 * `problem` is what the labels are; GF_PROBLEM_DERIVED: the data tells.  `known` are classes that a job
 * without names takes, if all labels of its training data are among them; NULL: none.  Their names outlive
 * the corpus.  On error nothing needs closing.
 * Errors: those of gf_table_read and gf_labels_settle, each with its place. */
GfStatus gf_corpus_open(GfCorpus *corpus, const GfJob *job, GfProblem problem, const GfLabels *known, GfDiags *diags);

/* Tokenize everything.  On error the corpus still needs closing.
 *
 *   tokenizer  the folder of the checkpoint's, for a job that names none; NULL: no checkpoint
 *
 * Errors: those of the tokenizer and the data sets, each with its place;
 * GF_ERR_VALUE a max_length that the model has no positions for, class weights
 * that do not fit the classes, what gf_limits_check_dataset finds;
 * GF_ERR_TOKENIZER a vocabulary larger than the model's table. */
GfStatus gf_corpus_load(GfCorpus *corpus, const char *tokenizer, const GfModelLimits *limits, GfDiags *diags);
void gf_corpus_close(GfCorpus *corpus);

/* The weight of each class in the loss, in `arena`, as `node` of a job or a record
 * says: "balanced", a list, or an object by name; NULL for NULL.
 * Errors: GF_ERR_VALUE, GF_ERR_NAME, at the node; GF_ERR_DATA a class without examples. */
GfStatus gf_class_weights(const float **weights, GfArena *arena, const GfJson *doc, const cJSON *node,
                          const GfLabels *labels, const GfDataset *train, GfDiags *diags);

/* Batches that were tokenized and put together elsewhere:
 *   [{"sequences": [[101, 7592, 102], ...], "labels": [0, ...]}, ...]
 * all of the same number of sequences but for the last.  In `arena`.
 * Errors: GF_ERR_VALUE an id or length that the model has no row for; GF_ERR_DATA, GF_ERR_LABEL. */
GfStatus gf_batches_read(GfDataset *dataset, size_t *batch_size, GfArena *arena, const char *path, size_t classes,
                         const GfModelLimits *limits, GfDiags *diags);

#endif
