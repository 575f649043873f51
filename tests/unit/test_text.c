/* test_text.c -- text IR: what the golden tests of tests/golden/text cannot hold.
 *
 * Hostile bytes, every truncation and every changed byte of a text, each failing
 * allocation, floats bit for bit, comments and places of graphs made by hand.
 */
#include "ir/ir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/failing_alloc.h"

/* Every form of a line. */
static const char sample[] =
    "// head\n"
    "graph @plan(tokens<=4, seqs<=2) arena 1088 {\n"
    "  // lead\n"
    "  %x = input : f32[tokens,16] // bert.json:31\n"
    "  %s = input : i32[seqs]\n"
    "  %g = param \"g \\\" \\\\ \\x01 \xc3\xa9\" frozen {init = \"normal\", std = 0.02} : f32[16]\n"
    "  %b = param \"b\" : f32[16]\n"
    "  %w = param \"w\" : f32[16,16]\n"
    "  %1 = neg %x : f32[tokens,16] @k0\n"
    "  %2 = exp %1 : f32[tokens,16] @k0 +0\n"
    "  %3 = tanh %2 : f32[tokens,16] @k1 +0\n"
    "  %4 = layer_norm %3, %g, %b {eps = 1e-5} : f32[tokens,16], f32[tokens,1], f32[tokens,1] @k2 +256,-,+1024\n"
    "  %5 = gather %4#0, %s : f32[seqs,16] @k3 +512\n"
    "  %6 = sum %5 : f32[] @k5 +0\n"
    "  %7 = scale %w {by = -0.5} : f32[16,16] @k6 =%w\n"
    "  update %w = %7\n"
    "  return loss = %6, m = %4#2\n"
    "  // tail\n"
    "}\n";

static GfStatus parse(const char *text, size_t length, GfGraph **g, GfDiags *diags)
{
    gf_diags_init(diags, NULL);
    return gf_graph_parse("t.gir", text, length, NULL, g, diags);
}

static void assert_prints(const GfGraph *g, const char *wanted)
{
    GfArena arena;
    gf_arena_init(&arena, NULL);
    GfText text = {.arena = &arena};
    gf_graph_print(g, &text);
    assert_string_equal(gf_text_str(&text), wanted);
    gf_arena_free(&arena);
}

/* Parses, and if it does, prints what parses to the same again. */
static bool parses_and_prints(const char *text, size_t length)
{
    GfDiags diags;
    GfGraph *g;
    bool fine = parse(text, length, &g, &diags) == GF_OK;

    if (fine) {
        GfGraph *again;
        GfDiags more;
        GfArena arena;
        gf_arena_init(&arena, NULL);
        GfText printed = {.arena = &arena};
        gf_graph_print(g, &printed);
        assert_int_equal(parse(gf_text_str(&printed), printed.length, &again, &more), GF_OK);
        assert_prints(again, gf_text_str(&printed));
        gf_graph_free(again);
        gf_diags_free(&more);
        gf_arena_free(&arena);
    } else {
        assert_null(g);
        assert_int_equal(diags.count, 1);
        assert_non_null(diags.first->loc.file);
        assert_true(diags.first->loc.line >= 1);
    }
    gf_graph_free(g);
    gf_diags_free(&diags);
    return fine;
}

/* ---- round trips ---------------------------------------------------------------------- */

static void round_trip(void **state)
{
    (void)state;
    GfDiags diags;
    GfGraph *g;

    assert_int_equal(parse(sample, strlen(sample), &g, &diags), GF_OK);
    assert_prints(g, sample);
    gf_graph_free(g);
    gf_diags_free(&diags);
}

static void clone_prints_the_same(void **state)
{
    (void)state;
    GfDiags diags;
    GfGraph *g;

    assert_int_equal(parse(sample, strlen(sample), &g, &diags), GF_OK);
    GfGraph *c = gf_graph_clone(g, NULL);
    assert_non_null(c);
    assert_prints(c, sample);
    assert_int_equal(gf_verify(c, &diags), GF_OK);
    gf_graph_free(c);
    gf_graph_free(g);
    gf_diags_free(&diags);
}

