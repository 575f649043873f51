/* test_labels.c -- what labels mean: classes and values, pairs, parts set aside,
 * and how they come out in batches. */
#include "runtime/data/batch.h"
#include "runtime/data/holdout.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n";
enum { CLS = 2, SEP, A, B };

typedef struct Fixture {
    GfTokenizer tokenizer;
    GfDataFormat format;
    GfDatasetOptions options;
    GfTable table;
    GfDataset data;
    GfArena arena;
    GfDiags diags;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    f->format = gf_data_format_defaults;
    f->options =
        (GfDatasetOptions){.tokenizer = &f->tokenizer, .labels = {.problem = GF_PROBLEM_DERIVED}, .format = &f->format};
    *state = f;
    return gf_tokenizer_parse(&f->tokenizer, "v", vocab, sizeof vocab - 1, GF_UNCASED, NULL, &f->diags);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_tokenizer_free(&f->tokenizer);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

/* Read, settle and tokenize. */
static GfStatus make(Fixture *f, const char *name, const char *text)
{
    gf_diags_free(&f->diags);
    GF_TRY(gf_table_parse(&f->table, &f->arena, name, text, strlen(text), &f->format, &f->diags));
    GF_TRY(gf_labels_settle(&f->options.labels, &f->arena, &f->table, gf_data_separator(&f->format), &f->diags));
    return gf_dataset_from_table(&f->data, &f->arena, &f->table, NULL, f->table.count, &f->options, &f->diags);
}

static void make_well(Fixture *f, const char *name, const char *text)
{
    GfStatus status = make(f, name, text);

    gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

static void check_names(const Fixture *f, size_t count, const char *const *names)
{
    assert_int_equal(f->options.labels.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(f->options.labels.names[i], names[i]);
}

/* ---- which classes ---- */

static bool fit(Fixture *f, const char *labels)
{
    static const char *const names[] = {"joy", "anger", "fear"};
    const GfLabels known = {.names = names, .count = 3};
    const char *text = gf_arena_printf(&f->arena, "text;label\n%s", labels);
    bool yes = false;

    assert_int_equal(gf_table_parse(&f->table, &f->arena, "t.txt", text, strlen(text), &f->format, &f->diags), GF_OK);
    assert_int_equal(gf_labels_fit(&known, &f->table, gf_data_separator(&f->format), &yes, &f->diags), GF_OK);
    return yes;
}

/* By name or number, all or some of them; not one that is no class. */
static void known_classes_fit(void **state)
{
    Fixture *f = *state;

    assert_true(fit(f, "a;anger\nb;joy\na;fear\n"));
    assert_true(fit(f, "a;fear\nb;anger\n"));
    assert_true(fit(f, "a;0\nb;2\n"));
    assert_false(fit(f, "a;fear\nb;anger\na;sadness\n"));
    assert_false(fit(f, "a;0\nb;3\n"));
    assert_false(fit(f, "a;0.5\nb;1\n"));
}

/* What the training data has not shown: where it is, and how to have it. */
static void a_label_of_the_test_alone_is_an_error(void **state)
{
    static const char test[] = "text;label\na;joy\nb;sadness\n";
    Fixture *f = *state;

    make_well(f, "train.txt", "text;label\na;joy\nb;fear\n");
    assert_int_equal(gf_table_parse(&f->table, &f->arena, "test.txt", test, sizeof test - 1, &f->format, &f->diags),
                     GF_OK);
    assert_int_equal(
        gf_dataset_from_table(&f->data, &f->arena, &f->table, NULL, f->table.count, &f->options, &f->diags),
        GF_ERR_LABEL);
    assert_string_equal(f->diags.last->loc.file, "test.txt");
    assert_int_equal(f->diags.last->loc.line, 3);
    assert_non_null(strstr(f->diags.last->message, "unknown label 'sadness'"));
    assert_non_null(strstr(f->diags.last->note, "joy, fear, those of the training data; \"labels\" in \"data\""));
}

static void classes_have_the_order_of_their_appearance(void **state)
{
    static const char *const names[] = {"joy", "2", "anger"};
    static const int32_t labels[] = {0, 1, 0, 2};
    Fixture *f = *state;

    make_well(f, "d.csv", "text,label\na,joy\na,2\na,joy\na,anger\n");
    assert_int_equal(f->options.labels.problem, GF_PROBLEM_SINGLE_LABEL);
    check_names(f, 3, names);
    assert_memory_equal(f->data.labels, labels, sizeof labels);
    assert_null(f->data.targets);
}

static void whole_numbers_from_0_are_their_own_order(void **state)
{
    static const char *const numbers[] = {"0", "1", "2"}, *const stars[] = {"5", "1"};
    static const int32_t labels[] = {2, 0, 1};
    Fixture *f = *state;

    make_well(f, "d.jsonl", "{\"text\":\"a\",\"label\":2}\n{\"text\":\"a\",\"label\":0}\n{\"text\":\"a\",\"label\":1}");
    check_names(f, 3, numbers);
    assert_memory_equal(f->data.labels, labels, sizeof labels);
    f->options.labels = (GfLabels){.problem = GF_PROBLEM_DERIVED};
    make_well(f, "d.csv", "text,label\na,5\na,1\n"); /* with gaps they are names */
    check_names(f, 2, stars);
}

static void names_of_the_job_keep_their_order(void **state)
{
    static const char *const names[] = {"no", "yes", "maybe"};
    static const int32_t labels[] = {1, 0, 2};
    Fixture *f = *state;

    f->options.labels = (GfLabels){.problem = GF_PROBLEM_DERIVED, .names = names, .count = 3};
    make_well(f, "d.csv", "text,label\na,yes\na,no\na,2\n"); /* a number is the class of that number */
    assert_memory_equal(f->data.labels, labels, sizeof labels);
    assert_int_equal(f->data.class_counts[2], 1);
    assert_int_equal(make(f, "d.csv", "text,label\na,yes\na,3\n"), GF_ERR_LABEL);
    assert_int_equal(f->diags.first->loc.line, 3);
    assert_int_equal(f->diags.first->loc.column, 3);
    assert_string_equal(f->diags.first->message, "unknown label '3'");
    assert_int_equal(make(f, "d.csv", "text,label\na,yess\n"), GF_ERR_LABEL);
    assert_non_null(strstr(f->diags.first->note, "did you mean 'yes'?"));
}

/* Where classes are named by numbers, no other number is one. */
static void named_numbers_are_names(void **state)
{
    static const char *const names[] = {"1", "5"};
    Fixture *f = *state;

    f->options.labels = (GfLabels){.names = names, .count = 2};
    assert_int_equal(make(f, "d.csv", "text,label\na,5\na,0\n"), GF_ERR_LABEL);
}

static void a_label_only_of_the_test_data_is_refused(void **state)
{
    Fixture *f = *state;
    static const char test[] = "text,label\na,x\nb,z\n";

    make_well(f, "train.csv", "text,label\na,x\nb,y\n");
    assert_int_equal(gf_dataset_parse(&f->data, &f->arena, "test.csv", test, strlen(test), &f->options, &f->diags),
                     GF_ERR_LABEL);
    assert_string_equal(f->diags.first->loc.file, "test.csv");
    assert_int_equal(f->diags.first->loc.line, 3);
    assert_non_null(strstr(f->diags.first->note, "the classes are x, y"));
}

static void labels_that_teach_nothing_are_refused(void **state)
{
    Fixture *f = *state;

    assert_int_equal(make(f, "d.csv", "text,label\na,x\nb,x\n"), GF_ERR_LABEL);
    assert_non_null(strstr(f->diags.first->message, "every label is 'x'"));
    f->options.labels = (GfLabels){.problem = GF_PROBLEM_DERIVED};
    assert_int_equal(make(f, "d.csv", "text,label\na,x\nb,\n"), GF_ERR_LABEL);
    assert_string_equal(f->diags.first->message, "the label is empty");
    f->options.labels = (GfLabels){.problem = GF_PROBLEM_SINGLE_LABEL};
    assert_int_equal(make(f, "d.csv", "text,label\na,0.5\nb,1\n"), GF_ERR_LABEL);
    assert_non_null(strstr(f->diags.first->note, "regression"));
}

static void too_many_classes_are_refused(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};

    gf_text_add(&text, "text,label\n");
    for (int i = 0; i <= GF_LABELS_MAX; i++)
        gf_text_add(&text, "a,x%d\n", i);
    assert_int_equal(make(f, "d.csv", gf_text_str(&text)), GF_ERR_LABEL);
    assert_int_equal(f->diags.first->loc.line, GF_LABELS_MAX + 2);
}

/* ---- several labels, and values ---- */

static void lists_are_several_labels(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    static const float targets[] = {1, 1, 0, 0, 0, 0, 0, 1, 1};
    static const size_t counts[] = {1, 2, 1};
    static const char *const files[][2] = {
        {"d.jsonl", "{\"text\":\"a\",\"labels\":[\"x\",\"y\"]}\n{\"text\":\"a\",\"labels\":[]}\n"
                    "{\"text\":\"a\",\"labels\":[\"z\",\"y\"]}"},
        {"d.csv", "text,label\na,\"x, y\"\na,\na,\"z,y\"\n"},
    };
    Fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        f->options.labels = (GfLabels){.problem = GF_PROBLEM_DERIVED};
        f->format.list = i == 1;
        make_well(f, files[i][0], files[i][1]);
        assert_int_equal(f->data.problem, GF_PROBLEM_MULTI_LABEL);
        check_names(f, 3, names);
        assert_memory_equal(f->data.targets, targets, sizeof targets);
        assert_memory_equal(f->data.class_counts, counts, sizeof counts);
        assert_null(f->data.labels);
    }
}

static void fractions_are_values(void **state)
{
    static const char *const names[] = {"LABEL_0"};
    static const float targets[] = {0.5f, -3, 1e-3f};
    Fixture *f = *state;

    make_well(f, "d.csv", "text,label\na,0.5\na,-3\na,1e-3\n");
    assert_int_equal(f->data.problem, GF_PROBLEM_REGRESSION);
    check_names(f, 1, names);
    assert_memory_equal(f->data.targets, targets, sizeof targets);
    assert_int_equal(make(f, "d.csv", "text,label\na,0.5\na,nan\n"), GF_ERR_DATA);
    assert_int_equal(f->diags.first->loc.line, 3);
    assert_int_equal(make(f, "d.csv", "text,label\na,0.5\na,1e39\n"), GF_ERR_DATA);
    assert_int_equal(make(f, "d.csv", "text,label\na,0x1p3\n"), GF_ERR_DATA);
}

static void a_stray_name_among_numbers_is_an_error(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};

    gf_text_add(&text, "text,label\n");
    for (int i = 0; i < 9; i++)
        gf_text_add(&text, "a,%d.5\n", i);
    gf_text_add(&text, "a,n/a\n");
    assert_int_equal(make(f, "d.csv", gf_text_str(&text)), GF_ERR_LABEL);
    assert_int_equal(f->diags.first->loc.line, 11);
    assert_non_null(strstr(f->diags.first->message, "'n/a' is no number, as 9 of 10 are"));

    /* Two of eleven are names that someone meant. */
    gf_text_add(&text, "a,none\n");
    f->options.labels = (GfLabels){0};
    make_well(f, "d.csv", gf_text_str(&text));
    assert_int_equal(f->data.problem, GF_PROBLEM_SINGLE_LABEL);
    assert_int_equal(f->options.labels.count, 11);

    /* As is the one among many, where the job says that these are classes. */
    f->options.labels = (GfLabels){.problem = GF_PROBLEM_SINGLE_LABEL};
    text.length = 0;
    gf_text_add(&text, "text,label\n");
    for (int i = 0; i < 9; i++)
        gf_text_add(&text, "a,%d.5\n", i);
    gf_text_add(&text, "a,beta\n");
    make_well(f, "d.csv", gf_text_str(&text));
    assert_int_equal(f->options.labels.count, 10);
}

