/* test_tokenizer.c -- Unicode classes, the vocabulary and WordPiece.
 *
 * The reference values need bert-base-uncased's vocabulary and the emotion
 * data, which are no part of the repository: GRAFT_SHARED names the folder
 * that holds them, and the tests that need it skip without.
 */
#define _POSIX_C_SOURCE 200809L

#include "runtime/data/dataset.h"
#include "runtime/data/lines.h"
#include "runtime/data/unicode.h"
#include "tests/support/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#ifndef GRAFT_TEST_DATA
#define GRAFT_TEST_DATA "tests/data"
#endif

enum { PATH_SIZE = 512, TEXT_SIZE = 4096 };

/* "<folder>/<name>" of the folder that the environment variable GRAFT_SHARED
 * names (vocabulary, emotion data); false when there is no such file. */
static bool shared_path(const char *name, char path[PATH_SIZE])
{
    const char *folder = getenv("GRAFT_SHARED");

    snprintf(path, PATH_SIZE, "%s/%s", folder ? folder : "", name);
    FILE *f = folder ? fopen(path, "rb") : NULL;
    if (f)
        fclose(f);
    else
        print_message("skipped: no %s\n", path);
    return f != NULL;
}

/* A vocabulary small enough to see through: ids are the places in this list. */
static const char small_vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nab\n##a\n##b\n##ab\n!\n"
                                  "\xe4\xb8\xad\n\xc3\xa9\n\xe1\x84\x92\n##\xe1\x85\xa1\n##\xe1\x86\xab\n";
enum { UNK = 1, CLS, SEP, MASK, A, B, AB, _A, _B, _AB, BANG, ZHONG, E_ACUTE, JAMO_H, _JAMO_A, _JAMO_N };

static void parse(GfTokenizer *t, const char *vocab, GfCasing casing)
{
    GfDiags diags;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_tokenizer_parse(t, "vocab.txt", vocab, strlen(vocab), casing, NULL, &diags), GF_OK);
    assert_int_equal(diags.count, 0);
    gf_diags_free(&diags);
}

/* Does `text` encode to the `count` ids?  Says what differs. */
static bool encodes(const GfTokenizer *t, const char *text, size_t length, size_t max_length, const int32_t *ids,
                    size_t count)
{
    int32_t got[TEXT_SIZE];

    assert_true(gf_tokenizer_bound(length, max_length) <= TEXT_SIZE);
    size_t n = gf_tokenizer_encode(t, text, length, max_length, got);
    if (n == count && memcmp(got, ids, n * sizeof *got) == 0)
        return true;
    print_message("'%s' gives", text);
    for (size_t i = 0; i < n; i++)
        print_message(" %d", got[i]);
    print_message("\n");
    return false;
}

#define IDS(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)
#define ENCODES(t, text, ...) encodes((t), (text), sizeof(text) - 1, 0, IDS(__VA_ARGS__))

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length, bad;
    } cases[] = {
        {"", 0, 0},
        {"plain", 5, 5},
        {"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", 9, 9},
        {"ab\x80", 3, 2},               /* a continuation byte alone */
        {"\xc0\xaf", 2, 0},             /* overlong */
        {"a\xe0\x80\xaf", 4, 1},        /* overlong */
        {"\xed\xa0\x80", 3, 0},         /* a surrogate */
        {"x\xf4\x90\x80\x80", 5, 1},    /* above U+10FFFF */
        {"\xf4\x8f\xbf\xbf", 4, 4},     /* U+10FFFF */
        {"\xe4\xb8", 2, 0},             /* cut off */
        {"\xf8\x88\x80\x80\x80", 5, 0}, /* five bytes */
        {"caf\xe9", 4, 3},              /* Latin-1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(gf_utf8_check(cases[i].bytes, cases[i].length), cases[i].bad);
}

/* Every code point survives encoding and decoding, has at most one of the
 * classes that steer the tokenizer, and never becomes more characters than it
 * has bytes, on which gf_tokenizer_bound relies. */
static void test_all_code_points(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[GF_UTF8_MAX];
        uint32_t back, parts[GF_DECOMPOSE_MAX];
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t size = gf_utf8_encode(c, bytes), kept = 0;
        assert_int_equal(gf_utf8_decode(bytes, size, &back), size);
        assert_int_equal(back, c);
        size_t count = gf_unicode_decompose(c, parts);
        for (size_t i = 0; i < count; i++)
            kept += !gf_unicode_is_mark(parts[i]);
        assert_true(kept <= size);
        assert_true(gf_unicode_is_dropped(c) + gf_unicode_is_space(c) + gf_unicode_is_cjk(c) +
                        gf_unicode_is_punctuation(c) + gf_unicode_is_mark(c) <=
                    1);
    }
}

