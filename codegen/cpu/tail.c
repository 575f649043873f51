/* tail.c -- the product that is summed over the rows of a kernel beside its tiles.
 *
 *   dB = dy' t     beside ds = dy B, for the rows of a task:
 *     sums = dy[rows]' t[rows]     [m, r], in memory: tail_add
 *   then, by a launch of its own:
 *     dB = sums of task 0 + sums of task 1 + ...     cpu_emit_tail_sum
 *
 * How many rows a task has depends on r and the processor's vectors, and the tasks' sums are added in their
 * order: the bits do not depend on who runs which task.  The memory for the sums lies
 * behind the plan; launches run one after the other and share it.
 *
 * In memory the sums are as the microkernel leaves them, in strips of BLOCK_ROWS rows:
 * [task][strip][panel][BLOCK_ROWS][columns of a panel].
 */
#include "codegen/cpu/tile.h"
#include "ir/kernel.h"

/* A task's sums, written once and read once, are then a third of what it reads of a. */
enum { ROWS_A_COLUMN = 6 };

const GfNode *cpu_tail(const GfRegion *r)
{
    for (uint32_t i = 0; r->kind == GF_REGION_TILE && i < r->output_count; i++) {
        if (gf_kernel_is_tail(r->outputs[i]->node))
            return r->outputs[i]->node;
    }
    return NULL;
}

