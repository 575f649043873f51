/* emit.c -- see emit.h. */
#include "codegen/cpu/emit.h"

#include <string.h>

static LLVMTypeRef kernel_type(Ll *l)
{
    LLVMTypeRef args[] = {l->ptr, l->ptr, l->ptr, l->i64, l->i64, l->ptr};
    return LLVMFunctionType(l->void_, args, 6, false);
}

GfStatus emit_begin(Emit *e, const char *name, uint32_t extras)
{
    Ll *l = e->l;
    uint32_t count = e->r->input_count + e->r->output_count + extras;
    V f = ll_function(l, name, kernel_type(l), false);

    e->buffers = LLVMGetParam(f, 0);
    e->sizes = LLVMGetParam(f, 1);
    e->scalars = LLVMGetParam(f, 2);
    e->begin = LLVMGetParam(f, 3);
    e->end = LLVMGetParam(f, 4);
    e->scratch = LLVMGetParam(f, 5);
    e->scratch_size = 0;
    e->bases = GF_NEW_ARRAY(e->arena, V, count + 1);
    e->inside = GF_NEW_ARRAY(e->arena, bool, gf_graph_ids(e->g));
    e->memo = GF_NEW_ARRAY(e->arena, V, (size_t)gf_graph_ids(e->g) * 3);
    if (e->arena->failed)
        return gf_fail_memory(e->diags);
    for (uint32_t i = 0; i < count; i++)
        e->bases[i] = ll_load_ptr(l, e->buffers, i);
    for (uint32_t i = 0; i < e->r->node_count; i++)
        e->inside[e->r->nodes[i]->id] = true;
    return GF_OK;
}

V emit_scratch(Emit *e, int64_t bytes)
{
    V at = ll_at(e->l, LLVMInt8TypeInContext(e->l->context), e->scratch, ll_i(e->l, e->scratch_size));
    e->scratch_size += (bytes + 63) / 64 * 64;
    return at;
}

void emit_fresh(Emit *e)
{
    memset(e->memo, 0, (size_t)gf_graph_ids(e->g) * 3 * sizeof *e->memo);
}

Shape emit_shape(const GfType *type)
{
    Shape s = {gf_dim_const(1), gf_dim_const(1)};
    gf_as_matrix(type, &s.rows, &s.cols);
    return s;
}

V emit_dim(Emit *e, GfDim dim)
{
    if (dim.symbol == GF_CONSTANT)
        return ll_i(e->l, dim.size);
    return ll_load_i64(e->l, e->sizes, (unsigned)dim.symbol);
}

int64_t emit_dim_max(Emit *e, GfDim dim)
{
    return dim.symbol == GF_CONSTANT ? dim.size : e->g->plan_sizes[dim.symbol];
}

static int find(GfValue *const *values, uint32_t count, const GfValue *v)
{
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == v)
            return (int)i;
    }
    return -1;
}

bool emit_is_output(const Emit *e, const GfValue *v)
{
    return find(e->r->outputs, e->r->output_count, v) >= 0;
}

V emit_base(Emit *e, const GfValue *v)
{
    int i = find(e->r->inputs, e->r->input_count, v);
    int o = i < 0 ? find(e->r->outputs, e->r->output_count, v) : -1;

    return i >= 0 ? e->bases[i] : o >= 0 ? e->bases[e->r->input_count + (uint32_t)o] : NULL;
}

V emit_key(Emit *e, const GfNode *n)
{
    for (uint32_t i = 0; i < e->r->random_count; i++) {
        if (e->r->random[i] == n)
            return ll_load_i64(e->l, e->scalars, i);
    }
    return ll_i(e->l, 0);
}

/* Broadcast: a dim of constant 1 is read at 0. */
V emit_load(Emit *e, const GfValue *v, Point p)
{
    Ll *l = e->l;
    V base = emit_base(e, v);
    Shape s = emit_shape(&v->type);

    if (e->flat)
        return gf_type_eq(&v->type, &e->r->type) ? ll_vload(l, base, p.col, p.mask)
                                                 : ll_splat(l, ll_load_f(l, base, ll_i(l, 0)));
    V row = gf_dim_is(s.rows, 1) ? ll_i(l, 0) : p.row;
    if (gf_dim_is(s.cols, 1))
        return ll_splat(l, ll_load_f(l, base, row));
    return ll_vload(l, base, ll_add(l, ll_mul(l, row, emit_dim(e, s.cols)), p.col), p.mask);
}

V emit_value(Emit *e, const GfValue *v, Point p)
{
    V *slot = &e->memo[v->node->id * 3 + v->index];

    if (*slot)
        return *slot;
    V value = e->source ? e->source(e, v, p) : NULL;
    if (!value)
        value = e->inside[v->node->id] ? cpu_op(v->node->op)->element(e, v->node, v->index, p) : emit_load(e, v, p);
    *slot = value;
    return value;
}

V emit_operand(Emit *e, const GfNode *n, uint32_t i, Point p)
{
    return emit_value(e, gf_operand(n, i), p);
}
