/* batch.h -- packed batches: sequences side by side, no padding.
 *
 *   example        lengths  starts   ids           positions
 *   [CLS] hi [SEP]    3       0      101 7632 102  0 1 2
 *   [CLS] [SEP]       2       3      101 102       0 1
 *
 * The order of an epoch depends on (seed, epoch) alone, so that training can
 * stop anywhere and go on with the same batches.
 */
#ifndef GF_RUNTIME_DATA_BATCH_H
#define GF_RUNTIME_DATA_BATCH_H

#include "runtime/data/dataset.h"

typedef struct GfBatch {
    int32_t tokens;
    int32_t seqs;
    int32_t *ids;             /* [tokens] */
    int32_t *positions;       /* [tokens] from 0 in each sequence */
    int32_t *types;           /* [tokens] 0, and 1 in the second text of a pair */
    int32_t *starts;          /* [seqs] row of the first token */
    int32_t *lengths;         /* [seqs] */
    int32_t *labels;          /* [seqs] of single-label classification, else all 0 */
    float *targets;           /* [seqs, classes] of the others; NULL */
    float *weights;           /* [seqs] of each example's loss, of mean 1 within the batch (or all 0) */
    double weight;            /* the sum before that: seqs, where no class has a weight */
    const uint32_t *examples; /* [seqs] which of the data set they are; NULL: of none */
} GfBatch;

/* Room for so many tokens and sequences, in `arena`; labels, targets and weights are
 * NULL.  Errors: GF_ERR_MEMORY. */
GfStatus gf_batch_init(GfBatch *batch, GfArena *arena, size_t tokens, size_t seqs, GfDiags *diags);

/* Add a sequence, for which there is room; its tokens from number `first` on are of type 1. */
void gf_batch_add(GfBatch *batch, const int32_t *ids, size_t length, size_t first);

/* Add the tokens of an example, for which there is room; nothing but them. */
void gf_batch_add_example(GfBatch *batch, const GfDataset *dataset, size_t example);

typedef struct GfBatcher {
    const GfDataset *dataset; /* borrowed, outlives the batcher */
    size_t batch_size;
    size_t batches;    /* an epoch; the last may be smaller */
    size_t max_tokens; /* rows that the buffers of `batch` have */
    size_t max_seqs;
    size_t next;     /* number of the batch that comes next, from 0 */
    uint32_t *order; /* [examples] */
    GfBatch batch;   /* refilled by gf_batcher_next */
} GfBatcher;

/* Prepare batches of `batch_size` examples, in the order of the data set.
 * Everything is allocated in `arena` here; later calls allocate nothing.
 * Errors: GF_ERR_VALUE batch_size is 0, or a batch could exceed 2^31 - 1 tokens. */
GfStatus gf_batcher_init(GfBatcher *batcher, GfArena *arena, const GfDataset *dataset, size_t batch_size,
                         GfDiags *diags);

/* Begin an epoch: in the order of the data set, or shuffled by (seed, epoch). */
void gf_batcher_start(GfBatcher *batcher);
void gf_batcher_start_shuffled(GfBatcher *batcher, uint64_t seed, uint64_t epoch);

/* Go on within the epoch from batch number `batch` in [0, batches]. */
void gf_batcher_seek(GfBatcher *batcher, size_t batch);

/* The weight of `count` batches from number `first` on, in the order of the epoch. */
double gf_batcher_weight(const GfBatcher *batcher, size_t first, size_t count);

/* The next batch, valid until the next call; NULL at the end of the epoch. */
const GfBatch *gf_batcher_next(GfBatcher *batcher);

#endif
