/* test_type.c -- types, broadcasting, and what the shape rules refuse.
 *
 * What they accept is tested by every case of test_eval.c: the parser compares
 * the types written there with those that the rules derive.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/eval_run.h"

static GfDim c(int64_t size)
{
    return gf_dim_const(size);
}

static GfDim tokens(void)
{
    return gf_dim_symbol(0);
}

static GfType type3(GfDim a, GfDim b, GfDim d)
{
    return (GfType){.dtype = GF_F32, .rank = 3, .dims = {a, b, d}};
}

/* ---- types ------------------------------------------------------------------------- */

static void dims_compare(void **state)
{
    (void)state;
    assert_true(gf_dim_eq(c(3), c(3)));
    assert_false(gf_dim_eq(c(3), c(4)));
    assert_true(gf_dim_eq(tokens(), gf_dim_symbol(0)));
    assert_false(gf_dim_eq(tokens(), gf_dim_symbol(1)));
    assert_false(gf_dim_eq(tokens(), c(0)));
    assert_true(gf_dim_is(c(1), 1));
    assert_false(gf_dim_is(tokens(), 0));
}

static void types_compare(void **state)
{
    GfType a = gf_type_matrix(GF_F32, tokens(), c(4)), b = gf_type_matrix(GF_F32, c(4), tokens());
    GfType v = gf_type_vector(GF_F32, c(4)), s = gf_type_scalar(GF_F32), i = gf_type_scalar(GF_I32);

    (void)state;
    assert_true(gf_type_eq(&a, &a));
    assert_false(gf_type_eq(&a, &b));
    assert_false(gf_type_eq(&a, &v));
    assert_true(gf_type_eq(&s, &s));
    assert_false(gf_type_eq(&s, &i));
}

static void dtypes_have_sizes_and_names(void **state)
{
    (void)state;
    assert_int_equal(gf_dtype_size(GF_F32), 4);
    assert_int_equal(gf_dtype_size(GF_BF16), 2);
    assert_int_equal(gf_dtype_size(GF_I32), 4);
    assert_string_equal(gf_dtype_text(GF_F32), "f32");
    assert_string_equal(gf_dtype_text(GF_BF16), "bf16");
    assert_string_equal(gf_dtype_text(GF_I32), "i32");
}

static void elements_are_counted(void **state)
{
    const int64_t sizes[] = {7}, none[] = {0}, huge[] = {INT64_MAX / 2}, negative[] = {-1};
    GfType a = gf_type_matrix(GF_F32, tokens(), c(4)), s = gf_type_scalar(GF_F32), v = gf_type_vector(GF_F32, c(5));

    (void)state;
    assert_int_equal(gf_type_elements(&a, sizes), 28);
    assert_int_equal(gf_type_elements(&a, none), 0);
    assert_int_equal(gf_type_elements(&a, huge), -1);
    assert_int_equal(gf_type_elements(&a, negative), -1);
    assert_int_equal(gf_type_elements(&a, NULL), -1);
    assert_int_equal(gf_type_elements(&s, NULL), 1);
    assert_int_equal(gf_type_elements(&v, NULL), 5);
}

static void check_broadcast(GfType a, GfType b, GfType want)
{
    GfType out;

    assert_true(gf_broadcast(&a, &b, &out));
    assert_true(gf_type_eq(&out, &want));
    assert_true(gf_broadcast(&b, &a, &b)); /* the result may replace an operand */
    assert_true(gf_type_eq(&b, &want));
}