/* Where the reference and a current table of Unicode disagree. */
static void test_reference_classes(void **state)
{
    (void)state;
    assert_true(gf_unicode_is_mark(0x300));
    assert_false(gf_unicode_is_mark(0x11c36)); /* Mn, but only since Unicode 9 */
    assert_true(gf_unicode_is_mark(0x1734));   /* Mn until Unicode 13 */
    assert_true(gf_unicode_is_punctuation(0x166d));
    assert_false(gf_unicode_is_punctuation(0x2e52));
    assert_true(gf_unicode_is_dropped(0xad));
    assert_false(gf_unicode_is_dropped(0x890));
    assert_true(gf_unicode_is_dropped(0xfffd));
    assert_false(gf_unicode_is_dropped('\t'));
    assert_int_equal(gf_unicode_lower(0xa7cb), 0x264); /* Unicode 16 */
    assert_int_equal(gf_unicode_lower(0x16ea0), 0x16ebb);
    assert_int_equal(gf_unicode_combining(0x1133b), 0);
    assert_int_equal(gf_unicode_combining(0x8d4), 230);
}

static void test_words_and_pieces(void **state)
{
    (void)state;
    GfTokenizer t;
    parse(&t, small_vocab, GF_UNCASED);

    assert_true(ENCODES(&t, "", CLS, SEP));
    assert_true(ENCODES(&t, " \t\n ", CLS, SEP));
    assert_true(ENCODES(&t, "ab b", CLS, AB, B, SEP));
    assert_true(ENCODES(&t, "abab", CLS, AB, _AB, SEP)); /* the longest piece first */
    assert_true(ENCODES(&t, "aab", CLS, A, _AB, SEP));
    assert_true(ENCODES(&t, "BA", CLS, B, _A, SEP));
    assert_true(ENCODES(&t, "a!!b", CLS, A, BANG, BANG, B, SEP));
    assert_true(ENCODES(&t, "abc ab", CLS, UNK, AB, SEP)); /* one bad piece spoils the word */
    assert_true(ENCODES(&t,
                        "a\xe4\xb8\xad"
                        "b",
                        CLS, A, ZHONG, B, SEP));
    assert_true(ENCODES(&t, "\xc3\xa1\xc3\x81", CLS, A, _A, SEP)); /* accents go */
    assert_true(ENCODES(&t,
                        "a\xe2\x80\x8b"
                        "b",
                        CLS, AB, SEP)); /* zero width: dropped */
    assert_true(ENCODES(&t, "a\0b", CLS, AB, SEP));
    assert_true(ENCODES(&t,
                        "a\xff"
                        "b",
                        CLS, AB, SEP)); /* damage is left out */
    assert_true(ENCODES(&t, "\xed\x95\x9c", CLS, JAMO_H, _JAMO_A, _JAMO_N, SEP));
    gf_tokenizer_free(&t);
}

static void test_special_names(void **state)
{
    (void)state;
    GfTokenizer t;
    parse(&t, small_vocab, GF_UNCASED);
    assert_true(ENCODES(&t, "a[SEP]b", CLS, A, SEP, B, SEP));
    assert_true(ENCODES(&t, "[CLS][MASK][PAD][UNK]", CLS, CLS, MASK, 0, UNK, SEP));
    assert_true(ENCODES(&t, "[sep]", CLS, UNK, UNK, UNK, SEP));
    assert_true(ENCODES(&t, "[SEP", CLS, UNK, UNK, SEP));
    gf_tokenizer_free(&t);

    parse(&t, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", GF_UNCASED); /* [MASK] may be missing */
    assert_int_equal(t.mask, -1);
    assert_true(ENCODES(&t, "[MASK]", CLS, UNK, UNK, UNK, SEP));
    gf_tokenizer_free(&t);
}

static void test_cased(void **state)
{
    (void)state;
    GfTokenizer t;
    parse(&t, small_vocab, GF_CASED);
    assert_true(ENCODES(&t, "A \xc3\xa9 a", CLS, UNK, E_ACUTE, A, SEP));
    gf_tokenizer_free(&t);
}

static void test_truncation(void **state)
{
    (void)state;
    GfTokenizer t;
    parse(&t, small_vocab, GF_UNCASED);
    assert_true(encodes(&t, "a b a", 5, 5, IDS(CLS, A, B, A, SEP)));
    assert_true(encodes(&t, "a b a", 5, 4, IDS(CLS, A, B, SEP)));
    assert_true(encodes(&t, "aab b", 5, 3, IDS(CLS, A, SEP))); /* within a word */
    assert_true(encodes(&t, "a b a", 5, 2, IDS(CLS, SEP)));
    assert_int_equal(gf_tokenizer_bound(5, 0), 7);
    assert_int_equal(gf_tokenizer_bound(5, 4), 4);
    assert_int_equal(gf_tokenizer_bound(5, 512), 7);
    gf_tokenizer_free(&t);
}

static void test_long_words(void **state)
{
    (void)state;
    GfTokenizer t;
    char text[1024];
    int32_t ids[1024];
    parse(&t, small_vocab, GF_UNCASED);

    memset(text, 'a', 101);
    assert_int_equal(gf_tokenizer_encode(&t, text, 100, 0, ids), 102);
    assert_true(encodes(&t, text, 101, 0, IDS(CLS, UNK, SEP)));
    for (size_t i = 0; i < 300; i++) /* marks do not count: a word of one character */
        memcpy(text + 1 + 2 * i, "\xcc\x81", 2);
    assert_true(encodes(&t, text, 601, 0, IDS(CLS, A, SEP)));
    gf_tokenizer_free(&t);
}

static void test_find(void **state)
{
    (void)state;
    GfTokenizer t;
    parse(&t, "\xef\xbb\xbf[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nword\r\n\r\n", GF_UNCASED); /* BOM, CRLF */
    assert_int_equal(t.count, 5);
    assert_int_equal(t.pad, 0);
    assert_int_equal(gf_tokenizer_find(&t, "word", 4), 4);
    assert_int_equal(gf_tokenizer_find(&t, "words", 5), -1);
    assert_string_equal(t.tokens[4], "word");
    gf_tokenizer_free(&t);
}

static void expect_bad_vocab(const char *vocab, size_t size, const char *printed)
{
    GfTokenizer t;
    GfDiags diags;
    char text[TEXT_SIZE] = "";

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_tokenizer_parse(&t, "v.txt", vocab, size, GF_UNCASED, NULL, &diags), GF_ERR_TOKENIZER);
    FILE *out = fmemopen(text, sizeof text, "w");
    gf_diags_print(&diags, out);
    fclose(out);
    text[strcspn(text, "\n")] = '\0'; /* the place and the message */
    assert_string_equal(text, printed);
    gf_diags_free(&diags);
}

