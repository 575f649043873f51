/* test_dataset.c -- reading labelled text, and what every kind of bad input says. */
#define _POSIX_C_SOURCE 200809L

#include "runtime/data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n;\n";
enum { UNK = 1, CLS, SEP, A, B, SEMICOLON };

static const char *const classes[] = {"sadness", "joy", "love"};

typedef struct Fixture {
    GfTokenizer tokenizer;
    GfDatasetOptions options;
    GfArena arena;
    GfDiags diags;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    f->options = (GfDatasetOptions){.tokenizer = &f->tokenizer, .labels = {.names = classes, .count = 3}};
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

static GfStatus parse(Fixture *f, GfDataset *d, const char *text, size_t size)
{
    return gf_dataset_parse(d, &f->arena, "d.txt", text, size, &f->options, &f->diags);
}

#define PARSE(f, d, text) parse((f), (d), (text), sizeof(text) - 1)

static void test_good(void **state)
{
    GfDataset d;
    assert_int_equal(PARSE(*state, &d, "text;label_name\na b;joy\nb;sadness\n;joy\na;b;love\n"), GF_OK);

    static const int32_t ids[] = {CLS, A, B, SEP, CLS, B, SEP, CLS, SEP, CLS, A, SEMICOLON, B, SEP};
    static const size_t offsets[] = {0, 4, 7, 9, 14}, class_counts[] = {1, 2, 1}, length_counts[] = {0, 0, 1, 1, 1, 1};
    static const int32_t labels[] = {1, 0, 1, 2};
    assert_int_equal(d.examples, 4);
    assert_int_equal(d.tokens, 14);
    assert_int_equal(d.longest, 5);
    assert_int_equal(d.classes, 3);
    assert_memory_equal(d.ids, ids, sizeof ids);
    assert_memory_equal(d.offsets, offsets, sizeof offsets);
    assert_memory_equal(d.labels, labels, sizeof labels);
    assert_memory_equal(d.class_counts, class_counts, sizeof class_counts);
    assert_memory_equal(d.length_counts, length_counts, sizeof length_counts);
}

static void test_max_tokens(void **state)
{
    GfDataset d;
    assert_int_equal(PARSE(*state, &d, "text;label_name\na b;joy\nb;joy\n;joy\na;b;love\n"), GF_OK);
    assert_int_equal(gf_dataset_max_tokens(&d, 0), 0);
    assert_int_equal(gf_dataset_max_tokens(&d, 1), 5);
    assert_int_equal(gf_dataset_max_tokens(&d, 3), 12);
    assert_int_equal(gf_dataset_max_tokens(&d, 4), 14);
    assert_int_equal(gf_dataset_max_tokens(&d, 32), 14);
}

static void test_line_ends(void **state)
{
    GfDataset plain, windows;
    assert_int_equal(PARSE(*state, &plain, "text;label_name\na;joy\nb;love"), GF_OK); /* no newline at the end */
    assert_int_equal(PARSE(*state, &windows, "\xef\xbb\xbftext;label_name\r\na;joy\r\nb;love\r\n\r\n"), GF_OK);
    assert_int_equal(plain.tokens, 6);
    assert_int_equal(windows.tokens, 6);
    assert_memory_equal(windows.ids, plain.ids, 6 * sizeof *plain.ids);
    assert_memory_equal(windows.labels, plain.labels, 2 * sizeof *plain.labels);
}

static void test_truncated(void **state)
{
    Fixture *f = *state;
    GfDataset d;
    f->options.max_length = 3;
    assert_int_equal(PARSE(f, &d, "text;label_name\na a a;joy\na;joy\n"), GF_OK);
    assert_int_equal(d.tokens, 6);
    assert_int_equal(d.ids[2], SEP);

    f->options.max_length = 1;
    assert_int_equal(PARSE(f, &d, "text;label_name\na;joy\n"), GF_ERR_VALUE);
}

/* The data set must be refused, and the user must see exactly `printed`. */
static void expect_bad(Fixture *f, const char *text, size_t size, GfStatus status, const char *printed)
{
    GfDataset d;
    char seen[2048] = "";

    assert_int_equal(parse(f, &d, text, size), status);
    assert_int_equal(f->diags.count, 1);
    FILE *out = fmemopen(seen, sizeof seen, "w");
    gf_diags_print(&f->diags, out);
    fclose(out);
    assert_string_equal(seen, printed);
    gf_diags_free(&f->diags);
}

#define BAD(text, status, printed) expect_bad(*state, (text), sizeof(text) - 1, (status), (printed))
#define HEADER "text;label_name\n"
#define NOT_UTF8 "  note: the file must be UTF-8; for a Latin-1 file, 'iconv -f LATIN1 -t UTF-8' converts it\n"

static void test_bad_labels(void **state)
{
    BAD(HEADER "a;joy\na b;jox\n", GF_ERR_LABEL,
        "d.txt:3:5: error GF0702: unknown label 'jox'\n"
        "    3 | a b;jox\n"
        "      |     ^\n"
        "  note: did you mean 'joy'? the classes are sadness, joy, love\n");
    BAD(HEADER "a;3\n", GF_ERR_LABEL,
        "d.txt:2:3: error GF0702: unknown label '3'\n"
        "    2 | a;3\n"
        "      |   ^\n"
        "  note: the classes are sadness, joy, love\n");
    BAD(HEADER "a;\r\nb;joy\r\n", GF_ERR_LABEL,
        "d.txt:2:3: error GF0702: unknown label ''\n"
        "    2 | a;\n"
        "      |   ^\n"
        "  note: the classes are sadness, joy, love\n");
    BAD(HEADER "a; joy\n", GF_ERR_LABEL,
        "d.txt:2:3: error GF0702: unknown label ' joy'\n"
        "    2 | a; joy\n"
        "      |   ^\n"
        "  note: did you mean 'joy'? the classes are sadness, joy, love\n");
}

static void test_bad_lines(void **state)
{
    BAD(HEADER "a;joy\nno label\n", GF_ERR_DATA,
        "d.txt:3:9: error GF0701: the line has no semicolon\n"
        "    3 | no label\n"
        "      |         ^\n"
        "  note: a line is 'text;label'\n");
    BAD(HEADER "\na;joy\n", GF_ERR_DATA,
        "d.txt:2:1: error GF0701: the line has no semicolon\n"
        "    2 | \n"
        "      | ^\n"
        "  note: a line is 'text;label'\n");
}

static void test_bad_files(void **state)
{
    BAD("", GF_ERR_DATA, "d.txt:1:1: error GF0701: the file is empty\n");
    BAD("\xef\xbb\xbf\n\n", GF_ERR_DATA, "d.txt:1:1: error GF0701: the file is empty\n");
    BAD(HEADER, GF_ERR_DATA,
        "d.txt:1:16: error GF0701: no examples after the header\n"
        "    1 | text;label_name\n"
        "      |                ^\n");
    BAD("a;joy\nb;love\n", GF_ERR_DATA,
        "d.txt:1:1: error GF0701: the header is missing\n"
        "    1 | a;joy\n"
        "      | ^\n"
        "  note: the first line must be 'text;label_name'; \"header\": false reads a file without one\n");
}

static void test_bad_bytes(void **state)
{
    BAD(HEADER "a;joy\nb caf\xe9;joy\n", GF_ERR_DATA,
        "d.txt:3:6: error GF0701: byte 0xe9 is not UTF-8\n"
        "    3 | b caf?;joy\n"
        "      |      ^\n" NOT_UTF8);
    BAD(HEADER "a\0b;joy\n", GF_ERR_DATA,
        "d.txt:2:2: error GF0701: a NUL byte in the text; is this a text file?\n"
        "    2 | a\n"
        "      |  ^\n");
    BAD("\xff\xfet\0e\0x\0t\0\n", GF_ERR_DATA, /* UTF-16 */
        "d.txt:1:4: error GF0701: a NUL byte in the text; is this a text file?\n"
        "    1 | ??t\n"
        "      |    ^\n");
}

static void test_from_file(void **state)
{
    Fixture *f = *state;
    GfDataset d;
    char path[] = "/tmp/graft-dataset-XXXXXX";
    static const char text[] = HEADER "a b;joy\n";

    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    close(file);
    assert_int_equal(gf_dataset_read(&d, &f->arena, path, &f->options, &f->diags), GF_OK);
    assert_int_equal(d.tokens, 4);
    unlink(path);
    assert_int_equal(gf_dataset_read(&d, &f->arena, path, &f->options, &f->diags), GF_ERR_IO);
    assert_string_equal(f->diags.first->loc.file, path);
}

static void test_sequences(void **state)
{
    Fixture *f = *state;
    GfDataset d;
    int32_t ids[] = {7, 8, 9}, labels[] = {1, 0};
    size_t lengths[] = {2, 1};
    GfSequences s = {.examples = 2, .ids = ids, .lengths = lengths, .labels = labels, .class_count = 2};

    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_OK);
    ids[0] = 0; /* copied */
    assert_int_equal(d.ids[0], 7);
    assert_int_equal(d.offsets[2], 3);

    labels[1] = 2;
    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_ERR_LABEL);
    assert_string_equal(f->diags.last->message, "example 1 has label 2, outside of [0, 2)");
    labels[1] = -1;
    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_ERR_LABEL);
    labels[1] = 0;
    lengths[0] = 0;
    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_ERR_DATA);
    assert_string_equal(f->diags.last->message, "example 0 has no tokens");
    s.examples = 0;
    assert_int_equal(gf_dataset_from_sequences(&d, &f->arena, &s, &f->diags), GF_ERR_DATA);
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
    Fixture *f = *state;
    GfStatus status = GF_ERR_MEMORY;
    size_t n = 0;

    for (; status != GF_OK; n++) {
        size_t left = n;
        GfAllocator allocator = {failing_alloc, failing_release, &left};
        GfArena arena;
        GfDataset d;
        gf_arena_init(&arena, &allocator);
        status =
            gf_dataset_parse(&d, &arena, "d.txt", HEADER "a;joy\n", strlen(HEADER "a;joy\n"), &f->options, &f->diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        gf_arena_free(&arena);
    }
    assert_true(n > 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_good),       TEST(test_max_tokens), TEST(test_line_ends),           TEST(test_truncated),
        TEST(test_bad_labels), TEST(test_bad_lines),  TEST(test_bad_files),           TEST(test_bad_bytes),
        TEST(test_from_file),  TEST(test_sequences),  TEST(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