static void types_broadcast_as_in_numpy(void **state)
{
    GfType full = gf_type_matrix(GF_F32, tokens(), c(4)), other = gf_type_vector(GF_F32, c(3)), out;

    (void)state;
    check_broadcast(full, full, full);
    check_broadcast(full, gf_type_scalar(GF_F32), full);
    check_broadcast(full, gf_type_vector(GF_F32, c(4)), full);
    check_broadcast(full, gf_type_vector(GF_F32, c(1)), full);
    check_broadcast(full, gf_type_matrix(GF_F32, tokens(), c(1)), full);
    check_broadcast(full, gf_type_matrix(GF_F32, c(1), c(4)), full);
    check_broadcast(gf_type_matrix(GF_F32, tokens(), c(1)), gf_type_vector(GF_F32, c(4)), full);
    check_broadcast(type3(c(2), c(1), c(3)), gf_type_matrix(GF_F32, tokens(), c(1)), type3(c(2), tokens(), c(3)));
    assert_false(gf_broadcast(&full, &other, &out));
    other = gf_type_matrix(GF_F32, gf_dim_symbol(1), c(4));
    assert_false(gf_broadcast(&full, &other, &out));
}

static void check_matrix(GfType type, GfDim n, GfDim m)
{
    GfDim got_n, got_m;

    assert_true(gf_as_matrix(&type, &got_n, &got_m));
    assert_true(gf_dim_eq(n, got_n));
    assert_true(gf_dim_eq(m, got_m));
}

static void types_are_seen_as_matrices(void **state)
{
    GfType bad = type3(tokens(), c(2), c(4)), huge = type3(c(INT64_MAX), c(2), c(4));
    GfDim n, m;

    (void)state;
    check_matrix(gf_type_scalar(GF_F32), c(1), c(1));
    check_matrix(gf_type_vector(GF_F32, tokens()), c(1), tokens());
    check_matrix(gf_type_matrix(GF_F32, tokens(), c(4)), tokens(), c(4));
    check_matrix(type3(c(2), c(3), tokens()), c(6), tokens());
    check_matrix(type3(c(1), tokens(), c(4)), tokens(), c(4));
    assert_false(gf_as_matrix(&bad, &n, &m));
    assert_false(gf_as_matrix(&huge, &n, &m));
}

/* ---- what the rules refuse ------------------------------------------------------------ */

/* Operands of every dtype and shape that the cases need. */
#define OPERANDS                                                                                                       \
    "%s = input : f32[]\n%v3 = input : f32[3]\n%v4 = input : f32[4]\n%a = input : f32[tokens,4]\n"                     \
    "%b = input : f32[3,4]\n%r3 = input : f32[2,3,4]\n%i = input : i32[tokens]\n%j = input : i32[seqs]\n"              \
    "%si = input : i32[]\n%rng = input : i32[4]\n%h = input : bf16[4]\n%col = input : f32[tokens,1]\n"                 \
    "%w = param \"w\" : f32[4]\n"