/* The comment of the form file:line is where the node comes from; nothing else is. */
static void comments_are_places(void **state)
{
    (void)state;
    GfDiags diags;
    GfGraph *g;
    static const char text[] = "graph @g() {\n"
                               "  %a = input : f32[] // dir/bert.json:31\n"
                               "  %b = input : f32[] // see bert.json:31\n"
                               "  %c = input : f32[] // :31\n"
                               "  %d = input : f32[] // bert.json:3x\n"
                               "  %e = input : f32[] // bert.json:99999999999\n"
                               "  return\n}\n";

    assert_int_equal(parse(text, strlen(text), &g, &diags), GF_OK);
    assert_string_equal(g->first->loc.origin, "dir/bert.json:31");
    uint32_t line = 2;
    for (GfNode *n = g->first; n; n = n->next) {
        assert_int_equal(n->loc.line, line++);
        assert_int_equal(n->loc.column, 3);
        if (n != g->first)
            assert_string_equal(n->loc.origin, "");
    }
    assert_prints(g, text);
    gf_graph_free(g);
    gf_diags_free(&diags);
}

/* A node keeps its line of the text when the text is gone, and so does a copy. */
static void places_outlive_the_text(void **state)
{
    (void)state;
    GfDiags diags;
    GfGraph *g;
    char *text = strdup("graph @g() {\n  %a = input : f32[]\n  return\n}\n");

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_graph_parse("some/a.gir", text, strlen(text), NULL, &g, &diags), GF_OK);
    memset(text, 'x', strlen(text));
    free(text);
    GfGraph *copy = gf_graph_clone(g, NULL);
    gf_graph_free(g);
    gf_fail(&diags, copy->first->loc, GF_ERR_PASS, "no");
    assert_string_equal(diags.first->loc.file, "some/a.gir");
    assert_string_equal(diags.first->loc.source, "  %a = input : f32[]");
    assert_int_equal(diags.first->loc.column, 3);
    gf_graph_free(copy);
    gf_diags_free(&diags);
}

/* A node made by hand shows where it comes from, whatever the file is called. */
static void places_are_comments(void **state)
{
    (void)state;
    GfDiags diags;
    GfGraph *g = gf_graph_new("g", NULL);
    GfType type = gf_type_scalar(GF_F32);
    GfNodeSpec spec = {.op = GF_OP_INPUT, .name = "x", .declared = &type, .loc = {"a/b\n\xff.json", NULL, 7, 3, NULL}};

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_graph_add(g, NULL, &spec, NULL, &diags), GF_OK);
    spec = (GfNodeSpec){.op = GF_OP_RETURN, .loc = {"m.json", NULL, 9, 0, NULL}};
    assert_int_equal(gf_graph_add(g, NULL, &spec, NULL, &diags), GF_OK);
    assert_prints(g, "graph @g() {\n  %x = input : f32[] // b??.json:7\n  return // m.json:9\n}\n");
    gf_graph_free(g);
    gf_diags_free(&diags);
}

static void assert_float_survives(double value)
{
    GfDiags diags;
    GfGraph *g = gf_graph_new("g", NULL), *again;
    GfType type = gf_type_scalar(GF_F32);
    GfAttr attr = gf_attr_float("value", value);
    GfNodeSpec spec = {.op = GF_OP_CONST, .attrs = &attr, .attr_count = 1, .declared = &type};
    GfNodeSpec ret = {.op = GF_OP_RETURN};
    GfArena arena;

    gf_diags_init(&diags, NULL);
    gf_arena_init(&arena, NULL);
    assert_int_equal(gf_graph_add(g, NULL, &spec, NULL, &diags), GF_OK);
    assert_int_equal(gf_graph_add(g, NULL, &ret, NULL, &diags), GF_OK);
    GfText text = {.arena = &arena};
    gf_graph_print(g, &text);
    assert_int_equal(gf_graph_parse("t", gf_text_str(&text), text.length, NULL, &again, &diags), GF_OK);
    double back = gf_attr_f(again->first, "value");
    assert_memory_equal(&back, &value, sizeof value);
    gf_graph_free(again);
    gf_graph_free(g);
    gf_arena_free(&arena);
    gf_diags_free(&diags);
}

