/* generate_ops.c -- one maker for each name in the column `shape` of ops.def.
 *
 * A maker adds a node of `op` over values of the pool that its shape rule allows.
 */
#include "tests/random/gen.h"

#include <string.h>

typedef void (*MakeFn)(Gen *g, GfOp op);

/* ---- structure ------------------------------------------------------------------------------ */

/* Leaves come when a value is asked for that is not there. */
static void make_declared(Gen *g, GfOp op)
{
    (void)op;
    gen_leaf(g, gen_type(g));
}

/* Gradients are of autodiff alone. */
static void make_update(Gen *g, GfOp op)
{
    if (op != GF_OP_UPDATE || !g->updates)
        return;
    for (GfNode *n = g->g->first; n; n = n->next) {
        bool updated = false;
        for (const GfUse *u = n->result_count ? n->results[0].uses : NULL; u; u = u->next)
            updated |= u->user->op == GF_OP_UPDATE && u == &u->user->operands[0];
        if ((n->op == GF_OP_STATE || n->op == GF_OP_PARAM) && !updated && gen_chance(g, 50)) {
            gen_binary(g, op, gf_result(n), gen_value(g, n->results[0].type));
            return;
        }
    }
}

static void make_nothing(Gen *g, GfOp op)
{
    (void)g;
    (void)op;
}

/* ---- elementwise ---------------------------------------------------------------------------- */

/* A type that broadcasts to `type`. */
static GfType narrower(Gen *g, GfType type)
{
    GfDim one = gf_dim_const(1), last = type.rank ? type.dims[type.rank - 1] : one;

    if (type.rank != 2)
        return gen_chance(g, 40) ? gf_type_scalar(GF_F32) : type;
    switch (gen_below(g, 5)) {
    case 0:
        return gf_type_vector(GF_F32, last);
    case 1:
        return gf_type_matrix(GF_F32, type.dims[0], one);
    case 2:
        return gf_type_matrix(GF_F32, one, last);
    case 3:
        return gf_type_scalar(GF_F32);
    default:
        return type;
    }
}

/* A value from the pool, of any type. */
static GfValue *some_value(Gen *g)
{
    GfValue *v = gen_chance(g, 60) ? gen_any(g, 2) : NULL;
    return v ? v : gen_value(g, gen_type(g));
}

static void make_broadcast(Gen *g, GfOp op)
{
    GfValue *a = some_value(g);
    GfValue *b = a ? gen_value(g, gen_chance(g, 50) ? narrower(g, a->type) : a->type) : NULL;

    if (gen_chance(g, 8))
        b = a;
    if (b && gen_chance(g, 30)) {
        GfValue *moved = a;
        a = b;
        b = moved;
    }
    gen_binary(g, op, a, op == GF_OP_DIV ? gen_positive(g, b) : b);
}

static GfValue *in_domain(Gen *g, GfOp op, GfValue *x)
{
    if (op == GF_OP_LOG || op == GF_OP_SQRT)
        return gen_positive(g, x);
    return op == GF_OP_EXP ? gen_bounded(g, x, 1.5) : x;
}

/* Row ops take vectors and matrices only. */
static GfValue *of_op(Gen *g, GfOp op)
{
    bool rows = gf_op_info(op)->class_ == GF_CLASS_ROW;
    GfValue *x = some_value(g);

    return x && rows && (x->type.rank < 1 || x->type.rank > 2) ? gen_value(g, gen_matrix(g)) : x;
}

static void make_same(Gen *g, GfOp op)
{
    gen_unary(g, op, in_domain(g, op, of_op(g, op)));
}

static void make_equal(Gen *g, GfOp op)
{
    GfValue *a = of_op(g, op), *b = a ? gen_value(g, a->type) : NULL;

    if (op == GF_OP_BCE_WITH_LOGITS && gen_chance(g, 70))
        b = gen_unary(g, GF_OP_SIGMOID, b);
    gen_binary(g, op, a, b);
}

/* Of its own rows, or with the masks of others. */
static void make_dropout(Gen *g, GfOp op)
{
    GfValue *x = of_op(g, GF_OP_SOFTMAX);

    if (x && x->type.rank == 2 && gen_chance(g, 25))
        gen_node(g, op, NULL, 0, NULL, (GfValue *[]){x, gen_ids(g, x->type.dims[0]), gen_rng(g)}, 3);
    else
        gen_binary(g, op, x, gen_rng(g));
}

