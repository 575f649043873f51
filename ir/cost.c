/* cost.c -- see cost.h.
 *
 * Regions: the nodes that make code, sorted by kernel and place, are cut where the
 * number changes; the pieces go back into the order of their first nodes.  Then each
 * is walked once: a value from outside is read at its first use, a result with a use
 * outside is written.  O(nodes log nodes + uses).
 */
#include "ir/cost.h"

#include "ir/kernel.h"

#include <stdlib.h>
#include <string.h>

GfSizes gf_sizes_of(const GfGraph *g, int64_t tokens, int64_t seqs)
{
    GfSizes sizes = {{0}};

    for (uint32_t i = 0; i < g->symbol_count; i++)
        sizes.of[i] = strcmp(g->symbols[i], "seqs") == 0 ? seqs : tokens;
    return sizes;
}

/* ---- FLOPs ---------------------------------------------------------------------- */

/* The letters of cost.def. */
typedef struct Letters {
    double y, x, n, m, k, bias, all, heads, pairs;
} Letters;

static double elements(const GfValue *v, const GfSizes *sizes)
{
    int64_t count = gf_type_elements(&v->type, sizes->of);
    return count > 0 ? (double)count : 0;
}

static double columns(const GfValue *v, const GfSizes *sizes)
{
    return v->type.rank ? (double)gf_dim_value(v->type.dims[v->type.rank - 1], sizes->of) : 1;
}

static double rows(const GfValue *v, const GfSizes *sizes)
{
    double m = columns(v, sizes);
    return m > 0 ? elements(v, sizes) / m : 0;
}

/* Queries times keys of a sequence, summed over them: equally long ones. */
static double count_pairs(const GfNode *n, const GfSizes *sizes)
{
    bool grad = n->op == GF_OP_ATTENTION_GRAD;
    double seqs = elements(gf_operand(n, grad ? 6 : 3), sizes);

    return seqs > 0 ? rows(gf_operand(n, grad ? 1 : 0), sizes) * rows(gf_operand(n, grad ? 2 : 1), sizes) / seqs : 0;
}

static Letters letters_of(const GfNode *n, const GfSizes *sizes)
{
    Letters l = {.y = n->result_count ? elements(&n->results[0], sizes) : 0};

    for (uint32_t i = 0; i < n->operand_count; i++)
        l.all += elements(gf_operand(n, i), sizes);
    if (n->operand_count) {
        l.x = elements(gf_operand(n, 0), sizes);
        l.n = rows(gf_operand(n, 0), sizes);
        l.m = columns(gf_operand(n, 0), sizes);
    }
    if (gf_op_info(n->op)->class_ == GF_CLASS_GEMM) {
        double out = rows(&n->results[0], sizes);
        l.k = out > 0 ? l.x / out : 0; /* whichever way round the factor is read */
        l.bias = n->operand_count == 3;
    }
    if (n->op == GF_OP_ATTENTION || n->op == GF_OP_ATTENTION_GRAD) {
        l.heads = (double)gf_attr_i(n, "heads");
        l.pairs = count_pairs(n, sizes);
    }
    return l;
}

#define GF_FLOPS(id, formula)                                                                                          \
    static double flops_##id(const Letters *l)                                                                         \
    {                                                                                                                  \
        const double y = l->y, x = l->x, n = l->n, m = l->m, k = l->k, bias = l->bias, all = l->all;                   \
        const double heads = l->heads, pairs = l->pairs;                                                               \
        (void)y, (void)x, (void)n, (void)m, (void)k, (void)bias, (void)all, (void)heads, (void)pairs;                  \
        return formula;                                                                                                \
    }
#include "ir/cost.def"

static double (*const functions[GF_OP_COUNT])(const Letters *l) = {
#define GF_OP(id, ...) [GF_OP_##id] = flops_##id,
#include "ir/ops.def"
};

static const char *const formulas[GF_OP_COUNT] = {
#define GF_FLOPS(id, formula) [GF_OP_##id] = #formula,
#include "ir/cost.def"
};

double gf_flops(const GfNode *n, const GfSizes *sizes)
{
    Letters l = letters_of(n, sizes);
    return functions[n->op](&l);
}

const char *gf_flops_formula(GfOp op)
{
    return formulas[op];
}

/* ---- regions -------------------------------------------------------------------- */

typedef struct Place {
    const GfNode *node;
    uint32_t at; /* in the graph */
} Place;

/* Those without a kernel come first, each a piece of its own. */
static int by_kernel(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    int32_t i = x->node->kernel, k = y->node->kernel;
    return i != k ? (i > k) - (i < k) : (x->at > y->at) - (x->at < y->at);
}

typedef struct Cut {
    uint32_t begin, count, at; /* of the places; where its first node stands */
} Cut;

