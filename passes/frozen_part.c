/* frozen_part.c -- see frozen_part.h. */
#include "passes/frozen_part.h"

#include <string.h>

typedef struct Finder {
    GfPart *parts; /* by id */
    bool *written; /* by id: params and states that an update names */
    bool still;
} Finder;

static GfPart part_of(const Finder *f, const GfNode *n, uint32_t operand)
{
    return f->parts[gf_operand(n, operand)->node->id];
}

static bool has_rows(const GfType *t)
{
    return t->rank > 0 && t->dims[0].symbol != GF_CONSTANT;
}

static bool is_constant_size(const GfType *t)
{
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->dims[i].symbol != GF_CONSTANT)
            return false;
    return true;
}

static bool draws(const Finder *f, const GfNode *n)
{
    return gf_op_has(n->op, GF_RANDOM) && gf_attr_f(n, "p") > 0 && !f->still;
}

/* ---- by op ---- */

static GfPart part_of_input(const GfNode *n)
{
    if (!has_rows(&n->results[0].type) || strcmp(n->name, "weights") == 0)
        return GF_PART_OTHER;
    return strcmp(n->name, "starts") == 0 ? GF_PART_STARTS : GF_PART_EXAMPLE;
}

static bool is_static(const Finder *f, const GfNode *n)
{
    if (!gf_op_has(n->op, GF_PURE) || gf_op_has(n->op, GF_RANDOM))
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++)
        if (part_of(f, n, i) != GF_PART_STATIC)
            return false;
    for (uint32_t i = 0; i < n->result_count; i++)
        if (!is_constant_size(&n->results[i].type))
            return false;
    return true;
}

/* Row i of the result comes of row i of this operand, or the operand is static. */
static bool keeps_rows(const Finder *f, const GfNode *n, uint32_t operand)
{
    const GfType *from = &gf_operand(n, operand)->type, *to = &n->results[0].type;
    GfPart part = part_of(f, n, operand);

    if (part == GF_PART_STATIC)
        return true;
    return part == GF_PART_EXAMPLE && from->rank == to->rank && gf_dim_eq(from->dims[0], to->dims[0]);
}

static bool all_keep_rows(const Finder *f, const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++)
        if (!keeps_rows(f, n, i))
            return false;
    return true;
}

/* Rows of a table that is the same for all, or the first token's of each sequence. */
static bool gathers_own(const Finder *f, const GfNode *n)
{
    GfPart table = part_of(f, n, 0), rows = part_of(f, n, 1);
    bool of_tokens = !gf_dim_eq(gf_operand(n, 0)->type.dims[0], n->results[0].type.dims[0]);

    return (table == GF_PART_STATIC && rows == GF_PART_EXAMPLE) ||
           (table == GF_PART_EXAMPLE && rows == GF_PART_STARTS && of_tokens);
}

/* Each sequence attends to itself. */
static bool attends_own(const Finder *f, const GfNode *n)
{
    for (uint32_t i = 0; i + 1 < n->operand_count; i++) {
        GfPart part = part_of(f, n, i);
        bool index = gf_operand(n, i)->type.dtype == GF_I32;
        if (part != GF_PART_EXAMPLE && !(index && part == GF_PART_STARTS))
            return false;
    }
    return true;
}

/* By its class: along rows, which a vector has none of; or element by element. */
static bool works_by_rows(const GfNode *n)
{
    GfClass class_ = gf_op_info(n->op)->class_;

    if (gf_op_has(n->op, GF_RANDOM))
        return false;
    return class_ == GF_CLASS_ELEMENTWISE || n->op == GF_OP_LINEAR ||
           (class_ == GF_CLASS_ROW && n->results[0].type.rank == 2);
}

static bool is_of_example(const Finder *f, const GfNode *n)
{
    if (!gf_op_has(n->op, GF_PURE) || draws(f, n) || !has_rows(&n->results[0].type))
        return false;
    switch (n->op) {
    case GF_OP_MEAN_GRAD: /* divides by the size of the batch */
    case GF_OP_ADAMW:
        return false;
    case GF_OP_GATHER:
        return gathers_own(f, n);
    case GF_OP_ATTENTION:
        return attends_own(f, n);
    case GF_OP_DROPOUT:
        return keeps_rows(f, n, 0);
    case GF_OP_MATMUL:
        return !gf_attr_i(n, "transpose_a") && keeps_rows(f, n, 0) && part_of(f, n, 1) == GF_PART_STATIC;
    default:
        return works_by_rows(n) && all_keep_rows(f, n);
    }
}

static GfPart part_of_node(const Finder *f, const GfNode *n)
{
    switch (n->op) {
    case GF_OP_INPUT:
        return part_of_input(n);
    case GF_OP_PARAM:
        return n->frozen && !f->written[n->id] && is_constant_size(&n->results[0].type) ? GF_PART_STATIC
                                                                                        : GF_PART_OTHER;
    case GF_OP_STATE:
        return GF_PART_OTHER;
    default:
        break;
    }
    if (is_static(f, n))
        return GF_PART_STATIC;
    return is_of_example(f, n) ? GF_PART_EXAMPLE : GF_PART_OTHER;
}

GfPart *gf_frozen_part(GfPassCtx *cx, const GfGraph *g, bool still)
{
    Finder f = {.parts = GF_NEW_ARRAY(cx->scratch, GfPart, gf_graph_ids(g) + 1),
                .written = GF_NEW_ARRAY(cx->scratch, bool, gf_graph_ids(g) + 1),
                .still = still};

    if (!f.parts || !f.written)
        return NULL;
    for (const GfNode *n = g->first; n; n = n->next)
        if (n->op == GF_OP_UPDATE)
            f.written[gf_operand(n, 0)->node->id] = true;
    for (const GfNode *n = g->first; n; n = n->next)
        f.parts[n->id] = part_of_node(&f, n);
    return f.parts;
}
