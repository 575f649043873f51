/* test_gradients.c -- the gradient of every op against finite differences.
 *
 * A case is the lines of a graph that compute a value from params.  The loss is
 * sum(value weights) with random weights, so that every element of the value
 * counts differently.  autodiff writes the gradient by every param; each of its
 * elements must be (loss(p + h) - loss(p - h)) / 2h, all in double: the error is
 * of order h^2 and of eps / h, about 1e-10.  Every op of ops.def with a gradient
 * must have a case.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/eval_run.h"

#include "passes/passes.h"

#define STEP 1e-5

/* Relative to the norm of the differences. */
#define AGREEMENT 1e-6

typedef struct Case {
    GfOp op;
    const char *lines;
    const char *value, *type; /* what is weighted and summed */
    Data ints;                /* elements of the i32 inputs, in order */
} Case;

#define NONE                                                                                                           \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
#define PARAM(name, type) "%" name " = param \"" name "\" : " type "\n"
#define UNARY(text) PARAM("x", "f32[3,4]") "%y = " text " : f32[3,4]\n", "%y", "f32[3,4]", NONE
#define BINARY(text)                                                                                                   \
    PARAM("a", "f32[3,4]") PARAM("b", "f32[3,4]") "%y = " text " %a, %b : f32[3,4]\n", "%y", "f32[3,4]", NONE
#define QKV PARAM("q", "f32[6,4]") PARAM("k", "f32[6,4]") PARAM("v", "f32[6,4]")
#define ATTENTION(attrs)                                                                                               \
    QKV SEQUENCES("2") "%y = attention %q, %k, %v, %starts, %lengths, %rng {" attrs "} : f32[6,4], f32[6,2]\n",        \
        "%y#0", "f32[6,4]", DATA(1, 4, 3, 2, 1, 2, 3, 4)

