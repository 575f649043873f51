/* adamw.c -- clip by the global norm and update what trains.
 *
 *   before            after adamw{max_grad_norm=1}
 *   grad %w = %9      %lr = input : f32[]
 *   return ...        %step = input : i32[]
 *                     %m = state "w.exp_avg" : f32[6,8]
 *                     %v = state "w.exp_avg_sq" : f32[6,8]
 *                     ...
 *                     %10 = sum_squares %9 {parts = 1}      ... one for each gradient
 *                     %11 = global_norm %10
 *                     %12 = const {value = 1.0} : f32[]     max_grad_norm
 *                     %13 = offset %11 {by = 1e-6}
 *                     %14 = div %12, %13
 *                     %15 = const {value = 1.0} : f32[]
 *                     %16 = min %15, %14                    the factor of every gradient
 *                     %17 = bias_correction %step {beta = 0.9}
 *                     %18 = bias_correction %step {beta = 0.999}
 *                     %19 = adamw %w, %9, %m, %v, %lr, %16, %17, %18
 *                     update %w = %19#0
 *                     update %m = %19#1
 *                     update %v = %19#2
 *                     return ..., grad_norm = %11
 *
 * 1. With accumulated=1 a gradient is the state "<label>.grad_sum" plus this
 *    micro-batch's; the state is set to zero for the next step.
 * 2. The norm of all gradients is returned as "grad_norm" also where nothing is
 *    clipped.  The number of partial sums depends on the size alone, so that
 *    the order of additions is the same for any number of threads.
 * 3. The clipping factor goes into adamw: clipped gradients are never stored.
 * 4. Weight decay for params of rank 2 and more: biases and layer norms, which
 *    have rank 1, decay in no recipe for BERT.
 * 5. With return_gradients=1 the outputs "grad.<label>" are the gradients before
 *    clipping.
 *
 * Gradients of frozen params, which prune-frozen would have dropped, are left out.
 * Every update takes effect after the whole step, so all nodes see the old
 * values.  O(nodes * params).
 * Source: Loshchilov and Hutter, arXiv:1711.05101, algorithm 2; clipping:
 * Pascanu et al., arXiv:1211.5063, with the 1e-6 of torch.nn.utils.
 * Tests: tests/golden/adamw/.
 */
#include "passes/declare.h"

#include "ir/lex.h"

enum { ELEMENTS_PER_PART = 16384, MOST_PARTS = 256 };

/* One `grad` statement and its place in the step. */
typedef struct Gradient {
    GfNode *grad;
    GfValue *param, *value; /* value: summed over micro-batches, not clipped */
} Gradient;

typedef struct Adamw {
    GfPassCtx *cx;
    GfGraph *g;
    GfNode *end; /* new nodes go before it */
    Gradient *gradients;
    uint32_t count;
    GfValue *lr, *step, *norm, *clip, *c1, *c2;
} Adamw;

/* ---- short forms --------------------------------------------------------------------- */

/* A node before the end; a NULL operand carries an earlier failure on. */
static GfValue *build(Adamw *a, GfOp op, const char *key, double number, GfValue *x, GfValue *y)
{
    GfAttr attr = gf_attr_float(key ? key : "", number);
    GfValue *operands[] = {x, y};

    return x ? gf_build(a->g, a->end, NULL, a->cx->diags, op, &attr, key ? 1 : 0, operands, y ? 2 : 1) : NULL;
}

static GfStatus build_const(Adamw *a, double number, GfType type, GfValue **out)
{
    GfAttr value = gf_attr_float("value", number);
    GfNodeSpec spec = {.op = GF_OP_CONST, .attrs = &value, .attr_count = 1, .declared = &type};
    GfNode *n;

    GF_TRY(gf_graph_add(a->g, a->end, &spec, &n, a->cx->diags));
    *out = gf_result(n);
    return GF_OK;
}

/* ---- gradients ------------------------------------------------------------------------ */