/* Random bit patterns, infinities and denormals included; NaN has no one pattern. */
static void floats_survive(void **state)
{
    (void)state;
    uint64_t bits = 1;

    for (int i = 0; i < 5000; i++) {
        double value;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        uint64_t pattern = i % 8 ? bits ^ bits >> 32 : bits >> 12; /* every eighth below the normal ones */
        memcpy(&value, &pattern, sizeof value);
        if (value == value)
            assert_float_survives(value);
    }
}

/* ---- hostile input ---------------------------------------------------------------------- */

static void every_truncation(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof sample - 1; length++) {
        bool fine = parses_and_prints(sample, length);
        assert_int_equal(fine, length == sizeof sample - 2); /* only the last newline may be missing */
    }
}

/* One byte replaced by each of some that mean something. */
static void every_changed_byte(void **state)
{
    (void)state;
    static const char bytes[] = "\0\xff\"%@{}[](),:=<+-#/\n 9kx\\";
    char text[sizeof sample];

    memcpy(text, sample, sizeof sample);
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            text[i] = bytes[k];
            parses_and_prints(text, sizeof sample - 1);
        }
        text[i] = sample[i];
    }
}

static void assert_error(const char *text, size_t length, GfStatus status, uint32_t line, uint32_t column,
                         const char *message)
{
    GfDiags diags;
    GfGraph *g;

    assert_int_equal(parse(text, length, &g, &diags), status);
    assert_null(g);
    assert_string_equal(diags.first->message, message);
    assert_int_equal(diags.first->loc.line, line);
    assert_int_equal(diags.first->loc.column, column);
    gf_diags_free(&diags);
}

static void hostile_bytes(void **state)
{
    (void)state;
    assert_error("", 0, GF_ERR_SYNTAX, 1, 1, "expected 'graph', found the end of the text");
    assert_error("gr\0ph", 5, GF_ERR_SYNTAX, 1, 3, "the control character 0x00 has no place in text IR");
    assert_error("graph\n @\x01", 9, GF_ERR_SYNTAX, 2, 3, "the control character 0x01 has no place in text IR");
    assert_error("// \xc0\x80", 5, GF_ERR_SYNTAX, 1, 4, "byte 0xc0 is not UTF-8");         /* overlong */
    assert_error("// \xed\xa0\x80", 6, GF_ERR_SYNTAX, 1, 4, "byte 0xed is not UTF-8");     /* a surrogate */
    assert_error("// \xf4\x90\x80\x80", 7, GF_ERR_SYNTAX, 1, 4, "byte 0xf4 is not UTF-8"); /* past U+10FFFF */
    assert_error("// \xe2\x82", 5, GF_ERR_SYNTAX, 1, 4, "byte 0xe2 is not UTF-8");         /* cut off */
    assert_error("\xef\xbb\xbfgraph", 8, GF_ERR_SYNTAX, 1, 1, "'\xef\xbb\xbf' starts nothing that text IR knows");
    assert_error("graph @g() {\n  %\xc3\xa9 = input", 26, GF_ERR_SYNTAX, 2, 3, "'%' must be followed by a name");
}

/* A message shows the beginning of a long token, and no half character. */
static void long_tokens(void **state)
{
    (void)state;
    char text[300] = "graph @g(tokens) {\n  \"";
    size_t length = strlen(text);

    text[length++] = 'a';
    while (length < 280) {
        text[length++] = '\xc3';
        text[length++] = '\xa9';
    }
    text[length++] = '"';
    assert_error(text, length, GF_ERR_SYNTAX, 2, 3,
                 "expected a node: '%x = op ...', 'update', 'grad' or 'return', found the string \"a\xc3\xa9\xc3\xa9"
                 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9...\"");
}

