/* shrink.c -- see shrink.h.
 *
 *   before                                 after
 *   %x = input : f32[tokens,768]           %x = input : f32[tokens,24]
 *   %w = param "w" : f32[3072,768]         %w = param "w" : f32[25,24]
 *   %1 = linear %x, %w : f32[tokens,3072]  %1 = linear %x, %w : f32[tokens,25]
 *
 * 1. Collect the constant sizes above SMALL of all types, ascending.
 * 2. Each becomes the next free number above SMALL, or the next multiple of what
 *    divides it, among the numbers of heads.
 * 3. Build the graph anew with these sizes; the shape rules derive the others.
 */
#include "ir/shrink.h"

#include "ir/sample.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 16, SIZES_MAX = 256 };

#define ELEMENTS_MAX (1 << 20) /* of all values of the graph together */

typedef struct Shrink {
    const GfGraph *from;
    GfGraph *to;
    GfDiags *diags;
    int64_t sizes[SIZES_MAX], small[SIZES_MAX]; /* ascending */
    size_t count;
    GfNode **made; /* by id in `from` */
} Shrink;

/* ---- how large ------------------------------------------------------------------------ */

/* Elements of all values at the sizes of a sample; INT64_MAX on overflow. */
static int64_t count_elements(const GfGraph *g)
{
    int64_t sizes[GF_MAX_SYMBOLS], sum = 0;

    gf_sample_sizes(g, "", sizes);
    for (const GfNode *n = g->first; n; n = n->next) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            int64_t count = gf_type_elements(&n->results[i].type, sizes);
            if (count < 0 || __builtin_add_overflow(sum, count, &sum))
                return INT64_MAX;
        }
    }
    return sum;
}

/* ---- sizes ---------------------------------------------------------------------------- */

static GfStatus add_size(Shrink *s, int64_t size)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->sizes[i] == size)
            return GF_OK;
    }
    if (s->count == SIZES_MAX)
        return gf_fail(s->diags, GF_NOWHERE, GF_ERR_VALUE, "'@%s' has more than %d sizes: it cannot be made small",
                       s->from->name, SIZES_MAX);
    s->sizes[s->count++] = size;
    return GF_OK;
}

static GfStatus collect_sizes(Shrink *s)
{
    for (const GfNode *n = s->from->first; n; n = n->next) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            const GfType *t = &n->results[i].type;
            for (uint32_t k = 0; k < t->rank; k++) {
                if (t->dims[k].symbol == GF_CONSTANT && t->dims[k].size > SMALL)
                    GF_TRY(add_size(s, t->dims[k].size));
            }
        }
    }
    return GF_OK;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The least multiple of all numbers of heads that divide `size`. */
static int64_t heads_of(const GfGraph *g, int64_t size)
{
    int64_t multiple = 1;

    for (const GfNode *n = g->first; n; n = n->next) {
        int64_t heads = gf_attr_i(n, "heads");
        if (heads > 0 && size % heads == 0)
            multiple = multiple / gcd(multiple, heads) * heads;
    }
    return multiple;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void choose_sizes(Shrink *s)
{
    int64_t last = SMALL;

    qsort(s->sizes, s->count, sizeof *s->sizes, ascending);
    for (size_t i = 0; i < s->count; i++) {
        int64_t unit = heads_of(s->from, s->sizes[i]);
        last = (last / unit + 1) * unit;
        s->small[i] = last;
    }
}

static GfType shrink_type(const Shrink *s, const GfType *type)
{
    GfType small = *type;

    for (uint32_t k = 0; k < small.rank; k++) {
        for (size_t i = 0; i < s->count; i++) {
            if (gf_dim_is(type->dims[k], s->sizes[i]))
                small.dims[k] = gf_dim_const(s->small[i]);
        }
    }
    return small;
}

/* ---- the copy --------------------------------------------------------------------------- */

static GfStatus copy_node(Shrink *s, const GfNode *n, GfArena *scratch)
{
    GfType type = n->result_count ? shrink_type(s, &n->results[0].type) : (GfType){0};
    GfValue **operands = GF_NEW_ARRAY(scratch, GfValue *, n->operand_count);

    if (!operands)
        return gf_fail_memory(s->diags);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfValue *v = gf_operand(n, i);
        operands[i] = &s->made[v->node->id]->results[v->index];
    }
    GfNodeSpec spec = {.op = n->op,
                       .name = n->name,
                       .operands = operands,
                       .operand_count = n->operand_count,
                       .attrs = n->attrs,
                       .attr_count = n->attr_count,
                       .declared = gf_op_has(n->op, GF_DECLARED) ? &type : NULL,
                       .label = n->label,
                       .frozen = n->frozen,
                       .outputs = n->outputs,
                       .loc = n->loc};
    GF_TRY(gf_graph_add(s->to, NULL, &spec, &s->made[n->id], s->diags));
    s->made[n->id]->kernel = n->kernel;
    return GF_OK;
}

static GfStatus copy_graph(Shrink *s, GfArena *scratch)
{
    s->made = GF_NEW_ARRAY(scratch, GfNode *, gf_graph_ids(s->from));
    if (!s->made)
        return gf_fail_memory(s->diags);
    for (uint32_t i = 0; i < s->from->symbol_count; i++)
        gf_graph_symbol(s->to, s->from->symbols[i]);
    for (const GfNode *n = s->from->first; n; n = n->next)
        GF_TRY(copy_node(s, n, scratch));
    s->to->next_kernel = s->from->next_kernel;
    s->to->next_number = s->from->next_number;
    return s->to->arena.failed ? gf_fail_memory(s->diags) : GF_OK;
}

static GfStatus shrink(Shrink *s, const GfAllocator *allocator)
{
    GfArena scratch;

    GF_TRY(collect_sizes(s));
    choose_sizes(s);
    s->to = gf_graph_new(s->from->name, allocator);
    if (!s->to)
        return gf_fail_memory(s->diags);
    gf_arena_init(&scratch, allocator);
    GfStatus status = copy_graph(s, &scratch);
    gf_arena_free(&scratch);
    GF_TRY(status);
    int64_t elements = count_elements(s->to);
    if (elements <= ELEMENTS_MAX)
        return GF_OK;
    return gf_fail(s->diags, GF_NOWHERE, GF_ERR_VALUE,
                   "a small copy of '@%s' would still have %lld elements; %d can be evaluated", s->from->name,
                   (long long)elements, ELEMENTS_MAX);
}

GfStatus gf_shrink(const GfGraph *g, const GfAllocator *allocator, GfGraph **out, GfDiags *diags)
{
    Shrink s = {.from = g, .diags = diags};

    *out = NULL;
    if (count_elements(g) <= ELEMENTS_MAX) {
        *out = gf_graph_clone(g, allocator);
        return *out ? GF_OK : gf_fail_memory(diags);
    }
    GfStatus status = shrink(&s, allocator);
    if (status == GF_OK)
        *out = s.to;
    else
        gf_graph_free(s.to);
    return status;
}
