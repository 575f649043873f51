/* flat.c -- kernels over all elements of one type, in any order: optimizer
 * updates, scalar arithmetic, sums of gradients.
 *
 * The code does not know the shape; see gf_set_scalars in codegen/lower.h.
 */
#include "codegen/cpu/emit.h"

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
