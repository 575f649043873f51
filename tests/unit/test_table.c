/* test_table.c -- csv, tsv, JSON Lines and gzip: what they hold, and what every
 * broken form of them says. */
#include "runtime/data/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/failing_alloc.h"

#define ZLIB_CONST
#include <zlib.h>

typedef struct Fixture {
    GfDataFormat format;
    GfTable table;
    GfArena arena;
    GfDiags diags;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    f->format = gf_data_format_defaults;
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
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

static GfStatus parse(Fixture *f, const char *name, const char *text, size_t size)
{
    return gf_table_parse(&f->table, &f->arena, name, text, size, &f->format, &f->diags);
}

/* ---- good files ---- */

static void check_cell(const Fixture *f, size_t row, int column, const char *text)
{
    const GfCell *c = &f->table.rows[row].cells[column];

    assert_int_equal(c->length, strlen(text));
    assert_memory_equal(c->text, text, c->length);
}

/* Rows of text and label. */
static void check_rows(Fixture *f, const char *name, const char *text, size_t count, const char *const rows[][2])
{
    GfStatus status = parse(f, name, text, strlen(text));

    gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
    assert_int_equal(f->table.count, count);
    for (size_t i = 0; i < count; i++) {
        check_cell(f, i, GF_TABLE_TEXT, rows[i][0]);
        check_cell(f, i, GF_TABLE_LABEL, rows[i][1]);
    }
}

static const char *const quoted_rows[][2] = {{"a, \"b\"\nc", "joy"}, {"", "fear"}, {"d", ""}};

static void reads_csv(void **state)
{
    Fixture *f = *state;

    check_rows(f, "d.csv", "id,text,label\n1,\"a, \"\"b\"\"\nc\",joy\n2,,fear\n3,d,\n", 3, quoted_rows);
    assert_int_equal(f->table.rows[0].cells[GF_TABLE_TEXT].line, 2);
    assert_int_equal(f->table.rows[1].cells[GF_TABLE_LABEL].line, 4);
    assert_int_equal(f->table.rows[1].cells[GF_TABLE_LABEL].column, 4);
}

static void reads_windows_files(void **state)
{
    static const char *const rows[][2] = {{"a\r\nb", "x"}, {"c", "y"}};

    check_rows(*state, "d.csv", "\xef\xbb\xbftext,label\r\n\"a\r\nb\",x\r\nc,\"y\"\r\n\r\n", 2, rows);
    check_rows(*state, "d.csv", "text,label\r\n\"a\r\nb\",x\r\nc,y", 2, rows);
}

static void reads_tsv(void **state)
{
    static const char *const rows[][2] = {{"a,\tb", "x"}, {"c", "y"}}, *const plain[][2] = {{"\"a\" b", "x\""}};
    Fixture *f = *state;

    check_rows(f, "d.tsv", "label\ttext\nx\t\"a,\tb\"\ny\tc\n", 2, rows);
    f->format.plain_quotes = true;
    check_rows(f, "d.tsv", "label\ttext\nx\"\t\"a\" b\n", 1, plain);
}

static void reads_other_delimiters(void **state)
{
    static const char *const rows[][2] = {{"a,b", "x"}};
    Fixture *f = *state;

    f->format.delimiter = '|';
    check_rows(f, "d.csv", "text|label\na,b|x\n", 1, rows);
}

static void reads_files_without_header(void **state)
{
    static const char *const rows[][2] = {{"a", "x"}, {"b", "y"}};
    Fixture *f = *state;

    f->format.headless = true;
    check_rows(f, "d.csv", "a,1,x\nb,2,y\n", 2, rows);
    check_rows(f, "d.txt", "a;x\nb;y\n", 2, rows);
    f->format.text.number = 2;
    f->format.label.number = 0;
    check_rows(f, "d.csv", "x,1,a\ny,2,b\n", 2, rows);
}

static void finds_columns_by_name(void **state)
{
    static const char *const rows[][2] = {{"a", "x"}};
    Fixture *f = *state;

    f->format.text.name = "premise";
    f->format.text_pair.name = "hypothesis";
    f->format.label.name = "gold";
    check_rows(f, "d.tsv", "gold\thypothesis\tpremise\nx\tb\ta\n", 1, rows);
    assert_true(f->table.has_pair);
    check_cell(f, 0, GF_TABLE_PAIR, "b");
    check_rows(f, "d.jsonl", "{\"gold\": \"x\", \"premise\": \"a\", \"hypothesis\": \"b\"}", 1, rows);
    check_cell(f, 0, GF_TABLE_PAIR, "b");
}

static void reads_json_lines(void **state)
{
    static const char *const rows[][2] = {{"a \"b\"\n\xc3\xa9\xf0\x9f\x98\x80/", "x"}, {"c", "-1.5e3"}, {"", "true"}};
    Fixture *f = *state;

    check_rows(f, "d.jsonl",
               "{\"te\\u0078t\": \"a \\\"b\\\"\\n\\u00e9\\ud83d\\ude00\\/\", \"label\": \"x\"}\r\n"
               "{\"label\": -1.5e3, \"other\": {\"text\": [1, \"}\", {}]}, \"text\": \"c\"}\n"
               "  {\"text\":\"\",\"label\":true,\"n\":null}\n\n",
               3, rows);
    assert_int_equal(f->table.rows[1].cells[GF_TABLE_LABEL].line, 2);
    assert_int_equal(f->table.rows[1].cells[GF_TABLE_LABEL].column, 11);
}

/* Items of the first row's label, each followed by a bar. */
static const char *items_of(Fixture *f, const char *separator)
{
    GfText text = {.arena = &f->arena};
    GfCell item;

    for (size_t at = 0; gf_cell_next(&f->table.rows[0].cells[GF_TABLE_LABEL], separator, &at, &item);)
        gf_text_add(&text, "%.*s|", (int)item.length, item.text);
    return gf_text_str(&text);
}

static void takes_lists_apart(void **state)
{
    static const struct {
        const char *name, *text, *separator, *items;
    } cases[] = {
        {"d.jsonl", "{\"text\": \"a\", \"labels\": [\"x, y\", \"z\\u00e9\", 3, \"\"]}", NULL, "x, y|z\xc3\xa9|3||"},
        {"d.jsonl", "{\"text\": \"a\", \"labels\": []}", NULL, ""},
        {"d.jsonl", "{\"text\": \"a\", \"labels\": [ 1 ,2 ]}", ",", "1|2|"},
        {"d.csv", "text,labels\na,\"x, y,z \"\n", ",", "x|y|z|"},
        {"d.csv", "text,labels\na,\n", ",", ""},
        {"d.csv", "text,labels\na,\n", NULL, "|"},
        {"d.csv", "text,labels\na,\"x,\"\n", ",", "x||"},
        {"d.csv", "text,labels\na,\"x,y\"\n", NULL, "x,y|"},
        {"d.txt", "text;label_name\na;x and y\n", " and ", "x|y|"},
    };
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(f, cases[i].name, cases[i].text, strlen(cases[i].text)), GF_OK);
        assert_string_equal(items_of(f, cases[i].separator), cases[i].items);
    }
}

