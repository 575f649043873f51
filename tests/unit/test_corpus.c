/* test_corpus.c -- the data of a job: batches from files, limits of a model. */
#include "runtime/train/corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char path[64];
    GfDataset data;
    size_t batch_size;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    snprintf(f->path, sizeof f->path, "/tmp/graft-test-corpus-%ld.json", (long)getpid());
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    unlink(f->path);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static GfStatus read_batches(Fixture *f, const char *text)
{
    static const GfModelLimits limits = {.ids = 100, .positions = 4};
    FILE *file = fopen(f->path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return gf_batches_read(&f->data, &f->batch_size, &f->arena, f->path, 3, &limits, &f->diags);
}

static void reads_batches(void **state)
{
    Fixture *f = *state;

    assert_int_equal(read_batches(f, "[{\"sequences\": [[1, 2], [3, 4, 5]], \"labels\": [0, 2]},\n"
                                     " {\"sequences\": [[99]], \"labels\": [1]}]"),
                     GF_OK);
    assert_int_equal(f->batch_size, 2);
    assert_int_equal(f->data.examples, 3);
    assert_int_equal(f->data.tokens, 6);
    assert_int_equal(f->data.ids[5], 99);
    assert_int_equal(f->data.labels[1], 2);
}

static void expect(Fixture *f, const char *text, GfStatus status, const char *message, uint32_t column)
{
    assert_int_equal(read_batches(f, text), status);
    assert_non_null(strstr(f->diags.last->message, message));
    assert_string_equal(f->diags.last->loc.file, f->path);
    assert_int_equal(f->diags.last->loc.column, column);
}

static void refuses_bad_batches(void **state)
{
    Fixture *f = *state;

    expect(f, "{}", GF_ERR_VALUE, "array", 1);
    expect(f, "[]", GF_ERR_DATA, "no batches", 1);
    expect(f, "[{\"labels\": []}]", GF_ERR_KEY, "sequences", 2);
    expect(f, "[{\"sequences\": [[1]], \"labels\": []}]", GF_ERR_DATA, "1 sequences and 0 labels", 2);
    expect(f, "[{\"sequences\": [[]], \"labels\": [0]}]", GF_ERR_DATA, "no tokens", 17);
    expect(f, "[{\"sequences\": [[1, 100]], \"labels\": [0]}]", GF_ERR_VALUE, "from 0 to 99, found 100", 21);
    expect(f, "[{\"sequences\": [[-1]], \"labels\": [0]}]", GF_ERR_VALUE, "found -1", 18);
    expect(f, "[{\"sequences\": [[1,2,3,4,5]], \"labels\": [0]}]", GF_ERR_VALUE, "4 positions", 17);
    expect(f, "[{\"sequences\": [[1]], \"labels\": [3]}]", GF_ERR_VALUE, "a label must be from 0 to 2", 34);
    expect(f, "[{\"sequences\": [[1]], \"labels\": [0]}, {\"sequences\": [[1], [2]], \"labels\": [0, 1]}]", GF_ERR_DATA,
           "a batch of 2 sequences after batches of 1", 39);
}

static void finds_the_tables_of_a_graph(void **state)
{
    static const char text[] = "graph @g(tokens) {\n"
                               "  %ids = input : i32[tokens]\n"
                               "  %positions = input : i32[tokens]\n"
                               "  %w = param \"w\" : f32[30,8]\n"
                               "  %p = param \"p\" : f32[16,8]\n"
                               "  %1 = gather %w, %ids : f32[tokens,8]\n"
                               "  %2 = gather %p, %positions : f32[tokens,8]\n"
                               "  %3 = add %1, %2 : f32[tokens,8]\n"
                               "  return y = %3\n"
                               "}\n";
    Fixture *f = *state;
    GfGraph *g;

    assert_int_equal(gf_graph_parse("g", text, sizeof text - 1, NULL, &g, &f->diags), GF_OK);
    GfModelLimits limits = gf_model_limits(g);
    assert_int_equal(limits.ids, 30);
    assert_int_equal(limits.positions, 16);
    gf_graph_free(g);
}

static void load_job(Fixture *f, GfJob *job, const char *key, const char *value)
{
    GfSet set = {key, value};
    assert_int_equal(gf_job_load(job, GRAFT_SOURCE_DIR "/models/jobs/demo.json", &set, 1, &f->diags), GF_OK);
}

static void makes_the_texts_of_the_demo(void **state)
{
    static const GfModelLimits limits = {.ids = 512, .positions = 64};
    Fixture *f = *state;
    GfCorpus corpus;
    GfJob job;

    load_job(f, &job, "data.max_length", "10");
    assert_int_equal(gf_corpus_open(&corpus, &job, job.data.problem, NULL, &f->diags), GF_OK);
    assert_int_equal(gf_corpus_load(&corpus, NULL, &limits, &f->diags), GF_OK);
    assert_int_equal(corpus.splits[GF_SPLIT_TRAIN].examples, 2000);
    assert_int_equal(corpus.splits[GF_SPLIT_TEST].examples, 400);
    assert_int_equal(corpus.splits[GF_SPLIT_TRAIN].longest, 10);
    assert_true(corpus.vocab.text.length > 0);
    gf_corpus_close(&corpus);
    gf_job_close(&job);
}

static void refuses_what_the_model_has_no_room_for(void **state)
{
    static const GfModelLimits few_rows = {.ids = 50, .positions = 64}, few_positions = {.ids = 512, .positions = 8};
    Fixture *f = *state;
    GfCorpus corpus;
    GfJob job;

    load_job(f, &job, "data.max_length", "10");
    assert_int_equal(gf_corpus_open(&corpus, &job, job.data.problem, NULL, &f->diags), GF_OK);
    assert_int_equal(gf_corpus_load(&corpus, NULL, &few_rows, &f->diags), GF_ERR_TOKENIZER);
    assert_non_null(strstr(f->diags.last->message, "50 rows"));
    assert_int_equal(gf_corpus_load(&corpus, NULL, &few_positions, &f->diags), GF_ERR_VALUE);
    assert_non_null(strstr(f->diags.last->message, "8 positions"));
    gf_corpus_close(&corpus);
    gf_job_close(&job);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_batches),
        TEST(refuses_bad_batches),
        TEST(finds_the_tables_of_a_graph),
        TEST(makes_the_texts_of_the_demo),
        TEST(refuses_what_the_model_has_no_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