static const Case cases[] = {
    {GF_OP_ADD, BINARY("add")},
    {GF_OP_SUB, BINARY("sub")},
    {GF_OP_MUL, BINARY("mul")},
    {GF_OP_DIV, BINARY("div")},
    {GF_OP_SCALE, UNARY("scale %x {by = -1.5}")},
    {GF_OP_OFFSET, UNARY("offset %x {by = 1.5}")},
    {GF_OP_NEG, UNARY("neg %x")},
    {GF_OP_EXP, UNARY("exp %x")},
    {GF_OP_LOG, PARAM("x", "f32[3,4]") "%1 = mul %x, %x : f32[3,4]\n%y = log %1 : f32[3,4]\n", "%y", "f32[3,4]", NONE},
    {GF_OP_SQRT,
     PARAM("x", "f32[3,4]") "%1 = mul %x, %x : f32[3,4]\n%2 = offset %1 {by = 0.5} : f32[3,4]\n"
                            "%y = sqrt %2 : f32[3,4]\n",
     "%y", "f32[3,4]", NONE},
    {GF_OP_TANH, UNARY("tanh %x")},
    {GF_OP_SIGMOID, UNARY("sigmoid %x")},
    {GF_OP_ERF, UNARY("erf %x")},
    {GF_OP_RELU, UNARY("relu %x")},
    {GF_OP_GELU, UNARY("gelu %x")},
    {GF_OP_BCE_WITH_LOGITS, BINARY("bce_with_logits")},
    {GF_OP_DROPOUT,
     PARAM("x", "f32[3,5]") "%rng = input : i32[4]\n%y = dropout %x, %rng {p = 0.4, key = 5} : f32[3,5]\n", "%y",
     "f32[3,5]", DATA(1, 2, 3, 4)},
    {GF_OP_DROPOUT,
     PARAM("x", "f32[3,5]") "%rows = input : i32[3]\n%rng = input : i32[4]\n"
                            "%y = dropout %x, %rows, %rng {p = 0.4, key = 5} : f32[3,5]\n",
     "%y", "f32[3,5]", DATA(7, 2, 2, 1, 2, 3, 4)},
    {GF_OP_BROADCAST, PARAM("x", "f32[3,1]") "%y = broadcast %x : f32[3,4]\n", "%y", "f32[3,4]", NONE},
    {GF_OP_BROADCAST, PARAM("x", "f32[4]") "%y = broadcast %x : f32[3,4]\n", "%y", "f32[3,4]", NONE},
    {GF_OP_BROADCAST, PARAM("x", "f32[]") "%y = broadcast %x : f32[3,4]\n", "%y", "f32[3,4]", NONE},
    {GF_OP_GATHER, PARAM("t", "f32[4,3]") "%ids = input : i32[5]\n%y = gather %t, %ids : f32[5,3]\n", "%y", "f32[5,3]",
     DATA(2, 0, 2, 1, 2)},
    {GF_OP_GATHER, PARAM("t", "f32[4]") "%ids = input : i32[3]\n%y = gather %t, %ids : f32[3]\n", "%y", "f32[3]",
     DATA(2, 0, 2)},
    {GF_OP_LAYER_NORM,
     PARAM("x", "f32[3,5]") PARAM("g", "f32[5]") PARAM("b", "f32[5]") "%y = layer_norm %x, %g, %b {eps = 0.01} : "
                                                                      "f32[3,5], f32[3,1], f32[3,1]\n",
     "%y#0", "f32[3,5]", NONE},
    {GF_OP_SOFTMAX, UNARY("softmax %x")},
    {GF_OP_SOFTMAX, PARAM("x", "f32[4]") "%y = softmax %x : f32[4]\n", "%y", "f32[4]", NONE},
    {GF_OP_SUM_COLS, PARAM("x", "f32[3,4]") "%y = sum_cols %x : f32[3,1]\n", "%y", "f32[3,1]", NONE},
    {GF_OP_CROSS_ENTROPY,
     PARAM("x", "f32[3,4]") "%labels = input : i32[3]\n%y = cross_entropy %x, %labels : f32[3,1]\n", "%y", "f32[3,1]",
     DATA(3, 0, 3)},
    {GF_OP_SUM_ROWS, PARAM("x", "f32[3,4]") "%y = sum_rows %x : f32[4]\n", "%y", "f32[4]", NONE},
    {GF_OP_SUM, PARAM("x", "f32[3,4]") "%y = sum %x : f32[]\n", "%y", "f32[]", NONE},
    {GF_OP_MEAN, PARAM("x", "f32[3,4]") "%y = mean %x : f32[]\n", "%y", "f32[]", NONE},
    {GF_OP_MEAN, PARAM("x", "f32[5]") "%y = mean %x : f32[]\n", "%y", "f32[]", NONE},
    {GF_OP_LINEAR,
     PARAM("x", "f32[3,4]") PARAM("w", "f32[2,4]") PARAM("b", "f32[2]") "%y = linear %x, %w, %b : f32[3,2]\n", "%y",
     "f32[3,2]", NONE},
    {GF_OP_LINEAR, PARAM("x", "f32[3,4]") PARAM("w", "f32[2,4]") "%y = linear %x, %w : f32[3,2]\n", "%y", "f32[3,2]",
     NONE},
    {GF_OP_MATMUL, PARAM("a", "f32[3,4]") PARAM("b", "f32[4,2]") "%y = matmul %a, %b : f32[3,2]\n", "%y", "f32[3,2]",
     NONE},
    {GF_OP_MATMUL, PARAM("a", "f32[4,3]") PARAM("b", "f32[4,2]") "%y = matmul %a, %b {transpose_a = 1} : f32[3,2]\n",
     "%y", "f32[3,2]", NONE},
    {GF_OP_MATMUL, PARAM("a", "f32[3,4]") PARAM("b", "f32[2,4]") "%y = matmul %a, %b {transpose_b = 1} : f32[3,2]\n",
     "%y", "f32[3,2]", NONE},
    {GF_OP_MATMUL,
     PARAM("a", "f32[4,3]") PARAM("b", "f32[2,4]") "%y = matmul %a, %b {transpose_a = 1, transpose_b = 1} : "
                                                   "f32[3,2]\n",
     "%y", "f32[3,2]", NONE},
    {GF_OP_ATTENTION, ATTENTION("heads = 2")},
    {GF_OP_ATTENTION, ATTENTION("heads = 2, p = 0.3, key = 11")},
    {GF_OP_ATTENTION,
     PARAM("q", "f32[2,4]") PARAM("k", "f32[6,4]") PARAM("v", "f32[6,4]")
         SEQUENCES("2") "%y = attention %q, %k, %v, %starts, %lengths, %rng "
                        "{heads = 2, p = 0.3, key = 11, first = 1} : f32[2,4], f32[2,2]\n",
     "%y#0", "f32[2,4]", DATA(0, 4, 4, 2, 1, 2, 3, 4)},
    /* values used more than once */
    {GF_OP_MUL, PARAM("x", "f32[3,4]") "%y = mul %x, %x : f32[3,4]\n", "%y", "f32[3,4]", NONE},
    {GF_OP_SUB,
     PARAM("x", "f32[4,4]") "%1 = tanh %x : f32[4,4]\n%2 = matmul %1, %x : f32[4,4]\n"
                            "%3 = mul %2, %1 : f32[4,4]\n%y = sub %3, %x : f32[4,4]\n",
     "%y", "f32[4,4]", NONE},
    {GF_OP_ATTENTION,
     PARAM("x", "f32[6,4]") SEQUENCES("2") "%a = attention %x, %x, %x, %starts, %lengths, %rng {heads = 2, p = 0.2, "
                                           "key = 3} : f32[6,4], f32[6,2]\n%y = add %a#0, %x : f32[6,4]\n",
     "%y", "f32[6,4]", DATA(0, 3, 3, 3, 1, 2, 3, 4)},
    /* a small encoder over a symbolic number of rows */
    {GF_OP_LINEAR,
     "%ids = input : i32[tokens]\n%starts = input : i32[seqs]\n%lengths = input : i32[seqs]\n%rng = input : i32[4]\n"
     "%labels = input : i32[seqs]\n" PARAM("t", "f32[5,4]") PARAM("w", "f32[4,4]") PARAM("b", "f32[4]")
         PARAM("g", "f32[4]") PARAM(
             "c", "f32[3,4]") "%x = gather %t, %ids : f32[tokens,4]\n"
                              "%q = linear %x, %w, %b : f32[tokens,4]\n"
                              "%a = attention %q, %x, %x, %starts, %lengths, %rng {heads = 2, p = 0.1, key = 1} : "
                              "f32[tokens,4], "
                              "f32[tokens,2]\n"
                              "%r = add %a#0, %x : f32[tokens,4]\n"
                              "%n = layer_norm %r, %g, %b {eps = 0.001} : f32[tokens,4], f32[tokens,1], f32[tokens,1]\n"
                              "%h = gelu %n#0 : f32[tokens,4]\n"
                              "%d = dropout %h, %rng {p = 0.1, key = 2} : f32[tokens,4]\n"
                              "%f = gather %d, %starts : f32[seqs,4]\n"
                              "%l = linear %f, %c : f32[seqs,3]\n"
                              "%e = cross_entropy %l, %labels : f32[seqs,1]\n"
                              "%y = mean %e : f32[]\n",
     "%y", "f32[]", DATA(4, 1, 0, 4, 2, 3, 0, 3, 3, 2, 7, 0, 1, 0, 2, 0)},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static const int64_t sizes[] = {6, 2};

/* ---- data ----------------------------------------------------------------------------- */

/* Between 0.3 and 1.3, of either sign: away from the kink of relu and from
 * dividing by little.  Neighbouring states give unlike values. */
static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    double size = 0.3 + (double)(*state >> 40) / 16777216.0;
    return (*state >> 33) & 1 ? size : -size;
}

