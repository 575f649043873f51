/* generate.c -- the pool of values, and the graph as a whole.  See generate.h, gen.h. */
#include "tests/random/gen.h"

#include "ir/random.h"
#include <math.h>

#include <stdio.h>
#include <string.h>

/* ---- chance ----------------------------------------------------------------------------- */

uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(gf_random_next(state) >> 33) % limit;
}

uint32_t gen_below(Gen *g, uint32_t limit)
{
    return random_below(&g->random, limit);
}

bool gen_chance(Gen *g, uint32_t percent)
{
    return gen_below(g, 100) < percent;
}

int64_t gen_size(Gen *g)
{
    return g->sizes[gen_below(g, GEN_SIZES)];
}

GfDim gen_rows(Gen *g)
{
    uint32_t k = gen_below(g, 20);
    return k < 13 ? g->tokens : k < 17 ? g->seqs : gf_dim_const(gen_size(g));
}

GfType gen_matrix(Gen *g)
{
    return gf_type_matrix(GF_F32, gen_rows(g), gf_dim_const(gen_chance(g, 95) ? gen_size(g) : 1));
}

GfType gen_type(Gen *g)
{
    GfDim one = gf_dim_const(1), many = gf_dim_const(gen_size(g));
    GfType type = {.dtype = GF_F32, .rank = 3, .dims = {gf_dim_const(2), many, gf_dim_const(gen_size(g) % 5 + 1)}};

    switch (gen_below(g, 24)) {
    case 0:
        return gf_type_scalar(GF_F32);
    case 1:
    case 2:
        return gf_type_vector(GF_F32, many);
    case 3:
        return gf_type_vector(GF_F32, gen_rows(g));
    case 4:
        return gf_type_matrix(GF_F32, one, many);
    case 5:
    case 6:
        return gf_type_matrix(GF_F32, gen_rows(g), one);
    case 7:
        return type;
    case 8:
        return gen_chance(g, 30) ? gf_type_matrix(GF_F32, many, g->tokens) : gen_matrix(g);
    default:
        return gen_matrix(g);
    }
}

/* ---- the pool --------------------------------------------------------------------------- */

const GenItem *gen_item(const Gen *g, const GfValue *v)
{
    for (uint32_t i = g->count; v && i-- > 0;) {
        if (g->items[i].value == v)
            return &g->items[i];
    }
    return NULL;
}

double gen_size_of(const Gen *g, const GfValue *v)
{
    const GenItem *item = gen_item(g, v);
    return item ? item->size : 1;
}

static void push(Gen *g, GenItem item)
{
    if (g->count < GEN_VALUES && item.value->type.dtype == GF_F32)
        g->items[g->count++] = item;
}

static bool may_use(const Gen *g, const GenItem *item)
{
    return g->free || !item->blocked;
}

/* One that `fits`; late ones are likelier, so that chains grow. */
static GfValue *pick(Gen *g, bool (*fits)(const GfType *type, const void *what), const void *what)
{
    GfValue *found = NULL;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        if (!may_use(g, &g->items[i]) || !fits(&g->items[i].value->type, what))
            continue;
        seen++;
        if (gen_below(g, seen) < 1 + seen / 3)
            found = g->items[i].value;
    }
    return found;
}

static bool is_type(const GfType *type, const void *what)
{
    return gf_type_eq(type, what);
}

static bool is_rank(const GfType *type, const void *what)
{
    return type->rank == *(const uint32_t *)what;
}

GfValue *gen_any(Gen *g, uint32_t rank)
{
    return pick(g, is_rank, &rank);
}

GfValue *gen_value(Gen *g, GfType type)
{
    GfValue *v = gen_chance(g, 88) ? pick(g, is_type, &type) : NULL;
    return v ? v : gen_leaf(g, type);
}

/* ---- leaves ------------------------------------------------------------------------------ */

static GfValue *declare(Gen *g, GfOp op, const char *name, const char *label, bool frozen, GfType type)
{
    GfNode *n = NULL;
    GfNodeSpec spec = {.op = op, .name = name, .label = label, .frozen = frozen, .declared = &type};

    if (g->status != GF_OK)
        return NULL;
    g->status = gf_graph_add(g->g, NULL, &spec, &n, g->diags);
    if (!n)
        return NULL;
    double wide = op == GF_OP_PARAM && type.rank == 2 ? 1 : 0.9;
    push(g, (GenItem){.value = gf_result(n), .size = wide, .active = op == GF_OP_PARAM});
    return gf_result(n);
}

GfValue *gen_weight(Gen *g, GfType type)
{
    char label[32];

    snprintf(label, sizeof label, "l%u.weight", g->labels++);
    return declare(g, GF_OP_PARAM, NULL, label, gen_chance(g, 30), type);
}