static void make_spread(Gen *g, GfOp op)
{
    GfType wide = gen_type(g);
    GfValue *x = gen_value(g, op == GF_OP_MEAN_GRAD ? gf_type_scalar(GF_F32) : narrower(g, wide));

    gen_node(g, op, NULL, 0, &wide, &x, 1);
}

static void make_gather(Gen *g, GfOp op)
{
    GfValue *table = gen_chance(g, 40) ? gen_any(g, 2) : NULL;

    if (!table)
        table = gen_value(g, gen_chance(g, 85) ? gen_matrix(g) : gf_type_vector(GF_F32, gen_rows(g)));
    gen_binary(g, op, table, gen_ids(g, gen_rows(g)));
}

static void make_correction(Gen *g, GfOp op)
{
    gen_unary(g, op, gen_step(g));
}

static void make_adamw(Gen *g, GfOp op)
{
    GfValue *p = gen_value(g, gen_type(g)), *v[8] = {p};
    GfType scalar = gf_type_scalar(GF_F32);

    for (int i = 1; p && i < 8; i++)
        v[i] = gen_value(g, i < 4 ? p->type : scalar);
    v[3] = v[3] ? gen_positive(g, v[3]) : NULL;
    v[6] = gen_positive(g, v[6]);
    v[7] = gen_unary(g, GF_OP_BIAS_CORRECTION, gen_step(g));
    gen_node(g, op, NULL, 0, NULL, v, 8);
}

/* ---- along rows ------------------------------------------------------------------------------- */

static GfValue *some_matrix(Gen *g)
{
    GfValue *x = gen_chance(g, 75) ? gen_any(g, 2) : NULL;
    return x ? x : gen_value(g, gen_matrix(g));
}

static GfType row_of(const GfValue *x)
{
    return gf_type_vector(GF_F32, x->type.dims[1]);
}

static GfType column_of(const GfValue *x)
{
    return gf_type_matrix(GF_F32, x->type.dims[0], gf_dim_const(1));
}

static void make_layer_norm(Gen *g, GfOp op)
{
    GfValue *x = some_matrix(g);

    if (x)
        gen_node(g, op, NULL, 0, NULL, (GfValue *[]){x, gen_value(g, row_of(x)), gen_value(g, row_of(x))}, 3);
}

static void make_layer_norm_grad(Gen *g, GfOp op)
{
    GfValue *x = some_matrix(g);

    if (x)
        gen_node(g, op, NULL, 0, NULL,
                 (GfValue *[]){gen_value(g, x->type), x, gen_value(g, row_of(x)), gen_value(g, column_of(x)),
                               gen_value(g, column_of(x))},
                 5);
}

static void make_sum_cols(Gen *g, GfOp op)
{
    gen_unary(g, op, some_matrix(g));
}

static void make_sum_rows(Gen *g, GfOp op)
{
    gen_unary(g, op, some_matrix(g));
}

static void make_cross_entropy(Gen *g, GfOp op)
{
    GfValue *x = some_matrix(g);

    if (x)
        gen_binary(g, op, x, gen_ids(g, x->type.dims[0]));
}

static void make_cross_entropy_grad(Gen *g, GfOp op)
{
    GfValue *x = some_matrix(g);

    if (x)
        gen_node(g, op, NULL, 0, NULL, (GfValue *[]){x, gen_ids(g, x->type.dims[0]), gen_value(g, column_of(x))}, 3);
}

/* ---- over all ------------------------------------------------------------------------------------ */

static void make_scalar(Gen *g, GfOp op)
{
    gen_unary(g, op, some_value(g));
}

static void make_sum_squares(Gen *g, GfOp op)
{
    gen_unary(g, op, some_value(g));
}

static void make_global_norm(Gen *g, GfOp op)
{
    GfValue *parts[3];
    uint32_t count = 1 + gen_below(g, 3);

    for (uint32_t i = 0; i < count; i++)
        parts[i] = gen_unary(g, GF_OP_SUM_SQUARES, some_value(g));
    gen_node(g, op, NULL, 0, NULL, parts, count);
}

/* ---- products -------------------------------------------------------------------------------------- */