static void bind_node(Run *r, const GfNode *n, const double **ints, uint64_t *state)
{
    int64_t count = gf_type_elements(&n->results[0].type, sizes);
    double data[64];

    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++)
        data[i] = n->op == GF_OP_PARAM ? draw(state) : n->results[0].type.dtype == GF_I32 ? *(*ints)++ : 1;
    run_check(r, gf_eval_bind(r->e, n, data, &r->diags), "bind");
}

/* Params at random, i32 inputs from the case, loss_scale as 1. */
static void bind_all(Run *r, const Case *c)
{
    const double *ints = c->ints.values;
    uint64_t state = 7;

    GF_EACH_NODE (n, r->g) {
        if (is_bound_node(n))
            bind_node(r, n, &ints, &state);
    }
    assert_true(ints == c->ints.values + c->ints.count);
}

/* ---- comparing ------------------------------------------------------------------------- */

static void run_graph(Run *r)
{
    run_check(r, gf_eval_run(r->e, &r->diags), "run");
}

static double loss_with(Run *r, const GfNode *param, double *data, int64_t i, double step)
{
    double kept = data[i];

    data[i] = kept + step;
    run_check(r, gf_eval_bind(r->e, param, data, &r->diags), "bind");
    data[i] = kept;
    run_graph(r);
    return gf_eval_value(r->e, gf_graph_output(r->g, "loss"))->data[0];
}