static GfValue *gen_param(Gen *g, GfType type)
{
    static const char *const kinds[] = {"gain", "bias", "table", "positive"};
    char label[32];

    snprintf(label, sizeof label, "p%u.%s", g->labels++, kinds[gen_below(g, 4)]);
    return declare(g, GF_OP_PARAM, NULL, label, gen_chance(g, 30), type);
}

static GfValue *gen_const(Gen *g, GfType type)
{
    static const double values[] = {0, 1, -1, 2, 0.5, -0.25, 3};
    GfAttr value = gf_attr_float("value", values[gen_below(g, 7)]);

    if (gen_chance(g, 70))
        type = gf_type_scalar(GF_F32);
    GfValue *v = gen_node(g, GF_OP_CONST, &value, 1, &type, NULL, 0);
    return v;
}

static bool is_symbolic(const GfType *type)
{
    for (uint32_t i = 0; i < type->rank; i++) {
        if (type->dims[i].symbol != GF_CONSTANT)
            return true;
    }
    return false;
}

/* Parameters and states have constant sizes. */
GfValue *gen_leaf(Gen *g, GfType type)
{
    uint32_t k = gen_below(g, 20);
    char label[32];

    if (k < 9 && !is_symbolic(&type))
        return gen_param(g, type);
    if (k == 9 && !is_symbolic(&type)) {
        snprintf(label, sizeof label, "s%u", g->labels++);
        return declare(g, GF_OP_STATE, NULL, label, false, type);
    }
    if (k < 12) {
        GfValue *c = gen_const(g, type);
        return c && !gf_type_eq(&c->type, &type) ? gen_node(g, GF_OP_BROADCAST, NULL, 0, &type, &c, 1) : c;
    }
    return declare(g, GF_OP_INPUT, NULL, NULL, false, type);
}

static GfValue *named(Gen *g, GfValue **at, const char *name, GfType type)
{
    if (!*at)
        *at = declare(g, GF_OP_INPUT, name, NULL, false, type);
    return *at;
}

GfValue *gen_rng(Gen *g)
{
    return named(g, &g->rng, "rng", gf_type_vector(GF_I32, gf_dim_const(4)));
}

GfValue *gen_step(Gen *g)
{
    return named(g, &g->step, "step", gf_type_scalar(GF_I32));
}

GfValue *gen_starts(Gen *g)
{
    return named(g, &g->starts, "starts", gf_type_vector(GF_I32, g->seqs));
}

GfValue *gen_lengths(Gen *g)
{
    return named(g, &g->lengths, "lengths", gf_type_vector(GF_I32, g->seqs));
}

