/* batch.c -- which launches may run at once.  See gf_kernel_batches in kernel.h.
 *
 * One walk in launch order: a kernel joins the batch of its neighbour before it, or
 * begins one.  Who writes a value is known from its node; who updates a param or
 * state, or reads it, is marked by node id.  O(nodes + uses + text of structures).
 */
#include "ir/kernel.h"

#include <string.h>

/* Marks are numbers of batches + 1; 0: none. */
typedef struct Batches {
    const GfGraph *g;
    const GfKernelNodes *kernels;
    uint32_t *written; /* node id -> the last batch that computes a result of it */
    uint32_t *read;    /* node id of a param or state -> the last batch that reads it */
    uint32_t *updated; /* node id of a param or state -> the last batch that computes its new value */
} Batches;

bool gf_kernel_joins(const GfKernelNodes *k)
{
    GfKernelForm form;

    return gf_kernel_form(k->nodes, k->node_count, NULL, &form) &&
           (form.kind != GF_KERNEL_FLAT || gf_type_elements(&form.domain, NULL) >= 0);
}

/* `v` becomes the value of something that the batch reads, or updates too. */
static bool overwrites(const Batches *b, const GfValue *v, uint32_t mark)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        const GfNode *target = gf_update_target(u);
        if (target && (b->read[target->id] == mark || b->updated[target->id] == mark))
            return true;
    }
    return false;
}

/* Neither reads or overwrites what the other writes: `k` and the batch. */
static bool is_independent(const Batches *b, const GfKernelNodes *k, uint32_t mark)
{
    for (uint32_t i = 0; i < k->input_count; i++) {
        uint32_t id = k->inputs[i]->node->id;
        if (b->written[id] == mark || b->updated[id] == mark)
            return false;
    }
    for (uint32_t i = 0; i < k->output_count; i++) {
        if (overwrites(b, k->outputs[i], mark))
            return false;
    }
    return true;
}

static void mark_kernel(Batches *b, const GfKernelNodes *k, uint32_t mark)
{
    for (uint32_t i = 0; i < k->input_count; i++)
        b->read[k->inputs[i]->node->id] = mark;
    for (uint32_t i = 0; i < k->node_count; i++)
        b->written[k->nodes[i]->id] = mark;
    for (uint32_t i = 0; i < k->output_count; i++) {
        for (const GfUse *u = k->outputs[i]->uses; u; u = u->next) {
            if (gf_update_target(u))
                b->updated[gf_update_target(u)->id] = mark;
        }
    }
}

static GfStatus number_batches(Batches *b, uint32_t count, GfArena *arena, uint32_t *batches, GfDiags *diags)
{
    const char *last = NULL;
    uint32_t mark = 0;

    for (uint32_t i = 0; i < count; i++) {
        const GfKernelNodes *k = &b->kernels[i];
        const char *structure = gf_kernel_joins(k) ? gf_kernel_structure(b->g, k, arena) : NULL;
        if (arena->failed)
            return gf_fail_memory(diags);
        if (!last || !structure || strcmp(last, structure) != 0 || !is_independent(b, k, mark))
            mark++;
        mark_kernel(b, k, mark);
        batches[i] = mark - 1;
        last = structure;
    }
    return GF_OK;
}

GfStatus gf_kernel_batches(const GfGraph *g, const GfKernelNodes *kernels, uint32_t count, const GfTarget *target,
                           GfArena *arena, uint32_t **batches, GfDiags *diags)
{
    uint32_t ids = gf_graph_ids(g);
    Batches b = {.g = g,
                 .kernels = kernels,
                 .written = GF_NEW_ARRAY(arena, uint32_t, ids),
                 .read = GF_NEW_ARRAY(arena, uint32_t, ids),
                 .updated = GF_NEW_ARRAY(arena, uint32_t, ids)};

    *batches = GF_NEW_ARRAY(arena, uint32_t, count + 1);
    if (!b.written || !b.read || !b.updated || !*batches)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++)
        (*batches)[i] = i;
    return target->joins_launches ? number_batches(&b, count, arena, *batches, diags) : GF_OK;
}
