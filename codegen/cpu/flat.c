/* flat.c -- kernels over all elements of one type, in any order: optimizer
 * updates, scalar arithmetic, sums of gradients.
 *
 * The code does not know the shape: one kernel serves parameters of all sizes.
 * Launch scalars behind the keys: {symbol or -1, elements a unit of it, elements a task}.
 */
#include "codegen/cpu/emit.h"

/* scalars {symbol or -1, elements a unit of it} of a type. */
static GfStatus set_extent(const GfRegion *r, const GfType *type, int64_t scalars[2], GfDiags *diags)
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
                           "'%s' over a type with two symbolic dims is not supported by the cpu target",
                           gf_op_text(r->nodes[0]->op));
    }
    scalars[0] = symbol == GF_CONSTANT ? -1 : symbol;
    scalars[1] = unit;
    return GF_OK;
}

bool cpu_is_sized(const GfRegion *r)
{
    return r->kind == GF_REGION_FLAT || (r->kind == GF_REGION_OPAQUE && r->nodes[0]->op == GF_OP_SUM_SQUARES);
}

GfStatus cpu_sized_launch(const GfRegion *r, int64_t scalars[SIZED_SCALARS], GfWork *work, GfDiags *diags)
{
    bool flat = r->kind == GF_REGION_FLAT;

    GF_TRY(set_extent(r, flat ? &r->type : &r->inputs[0]->type, scalars, diags));
    if (!flat) {
        scalars[2] = gf_attr_i(r->nodes[0], "parts");
        *work = (GfWork){.dim = {gf_dim_const(scalars[2]), gf_dim_const(1)}, .unit = {1, 1}};
        return GF_OK;
    }
    bool constant = scalars[0] < 0;
    int64_t unit = scalars[1], units_a_task = constant ? 1 : FLAT_TASK / unit > 0 ? FLAT_TASK / unit : 1;
    scalars[2] = constant ? FLAT_TASK : units_a_task * unit;
    *work = (GfWork){.dim = {constant ? gf_dim_const(unit) : gf_dim_symbol((int32_t)scalars[0]), gf_dim_const(1)},
                     .unit = {constant ? FLAT_TASK : units_a_task, 1}};
    return GF_OK;
}

V emit_sized_elements(Emit *e)
{
    Ll *l = e->l;
    V symbol = ll_load_i64(l, e->scalars, e->r->random_count);
    V total = ll_var(l, l->i64);

    ll_set(l, total, ll_i(l, 1));
    If symbolic = ll_if(l, ll_lt(l, ll_i(l, -1), symbol));
    ll_set(l, total, ll_load(l, l->i64, ll_at(l, l->i64, e->sizes, symbol)));
    ll_fi(l, &symbolic);
    return ll_mul(l, ll_get(l, total), ll_load_i64(l, e->scalars, e->r->random_count + 1));
}

/* All values are computed before any is stored: an output may take over the
 * memory of an input. */
static void emit_elements(Emit *e, V index, V mask)
{
    Point p = {.row = ll_i(e->l, 0), .col = index, .mask = mask};
    V *values = GF_NEW_ARRAY(e->arena, V, e->r->output_count + 1);

    emit_fresh(e);
    for (uint32_t i = 0; values && i < e->r->output_count; i++)
        values[i] = emit_value(e, e->r->outputs[i], p);
    for (uint32_t i = 0; values && i < e->r->output_count; i++)
        ll_vstore(e->l, values[i], emit_base(e, e->r->outputs[i]), index, mask);
}

GfStatus cpu_emit_flat(Emit *e, const char *name)
{
    Ll *l = e->l;
    GF_TRY(emit_begin(e, name, 0));
    e->flat = true;
    e->elements = emit_sized_elements(e);
    V total = e->elements, task = ll_load_i64(l, e->scalars, e->r->random_count + 2);
    V from = ll_mul(l, e->begin, task), to = ll_min(l, ll_mul(l, e->end, task), total);
    V whole = ll_sub(l, to, ll_srem(l, ll_sub(l, to, from), ll_i(l, l->width)));

    Loop vectors = ll_for(l, from, whole, l->width);
    emit_elements(e, vectors.i, NULL);
    ll_end(l, &vectors);
    If rest = ll_if(l, ll_lt(l, whole, to));
    emit_elements(e, whole, ll_mask_below(l, whole, to));
    ll_fi(l, &rest);
    LLVMBuildRetVoid(l->b);
    return e->arena->failed ? gf_fail_memory(e->diags) : GF_OK;
}
