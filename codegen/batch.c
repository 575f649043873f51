/* batch.c -- which launches run as one.  See gf_batch_regions in codegen.h.
 *
 * The passes have placed launches and memory with gf_kernel_batches, which looks at
 * values.  Here is asked what the launches will do: no two of a batch touch the same
 * bytes, unless both only read them.  The order of their blocks then cannot matter.
 * O(sum over batches of (members * values)^2).
 */
#include "codegen/codegen.h"

#include <string.h>

/* Bytes of a tensor, or of the arena. */
typedef struct Span {
    const GfNode *tensor; /* NULL: the arena */
    int64_t begin, end;
} Span;

static Span span_of(const GfGraph *g, const GfValue *v)
{
    int64_t bytes = gf_type_elements(&v->type, g->plan_sizes) * (int64_t)gf_dtype_size(v->type.dtype);

    if (v->place == GF_PLACE_ARENA)
        return (Span){NULL, v->offset, v->offset + bytes};
    return (Span){v->place == GF_PLACE_ALIAS ? v->alias : v->node, 0, bytes};
}

static bool meet(const GfGraph *g, const GfValue *a, const GfValue *b)
{
    Span x = span_of(g, a), y = span_of(g, b);

    return x.tensor == y.tensor && x.begin < y.end && y.begin < x.end;
}

static bool any_meet(const GfGraph *g, const GfValue *v, GfValue *const *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (meet(g, v, values[i]))
            return true;
    }
    return false;
}

/* `a` writes what `b` reads or writes. */
static bool disturbs(const GfGraph *g, const GfRegion *a, const GfRegion *b)
{
    for (uint32_t i = 0; i < a->output_count; i++) {
        if (any_meet(g, a->outputs[i], b->inputs, b->input_count) ||
            any_meet(g, a->outputs[i], b->outputs, b->output_count))
            return true;
    }
    return false;
}

/* Flat regions of different sizes share code: a device must know their tasks beforehand.
 * (Those of sum_squares do not depend on sizes.) */
static bool joins(const GfGraph *g, const GfRegion *regions, const GfLaunchBatch *batch, const GfRegion *r)
{
    const GfRegion *first = &regions[batch->first];

    if (strcmp(first->structure, r->structure) != 0)
        return false;
    if (r->kind == GF_REGION_FLAT && (gf_type_elements(&r->type, NULL) < 0 || gf_type_elements(&first->type, NULL) < 0))
        return false;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (disturbs(g, &first[i], r) || disturbs(g, r, &first[i]))
            return false;
    }
    return true;
}

GfStatus gf_batch_regions(const GfGraph *g, const GfRegion *regions, uint32_t count, GfArena *arena,
                          GfLaunchBatch **batches, uint32_t *batch_count, GfDiags *diags)
{
    GfLaunchBatch *all = GF_NEW_ARRAY(arena, GfLaunchBatch, count + 1);
    uint32_t done = 0;

    if (!all)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++) {
        if (done && joins(g, regions, &all[done - 1], &regions[i]))
            all[done - 1].count++;
        else
            all[done++] = (GfLaunchBatch){.first = i, .count = 1};
    }
    *batches = all;
    *batch_count = done;
    return GF_OK;
}
