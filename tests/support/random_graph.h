/* random_graph.h -- for tests: graphs of random nodes, from a seed.
 *
 * All kinds of kernels come up, with operands from anywhere before, so that
 * chains branch, join and wait for each other in all ways.
 */
#ifndef GF_TESTS_SUPPORT_RANDOM_GRAPH_H
#define GF_TESTS_SUPPORT_RANDOM_GRAPH_H

#include "ir/ir.h"

#include <assert.h>
#include <stdio.h>

enum { RANDOM_WIDTH = 8, RANDOM_RANK = 2, RANDOM_VALUES = 512 };

typedef struct RandomGraph {
    GfGraph *g;
    GfDiags *diags;
    uint64_t seed;
    GfValue *values[RANDOM_VALUES];
    uint32_t count;
    int64_t key;
} RandomGraph;

static inline uint32_t random_below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % limit;
}

/* A random value of this type, or NULL; late ones are likelier. */
static inline GfValue *random_value(RandomGraph *r, const GfType *type)
{
    for (int tries = 0; tries < 40; tries++) {
        uint32_t a = random_below(&r->seed, r->count), b = random_below(&r->seed, r->count);
        GfValue *v = r->values[a > b ? a : b];
        if (gf_type_eq(&v->type, type))
            return v;
    }
    return NULL;
}

static inline GfValue *random_declare(RandomGraph *r, GfOp op, const char *name, GfType type)
{
    GfNode *n;
    GfNodeSpec spec = {.op = op, .name = name, .declared = &type, .label = op == GF_OP_INPUT ? NULL : name};
    GfStatus status = gf_graph_add(r->g, NULL, &spec, &n, r->diags);

    assert(status == GF_OK);
    (void)status;
    if (type.dtype == GF_F32)
        r->values[r->count++] = gf_result(n);
    return gf_result(n);
}

/* A node of `op`, with its results among the values; nothing when a NULL stands
 * among the operands. */
static inline void random_add(RandomGraph *r, GfOp op, const GfAttr *attrs, uint32_t attr_count, const GfType *declared,
                              GfValue *const *operands, uint32_t operand_count)
{
    GfNode *n;
    GfNodeSpec spec = {.op = op,
                       .operands = operands,
                       .operand_count = operand_count,
                       .attrs = attrs,
                       .attr_count = attr_count,
                       .declared = declared};

    for (uint32_t i = 0; i < operand_count; i++) {
        if (!operands[i])
            return;
    }
    GfStatus status = gf_graph_add(r->g, NULL, &spec, &n, r->diags);
    assert(status == GF_OK);
    (void)status;
    for (uint32_t i = 0; i < n->result_count; i++)
        r->values[r->count++] = &n->results[i];
}

typedef struct RandomTypes {
    GfType full, narrow, column, row, scalar, weight, down, up;
} RandomTypes;

static inline RandomTypes random_types(const GfGraph *g)
{
    GfDim tokens = gf_dim_symbol(gf_graph_find_symbol(g, "tokens")), m = gf_dim_const(RANDOM_WIDTH);
    GfDim rank = gf_dim_const(RANDOM_RANK), one = gf_dim_const(1);

    return (RandomTypes){.full = gf_type_matrix(GF_F32, tokens, m),
                         .narrow = gf_type_matrix(GF_F32, tokens, rank),
                         .column = gf_type_matrix(GF_F32, tokens, one),
                         .row = gf_type_vector(GF_F32, m),
                         .scalar = gf_type_scalar(GF_F32),
                         .weight = gf_type_matrix(GF_F32, m, m),
                         .down = gf_type_matrix(GF_F32, rank, m),
                         .up = gf_type_matrix(GF_F32, m, rank)};
}

static inline void random_elementwise(RandomGraph *r, const RandomTypes *t, GfValue *rng)
{
    static const GfOp binary[] = {GF_OP_ADD, GF_OP_ADD, GF_OP_SUB, GF_OP_MUL, GF_OP_MAX};
    const GfType *types[] = {&t->full, &t->full, &t->narrow, &t->column, &t->row, &t->scalar, &t->weight};
    const GfType *mine = types[random_below(&r->seed, 7)];
    const GfType *broadcast[] = {mine, mine, &t->scalar, mine == &t->full ? &t->row : mine,
                                 mine == &t->full ? &t->column : mine};
    GfAttr drop[] = {gf_attr_float("p", 0.25), gf_attr_int("key", ++r->key)};
    GfAttr by = gf_attr_float("by", 0.5), value = gf_attr_float("value", 1.5);
    GfValue *x = random_value(r, mine);

    switch (random_below(&r->seed, 8)) {
    case 0:
        random_add(r, GF_OP_TANH, NULL, 0, NULL, (GfValue *[]){x}, 1);
        break;
    case 1:
        random_add(r, GF_OP_SCALE, &by, 1, NULL, (GfValue *[]){x}, 1);
        break;
    case 2:
        if (mine->rank == 2)
            random_add(r, GF_OP_DROPOUT, drop, 2, NULL, (GfValue *[]){x, rng}, 2);
        break;
    case 3:
        random_add(r, GF_OP_CONST, &value, 1, mine, NULL, 0);
        break;
    default:
        random_add(r, binary[random_below(&r->seed, 5)], NULL, 0, NULL,
                   (GfValue *[]){x, random_value(r, broadcast[random_below(&r->seed, 5)])}, 2);
    }
}