static GfStatus list_gradients(Adamw *a)
{
    a->gradients = GF_NEW_ARRAY(a->cx->scratch, Gradient, gf_graph_ids(a->g));
    if (!a->gradients)
        return gf_fail_memory(a->cx->diags);
    GF_EACH_NODE (n, a->g) {
        if (n->op == GF_OP_GRAD && !gf_operand(n, 0)->node->frozen)
            a->gradients[a->count++] = (Gradient){.grad = n, .param = gf_operand(n, 0), .value = gf_operand(n, 1)};
    }
    if (a->count)
        return GF_OK;
    return gf_fail(a->cx->diags, a->cx->loc, GF_ERR_PASS, "'adamw' finds gradients of frozen parameters only");
}

/* Add what earlier micro-batches have left, and leave zeros for the next step. */
static GfStatus add_accumulated(Adamw *a, Gradient *gradient)
{
    GfValue *state, *zeros;

    GF_TRY(gf_declare_state(a->cx, a->g, gradient->param->node, "grad_sum", &state));
    gradient->value = build(a, GF_OP_ADD, NULL, 0, state, gradient->value);
    if (!gradient->value)
        return gf_build_status(a->cx);
    GF_TRY(build_const(a, 0, state->type, &zeros));
    return gf_declare_update(a->cx, a->g, a->end, state, zeros);
}

static GfStatus add_all_accumulated(Adamw *a)
{
    if (!gf_option_i(a->cx, "accumulated"))
        return GF_OK;
    for (uint32_t i = 0; i < a->count; i++)
        GF_TRY(add_accumulated(a, &a->gradients[i]));
    return GF_OK;
}

/* ---- norm and clipping ------------------------------------------------------------------ */

static int64_t parts_of(const GfType *type)
{
    int64_t parts = gf_type_elements(type, NULL) / ELEMENTS_PER_PART;
    return parts < 1 ? 1 : parts > MOST_PARTS ? MOST_PARTS : parts;
}

static GfStatus build_norm(Adamw *a)
{
    GfValue **squares = GF_NEW_ARRAY(a->cx->scratch, GfValue *, a->count);

    if (!squares)
        return gf_fail_memory(a->cx->diags);
    for (uint32_t i = 0; i < a->count; i++) {
        GfValue *value = a->gradients[i].value;
        GfAttr parts = gf_attr_int("parts", parts_of(&value->type));
        squares[i] = gf_build(a->g, a->end, NULL, a->cx->diags, GF_OP_SUM_SQUARES, &parts, 1, &value, 1);
        if (!squares[i])
            return gf_build_status(a->cx);
    }
    a->norm = gf_build(a->g, a->end, NULL, a->cx->diags, GF_OP_GLOBAL_NORM, NULL, 0, squares, a->count);
    return a->norm ? GF_OK : gf_build_status(a->cx);
}

/* min(1, max_grad_norm / (norm + 1e-6)), or 1 */
static GfStatus build_clip(Adamw *a)
{
    double most = gf_option_f(a->cx, "max_grad_norm");
    GfType scalar = gf_type_scalar(GF_F32);
    GfValue *one, *limit;

    if (!(most > 0))
        return build_const(a, 1, scalar, &a->clip);
    GF_TRY(build_const(a, most, scalar, &limit));
    GfValue *factor = build(a, GF_OP_DIV, NULL, 0, limit, build(a, GF_OP_OFFSET, "by", 1e-6, a->norm, NULL));
    GF_TRY(build_const(a, 1, scalar, &one));
    a->clip = factor ? build(a, GF_OP_MIN, NULL, 0, one, factor) : NULL;
    return a->clip ? GF_OK : gf_build_status(a->cx);
}

/* ---- updates ------------------------------------------------------------------------------ */

static GfStatus build_corrections(Adamw *a)
{
    a->c1 = build(a, GF_OP_BIAS_CORRECTION, "beta", gf_option_f(a->cx, "beta1"), a->step, NULL);
    a->c2 = build(a, GF_OP_BIAS_CORRECTION, "beta", gf_option_f(a->cx, "beta2"), a->step, NULL);
    return a->c1 && a->c2 ? GF_OK : gf_build_status(a->cx);
}

