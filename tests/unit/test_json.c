/* test_json.c -- strict reading, places, typed getters, --set, printing. */
#include "frontend/graph/json.h"
#include "tests/support/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Fixture {
    GfDiags diags;
    GfJson doc;
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_diags_init(&f->diags, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    gf_json_close(&f->doc);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static GfStatus read(Fixture *f, const char *text)
{
    return gf_json_read_text(&f->doc, "t.json", text, strlen(text), &f->diags);
}

static void read_ok(Fixture *f, const char *text)
{
    assert_int_equal(read(f, text), GF_OK);
    assert_int_equal(f->diags.count, 0);
}

static void check_last(const GfDiags *diags, GfStatus status, unsigned line, unsigned column, const char *part)
{
    assert_non_null(diags->last);
    assert_int_equal(diags->last->status, status);
    assert_int_equal(diags->last->loc.line, line);
    assert_int_equal(diags->last->loc.column, column);
    if (!strstr(diags->last->message, part))
        fail_msg("'%s' does not say '%s'", diags->last->message, part);
}

/* ---- reading ---- */

typedef struct Broken {
    const char *text;
    unsigned line;
    unsigned column;
    const char *part;
    GfStatus status;
} Broken;

static const Broken broken[] = {
    {"", 0, 0, "empty", GF_ERR_SYNTAX},
    {" \n ", 0, 0, "empty", GF_ERR_SYNTAX},
    {"[1,]", 1, 4, "another member", GF_ERR_SYNTAX},
    {"[,1]", 1, 2, "expected a value", GF_ERR_SYNTAX},
    {"{\"a\":1,}", 1, 8, "another member", GF_ERR_SYNTAX},
    {"{\"a\" 1}", 1, 6, "':' after a key", GF_ERR_SYNTAX},
    {"{\"a\":}", 1, 6, "expected a value, found '}'", GF_ERR_SYNTAX},
    {"{a:1}", 1, 2, "a key in double quotes, found 'a'", GF_ERR_SYNTAX},
    {"[1 2]", 1, 4, "',' or ']', found '2'", GF_ERR_SYNTAX},
    {"{\"a\":1", 1, 7, "',' or '}', found the end", GF_ERR_SYNTAX},
    {"[\n 1\n", 3, 1, "found the end of the text", GF_ERR_SYNTAX},
    {"[1] x", 1, 5, "nothing after the JSON value", GF_ERR_SYNTAX},
    {"{} {}", 1, 4, "nothing after the JSON value", GF_ERR_SYNTAX},
    {"['a']", 1, 2, "found '''", GF_ERR_SYNTAX},
    {"[NaN]", 1, 2, "found 'NaN'", GF_ERR_SYNTAX},
    {"[Infinity]", 1, 2, "found 'Infinity'", GF_ERR_SYNTAX},
    {"nul", 1, 1, "found 'nul'", GF_ERR_SYNTAX},
    {"truex", 1, 1, "found 'truex'", GF_ERR_SYNTAX},
    {"[01]", 1, 2, "needless 0", GF_ERR_SYNTAX},
    {"[-01]", 1, 2, "needless 0", GF_ERR_SYNTAX},
    {"[1.]", 1, 4, "a digit", GF_ERR_SYNTAX},
    {"[.5]", 1, 2, "expected a value", GF_ERR_SYNTAX},
    {"[+1]", 1, 2, "expected a value", GF_ERR_SYNTAX},
    {"[1e]", 1, 4, "a digit", GF_ERR_SYNTAX},
    {"[0x10]", 1, 3, "',' or ']'", GF_ERR_SYNTAX},
    {"[-]", 1, 3, "a digit", GF_ERR_SYNTAX},
    {"[1e999]", 1, 2, "range of a double", GF_ERR_VALUE},
    {"[0.0000000000000000000000000000000000000000000000000000000000000001]", 1, 2, "66 characters", GF_ERR_SYNTAX},
    {"[\"a\tb\"]", 1, 4, "control character 0x09", GF_ERR_SYNTAX},
    {"[\"ab", 1, 2, "does not end", GF_ERR_SYNTAX},
    {"[\"ab\n\"]", 1, 2, "does not end", GF_ERR_SYNTAX},
    {"[\"\\x\"]", 1, 4, "after a backslash", GF_ERR_SYNTAX},
    {"[\"\\u12g4\"]", 1, 5, "four hexadecimal digits", GF_ERR_SYNTAX},
    {"[\"\\u0000\"]", 1, 5, "other than NUL", GF_ERR_SYNTAX},
    {"[\"\\ud800\"]", 1, 3, "half of a surrogate pair", GF_ERR_SYNTAX},
    {"[\"\\ud800\\u0041\"]", 1, 3, "half of a surrogate pair", GF_ERR_SYNTAX},
    {"[\"\\udc00\"]", 1, 3, "half of a surrogate pair", GF_ERR_SYNTAX},
    {"[\"\xc3(\"]", 1, 3, "0xc3 is not UTF-8", GF_ERR_SYNTAX},
    {"[\"\xc0\xaf\"]", 1, 3, "0xc0 is not UTF-8", GF_ERR_SYNTAX},
    {"[\"\xed\xa0\x80\"]", 1, 3, "0xed is not UTF-8", GF_ERR_SYNTAX},
    {"[\"\xf4\x90\x80\x80\"]", 1, 3, "0xf4 is not UTF-8", GF_ERR_SYNTAX},
    {"[\"\xe2\x82", 1, 3, "0xe2 is not UTF-8", GF_ERR_SYNTAX},
    {"[1 /* no */]", 1, 4, "',' or ']'", GF_ERR_SYNTAX},
    {"{\"a\":1,\n \"\\u0061\":2}", 2, 2, "key 'a' stands twice", GF_ERR_KEY},
    {"{\"a\":{\"b\":1,\"b\":1}}", 1, 13, "key 'b' stands twice", GF_ERR_KEY},
};

static void broken_texts_are_refused_where_they_break(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_int_equal(read(f, broken[i].text), broken[i].status);
        check_last(&f->diags, broken[i].status, broken[i].line, broken[i].column, broken[i].part);
        assert_int_equal(f->diags.count, i + 1);
        assert_null(f->doc.root);
    }
}

