/* test_texts.c -- texts from a stream: the same whatever the window, and every error in its place. */
#include "runtime/data/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/failing_alloc.h"
#include "tests/support/files.h"

#include <zlib.h>

static const GfTextsFormat lines = {0}, pairs = {.pairs = true};
static const GfTextsFormat jsonl = {.jsonl = true, .text = "text"};
static const GfTextsFormat pairs_of_jsonl = {.jsonl = true, .pairs = true, .text = "a", .text_pair = "b"};

/* What was read: texts with '|' behind each, '>' before a second text; and how it ended. */
typedef struct Read {
    GfText text;
    size_t count, windows;
    GfStatus status;
} Read;

static Read read_file(TestFolder *f, const char *path, const GfTextsFormat *format, size_t window)
{
    Read r = {.text = {.arena = &f->arena}};
    GfTexts t;

    assert_int_equal(gf_texts_open(&t, path, format, window, &f->diags), GF_OK);
    do {
        r.status = gf_texts_next(&t, &f->diags);
        assert_true(t.count <= window);
        for (size_t i = 0; i < t.count; i++) {
            gf_text_add_bytes(&r.text, t.items[i].text, t.items[i].length);
            if (t.items[i].pair) {
                gf_text_add(&r.text, ">");
                gf_text_add_bytes(&r.text, t.items[i].pair, t.items[i].pair_length);
            }
            gf_text_add(&r.text, "|");
        }
        r.count += t.count;
        r.windows += t.count > 0;
    } while (r.status == GF_OK && t.count);
    gf_texts_close(&t);
    return r;
}

static Read read_bytes(TestFolder *f, const char *bytes, size_t size, const GfTextsFormat *format, size_t window)
{
    test_put(f, "in", bytes, size);
    return read_file(f, test_path(f, "in"), format, window);
}

static int set_up(void **state)
{
    static TestFolder f;

    *state = &f;
    return test_folder_open(&f) ? 0 : 1;
}

static int tear_down(void **state)
{
    test_folder_close(*state);
    return 0;
}

static const struct {
    const GfTextsFormat *format;
    const char *in, *out;
} readings[] = {
    {&lines, "", ""},
    {&lines, "a", "a|"},
    {&lines, "a b\nc\n", "a b|c|"},
    {&lines, "\n", "|"},
    {&lines, "a\n\n\nb\n\n", "a|||b||"},
    {&lines, "a\r\n\r\nb\rc\r\n\r", "a||b\rc||"},
    {&lines,
     "\xef\xbb\xbf"
     "a\n\xef\xbb\xbf"
     "b",
     "a|\xef\xbb\xbf"
     "b|"},
    {&lines, "\xef\xbb\xbf", ""},
    {&lines, "a\tb\n", "a\tb|"},
    {&pairs, "a\tb\n\t\nc d\t\r\n\te", "a>b|>|c d>|>e|"},
    {&jsonl, "", ""},
    {&jsonl, "\n\r\n", ""},
    {&jsonl, "{\"text\": \"a\"}\n{\"x\": [{\"text\": 1}], \"text\": \"b\\n\\u00e9\"}\r\n\r\n\n", "a|b\n\xc3\xa9|"},
    {&jsonl, "{\"text\": \"a\"}\r\r\n{\"text\": \"b\"}\r\n\n\r", "a|b|"},
    {&jsonl, "\xef\xbb\xbf{\"text\": \"\"}", "|"},
    {&pairs_of_jsonl, "{\"b\": \"2\", \"text\": null, \"a\": \"1\\t\"}\n", "1\t>2|"},
};

static void windows_do_not_matter(void **state)
{
    static const size_t windows[] = {1, 2, 3, 100};
    TestFolder *f = *state;

    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        for (size_t k = 0; k < sizeof windows / sizeof *windows; k++) {
            Read r = read_bytes(f, readings[i].in, strlen(readings[i].in), readings[i].format, windows[k]);
            assert_int_equal(r.status, GF_OK);
            assert_string_equal(gf_text_str(&r.text), readings[i].out);
        }
    }
}