static void several_values_are_read(void **state)
{
    static const float targets[] = {1, 2.5f, -1, 0};
    Fixture *f = *state;

    f->options.labels.problem = GF_PROBLEM_REGRESSION;
    make_well(f, "d.jsonl", "{\"text\":\"a\",\"label\":[1,2.5]}\n{\"text\":\"a\",\"label\":[-1,0]}");
    assert_int_equal(f->data.classes, 2);
    assert_memory_equal(f->data.targets, targets, sizeof targets);
    assert_int_equal(make(f, "d.jsonl", "{\"text\":\"a\",\"label\":[1,2]}\n{\"text\":\"a\",\"label\":[1,2,3]}"),
                     GF_ERR_DATA);
    assert_string_equal(f->diags.first->message, "3 values here, where there must be 2");
}

/* ---- pairs and batches ---- */

static const char pairs[] = "text,text_pair,label\na,b b,x\nb a,a,y\n";

static void pairs_have_two_types(void **state)
{
    static const int32_t ids[] = {CLS, A, SEP, B, B, SEP, CLS, B, A, SEP, A, SEP},
                         types[] = {0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1};
    Fixture *f = *state;
    GfBatcher batcher;

    f->format.text_pair.name = "text_pair";
    make_well(f, "d.csv", pairs);
    assert_int_equal(f->data.tokens, 12);
    assert_memory_equal(f->data.ids, ids, sizeof ids);
    assert_int_equal(gf_batcher_init(&batcher, &f->arena, &f->data, 2, &f->diags), GF_OK);
    const GfBatch *batch = gf_batcher_next(&batcher);
    assert_memory_equal(batch->types, types, sizeof types);
    assert_memory_equal(batch->ids, ids, sizeof ids);
    gf_batcher_init(&batcher, &f->arena, &f->data, 1, &f->diags); /* the buffers are used again */
    gf_batcher_next(&batcher);
    batch = gf_batcher_next(&batcher);
    assert_memory_equal(batch->types, types + 6, 6 * sizeof *types);
}

