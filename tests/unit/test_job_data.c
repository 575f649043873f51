/* test_job_data.c -- the section "data" of a job, and the corpus that it describes. */
#include "runtime/train/corpus.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef GRAFT_SOURCE_DIR
#define GRAFT_SOURCE_DIR "."
#endif

static const char *const files[] = {"vocab.txt", "train.csv", "test.csv", "pairs.jsonl"};
static const char train[] = "text,label\na,x\nb,y\na b,x\nb a,x\n", test[] = "text,label\nb,y\n";
static const GfModelLimits limits = {.ids = 100, .positions = 16, .types = 2, .weights = true};

typedef struct Fixture {
    char folder[64];
    GfJob job;
    GfCorpus corpus;
    GfArena arena;
    GfDiags diags;
} Fixture;

static void put(const Fixture *f, const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-job-data-XXXXXX");
    *state = f;
    if (!mkdtemp(f->folder))
        return -1;
    put(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n");
    put(f, "train.csv", train);
    put(f, "test.csv", test);
    put(f, "pairs.jsonl",
        "{\"text\": \"a\", \"other\": \"b b\", \"label\": 1}\n"
        "{\"text\": \"b\", \"other\": \"a\", \"label\": 0}\n");
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, files[i]);
        unlink(path);
    }
    rmdir(f->folder);
    gf_corpus_close(&f->corpus);
    gf_job_close(&f->job);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

/* A job whose data has these members. */
static GfStatus load_job(Fixture *f, const char *members)
{
    GfText text = {.arena = &f->arena};

    gf_corpus_close(&f->corpus);
    gf_job_close(&f->job);
    gf_diags_free(&f->diags);
    gf_text_add(&text,
                "{\"model\": \"m.json\", \"tokenizer\": \"vocab.txt\", \"variants\": [\"" GRAFT_SOURCE_DIR
                "/models/variants/full.json\"], \"training\": {\"seed\": 7},\n\"data\": {%s}}",
                members);
    const char *path = gf_arena_printf(&f->arena, "%s/job.json", f->folder);
    return gf_job_load_text(&f->job, path, gf_text_str(&text), text.length, NULL, 0, &f->diags);
}

static GfStatus load(Fixture *f, const char *members, const GfModelLimits *model)
{
    GF_TRY(load_job(f, members));
    GF_TRY(gf_corpus_open(&f->corpus, &f->job, f->job.data.problem, NULL, &f->diags));
    return gf_corpus_load(&f->corpus, NULL, model, &f->diags);
}

static void load_well(Fixture *f, const char *members)
{
    GfStatus status = load(f, members, &limits);

    gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

/* ---- jobs ---- */

static void keys_are_read(void **state)
{
    Fixture *f = *state;
    const GfJobData *d = &f->job.data;

    assert_int_equal(load_job(f,
                              "\"train\": \"t\", \"format\": \"tsv\", \"columns\": {\"text\": \"s\", \"text_pair\": 3,"
                              " \"labels\": \"tags\"}, \"header\": true, \"quoting\": false, \"label_separator\": "
                              "\" \", \"problem_type\": \"multi_label_classification\", \"validation_share\": 0.25"),
                     GF_OK);
    assert_int_equal(d->format.kind, GF_DATA_TSV);
    assert_string_equal(d->format.text.name, "s");
    assert_null(d->format.text_pair.name);
    assert_int_equal(d->format.text_pair.number, 3);
    assert_string_equal(d->format.label.name, "tags");
    assert_true(d->format.list && d->format.plain_quotes && !d->format.headless);
    assert_string_equal(gf_data_separator(&d->format), " ");
    assert_int_equal(d->problem, GF_PROBLEM_MULTI_LABEL);
    assert_true(d->validation_share == 0.25);
    assert_int_equal(d->label_count, 0);
}

/* What the record of a run says reads as the same format. */
static void a_format_prints_as_it_reads(void **state)
{
    static const char *const members[] = {
        "",
        "\"format\": \"text;label\"",
        "\"format\": \"csv\", \"columns\": {\"text\": \"a\\\"b\", \"label\": 2}, \"header\": false",
        "\"delimiter\": \"|\"",
        "\"columns\": {\"text_pair\": \"p\", \"labels\": \"l\"}, \"quoting\": false",
    };
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        GfText text = {.arena = &f->arena}, once = {.arena = &f->arena}, twice = {.arena = &f->arena};
        GfDataFormat format;
        GfJson doc;
        gf_text_add(&text, "{%s}", members[i]);
        assert_int_equal(gf_json_read_text(&doc, "d", gf_text_str(&text), text.length, &f->diags), GF_OK);
        assert_int_equal(gf_data_format_read(&format, &doc, doc.root, &f->diags), GF_OK);
        gf_text_add(&once, "{\"x\": 0");
        gf_data_format_print(&once, &format);
        gf_text_add(&once, "}");
        gf_json_close(&doc);
        assert_int_equal(gf_json_read_text(&doc, "d", gf_text_str(&once), once.length, &f->diags), GF_OK);
        assert_int_equal(gf_data_format_read(&format, &doc, doc.root, &f->diags), GF_OK);
        gf_text_add(&twice, "{\"x\": 0");
        gf_data_format_print(&twice, &format);
        gf_text_add(&twice, "}");
        assert_string_equal(gf_text_str(&once), gf_text_str(&twice));
        gf_json_close(&doc);
    }
}