/* Finite differences by every element of a param; leaves it as it was. */
static void differences(Run *r, const GfNode *param, double *out)
{
    const GfTensor *t = gf_eval_value(r->e, &param->results[0]);
    double data[64];

    memcpy(data, t->data, (size_t)t->count * sizeof *data);
    for (int64_t i = 0; i < t->count; i++)
        out[i] = (loss_with(r, param, data, i, STEP) - loss_with(r, param, data, i, -STEP)) / (2 * STEP);
    run_check(r, gf_eval_bind(r->e, param, data, &r->diags), "bind");
    run_graph(r);
}

static double norm_of(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* A gradient of zero would agree with anything that does nothing. */
static bool agree(const double *gradient, const double *want, int64_t count)
{
    return norm_of(want, count) > 1e-3 && near_norm(gradient, want, count, AGREEMENT);
}

static void swap_rows(double *x, int64_t columns, int64_t i, int64_t j)
{
    for (int64_t c = 0; c < columns; c++) {
        double kept = x[i * columns + c];
        x[i * columns + c] = x[j * columns + c];
        x[j * columns + c] = kept;
    }
}

/* The same comparison refuses a gradient that is 0.1 % too large, has one
 * element's sign wrong, or two rows swapped (if they differ). */
static void planted_errors_are_noticed(const GfTensor *t, const double *want)
{
    int64_t columns = t->type.rank == 2 ? t->type.dims[1].size : 1, last = t->count / columns - 1;
    double wrong[64], largest = 0;

    for (int64_t i = 0; i < t->count; i++) {
        wrong[i] = 1.001 * t->data[i];
        largest = fmax(largest, fabs(t->data[i]));
    }
    assert_false(agree(wrong, want, t->count));
    for (int64_t i = 0; i < t->count; i++)
        wrong[i] = fabs(t->data[i]) == largest ? -t->data[i] : t->data[i];
    assert_false(agree(wrong, want, t->count));
    memcpy(wrong, t->data, (size_t)t->count * sizeof *wrong);
    swap_rows(wrong, columns, 0, last);
    if (!near_norm(wrong, t->data, t->count, 10 * AGREEMENT))
        assert_false(agree(wrong, want, t->count));
}

static void check_gradient(Run *r, const GfNode *grad, const char *lines)
{
    const GfNode *param = gf_operand(grad, 0)->node;
    const GfTensor *t = gf_eval_value(r->e, gf_operand(grad, 1));
    double want[64];

    differences(r, param, want);
    if (!agree(t->data, want, t->count))
        fail_msg("gradient by %s: norm %g, of differences %g:\n%s", param->label, norm_of(t->data, t->count),
                 norm_of(want, t->count), lines);
    planted_errors_are_noticed(t, want);
}

/* ---- running a case ----------------------------------------------------------------------- */

static void start(Run *r, const Case *c)
{
    char text[4096];

    snprintf(text, sizeof text,
             "graph @t(tokens, seqs) {\n%s%%weights = param \"weights\" frozen : %s\n"
             "%%weighted = mul %s, %%weights : %s\n%%loss = sum %%weighted : f32[]\nreturn loss = %%loss\n}\n",
             c->lines, c->type, c->value, c->type);
    run_parse(r, text);
    run_check(r, gf_pipeline_run(r->g, "autodiff", NULL, &r->g->arena, NULL, NULL, &r->diags), c->lines);
    run_prepare(r, sizes);
    bind_all(r, c);
    run_graph(r);
}

static uint32_t count_ops(const GfGraph *g, GfOp op)
{
    uint32_t count = 0;

    GF_EACH_NODE (n, g)
        count += n->op == op;
    return count;
}

static void run_case(const Case *c)
{
    Run r;

    start(&r, c);
    assert_true(count_ops(r.g, c->op) > 0);
    assert_int_equal(count_ops(r.g, GF_OP_GRAD), count_ops(r.g, GF_OP_PARAM));
    GF_EACH_NODE (n, r.g) {
        if (n->op == GF_OP_GRAD)
            check_gradient(&r, n, c->lines);
    }
    run_free(&r);
}

static void gradients_agree_with_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        run_case(&cases[i]);
}