/* ---- broken files ---- */

typedef struct Broken {
    const char *name, *text;
    uint32_t line, column;
    const char *message; /* a part of it */
    const char *note;    /* a part of it, or NULL */
} Broken;

static const Broken broken[] = {
    {"d.csv", "", 1, 1, "the file is empty", NULL},
    {"d.csv", "\xef\xbb\xbf\r\n\n", 1, 1, "the file is empty", NULL},
    {"d.csv", "text,label\n", 1, 1, "no examples after the header", NULL},
    {"d.csv", "a,b\nc,d\n", 1, 1, "the file has no column 'text'", "the columns are a, b"},
    {"d.csv", "texd,label\nc,d\n", 1, 1, "the file has no column 'text'", "did you mean 'texd'?"},
    {"d.csv", "text,mood\nc,d\n", 1, 1, "the file has no column 'label'", "\"columns\": {\"label\": ...}"},
    {"d.csv", "text,label,text\na,b,c\n", 1, 12, "two columns are named 'text'", NULL},
    {"d.csv", "text,label\na,b\nc,d,e\nf,g\n", 3, 1, "the row that begins here has 3 fields, the first row 2",
     "stands in double quotes"},
    {"d.csv", "text,label\n\"a\nb\",c,\"d\ne\"\n", 2, 1, "has 3 fields", NULL},
    {"d.csv", "text,label\na\n", 2, 1, "has 1 field, the first row 2", NULL},
    {"d.csv", "text,label\n\na,b\n", 2, 1, "has 1 field, the first row 2", NULL},
    {"d.csv", "text,label\na,\"b\nc,d\n", 2, 3, "never closed", "\"quoting\": false"},
    {"d.csv", "text,label\na \"b\",c\n", 2, 3, "a quote inside of a field", "\"quoting\": false"},
    {"d.csv", "text,label\n\"a\nb\" c,d\n", 3, 3, "text after the quote that closes a field", NULL},
    {"d.csv", "text,label\na\xe9,d\n", 2, 2, "byte 0xe9 is not UTF-8", "iconv"},
    {"d.tsv", "text\tlabel\na,b\n", 2, 1, "has 1 field", NULL},
    {"d.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\"}\n", 2, 1, "the line has no key 'label'", NULL},
    {"d.jsonl", "{\"tekst\": \"a\", \"label\": 1}\n", 1, 1, "no column 'text'", "did you mean 'tekst'?"},
    {"d.jsonl", "{\"text\": \"a\", \"label\": 1, \"text\": \"b\"}\n", 1, 27, "the key 'text' stands twice", NULL},
    {"d.jsonl", "{\"text\": \"a\", \"label\": 1}\n\n{\"text\": \"b\", \"label\": 1}", 2, 1, "an empty line", NULL},
    {"d.jsonl", "[{\"text\": \"a\", \"label\": 1}]\n", 1, 1, "the line is no JSON object", "one object a line"},
    {"d.jsonl", "{\"text\": \"a\", \"label\": 1} {}\n", 1, 27, "expected a line break after the JSON value", NULL},
    {"d.jsonl", "{\"text\": \"a\",\n\"label\": 1}\n", 1, 14, "found a line break", NULL},
    {"d.jsonl", "{\"text\": \"a\", \"label\": null}\n", 1, 24, "'label' must be", NULL},
    {"d.jsonl", "{\"text\": [\"a\"], \"label\": 1}\n", 1, 10, "'text' must be a string, found an array", NULL},
    {"d.jsonl", "{\"text\": \"a\", \"label\": [[1]]}\n", 1, 25, "found an array", NULL},
    {"d.jsonl", "{\"text\": \"a\\u0000\", \"label\": 1}\n", 1, 14, "other than NUL", NULL},
    {"d.jsonl", "{\"text\": \"a\\ud83d\", \"label\": 1}\n", 1, 12, "half of a surrogate pair", NULL},
    {"d.jsonl", "{\"text\": \"a\", \"label\": 01}\n", 1, 24, "needless 0", NULL},
    {"d.csv.gz", "text,label\na,b\n", 0, 0, "is not a gzip file", NULL},
};

