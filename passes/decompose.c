/* decompose.c -- composite ops as elementwise ops and reductions.
 *
 *   before                             after
 *   %2 = softmax %1 : f32[tokens,8]    %3 = max_cols %1 : f32[tokens,1]
 *                                      %4 = sub %1, %3 : f32[tokens,8]
 *                                      %5 = exp %4 : f32[tokens,8]
 *                                      %6 = sum_cols %5 : f32[tokens,1]
 *                                      %2 = div %5, %6 : f32[tokens,8]
 *
 * 1. Every op that the table below has, or that `ops` names of them, is written as
 *    the function beside it writes it; uses of its results go to what was made.
 * 2. What an op cannot be written for is kept, and counted: a mean over a symbolic
 *    size, rows that are no matrix, a sum of squares in parts.
 * What is made is not looked at again.
 *
 * For whoever writes a pass over simple ops.  The compiled ops are faster: a row
 * op keeps its row at hand, and what stands in the graph as [n,1] is a kernel of
 * its own.
 * Legal: each function writes the formula that the evaluator computes (ir/eval_*.c),
 * in another order of additions at most, and never overflows where the op does
 * not.  O(nodes).  Tests: tests/golden/decompose/.
 */
#include "passes/declare.h"
#include "passes/match.h"

#include <math.h>
#include <string.h>

enum { MAX_RESULTS = 3 };

/* One op that is taken apart. */
typedef struct Apart {
    GfPassCtx *cx;
    GfGraph *g;
    GfNode *n;
    GfValue *out[MAX_RESULTS]; /* for its results */
    bool failed;               /* after the first failure nothing is made */
} Apart;

/* ---- short forms ------------------------------------------------------------------------ */

/* Never two calls that make nodes as arguments of a third: C leaves their order open. */

static GfValue *in(const Apart *a, uint32_t i)
{
    return gf_operand(a->n, i);
}

static GfValue *make(Apart *a, GfOp op, const GfAttr *attr, GfValue *x, GfValue *y, uint32_t count)
{
    if (a->failed)
        return NULL;
    GfValue *v = gf_build(a->g, a->n, a->n, a->cx->diags, op, attr, attr ? 1 : 0, (GfValue *[]){x, y}, count);
    a->failed = !v;
    return v;
}

static GfValue *unary(Apart *a, GfOp op, GfValue *x)
{
    return make(a, op, NULL, x, NULL, 1);
}

static GfValue *binary(Apart *a, GfOp op, GfValue *x, GfValue *y)
{
    return make(a, op, NULL, x, y, 2);
}

static GfValue *by(Apart *a, GfOp op, GfValue *x, double number)
{
    GfAttr attr = gf_attr_float("by", number);
    return make(a, op, &attr, x, NULL, 1);
}

static GfValue *add(Apart *a, GfValue *x, GfValue *y)
{
    return binary(a, GF_OP_ADD, x, y);
}

static GfValue *sub(Apart *a, GfValue *x, GfValue *y)
{
    return binary(a, GF_OP_SUB, x, y);
}

static GfValue *mul(Apart *a, GfValue *x, GfValue *y)
{
    return binary(a, GF_OP_MUL, x, y);
}

static GfValue *scale(Apart *a, GfValue *x, double number)
{
    return by(a, GF_OP_SCALE, x, number);
}

/* ---- which can be ---------------------------------------------------------------------- */

static bool always(const GfNode *n)
{
    (void)n;
    return true;
}

static bool is_matrix(const GfNode *n)
{
    return gf_operand(n, 0)->type.rank == 2;
}

static bool has_size(const GfType *type)
{
    for (uint32_t i = 0; i < type->rank; i++) {
        if (type->dims[i].symbol != GF_CONSTANT)
            return false;
    }
    return true;
}

static bool has_columns(const GfNode *n)
{
    const GfType *x = &gf_operand(n, 0)->type;
    return x->rank == 2 && x->dims[1].symbol == GF_CONSTANT;
}

static bool sums_known(const GfNode *n)
{
    return has_size(&gf_operand(n, 0)->type);
}

static bool has_one_part(const GfNode *n)
{
    return gf_attr_i(n, "parts") == 1;
}

static bool has_bias(const GfNode *n)
{
    const char *round = gf_attr_s(n, "round");
    return n->operand_count == 3 && !(round && *round);
}

/* ---- elementwise ---------------------------------------------------------------------------- */

/* (1 + erf(x / sqrt 2)) / 2 */
static GfValue *normal_cdf(Apart *a, GfValue *x)
{
    GfValue *e = unary(a, GF_OP_ERF, scale(a, x, M_SQRT1_2));
    return scale(a, by(a, GF_OP_OFFSET, e, 1), 0.5);
}

/* x cdf(x) */
static void gelu(Apart *a)
{
    a->out[0] = mul(a, in(a, 0), normal_cdf(a, in(a, 0)));
}