static void nul_bytes_are_refused(void **state)
{
    Fixture *f = *state;

    assert_int_equal(gf_json_read_text(&f->doc, "t", "[1,\0 2]", 7, &f->diags), GF_ERR_SYNTAX);
    check_last(&f->diags, GF_ERR_SYNTAX, 1, 4, "NUL byte");
}

static void every_prefix_of_a_document_is_refused(void **state)
{
    Fixture *f = *state;
    const char text[] = "{\"a\": [1.5e3, -2, \"x\\u00e9\\n\"], \"b\": {\"c\": null, \"d\": true}}";

    for (size_t length = 0; length + 1 < sizeof text; length++)
        assert_int_not_equal(gf_json_read_text(&f->doc, "t", text, length, &f->diags), GF_OK);
    assert_int_equal(gf_json_read_text(&f->doc, "t", text, sizeof text - 1, &f->diags), GF_OK);
}

static void nesting_is_bounded(void **state)
{
    Fixture *f = *state;
    char text[2 * 65 + 1] = "";

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    read_ok(f, text);
    gf_json_close(&f->doc);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(read(f, text), GF_ERR_SYNTAX);
    check_last(&f->diags, GF_ERR_SYNTAX, 1, 65, "deeper than 64");
}

static void same_key_in_different_objects_is_fine(void **state)
{
    read_ok(*state, "[{\"a\":1},{\"a\":2},{\"a\":{\"a\":3}}]");
}

static void byte_order_mark_is_skipped(void **state)
{
    Fixture *f = *state;

    read_ok(f, "\xef\xbb\xbf[1]");
    gf_json_close(&f->doc);
    read_ok(f, "\xef\xbb\xbf"
               "1");
}