static void says_what_is_broken(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const Broken *b = &broken[i];
        GfStatus status = parse(f, b->name, b->text, strlen(b->text));
        const GfDiag *d = f->diags.first;
        if (!d || d->loc.line != b->line || d->loc.column != b->column || !strstr(d->message, b->message)) {
            gf_diags_print(&f->diags, stderr);
            fail_msg("wrong for case %zu: %s", i, b->text);
        }
        assert_int_not_equal(status, GF_OK);
        assert_int_equal(f->diags.count, 1);
        assert_string_equal(d->loc.file, b->name);
        if (b->note)
            assert_non_null(strstr(d->note, b->note));
        gf_diags_free(&f->diags);
    }
}

static void refuses_what_a_format_cannot_do(void **state)
{
    static const char lines[] = "{\"text\": \"a\", \"label\": 1}\n";
    Fixture *f = *state;

    f->format.text.number = 0;
    assert_int_equal(parse(f, "d.jsonl", lines, strlen(lines)), GF_ERR_DATA);
    assert_non_null(strstr(f->diags.last->message, "a key, not a number"));
    f->format.text = (GfColumn){.number = 7};
    assert_int_equal(parse(f, "d.csv", "text,label\na,b\n", 15), GF_ERR_DATA);
    assert_non_null(strstr(f->diags.last->message, "2 columns, none of number 7"));
    f->format.text = (GfColumn){.name = "label", .number = -1};
    assert_int_equal(parse(f, "d.csv", "text,label\na,b\n", 15), GF_ERR_DATA);
    assert_string_equal(f->diags.last->message, "text and label are the same column, number 1 of 2");
    f->format.text = (GfColumn){.name = "text", .number = -1};
    f->format.headless = true;
    assert_int_equal(parse(f, "d.csv", "text,label\na,b\n", 15), GF_ERR_DATA);
    assert_non_null(strstr(f->diags.last->message, "must be given as a number"));
}