static Tail tail_of(const Ll *l, const GfNode *n)
{
    Tail t = {.node = n, .product = gemm_product(n)};

    t.vectors = gemm_panel_vectors(l, t.product.cols);
    t.panel = (int64_t)t.vectors * l->width;
    t.panels = (t.product.cols.size + t.panel - 1) / t.panel;
    t.rows = (ROWS_A_COLUMN * t.panels * t.panel + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS;
    t.strip = BLOCK_ROWS * t.panels * t.panel;
    t.sums = (t.product.rows.size + BLOCK_ROWS - 1) / BLOCK_ROWS * t.strip;
    return t;
}

int64_t cpu_tail_bytes(const Ll *l, const GfNode *tail, const int64_t *sizes)
{
    Tail t = tail_of(l, tail);
    return (gf_dim_value(t.product.inner, sizes) + t.rows - 1) / t.rows * t.sums * 4;
}

void tail_init(Emit *e, Tiles *t, const GfNode *n)
{
    t->tail = tail_of(e->l, n);
}

void tail_reserve(Emit *e, Tiles *t, V sums)
{
    Tail *tail = &t->tail;
    GfDim rows = gf_dim_const(tail->rows);

    tail->memory = sums;
    tail->packed = emit_scratch(e, tail->panels * gemm_panel_floats(e, rows, tail->vectors) * 4);
    tail->strips = emit_scratch(e, gemm_strip_floats(e, rows) * 4);
}

/* ---- the rows of a task ------------------------------------------------------------------ */

static V panel_of_b(Emit *e, const Tail *t, V index)
{
    int64_t stride = gemm_panel_floats(e, gf_dim_const(t->rows), t->vectors);
    return ll_at(e->l, e->l->f32, t->packed, ll_mul(e->l, index, ll_i(e->l, stride)));
}

static void pack_b(Emit *e, const Tail *t, V from, V count)
{
    Ll *l = e->l;
    bool whole = t->product.cols.size % t->panel == 0;
    Loop i = ll_for(l, ll_i(l, 0), ll_i(l, t->panels), 1);

    gemm_pack_rows(e, t->product.b, from, count, ll_mul(l, i.i, ll_i(l, t->panel)), emit_dim(e, t->product.cols), whole,
                   t->vectors, panel_of_b(e, t, i.i));
    ll_end(l, &i);
}

/* Where row `row` of a strip's panel `index` begins. */
static V row_of_strip(Emit *e, const Tail *t, V strip, V index, V row)
{
    Ll *l = e->l;
    V at = ll_add(l, ll_mul(l, index, ll_i(l, BLOCK_ROWS)), row);
    return ll_at(l, l->f32, strip, ll_mul(l, at, ll_i(l, t->panel)));
}

/* Rows [row, row + BLOCK_ROWS) of the sums over `count` rows, as far as there are any, to `strip`. */
static void add_strip(Emit *e, const Tail *t, V row, V count, V strip)
{
    Ll *l = e->l;
    V left = ll_min(l, ll_i(l, BLOCK_ROWS), ll_sub(l, emit_dim(e, t->product.rows), row));
    Loop panel = ll_for(l, ll_i(l, 0), ll_i(l, t->panels), 1);
    Loop i = ll_for(l, ll_i(l, 0), left, l->tile_rows);
    V a = ll_mul(l, ll_sdiv(l, i.i, ll_i(l, l->tile_rows)), gemm_strip_stride(e, count));

    gemm_tile(e, t->vectors, ll_min(l, ll_sub(l, left, i.i), ll_i(l, l->tile_rows)), count,
              ll_at(l, l->f32, t->strips, a), (Stride){1, NULL}, (Stride){l->tile_rows, NULL},
              panel_of_b(e, t, panel.i), row_of_strip(e, t, strip, panel.i, i.i));
    ll_end(l, &i);
    ll_end(l, &panel);
}

void tail_add(Emit *e, const Tiles *tiles, V task, V from, V to)
{
    Ll *l = e->l;
    const Tail *t = &tiles->tail;
    V rows = emit_dim(e, t->product.rows), count = ll_sub(l, to, from);
    V a = ll_at(l, l->f32, emit_base(e, t->product.a), ll_mul(l, from, rows));

    pack_b(e, t, from, count);
    Loop row = ll_for(l, ll_i(l, 0), rows, BLOCK_ROWS);
    V strip = ll_mul(l, ll_sdiv(l, row.i, ll_i(l, BLOCK_ROWS)), ll_i(l, t->strip));
    gemm_pack_strips(e, a, rows, count, row.i, t->strips);
    add_strip(e, t, row.i, count, ll_at(l, l->f32, t->memory, ll_add(l, ll_mul(l, task, ll_i(l, t->sums)), strip)));
    ll_end(l, &row);
}

/* ---- the sum over tasks -------------------------------------------------------------------- */

void cpu_tail_key(const GfNode *tail, GfText *out)
{
    Product p = gemm_product(tail);
    gf_text_add(out, "tail %lld %lld %lld of %d", (long long)p.rows.size, (long long)p.cols.size,
                (long long)p.inner.size, (int)p.inner.symbol);
}

/* A row of a strip's panel: sums[0] + sums[1] + ... of `tasks` tasks; `col` is its first column. */
static void sum_row(Emit *e, const Tail *t, V sums, V tasks, V to, V col)
{
    Ll *l = e->l;
    bool whole = t->product.cols.size % t->panel == 0;

    for (unsigned v = 0; v < t->vectors; v++) {
        V at = ll_i(l, (int64_t)v * l->width), acc = ll_var(l, l->vf), to_col = ll_add(l, col, at);
        ll_set(l, acc, ll_vf(l, 0));
        Loop task = ll_for(l, ll_i(l, 0), tasks, 1);
        V x = ll_vload(l, sums, ll_add(l, ll_mul(l, task.i, ll_i(l, t->sums)), at), NULL);
        ll_set(l, acc, ll_fadd(l, ll_get(l, acc), x));
        ll_end(l, &task);
        ll_vstore(l, ll_get(l, acc), to, to_col, whole ? NULL : ll_mask_below(l, to_col, emit_dim(e, t->product.cols)));
    }
}

static void sum_strip(Emit *e, const Tail *t, V index, V tasks)
{
    Ll *l = e->l;
    V cols = emit_dim(e, t->product.cols), row = ll_mul(l, index, ll_i(l, BLOCK_ROWS));
    V left = ll_min(l, ll_i(l, BLOCK_ROWS), ll_sub(l, emit_dim(e, t->product.rows), row));
    V strip = ll_at(l, l->f32, e->bases[0], ll_mul(l, index, ll_i(l, t->strip)));
    Loop panel = ll_for(l, ll_i(l, 0), ll_i(l, t->panels), 1);
    Loop i = ll_for(l, ll_i(l, 0), left, 1);
    V to = ll_at(l, l->f32, e->bases[1], ll_mul(l, ll_add(l, row, i.i), cols));

    sum_row(e, t, row_of_strip(e, t, strip, panel.i, i.i), tasks, to, ll_mul(l, panel.i, ll_i(l, t->panel)));
    ll_end(l, &i);
    ll_end(l, &panel);
}

/* Buffers: the tasks' sums, the result. */
GfStatus cpu_emit_tail_sum(Emit *e, const GfNode *tail, const char *name)
{
    Ll *l = e->l;
    Tail t = tail_of(l, tail);
    GfRegion none = {0};

    e->r = &none;
    GF_TRY(emit_begin(e, name, 2));
    V tasks = ll_ceil_div(l, emit_dim(e, t.product.inner), ll_i(l, t.rows));
    Loop strip = ll_for(l, e->begin, e->end, 1);
    sum_strip(e, &t, strip.i, tasks);
    ll_end(l, &strip);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {t.product.rows, gf_dim_const(1)}, .unit = {BLOCK_ROWS, 1}};
    return GF_OK;
}
