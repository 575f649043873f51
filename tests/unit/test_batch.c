/* test_batch.c -- shuffling and packing.  The checkers are tried on planted
 * errors too, so that their silence means something. */
#include "runtime/data/batch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EXAMPLES = 103, BATCH = 8, CLASSES = 5 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfDataset dataset;
    GfBatcher batcher;
} Fixture;

/* Lengths 1 to 17; every id tells its example and place. */
static int32_t id_of(size_t example, size_t place)
{
    return (int32_t)(example * 100 + place);
}

static GfStatus make_dataset(Fixture *f)
{
    static int32_t ids[EXAMPLES * 17], labels[EXAMPLES];
    static size_t lengths[EXAMPLES];
    size_t tokens = 0;

    for (size_t i = 0; i < EXAMPLES; i++) {
        lengths[i] = 1 + i * 7 % 17;
        labels[i] = (int32_t)(i * 3 % CLASSES);
        for (size_t k = 0; k < lengths[i]; k++)
            ids[tokens++] = id_of(i, k);
    }
    GfSequences s = {.examples = EXAMPLES, .ids = ids, .lengths = lengths, .labels = labels, .class_count = CLASSES};
    return gf_dataset_from_sequences(&f->dataset, &f->arena, &s, &f->diags);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    *state = f;
    if (make_dataset(f) != GF_OK)
        return 1;
    return gf_batcher_init(&f->batcher, &f->arena, &f->dataset, BATCH, &f->diags) != GF_OK;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static bool is_permutation(const uint32_t *order, size_t count)
{
    bool seen[EXAMPLES] = {false};

    for (size_t i = 0; i < count; i++) {
        if (order[i] >= count || seen[order[i]])
            return false;
        seen[order[i]] = true;
    }
    return true;
}

static bool sequence_is_right(const GfBatch *b, const GfDataset *d, size_t seq, size_t example)
{
    size_t start = (size_t)b->starts[seq], length = d->offsets[example + 1] - d->offsets[example];

    if ((size_t)b->lengths[seq] != length || b->labels[seq] != d->labels[example])
        return false;
    for (size_t k = 0; k < length; k++)
        if (b->ids[start + k] != id_of(example, k) || b->positions[start + k] != (int32_t)k || b->types[start + k])
            return false;
    return true;
}

/* Does the batch hold exactly these examples, one after the other, without gaps? */
static bool batch_is_right(const GfBatch *b, const GfDataset *d, const uint32_t *order, size_t count)
{
    int32_t row = 0;

    if ((size_t)b->seqs != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (b->starts[i] != row || !sequence_is_right(b, d, i, order[i]))
            return false;
        row += b->lengths[i];
    }
    return b->tokens == row;
}

static bool epoch_is_right(GfBatcher *b)
{
    const GfBatch *batch;
    size_t given = 0;

    while ((batch = gf_batcher_next(b)) != NULL) {
        size_t rest = b->dataset->examples - given, count = rest < b->batch_size ? rest : b->batch_size;
        if (!batch_is_right(batch, b->dataset, b->order + given, count) || (size_t)batch->tokens > b->max_tokens)
            return false;
        given += count;
    }
    return given == b->dataset->examples;
}

static void test_sequential(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    assert_int_equal(b->batches, 13);
    for (int epoch = 0; epoch < 2; epoch++) {
        gf_batcher_start(b);
        for (size_t i = 0; i < EXAMPLES; i++)
            assert_int_equal(b->order[i], i);
        assert_true(epoch_is_right(b));
        assert_null(gf_batcher_next(b));
    }
    gf_batcher_seek(b, 12);
    assert_int_equal(gf_batcher_next(b)->seqs, EXAMPLES % BATCH); /* the last one is smaller */
}

static void test_shuffled(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        gf_batcher_start_shuffled(b, 42, epoch);
        assert_true(is_permutation(b->order, EXAMPLES));
        assert_true(epoch_is_right(b));
    }
}

static void keep_order(GfBatcher *b, uint64_t seed, uint64_t epoch, uint32_t order[EXAMPLES])
{
    gf_batcher_start_shuffled(b, seed, epoch);
    memcpy(order, b->order, EXAMPLES * sizeof *order);
}

static void test_order_depends_on_seed_and_epoch(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    uint32_t first[EXAMPLES], other[EXAMPLES];

    keep_order(b, 42, 3, first);
    keep_order(b, 42, 4, other);
    assert_memory_not_equal(first, other, sizeof first);
    keep_order(b, 43, 3, other);
    assert_memory_not_equal(first, other, sizeof first);
    keep_order(b, 43, 2, other);
    assert_memory_not_equal(first, other, sizeof first);
    keep_order(b, 42, 3, other); /* whatever came before */
    assert_memory_equal(first, other, sizeof first);
}

/* The order is part of what a checkpoint promises: it may never change. */
static void test_order_is_fixed(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    static const uint32_t expected[] = {71, 44, 35, 4, 12, 34, 25, 19, 97, 24, 29, 59};
    gf_batcher_start_shuffled(b, 42, 0);
    assert_memory_equal(b->order, expected, sizeof expected);
}

/* Each example lands in each tenth of the epoch about equally often: over
 * 2000 epochs a count has mean 200 and standard deviation 13.4; 6 of them. */
static void test_shuffle_is_even(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    int counts[10] = {0};

    for (uint64_t epoch = 0; epoch < 2000; epoch++) {
        gf_batcher_start_shuffled(b, 7, epoch);
        for (size_t i = 0; i < 100; i++)
            if (b->order[i] == 0)
                counts[i / 10]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 194 - 80, 194 + 80);
}