static void bad_keys_are_refused(void **state)
{
    static const struct {
        const char *members, *message, *note;
    } cases[] = {
        {"\"train\": \"t\", \"colums\": {}", "unknown key 'colums' in data", "did you mean 'columns'?"},
        {"\"train\": \"t\", \"columns\": {\"txt\": 0}", "unknown key 'txt' in columns", "did you mean 'text'?"},
        {"\"train\": \"t\", \"format\": \"cvs\"", "'format' must be one of", "did you mean \"csv\"?"},
        {"\"train\": \"t\", \"problem_type\": \"regresion\"", "found \"regresion\"", "did you mean \"regression\"?"},
        {"\"train\": \"t\", \"columns\": {\"text\": -1}", "'text' must be from 0", NULL},
        {"\"train\": \"t\", \"columns\": {\"text\": true}", "a column is a name or a number", NULL},
        {"\"train\": \"t\", \"columns\": {\"label\": 1, \"labels\": 2}", "only one of them", NULL},
        {"\"train\": \"t\", \"format\": \"jsonl\", \"delimiter\": \"|\"", "'delimiter' belongs to csv and tsv", NULL},
        {"\"train\": \"t\", \"delimiter\": \"||\"", "one ASCII character", NULL},
        {"\"train\": \"t\", \"format\": \"text;label\", \"columns\": {\"text_pair\": 1}", "has one text", NULL},
        {"\"train\": \"t\", \"label_separator\": \"\"", "'label_separator' is empty", NULL},
        {"\"train\": \"t\", \"validation_share\": 1", "above 0 and below 1", NULL},
        {"\"train\": \"t\", \"validation\": \"v\", \"validation_share\": 0.1", "exclude each other", NULL},
        {"\"train\": \"t\", \"class_weights\": \"even\"", "must be \"balanced\"", NULL},
        {"\"train\": \"t\", \"class_weights\": [1, -1]", "must not be negative, found -1", NULL},
        {"\"train\": \"t\", \"labels\": [\"x\", \"x\"]", "the label 'x' stands twice", NULL},
        {"\"generate\": {}, \"columns\": {}", "only one of them", NULL},
        {"\"batches\": \"b\", \"labels\": [\"x\", \"y\"], \"problem_type\": \"regression\"", "hold single labels",
         NULL},
    };
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(load_job(f, cases[i].members), GF_OK);
        const GfDiag *d = f->diags.first;
        if (!strstr(d->message, cases[i].message) || d->loc.line != 2) {
            gf_diags_print(&f->diags, stderr);
            fail_msg("case %zu", i);
        }
        if (cases[i].note)
            assert_string_equal(d->note, cases[i].note);
    }
}

/* ---- corpora ---- */

static void classes_come_from_the_training_data(void **state)
{
    Fixture *f = *state;

    load_well(f, "\"train\": \"train.csv\", \"test\": \"test.csv\"");
    assert_int_equal(f->corpus.labels.count, 2);
    assert_string_equal(f->corpus.labels.names[0], "x");
    assert_int_equal(f->corpus.splits[GF_SPLIT_TRAIN].class_counts[0], 3);
    assert_int_equal(f->corpus.splits[GF_SPLIT_TEST].labels[0], 1);
    assert_int_equal(f->corpus.splits[GF_SPLIT_VALIDATION].examples, 0);
    put(f, "test.csv", "text,label\nb,z\n");
    assert_int_equal(load(f, "\"train\": \"train.csv\", \"test\": \"test.csv\"", &limits), GF_ERR_LABEL);
    assert_non_null(strstr(f->diags.first->loc.file, "test.csv"));
    assert_int_equal(f->diags.first->loc.line, 2);
}