static int by_first(const void *a, const void *b)
{
    const Cut *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static uint32_t list_places(const GfGraph *g, Place *places)
{
    uint32_t at = 0, count = 0;

    for (const GfNode *n = g->first; n; n = n->next, at++) {
        if (gf_makes_code(n))
            places[count++] = (Place){n, at};
    }
    return count;
}

static uint32_t cut_places(const Place *places, uint32_t count, Cut *cuts)
{
    uint32_t cut_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        int32_t kernel = places[i].node->kernel;
        if (i == 0 || kernel == GF_NO_KERNEL || kernel != places[i - 1].node->kernel)
            cuts[cut_count++] = (Cut){.begin = i, .at = places[i].at};
        cuts[cut_count - 1].count++;
    }
    return cut_count;
}

typedef struct Regions {
    const GfSizes *sizes;
    GfKernelCost *regions;
    uint32_t count;
    uint32_t *of;     /* by id: region + 1; 0: makes no code */
    uint32_t *seen;   /* by value: the last region that read it, + 1 */
    uint32_t *number; /* by id: of its first result */
} Regions;

static double bytes_of(const GfValue *v, const GfSizes *sizes)
{
    return elements(v, sizes) * (double)gf_dtype_size(v->type.dtype);
}

/* Not more of a table than the rows that are asked for. */
static double bytes_read(const GfUse *use, const GfSizes *sizes)
{
    const GfNode *n = use->user;
    double bytes = bytes_of(use->value, sizes);

    if (!gf_op_has(n->op, GF_GATHERS) || use != n->operands)
        return bytes;
    double rows_asked = elements(&n->results[0], sizes) * (double)gf_dtype_size(use->value->type.dtype);
    return rows_asked < bytes ? rows_asked : bytes;
}

static bool read_outside(const Regions *r, const GfValue *v, uint32_t region)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (r->of[u->user->id] != region + 1)
            return true;
    }
    return false;
}

static void add_node_cost(const Regions *r, const GfNode *n, uint32_t region)
{
    GfCost *cost = &r->regions[region].cost;

    cost->flops += gf_flops(n, r->sizes);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfValue *v = gf_operand(n, i);
        uint32_t *seen = &r->seen[r->number[v->node->id] + v->index];
        if (r->of[v->node->id] == region + 1 || *seen == region + 1)
            continue;
        *seen = region + 1;
        cost->read += bytes_read(&n->operands[i], r->sizes);
    }
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (read_outside(r, &n->results[i], region))
            cost->written += bytes_of(&n->results[i], r->sizes);
    }
}

static bool take_cut(Regions *r, GfArena *arena, const Place *places, const Cut *cut)
{
    GfKernelCost *region = &r->regions[r->count];

    *region = (GfKernelCost){.kernel = places[cut->begin].node->kernel, .node_count = cut->count};
    region->nodes = GF_NEW_ARRAY(arena, const GfNode *, cut->count);
    for (uint32_t i = 0; region->nodes && i < cut->count; i++) {
        region->nodes[i] = places[cut->begin + i].node;
        r->of[region->nodes[i]->id] = r->count + 1;
    }
    r->count++;
    return region->nodes != NULL;
}

static void number_values(Regions *r, const GfGraph *g)
{
    uint32_t next = 0;

    for (const GfNode *n = g->first; n; n = n->next) {
        r->number[n->id] = next;
        next += n->result_count;
    }
}

static uint32_t count_values(const GfGraph *g)
{
    uint32_t count = 0;

    for (const GfNode *n = g->first; n; n = n->next)
        count += n->result_count;
    return count;
}

GfStatus gf_kernel_costs(const GfGraph *g, const GfSizes *sizes, GfArena *arena, GfKernelCost **regions,
                         uint32_t *count, GfDiags *diags)
{
    uint32_t ids = gf_graph_ids(g) + 1;
    Place *places = GF_NEW_ARRAY(arena, Place, ids);
    Cut *cuts = GF_NEW_ARRAY(arena, Cut, ids);
    Regions r = {.sizes = sizes,
                 .of = GF_NEW_ARRAY(arena, uint32_t, ids),
                 .number = GF_NEW_ARRAY(arena, uint32_t, ids),
                 .seen = GF_NEW_ARRAY(arena, uint32_t, count_values(g) + 1)};

    if (arena->failed)
        return gf_fail_memory(diags);
    uint32_t place_count = list_places(g, places);
    qsort(places, place_count, sizeof *places, by_kernel);
    uint32_t cut_count = cut_places(places, place_count, cuts);
    qsort(cuts, cut_count, sizeof *cuts, by_first);
    r.regions = GF_NEW_ARRAY(arena, GfKernelCost, cut_count + 1);
    if (!r.regions)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < cut_count; i++) {
        if (!take_cut(&r, arena, places, &cuts[i]))
            return gf_fail_memory(diags);
    }
    number_values(&r, g);
    for (uint32_t i = 0; i < r.count; i++) {
        for (uint32_t k = 0; k < r.regions[i].node_count; k++)
            add_node_cost(&r, r.regions[i].nodes[k], i);
    }
    *regions = r.regions;
    *count = r.count;
    return GF_OK;
}