/* Each example weighs as its class does: weights of mean 1 in every batch, in this relation;
 * the sums are what gf_batcher_weight says of them. */
static void test_weights(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    static const float weights[CLASSES] = {1, 3, 1, 2, 0.5f};
    GfDataset weighed = *b->dataset;
    const GfBatch *batch;
    double all = 0;

    assert_true(gf_batcher_weight(b, 0, b->batches) == EXAMPLES);
    weighed.class_weights = weights;
    b->dataset = &weighed;
    gf_batcher_start_shuffled(b, 5, 0);
    for (size_t k = 0; (batch = gf_batcher_next(b)) != NULL; k++) {
        double sum = 0, given = 0;
        for (int32_t i = 0; i < batch->seqs; i++) {
            double weight = (double)weights[batch->labels[i]];
            sum += weight;
            given += (double)batch->weights[i];
            assert_true(fabs(batch->weights[i] * batch->weight - weight * batch->seqs) < 1e-5 * batch->weight);
        }
        assert_true(batch->weight == sum && gf_batcher_weight(b, k, 1) == sum);
        assert_true(fabs(given - batch->seqs) < 1e-5 * batch->seqs);
        all += sum;
    }
    assert_true(gf_batcher_weight(b, 0, b->batches) == all && all > EXAMPLES);
}

/* A batch without weight has weights of 0, not 0 / 0. */
static void test_no_weight_at_all(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    static const float weights[CLASSES] = {0};
    GfDataset weighed = *b->dataset;

    weighed.class_weights = weights;
    b->dataset = &weighed;
    gf_batcher_start(b);
    const GfBatch *batch = gf_batcher_next(b);
    assert_true(batch->weight == 0 && batch->weights[0] == 0);
}

static void test_seek(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    gf_batcher_start_shuffled(b, 1, 1);
    for (int i = 0; i < 5; i++)
        gf_batcher_next(b);
    assert_int_equal(b->next, 5);

    gf_batcher_start_shuffled(b, 1, 1);
    gf_batcher_seek(b, 5);
    assert_true(batch_is_right(gf_batcher_next(b), b->dataset, b->order + 5 * BATCH, BATCH));
    gf_batcher_seek(b, b->batches);
    assert_null(gf_batcher_next(b));
}

/* Plant one error, see the checker refuse it, take it back. */
static void plant(const GfBatcher *b, int32_t *place)
{
    *place += 1;
    assert_false(batch_is_right(&b->batch, b->dataset, b->order, BATCH));
    *place -= 1;
    assert_true(batch_is_right(&b->batch, b->dataset, b->order, BATCH));
}

static void test_planted_errors(void **state)
{
    GfBatcher *b = &((Fixture *)*state)->batcher;
    uint32_t order[] = {0, 2, 2}, large[] = {0, 1, 3};

    gf_batcher_start_shuffled(b, 5, 0);
    GfBatch *batch = &b->batch;
    assert_ptr_equal(gf_batcher_next(b), batch);
    plant(b, &batch->tokens);
    plant(b, &batch->seqs);
    plant(b, &batch->ids[batch->tokens - 1]);
    plant(b, &batch->positions[3]);
    plant(b, &batch->types[0]);
    plant(b, &batch->starts[BATCH - 1]);
    plant(b, &batch->lengths[2]);
    plant(b, &batch->labels[4]);
    assert_false(is_permutation(order, 3));
    assert_false(is_permutation(large, 3));
}

static void test_bounds(void **state)
{
    Fixture *f = *state;
    GfBatcher b;

    assert_int_equal(gf_batcher_init(&b, &f->arena, &f->dataset, 0, &f->diags), GF_ERR_VALUE);
    assert_string_equal(f->diags.last->message, "the batch size must be at least 1");
    assert_int_equal(gf_batcher_init(&b, &f->arena, &f->dataset, 1000, &f->diags), GF_OK);
    assert_int_equal(b.batches, 1);
    assert_int_equal(b.max_seqs, EXAMPLES);
    assert_int_equal(b.max_tokens, f->dataset.tokens);
    assert_true(epoch_is_right(&b));
    assert_int_equal(gf_batcher_init(&b, &f->arena, &f->dataset, 1, &f->diags), GF_OK);
    assert_int_equal(b.max_tokens, 17);
    gf_batcher_start_shuffled(&b, 9, 9);
    assert_true(epoch_is_right(&b));
}

static void test_single_example(void **state)
{
    Fixture *f = *state;
    GfBatcher b;
    GfDataset d;
    GfSequences s = {
        .examples = 1, .ids = (int32_t[]){0, 1}, .lengths = (size_t[]){2}, .labels = (int32_t[]){0}, .class_count = 1};

    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_OK);
    assert_int_equal(gf_batcher_init(&b, &f->arena, &d, 32, &f->diags), GF_OK);
    gf_batcher_start_shuffled(&b, 1, 2);
    assert_true(epoch_is_right(&b));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_sequential),
        TEST(test_shuffled),
        TEST(test_order_depends_on_seed_and_epoch),
        TEST(test_order_is_fixed),
        TEST(test_shuffle_is_even),
        TEST(test_weights),
        TEST(test_no_weight_at_all),
        TEST(test_seek),
        TEST(test_planted_errors),
        TEST(test_bounds),
        TEST(test_single_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