static void missing_file_is_an_io_error(void **state)
{
    Fixture *f = *state;

    assert_int_equal(gf_json_read_file(&f->doc, "/nonexistent/x.json", &f->diags), GF_ERR_IO);
    assert_string_equal(f->diags.last->loc.file, "/nonexistent/x.json");
}

/* ---- places ---- */

static void check_loc(GfLoc loc, unsigned line, unsigned column)
{
    assert_string_equal(loc.file, "t.json");
    assert_int_equal(loc.line, line);
    assert_int_equal(loc.column, column);
}

static void places_are_those_of_the_text(void **state)
{
    Fixture *f = *state;

    read_ok(f, "{ \"a\": 1,\n  \"b\": [ true,\n    {\"c\": \"{[\\\"\"} ],\n\"d\":null}");
    const cJSON *root = f->doc.root, *b = gf_json_find(&f->doc, root, "b");
    check_loc(gf_json_loc(&f->doc, root), 1, 1);
    check_loc(gf_json_key_loc(&f->doc, gf_json_find(&f->doc, root, "a")), 1, 3);
    check_loc(gf_json_loc(&f->doc, gf_json_find(&f->doc, root, "a")), 1, 8);
    check_loc(gf_json_loc(&f->doc, b), 2, 8);
    check_loc(gf_json_loc(&f->doc, b->child), 2, 10);
    check_loc(gf_json_key_loc(&f->doc, b->child), 2, 10);
    check_loc(gf_json_loc(&f->doc, b->child->next), 3, 5);
    check_loc(gf_json_loc(&f->doc, gf_json_find(&f->doc, b->child->next, "c")), 3, 11);
    check_loc(gf_json_key_loc(&f->doc, gf_json_find(&f->doc, root, "d")), 4, 1);
    check_loc(gf_json_loc(&f->doc, NULL), 1, 1);
}

static void find_is_exact_even_among_many(void **state)
{
    Fixture *f = *state;
    GfArena arena;

    gf_arena_init(&arena, NULL);
    GfText text = {.arena = &arena};
    for (int i = 0; i < 3000; i++)
        gf_text_add(&text, "%s\"k%d\":%d", i ? "," : "{", i, i);
    gf_text_add(&text, "}");
    read_ok(f, gf_text_str(&text));
    for (int i = 0; i < 3000; i++)
        assert_int_equal(gf_json_find(&f->doc, f->doc.root, gf_arena_printf(&arena, "k%d", i))->valueint, i);
    assert_null(gf_json_find(&f->doc, f->doc.root, "K1"));
    assert_null(gf_json_find(&f->doc, f->doc.root, "k3000"));
    assert_null(gf_json_find(&f->doc, NULL, "k1"));
    gf_arena_free(&arena);
}

/* ---- getters ---- */

static const char sample[] = "{\"s\":\"text\",\"n\":2.5,\"i\":7,\"b\":true,\"o\":{},\"a\":[],\"z\":null,\"big\":1e300,"
                             "\"edge\":9007199254740991,\"over\":9007199254740992}";

static void getters_return_values(void **state)
{
    Fixture *f = *state;
    const char *s = NULL;
    double n = 0;
    int64_t i = 0;
    bool b = false;
    const cJSON *o = NULL;

    read_ok(f, sample);
    const cJSON *root = f->doc.root;
    assert_int_equal(gf_json_get_string(&f->doc, root, "s", GF_REQUIRED, &s, &f->diags), GF_OK);
    assert_string_equal(s, "text");
    assert_int_equal(gf_json_get_number(&f->doc, root, "n", GF_REQUIRED, &n, &f->diags), GF_OK);
    assert_true(n == 2.5);
    assert_int_equal(gf_json_get_int(&f->doc, root, "i", GF_REQUIRED, &i, &f->diags), GF_OK);
    assert_int_equal(i, 7);
    assert_int_equal(gf_json_get_int(&f->doc, root, "edge", GF_REQUIRED, &i, &f->diags), GF_OK);
    assert_int_equal(i, 9007199254740991);
    assert_int_equal(gf_json_get_bool(&f->doc, root, "b", GF_REQUIRED, &b, &f->diags), GF_OK);
    assert_true(b);
    assert_int_equal(gf_json_get_object(&f->doc, root, "o", GF_REQUIRED, &o, &f->diags), GF_OK);
    assert_int_equal(gf_json_get_array(&f->doc, root, "a", GF_REQUIRED, &o, &f->diags), GF_OK);
    assert_int_equal(f->diags.count, 0);
}