static inline void random_other(RandomGraph *r, const RandomTypes *t, GfValue *ids)
{
    GfValue *x = random_value(r, &t->full), *y = random_value(r, &t->full), *s = random_value(r, &t->narrow);
    GfAttr transpose = gf_attr_int("transpose_a", 1), eps = gf_attr_float("eps", 0.125);

    switch (random_below(&r->seed, 10)) {
    case 0:
    case 1:
        random_add(r, GF_OP_LINEAR, NULL, 0, NULL,
                   (GfValue *[]){x, random_value(r, &t->weight), random_value(r, &t->row)}, 3);
        break;
    case 2:
        random_add(r, GF_OP_LINEAR, NULL, 0, NULL, (GfValue *[]){x, random_value(r, &t->down)}, 2);
        break;
    case 3:
        random_add(r, GF_OP_LINEAR, NULL, 0, NULL, (GfValue *[]){s, random_value(r, &t->up)}, 2);
        break;
    case 4:
        random_add(r, GF_OP_MATMUL, &transpose, 1, NULL, (GfValue *[]){x, y}, 2);
        break;
    case 5:
        random_add(r, GF_OP_MATMUL, &transpose, 1, NULL, (GfValue *[]){s, x}, 2);
        break;
    case 6:
        random_add(r, GF_OP_LAYER_NORM, &eps, 1, NULL,
                   (GfValue *[]){x, random_value(r, &t->row), random_value(r, &t->row)}, 3);
        break;
    case 7:
        random_add(r, random_below(&r->seed, 2) ? GF_OP_SUM_ROWS : GF_OP_SUM_COLS, NULL, 0, NULL, (GfValue *[]){x}, 1);
        break;
    case 8:
        random_add(r, GF_OP_MEAN, NULL, 0, NULL, (GfValue *[]){x}, 1);
        break;
    default:
        random_add(r, GF_OP_GATHER, NULL, 0, NULL, (GfValue *[]){random_value(r, &t->weight), ids}, 2);
    }
}

/* Updates of the states, and a return of some values. */
static inline void random_finish(RandomGraph *r, GfValue *const *states, uint32_t state_count)
{
    GfValue *outputs[8];
    const char *names[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    GfNodeSpec ret = {.op = GF_OP_RETURN, .operands = outputs, .operand_count = 8, .outputs = names};

    for (uint32_t i = 0; i < state_count; i++) {
        GfValue *v = random_value(r, &states[i]->type);
        if (v)
            random_add(r, GF_OP_UPDATE, NULL, 0, NULL, (GfValue *[]){states[i], v}, 2);
    }
    for (int i = 0; i < 8; i++)
        outputs[i] = r->values[r->count - 1 - random_below(&r->seed, r->count < 24 ? r->count : 24)];
    GfStatus status = gf_graph_add(r->g, NULL, &ret, NULL, r->diags);
    assert(status == GF_OK);
    (void)status;
}

/* `nodes` random nodes over (tokens); free it with gf_graph_free. */
static inline GfGraph *random_graph(uint64_t seed, uint32_t nodes, GfDiags *diags)
{
    RandomGraph r = {.g = gf_graph_new("random", NULL), .diags = diags, .seed = seed};
    GfDim tokens = gf_dim_symbol(gf_graph_symbol(r.g, "tokens"));
    RandomTypes t = random_types(r.g);
    GfValue *rng = random_declare(&r, GF_OP_INPUT, "rng", gf_type_vector(GF_I32, gf_dim_const(4)));
    GfValue *ids = random_declare(&r, GF_OP_INPUT, "ids", gf_type_vector(GF_I32, tokens));
    GfValue *states[2];

    random_declare(&r, GF_OP_INPUT, "x", t.full);
    random_declare(&r, GF_OP_INPUT, "s", t.narrow);
    random_declare(&r, GF_OP_INPUT, "column", t.column);
    random_declare(&r, GF_OP_INPUT, "row", t.row);
    random_declare(&r, GF_OP_INPUT, "scalar", t.scalar);
    random_declare(&r, GF_OP_PARAM, "w", t.weight);
    random_declare(&r, GF_OP_PARAM, "down", t.down);
    random_declare(&r, GF_OP_PARAM, "up", t.up);
    states[0] = random_declare(&r, GF_OP_STATE, "sum", t.weight);
    states[1] = random_declare(&r, GF_OP_STATE, "mean", t.row);
    for (uint32_t i = 0; i < nodes; i++) {
        if (random_below(&r.seed, 2))
            random_elementwise(&r, &t, rng);
        else
            random_other(&r, &t, ids);
    }
    random_finish(&r, states, 2);
    return r.g;
}

#endif