/* What stands behind "%y = ", or a whole line; a substring of the message. */
static const struct {
    const char *line;
    GfStatus status;
    const char *message, *note;
} refused[] = {
    {"%y = matmul %a, %b : f32[tokens,4]", GF_ERR_SHAPE,
     "'matmul' needs equal inner sizes, got f32[tokens,4] and f32[3,4] (4 and 3)",
     "transpose_b = 1 reads the second as f32[4,3]"},
    {"%y = matmul %b, %a {transpose_b = 1, transpose_a = 1} : f32[tokens,4]", GF_ERR_SHAPE, "'matmul' needs equal",
     "transpose_a = 0 reads the first as f32[3,4]"},
    {"%y = matmul %a, %v4 : f32[tokens,4]", GF_ERR_SHAPE, "'matmul' needs b as a matrix, got f32[4]", NULL},
    {"%y = matmul %a, %b {transpose_b = 2} : f32[tokens,3]", GF_ERR_OP, "'matmul' needs transpose_b as 0 or 1, got 2",
     NULL},
    {"%y = linear %b, %col : f32[3,4]", GF_ERR_SHAPE,
     "'linear' needs equal inner sizes, got f32[3,4] and f32[tokens,1]", "w is stored as [outputs,inputs]"},
    {"%y = linear %a, %b, %v4 : f32[tokens,3]", GF_ERR_SHAPE, "'linear' needs b as f32[3], got f32[4]", NULL},
    {"%y = linear %r3, %b : f32[tokens,3]", GF_ERR_SHAPE, "'linear' needs x as a matrix, got f32[2,3,4]", NULL},
    {"%y = add %a, %v3 : f32[tokens,4]", GF_ERR_SHAPE, "'add' cannot broadcast f32[tokens,4] and f32[3]",
     "counted from the right"},
    {"%y = add %a, %b : f32[tokens,4]", GF_ERR_SHAPE, "'add' cannot broadcast f32[tokens,4] and f32[3,4]", NULL},
    {"%y = add %a, %i : f32[tokens,4]", GF_ERR_SHAPE, "'add' computes in f32, but operand 1 is i32[tokens]", NULL},
    {"%y = exp %h : bf16[4]", GF_ERR_SHAPE, "'exp' computes in f32, but operand 0 is bf16[4]", NULL},
    {"%y = softmax %r3 : f32[2,3,4]", GF_ERR_SHAPE, "'softmax' needs its operand as a vector or matrix", NULL},
    {"%y = softmax %s : f32[]", GF_ERR_SHAPE, "'softmax' needs its operand as a vector or matrix", NULL},
    {"%y = gelu_grad %a, %b : f32[3,4]", GF_ERR_SHAPE,
     "'gelu_grad' needs equal types of operands 0 and 1, got f32[tokens,4] and f32[3,4]", NULL},
    {"%y = dropout %a, %rng {p = 1.0, key = 1} : f32[tokens,4]", GF_ERR_OP, "'dropout' needs 0 <= p < 1, got 1", NULL},
    {"%y = dropout %a, %rng {p = -0.5, key = 1} : f32[tokens,4]", GF_ERR_OP, "'dropout' needs 0 <= p < 1", NULL},
    {"%y = dropout %a, %i {p = 0.5, key = 1} : f32[tokens,4]", GF_ERR_SHAPE,
     "'dropout' needs rng as i32[4], got i32[tokens]", NULL},
    {"%y = dropout %r3, %rng {p = 0.5, key = 1} : f32[2,3,4]", GF_ERR_SHAPE, "'dropout' needs its operand as", NULL},
    {"%y = dropout %a, %j, %rng {p = 0.5, key = 1} : f32[tokens,4]", GF_ERR_SHAPE,
     "'dropout' needs rows as i32[tokens], got i32[seqs]", NULL},
    {"%y = dropout %v4, %i, %rng {p = 0.5, key = 1} : f32[4]", GF_ERR_SHAPE, "'dropout' needs its operand as", NULL},
    {"%y = mean_grad %v4 : f32[4]", GF_ERR_SHAPE, "'mean_grad' needs dy as f32[], got f32[4]", NULL},
    {"%y = broadcast %v4 : f32[4,3]", GF_ERR_SHAPE, "'broadcast' cannot repeat f32[4] to f32[4,3]", NULL},
    {"%y = broadcast %b : f32[1,4]", GF_ERR_SHAPE, "'broadcast' cannot repeat f32[3,4] to f32[1,4]", NULL},
    {"%y = gather %a, %v3 : f32[3,4]", GF_ERR_SHAPE, "'gather' needs ids as a vector of i32, got f32[3]", NULL},
    {"%y = gather %i, %j : i32[seqs]", GF_ERR_SHAPE, "'gather' computes in f32, but operand 0 is i32[tokens]", NULL},
    {"%y = gather %s, %j : f32[seqs]", GF_ERR_SHAPE, "'gather' needs table as a vector or matrix, got f32[]", NULL},
    {"%y = scatter_add %a, %j : f32[3,4]", GF_ERR_SHAPE,
     "'scatter_add' cannot add rows of f32[tokens,4] by i32[seqs] to f32[3,4]", NULL},
    {"%y = scatter_add %a, %i : f32[3,5]", GF_ERR_SHAPE, "'scatter_add' cannot add rows of f32[tokens,4]", NULL},
    {"%y = scatter_add %v3, %i : f32[]", GF_ERR_SHAPE, "'scatter_add' cannot add rows of f32[3]", NULL},
    {"%y = const {value = 1.0} : i32[4]", GF_ERR_SHAPE, "'const' is f32, got i32[4]", NULL},
    {"%y = bias_correction %s {beta = 0.5} : f32[]", GF_ERR_SHAPE, "'bias_correction' needs step as i32[], got f32[]",
     NULL},
    {"%y = bias_correction %si {beta = 1.0} : f32[]", GF_ERR_OP, "'bias_correction' needs 0 <= beta < 1, got 1", NULL},
    {"%y = adamw %v4, %v4, %v3, %v4, %s, %s, %s, %s : f32[4], f32[4], f32[4]", GF_ERR_SHAPE,
     "'adamw' needs equal types of operands 0 and 2, got f32[4] and f32[3]", NULL},
    {"%y = adamw %v4, %v4, %v4, %v4, %s, %s, %s, %v4 : f32[4], f32[4], f32[4]", GF_ERR_SHAPE,
     "'adamw' needs c2 as f32[], got f32[4]", NULL},
    {"%y = adamw %v4, %v4, %v4, %v4, %s, %s, %s, %s {beta2 = 1.5} : f32[4], f32[4], f32[4]", GF_ERR_OP,
     "'adamw' needs 0 <= beta2 < 1, got 1.5", NULL},
    {"%y = layer_norm %a, %v3, %v4 {eps = 0.0} : f32[tokens,4], f32[tokens,1], f32[tokens,1]", GF_ERR_SHAPE,
     "'layer_norm' needs g as f32[4], got f32[3]", NULL},
    {"%y = layer_norm %a, %v4, %v4 {eps = -1.0} : f32[tokens,4], f32[tokens,1], f32[tokens,1]", GF_ERR_OP,
     "'layer_norm' needs a finite eps >= 0, got -1", NULL},
    {"%y = layer_norm_grad %a, %a, %v4, %col, %v4 : f32[tokens,4]", GF_ERR_SHAPE,
     "'layer_norm_grad' needs rstd as f32[tokens,1], got f32[4]", NULL},
    {"%y = cross_entropy %a, %j : f32[tokens,1]", GF_ERR_SHAPE,
     "'cross_entropy' needs labels as i32[tokens], got i32[seqs]", NULL},
    {"%y = cross_entropy_grad %a, %i, %a : f32[tokens,4]", GF_ERR_SHAPE,
     "'cross_entropy_grad' needs dy as f32[tokens,1], got f32[tokens,4]", NULL},
    {"%y = sum_rows %v4 : f32[4]", GF_ERR_SHAPE, "'sum_rows' needs its operand as a matrix, got f32[4]", NULL},
    {"%y = sum_squares %a {parts = 0} : f32[1]", GF_ERR_OP, "'sum_squares' needs parts >= 1, got 0", NULL},
    {"%y = sum_squares %a {parts = 9223372036854775807} : f32[1]", GF_ERR_SHAPE, "is too large", NULL},
    {"%y = attention %a, %a, %a, %j, %j, %rng {heads = 3} : f32[tokens,4], f32[tokens,3]", GF_ERR_SHAPE,
     "'attention' needs columns that 3 heads divide, got f32[tokens,4]", NULL},
    {"%y = attention %a, %a, %a, %j, %j, %rng {heads = 0} : f32[tokens,4], f32[tokens,1]", GF_ERR_OP,
     "'attention' needs heads >= 1, got 0", NULL},
    {"%y = attention %a, %b, %a, %j, %j, %rng {heads = 2} : f32[tokens,4], f32[tokens,2]", GF_ERR_SHAPE,
     "'attention' needs equal types of operands 0 and 1", NULL},
    {"%y = attention %a, %a, %a, %j, %i, %rng {heads = 2} : f32[tokens,4], f32[tokens,2]", GF_ERR_SHAPE,
     "'attention' needs lengths as i32[seqs], got i32[tokens]", NULL},
    {"%y = attention %a, %a, %a, %j, %j, %rng {heads = 2, first = 1} : f32[tokens,4], f32[tokens,2]", GF_ERR_SHAPE,
     "'attention' needs q as f32[seqs,4], got f32[tokens,4]", NULL},
    {"%y = attention %a, %a, %a, %j, %j, %rng {heads = 2, first = 2} : f32[tokens,4], f32[tokens,2]", GF_ERR_OP,
     "'attention' needs first as 0 or 1, got 2", NULL},
    {"%y = attention_grad %a, %a, %a, %a, %a, %col, %j, %j, %rng {heads = 2} : f32[tokens,4], f32[tokens,4], "
     "f32[tokens,4]",
     GF_ERR_SHAPE, "'attention_grad' needs lse as f32[tokens,2], got f32[tokens,1]", NULL},
    {"%y = input : f32[1099511627776,2]", GF_ERR_SHAPE, "the result of 'input' is too large: f32[1099511627776,2]",
     NULL},
    {"update %v4 = %v4", GF_ERR_OP, "'update' needs a param or state as its first operand, got the result of 'input'",
     NULL},
    {"update %w = %v3", GF_ERR_SHAPE, "'update' needs equal types of operands 0 and 1, got f32[4] and f32[3]", NULL},
    {"grad %v4 = %w", GF_ERR_OP, "'grad' needs a param as its first operand, got the result of 'input'", NULL},
};