static void optional_keys_keep_the_default(void **state)
{
    Fixture *f = *state;
    double n = 5;
    int64_t i = 6;

    read_ok(f, sample);
    assert_int_equal(gf_json_get_number(&f->doc, f->doc.root, "absent", GF_OPTIONAL, &n, &f->diags), GF_OK);
    assert_int_equal(gf_json_get_number(&f->doc, f->doc.root, "z", GF_OPTIONAL, &n, &f->diags), GF_OK);
    assert_int_equal(gf_json_get_int(&f->doc, NULL, "i", GF_OPTIONAL, &i, &f->diags), GF_OK);
    assert_int_equal(gf_json_get_int_in(&f->doc, NULL, "i", GF_OPTIONAL, 0, 1, &i, &f->diags), GF_OK);
    assert_true(n == 5 && i == 6);
}

static void getters_say_what_was_found(void **state)
{
    Fixture *f = *state;
    const char *s = NULL;
    double n = 0;
    int64_t i = 0;
    bool b = false;
    const cJSON *o = NULL;

    read_ok(f, sample);
    const cJSON *root = f->doc.root;
    GfDiags *d = &f->diags;
    assert_int_equal(gf_json_get_string(&f->doc, root, "n", GF_REQUIRED, &s, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 17, "'n' must be a string, found the number 2.5");
    assert_int_equal(gf_json_get_number(&f->doc, root, "s", GF_OPTIONAL, &n, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 6, "'s' must be a number, found the string \"text\"");
    assert_int_equal(gf_json_get_int(&f->doc, root, "n", GF_OPTIONAL, &i, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 17, "'n' must be a whole number, found the number 2.5");
    assert_int_equal(gf_json_get_int(&f->doc, root, "over", GF_OPTIONAL, &i, d), GF_ERR_VALUE);
    assert_int_equal(gf_json_get_int(&f->doc, root, "big", GF_OPTIONAL, &i, d), GF_ERR_VALUE);
    assert_int_equal(gf_json_get_bool(&f->doc, root, "i", GF_OPTIONAL, &b, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 25, "'i' must be true or false, found the number 7");
    assert_int_equal(gf_json_get_object(&f->doc, root, "a", GF_OPTIONAL, &o, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 47, "'a' must be an object, found an array");
    assert_int_equal(gf_json_get_array(&f->doc, root, "z", GF_REQUIRED, &o, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 54, "'z' must be an array, found null");
    assert_int_equal(gf_json_get_int(&f->doc, root, "absent", GF_REQUIRED, &i, d), GF_ERR_KEY);
    check_last(d, GF_ERR_KEY, 1, 1, "'absent' is missing");
    assert_int_equal(gf_json_get_int_in(&f->doc, root, "i", GF_REQUIRED, 8, 9, &i, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 25, "'i' must be from 8 to 9, found 7");
    assert_int_equal(gf_json_get_number_in(&f->doc, root, "n", GF_REQUIRED, 0, 1, &n, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 17, "'n' must be from 0 to 1, found 2.5");
    assert_int_equal(gf_json_get_int(&f->doc, gf_json_find(&f->doc, root, "a"), "k", GF_OPTIONAL, &i, d), GF_ERR_VALUE);
    check_last(d, GF_ERR_VALUE, 1, 47, "'a' must be an object, found an array");
}

static void unknown_keys_are_all_reported(void **state)
{
    static const char *const allowed[] = {"learning_rate", "seed"};
    Fixture *f = *state;

    read_ok(f, "{\"seed\":1,\n\"lerning_rate\":2,\n \"qqqqqqqq\":3}");
    assert_int_equal(gf_json_check_keys(&f->doc, f->doc.root, allowed, 2, "training", &f->diags), GF_ERR_KEY);
    assert_int_equal(f->diags.count, 2);
    assert_string_equal(f->diags.first->message, "unknown key 'lerning_rate' in training");
    assert_string_equal(f->diags.first->note, "did you mean 'learning_rate'?");
    assert_int_equal(f->diags.first->loc.line, 2);
    check_last(&f->diags, GF_ERR_KEY, 3, 2, "unknown key 'qqqqqqqq'");
    assert_string_equal(f->diags.last->note, "the keys here are: learning_rate, seed");
    assert_int_equal(gf_json_check_keys(&f->doc, NULL, allowed, 2, "training", &f->diags), GF_OK);
}

/* ---- setting and printing ---- */

static void check_printed(Fixture *f, const char *wanted)
{
    char *printed = cJSON_PrintUnformatted(f->doc.root);

    assert_string_equal(printed, wanted);
    cJSON_free(printed);
}

static void set_replaces_and_creates(void **state)
{
    Fixture *f = *state;

    read_ok(f, "{\"a\":{\"b\":1},\"l\":[1,2,3]}");
    assert_int_equal(gf_json_set(&f->doc, "a.b", "2.5", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "a.c.d", "plain words", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "l.1", "[true, null]", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "l.1.0", "\"q\"", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "e", "{\"f\":{}}", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "e.f.g", "", &f->diags), GF_OK);
    check_printed(
        f, "{\"a\":{\"b\":2.5,\"c\":{\"d\":\"plain words\"}},\"l\":[1,[\"q\",null],3],\"e\":{\"f\":{\"g\":\"\"}}}");
}

static void set_values_are_found_and_located(void **state)
{
    Fixture *f = *state;
    double n = 0;

    read_ok(f, "{\"a\":{\"b\":1}}");
    for (int i = 0; i < 100; i++) /* through several sizes of the index */
        assert_int_equal(gf_json_set(&f->doc, "a.b", "{\"x\": [1, 2, 3]}", &f->diags), GF_OK);
    assert_int_equal(gf_json_set(&f->doc, "a.b.y", "fast", &f->diags), GF_OK);
    const cJSON *b = gf_json_find(&f->doc, gf_json_find(&f->doc, f->doc.root, "a"), "b");
    assert_int_equal(gf_json_get_number(&f->doc, b, "y", GF_REQUIRED, &n, &f->diags), GF_ERR_VALUE);
    check_last(&f->diags, GF_ERR_VALUE, 1, 13, "'y' must be a number, found the string \"fast\"");
    assert_string_equal(f->diags.last->loc.file, "--set a.b.y=fast");
    assert_int_equal(gf_json_key_loc(&f->doc, gf_json_find(&f->doc, b, "y")).column, 11);
    assert_int_equal(gf_json_loc(&f->doc, gf_json_find(&f->doc, b, "x")).column, 17);
}

static void set_refuses_impossible_paths(void **state)
{
    Fixture *f = *state;

    read_ok(f, "{\"a\":{\"b\":1},\"l\":[1]}");
    assert_int_equal(gf_json_set(&f->doc, "a..b", "1", &f->diags), GF_ERR_USAGE);
    assert_int_equal(gf_json_set(&f->doc, "", "1", &f->diags), GF_ERR_USAGE);
    assert_int_equal(gf_json_set(&f->doc, "a.", "1", &f->diags), GF_ERR_USAGE);
    assert_int_equal(gf_json_set(&f->doc, "a=b", "1", &f->diags), GF_ERR_USAGE);
    assert_int_equal(gf_json_set(&f->doc, "l.1", "1", &f->diags), GF_ERR_VALUE);
    assert_int_equal(gf_json_set(&f->doc, "l.x", "1", &f->diags), GF_ERR_VALUE);
    assert_int_equal(gf_json_set(&f->doc, "a.b.c", "1", &f->diags), GF_ERR_VALUE);
    check_last(&f->diags, GF_ERR_VALUE, 1, 11, "'c' cannot be set: 'a.b' is a number");
    assert_int_equal(gf_json_set(&f->doc, "a", "{\"k\":1,\"k\":2}", &f->diags), GF_ERR_KEY);
    check_printed(f, "{\"a\":{\"b\":1},\"l\":[1]}");
}

static void printing_keeps_numbers_as_written(void **state)
{
    static const char text[] = "{\n  \"a\": 0.0,\n  \"b\": [\n    1e-12,\n    \"\\\"\\\\\\n\\u0001\xc3\xa9\"\n  ],\n"
                               "  \"c\": {},\n  \"d\": [],\n  \"e\": true,\n  \"f\": null\n}";
    Fixture *f = *state;
    GfText out = {.arena = &f->diags.arena};

    read_ok(f, text);
    gf_json_print(&out, &f->doc, f->doc.root, 0);
    assert_string_equal(gf_text_str(&out), text);
}

static void numbers_are_shortest(void **state)
{
    static const double numbers[] = {0.1, 1, -2, 1e-12, 1.0 / 3, 5e-5, 1e300};
    Fixture *f = *state;
    GfText out = {.arena = &f->diags.arena};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        gf_json_add_number(&out, numbers[i]);
        gf_text_add(&out, " ");
    }
    assert_string_equal(gf_text_str(&out), "0.1 1 -2 1e-12 0.3333333333333333 5e-05 1e+300 ");
}

/* ---- memory ---- */

static GfStatus read_and_set(const char *text, GfDiags *diags)
{
    GfJson doc;

    GF_TRY(gf_json_read_text(&doc, "t", text, strlen(text), diags));
    GfStatus status = gf_json_set(&doc, "a.b.c", "[1,2,3]", diags);
    gf_json_close(&doc);
    return status;
}

static void any_allocation_may_fail(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->diags.arena};
    GfStatus status = GF_ERR_MEMORY;
    size_t failures = 0;

    gf_text_add(&text, "{\"a\":{},\"l\":[0");
    for (int i = 0; i < 5000; i++)
        gf_text_add(&text, ",%d", i);
    gf_text_add(&text, "]}");
    for (; status != GF_OK; failures++) {
        FailingAlloc failing;
        failing_alloc_init(&failing, (long)failures);
        GfDiags diags;
        gf_diags_init(&diags, &failing.allocator);
        status = read_and_set(gf_text_str(&text), &diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        assert_true((status == GF_OK) == (diags.count == 0));
        gf_diags_free(&diags);
        assert_int_equal(failing.live, 0);
    }
    assert_true(failures > 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(broken_texts_are_refused_where_they_break),
        TEST(nul_bytes_are_refused),
        TEST(every_prefix_of_a_document_is_refused),
        TEST(nesting_is_bounded),
        TEST(same_key_in_different_objects_is_fine),
        TEST(byte_order_mark_is_skipped),
        TEST(missing_file_is_an_io_error),
        TEST(places_are_those_of_the_text),
        TEST(find_is_exact_even_among_many),
        TEST(getters_return_values),
        TEST(optional_keys_keep_the_default),
        TEST(getters_say_what_was_found),
        TEST(unknown_keys_are_all_reported),
        TEST(set_replaces_and_creates),
        TEST(set_values_are_found_and_located),
        TEST(set_refuses_impossible_paths),
        TEST(printing_keeps_numbers_as_written),
        TEST(numbers_are_shortest),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