/* dy (cdf(x) + x e^(-x x / 2) / sqrt(2 pi)) */
static void gelu_grad(Apart *a)
{
    GfValue *x = in(a, 0);
    GfValue *bell = unary(a, GF_OP_EXP, scale(a, mul(a, x, x), -0.5));
    GfValue *slope = mul(a, x, scale(a, bell, M_2_SQRTPI * M_SQRT1_2 * 0.5));

    a->out[0] = mul(a, in(a, 1), add(a, normal_cdf(a, x), slope));
}

/* max(x, 0) - x t + ln(1 + e^-|x|) */
static void bce_with_logits(Apart *a)
{
    GfValue *x = in(a, 0);
    GfValue *size = binary(a, GF_OP_MAX, x, unary(a, GF_OP_NEG, x));
    GfValue *tail = unary(a, GF_OP_LOG, by(a, GF_OP_OFFSET, unary(a, GF_OP_EXP, unary(a, GF_OP_NEG, size)), 1));
    GfValue *above = unary(a, GF_OP_RELU, x);

    a->out[0] = add(a, sub(a, above, mul(a, x, in(a, 1))), tail);
}

/* d = clip g, m' = beta1 m + (1 - beta1) d, v' = beta2 v + (1 - beta2) d d,
 * p' = p - lr decay p - lr (m' / c1) / (sqrt(v' / c2) + eps) */
static void adamw(Apart *a)
{
    double beta1 = gf_attr_f(a->n, "beta1"), beta2 = gf_attr_f(a->n, "beta2");
    double decay = gf_attr_f(a->n, "weight_decay");
    GfValue *p = in(a, 0), *lr = in(a, 4), *d = mul(a, in(a, 1), in(a, 5));
    GfValue *old_m = scale(a, in(a, 2), beta1), *old_v = scale(a, in(a, 3), beta2);
    GfValue *m = add(a, old_m, scale(a, d, 1 - beta1));
    GfValue *v = add(a, old_v, scale(a, mul(a, d, d), 1 - beta2));
    GfValue *root = unary(a, GF_OP_SQRT, binary(a, GF_OP_DIV, v, in(a, 7)));
    GfValue *below = by(a, GF_OP_OFFSET, root, gf_attr_f(a->n, "eps"));
    GfValue *step = binary(a, GF_OP_DIV, binary(a, GF_OP_DIV, m, in(a, 6)), below);

    if (decay != 0)
        p = sub(a, p, mul(a, scale(a, p, decay), lr));
    a->out[0] = sub(a, p, mul(a, step, lr));
    a->out[1] = m;
    a->out[2] = v;
}

/* ---- along rows ------------------------------------------------------------------------------- */

static GfValue *sum_cols(Apart *a, GfValue *x)
{
    return unary(a, GF_OP_SUM_COLS, x);
}

static GfValue *mean_cols(Apart *a, GfValue *x)
{
    return a->failed ? NULL : scale(a, sum_cols(a, x), 1 / (double)x->type.dims[1].size);
}

/* rstd = sqrt(e) / e with e = variance + eps: no constant is needed */
static void layer_norm(Apart *a)
{
    GfValue *mean = mean_cols(a, in(a, 0)), *centred = sub(a, in(a, 0), mean);
    GfValue *e = by(a, GF_OP_OFFSET, mean_cols(a, mul(a, centred, centred)), gf_attr_f(a->n, "eps"));
    GfValue *rstd = binary(a, GF_OP_DIV, unary(a, GF_OP_SQRT, e), e);

    a->out[0] = add(a, mul(a, mul(a, centred, rstd), in(a, 1)), in(a, 2));
    a->out[1] = mean;
    a->out[2] = rstd;
}

/* With h = (x - mean) rstd and e = dy g: rstd (e - mean_j e - h mean_j(e h)) */
static void layer_norm_grad(Apart *a)
{
    GfValue *rstd = in(a, 4), *h = mul(a, sub(a, in(a, 1), in(a, 3)), rstd), *e = mul(a, in(a, 0), in(a, 2));
    GfValue *first = sub(a, e, mean_cols(a, e));

    a->out[0] = mul(a, sub(a, first, mul(a, h, mean_cols(a, mul(a, e, h)))), rstd);
}

/* e^(x - largest): no exponential overflows */
static GfValue *exp_below(Apart *a, GfValue *most)
{
    return unary(a, GF_OP_EXP, sub(a, in(a, 0), most));
}

static void softmax(Apart *a)
{
    GfValue *e = exp_below(a, unary(a, GF_OP_MAX_COLS, in(a, 0)));
    a->out[0] = binary(a, GF_OP_DIV, e, sum_cols(a, e));
}

/* y (dy - sum_k dy y) */
static void softmax_grad(Apart *a)
{
    GfValue *y = in(a, 0), *dy = in(a, 1);
    a->out[0] = mul(a, y, sub(a, dy, sum_cols(a, mul(a, dy, y))));
}

/* ln sum e^(x - largest) + (largest - x[label]) */
static void cross_entropy(Apart *a)
{
    GfValue *most = unary(a, GF_OP_MAX_COLS, in(a, 0));
    GfValue *log_sum = unary(a, GF_OP_LOG, sum_cols(a, exp_below(a, most)));

    a->out[0] = add(a, log_sum, sub(a, most, binary(a, GF_OP_PICK_COLS, in(a, 0), in(a, 1))));
}

