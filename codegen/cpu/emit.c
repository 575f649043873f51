/* emit.c -- see emit.h. */
#include "codegen/cpu/emit.h"

#include <string.h>

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

V emit_base(Emit *e, const GfValue *v)
{
    int i = find(e->r->inputs, e->r->input_count, v);
    int o = i < 0 ? find(e->r->outputs, e->r->output_count, v) : -1;

    return i >= 0 ? e->bases[i] : o >= 0 ? e->bases[e->r->input_count + (uint32_t)o] : NULL;
}

/* ---- dropout --------------------------------------------------------------------- */

static bool draws(const GfNode *n)
{
    return gf_attr_f(n, "p") > 0;
}

bool emit_draws(const Emit *e)
{
    for (uint32_t i = 0; i < e->r->random_count; i++) {
        if (draws(e->r->random[i]))
            return true;
    }
    return false;
}

/* In the entry block, so that no loop computes it again. */
static void open_dropouts(Emit *e)
{
    for (uint32_t i = 0; i < e->r->random_count; i++) {
        const GfNode *n = e->r->random[i];
        V rng = emit_base(e, gf_operand(n, n->operand_count - 1));
        if (draws(n))
            e->dropouts[i] = ll_dropout_open(e->l, rng, ll_load_i64(e->l, e->scalars, i));
    }
}

static uint32_t random_index(const Emit *e, const GfNode *n)
{
    uint32_t i = 0;
    while (e->r->random[i] != n)
        i++;
    return i;
}

const Dropout *emit_dropout(const Emit *e, const GfNode *n)
{
    return draws(n) ? &e->dropouts[random_index(e, n)] : NULL;
}

V emit_factors(Emit *e, const GfNode *n, Point p)
{
    uint32_t i = random_index(e, n);
    V *factors = e->later + (size_t)i * POINT_GROUP;
    DropoutPair pairs[DROPOUT_PAIRS];
    const GfValue *rows = gf_dropout_rows(n);
    const Point *group = p.group ? p.group : &p;
    unsigned count = p.group ? p.count / 2 : 1;

    if (p.index > 0)
        return factors[p.index];
    for (unsigned k = 0; k < count; k++) {
        V row = group[2 * k].row;
        row = rows ? ll_load_i32(e->l, emit_base(e, rows), row) : row;
        pairs[k] = (DropoutPair){row, row, group[2 * k].col};
    }
    ll_dropout(e->l, &e->dropouts[i], gf_attr_f(n, "p"), pairs, count, factors);
    return factors[0];
}

void emit_group(Point *points, unsigned count)
{
    for (unsigned i = 0; i < count && count % 2 == 0 && count <= POINT_GROUP; i++) {
        points[i].group = points;
        points[i].index = i;
        points[i].count = count;
    }
}

/* ---- the kernel -------------------------------------------------------------------- */

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
    e->dropouts = GF_NEW_ARRAY(e->arena, Dropout, e->r->random_count + 1);
    e->later = GF_NEW_ARRAY(e->arena, V, (size_t)(e->r->random_count + 1) * POINT_GROUP);
    if (e->arena->failed)
        return gf_fail_memory(e->diags);
    for (uint32_t i = 0; i < count; i++)
        e->bases[i] = ll_load_ptr(l, e->buffers, i);
    for (uint32_t i = 0; i < e->r->node_count; i++)
        e->inside[e->r->nodes[i]->id] = true;
    open_dropouts(e);
    return GF_OK;
}

/* ---- values ---------------------------------------------------------------------- */

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

/* ---- columns of a row ---------------------------------------------------------------- */

static V whole_part(Emit *e, V cols, int64_t unit)
{
    return ll_sub(e->l, cols, ll_srem(e->l, cols, ll_i(e->l, unit)));
}

/* Groups of `count` points each. */
static void walk_groups(Emit *e, V row, V from, V to, unsigned count, PointFn body, void *self)
{
    Ll *l = e->l;
    Loop col = ll_for(l, from, to, (int64_t)count * l->width);
    Point points[POINT_GROUP];

    for (unsigned i = 0; i < count; i++)
        points[i] = (Point){.row = row, .col = ll_add(l, col.i, ll_i(l, (int64_t)i * l->width))};
    emit_group(points, count);
    for (unsigned i = 0; i < count; i++)
        body(e, self, points[i]);
    ll_end(l, &col);
}

/* A loop over vectors of [from, to) runs for some size of the dim. */
static bool has_any(GfDim dim, int64_t unit, int64_t at_least)
{
    return dim.symbol != GF_CONSTANT || (unit ? dim.size % unit : dim.size) >= at_least;
}

void emit_walk(Emit *e, V row, GfDim dim, PointFn body, void *self)
{
    Ll *l = e->l;
    int64_t width = l->width, unit = 0; /* unit: of the columns that are walked so far */
    V cols = emit_dim(e, dim), done = ll_i(l, 0);

    for (unsigned count = emit_draws(e) ? POINT_GROUP : 1; count > 0; count /= 2) {
        int64_t group = count * width;
        if (!has_any(dim, unit, group))
            continue;
        V end = whole_part(e, cols, group);
        walk_groups(e, row, done, end, count, body, self);
        done = end;
        unit = group;
    }
    if (!has_any(dim, width, 1))
        return;
    If rest = ll_if(l, ll_lt(l, done, cols));
    body(e, self, (Point){.row = row, .col = done, .mask = ll_mask_below(l, done, cols)});
    ll_fi(l, &rest);
}