/* Without any one byte, and cut off anywhere: rows or one error with its place. */
static void survives_every_missing_byte(Fixture *f, const char *name, const char *text, size_t size)
{
    char *copy = malloc(size + 1);

    for (size_t i = 0; i < 2 * size; i++) {
        size_t at = i / 2, length = i % 2 ? at : size - 1;
        memcpy(copy, text, at);
        memcpy(copy + at, text + at + 1, length - at);
        copy[length] = '\0';
        GfStatus status = parse(f, name, copy, length);
        assert_true((status == GF_OK) == (f->diags.count == 0));
        assert_true(status == GF_OK ? f->table.count > 0 : f->diags.first->loc.file != NULL);
        gf_diags_free(&f->diags);
        gf_arena_free(&f->arena);
    }
    free(copy);
}

static void loses_single_bytes(void **state)
{
    static const char *const files[][2] = {
        {"d.csv", "text,label\r\n\"a, \"\"b\"\"\nc\",joy\n\xc3\xa9,fear\n"},
        {"d.tsv", "text\tlabel\na\tx\n\"b\tc\"\ty\n"},
        {"d.txt", "text;label_name\na;x\nb;c;y\n"},
        {"d.jsonl", "{\"text\": \"a\\u00e9\", \"label\": [1, \"x\"]}\n{\"label\": 2, \"text\": \"\\\"\"}\n"},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        survives_every_missing_byte(*state, files[i][0], files[i][1], strlen(files[i][1]));
}

/* A missing byte of JSON is never taken for a whole row of another shape. */
static void json_lines_keep_their_rows(void **state)
{
    static const char text[] = "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 1}\n";
    char copy[sizeof text];
    Fixture *f = *state;

    for (size_t i = 0; i + 2 < sizeof text; i++) {
        memcpy(copy, text, i);
        memcpy(copy + i, text + i + 1, sizeof text - i - 1);
        if (parse(f, "d.jsonl", copy, sizeof text - 2) == GF_OK)
            assert_int_equal(f->table.count, 2);
        gf_diags_free(&f->diags);
    }
}

/* ---- gzip ---- */

/* Append a member that holds `text`. */
static size_t compress_to(unsigned char *to, size_t room, const char *text)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (const unsigned char *)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = z.total_out;
    deflateEnd(&z);
    return size;
}

static void reads_gzip(void **state)
{
    unsigned char bytes[512];
    size_t size = compress_to(bytes, sizeof bytes, "text,label\na,x\nb");
    Fixture *f = *state;

    size += compress_to(bytes + size, sizeof bytes - size - 1, ",y\n"); /* a second member goes on */
    bytes[size] = '\0';
    for (int named = 0; named < 2; named++) {
        assert_int_equal(parse(f, named ? "d.csv.gz" : "d.csv", (char *)bytes, size), GF_OK);
        assert_int_equal(f->table.count, 2);
        check_cell(f, 1, GF_TABLE_TEXT, "b");
        check_cell(f, 1, GF_TABLE_LABEL, "y");
    }
}

