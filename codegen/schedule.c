/* schedule.c -- kernels of a fused graph as regions.  See codegen.h.
 *
 * Order, inputs and outputs are those of gf_kernel_order, kind and domain those
 * of gf_kernel_form, the text that says which regions share a kernel is that of
 * gf_kernel_structure: the passes have planned with the same three.
 */
#include "codegen/codegen.h"
#include "ir/kernel.h"

/* ---- regions -------------------------------------------------------------------------- */

static const GfRegionKind kinds[] = {
    [GF_KERNEL_TILE] = GF_REGION_TILE,     [GF_KERNEL_ROW] = GF_REGION_ROW,       [GF_KERNEL_FLAT] = GF_REGION_FLAT,
    [GF_KERNEL_COLSUM] = GF_REGION_COLSUM, [GF_KERNEL_OPAQUE] = GF_REGION_OPAQUE,
};

static GfStatus set_form(GfRegion *r, const GfKernelNodes *k, GfDiags *diags)
{
    GfKernelForm form;

    if (!gf_kernel_form(k->nodes, k->node_count, NULL, &form))
        return gf_fail(diags, k->nodes[0]->loc, GF_ERR_COMPILE,
                       "the nodes of kernel @k%d, such as '%%%s', fit no kernel", (int)k->kernel, k->nodes[0]->name);
    r->kind = kinds[form.kind];
    r->type = form.domain;
    if (!gf_as_matrix(&r->type, &r->rows, &r->cols))
        r->rows = r->cols = gf_dim_const(1); /* FLAT and OPAQUE walk by type */
    if (r->kind == GF_REGION_FLAT && !gf_dim_is(r->rows, 1) && gf_type_elements(&r->type, NULL) >= 0) {
        r->rows = gf_dim_const(1);
        r->cols = gf_dim_const(gf_type_elements(&r->type, NULL));
    }
    return GF_OK;
}

static GfStatus list_random(GfRegion *r, GfArena *arena, GfDiags *diags)
{
    r->random = GF_NEW_ARRAY(arena, const GfNode *, r->node_count);
    if (!r->random)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < r->node_count; i++) {
        if (gf_attr(r->nodes[i], "key"))
            r->random[r->random_count++] = r->nodes[i];
    }
    return GF_OK;
}

static GfStatus make_region(const GfGraph *g, const GfKernelNodes *k, GfArena *arena, GfRegion *r, GfDiags *diags)
{
    *r = (GfRegion){.nodes = k->nodes,
                    .node_count = k->node_count,
                    .inputs = k->inputs,
                    .input_count = k->input_count,
                    .outputs = k->outputs,
                    .output_count = k->output_count};
    GF_TRY(set_form(r, k, diags));
    GF_TRY(list_random(r, arena, diags));
    r->structure = gf_kernel_structure(g, k, arena);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_schedule(const GfGraph *g, GfArena *arena, GfRegion **regions, uint32_t *count, GfDiags *diags)
{
    GfKernelNodes *kernels;
    uint32_t kernel_count;

    GF_TRY(gf_kernel_order(g, arena, &kernels, &kernel_count, diags));
    *regions = GF_NEW_ARRAY(arena, GfRegion, kernel_count);
    *count = 0;
    if (!*regions)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < kernel_count; i++) {
        if (kernels[i].output_count) /* nobody reads the others */
            GF_TRY(make_region(g, &kernels[i], arena, &(*regions)[(*count)++], diags));
    }
    return GF_OK;
}