/* Every pair of shapes that broadcast to a matrix, for every op that broadcasts. */
static void gradients_of_broadcast_operands_agree(void **state)
{
    static const GfOp ops[] = {GF_OP_ADD, GF_OP_SUB, GF_OP_MUL, GF_OP_DIV};
    static const char *const shapes[][2] = {{"3,4", "4"},   {"3,4", "3,1"}, {"3,4", ""},  {"3,4", "1,4"},
                                            {"3,4", "1,1"}, {"3,4", "1"},   {"3,1", "4"}, {"3,1", "1,4"}};
    char lines[512];

    (void)state;
    for (size_t k = 0; k < 2 * 4 * sizeof shapes / sizeof shapes[0]; k++) {
        GfOp op = ops[k % 4];
        const char *const *pair = shapes[k / 8];
        size_t swap = k / 4 % 2;
        snprintf(lines, sizeof lines,
                 "%%a = param \"a\" : f32[%s]\n%%b = param \"b\" : f32[%s]\n%%y = %s %%a, %%b : f32[3,4]\n", pair[swap],
                 pair[!swap], gf_op_text(op));
        run_case(&(Case){op, lines, "%y", "f32[3,4]", NONE});
    }
}

static void every_op_with_a_gradient_has_a_case(void **state)
{
    static const char *const grads[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, eval, grad, ...) [GF_OP_##id] = #grad,
#include "ir/ops.def"
    };
    bool seen[GF_OP_COUNT] = {0};

    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        seen[cases[i].op] = true;
    for (int op = 0; op < GF_OP_COUNT; op++) {
        if (strcmp(grads[op], "none") != 0 && !seen[op])
            fail_msg("no case for '%s'", gf_op_text((GfOp)op));
    }
}

/* ---- beside the values ------------------------------------------------------------------------ */

/* The gradient is that of loss_scale times the loss; the loss itself is not scaled. */
static void loss_scale_multiplies_gradients(void **state)
{
    const Case *c = &cases[0];
    double loss, gradient;
    Run r;

    (void)state;
    start(&r, c);
    const GfNode *scale = gf_find_name(r.g, "loss_scale"), *grad = r.g->first;
    while (grad->op != GF_OP_GRAD)
        grad = grad->next;
    loss = gf_eval_value(r.e, gf_graph_output(r.g, "loss"))->data[0];
    gradient = gf_eval_value(r.e, gf_operand(grad, 1))->data[0];
    run_check(&r, gf_eval_bind(r.e, scale, (double[]){0.25}, &r.diags), "bind");
    run_graph(&r);
    assert_true(gf_eval_value(r.e, gf_graph_output(r.g, "loss"))->data[0] == loss);
    assert_true(gf_eval_value(r.e, gf_operand(grad, 1))->data[0] == 0.25 * gradient);
    run_free(&r);
}

/* Dropping mask and all, the gradient of one step is not that of the next. */
static void the_mask_follows_the_step(void **state)
{
    static const double next[] = {1, 2, 4, 4};
    double before[64];
    Run r;

    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        if (cases[i].op != GF_OP_DROPOUT)
            continue;
        start(&r, &cases[i]);
        const GfNode *grad = r.g->first;
        while (grad->op != GF_OP_GRAD)
            grad = grad->next;
        const GfTensor *t = gf_eval_value(r.e, gf_operand(grad, 1));
        memcpy(before, t->data, (size_t)t->count * sizeof *before);
        run_check(&r, gf_eval_bind(r.e, gf_find_name(r.g, "rng"), next, &r.diags), "bind");
        run_graph(&r);
        assert_memory_not_equal(before, t->data, (size_t)t->count * sizeof *before);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences),    cmocka_unit_test(gradients_of_broadcast_operands_agree),
        cmocka_unit_test(every_op_with_a_gradient_has_a_case), cmocka_unit_test(loss_scale_multiplies_gradients),
        cmocka_unit_test(the_mask_follows_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