static void pairs_need_room_for_three_tokens(void **state)
{
    Fixture *f = *state;

    f->format.text_pair.name = "text_pair";
    f->options.max_length = 3;
    make_well(f, "d.csv", pairs);
    assert_int_equal(f->data.longest, 3);
    f->options.max_length = 2;
    assert_int_equal(make(f, "d.csv", pairs), GF_ERR_VALUE);
}

static void batches_carry_targets_and_weights(void **state)
{
    static const float targets[] = {0, 1, 1, 0}, weights[] = {2, 0.5f};
    Fixture *f = *state;
    GfBatcher batcher;

    make_well(f, "d.jsonl", "{\"text\":\"a\",\"label\":[\"x\"]}\n{\"text\":\"a\",\"label\":[\"y\"]}");
    assert_int_equal(gf_batcher_init(&batcher, &f->arena, &f->data, 2, &f->diags), GF_OK);
    memcpy(batcher.order, (uint32_t[]){1, 0}, 2 * sizeof(uint32_t));
    const GfBatch *batch = gf_batcher_next(&batcher);
    assert_memory_equal(batch->targets, targets, sizeof targets);
    assert_true(batch->weights[0] == 1 && batch->weights[1] == 1);

    f->options.labels = (GfLabels){.problem = GF_PROBLEM_DERIVED};
    make_well(f, "d.csv", "text,label\na,x\na,y\na,x\n");
    f->data.class_weights = weights;
    assert_int_equal(gf_batcher_init(&batcher, &f->arena, &f->data, 3, &f->diags), GF_OK);
    batch = gf_batcher_next(&batcher);
    assert_null(batch->targets);
    assert_true(batch->weight == 4.5); /* of which the mean is 1.5 */
    assert_true(batch->weights[0] == (float)(2 / 1.5) && batch->weights[1] == (float)(0.5 / 1.5));
    assert_true(batch->weights[2] == batch->weights[0]);
}