static const struct {
    const GfTextsFormat *format;
    const char *in;
    size_t size; /* 0: up to the NUL */
    const char *before;
    GfStatus status;
    uint32_t line, column;
    const char *message;
} errors[] = {
    {&lines, "a\nb\0c\nd\n", 8, "a|", GF_ERR_DATA, 2, 2, "a NUL byte"},
    {&lines, "\0", 1, "", GF_ERR_DATA, 1, 1, "a NUL byte"},
    {&lines, "a\n\nb\xff\n\0", 7, "a||", GF_ERR_DATA, 3, 2, "byte 0xff is not UTF-8"},
    {&lines, "a\nb\xc3", 0, "a|", GF_ERR_DATA, 2, 2, "byte 0xc3 is not UTF-8"},
    {&pairs, "a\tb\n\nc\td", 0, "a>b|", GF_ERR_DATA, 2, 1, "no tab"},
    {&pairs, "a\tb\nc\td\te\n", 0, "a>b|", GF_ERR_DATA, 2, 4, "a second tab"},
    {&jsonl, "{\"text\": \"a\"}\n{\"text\": \"b\"\n{\"text\": \"c\"}\n", 0, "a|", GF_ERR_SYNTAX, 2, 13, "expected"},
    {&jsonl, "{\"text\": \"a\"}\n\n\n{\"text\": \"b\"}", 0, "a|", GF_ERR_DATA, 2, 1, "an empty line"},
    {&jsonl, "\n{\"text\": \"a\"}", 0, "", GF_ERR_DATA, 1, 1, "an empty line"},
    {&jsonl, "\r\r", 0, "", GF_ERR_DATA, 1, 3, "no JSON object"},
    {&jsonl, "{\"text\": \"a\"}\n\r\r\n{\"text\": \"b\"}", 0, "a|", GF_ERR_DATA, 2, 1, "an empty line"},
    {&jsonl, "{\"text\": \"a\"}\n\r\n\n{\"text\": \"b\"}", 0, "a|", GF_ERR_DATA, 2, 1, "an empty line"},
    {&jsonl, "{\"text\": \"a\"}\n[\"text\"]\n", 0, "a|", GF_ERR_DATA, 2, 1, "no JSON object"},
    {&jsonl, "{\"text\": \"a\"}\n{\"Text\": \"b\"}\n", 0, "a|", GF_ERR_DATA, 2, 1, "no key 'text'"},
    {&jsonl, "{\"text\": \"a\"}\n{\"text\": 7}\n", 0, "a|", GF_ERR_DATA, 2, 10,
     "'text' must be a string, found a number"},
    {&jsonl, "{\"text\": \"a\"}\n{\"text\": \"b\", \"text\": \"c\"}\n", 0, "a|", GF_ERR_DATA, 2, 15, "stands twice"},
    {&jsonl, "{\"text\": \"a\"}\n{\"text\": \"b\0\"}\n", 30, "a|", GF_ERR_DATA, 2, 12, "a NUL byte"},
    {&pairs_of_jsonl, "{\"a\": \"1\"}\n", 0, "", GF_ERR_DATA, 1, 1, "no key 'b'"},
};

/* The place does not depend on the window, and what stands before is there. */
static void errors_have_their_place(void **state)
{
    static const size_t windows[] = {1, 2, 100};
    TestFolder *f = *state;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        for (size_t k = 0; k < sizeof windows / sizeof *windows; k++) {
            size_t size = errors[i].size ? errors[i].size : strlen(errors[i].in), count = f->diags.count;
            Read r = read_bytes(f, errors[i].in, size, errors[i].format, windows[k]);
            test_check_error(&f->diags, r.status, errors[i].status, errors[i].message);
            assert_int_equal(f->diags.count, count + 1);
            assert_int_equal(f->diags.last->loc.line, errors[i].line);
            assert_int_equal(f->diags.last->loc.column, errors[i].column);
            assert_null(f->diags.last->loc.source);
            assert_string_equal(gf_text_str(&r.text), errors[i].before);
        }
    }
}

/* More than the buffer holds, lines longer than it was, and one that is too long. */
static void long_input_is_read_in_parts(void **state)
{
    TestFolder *f = *state;
    size_t size = 3 * 1024 * 1024, most = GF_TEXTS_LINE_MAX;
    char *bytes = malloc(most + 1);

    assert_non_null(bytes);
    memset(bytes, 'x', most + 1);
    for (size_t i = 9; i < size; i += 10)
        bytes[i] = '\n';
    Read r = read_bytes(f, bytes, size, &lines, 1 << 30);
    assert_int_equal(r.status, GF_OK);
    assert_int_equal(r.count, size / 10 + 1);
    assert_true(r.windows >= 3);
    memset(bytes, 'x', size);
    bytes[0] = bytes[size - 2] = '\n';
    r = read_bytes(f, bytes, size, &lines, 10);
    assert_int_equal(r.status, GF_OK);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.text.length, size - 2 + 3);
    memset(bytes, 'x', size);
    bytes[0] = '\n';
    r = read_bytes(f, bytes, most + 1, &lines, 10);
    test_check_error(&f->diags, r.status, GF_ERR_DATA, "a line of more than");
    assert_int_equal(f->diags.last->loc.line, 2);
    assert_string_equal(gf_text_str(&r.text), "|");
    free(bytes);
}