static GfStatus build_adamw(Adamw *a, const Gradient *gradient, GfValue *m, GfValue *v, GfNode **out)
{
    const GfPassCtx *cx = a->cx;
    double decay = gradient->param->type.rank >= 2 ? gf_option_f(cx, "weight_decay") : 0;
    GfAttr attrs[] = {gf_attr_float("beta1", gf_option_f(cx, "beta1")),
                      gf_attr_float("beta2", gf_option_f(cx, "beta2")), gf_attr_float("eps", gf_option_f(cx, "eps")),
                      gf_attr_float("weight_decay", decay)};
    GfValue *operands[] = {gradient->param, gradient->value, m, v, a->lr, a->clip, a->c1, a->c2};
    GfValue *made = gf_build(a->g, a->end, gradient->grad, cx->diags, GF_OP_ADAMW, attrs, 4, operands, 8);

    if (!made)
        return gf_build_status(cx);
    *out = made->node;
    return GF_OK;
}

static GfStatus update(Adamw *a, const Gradient *gradient)
{
    GfValue *m, *v;
    GfNode *made = NULL;

    GF_TRY(gf_declare_state(a->cx, a->g, gradient->param->node, "exp_avg", &m));
    GF_TRY(gf_declare_state(a->cx, a->g, gradient->param->node, "exp_avg_sq", &v));
    GF_TRY(build_adamw(a, gradient, m, v, &made));
    GF_TRY(gf_declare_update(a->cx, a->g, a->end, gradient->param, &made->results[0]));
    GF_TRY(gf_declare_update(a->cx, a->g, a->end, m, &made->results[1]));
    GF_TRY(gf_declare_update(a->cx, a->g, a->end, v, &made->results[2]));
    a->cx->counts[0]++;
    return GF_OK;
}

/* ---- outputs -------------------------------------------------------------------------------- */

/* The name "grad.<label>" of an output. */
static GfStatus name_output(Adamw *a, const Gradient *gradient, const char **out)
{
    const GfNode *param = gradient->param->node;

    *out = gf_arena_printf(a->cx->scratch, "grad.%s", param->label);
    if (!*out)
        return gf_fail_memory(a->cx->diags);
    if (gf_is_word(*out))
        return GF_OK;
    return gf_fail(a->cx->diags, param->loc, GF_ERR_PASS, "the gradient of '%s' cannot be returned: '%s' is no name",
                   param->label, *out);
}

/* "grad_norm", and on demand "grad.<label>" */
static GfStatus add_outputs(Adamw *a)
{
    GfArena *scratch = a->cx->scratch;
    uint32_t count = gf_option_i(a->cx, "return_gradients") ? a->count + 1 : 1;
    const char **names = GF_NEW_ARRAY(scratch, const char *, count);
    GfValue **values = GF_NEW_ARRAY(scratch, GfValue *, count);

    if (!names || !values)
        return gf_fail_memory(a->cx->diags);
    names[0] = "grad_norm";
    values[0] = a->norm;
    for (uint32_t i = 1; i < count; i++) {
        GF_TRY(name_output(a, &a->gradients[i - 1], &names[i]));
        values[i] = a->gradients[i - 1].value;
    }
    return gf_declare_outputs(a->cx, a->g, names, values, count);
}

static void remove_grads(GfGraph *g)
{
    GF_EACH_NODE (n, g) {
        if (n->op == GF_OP_GRAD)
            gf_remove(g, n);
    }
}

GfStatus gf_pass_adamw(GfPassCtx *cx, GfGraph *g)
{
    Adamw a = {.cx = cx, .g = g, .end = gf_graph_return(g)};

    GF_TRY(list_gradients(&a));
    GF_TRY(gf_declare_input(cx, g, "lr", gf_type_scalar(GF_F32), &a.lr));
    GF_TRY(gf_declare_input(cx, g, "step", gf_type_scalar(GF_I32), &a.step));
    GF_TRY(add_all_accumulated(&a));
    GF_TRY(build_norm(&a));
    GF_TRY(build_clip(&a));
    GF_TRY(build_corrections(&a));
    for (uint32_t i = 0; i < a.count; i++)
        GF_TRY(update(&a, &a.gradients[i]));
    remove_grads(g);
    return add_outputs(&a);
}
