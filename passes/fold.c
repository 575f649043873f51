/* fold.c -- constants and identities.
 *
 *   before                                     after (and dce)
 *   %1 = dropout %x, %rng {p = 0.0, key = 1}   %5 = scale %x {by = 6.0}
 *   %2 = scale %1 {by = 2.0}                   return y = %5
 *   %3 = const {value = 3.0} : f32[]
 *   %4 = mul %2, %3
 *   return y = %4
 *
 * 1. Walk the nodes in order.  A rule looks at one node and the nodes that
 *    define its operands, and gives a value to use in its place: an operand, or
 *    one new node.
 * 2. Rules are tried on the new node again, until none applies.
 * 3. dce removes what is no longer read.
 *
 * Terminates: let the weight of a value be 1 plus the weights of its node's
 * operands.  Every rule replaces a value by one of less weight: an operand, a
 * const for an expression, or one node for two.  Operands come before users, so
 * one walk reaches what a rule makes possible further down.  O(nodes * rules).
 *
 * Legal: each rule keeps the value in exact arithmetic.  Rules that would lose
 * a NaN or an infinity (0 x = 0, x - x = 0) are left out.
 * Source: Aho, Lam, Sethi, Ullman, Compilers, 8.5; the shape of the table:
 * LuaJIT's lj_opt_fold.c.
 * Tests: tests/golden/fold/, one for each rule.
 */
#include "passes/declare.h"

#include <math.h>

typedef struct Fold {
    GfPassCtx *cx;
    GfGraph *g;
    GfNode *n; /* the node to replace */
} Fold;

/* ---- what a rule sees and makes --------------------------------------------------- */

static GfNode *operand_node(const Fold *f, uint32_t i)
{
    return gf_operand(f->n, i)->node;
}

static bool is_const(const GfValue *v)
{
    return v->node->op == GF_OP_CONST;
}

static double const_of(const GfValue *v)
{
    return gf_attr_f(v->node, "value");
}

static bool is_number(const GfValue *v, double number)
{
    return is_const(v) && const_of(v) == number;
}

/* `v` if it has the type of the node's result: else it stood for a broadcast of it. */
static GfValue *as_result(const Fold *f, GfValue *v)
{
    return gf_type_eq(&v->type, &f->n->results[0].type) ? v : NULL;
}

static GfValue *make(const Fold *f, const GfNodeSpec *like)
{
    GfNode *made = NULL;
    GfNodeSpec spec = *like;

    spec.loc = f->n->loc;
    gf_graph_add(f->g, f->n, &spec, &made, f->cx->diags);
    return made ? gf_result(made) : NULL;
}

static GfValue *make_const(const Fold *f, double value)
{
    GfAttr attr = gf_attr_float("value", value);

    if (!isfinite(value)) /* has no text form */
        return NULL;
    return make(f,
                &(GfNodeSpec){.op = GF_OP_CONST, .attrs = &attr, .attr_count = 1, .declared = &f->n->results[0].type});
}

/* scale or offset of x; only where that has the type of the result. */
static GfValue *make_by(const Fold *f, GfOp op, GfValue *x, double by)
{
    GfAttr attr = gf_attr_float("by", by);

    if (!as_result(f, x) || !isfinite(by))
        return NULL;
    return make(f, &(GfNodeSpec){.op = op, .operands = &x, .operand_count = 1, .attrs = &attr, .attr_count = 1});
}

static GfValue *make_binary(const Fold *f, GfOp op, GfValue *a, GfValue *b)
{
    return make(f, &(GfNodeSpec){.op = op, .operands = (GfValue *[]){a, b}, .operand_count = 2});
}

/* ---- rules: identities --------------------------------------------------------------- */

/* x + 0, 0 + x -> x */
static GfValue *add_zero(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    return is_number(b, 0) ? as_result(f, a) : is_number(a, 0) ? as_result(f, b) : NULL;
}

/* x - 0 -> x */
static GfValue *sub_zero(const Fold *f)
{
    return is_number(gf_operand(f->n, 1), 0) ? as_result(f, gf_operand(f->n, 0)) : NULL;
}

/* x 1, 1 x -> x */
static GfValue *mul_one(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    return is_number(b, 1) ? as_result(f, a) : is_number(a, 1) ? as_result(f, b) : NULL;
}

/* x / 1 -> x */
static GfValue *div_one(const Fold *f)
{
    return is_number(gf_operand(f->n, 1), 1) ? as_result(f, gf_operand(f->n, 0)) : NULL;
}

/* min(x, x), max(x, x) -> x */
static GfValue *same_operands(const Fold *f)
{
    return gf_operand(f->n, 0) == gf_operand(f->n, 1) ? gf_operand(f->n, 0) : NULL;
}