#define BAD_VOCAB(vocab, printed) expect_bad_vocab((vocab), sizeof(vocab) - 1, (printed))

static void test_bad_vocabularies(void **state)
{
    (void)state;
    BAD_VOCAB("", "v.txt:1:1: error GF0703: the vocabulary is empty");
    BAD_VOCAB("\xef\xbb\xbf\r\n\n", "v.txt:1:1: error GF0703: the vocabulary is empty");
    BAD_VOCAB("[PAD]\na\nb\na\n", "v.txt:4:1: error GF0703: token 'a' stands twice, first in line 2");
    BAD_VOCAB("[PAD]\n\nb\n", "v.txt:2:1: error GF0703: an empty line, where a token must stand");
    BAD_VOCAB("[PAD]\nab\xe9z\n", "v.txt:2:3: error GF0703: byte 0xe9 is not UTF-8");
    BAD_VOCAB("[PAD]\na\0b\n", "v.txt:2:2: error GF0703: a NUL byte in the text; is this a text file?");
    BAD_VOCAB("[PAD]\n[CLS]\n[SEP]\n", "v.txt: error GF0703: the vocabulary has no token [UNK]");
    BAD_VOCAB("[PAD]\n[UNK]\n[SEP]\n", "v.txt: error GF0703: the vocabulary has no token [CLS]");
    BAD_VOCAB("[PAD]\n[CLS]\n[UNK]\n", "v.txt: error GF0703: the vocabulary has no token [SEP]");
    BAD_VOCAB("[CLS]\n[UNK]\n[SEP]\n", "v.txt: error GF0703: the vocabulary has no token [PAD]");
}

static void test_missing_file(void **state)
{
    (void)state;
    GfTokenizer t;
    GfDiags diags;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_tokenizer_load(&t, "/nowhere/vocab.txt", GF_UNCASED, NULL, &diags), GF_ERR_IO);
    assert_string_equal(diags.first->loc.file, "/nowhere/vocab.txt");
    assert_string_equal(diags.first->message, "cannot open: No such file or directory");
    assert_int_equal(gf_tokenizer_load(&t, "/", GF_UNCASED, NULL, &diags), GF_ERR_IO); /* a folder */
    gf_diags_free(&diags);
}

/* An allocator that gives out `left` pieces and then fails. */
static void *failing_alloc(void *self, size_t size)
{
    size_t *left = self;
    return (*left)-- > 0 ? gf_system_allocator.alloc(NULL, size) : (*left = 0, NULL);
}

