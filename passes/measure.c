/* measure.c -- see measure.h.
 *
 * The peak of a graph that is not fused is that of its ops one by one, in the order
 * in which they stand: a copy gets a kernel for each node that has none, and
 * plan-memory runs over it.
 */
#include "passes/measure.h"

#include "ir/kernel.h"
#include "passes/passes.h"

#include <inttypes.h>

static void number_nodes(GfGraph *g)
{
    GF_EACH_NODE (n, g) {
        if (gf_makes_code(n) && n->kernel == GF_NO_KERNEL)
            n->kernel = g->next_kernel++;
    }
}

/* What hinders planning is no error of the graph: it stays without a peak. */
static GfStatus plan(GfGraph *copy, const GfTarget *target, int64_t tokens, int64_t seqs, GfArena *scratch,
                     int64_t *peak)
{
    const char *list = gf_arena_printf(scratch, "plan-memory{tokens=%" PRId64 ",seqs=%" PRId64 "}", tokens, seqs);
    GfDiags unseen;

    if (!list)
        return GF_ERR_MEMORY;
    gf_diags_init(&unseen, scratch->allocator);
    GfStatus status = gf_pipeline_run(copy, list, &(GfPipelineOptions){.target = target}, scratch, NULL, NULL, &unseen);
    gf_diags_free(&unseen);
    *peak = status == GF_OK ? copy->arena_size : -1;
    return status == GF_ERR_MEMORY ? status : GF_OK;
}

static GfStatus measure_peak(const GfGraph *g, const GfTarget *target, int64_t tokens, int64_t seqs, GfArena *scratch,
                             int64_t *peak, GfDiags *diags)
{
    GfGraph *copy = gf_graph_clone(g, scratch->allocator);

    if (!copy)
        return gf_fail_memory(diags);
    number_nodes(copy);
    GfStatus status = plan(copy, target, tokens, seqs, scratch, peak);
    gf_graph_free(copy);
    return status == GF_OK ? GF_OK : gf_fail_memory(diags);
}

static void count_nodes(const GfGraph *g, GfMeasure *out)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        out->nodes++;
        out->ops += gf_makes_code(n);
    }
}

static GfStatus measure_in(const GfGraph *g, const GfTarget *target, int64_t tokens, int64_t seqs, GfArena *scratch,
                           GfMeasure *out, GfDiags *diags)
{
    GfSizes sizes = gf_sizes_of(g, tokens, seqs);
    GfKernelCost *regions;

    GF_TRY(gf_kernel_costs(g, &sizes, scratch, &regions, &out->kernels, diags));
    for (uint32_t i = 0; i < out->kernels; i++) {
        out->cost.flops += regions[i].cost.flops;
        out->cost.read += regions[i].cost.read;
        out->cost.written += regions[i].cost.written;
    }
    return measure_peak(g, target, tokens, seqs, scratch, &out->peak, diags);
}

GfStatus gf_measure(const GfGraph *g, const GfTarget *target, int64_t tokens, int64_t seqs, GfMeasure *out,
                    GfDiags *diags)
{
    GfArena scratch;

    *out = (GfMeasure){.peak = -1};
    count_nodes(g, out);
    gf_arena_init(&scratch, g->arena.allocator);
    GfStatus status = measure_in(g, target, tokens, seqs, &scratch, out, diags);
    gf_arena_free(&scratch);
    return status;
}