static void check_refused(size_t i)
{
    char text[2048];
    GfGraph *g = NULL;
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    snprintf(text, sizeof text, "graph @t(tokens, seqs) {\n%s%s\nreturn a = %%a\n}\n", OPERANDS, refused[i].line);
    assert_int_equal(gf_graph_parse("test.gir", text, strlen(text), NULL, &g, &diags), refused[i].status);
    assert_non_null(diags.first);
    if (!strstr(diags.first->message, refused[i].message))
        fail_msg("%s\ngives '%s'\nnot   '%s'", refused[i].line, diags.first->message, refused[i].message);
    if (refused[i].note)
        assert_non_null(strstr(diags.first->note, refused[i].note));
    assert_int_equal(diags.first->loc.line, 15);
    gf_diags_free(&diags);
}

static void wrong_operands_are_located_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        check_refused(i);
}

/* ---- by gf_graph_add, where no parser stands before ------------------------------------- */

static GfStatus add_input(GfGraph *g, const GfType *declared, GfDiags *diags)
{
    GfNodeSpec spec = {.op = GF_OP_INPUT, .declared = declared, .loc = {.file = "m.json", .line = 3}};
    return gf_graph_add(g, NULL, &spec, NULL, diags);
}

static void declared_types_are_checked(void **state)
{
    GfGraph *g = gf_graph_new("t", NULL);
    GfType zero = gf_type_vector(GF_F32, c(0)), unknown = gf_type_vector(GF_F32, gf_dim_symbol(0)),
           below = gf_type_vector(GF_F32, gf_dim_symbol(-2)), deep = {.dtype = GF_F32, .rank = GF_MAX_RANK + 1};
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    assert_int_equal(add_input(g, &zero, &diags), GF_ERR_SHAPE);
    assert_int_equal(add_input(g, &unknown, &diags), GF_ERR_SHAPE);
    assert_int_equal(add_input(g, &below, &diags), GF_ERR_SHAPE);
    assert_int_equal(add_input(g, &deep, &diags), GF_ERR_SHAPE);
    assert_int_equal(add_input(g, NULL, &diags), GF_ERR_OP);
    assert_int_equal(add_input(g, &zero, NULL), GF_ERR_SHAPE); /* without diagnostics too */
    assert_int_equal(diags.count, 5);
    assert_int_equal(diags.last->loc.line, 3);
    assert_null(g->first);
    gf_diags_free(&diags);
    gf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dims_compare),
        cmocka_unit_test(types_compare),
        cmocka_unit_test(dtypes_have_sizes_and_names),
        cmocka_unit_test(elements_are_counted),
        cmocka_unit_test(types_broadcast_as_in_numpy),
        cmocka_unit_test(types_are_seen_as_matrices),
        cmocka_unit_test(wrong_operands_are_located_errors),
        cmocka_unit_test(declared_types_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