static void refuses_broken_gzip(void **state)
{
    unsigned char bytes[512], broken_bytes[512];
    size_t size = compress_to(bytes, sizeof bytes - 1, "text,label\na,x\nb,y\n");
    Fixture *f = *state;

    for (size_t i = 0; i < size; i++) { /* cut off: never a part for the whole */
        memcpy(broken_bytes, bytes, i);
        broken_bytes[i] = '\0';
        assert_int_equal(parse(f, "d.csv.gz", (char *)broken_bytes, i), GF_ERR_DATA);
        assert_int_equal(f->diags.count, 1);
        gf_diags_free(&f->diags);
    }
    for (size_t i = 10; i < size; i++) { /* any bit of the content, or of the checksums behind it */
        memcpy(broken_bytes, bytes, size + 1);
        broken_bytes[i] ^= 1;
        assert_int_equal(parse(f, "d.csv.gz", (char *)broken_bytes, size), GF_ERR_DATA);
        gf_diags_free(&f->diags);
    }
    memcpy(bytes + size, "x", 2);
    assert_int_equal(parse(f, "d.csv.gz", (char *)bytes, size + 1), GF_ERR_DATA);
    assert_non_null(strstr(f->diags.last->message, "ends 1 bytes before the file does"));
}

/* ---- sizes and memory ---- */

static void reads_a_text_of_a_megabyte(void **state)
{
    static const char *const names[] = {"d.csv", "d.jsonl", "d.txt"};
    static const char *const heads[] = {"text,label\n\"", "{\"text\": \"", "text;label_name\n"};
    static const char *const tails[] = {"\",x\nb,y\n", "\", \"label\": \"x\"}\n{\"text\":\"b\",\"label\":\"y\"}",
                                        ";x\nb;y\n"};
    enum { MEGABYTE = 1 << 20 };
    char *text = malloc(MEGABYTE + 128);
    Fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        size_t head = strlen(heads[i]);
        memcpy(text, heads[i], head);
        memset(text + head, 'a', MEGABYTE);
        strcpy(text + head + MEGABYTE, tails[i]);
        assert_int_equal(parse(f, names[i], text, strlen(text)), GF_OK);
        assert_int_equal(f->table.count, 2);
        assert_int_equal(f->table.rows[0].cells[GF_TABLE_TEXT].length, MEGABYTE);
        check_cell(f, 1, GF_TABLE_LABEL, "y");
    }
    free(text);
}

static void reads_a_file(void **state)
{
    Fixture *f = *state;
    char path[64];

    snprintf(path, sizeof path, "/tmp/graft-test-table-%ld.csv", (long)getpid());
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("text,label\na,x\n", out);
    fclose(out);
    assert_int_equal(gf_table_read(&f->table, &f->arena, path, &f->format, &f->diags), GF_OK);
    check_cell(f, 0, GF_TABLE_TEXT, "a");
    unlink(path);
    assert_int_equal(gf_table_read(&f->table, &f->arena, path, &f->format, &f->diags), GF_ERR_IO);
}

static void runs_out_of_memory_cleanly(void **state)
{
    unsigned char bytes[512] = {0};
    size_t size = compress_to(bytes, sizeof bytes - 1, "{\"text\": \"\\n\", \"label\": [1, \"\\t\"]}\n");
    Fixture *f = *state;
    GfStatus status = GF_ERR_MEMORY;

    for (long n = 0; status != GF_OK; n++) {
        FailingAlloc failing;
        GfArena arena;
        failing_alloc_init(&failing, n);
        gf_arena_init(&arena, &failing.allocator);
        status = gf_table_parse(&f->table, &arena, "d.jsonl.gz", (char *)bytes, size, &f->format, &f->diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        gf_arena_free(&arena);
        assert_int_equal(failing.live, 0);
        assert_true(n < 100);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_csv),
        TEST(reads_windows_files),
        TEST(reads_tsv),
        TEST(reads_other_delimiters),
        TEST(reads_files_without_header),
        TEST(finds_columns_by_name),
        TEST(reads_json_lines),
        TEST(takes_lists_apart),
        TEST(says_what_is_broken),
        TEST(refuses_what_a_format_cannot_do),
        TEST(loses_single_bytes),
        TEST(json_lines_keep_their_rows),
        TEST(reads_gzip),
        TEST(refuses_broken_gzip),
        TEST(reads_a_text_of_a_megabyte),
        TEST(reads_a_file),
        TEST(runs_out_of_memory_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
