/* lower.c -- see lower.h. */
#include "codegen/lower.h"

#include <string.h>

const char *gf_kernel_name(GfArena *arena, uint32_t number, const GfRegion *r)
{
    GfText name = {.arena = arena};

    gf_text_add(&name, "k%u", number);
    for (uint32_t i = 0; i < r->node_count && name.length < 56; i++) {
        const char *text = gf_op_text(r->nodes[i]->op);
        if (!strstr(gf_text_str(&name), text))
            gf_text_add(&name, "_%s", text);
    }
    return gf_text_str(&name);
}

bool gf_region_is_output(const GfRegion *r, const GfValue *v)
{
    for (uint32_t i = 0; i < r->output_count; i++) {
        if (r->outputs[i] == v)
            return true;
    }
    return false;
}

/* ---- kernels that do not know their sizes ------------------------------------------------ */

bool gf_region_is_sized(const GfRegion *r)
{
    return r->kind == GF_REGION_FLAT || (r->kind == GF_REGION_OPAQUE && r->nodes[0]->op == GF_OP_SUM_SQUARES);
}

/* scalars {symbol or -1, elements a unit of it} of a type. */
static GfStatus set_extent(const GfRegion *r, const GfType *type, const char *target, int64_t scalars[2],
                           GfDiags *diags)
{
    int32_t symbol = GF_CONSTANT;
    int64_t unit = 1;

    for (uint32_t i = 0; i < type->rank; i++) {
        GfDim d = type->dims[i];
        if (d.symbol == GF_CONSTANT)
            unit *= d.size;
        else if (symbol == GF_CONSTANT)
            symbol = d.symbol;
        else
            return gf_fail(diags, r->nodes[0]->loc, GF_ERR_COMPILE,
                           "'%s' over a type with two symbolic dims is not supported by the %s target",
                           gf_op_text(r->nodes[0]->op), target);
    }
    scalars[0] = symbol == GF_CONSTANT ? -1 : symbol;
    scalars[1] = unit;
    return GF_OK;
}

static GfStatus set_sized(const GfRegion *r, int64_t task, const char *target, int64_t scalars[GF_SIZED_SCALARS],
                          GfWork *work, GfDiags *diags)
{
    bool flat = r->kind == GF_REGION_FLAT;

    GF_TRY(set_extent(r, flat ? &r->type : &r->inputs[0]->type, target, scalars, diags));
    if (!flat) {
        scalars[2] = gf_attr_i(r->nodes[0], "parts");
        *work = (GfWork){.dim = {gf_dim_const(scalars[2]), gf_dim_const(1)}, .unit = {1, 1}};
        return GF_OK;
    }
    bool constant = scalars[0] < 0;
    int64_t unit = scalars[1], units = task / unit > 0 ? task / unit : 1;
    scalars[2] = constant ? task : units * unit;
    *work = (GfWork){.dim = {constant ? gf_dim_const(unit) : gf_dim_symbol((int32_t)scalars[0]), gf_dim_const(1)},
                     .unit = {constant ? task : units, 1}};
    return GF_OK;
}

GfStatus gf_set_scalars(GfArena *arena, const GfRegion *r, int64_t task, const char *target, GfLaunch *launch,
                        GfDiags *diags)
{
    bool sized = gf_region_is_sized(r);

    launch->scalar_count = r->random_count + (sized ? GF_SIZED_SCALARS : 0);
    launch->scalars = GF_NEW_ARRAY(arena, int64_t, launch->scalar_count + 1);
    if (!launch->scalars)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < r->random_count; i++)
        launch->scalars[i] = gf_attr_i(r->random[i], "key");
    return sized ? set_sized(r, task, target, launch->scalars + r->random_count, &launch->work, diags) : GF_OK;
}

/* ---- stages of rows ------------------------------------------------------------------------ */

static void set_levels(const GfRegion *r, const bool *inside, const GfRowOps *ops, GfRowStages *s)
{
    for (uint32_t i = 0; i < r->node_count; i++) {
        const GfNode *n = r->nodes[i];
        int level = 0;
        for (uint32_t k = 0; k < n->operand_count; k++) {
            const GfNode *d = n->operands[k].value->node;
            if (inside[d->id] && s->level[d->id] > level)
                level = s->level[d->id];
        }
        s->first[n->id] = level;
        s->level[n->id] = level + ops->phases(n);
        if (s->level[n->id] + 1 > s->stages)
            s->stages = s->level[n->id] + 1;
    }
}

/* A value is kept when a node of a later stage, or a later phase, reads it. */
static void mark_kept(const GfRegion *r, const bool *inside, const GfRowOps *ops, GfRowStages *s)
{
    for (uint32_t i = 0; i < r->node_count; i++) {
        const GfNode *n = r->nodes[i];
        for (uint32_t k = 0; k < n->operand_count; k++) {
            const GfValue *v = n->operands[k].value;
            const GfNode *from = v->node;
            if (inside[from->id] && from->op != GF_OP_CONST && !ops->is_row_number(v) &&
                s->level[n->id] > s->level[from->id])
                s->kept[from->id * 3 + v->index] = true;
        }
    }
}

GfStatus gf_row_stages(const GfRegion *r, uint32_t ids, const bool *inside, const GfRowOps *ops, GfArena *arena,
                       GfRowStages *out, GfDiags *diags)
{
    *out = (GfRowStages){.stages = 1};
    out->level = GF_NEW_ARRAY(arena, int, ids);
    out->first = GF_NEW_ARRAY(arena, int, ids);
    out->kept = GF_NEW_ARRAY(arena, bool, (size_t)ids * 3);
    if (arena->failed)
        return gf_fail_memory(diags);
    set_levels(r, inside, ops, out);
    mark_kept(r, inside, ops, out);
    return GF_OK;
}

bool gf_row_writes(const GfRegion *r, const GfRowStages *s, const GfRowOps *ops, const GfNode *n)
{
    for (uint32_t k = 0; k < n->result_count; k++) {
        const GfValue *v = &n->results[k];
        if ((s->kept[n->id * 3 + k] || gf_region_is_output(r, v)) && !ops->is_row_number(v))
            return true;
    }
    return false;
}