/* scale by 1 -> x */
static GfValue *scale_one(const Fold *f)
{
    return gf_attr_f(f->n, "by") == 1 ? gf_operand(f->n, 0) : NULL;
}

/* offset by 0 -> x */
static GfValue *offset_zero(const Fold *f)
{
    return gf_attr_f(f->n, "by") == 0 ? gf_operand(f->n, 0) : NULL;
}

/* - - x -> x */
static GfValue *neg_neg(const Fold *f)
{
    return operand_node(f, 0)->op == GF_OP_NEG ? gf_operand(operand_node(f, 0), 0) : NULL;
}

/* dropout with p = 0 -> x */
static GfValue *dropout_none(const Fold *f)
{
    return gf_attr_f(f->n, "p") == 0 ? gf_operand(f->n, 0) : NULL;
}

/* broadcast to the same type -> x */
static GfValue *broadcast_same(const Fold *f)
{
    return as_result(f, gf_operand(f->n, 0));
}

/* relu(relu x) -> relu x */
static GfValue *relu_relu(const Fold *f)
{
    return operand_node(f, 0)->op == GF_OP_RELU ? gf_operand(f->n, 0) : NULL;
}

/* ---- rules: constants ------------------------------------------------------------------ */

/* The op on two numbers. */
static double binary_of(GfOp op, double a, double b)
{
    switch (op) {
    case GF_OP_ADD:
        return a + b;
    case GF_OP_SUB:
        return a - b;
    case GF_OP_MUL:
        return a * b;
    case GF_OP_DIV:
        return a / b;
    case GF_OP_MIN:
        return fmin(a, b);
    case GF_OP_MAX:
        return fmax(a, b);
    default:
        return NAN; /* no const is made of it */
    }
}

/* const op const -> const */
static GfValue *binary_consts(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    return is_const(a) && is_const(b) ? make_const(f, binary_of(f->n->op, const_of(a), const_of(b))) : NULL;
}

/* scale of const -> const */
static GfValue *scale_const(const Fold *f)
{
    GfValue *x = gf_operand(f->n, 0);
    return is_const(x) ? make_const(f, const_of(x) * gf_attr_f(f->n, "by")) : NULL;
}

/* offset of const -> const */
static GfValue *offset_const(const Fold *f)
{
    GfValue *x = gf_operand(f->n, 0);
    return is_const(x) ? make_const(f, const_of(x) + gf_attr_f(f->n, "by")) : NULL;
}

/* - const -> const */
static GfValue *neg_const(const Fold *f)
{
    GfValue *x = gf_operand(f->n, 0);
    return is_const(x) ? make_const(f, -const_of(x)) : NULL;
}

/* broadcast of const -> const */
static GfValue *broadcast_const(const Fold *f)
{
    GfValue *x = gf_operand(f->n, 0);
    return is_const(x) ? make_const(f, const_of(x)) : NULL;
}

/* x const, const x -> scale x */
static GfValue *mul_const(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    if (is_const(b))
        return make_by(f, GF_OP_SCALE, a, const_of(b));
    return is_const(a) ? make_by(f, GF_OP_SCALE, b, const_of(a)) : NULL;
}

/* x + const, const + x -> offset x */
static GfValue *add_const(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    if (is_const(b))
        return make_by(f, GF_OP_OFFSET, a, const_of(b));
    return is_const(a) ? make_by(f, GF_OP_OFFSET, b, const_of(a)) : NULL;
}

/* x - const -> offset x by -const */
static GfValue *sub_const(const Fold *f)
{
    GfValue *b = gf_operand(f->n, 1);
    return is_const(b) ? make_by(f, GF_OP_OFFSET, gf_operand(f->n, 0), -const_of(b)) : NULL;
}

/* ---- rules: two nodes to one -------------------------------------------------------------- */

/* scale of scale -> scale */
static GfValue *scale_scale(const Fold *f)
{
    GfNode *x = operand_node(f, 0);
    if (x->op != GF_OP_SCALE)
        return NULL;
    return make_by(f, GF_OP_SCALE, gf_operand(x, 0), gf_attr_f(x, "by") * gf_attr_f(f->n, "by"));
}

/* scale of neg -> scale by -by */
static GfValue *scale_neg(const Fold *f)
{
    GfNode *x = operand_node(f, 0);
    return x->op == GF_OP_NEG ? make_by(f, GF_OP_SCALE, gf_operand(x, 0), -gf_attr_f(f->n, "by")) : NULL;
}

