/* batch.c -- see batch.h. */
#include "runtime/data/batch.h"

#include "ir/random.h"

#include <assert.h>
#include <string.h>

static GfStatus check_sizes(const GfBatcher *b, GfDiags *diags)
{
    if (b->batch_size == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the batch size must be at least 1");
    if (b->dataset->examples > UINT32_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "%zu examples are too many", b->dataset->examples);
    if (b->max_tokens > INT32_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "a batch of %zu examples could have %zu tokens, more than %d",
                       b->batch_size, b->max_tokens, INT32_MAX);
    return GF_OK;
}

GfStatus gf_batch_init(GfBatch *batch, GfArena *arena, size_t tokens, size_t seqs, GfDiags *diags)
{
    *batch = (GfBatch){
        .ids = GF_NEW_ARRAY(arena, int32_t, tokens),
        .positions = GF_NEW_ARRAY(arena, int32_t, tokens),
        .types = GF_NEW_ARRAY(arena, int32_t, tokens),
        .starts = GF_NEW_ARRAY(arena, int32_t, seqs),
        .lengths = GF_NEW_ARRAY(arena, int32_t, seqs),
    };
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus new_batch(GfBatcher *b, GfArena *arena, GfDiags *diags)
{
    const GfDataset *d = b->dataset;

    GF_TRY(gf_batch_init(&b->batch, arena, b->max_tokens, b->max_seqs, diags));
    b->batch.labels = GF_NEW_ARRAY(arena, int32_t, b->max_seqs);
    b->batch.targets = d->targets ? GF_NEW_ARRAY(arena, float, b->max_seqs * d->classes) : NULL;
    b->batch.weights = GF_NEW_ARRAY(arena, float, b->max_seqs);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_batcher_init(GfBatcher *b, GfArena *arena, const GfDataset *dataset, size_t batch_size, GfDiags *diags)
{
    *b = (GfBatcher){
        .dataset = dataset,
        .batch_size = batch_size,
        .max_tokens = gf_dataset_max_tokens(dataset, batch_size),
        .max_seqs = batch_size < dataset->examples ? batch_size : dataset->examples,
    };
    GF_TRY(check_sizes(b, diags));
    b->batches = (dataset->examples - 1) / batch_size + 1;
    b->order = GF_NEW_ARRAY(arena, uint32_t, dataset->examples);
    GF_TRY(new_batch(b, arena, diags));
    gf_batcher_start(b);
    return GF_OK;
}

void gf_batcher_start(GfBatcher *b)
{
    for (size_t i = 0; i < b->dataset->examples; i++)
        b->order[i] = (uint32_t)i;
    b->next = 0;
}

/* Uniform in [0, n), n > 0: the high half of a product, rejecting the values that
 * would favour some results.  Source: Lemire, arXiv:1805.10941. */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
    uint32_t reject = (uint32_t)-n % n; /* 2^32 mod n */
    uint64_t product;

    do
        product = (gf_random_next(state) >> 32) * n;
    while ((uint32_t)product < reject);
    return (uint32_t)(product >> 32);
}

/* Fisher and Yates' shuffle, always from the identity. */
void gf_batcher_start_shuffled(GfBatcher *b, uint64_t seed, uint64_t epoch)
{
    uint64_t state = seed;

    state = gf_random_next(&state) + epoch; /* mixed first: (seed, epoch + 1) is not (seed + 1, epoch) */
    state = gf_random_next(&state);
    gf_batcher_start(b);
    for (size_t i = b->dataset->examples - 1; i > 0; i--) {
        size_t j = random_below(&state, (uint32_t)i + 1);
        uint32_t moved = b->order[i];
        b->order[i] = b->order[j];
        b->order[j] = moved;
    }
}

void gf_batcher_seek(GfBatcher *b, size_t batch)
{
    assert(batch <= b->batches);
    b->next = batch;
}

void gf_batch_add(GfBatch *batch, const int32_t *ids, size_t length, size_t first)
{
    size_t row = (size_t)batch->tokens;

    memcpy(batch->ids + row, ids, length * sizeof *batch->ids);
    for (size_t i = 0; i < length; i++) {
        batch->positions[row + i] = (int32_t)i;
        batch->types[row + i] = i >= first;
    }
    batch->starts[batch->seqs] = (int32_t)row;
    batch->lengths[batch->seqs] = (int32_t)length;
    batch->tokens += (int32_t)length;
    batch->seqs++;
}

void gf_batch_add_example(GfBatch *batch, const GfDataset *d, size_t example)
{
    size_t begin = d->offsets[example], length = d->offsets[example + 1] - begin;

    gf_batch_add(batch, d->ids + begin, length, d->firsts ? (size_t)d->firsts[example] : length);
}

static float weight_of(const GfDataset *d, size_t example)
{
    return d->class_weights && d->labels ? d->class_weights[d->labels[example]] : 1;
}

static void pack(GfBatch *batch, const GfDataset *d, size_t example)
{
    int32_t seq = batch->seqs;

    gf_batch_add_example(batch, d, example);
    if (d->labels)
        batch->labels[seq] = d->labels[example];
    if (d->targets)
        memcpy(batch->targets + (size_t)seq * d->classes, d->targets + example * d->classes,
               d->classes * sizeof *batch->targets);
    batch->weights[seq] = weight_of(d, example);
    batch->weight += (double)batch->weights[seq];
}

/* Weights of mean 1: the mean of the weighed losses is then their weighted mean. */
static void level(GfBatch *batch)
{
    double scale = batch->weight > 0 ? batch->seqs / batch->weight : 0;

    for (int32_t i = 0; i < batch->seqs; i++)
        batch->weights[i] = (float)(batch->weights[i] * scale);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

double gf_batcher_weight(const GfBatcher *b, size_t first, size_t count)
{
    const GfDataset *d = b->dataset;
    size_t begin = least(first * b->batch_size, d->examples), end = least((first + count) * b->batch_size, d->examples);
    double sum = 0;

    if (!d->class_weights || !d->labels)
        return (double)(end - begin);
    for (size_t i = begin; i < end; i++)
        sum += (double)weight_of(d, b->order[i]);
    return sum;
}

const GfBatch *gf_batcher_next(GfBatcher *b)
{
    if (b->next >= b->batches)
        return NULL;
    size_t first = b->next++ * b->batch_size;
    size_t count = least(b->dataset->examples - first, b->batch_size);

    b->batch.tokens = b->batch.seqs = 0;
    b->batch.examples = b->order + first;
    b->batch.weight = 0;
    for (size_t i = 0; i < count; i++)
        pack(&b->batch, b->dataset, b->order[first + i]);
    level(&b->batch);
    return &b->batch;
}
