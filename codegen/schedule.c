/* schedule.c -- kernels of a fused graph as regions.  See codegen.h.
 *
 * Order, inputs and outputs are those of gf_kernel_order, kind and domain those
 * of gf_kernel_form: the passes have planned with the same two.  Added here is
 * the structure, a text that regions share exactly if one kernel serves both:
 *
 *   tile(tokens,seqs)
 *   %0 : f32[tokens,768]
 *   %1 : f32[768,768]
 *   %2 = linear %0, %1 : f32[tokens,768]
 *   %3 = dropout %2, %1 {p = 0.1} : f32[tokens,768]
 *   out %3
 *
 * Names give way to numbers, `key` is left out (a scalar of the launch), and in
 * flat regions the domain is [*]: the code does not depend on its size.
 */
#include "codegen/codegen.h"
#include "ir/kernel.h"

#include <inttypes.h>
#include <string.h>

/* ---- structure ---------------------------------------------------------------------- */

static const char *const kind_texts[] = {
    [GF_REGION_TILE] = "tile",     [GF_REGION_ROW] = "row",       [GF_REGION_FLAT] = "flat",
    [GF_REGION_COLSUM] = "colsum", [GF_REGION_OPAQUE] = "opaque",
};

static void add_header(const GfGraph *g, const GfRegion *r, GfText *out)
{
    gf_text_add(out, "%s(", kind_texts[r->kind]);
    for (uint32_t i = 0; i < g->symbol_count; i++)
        gf_text_add(out, "%s%s", i ? "," : "", g->symbols[i]);
    gf_text_add(out, ")\n");
}

static void add_type(const GfGraph *g, const GfRegion *r, const GfType *type, GfText *out)
{
    if (r->kind == GF_REGION_FLAT && type->rank && gf_type_eq(type, &r->type))
        gf_text_add(out, "%s[*]", gf_dtype_text(type->dtype));
    else
        gf_type_print(g, type, out);
}

/* Inputs come first, then the results of the nodes, in order. */
static uint32_t number_of(const GfRegion *r, const GfValue *v)
{
    uint32_t number = r->input_count;

    for (uint32_t i = 0; i < r->input_count; i++) {
        if (r->inputs[i] == v)
            return i;
    }
    for (uint32_t i = 0; i < r->node_count && r->nodes[i] != v->node; i++)
        number += r->nodes[i]->result_count;
    return number + v->index;
}

static void add_attr(const GfAttr *a, bool first, GfText *out)
{
    gf_text_add(out, "%s%s = ", first ? " {" : ", ", a->key);
    if (a->kind == GF_ATTR_INT)
        gf_text_add(out, "%" PRId64, a->i);
    else if (a->kind == GF_ATTR_FLOAT)
        gf_text_add(out, "%.17g", a->f);
    else
        gf_text_add(out, "\"%s\"", a->s ? a->s : "");
}

/* Not of the structure: keys, and words that were not said. */
static bool is_left_out(const GfAttr *a)
{
    return strcmp(a->key, "key") == 0 || (a->kind == GF_ATTR_STRING && (!a->s || !*a->s));
}

static void add_attrs(const GfNode *n, GfText *out)
{
    bool first = true;

    for (uint32_t i = 0; i < n->attr_count; i++) {
        if (is_left_out(&n->attrs[i]))
            continue;
        add_attr(&n->attrs[i], first, out);
        first = false;
    }
    gf_text_add(out, first ? "" : "}");
}

static void add_node(const GfGraph *g, const GfRegion *r, const GfNode *n, GfText *out)
{
    gf_text_add(out, "%%%u = %s", number_of(r, &n->results[0]), gf_op_text(n->op));
    for (uint32_t i = 0; i < n->operand_count; i++)
        gf_text_add(out, "%s%%%u", i ? ", " : " ", number_of(r, gf_operand(n, i)));
    add_attrs(n, out);
    for (uint32_t i = 0; i < n->result_count; i++) {
        gf_text_add(out, i ? ", " : " : ");
        add_type(g, r, &n->results[i].type, out);
    }
    gf_text_add(out, "\n");
}

static const char *structure_of(const GfGraph *g, const GfRegion *r, GfArena *arena)
{
    GfText out = {.arena = arena};

    add_header(g, r, &out);
    for (uint32_t i = 0; i < r->input_count; i++) {
        gf_text_add(&out, "%%%u : ", i);
        add_type(g, r, &r->inputs[i]->type, &out);
        gf_text_add(&out, "\n");
    }
    for (uint32_t i = 0; i < r->node_count; i++)
        add_node(g, r, r->nodes[i], &out);
    for (uint32_t i = 0; i < r->output_count; i++)
        gf_text_add(&out, "%s%%%u", i ? ", " : "out ", number_of(r, r->outputs[i]));
    gf_text_add(&out, "\n");
    return gf_text_str(&out);
}

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
    r->structure = structure_of(g, r, arena);
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
