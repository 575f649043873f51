/* generate_phrases.c -- several nodes that belong together, as models have them, and as
 * passes look for them.  See gen.h.
 */
#include "tests/random/gen.h"

#include <string.h>

static GfValue *hidden(Gen *g)
{
    return gen_bounded(g, gen_value(g, gf_type_matrix(GF_F32, g->tokens, gf_dim_const(g->sizes[0]))), 3);
}

static GfValue *linear(Gen *g, GfValue *x, int64_t m, bool bias)
{
    if (!x || x->type.dims[1].symbol != GF_CONSTANT)
        return NULL;
    GfValue *w = gen_weight(g, gf_type_matrix(GF_F32, gf_dim_const(m), x->type.dims[1]));
    GfValue *b = bias ? gen_value(g, gf_type_vector(GF_F32, gf_dim_const(m))) : NULL;
    return gen_bounded(g, gen_node(g, GF_OP_LINEAR, NULL, 0, NULL, (GfValue *[]){x, w, b}, bias ? 3 : 2), 3);
}

static GfValue *norm(Gen *g, GfValue *x)
{
    if (!x)
        return NULL;
    GfType row = gf_type_vector(GF_F32, x->type.dims[1]);
    return gen_node(g, GF_OP_LAYER_NORM, NULL, 0, NULL, (GfValue *[]){x, gen_value(g, row), gen_value(g, row)}, 3);
}

static GfValue *dropout(Gen *g, GfValue *x)
{
    return gen_chance(g, 60) ? gen_binary(g, GF_OP_DROPOUT, x, gen_rng(g)) : x;
}

/* x W' + (scale dropout(x) A') B' */
static void low_rank(Gen *g)
{
    GfValue *x = hidden(g), *y = linear(g, x, gen_size(g), gen_chance(g, 50));
    GfValue *s = linear(g, dropout(g, x), 1 + gen_below(g, 8), false);

    if (gen_chance(g, 70))
        s = gen_by(g, GF_OP_SCALE, s, 0.5);
    GfValue *low = y ? linear(g, s, y->type.dims[1].size, false) : NULL;
    if (gen_chance(g, 50))
        gen_binary(g, GF_OP_ADD, y, low);
    else
        gen_binary(g, GF_OP_ADD, low, y);
}

static void feed_forward(Gen *g)
{
    GfValue *x = hidden(g), *u = linear(g, x, gen_size(g), true);
    GfValue *d = linear(g, gen_unary(g, gen_chance(g, 70) ? GF_OP_GELU : GF_OP_RELU, u), g->sizes[0], true);

    norm(g, gen_binary(g, GF_OP_ADD, dropout(g, d), x));
}

static void self_attention(Gen *g)
{
    GfValue *x = hidden(g), *in[6] = {NULL, NULL, NULL, gen_starts(g), gen_lengths(g), gen_rng(g)};
    GfAttr attrs[] = {gf_attr_int("heads", g->sizes[0] % 2 ? 1 : 2), gf_attr_float("p", gen_chance(g, 50) ? 0.1 : 0),
                      gf_attr_int("key", ++g->key)};

    for (int i = 0; i < 3; i++)
        in[i] = linear(g, x, g->sizes[0], gen_chance(g, 80));
    GfValue *a = gen_node(g, GF_OP_ATTENTION, attrs, 3, NULL, in, 6);
    norm(g, gen_binary(g, GF_OP_ADD, dropout(g, linear(g, a, g->sizes[0], true)), x));
}

/* Two products added up, as where gradients meet. */
static void products_meet(Gen *g)
{
    GfValue *x = hidden(g), *y = hidden(g);
    int64_t m = gen_size(g);

    gen_binary(g, gen_chance(g, 80) ? GF_OP_ADD : GF_OP_SUB, linear(g, x, m, gen_chance(g, 50)),
               linear(g, y, m, gen_chance(g, 50)));
}

static bool may_repeat(const GfNode *n)
{
    return gf_op_has(n->op, GF_PURE) && n->operand_count <= 8 && n->attr_count <= 8 && !gf_op_has(n->op, GF_DECLARED);
}

/* A node over again: the same operands, or another key. */
static void again(Gen *g)
{
    GfNode *n = NULL;
    GfValue *in[8];
    GfAttr attrs[8];

    for (int tries = 0; tries < 8 && (!n || !may_repeat(n)) && g->count; tries++)
        n = g->items[gen_below(g, g->count)].value->node;
    if (!n || !may_repeat(n))
        return;
    for (uint32_t i = 0; i < n->operand_count; i++)
        in[i] = gf_operand(n, i);
    bool other_key = gf_op_has(n->op, GF_RANDOM) && gen_chance(g, 50);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        attrs[i] = n->attrs[i];
        if (other_key && strcmp(attrs[i].key, "key") == 0)
            attrs[i].i = ++g->key;
    }
    GfValue *twin = gen_node(g, n->op, attrs, n->attr_count, NULL, in, n->operand_count);
    if (twin && gen_chance(g, 70))
        gen_binary(g, gen_chance(g, 50) ? GF_OP_MUL : GF_OP_SUB, gen_bounded(g, twin, 2),
                   gen_bounded(g, gf_result(n), 2));
}