static void failing_release(void *self, void *memory)
{
    (void)self;
    gf_system_allocator.release(NULL, memory);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    GfStatus status = GF_ERR_MEMORY;
    size_t fails = 0;

    for (size_t n = 0; status != GF_OK; n++) {
        size_t left = n;
        GfAllocator allocator = {failing_alloc, failing_release, &left};
        GfTokenizer t;
        GfDiags diags;
        gf_diags_init(&diags, NULL);
        status = gf_tokenizer_parse(&t, "v.txt", small_vocab, sizeof small_vocab - 1, GF_UNCASED, &allocator, &diags);
        assert_true(status == GF_OK || (status == GF_ERR_MEMORY && diags.count == 1));
        fails += status != GF_OK;
        if (status == GF_OK)
            gf_tokenizer_free(&t);
        gf_diags_free(&diags);
    }
    assert_true(fails > 0);
}

static bool load_bert(GfTokenizer *t)
{
    char path[PATH_SIZE];
    GfDiags diags;

    if (!shared_path("data/bert-base-uncased/vocab.txt", path))
        return false;
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_tokenizer_load(t, path, GF_UNCASED, NULL, &diags);
    gf_diags_print(&diags, stderr);
    assert_int_equal(status, GF_OK);
    gf_diags_free(&diags);
    assert_int_equal(t->count, 30522);
    return true;
}

/* cJSON's strings end at a NUL, so \u0000 is read as U+0001: both are dropped. */
static cJSON *parse_json(const GfLines *line, char text[TEXT_SIZE])
{
    assert_true(line->length < TEXT_SIZE);
    memcpy(text, line->text, line->length);
    text[line->length] = '\0';
    for (char *p = text; (p = strstr(p, "\\u0000")) != NULL;)
        p[5] = '1';
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

static bool line_agrees(const GfTokenizer *t, const GfLines *line)
{
    char copy[TEXT_SIZE];
    int32_t ids[TEXT_SIZE];
    cJSON *json = parse_json(line, copy), *id;
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, "text"));
    size_t count = 0;

    cJSON_ArrayForEach(id, cJSON_GetObjectItem(json, "ids")) ids[count++] = id->valueint;
    assert_non_null(text);
    bool agrees = encodes(t, text, strlen(text), 0, ids, count);
    cJSON_Delete(json);
    return agrees;
}

static void test_tricky(void **state)
{
    (void)state;
    GfTokenizer t;
    GfArena arena;
    GfLines lines;
    GfDiags diags;

    if (!load_bert(&t))
        skip();
    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_lines_read(&lines, &arena, GRAFT_TEST_DATA "/wordpiece/tricky.jsonl", &diags), GF_OK);
    size_t bad = 0;
    while (gf_lines_next(&lines))
        bad += !line_agrees(&t, &lines);
    assert_int_equal(bad, 0);
    assert_int_equal(lines.number, 35);
    gf_arena_free(&arena);
    gf_diags_free(&diags);
    gf_tokenizer_free(&t);
}

static void test_sha256(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

typedef struct Split {
    const char *file;
    size_t examples, tokens, longest;
    const char *sha256; /* of the ids as little-endian int32 */
} Split;

static void check_split(const GfTokenizer *t, const Split *split)
{
    static const char *const classes[] = {"sadness", "joy", "love", "anger", "fear", "surprise"};
    GfDatasetOptions options = {.tokenizer = t, .labels = {.names = classes, .count = 6}};
    char path[PATH_SIZE], hex[65];
    GfDataset d;
    GfArena arena;
    GfDiags diags;

    assert_true(shared_path(split->file, path));
    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_dataset_read(&d, &arena, path, &options, &diags);
    gf_diags_print(&diags, stderr);
    assert_int_equal(status, GF_OK);
    assert_int_equal(d.examples, split->examples);
    assert_int_equal(d.tokens, split->tokens);
    assert_int_equal(d.longest, split->longest);
    sha256_hex(d.ids, d.tokens * sizeof *d.ids, hex);
    assert_string_equal(hex, split->sha256);
    gf_arena_free(&arena);
    gf_diags_free(&diags);
}

static void test_emotion(void **state)
{
    (void)state;
    static const Split splits[] = {
        {"data/emotion/train.txt", 16000, 356152, 87,
         "78765eb4a341129039475a0d9b80b0b7e6e44dc004e50c741508e63de41e1532"},
        {"data/emotion/validation.txt", 2000, 43795, 69,
         "2d864b487243f89f2fccb306ce0e8dfc3ab28860cf9485bb858af2b06c3a0760"},
        {"data/emotion/test.txt", 2000, 44424, 66, "12d25aa6c10edaa8fdf61652b96f56139b59c48ebc04d0da0bda156a9ba85bb1"},
    };
    GfTokenizer t;

    if (!load_bert(&t))
        skip();
    for (size_t i = 0; i < 3; i++)
        check_split(&t, &splits[i]);
    gf_tokenizer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_reference_classes),
        cmocka_unit_test(test_words_and_pieces),
        cmocka_unit_test(test_special_names),
        cmocka_unit_test(test_cased),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_bad_vocabularies),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_tricky),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_emotion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
