/* test_tokenizer_json.c -- tokenizer.json: what is read, what is refused and where;
 * which file of a folder is taken.  Ids against the reference: tests/compat. */
#include "runtime/data/tokenizer_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/failing_alloc.h"

static const char added[] = "[{\"id\": 1, \"content\": \"[UNK]\", \"special\": true, \"normalized\": false},"
                            " {\"id\": 7, \"content\": \"<new>\"}, {\"id\": 2, \"content\": \"[CLS]\"}]";
static const char normalizer[] = "{\"type\": \"BertNormalizer\", \"lowercase\": true, \"strip_accents\": null}";
static const char processor[] = "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}";
static const char model[] =
    "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1,"
    " \"[CLS]\": 2, \"[SEP]\": 3, \"a\": 4, \"@@b\": 5, \"A\": 6},"
    " \"continuing_subword_prefix\": \"@@\"}";
enum { UNK = 1, CLS, SEP, A, B, CAPITAL_A, NEW };

/* Parts of a file; NULL: as above. */
typedef struct Parts {
    const char *added, *normalizer, *pre_tokenizer, *processor, *model;
} Parts;

typedef struct Fixture {
    GfTokenizer tokenizer;
    GfArena arena;
    GfDiags diags;
    char folder[64];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-tokenizer-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : -1;
}