/* ---- gzip ---- */

/* `text` as a member of a gzip file at `to`; returns its size. */
static size_t compress_member(const char *text, size_t size, unsigned char *to, size_t room)
{
    z_stream z = {
        .next_in = (unsigned char *)(uintptr_t)text, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void gzip_is_expanded_on_the_way(void **state)
{
    TestFolder *f = *state;
    unsigned char file[512];
    size_t one = compress_member("a b\nc", 5, file, sizeof file);
    size_t both = one + compress_member("d\n", 2, file + one, sizeof file - one);

    Read r = read_bytes(f, (char *)file, both, &lines, 1);
    assert_int_equal(r.status, GF_OK);
    assert_string_equal(gf_text_str(&r.text), "a b|cd|");
    for (size_t size = 2; size < both; size++) { /* cut off anywhere but between the members */
        r = read_bytes(f, (char *)file, size, &lines, 4);
        if (size != one)
            test_check_error(&f->diags, r.status, GF_ERR_DATA, size == one + 1 ? "something else" : "cut off");
        else
            assert_int_equal(r.status, GF_OK);
    }
    file[one - 1] ^= 1; /* the checked size of the first member */
    r = read_bytes(f, (char *)file, both, &lines, 4);
    test_check_error(&f->diags, r.status, GF_ERR_DATA, "damaged");
    assert_int_equal(r.count, 0); /* whose sum is wrong cannot be trusted */
    test_put_text(f, "in.gz", "a\n");
    GfTexts t;
    assert_int_equal(gf_texts_open(&t, test_path(f, "in.gz"), &lines, 4, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_texts_next(&t, &f->diags), GF_ERR_DATA, "is not a gzip file");
    gf_texts_close(&t);
}

/* A member a byte: what is read comes a byte at a time, byte order marks and line breaks in pieces. */
static void pieces_do_not_matter(void **state)
{
    static const size_t windows[] = {1, 100};
    static unsigned char file[8192];
    TestFolder *f = *state;

    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        size_t size = 0;
        for (const char *c = readings[i].in; *c; c++)
            size += compress_member(c, 1, file + size, sizeof file - size);
        for (size_t k = 0; k < sizeof windows / sizeof *windows; k++) {
            Read r = read_bytes(f, (char *)file, size, readings[i].format, windows[k]);
            assert_int_equal(r.status, GF_OK);
            assert_string_equal(gf_text_str(&r.text), readings[i].out);
        }
    }
}

static void a_file_that_is_not_there(void **state)
{
    TestFolder *f = *state;
    GfTexts t;

    test_check_error(&f->diags, gf_texts_open(&t, test_path(f, "none"), &lines, 4, &f->diags), GF_ERR_IO,
                     "cannot open");
    assert_int_equal(gf_texts_open(&t, f->path, &lines, 4, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_texts_next(&t, &f->diags), GF_ERR_IO, "cannot read");
    gf_texts_close(&t);
}

/* ---- memory ---- */

/* All of a compressed file of JSON Lines, where the nth allocation fails. */
static GfStatus read_failing(const char *path, FailingAlloc *failing)
{
    GfDiags diags;
    GfTexts t;

    gf_diags_init(&diags, &failing->allocator);
    GfStatus status = gf_texts_open(&t, path, &pairs_of_jsonl, 2, &diags);
    if (status == GF_OK) {
        do
            status = gf_texts_next(&t, &diags);
        while (status == GF_OK && t.count);
        gf_texts_close(&t);
    }
    gf_diags_free(&diags);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    static const char text[] =
        "{\"a\": \"\\n\", \"b\": \"\"}\n{\"a\": \"\", \"b\": \"\\t\"}\n{\"a\": \"\", \"b\": \"\"}";
    TestFolder *f = *state;
    unsigned char file[512];
    GfStatus status = GF_ERR_MEMORY;
    FailingAlloc failing;
    long n = 0;

    test_put(f, "in.gz", file, compress_member(text, strlen(text), file, sizeof file));
    for (; status != GF_OK; n++) {
        failing_alloc_init(&failing, n);
        status = read_failing(test_path(f, "in.gz"), &failing);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        assert_int_equal(failing.live, 0);
        assert_true(n < 100);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(windows_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_have_their_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_input_is_read_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gzip_is_expanded_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