static void make_linear(Gen *g, GfOp op)
{
    GfValue *x = gen_bounded(g, some_matrix(g), 3);
    GfDim m = gf_dim_const(gen_size(g));

    if (!x)
        return;
    GfType type = gf_type_matrix(GF_F32, m, x->type.dims[1]);
    bool constant = type.dims[1].symbol == GF_CONSTANT;
    GfValue *w = gen_chance(g, 60) && constant ? gen_weight(g, type) : gen_value(g, type);
    GfValue *b = gen_value(g, gf_type_vector(GF_F32, m));
    gen_node(g, op, NULL, 0, NULL, (GfValue *[]){x, w, b}, gen_chance(g, 60) ? 3 : 2);
}

static void make_matmul(Gen *g, GfOp op)
{
    bool ta = gen_chance(g, 40), tb = gen_chance(g, 40);
    GfAttr attrs[] = {gf_attr_int("transpose_a", ta), gf_attr_int("transpose_b", tb)};
    GfValue *a = gen_bounded(g, some_matrix(g), 3);
    GfDim m = gen_chance(g, 85) ? gf_dim_const(gen_size(g)) : gen_rows(g);

    if (!a)
        return;
    GfDim k = a->type.dims[!ta];
    GfValue *b = gen_value(g, tb ? gf_type_matrix(GF_F32, m, k) : gf_type_matrix(GF_F32, k, m));
    gen_node(g, op, attrs, 2, NULL, (GfValue *[]){a, b}, 2);
}

/* ---- packed sequences --------------------------------------------------------------------------------- */

static int64_t pick_heads(Gen *g, int64_t size)
{
    int64_t heads = 1 + gen_below(g, 4);

    while (size % heads)
        heads--;
    return heads;
}

/* A query for each row, or for the first of each sequence. */
static GfValue *add_attention(Gen *g, GfValue *in[6], GfAttr attrs[4])
{
    static const double p[] = {0, 0, 0.1, 0.5};
    GfDim size = gf_dim_const(gen_size(g));
    bool first = gen_chance(g, 30);

    for (int i = 0; i < 3; i++)
        in[i] = gen_bounded(g, gen_value(g, gf_type_matrix(GF_F32, first && i == 0 ? g->seqs : g->tokens, size)), 2);
    in[3] = gen_starts(g);
    in[4] = gen_lengths(g);
    in[5] = gen_rng(g);
    attrs[0] = gf_attr_int("heads", pick_heads(g, size.size));
    attrs[1] = gf_attr_float("p", p[gen_below(g, 4)]);
    attrs[2] = gf_attr_int("key", ++g->key);
    attrs[3] = gf_attr_int("first", first);
    return gen_node(g, GF_OP_ATTENTION, attrs, 4, NULL, in, 6);
}

static void make_attention(Gen *g, GfOp op)
{
    GfValue *in[6];
    GfAttr attrs[4];

    (void)op;
    add_attention(g, in, attrs);
}

/* Of an attention that is there: its log-sum-exp must fit. */
static void make_attention_grad(Gen *g, GfOp op)
{
    GfValue *in[6], *y;
    GfAttr attrs[4];

    y = add_attention(g, in, attrs);
    if (y)
        gen_node(
            g, op, attrs, 4, NULL,
            (GfValue *[]){gen_value(g, y->type), in[0], in[1], in[2], y, &y->node->results[1], in[3], in[4], in[5]}, 9);
}

static void make_scatter_add(Gen *g, GfOp op)
{
    GfValue *x = some_matrix(g);

    if (!x)
        return;
    GfType table = x->type;
    table.dims[0] = gen_rows(g);
    gen_node(g, op, NULL, 0, &table, (GfValue *[]){x, gen_ids(g, x->type.dims[0])}, 2);
}

/* ---- the tables ------------------------------------------------------------------------------------------ */

static const MakeFn make_of[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, ...) [GF_OP_##id] = make_##shape,
#include "ir/ops.def"
};

static const char *const gradient_of[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, eval, grad, ...) [GF_OP_##id] = #grad,
#include "ir/ops.def"
};

bool gen_has_gradient(GfOp op)
{
    return strcmp(gradient_of[op], "none") != 0;
}

void gen_op(Gen *g, GfOp op)
{
    make_of[op](g, op);
}