/* ---- over all, products -------------------------------------------------------------------------- */

static void mean(Apart *a)
{
    GfValue *x = in(a, 0);
    a->out[0] = scale(a, unary(a, GF_OP_SUM, x), 1 / (double)gf_type_elements(&x->type, NULL));
}

/* sqrt of the sum of all operands' sums */
static void global_norm(Apart *a)
{
    GfValue *sum = unary(a, GF_OP_SUM, in(a, 0));

    for (uint32_t i = 1; i < a->n->operand_count; i++)
        sum = add(a, sum, unary(a, GF_OP_SUM, in(a, i)));
    a->out[0] = unary(a, GF_OP_SQRT, sum);
}

static GfValue *reshaped(Apart *a, GfValue *x, const GfType *type)
{
    GfNode *n = NULL;
    GfNodeSpec spec = {.op = GF_OP_BROADCAST, .operands = &x, .operand_count = 1, .declared = type, .loc = a->n->loc};

    a->failed = a->failed || gf_graph_add(a->g, a->n, &spec, &n, a->cx->diags) != GF_OK;
    return a->failed ? NULL : gf_result(n);
}

static void sum_squares(Apart *a)
{
    a->out[0] = reshaped(a, unary(a, GF_OP_SUM, mul(a, in(a, 0), in(a, 0))), &a->n->results[0].type);
}

/* x w' + b */
static void linear(Apart *a)
{
    a->out[0] = add(a, binary(a, GF_OP_LINEAR, in(a, 0), in(a, 1)), in(a, 2));
}

/* ---- the table -------------------------------------------------------------------------------------- */

static const struct Rule {
    GfOp op;
    bool (*fits)(const GfNode *n);
    void (*write)(Apart *a);
} rules[] = {
    {GF_OP_GELU, always, gelu},
    {GF_OP_GELU_GRAD, always, gelu_grad},
    {GF_OP_BCE_WITH_LOGITS, always, bce_with_logits},
    {GF_OP_ADAMW, always, adamw},
    {GF_OP_LAYER_NORM, has_columns, layer_norm},
    {GF_OP_LAYER_NORM_GRAD, has_columns, layer_norm_grad},
    {GF_OP_SOFTMAX, is_matrix, softmax},
    {GF_OP_SOFTMAX_GRAD, is_matrix, softmax_grad},
    {GF_OP_CROSS_ENTROPY, always, cross_entropy},
    {GF_OP_MEAN, sums_known, mean},
    {GF_OP_SUM_SQUARES, has_one_part, sum_squares},
    {GF_OP_GLOBAL_NORM, always, global_norm},
    {GF_OP_LINEAR, has_bias, linear},
};

enum { RULES = sizeof rules / sizeof *rules };

static const struct Rule *rule_for(GfOp op)
{
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].op == op)
            return &rules[i];
    }
    return NULL;
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static GfStatus fail_word(const GfPassCtx *cx, const char *word)
{
    const char *names[RULES];

    for (size_t i = 0; i < RULES; i++)
        names[i] = gf_op_text(rules[i].op);
    const char *closest = gf_closest(word, names, RULES);
    gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'decompose' takes no '%s' apart", word);
    if (closest)
        gf_note(cx->diags, "did you mean '%s'?", closest);
    return GF_ERR_PASS;
}

/* Which ops are asked for: those of the option, or all. */
static GfStatus read_ops(const GfPassCtx *cx, bool *wanted)
{
    const char *ops = gf_option_s(cx, "ops"), *word;
    bool all = *ops == '\0';
    GfOp op;

    for (size_t i = 0; i < RULES; i++)
        wanted[rules[i].op] = all;
    while ((word = gf_next_word(cx->scratch, &ops))) {
        if (!gf_op_find(word, &op) || !rule_for(op))
            return fail_word(cx, word);
        wanted[op] = true;
    }
    return GF_OK;
}

static GfStatus take_apart(GfPassCtx *cx, GfGraph *g, GfNode *n, const struct Rule *rule)
{
    Apart a = {.cx = cx, .g = g, .n = n};

    rule->write(&a);
    if (a.failed)
        return gf_build_status(cx);
    for (uint32_t i = 0; i < n->result_count; i++)
        gf_replace_uses(g, &n->results[i], a.out[i]);
    gf_remove(g, n);
    return GF_OK;
}

GfStatus gf_pass_decompose(GfPassCtx *cx, GfGraph *g)
{
    bool wanted[GF_OP_COUNT] = {false};

    GF_TRY(read_ops(cx, wanted));
    GF_EACH_NODE (n, g) {
        const struct Rule *rule = wanted[n->op] ? rule_for(n->op) : NULL;
        if (!rule)
            continue;
        bool fits = rule->fits(n);
        cx->counts[fits ? 0 : 1]++;
        if (fits)
            GF_TRY(take_apart(cx, g, n, rule));
    }
    return GF_OK;
}