static void remove_file(const Fixture *f, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    unlink(path);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    remove_file(f, "tokenizer.json");
    remove_file(f, "vocab.txt");
    remove_file(f, "tokenizer_config.json");
    rmdir(f->folder);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static const char *either(const char *part, const char *otherwise)
{
    return part ? part : otherwise;
}

static GfText text_of(Fixture *f, const Parts *p)
{
    GfText text = {.arena = &f->arena};

    gf_text_add(&text,
                "{\"added_tokens\": %s,\n\"normalizer\": %s,\n\"pre_tokenizer\": %s,\n\"post_processor\": %s,\n"
                "\"model\": %s,\n\"truncation\": null, \"padding\": null, \"decoder\": null}\n",
                either(p->added, added), either(p->normalizer, normalizer),
                either(p->pre_tokenizer, "{\"type\": \"BertPreTokenizer\"}"), either(p->processor, processor),
                either(p->model, model));
    return text;
}

static GfStatus parse(Fixture *f, const Parts *p)
{
    GfText text = text_of(f, p);

    gf_diags_free(&f->diags);
    return gf_tokenizer_parse_json(&f->tokenizer, "t.json", gf_text_str(&text), text.length, NULL, &f->diags);
}

static void check_ids(Fixture *f, const Parts *p, const char *text, size_t count, const int32_t *wanted)
{
    int32_t ids[64];
    GfStatus status = parse(f, p);

    gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
    assert_int_equal(gf_tokenizer_encode(&f->tokenizer, text, strlen(text), 0, ids), count);
    assert_memory_equal(ids, wanted, count * sizeof *ids);
    gf_tokenizer_free(&f->tokenizer);
}

#define IDS(f, parts, text, ...)                                                                                       \
    check_ids((f), &(Parts)parts, (text), sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (int32_t[]){__VA_ARGS__})
#define USUAL                                                                                                          \
    {                                                                                                                  \
        0                                                                                                              \
    }

static void reads_vocabulary_and_added_tokens(void **state)
{
    Fixture *f = *state;

    IDS(f, USUAL, "ab A<new>x [PAD]", CLS, A, B, A, NEW, UNK, UNK, UNK, UNK, SEP); /* [PAD] was not added */
    assert_int_equal(parse(f, &(Parts){0}), GF_OK);
    assert_int_equal(f->tokenizer.count, 8);
    assert_int_equal(f->tokenizer.pad, 0);
    assert_int_equal(f->tokenizer.mask, -1);
    gf_tokenizer_free(&f->tokenizer);
}

static void obeys_the_normalizer(void **state)
{
    static const Parts cased = {.normalizer = "{\"type\": \"BertNormalizer\", \"lowercase\": false}"},
                       lower = {.normalizer = "{\"type\": \"BertNormalizer\", \"strip_accents\": false}"},
                       strip = {.normalizer = "{\"type\": \"BertNormalizer\", \"lowercase\": false, "
                                              "\"strip_accents\": true}"};
    Fixture *f = *state;
    static const char text[] = "A \xc3\x84 a"; /* A umlaut */

    IDS(f, USUAL, text, CLS, A, A, A, SEP);
    check_ids(f, &cased, text, 5, (int32_t[]){CLS, CAPITAL_A, UNK, A, SEP});
    check_ids(f, &lower, text, 5, (int32_t[]){CLS, A, UNK, A, SEP});
    check_ids(f, &strip, text, 5, (int32_t[]){CLS, CAPITAL_A, CAPITAL_A, A, SEP});
}

static void reads_a_template(void **state)
{
    static const Parts template = {
        .processor = "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", "
                     "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": "
                     "\"[SEP]\", \"type_id\": 0}}], \"pair\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": "
                     "0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", "
                     "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}, {\"SpecialToken\": {\"id\": "
                     "\"[SEP]\", \"type_id\": 1}}]}"};

    check_ids(*state, &template, "a", 3, (int32_t[]){CLS, A, SEP});
}

static void words_may_be_short_or_long(void **state)
{
    static const Parts shorter = {.model = "{\"type\": \"WordPiece\", \"max_input_chars_per_word\": 2, \"vocab\": "
                                           "{\"[UNK]\": 0, \"a\": 1, \"##a\": 2, \"[CLS]\": 3, \"[SEP]\": 4}}",
                                  .added = "[]"};

    check_ids(*state, &shorter, "aa aaa", 5, (int32_t[]){3, 1, 2, 0, 4});
}

static void refuses_what_it_cannot_do(void **state)
{
    static const struct {
        Parts parts;
        uint32_t line;
        const char *message;
    } cases[] = {
        {{.model = "{\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}"},
         5,
         "must be WordPiece, as BERT's is, found BPE"},
        {{.normalizer = "{\"type\": \"NFC\"}"}, 2, "must be BertNormalizer"},
        {{.pre_tokenizer = "{\"type\": \"Whitespace\"}"}, 3, "must be BertPreTokenizer"},
        {{.processor = "null"}, 4, "must be an object"},
        {{.processor = "{\"type\": \"RobertaProcessing\"}"}, 4, "found RobertaProcessing"},
        {{.processor = "{\"type\": \"BertProcessing\", \"sep\": [\"</s>\", 3], \"cls\": [\"[CLS]\", 2]}"},
         4,
         "must stand here, found </s>"},
        {{.processor = "{\"type\": \"TemplateProcessing\", \"single\": [], \"pair\": []}"}, 4, "[CLS] A [SEP]"},
        {{.added = "[{\"id\": 7, \"content\": \"<new>\", \"lstrip\": true}]"}, 1, "'lstrip' must be false"},
        {{.added = "[{\"id\": 7, \"content\": \"<new>\", \"normalized\": true}]"}, 1, "'normalized' must be false"},
        {{.added = "[{\"id\": 4, \"content\": \"<new>\"}]"}, 1, "'a' and '<new>' have the same id 4"},
        {{.added = "[{\"id\": 9, \"content\": \"<new>\"}]"}, 1, "the ids 0 to 7, each once; found 9"},
        {{.added = "[{\"id\": 3, \"content\": \"\"}]"}, 1, "has text"},
        {{.model = "{\"type\": \"WordPiece\", \"vocab\": {}}"}, 5, "the vocabulary is empty"},
        {{.model = "{\"type\": \"WordPiece\", \"vocab\": {\"a\": 0, \"b\": 0}}", .added = "[]"},
         5,
         "'a' and 'b' have the same id 0"},
        {{.model = "{\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}", .added = "[]"}, 5, "found [UNK]"},
        {{.model = "{\"type\": \"WordPiece\", \"vocab\": {\"a\": 1.5}}"}, 5, "must be a whole number"},
    };
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(parse(f, &cases[i].parts), GF_OK);
        assert_int_equal(f->diags.count, 1);
        if (!strstr(f->diags.first->message, cases[i].message) || f->diags.first->loc.line != cases[i].line) {
            gf_diags_print(&f->diags, stderr);
            fail_msg("case %zu", i);
        }
    }
}

