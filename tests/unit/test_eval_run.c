/* test_eval_run.c -- the evaluator's machinery: updates, bad values, sizes and
 * memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/eval_run.h"

/* ---- updates ------------------------------------------------------------------------------ */

/* Both updates see the old values. */
static void updates_take_effect_together(void **state)
{
    static const double in[] = {1, 2, 10, 20};
    static const double first[] = {10, 20, 11, 22}, second[] = {11, 22, 21, 42};
    Run r;

    (void)state;
    run_start(&r, "%a = param \"a\" : f32[2]\n%b = state \"b\" : f32[2]\n%c = add %a, %b : f32[2]\n"
                  "update %a = %b\nupdate %b = %c\nreturn a = %a, b = %b\n");
    gf_eval_apply_updates(r.e); /* nothing has run: nothing to apply */
    run_check(&r, run_bind(&r, (Data){in, 4}), "bind");
    run_check(&r, gf_eval_run(r.e, &r.diags), "run");
    assert_true(outputs_are(&r, (Data){in, 4}));
    gf_eval_apply_updates(r.e);
    assert_true(outputs_are(&r, (Data){first, 4}));
    run_check(&r, gf_eval_run(r.e, &r.diags), "run");
    gf_eval_apply_updates(r.e);
    assert_true(outputs_are(&r, (Data){second, 4}));
    run_free(&r);
}

/* ---- errors --------------------------------------------------------------------------------- */

#define SEQUENCE_BODY                                                                                                  \
    ATTENTION_INPUTS("2", "1")                                                                                         \
    SEQUENCES("2")                                                                                                     \
    "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = 1} : f32[2,1], f32[2,1] // m.json:8\nreturn y = "     \
    "%y#0\n"

#define GATHER_BODY                                                                                                    \
    "%t = input : f32[2] // m.json:2\n%ids = input : i32[1] // m.json:3\n%y = gather %t, %ids : f32[1] // "            \
    "m.json:4\nreturn y = %y\n"

#define LABEL_BODY                                                                                                     \
    "%x = input : f32[1,2]\n%l = input : i32[1]\n%y = cross_entropy %x, %l : f32[1,1] // m.json:4\nreturn y = %y\n"

static const struct {
    const char *body;
    Data in;
    GfStatus status;
    const char *message;
    uint32_t line;
} errors[] = {
    {GATHER_BODY, DATA(1, 2, 2), GF_ERR_VALUE, "'gather' has 2 at position 0 of its ids; valid is 0 to 1", 4},
    {GATHER_BODY, DATA(1, 2, -1), GF_ERR_VALUE, "'gather' has -1 at position 0 of its ids; valid is 0 to 1", 4},
    {GATHER_BODY, DATA(1, 2, 0.5), GF_ERR_VALUE, "'ids' is i32, but element 0 is 0.5", 3},
    {GATHER_BODY, DATA(1, 2, NAN), GF_ERR_VALUE, "'ids' is i32, but element 0 is", 3},
    {GATHER_BODY, DATA(1, 2, 4294967296.), GF_ERR_VALUE, "'ids' is i32, but element 0 is 4.29497e+09", 3},
    {LABEL_BODY, DATA(1, 2, 2), GF_ERR_LABEL, "'cross_entropy' has label 2 in row 0; valid is 0 to 1", 4},
    {LABEL_BODY, DATA(1, 2, -1), GF_ERR_LABEL, "'cross_entropy' has label -1 in row 0; valid is 0 to 1", 4},
    {SEQUENCE_BODY, DATA(1, 1, 1, 1, 1, 1, -1, 1, 1, 1, 0, 0, 0, 0), GF_ERR_VALUE,
     "'attention' has sequence 0 at row -1 with length 1; there are 2 rows", 8},
    {SEQUENCE_BODY, DATA(1, 1, 1, 1, 1, 1, 0, 1, 1, 2, 0, 0, 0, 0), GF_ERR_VALUE,
     "'attention' has sequence 1 at row 1 with length 2; there are 2 rows", 8},
    {SEQUENCE_BODY, DATA(1, 1, 1, 1, 1, 1, 0, 1, -1, 1, 0, 0, 0, 0), GF_ERR_VALUE,
     "'attention' has sequence 0 at row 0 with length -1; there are 2 rows", 8},
    {SEQUENCE_BODY, DATA(1, 1, 1, 1, 1, 1, 0, 1, 2, 1, 0, 0, 0, 0), GF_ERR_VALUE,
     "'attention' has sequences 0 and 1 on the same rows", 8},
    {"%x = input : f32[3]\n%ids = input : i32[3]\n%y = scatter_add %x, %ids : f32[2] // m.json:4\nreturn y = %y\n",
     DATA(1, 2, 3, 0, 1, 2), GF_ERR_VALUE, "'scatter_add' has 2 at position 2 of its ids; valid is 0 to 1", 4},
};

