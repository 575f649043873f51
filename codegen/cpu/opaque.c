/* opaque.c -- kernels of one op: sums over everything, and scatter_add.
 *
 * The order of additions is fixed by the op (slices, rows in order), never by
 * who runs which task.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"

const CpuOp cpu_structure = {0};

GfStatus cpu_emit_opaque(Emit *e, const char *name)
{
    const GfNode *n = e->r->nodes[0];

    if (e->r->node_count != 1 || !cpu_op(n->op)->kernel)
        return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "the cpu target has no kernel for '%s'", gf_op_text(n->op));
    GF_TRY(emit_begin(e, name, 0));
    GF_TRY(cpu_op(n->op)->kernel(e, n));
    LLVMBuildRetVoid(e->l->b);
    return GF_OK;
}

static V elements_of(Emit *e, const GfType *type)
{
    V count = ll_i(e->l, 1);
    for (uint32_t i = 0; i < type->rank; i++)
        count = ll_mul(e->l, count, emit_dim(e, type->dims[i]));
    return count;
}

/* f(x[from..to)) summed into `total` (a scalar variable of double): vectors of
 * partial sums first, folded once every STRIP elements to keep them small. */
enum { STRIP = 4096 };

typedef V (*TermFn)(Ll *l, V x);

static V same(Ll *l, V x)
{
    (void)l;
    return x;
}

static V square(Ll *l, V x)
{
    return ll_fmul(l, x, x);
}

static void sum_strip(Ll *l, V base, V from, V to, TermFn term, V acc)
{
    V whole = ll_sub(l, to, ll_srem(l, ll_sub(l, to, from), ll_i(l, l->width)));

    ll_set(l, acc, ll_vf(l, 0));
    Loop i = ll_for(l, from, whole, l->width);
    ll_set(l, acc, ll_fadd(l, ll_get(l, acc), term(l, ll_vload(l, base, i.i, NULL))));
    ll_end(l, &i);
    If rest = ll_if(l, ll_lt(l, whole, to));
    V x = ll_vload(l, base, whole, ll_mask_below(l, whole, to));
    ll_set(l, acc, ll_fadd(l, ll_get(l, acc), term(l, x)));
    ll_fi(l, &rest);
}

static void sum_range(Ll *l, V base, V from, V to, TermFn term, V total)
{
    V acc = ll_var(l, l->vf);

    Loop strip = ll_for(l, from, to, STRIP);
    sum_strip(l, base, strip.i, ll_min(l, ll_add(l, strip.i, ll_i(l, STRIP)), to), term, acc);
    V part = ll_convert(l, ll_sum(l, ll_get(l, acc)), l->f64);
    ll_set(l, total, ll_fadd(l, ll_get(l, total), part));
    ll_end(l, &strip);
}

static const GfWork one_task = {.dim = {{GF_CONSTANT, 1}, {GF_CONSTANT, 1}}, .unit = {1, 1}};

/* ---- sum, mean --------------------------------------------------------------------- */

static GfStatus sum_all(Emit *e, const GfNode *n, bool mean)
{
    Ll *l = e->l;
    V total = ll_var(l, l->f64), count = elements_of(e, &gf_operand(n, 0)->type);

    ll_set(l, total, LLVMConstReal(l->f64, 0));
    sum_range(l, emit_base(e, gf_operand(n, 0)), ll_i(l, 0), count, same, total);
    V y = ll_get(l, total);
    if (mean)
        y = ll_fdiv(l, y, ll_convert(l, count, l->f64));
    ll_store_f(l, ll_convert(l, y, l->f32), emit_base(e, &n->results[0]), ll_i(l, 0));
    e->work = one_task;
    return GF_OK;
}

static GfStatus sum_kernel(Emit *e, const GfNode *n)
{
    return sum_all(e, n, false);
}

static GfStatus mean_kernel(Emit *e, const GfNode *n)
{
    return sum_all(e, n, true);
}

const CpuOp cpu_sum = {.kernel = sum_kernel};
const CpuOp cpu_mean = {.kernel = mean_kernel};

/* ---- the gradient norm ---------------------------------------------------------------- */

static GfStatus sum_squares_kernel(Emit *e, const GfNode *n)
{
    Ll *l = e->l;
    V count = emit_sized_elements(e), parts = ll_load_i64(l, e->scalars, e->r->random_count + 2);
    V slice = ll_ceil_div(l, count, parts);
    V total = ll_var(l, l->f64), base = emit_base(e, gf_operand(n, 0));

    Loop part = ll_for(l, e->begin, e->end, 1);
    V from = ll_min(l, ll_mul(l, part.i, slice), count);
    ll_set(l, total, LLVMConstReal(l->f64, 0));
    sum_range(l, base, from, ll_min(l, ll_add(l, from, slice), count), square, total);
    ll_store_f(l, ll_convert(l, ll_get(l, total), l->f32), emit_base(e, &n->results[0]), part.i);
    ll_end(l, &part);
    return GF_OK;
}