/* Two nodes whose operands stand the other way round. */
static void swapped(Gen *g)
{
    static const GfOp ops[] = {GF_OP_SUB, GF_OP_SUB, GF_OP_ADD, GF_OP_MUL, GF_OP_BCE_WITH_LOGITS};
    GfOp op = ops[gen_below(g, 5)];
    GfValue *a = gen_value(g, gen_type(g)), *b = a ? gen_value(g, a->type) : NULL;
    GfValue *x = gen_binary(g, op, a, b), *y = gen_binary(g, op, b, a);

    if (gen_chance(g, 60))
        gen_binary(g, GF_OP_MUL, gen_bounded(g, x, 2), gen_unary(g, GF_OP_TANH, y));
}

/* x op number, number op x */
static void with_number(Gen *g, GfValue *x)
{
    static const GfOp pairs[] = {GF_OP_ADD, GF_OP_SUB, GF_OP_SUB, GF_OP_MUL, GF_OP_DIV, GF_OP_MIN, GF_OP_MAX};
    static const double numbers[] = {0, 1, 2, -1, 0.5};
    GfAttr value = gf_attr_float("value", numbers[gen_below(g, 5)]);
    GfOp op = pairs[gen_below(g, g->free ? 7 : 5)];
    GfType scalar = gf_type_scalar(GF_F32);

    if (!x)
        return;
    GfValue *c = gen_node(g, GF_OP_CONST, &value, 1, gen_chance(g, 50) ? &scalar : &x->type, NULL, 0);
    bool second = op == GF_OP_DIV || gen_chance(g, 65);
    if (op == GF_OP_DIV && value.f == 0)
        op = GF_OP_SUB;
    gen_binary(g, op, second ? x : c, second ? c : x);
}

/* What `fold` looks for: pairs that are one, numbers that change nothing. */
static void foldable(Gen *g)
{
    static const GfOp ops[] = {GF_OP_NEG, GF_OP_SCALE, GF_OP_OFFSET, GF_OP_RELU, GF_OP_NEG, GF_OP_SCALE};
    GfValue *x = gen_value(g, gen_type(g));

    if (gen_chance(g, 70))
        x = gen_unary(g, ops[gen_below(g, 6)], x);
    if (gen_chance(g, 40))
        x = gen_unary(g, ops[gen_below(g, 6)], x);
    if (!x || gen_chance(g, 60)) {
        with_number(g, x);
        return;
    }
    GfValue *y = gen_value(g, x->type);
    bool second = gen_chance(g, 50);
    gen_binary(g, gen_chance(g, 60) ? GF_OP_ADD : GF_OP_SUB, second ? x : y, second ? y : x);
}

void gen_phrase(Gen *g)
{
    static void (*const phrases[])(Gen *) = {low_rank, feed_forward, self_attention, products_meet, again,
                                             swapped,  foldable,     foldable,       foldable};

    phrases[gen_below(g, sizeof phrases / sizeof *phrases)](g);
}

/* ---- the loss ---------------------------------------------------------------------------------- */

/* A matrix that depends on a parameter, with a gradient. */
static GfValue *active_matrix(Gen *g)
{
    GfValue *found = NULL;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        const GenItem *item = &g->items[i];
        if (!item->active || item->blocked || item->value->type.rank != 2 || item->value->node->op == GF_OP_PARAM)
            continue;
        seen++;
        if (gen_below(g, seen) < 1 + seen / 3)
            found = item->value;
    }
    return gen_bounded(g, found ? found : linear(g, hidden(g), gen_size(g), true), 3);
}

static GfValue *classify(Gen *g, GfValue *x)
{
    if (gen_chance(g, 60) && gf_dim_eq(x->type.dims[0], g->tokens))
        x = gen_binary(g, GF_OP_GATHER, x, gen_starts(g));
    GfValue *logits = linear(g, x, 2 + gen_below(g, 5), true);
    return logits ? gen_binary(g, GF_OP_CROSS_ENTROPY, logits, gen_ids(g, logits->type.dims[0])) : NULL;
}

static GfValue *loss_of(Gen *g, GfValue *x)
{
    if (!x)
        return NULL;
    switch (gen_below(g, 4)) {
    case 0:
        return gen_unary(g, GF_OP_MEAN, gen_binary(g, GF_OP_MUL, x, x));
    case 1:
        return gen_unary(g, gen_chance(g, 50) ? GF_OP_MEAN : GF_OP_SUM,
                         gen_binary(g, GF_OP_BCE_WITH_LOGITS, x, gen_unary(g, GF_OP_SIGMOID, gen_value(g, x->type))));
    default: {
        GfValue *losses = classify(g, x);
        return gen_unary(g, GF_OP_MEAN, losses ? losses : x);
    }
    }
}

GfValue *gen_loss(Gen *g)
{
    GfValue *x = active_matrix(g), *loss = x ? loss_of(g, x) : NULL;

    if (loss && gen_chance(g, 50))
        loss = gen_binary(g, GF_OP_ADD, loss, loss_of(g, active_matrix(g)));
    return loss;
}