static void assert_error(const Run *r, const char *message, uint32_t line)
{
    assert_non_null(r->diags.first);
    if (!strstr(r->diags.first->message, message))
        fail_msg("'%s' is not in '%s'", message, r->diags.first->message);
    assert_int_equal(r->diags.first->loc.line, line);
}

static void bad_values_are_located_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        Run r;
        run_start(&r, errors[i].body);
        GfStatus status = run_bind(&r, errors[i].in);
        if (status == GF_OK)
            status = gf_eval_run(r.e, &r.diags);
        assert_int_equal(status, errors[i].status);
        assert_error(&r, errors[i].message, errors[i].line);
        run_free(&r);
    }
}

static void what_is_not_bound_is_an_error(void **state)
{
    Run r;

    (void)state;
    run_start(&r, GATHER_BODY);
    assert_int_equal(gf_eval_run(r.e, &r.diags), GF_ERR_VALUE);
    assert_error(&r, "'t' is not bound", 2);
    run_free(&r);
}

static void what_is_computed_cannot_be_bound(void **state)
{
    Run r;

    (void)state;
    run_start(&r, GATHER_BODY);
    assert_int_equal(gf_eval_bind(r.e, gf_find_name(r.g, "y"), (double[]){0}, &r.diags), GF_ERR_VALUE);
    assert_error(&r, "'y' is computed and cannot be bound", 4);
    run_free(&r);
}

static void sizes_are_checked(void **state)
{
    static const int64_t negative[] = {-1, 1}, huge[] = {INT64_MAX / 2, 1};
    Run r;

    (void)state;
    run_parse(&r, "graph @t(tokens, seqs) {\n%x = input : f32[tokens,4]\nreturn x = %x\n}\n");
    assert_int_equal(gf_eval_new(r.g, negative, NULL, &r.e, &r.diags), GF_ERR_VALUE);
    assert_null(r.e);
    assert_int_equal(gf_eval_new(r.g, NULL, NULL, &r.e, &r.diags), GF_ERR_VALUE);
    assert_int_equal(gf_eval_new(r.g, huge, NULL, &r.e, &r.diags), GF_ERR_VALUE);
    run_free(&r);
}

/* No rows, no sequences: nothing is read, sums are 0. */
static void empty_batches_evaluate(void **state)
{
    static const int64_t none[] = {0, 0};
    Run r;

    (void)state;
    run_parse(&r, "graph @t(tokens, seqs) {\n%x = input : f32[tokens,4]\n%y = sum_rows %x : f32[4]\n"
                  "%z = sum %x : f32[]\nreturn y = %y, z = %z\n}\n");
    run_prepare(&r, none);
    run_check(&r, gf_eval_bind(r.e, r.g->first, (double[]){0}, &r.diags), "bind");
    run_check(&r, gf_eval_run(r.e, &r.diags), "run");
    assert_true(outputs_are(&r, (Data){(double[5]){0}, 5}));
    run_free(&r);
}

/* ---- memory ----------------------------------------------------------------------------------- */

typedef struct Failing {
    int left; /* allocations until one fails */
} Failing;

static void *failing_alloc(void *self, size_t size)
{
    Failing *f = self;
    return f->left-- > 0 ? gf_system_allocator.alloc(gf_system_allocator.self, size) : NULL;
}

static void failing_release(void *self, void *memory)
{
    (void)self;
    gf_system_allocator.release(gf_system_allocator.self, memory);
}

/* Whichever allocation fails, the evaluator says so and leaks nothing. */
static void every_allocation_may_fail(void **state)
{
    Failing f;
    const GfAllocator allocator = {failing_alloc, failing_release, &f};
    GfStatus status = GF_ERR_MEMORY;

    (void)state;
    for (int n = 0; status != GF_OK; n++) {
        Run r;
        f.left = n;
        run_parse(&r, "graph @t(tokens, seqs) {\n%x = input : f32[1000,400]\n%y = neg %x : f32[1000,400]\n"
                      "return y = %y\n}\n");
        status = gf_eval_new(r.g, test_sizes, &allocator, &r.e, &r.diags);
        assert_true(status == GF_OK || (status == GF_ERR_MEMORY && !r.e));
        run_free(&r);
    }
    assert_true(f.left >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_take_effect_together),
        cmocka_unit_test(bad_values_are_located_errors),
        cmocka_unit_test(what_is_not_bound_is_an_error),
        cmocka_unit_test(what_is_computed_cannot_be_bound),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(empty_batches_evaluate),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