static void loses_single_bytes(void **state)
{
    Fixture *f = *state;
    GfText whole = text_of(f, &(Parts){0});

    for (size_t i = 0; i < whole.length; i++) {
        char *copy = gf_arena_strndup(&f->arena, whole.data, whole.length);
        memmove(copy + i, copy + i + 1, whole.length - i);
        GfStatus status = gf_tokenizer_parse_json(&f->tokenizer, "t.json", copy, whole.length - 1, NULL, &f->diags);
        assert_true((status == GF_OK) == (f->diags.count == 0));
        if (status == GF_OK)
            gf_tokenizer_free(&f->tokenizer);
        gf_diags_free(&f->diags);
    }
}

static void runs_out_of_memory_cleanly(void **state)
{
    Fixture *f = *state;
    GfText text = text_of(f, &(Parts){0});
    GfStatus status = GF_ERR_MEMORY;

    for (long n = 0; status != GF_OK; n++) {
        FailingAlloc failing;
        failing_alloc_init(&failing, n);
        status = gf_tokenizer_parse_json(&f->tokenizer, "t.json", gf_text_str(&text), text.length, &failing.allocator,
                                         &f->diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        if (status == GF_OK)
            gf_tokenizer_free(&f->tokenizer);
        assert_int_equal(failing.live, 0);
        gf_diags_free(&f->diags);
    }
}

/* ---- folders ---- */

static void put(const Fixture *f, const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

/* Open the folder; is it this file, and is "A" made small? */
static void check_folder(Fixture *f, const char *name, bool lower)
{
    GfTokenizerFile file;

    assert_int_equal(gf_tokenizer_open(&f->tokenizer, f->folder, &f->arena, &file, &f->diags), GF_OK);
    assert_string_equal(strrchr(file.path, '/') + 1, name);
    assert_int_equal(file.json, strcmp(name, "tokenizer.json") == 0);
    assert_true(file.text.length > 0);
    assert_int_equal(f->tokenizer.normalizer.lower, lower);
    assert_int_equal(f->tokenizer.normalizer.strip_marks, lower);
    gf_tokenizer_free(&f->tokenizer);
}

static void finds_the_file_of_a_folder(void **state)
{
    Fixture *f = *state;
    GfTokenizerFile file;
    GfText text = text_of(f, &(Parts){0});

    assert_int_equal(gf_tokenizer_open(&f->tokenizer, f->folder, &f->arena, &file, &f->diags), GF_ERR_IO);
    put(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    check_folder(f, "vocab.txt", true);
    put(f, "tokenizer_config.json", "{\"do_lower_case\": false}");
    check_folder(f, "vocab.txt", false);
    put(f, "tokenizer.json", gf_text_str(&text));
    check_folder(f, "tokenizer.json", false); /* the config has the last word */
    put(f, "tokenizer_config.json", "{\"strip_accents\": null, \"model_max_length\": 512}");
    check_folder(f, "tokenizer.json", true);
}

static void what_is_saved_opens_alike(void **state)
{
    static const GfNormalizer all[] = {
        {true, true, true, true}, {true, false, false, true}, {true, true, true, false}, {true, false, false, false}};
    Fixture *f = *state;
    GfTokenizerFile file;

    put(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        GfText text = {.arena = &f->arena};
        GfTokenizer saved = {.normalizer = all[i]};
        gf_tokenizer_config_print(&text, &saved, 64, true);
        put(f, "tokenizer_config.json", gf_text_str(&text));
        assert_int_equal(gf_tokenizer_open(&f->tokenizer, f->folder, &f->arena, &file, &f->diags), GF_OK);
        assert_memory_equal(&f->tokenizer.normalizer, &all[i], sizeof all[i]);
        gf_tokenizer_free(&f->tokenizer);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_vocabulary_and_added_tokens), TEST(obeys_the_normalizer),       TEST(reads_a_template),
        TEST(words_may_be_short_or_long),        TEST(refuses_what_it_cannot_do),  TEST(loses_single_bytes),
        TEST(runs_out_of_memory_cleanly),        TEST(finds_the_file_of_a_folder), TEST(what_is_saved_opens_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
