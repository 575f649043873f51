/* test_generate.c -- texts made from a seed, and the vocabulary that spells them. */
#include "runtime/data/dataset.h"
#include "runtime/data/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EXAMPLES = 600, CLASSES = GF_GENERATE_CLASSES_MAX, NAME_SIZE = 16 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char names[CLASSES][NAME_SIZE];
    const char *classes[CLASSES];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    for (int i = 0; i < CLASSES; i++) {
        snprintf(f->names[i], sizeof f->names[i], "class-%d", (int)(i % 64));
        f->classes[i] = f->names[i];
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static GfText texts_of(Fixture *f, uint64_t seed, uint64_t split, size_t classes)
{
    GfText text = {.arena = &f->arena};
    GfGenerateOptions options = {
        .seed = seed, .split = split, .examples = EXAMPLES, .classes = f->classes, .class_count = classes};

    assert_int_equal(gf_generate_texts(&options, &text, &f->diags), GF_OK);
    return text;
}

static void same_seed_same_texts(void **state)
{
    Fixture *f = *state;
    GfText a = texts_of(f, 7, 0, 6), b = texts_of(f, 7, 0, 6);

    assert_string_equal(gf_text_str(&a), gf_text_str(&b));
    b = texts_of(f, 8, 0, 6);
    assert_string_not_equal(gf_text_str(&a), gf_text_str(&b));
    b = texts_of(f, 7, 1, 6);
    assert_string_not_equal(gf_text_str(&a), gf_text_str(&b));
}

/* Every text can be read, every word is in the vocabulary, every class occurs. */
static void check_classes(Fixture *f, size_t classes)
{
    GfText text = texts_of(f, 7, 0, classes), vocab = {.arena = &f->arena};
    GfTokenizer tokenizer;
    GfDataset data;

    assert_int_equal(gf_generate_vocab(classes, &vocab, &f->diags), GF_OK);
    assert_int_equal(
        gf_tokenizer_parse(&tokenizer, "vocab", gf_text_str(&vocab), vocab.length, GF_UNCASED, NULL, &f->diags), GF_OK);
    GfDatasetOptions options = {.tokenizer = &tokenizer, .labels = {.names = f->classes, .count = classes}};
    assert_int_equal(gf_dataset_parse(&data, &f->arena, "text", gf_text_str(&text), text.length, &options, &f->diags),
                     GF_OK);
    assert_int_equal(data.examples, EXAMPLES);
    for (size_t i = 0; i < data.tokens; i++)
        assert_int_not_equal(data.ids[i], tokenizer.unk);
    for (size_t i = 0; i < classes; i++)
        assert_true(data.class_counts[i] > 0);
    assert_true(data.longest < 40);
    /* words, not letters: a text has about one token a word */
    assert_true(data.tokens < 20 * EXAMPLES);
    gf_tokenizer_free(&tokenizer);
}

static void vocabulary_spells_all_texts(void **state)
{
    check_classes(*state, 2);
    check_classes(*state, 6);
    check_classes(*state, CLASSES);
}

static void refuses_bad_counts(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->arena};
    GfGenerateOptions options = {.examples = 0, .classes = f->classes, .class_count = 6};

    assert_int_equal(gf_generate_texts(&options, &text, &f->diags), GF_ERR_VALUE);
    options.examples = 1;
    options.class_count = 1;
    assert_int_equal(gf_generate_texts(&options, &text, &f->diags), GF_ERR_VALUE);
    options.class_count = CLASSES + 1;
    assert_int_equal(gf_generate_texts(&options, &text, &f->diags), GF_ERR_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_seed_same_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vocabulary_spells_all_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_counts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