/* A megabyte in one token, and very many of them. */
static void large_texts(void **state)
{
    (void)state;
    static const char marks[] = "%@\"{[(9a-/\n";
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);

    assert_non_null(text);
    for (const char *mark = marks; *mark; mark++) {
        memcpy(text, "graph @g() {\n  %x = const {value = ", 35);
        memset(text + 35, *mark, SIZE - 35);
        assert_false(parses_and_prints(text, SIZE));
    }
    free(text);
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"graph @g(tokens) {\n  %x = imput : f32[]\n", "did you mean 'input'?"},
        {"graph @g(tokens) {\n  %x = input : f33[]\n", "did you mean 'f32'?"},
        {"graph @g(tokens) {\n  %x = input : f32[token]\n", "did you mean 'tokens'?"},
        {"graph @g(tokens) {\n  %logits = input : f32[]\n  %y = neg %logit", "did you mean '%logits'?"},
        {"graph @g(tokens) {\n  %x = input : f32[]\n  %y = scale %x {buy", "did you mean 'by'?"},
        {"graph @g(tokens) {\n  %x = input : f32[]\n  %x", "it is defined first on line 2"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        GfDiags diags;
        GfGraph *g;
        assert_int_not_equal(parse(cases[i][0], strlen(cases[i][0]), &g, &diags), GF_OK);
        assert_non_null(diags.first->note);
        assert_string_equal(diags.first->note, cases[i][1]);
        gf_diags_free(&diags);
    }
}

/* Errors of shape rules show the line too. */
static void errors_show_their_line(void **state)
{
    (void)state;
    static const char text[] = "graph @g() {\n  %x = input : f32[8]\n  %y = sum_rows %x : f32[8]\n  return\n}\n";
    GfDiags diags;
    GfGraph *g;

    assert_int_equal(parse(text, strlen(text), &g, &diags), GF_ERR_SHAPE);
    assert_int_equal(diags.first->loc.line, 3);
    assert_string_equal(diags.first->loc.source, "  %y = sum_rows %x : f32[8]");
    gf_diags_free(&diags);
}

/* ---- memory ------------------------------------------------------------------------------ */

enum { CHAIN_NODES = 1000, CHAIN_LINE = 80 };

/* So many nodes that every arena needs several blocks. */
static char *chain_text(void)
{
    char *text = malloc(CHAIN_NODES * CHAIN_LINE);

    assert_non_null(text);
    size_t length = (size_t)sprintf(text, "// head\ngraph @g(tokens) {\n  %%0 = input : f32[tokens,8]\n");
    for (int i = 1; i < CHAIN_NODES - 2; i++)
        length += (size_t)sprintf(
            text + length, "  // lead\n  %%%d = scale %%%d {by = 2.0} : f32[tokens,8] @k3 // a:%d\n", i, i - 1, i);
    sprintf(text + length, "  return y = %%%d\n}\n", CHAIN_NODES - 3);
    return text;
}

/* Parses with the nth allocation failing, for all n: the status says so, whether
 * it was the text's, the graph's or the diagnostics' memory, and nothing is left. */
static void fail_each_allocation(const char *text)
{
    GfStatus status = GF_ERR_MEMORY;
    long n;

    for (n = 0; status != GF_OK; n++) {
        FailingAlloc alloc;
        GfDiags diags;
        GfGraph *g;
        failing_alloc_init(&alloc, n);
        gf_diags_init(&diags, &alloc.allocator);
        status = gf_graph_parse("t.gir", text, strlen(text), &alloc.allocator, &g, &diags);
        if (status != GF_OK) {
            assert_int_equal(status, GF_ERR_MEMORY);
            assert_int_equal(diags.first->status, GF_ERR_MEMORY);
            assert_null(g);
        }
        gf_graph_free(g);
        gf_diags_free(&diags);
        assert_int_equal(alloc.live, 0);
    }
    assert_true(n > 3);
}

static void every_failing_allocation(void **state)
{
    (void)state;
    char *chain = chain_text();

    assert_true(parses_and_prints(chain, strlen(chain)));
    fail_each_allocation(sample);
    fail_each_allocation(chain);
    free(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(clone_prints_the_same),
        cmocka_unit_test(comments_are_places),
        cmocka_unit_test(places_outlive_the_text),
        cmocka_unit_test(places_are_comments),
        cmocka_unit_test(floats_survive),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(long_tokens),
        cmocka_unit_test(large_texts),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(errors_show_their_line),
        cmocka_unit_test(every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