/* The counts of a class that no example has say so. */
static void an_empty_class_is_counted(void **state)
{
    Fixture *f = *state;

    load_well(f, "\"train\": \"train.csv\", \"labels\": [\"y\", \"none\", \"x\"]");
    assert_int_equal(f->corpus.splits[GF_SPLIT_TRAIN].class_counts[1], 0);
    assert_int_equal(load(f,
                          "\"train\": \"train.csv\", \"labels\": [\"y\", \"none\", \"x\"],\n"
                          "\"class_weights\": \"balanced\"",
                          &limits),
                     GF_ERR_DATA);
    assert_non_null(strstr(f->diags.first->message, "the class 'none' has no training example"));
    assert_int_equal(f->diags.first->loc.line, 3);
}

static void classes_are_weighed(void **state)
{
    static const struct {
        const char *weights;
        float x, y;
    } good[] = {{"\"balanced\"", (float)(4.0 / (2 * 3)), 2}, {"[0.5, 3]", 0.5f, 3}, {"{\"y\": 3, \"x\": 0}", 0, 3}};
    static const struct {
        const char *weights, *message;
    } bad[] = {{"[1]", "1 class weights, but there are 2 classes"},
               {"{\"x\": 1, \"why\": 2}", "no class is named 'why'"}};
    Fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        load_well(f,
                  gf_arena_printf(&f->arena, "\"train\": \"train.csv\", \"test\": \"test.csv\", \"class_weights\": %s",
                                  good[i].weights));
        const float *w = f->corpus.class_weights;
        assert_true(w[0] == good[i].x && w[1] == good[i].y);
        assert_ptr_equal(f->corpus.splits[GF_SPLIT_TEST].class_weights, w);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *members =
            gf_arena_printf(&f->arena, "\"train\": \"train.csv\", \"class_weights\": %s", bad[i].weights);
        assert_int_not_equal(load(f, members, &limits), GF_OK);
        assert_string_equal(f->diags.first->message, bad[i].message);
    }
}

static void a_share_is_set_aside(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};

    gf_text_add(&text, "text,label\n");
    for (int i = 0; i < 100; i++)
        gf_text_add(&text, "%s,%d\n", i % 2 ? "a" : "b b", i % 2);
    put(f, "train.csv", gf_text_str(&text));
    load_well(f, "\"train\": \"train.csv\", \"validation_share\": 0.2");
    const GfDataset *kept = &f->corpus.splits[GF_SPLIT_TRAIN], *held = &f->corpus.splits[GF_SPLIT_VALIDATION];
    assert_int_equal(f->corpus.seed, 7);
    assert_int_equal(kept->examples, 80);
    assert_int_equal(held->examples, 20);
    assert_int_equal(kept->tokens + held->tokens, 50 * 3 + 50 * 4);
    assert_int_equal(kept->class_counts[1] + held->class_counts[1], 50);
}

static void pairs_are_read(void **state)
{
    static const char members[] = "\"train\": \"pairs.jsonl\", \"columns\": {\"text_pair\": \"other\"}";
    static const GfModelLimits one_type = {.ids = 100, .positions = 16, .types = 1};
    Fixture *f = *state;

    load_well(f, members);
    assert_int_equal(f->corpus.splits[GF_SPLIT_TRAIN].firsts[0], 3);
    assert_int_equal(f->corpus.splits[GF_SPLIT_TRAIN].longest, 6);
    assert_string_equal(f->corpus.labels.names[1], "1");
    assert_int_equal(load(f, members, &one_type), GF_ERR_VALUE);
    assert_non_null(strstr(f->diags.first->message, "one token type"));
}

/* Nothing that a model would leave unread. */
static void a_model_must_have_the_inputs(void **state)
{
    static const GfModelLimits plain = {.ids = 100, .positions = 16, .types = 2}, targets = {.targets = true};
    Fixture *f = *state;

    assert_int_equal(load(f, "\"train\": \"train.csv\", \"class_weights\": \"balanced\"", &plain), GF_ERR_VALUE);
    assert_non_null(strstr(f->diags.first->message, "not the mean of one loss an example"));
    assert_int_equal(load(f, "\"train\": \"train.csv\", \"columns\": {\"labels\": \"label\"}", &plain), GF_ERR_VALUE);
    assert_non_null(strstr(f->diags.first->message, "no input 'targets'"));
    assert_int_equal(load(f, "\"train\": \"train.csv\"", &targets), GF_ERR_VALUE);
    assert_int_equal(load(f, "\"train\": \"train.csv\", \"columns\": {\"labels\": \"label\"}", &targets), GF_OK);
    assert_int_equal(f->corpus.splits[GF_SPLIT_TRAIN].problem, GF_PROBLEM_MULTI_LABEL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_are_read),
        TEST(a_format_prints_as_it_reads),
        TEST(bad_keys_are_refused),
        TEST(classes_come_from_the_training_data),
        TEST(an_empty_class_is_counted),
        TEST(classes_are_weighed),
        TEST(a_share_is_set_aside),
        TEST(pairs_are_read),
        TEST(a_model_must_have_the_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