GfValue *gen_ids(Gen *g, GfDim count)
{
    for (uint32_t i = 0; i < g->ids_count; i++) {
        if (gf_dim_eq(g->ids[i]->type.dims[0], count) && gen_chance(g, 70))
            return g->ids[i];
    }
    GfValue *ids = declare(g, GF_OP_INPUT, NULL, NULL, false, gf_type_vector(GF_I32, count));
    if (ids && g->ids_count < GEN_IDS)
        g->ids[g->ids_count++] = ids;
    return ids;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static GfAttr draw_attr(Gen *g, const GfAttrSpec *spec)
{
    static const double by[] = {0.5, -1, 2, 1, 0, -0.5, 0.125}, p[] = {0, 0.1, 0.5}, eps[] = {1e-5, 1e-3, 0.1};

    if (strcmp(spec->key, "key") == 0)
        return gf_attr_int("key", ++g->key);
    if (spec->kind == GF_ATTR_INT)
        return gf_attr_int(gf_arena_strdup(&g->g->arena, spec->key), 1 + gen_below(g, 4));
    if (strcmp(spec->key, "p") == 0)
        return gf_attr_float("p", p[gen_below(g, 3)]);
    if (strcmp(spec->key, "eps") == 0)
        return gf_attr_float("eps", eps[gen_below(g, 3)]);
    if (strcmp(spec->key, "beta") == 0)
        return gf_attr_float("beta", 0.9);
    return gf_attr_float(gf_arena_strdup(&g->g->arena, spec->key), by[gen_below(g, 7)]);
}

enum { ATTRS_MAX = 8 };

/* Those given, then what else must be there. */
static uint32_t complete_attrs(Gen *g, GfOp op, const GfAttr *given, uint32_t count, GfAttr attrs[ATTRS_MAX])
{
    const char *schema = gf_op_info(op)->attrs;
    GfAttrSpec spec;

    for (uint32_t i = 0; i < count; i++)
        attrs[i] = given[i];
    while (gf_schema_next(&schema, &spec)) {
        if (!spec.has_default && !gf_attr_find(attrs, count, spec.key) && spec.kind != GF_ATTR_STRING)
            attrs[count++] = draw_attr(g, &spec);
    }
    return count;
}

/* Columns of a matrix, where they are constant. */
static double columns_of(const GfValue *v)
{
    const GfType *t = &v->type;
    int64_t size = t->rank ? t->dims[t->rank - 1].size : 1;

    return size ? (double)size : 8;
}

static double elements_of(const GfValue *v)
{
    double count = 1;

    for (uint32_t i = 0; i < v->type.rank; i++)
        count *= v->type.dims[i].size ? (double)v->type.dims[i].size : 8;
    return count;
}

/* About how large the results are: enough to know what must be bounded. */
static double guess_size(const Gen *g, const GfNode *n)
{
    double a = n->operand_count ? gen_size_of(g, gf_operand(n, 0)) : 1;
    double b = n->operand_count > 1 ? gen_size_of(g, gf_operand(n, 1)) : 1;

    switch (n->op) {
    case GF_OP_CONST:
        return fabs(gf_attr_f(n, "value"));
    case GF_OP_ADD:
    case GF_OP_SUB:
    case GF_OP_MIN:
    case GF_OP_MAX:
        return a + b;
    case GF_OP_MUL:
        return a * b;
    case GF_OP_DIV:
        return a * 2;
    case GF_OP_SCALE:
        return a * fabs(gf_attr_f(n, "by"));
    case GF_OP_OFFSET:
        return a + fabs(gf_attr_f(n, "by"));
    case GF_OP_EXP:
        return exp(2 * a);
    case GF_OP_LINEAR:
    case GF_OP_MATMUL:
        return a * b * sqrt(n->op == GF_OP_MATMUL && gf_attr_i(n, "transpose_a") ? 8 : columns_of(gf_operand(n, 0)));
    case GF_OP_SUM:
    case GF_OP_SUM_SQUARES:
        return a * elements_of(gf_operand(n, 0));
    case GF_OP_SUM_COLS:
        return a * columns_of(gf_operand(n, 0));
    case GF_OP_SUM_ROWS:
    case GF_OP_SCATTER_ADD:
        return a * 8;
    case GF_OP_LAYER_NORM:
        return 2;
    case GF_OP_SOFTMAX:
    case GF_OP_TANH:
    case GF_OP_SIGMOID:
    case GF_OP_ERF:
        return 1;
    case GF_OP_ATTENTION_GRAD:
        return 8;
    default:
        return a > b ? a : b;
    }
}

static bool depends(const Gen *g, const GfNode *n, bool blocked)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GenItem *item = gen_item(g, gf_operand(n, i));
        if (item && (blocked ? item->blocked : item->active))
            return true;
    }
    return false;
}

/* What comes out of the node; results after the first have no gradient. */
static void push_results(Gen *g, GfNode *n)
{
    bool active = depends(g, n, false), blocked = depends(g, n, true) || (active && !gen_has_gradient(n->op));
    double size = guess_size(g, n);

    for (uint32_t i = 0; i < n->result_count; i++)
        push(g, (GenItem){&n->results[i], size, active, blocked || (active && i > 0)});
}

GfValue *gen_node(Gen *g, GfOp op, const GfAttr *attrs, uint32_t attr_count, const GfType *declared,
                  GfValue *const *operands, uint32_t operand_count)
{
    GfNode *n = NULL;
    GfAttr all[ATTRS_MAX];
    GfNodeSpec spec = {.op = op,
                       .operands = operands,
                       .operand_count = operand_count,
                       .attrs = all,
                       .attr_count = complete_attrs(g, op, attrs, attr_count, all),
                       .declared = declared};

    for (uint32_t i = 0; i < operand_count; i++) {
        if (!operands[i])
            return NULL;
    }
    if (g->status != GF_OK)
        return NULL;
    g->status = gf_graph_add(g->g, NULL, &spec, &n, g->diags);
    if (!n)
        return NULL;
    push_results(g, n);
    return n->result_count ? gf_result(n) : NULL;
}

GfValue *gen_unary(Gen *g, GfOp op, GfValue *x)
{
    return gen_node(g, op, NULL, 0, NULL, &x, 1);
}

GfValue *gen_binary(Gen *g, GfOp op, GfValue *a, GfValue *b)
{
    return gen_node(g, op, NULL, 0, NULL, (GfValue *[]){a, b}, 2);
}

