/* corpus.h -- the data of a job: a tokenizer, and the examples of each split. */
#ifndef GF_RUNTIME_TRAIN_CORPUS_H
#define GF_RUNTIME_TRAIN_CORPUS_H

#include "frontend/graph/job.h"
#include "ir/ir.h"
#include "runtime/data/dataset.h"

/* What a model can look up; 0: no limit. */
typedef struct GfModelLimits {
    int64_t ids;       /* rows of the table that input `ids` addresses */
    int64_t positions; /* of the one that input `positions` addresses */
} GfModelLimits;

GfModelLimits gf_model_limits(const GfGraph *graph);

/* Every token has its row.  `path` names the vocabulary in errors; NULL: a generated one.
 * Errors: GF_ERR_TOKENIZER. */
GfStatus gf_limits_check_vocab(const GfModelLimits *limits, const GfTokenizer *tokenizer, const char *path,
                               GfDiags *diags);

typedef enum GfSplit { GF_SPLIT_TRAIN, GF_SPLIT_VALIDATION, GF_SPLIT_TEST, GF_SPLIT_COUNT } GfSplit;

extern const char *const gf_split_names[GF_SPLIT_COUNT]; /* "train", "validation", "test" */

typedef struct GfCorpus {
    GfArena arena; /* of everything below but the tokenizer */
    GfTokenizer tokenizer;
    bool has_tokenizer;
    const char *vocab;                 /* the tokenizer's vocab.txt: a path, or, for generated texts, NULL */
    GfText vocab_text;                 /* its content */
    size_t max_length;                 /* of a text, in tokens */
    GfDataset splits[GF_SPLIT_COUNT];  /* no examples: not given */
    const char *files[GF_SPLIT_COUNT]; /* absolute paths; NULL: not from a file of texts */
    size_t fixed_batch;                /* > 0: train is in batches of this size, in their own order */
} GfCorpus;

/* Load what `job` names; classes are job->data.labels.  On error nothing needs closing.
 * Errors: those of the tokenizer and the data sets, each with its place;
 * GF_ERR_VALUE a max_length that the model has no positions for;
 * GF_ERR_TOKENIZER a vocabulary larger than the model's table. */
GfStatus gf_corpus_load(GfCorpus *corpus, const GfJob *job, const GfModelLimits *limits, GfDiags *diags);
void gf_corpus_close(GfCorpus *corpus);

/* The tokenizer of a vocab.txt, or of the folder that holds one; cased if the
 * folder's tokenizer_config.json says "do_lower_case": false.
 * vocab: out, the path of vocab.txt, in `arena`. */
GfStatus gf_tokenizer_open(GfTokenizer *tokenizer, const char *path, GfArena *arena, const char **vocab,
                           GfDiags *diags);

/* Batches that were tokenized and put together elsewhere:
 *   [{"sequences": [[101, 7592, 102], ...], "labels": [0, ...]}, ...]
 * all of the same number of sequences but for the last.  In `arena`.
 * Errors: GF_ERR_VALUE an id or length that the model has no row for; GF_ERR_DATA, GF_ERR_LABEL. */
GfStatus gf_batches_read(GfDataset *dataset, size_t *batch_size, GfArena *arena, const char *path, size_t classes,
                         const GfModelLimits *limits, GfDiags *diags);

#endif