/* ---- parts ---- */

static void check_parts(const GfHoldout *p, size_t count, size_t held)
{
    size_t kept_at = 0, held_at = 0;

    assert_int_equal(p->held_count, held);
    assert_int_equal(p->kept_count, count - held);
    for (uint32_t i = 0; i < count; i++) { /* each once, both ascending */
        bool is_held = held_at < held && p->held[held_at] == i;
        assert_true(is_held || (kept_at < p->kept_count && p->kept[kept_at] == i));
        held_at += is_held;
        kept_at += !is_held;
    }
}

static void a_share_is_set_aside_by_the_seed(void **state)
{
    Fixture *f = *state;
    GfHoldout a, again, other;

    assert_int_equal(gf_holdout(&a, &f->arena, 1000, 0.1, 42, GF_NOWHERE, &f->diags), GF_OK);
    assert_int_equal(gf_holdout(&again, &f->arena, 1000, 0.1, 42, GF_NOWHERE, &f->diags), GF_OK);
    assert_int_equal(gf_holdout(&other, &f->arena, 1000, 0.1, 43, GF_NOWHERE, &f->diags), GF_OK);
    check_parts(&a, 1000, 100);
    check_parts(&other, 1000, 100);
    assert_memory_equal(a.held, again.held, 100 * sizeof *a.held);
    assert_memory_not_equal(a.held, other.held, 100 * sizeof *a.held);
    size_t low = 0;
    for (size_t i = 0; i < 100; i++)
        low += a.held[i] < 500;
    assert_in_range(low, 30, 70); /* from everywhere: 50 +- 4 deviations of 5 */
}

static void both_parts_have_an_example(void **state)
{
    Fixture *f = *state;
    GfHoldout p;

    assert_int_equal(gf_holdout(&p, &f->arena, 2, 0.001, 1, GF_NOWHERE, &f->diags), GF_OK);
    check_parts(&p, 2, 1);
    assert_int_equal(gf_holdout(&p, &f->arena, 3, 0.999, 1, GF_NOWHERE, &f->diags), GF_OK);
    check_parts(&p, 3, 2);
    assert_int_equal(gf_holdout(&p, &f->arena, 1, 0.5, 1, GF_NOWHERE, &f->diags), GF_ERR_DATA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(known_classes_fit),
        TEST(a_label_of_the_test_alone_is_an_error),
        TEST(classes_have_the_order_of_their_appearance),
        TEST(whole_numbers_from_0_are_their_own_order),
        TEST(names_of_the_job_keep_their_order),
        TEST(named_numbers_are_names),
        TEST(a_label_only_of_the_test_data_is_refused),
        TEST(labels_that_teach_nothing_are_refused),
        TEST(too_many_classes_are_refused),
        TEST(lists_are_several_labels),
        TEST(fractions_are_values),
        TEST(a_stray_name_among_numbers_is_an_error),
        TEST(several_values_are_read),
        TEST(pairs_have_two_types),
        TEST(pairs_need_room_for_three_tokens),
        TEST(batches_carry_targets_and_weights),
        TEST(a_share_is_set_aside_by_the_seed),
        TEST(both_parts_have_an_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