GfValue *gen_by(Gen *g, GfOp op, GfValue *x, double by)
{
    GfAttr attr = gf_attr_float("by", by);
    return gen_node(g, op, &attr, 1, NULL, &x, 1);
}

GfValue *gen_positive(Gen *g, GfValue *x)
{
    if (gen_chance(g, 50))
        return gen_by(g, GF_OP_OFFSET, gen_unary(g, GF_OP_SIGMOID, x), 0.25);
    x = gen_bounded(g, x, 2);
    return gen_by(g, GF_OP_OFFSET, gen_binary(g, GF_OP_MUL, x, x), 0.5);
}

GfValue *gen_bounded(Gen *g, GfValue *x, double size)
{
    double is = gen_size_of(g, x);

    if (!x || is <= size)
        return x;
    return gen_chance(g, 60) ? gen_unary(g, GF_OP_TANH, x) : gen_by(g, GF_OP_SCALE, x, exp2(floor(log2(size / is))));
}

/* ---- the graph ------------------------------------------------------------------------------ */

static void choose_sizes(Gen *g)
{
    static const int64_t common[] = {2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 24, 33}, rare[] = {1, 32, 48, 64, 65, 100};

    for (int i = 0; i < GEN_SIZES; i++)
        g->sizes[i] = gen_chance(g, 85) ? common[gen_below(g, 12)] : rare[gen_below(g, 6)];
    g->sizes[1] = g->sizes[0]; /* so that values fit one another */
    g->sizes[2] = gen_chance(g, 60) ? g->sizes[0] : g->sizes[2];
}

/* A node, several that belong together, or one that was there before. */
static void add_something(Gen *g)
{
    uint32_t before = g->count;

    if (gen_chance(g, 30)) {
        gen_phrase(g);
    } else {
        GfOp op = (GfOp)gen_below(g, GF_OP_COUNT);
        if (g->free || gen_has_gradient(op) || op == GF_OP_CONST)
            gen_op(g, op);
    }
    for (uint32_t i = before; i < g->count; i++) {
        if (g->items[i].size > 6)
            gen_bounded(g, g->items[i].value, 2);
    }
}

static void add_nodes(Gen *g, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && g->status == GF_OK && g->count < GEN_VALUES / 2; i++)
        add_something(g);
}

enum { OUTPUTS_MAX = 6 };

/* Mostly one that nothing reads yet, so that little of the graph is for nothing. */
static GfValue *pick_output(Gen *g)
{
    GfValue *v = NULL;

    for (int tries = 0; tries < 12 && (!v || v->uses); tries++) {
        uint32_t a = gen_below(g, g->count), b = gen_below(g, g->count);
        v = g->items[a > b ? a : b].value;
    }
    return v;
}

static void add_return(Gen *g, GfValue *loss)
{
    static const char *const names[OUTPUTS_MAX] = {"a", "b", "c", "d", "e", "f"};
    const char *outputs[OUTPUTS_MAX + 1] = {"loss"};
    GfValue *values[OUTPUTS_MAX + 1] = {loss};
    uint32_t count = loss ? 1 : 0, more = 1 + gen_below(g, OUTPUTS_MAX);

    for (uint32_t i = 0; i < more && g->count; i++, count++) {
        values[count] = pick_output(g);
        outputs[count] = names[i];
    }
    GfNodeSpec spec = {.op = GF_OP_RETURN, .operands = values, .operand_count = count, .outputs = outputs};
    if (g->status == GF_OK)
        g->status = gf_graph_add(g->g, NULL, &spec, NULL, g->diags);
}

static void make_graph(Gen *g)
{
    bool small = gen_chance(g, 40), trains = gen_chance(g, 75);

    choose_sizes(g);
    g->free = !trains;
    gen_leaf(g, gf_type_matrix(GF_F32, g->tokens, gf_dim_const(g->sizes[0])));
    add_nodes(g, 2 + gen_below(g, small ? 8 : 30));
    GfValue *loss = trains ? gen_loss(g) : NULL;
    g->free = true;
    g->updates = !trains && gen_chance(g, 30);
    add_nodes(g, gen_below(g, small ? 3 : 10));
    add_return(g, loss);
}

GfStatus random_graph_make(uint64_t seed, GfGraph **out, GfDiags *diags)
{
    static Gen gen; /* large */
    Gen *g = &gen;

    *g = (Gen){.g = gf_graph_new("random", NULL), .diags = diags, .random = seed};
    *out = g->g;
    if (!g->g)
        return gf_fail_memory(diags);
    g->tokens = gf_dim_symbol(gf_graph_symbol(g->g, "tokens"));
    g->seqs = gf_dim_symbol(gf_graph_symbol(g->g, "seqs"));
    make_graph(g);
    return g->status;
}