/* neg of scale -> scale by -by */
static GfValue *neg_scale(const Fold *f)
{
    GfNode *x = operand_node(f, 0);
    return x->op == GF_OP_SCALE ? make_by(f, GF_OP_SCALE, gf_operand(x, 0), -gf_attr_f(x, "by")) : NULL;
}

/* offset of offset -> offset */
static GfValue *offset_offset(const Fold *f)
{
    GfNode *x = operand_node(f, 0);
    if (x->op != GF_OP_OFFSET)
        return NULL;
    return make_by(f, GF_OP_OFFSET, gf_operand(x, 0), gf_attr_f(x, "by") + gf_attr_f(f->n, "by"));
}

/* a + -b -> a - b, -a + b -> b - a */
static GfValue *add_neg(const Fold *f)
{
    GfValue *a = gf_operand(f->n, 0), *b = gf_operand(f->n, 1);
    if (b->node->op == GF_OP_NEG)
        return make_binary(f, GF_OP_SUB, a, gf_operand(b->node, 0));
    return a->node->op == GF_OP_NEG ? make_binary(f, GF_OP_SUB, b, gf_operand(a->node, 0)) : NULL;
}

/* a - -b -> a + b */
static GfValue *sub_neg(const Fold *f)
{
    GfNode *b = operand_node(f, 1);
    return b->op == GF_OP_NEG ? make_binary(f, GF_OP_ADD, gf_operand(f->n, 0), gf_operand(b, 0)) : NULL;
}

/* broadcast of broadcast -> broadcast */
static GfValue *broadcast_broadcast(const Fold *f)
{
    GfNode *x = operand_node(f, 0);
    if (x->op != GF_OP_BROADCAST)
        return NULL;
    return make(f, &(GfNodeSpec){.op = GF_OP_BROADCAST,
                                 .operands = (GfValue *[]){gf_operand(x, 0)},
                                 .operand_count = 1,
                                 .declared = &f->n->results[0].type});
}

/* ---- the table: in the order of trial ------------------------------------------------------- */

static const struct Rule {
    GfOp op;
    GfValue *(*apply)(const Fold *f);
} rules[] = {
    {GF_OP_ADD, binary_consts},
    {GF_OP_ADD, add_zero},
    {GF_OP_ADD, add_const},
    {GF_OP_ADD, add_neg},
    {GF_OP_SUB, binary_consts},
    {GF_OP_SUB, sub_zero},
    {GF_OP_SUB, sub_const},
    {GF_OP_SUB, sub_neg},
    {GF_OP_MUL, binary_consts},
    {GF_OP_MUL, mul_one},
    {GF_OP_MUL, mul_const},
    {GF_OP_DIV, binary_consts},
    {GF_OP_DIV, div_one},
    {GF_OP_MIN, binary_consts},
    {GF_OP_MIN, same_operands},
    {GF_OP_MAX, binary_consts},
    {GF_OP_MAX, same_operands},
    {GF_OP_SCALE, scale_one},
    {GF_OP_SCALE, scale_const},
    {GF_OP_SCALE, scale_scale},
    {GF_OP_SCALE, scale_neg},
    {GF_OP_OFFSET, offset_zero},
    {GF_OP_OFFSET, offset_const},
    {GF_OP_OFFSET, offset_offset},
    {GF_OP_NEG, neg_const},
    {GF_OP_NEG, neg_neg},
    {GF_OP_NEG, neg_scale},
    {GF_OP_DROPOUT, dropout_none},
    {GF_OP_BROADCAST, broadcast_same},
    {GF_OP_BROADCAST, broadcast_const},
    {GF_OP_BROADCAST, broadcast_broadcast},
    {GF_OP_RELU, relu_relu},
};

/* What the first rule that applies to the node gives, or NULL. */
static GfValue *apply_rules(const Fold *f)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        GfValue *v = rules[i].op == f->n->op ? rules[i].apply(f) : NULL;
        if (v)
            return v;
    }
    return NULL;
}

/* ---- the pass ---------------------------------------------------------------------------------- */

/* Replace `n` by what the rules make of it, and that in turn. */
static void fold_node(GfPassCtx *cx, GfGraph *g, GfNode *n)
{
    GfValue *v;

    while (gf_result(n)->uses && (v = apply_rules(&(Fold){.cx = cx, .g = g, .n = n}))) {
        gf_replace_uses(g, gf_result(n), v);
        cx->counts[0]++;
        n = v->node;
    }
}

GfStatus gf_pass_fold(GfPassCtx *cx, GfGraph *g)
{
    size_t failures = cx->diags ? cx->diags->count : 0;

    GF_EACH_NODE (n, g) {
        if (n->result_count == 1)
            fold_node(cx, g, n);
    }
    return cx->diags && cx->diags->count > failures ? gf_build_status(cx) : GF_OK;
}