const CpuOp cpu_sum_squares = {.kernel = sum_squares_kernel};

static GfStatus global_norm_kernel(Emit *e, const GfNode *n)
{
    Ll *l = e->l;
    V total = ll_var(l, l->f64);
    LLVMTypeRef f64 = l->f64;

    ll_set(l, total, LLVMConstReal(l->f64, 0));
    for (uint32_t i = 0; i < n->operand_count; i++)
        sum_range(l, emit_base(e, gf_operand(n, i)), ll_i(l, 0), elements_of(e, &gf_operand(n, i)->type), same, total);
    V sum = ll_get(l, total), root = ll_intrinsic(l, "llvm.sqrt", &f64, 1, &sum, 1);
    ll_store_f(l, ll_convert(l, root, l->f32), emit_base(e, &n->results[0]), ll_i(l, 0));
    e->work = one_task;
    return GF_OK;
}

const CpuOp cpu_global_norm = {.kernel = global_norm_kernel};

/* ---- scatter_add: a task owns a range of result rows and looks through all ids --------- */

enum { SCATTER_ROWS = 512 };

static void add_row_into(Emit *e, V from, V to, V cols)
{
    Ll *l = e->l;
    V whole = ll_sub(l, cols, ll_srem(l, cols, ll_i(l, l->width)));

    Loop j = ll_for(l, ll_i(l, 0), whole, l->width);
    ll_vstore(l, ll_fadd(l, ll_vload(l, to, j.i, NULL), ll_vload(l, from, j.i, NULL)), to, j.i, NULL);
    ll_end(l, &j);
    If rest = ll_if(l, ll_lt(l, whole, cols));
    V mask = ll_mask_below(l, whole, cols);
    V sum = ll_fadd(l, ll_vload(l, to, whole, mask), ll_vload(l, from, whole, mask));
    ll_vstore(l, sum, to, whole, mask);
    ll_fi(l, &rest);
}

static void clear_range(Ll *l, V base, V from, V to)
{
    V whole = ll_sub(l, to, ll_srem(l, ll_sub(l, to, from), ll_i(l, l->width)));
    Loop i = ll_for(l, from, whole, l->width);

    ll_vstore(l, ll_vf(l, 0), base, i.i, NULL);
    ll_end(l, &i);
    If rest = ll_if(l, ll_lt(l, whole, to));
    ll_vstore(l, ll_vf(l, 0), base, whole, ll_mask_below(l, whole, to));
    ll_fi(l, &rest);
}

/* Rows that are addressed: a vector has one element a row. */
static Shape addressed(const GfType *type)
{
    Shape s = emit_shape(type);
    return type->rank == 1 ? (Shape){s.cols, gf_dim_const(1)} : s;
}

static GfStatus scatter_add_kernel(Emit *e, const GfNode *n)
{
    Ll *l = e->l;
    Shape table = addressed(&n->results[0].type), x = addressed(&gf_operand(n, 0)->type);
    V cols = emit_dim(e, table.cols), rows = emit_dim(e, table.rows), out = emit_base(e, &n->results[0]);
    V ids = emit_base(e, gf_operand(n, 1)), from = emit_base(e, gf_operand(n, 0));

    Loop task = ll_for(l, e->begin, e->end, 1);
    V first = ll_mul(l, task.i, ll_i(l, SCATTER_ROWS));
    V last = ll_min(l, ll_add(l, first, ll_i(l, SCATTER_ROWS)), rows);
    clear_range(l, out, ll_mul(l, first, cols), ll_mul(l, last, cols));
    Loop i = ll_for(l, ll_i(l, 0), emit_dim(e, x.rows), 1);
    V id = ll_load_i32(l, ids, i.i);
    V mine = LLVMBuildAnd(l->b, ll_lt(l, id, last), LLVMBuildNot(l->b, ll_lt(l, id, first), ""), "");
    If here = ll_if(l, mine);
    add_row_into(e, ll_at(l, l->f32, from, ll_mul(l, i.i, cols)), ll_at(l, l->f32, out, ll_mul(l, id, cols)), cols);
    ll_fi(l, &here);
    ll_end(l, &i);
    ll_end(l, &task);
    e->work = (GfWork){.dim = {table.rows, gf_dim_const(1)}, .unit = {SCATTER_ROWS, 1}};
    return GF_OK;
}

const CpuOp cpu_scatter_add = {.kernel = scatter_add_kernel};
