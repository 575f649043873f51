/* test_golden.c -- the golden driver itself: planted wrong rewrites must fail,
 * and files must be cut into the right cases.
 */
#include "tests/golden/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char message[256]; /* of the last golden_fail */

bool golden_fail(const GoldenCase *c, const char *format, ...)
{
    va_list args;

    (void)c;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return false;
}

/* ---- values ---------------------------------------------------------------------------- */

static bool same(const char *before, const char *after)
{
    const char *bodies[2] = {before, after};
    GoldenCase c = {.sizes = ""};
    GfGraph *g[2];
    GfDiags diags;
    char text[1024];

    message[0] = '\0';
    gf_diags_init(&diags, NULL);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text,
                 "graph @g(tokens) {\n  %%x = input : f32[tokens,8]\n  %%w = param \"w\" : f32[8,8]\n"
                 "  %%ids = input : i32[tokens]\n%s}\n",
                 bodies[i]);
        assert_int_equal(gf_graph_parse("t.gir", text, strlen(text), NULL, &g[i], &diags), GF_OK);
    }
    bool fine = golden_same_values(&c, g[0], g[1]);
    gf_graph_free(g[0]);
    gf_graph_free(g[1]);
    gf_diags_free(&diags);
    return fine;
}

#define TWICE "  %y = scale %x {by = 2} : f32[tokens,8]\n"

static void equal_values(void **state)
{
    (void)state;
    assert_true(same(TWICE "  return y = %y\n", "  %y = add %x, %x : f32[tokens,8]\n  return more = %x, y = %y\n"));
    assert_true(same("  %y = gather %x, %ids : f32[tokens,8]\n  return y = %y\n",
                     "  %y = gather %x, %ids : f32[tokens,8]\n  return y = %y\n"));
    assert_string_equal(message, "");
}

static void wrong_values(void **state)
{
    (void)state;
    assert_false(
        same(TWICE "  return y = %y\n", "  %y = scale %x {by = 2.00000001} : f32[tokens,8]\n  return y = %y\n"));
    assert_non_null(strstr(message, "the output 'y' differs"));
    assert_false(same("  %y = matmul %x, %w : f32[tokens,8]\n  return y = %y\n",
                      "  %y = linear %x, %w : f32[tokens,8]\n  return y = %y\n")); /* w transposed */
    assert_non_null(strstr(message, "the output 'y' differs"));
    assert_false(same("  %y = log %x : f32[tokens,8]\n  return y = %y\n",
                      "  %y = log %x : f32[tokens,8]\n  return y = %y\n")); /* NaN is never right */
}

static void wrong_assignments(void **state)
{
    (void)state;
    static const char *const lines = "  %n = neg %w : f32[8,8]\n  %m = scale %n {by = 2} : f32[8,8]\n";
    char before[256], after[256];

    snprintf(before, sizeof before, "%s  update %%w = %%n\n  grad %%w = %%m\n  return\n", lines);
    assert_true(same(before, before));
    snprintf(after, sizeof after, "%s  update %%w = %%m\n  grad %%w = %%m\n  return\n", lines);
    assert_false(same(before, after));
    assert_non_null(strstr(message, "the update of 'w' differs"));
    snprintf(after, sizeof after, "%s  update %%w = %%n\n  grad %%w = %%n\n  return\n", lines);
    assert_false(same(before, after));
    assert_non_null(strstr(message, "the gradient of 'w' differs"));
    snprintf(after, sizeof after, "%s  grad %%w = %%m\n  return\n", lines);
    assert_false(same(before, after));
    assert_non_null(strstr(message, "the update of 'w' is gone"));
    snprintf(after, sizeof after, "%s  update %%w = %%n\n  return\n", lines); /* prune-frozen does that */
    assert_true(same(before, after));
}

static void lost_output(void **state)
{
    (void)state;
    assert_false(same("  return x = %x\n", "  return\n"));
    assert_string_equal(message, "the output 'x' is gone");
}

/* ---- files ------------------------------------------------------------------------------- */

static void cases_of_a_file(void **state)
{
    (void)state;
    static const char text[] = "// about\n"
                               "// passes: cse,dce\n"
                               "// counters: merged=1\n"
                               "// a comment\n"
                               "\n"
                               "graph @a() {\n"
                               "  return\n"
                               "}\n"
                               "\n"
                               "// expect:\n"
                               "graph @b() {\n"
                               "}\n"
                               "// -----\n"
                               "// sizes: tokens=3\n"
                               "graph @c() {\n"
                               "  foo // error: GF0101 the text  \n"
                               "}\n"
                               "// -----\n"
                               "// error at 19: GF0102 more\n"
                               "graph\n";
    GfArena arena;
    size_t count;

    gf_arena_init(&arena, NULL);
    GoldenCase *c = golden_split(&arena, "f.gir", text, &count);
    assert_non_null(c);
    assert_int_equal(count, 3);
    assert_int_equal(c[0].line, 1);
    assert_string_equal(c[0].passes, "cse,dce");
    assert_string_equal(c[0].counters, "merged=1");
    assert_string_equal(c[0].input, "graph @a() {\n  return\n}\n");
    assert_string_equal(c[0].padded, "\n\n\n\n\ngraph @a() {\n  return\n}\n");
    assert_string_equal(c[0].expect, "graph @b() {\n}\n");
    assert_false(c[0].must_fail);
    assert_int_equal(c[1].line, 14);
    assert_string_equal(c[1].sizes, "tokens=3");
    assert_null(c[1].expect);
    assert_true(c[1].must_fail);
    assert_int_equal(c[1].error_line, 16);
    assert_string_equal(c[1].error_code, "GF0101");
    assert_string_equal(c[1].error_text, "the text");
    assert_int_equal(c[2].error_line, 19);
    assert_string_equal(c[2].error_text, "more");
    gf_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values), cmocka_unit_test(wrong_values),    cmocka_unit_test(wrong_assignments),
        cmocka_unit_test(lost_output),  cmocka_unit_test(cases_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
