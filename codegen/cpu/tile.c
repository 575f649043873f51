/* tile.c -- kernels around matrix products.
 *
 * A task is a few panels of columns and a chunk of rows.  The panels of every
 * product's operand b are packed into the thread's scratch first (or were packed
 * once, when it is a frozen weight); then, a few rows at a time, every product
 * of the region fills its tile and the epilogue computes the region's outputs
 * from the tiles: bias, gelu, dropout, residual, and the low-rank product of
 * LoRA, which is just a second product of the same region.
 *
 *   for panels, rows:                   task
 *     pack b of each product            unless packed before; see tile_packer
 *     for some rows:                    block: 48 where panels share what is prepared, else a tile's
 *       [compute the head (head.c), rows of a; pack them when they are stored transposed]
 *       for panel:
 *         for 12 rows:
 *           tile_p = a_p b_p            for each product p
 *           outputs = epilogue(tiles)
 *     [add up the tail (tail.c)]
 *
 * A block of a stays in the second-level cache while the task's panels go by, each
 * read once from further away for all rows of the block.
 */
#include "codegen/cpu/tile.h"

#include "codegen/cpu/ops.h"
#include "ir/kernel.h"

const CpuOp cpu_linear = {0};
const CpuOp cpu_matmul = {0};

enum { PANEL_BYTES = 1 << 20 }; /* of a task's panels, at most */

/* ---- values of tiles ------------------------------------------------------------------ */

static int product_index(const Tiles *t, const GfNode *n)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->product[i].node == n)
            return (int)i;
    }
    return -1;
}

static V tile_source(Emit *e, const GfValue *v, Point p)
{
    Ll *l = e->l;
    Tiles *t = e->self;
    int i = t->in_epilogue ? product_index(t, v->node) : -1;

    if (v->node == t->head.node)
        return head_value(e, t, p);
    if (i < 0)
        return NULL;
    V at = ll_add(l, ll_mul(l, t->row, ll_i(l, (int64_t)t->vectors * l->width)), ll_sub(l, p.col, t->panel_col));
    V y = ll_vload(l, t->tile[i], at, NULL);
    return t->product[i].bias ? ll_fadd(l, y, emit_value(e, t->product[i].bias, p)) : y;
}

static GfStatus collect(Emit *e, Tiles *t)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        const GfNode *n = e->r->nodes[i];
        if (!gf_is_product(n) || (gf_kernel_is_tail(n) && n != cpu_tail(e->r)))
            continue;
        bool tile = !gf_kernel_is_head(n) && !gf_kernel_is_tail(n);
        if (t->count == MAX_PRODUCTS && tile)
            return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "more than %d products in one kernel", MAX_PRODUCTS);
        const char *round = gf_attr_s(n, "round");
        if (round && *round)
            return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "the cpu target has no products of factors rounded to %s",
                           round);
        if (tile)
            t->product[t->count++] = gemm_product(n);
        else if (gf_kernel_is_head(n))
            head_init(e, t, n);
        else
            tail_init(e, t, n);
    }
    return GF_OK;
}

/* Outputs of the tiles; the head's are stored in front of them, the tail's behind. */
static void collect_outputs(Emit *e, Tiles *t)
{
    t->outputs = GF_NEW_ARRAY(e->arena, const GfValue *, e->r->output_count + 1);
    for (uint32_t i = 0; t->outputs && i < e->r->output_count; i++) {
        const GfNode *n = e->r->outputs[i]->node;
        if (!gf_kernel_is_head(n) && !gf_kernel_is_tail(n))
            t->outputs[t->output_count++] = e->r->outputs[i];
    }
}

static void reserve(Emit *e, Tiles *t)
{
    int64_t panel = (int64_t)t->vectors * e->l->width, rows = e->l->tile_rows;
    uint32_t extra = e->r->input_count + e->r->output_count;

    for (uint32_t i = 0; i < t->count; i++) {
        Product *p = &t->product[i];
        t->tile[i] = emit_scratch(e, rows * panel * 4);
        t->packer[i] = tile_packer(p->node);
        t->packed[i] = t->packer[i] ? e->bases[extra++] : NULL;
        t->panels[i] =
            t->packer[i] == p->node ? NULL : emit_scratch(e, t->group * gemm_panel_floats(e, p->inner, t->vectors) * 4);
        t->a_rows[i] = e->inside[p->a->node->id]
                           ? emit_scratch(e, (t->block * emit_dim_max(e, p->inner) + e->l->width) * 4)
                           : NULL;
        t->strips[i] = p->a_transposed && !t->a_rows[i] ? emit_scratch(e, gemm_strip_floats(e, p->inner) * 4) : NULL;
    }
    if (t->head.node)
        head_reserve(e, t);
    if (t->tail.node)
        tail_reserve(e, t, e->bases[extra]);
}

/* ---- packing ---------------------------------------------------------------------------- */

void tile_pack_panel(Emit *e, const Product *p, V col, bool whole, unsigned vectors, V panel)
{
    V inner = emit_dim(e, p->inner), cols = emit_dim(e, p->cols);
    Transposed b = {emit_base(e, p->b), inner, inner};

    if (p->b_transposed)
        gemm_pack_transposed(e, &b, col, cols, whole, vectors, panel);
    else
        gemm_pack_rows(e, p->b, ll_i(e->l, 0), inner, col, cols, whole, vectors, panel);
}

/* `inner` rows of the panel of product i, from panel `index` of its packer. */
static void repack_rows(Emit *e, Tiles *t, uint32_t i, V index, int64_t inner, V col)
{
    Ll *l = e->l;
    Product *p = &t->product[i], packer = gemm_product(t->packer[i]);
    unsigned vectors = gemm_panel_vectors(l, packer.cols);
    int64_t width = (int64_t)vectors * l->width;
    V to = ll_mul(l, index, ll_i(l, width * t->vectors * l->width));
    Transposed b = {ll_at(l, l->f32, t->packed[i], ll_mul(l, index, tile_panel_stride(e, &packer, vectors))),
                    ll_i(l, width), ll_i(l, inner)};

    gemm_pack_transposed(e, &b, col, emit_dim(e, p->cols), t->whole, t->vectors, ll_at(l, l->f32, t->panel[i], to));
}

/* The packer's panels hold W^T; columns of W are their rows, a panel's width of them each. */
static void repack_panel(Emit *e, Tiles *t, uint32_t i, V col)
{
    Ll *l = e->l;
    int64_t inner = t->product[i].inner.size;
    int64_t width = (int64_t)gemm_panel_vectors(l, t->product[i].inner) * l->width;
    Loop index = ll_for(l, ll_i(l, 0), ll_i(l, inner / width), 1);

    repack_rows(e, t, i, index.i, width, col);
    ll_end(l, &index);
    if (inner % width)
        repack_rows(e, t, i, ll_i(l, inner / width), inner % width, col);
}

/* Panel `in_group` of the task, which is panel `index` of all. */
static void find_panels(Emit *e, Tiles *t, V index, V in_group)
{
    Ll *l = e->l;

    t->panel_col = ll_mul(l, index, ll_i(l, (int64_t)t->vectors * l->width));
    for (uint32_t i = 0; i < t->count; i++) {
        V base = t->panels[i] ? t->panels[i] : t->packed[i];
        V number = t->panels[i] ? in_group : index;
        t->panel[i] = ll_at(l, l->f32, base, ll_mul(l, number, tile_panel_stride(e, &t->product[i], t->vectors)));
    }
}

static void pack_panels(Emit *e, Tiles *t, V first, V count)
{
    Ll *l = e->l;
    bool any = false;

    for (uint32_t i = 0; i < t->count; i++)
        any |= t->panels[i] != NULL;
    if (!any)
        return;
    Loop p = ll_for(l, ll_i(l, 0), count, 1);
    find_panels(e, t, ll_add(l, first, p.i), p.i);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->panels[i] && t->packer[i])
            repack_panel(e, t, i, t->panel_col);
        else if (t->panels[i])
            tile_pack_panel(e, &t->product[i], t->panel_col, t->whole, t->vectors, t->panel[i]);
    }
    ll_end(l, &p);
}

/* ---- rows of a --------------------------------------------------------------------------- */

/* A row of a, computed into memory. */
typedef struct ComputedRow {
    const GfValue *a;
    V to, at; /* element `at` of `to` is its first */
} ComputedRow;

static void compute_point(Emit *e, void *self, Point p)
{
    const ComputedRow *row = self;

    emit_fresh(e);
    ll_vstore(e->l, emit_value(e, row->a, p), row->to, ll_add(e->l, row->at, p.col), p.mask);
}

/* A prologue, or what stands behind the head. */
void tile_compute_rows(Emit *e, const Product *p, V row, V count, V to)
{
    Ll *l = e->l;
    Loop i = ll_for(l, ll_i(l, 0), count, 1);
    ComputedRow computed = {p->a, to, ll_mul(l, i.i, emit_dim(e, p->inner))};

    emit_walk(e, ll_add(l, row, i.i), p->inner, compute_point, &computed);
    ll_end(l, &i);
}

Stride tile_row_stride(Emit *e, const Product *p)
{
    return (Stride){p->inner.symbol == GF_CONSTANT ? p->inner.size : -1, emit_dim(e, p->inner)};
}

/* What the rows [row, row + count) read of a, for all panels. */
static void prepare_block(Emit *e, Tiles *t, V row, V count)
{
    if (t->head.node)
        head_compute(e, t, row, count);
    for (uint32_t i = 0; i < t->count; i++) {
        const Product *p = &t->product[i];
        if (t->a_rows[i])
            tile_compute_rows(e, p, row, count, t->a_rows[i]);
        if (t->strips[i])
            gemm_pack_strips(e, emit_base(e, p->a), emit_dim(e, p->rows), emit_dim(e, p->inner), row, t->strips[i]);
    }
}

/* Rows [row, row + count), which begin `in_block` rows into their block. */
static void fill_tile(Emit *e, Tiles *t, uint32_t i, V row, V in_block, V count)
{
    Ll *l = e->l;
    Product *p = &t->product[i];
    V inner = emit_dim(e, p->inner), a;
    Stride row_stride = tile_row_stride(e, p), k_stride = {1, NULL};

    if (t->strips[i]) {
        row_stride = (Stride){1, NULL};
        k_stride = (Stride){l->tile_rows, NULL};
        V strip = ll_sdiv(l, in_block, ll_i(l, l->tile_rows));
        a = ll_at(l, l->f32, t->strips[i], ll_mul(l, strip, gemm_strip_stride(e, inner)));
    } else if (t->a_rows[i]) {
        a = ll_at(l, l->f32, t->a_rows[i], ll_mul(l, in_block, inner));
    } else {
        a = ll_at(l, l->f32, emit_base(e, p->a), ll_mul(l, row, inner));
    }
    gemm_tile(e, t->vectors, count, inner, a, row_stride, k_stride, t->panel[i], t->tile[i]);
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* The outputs at some points of the tile, which stand in its rows `in_tile`.  All are
 * computed before any is stored: LLVM moves no load over a store that may be to its place. */
static void epilogue_points(Emit *e, Tiles *t, const Point *points, const V *in_tile, unsigned count, V cols)
{
    Ll *l = e->l;
    uint32_t outputs = t->output_count;
    V *values = GF_NEW_ARRAY(e->arena, V, (size_t)count * outputs);

    for (unsigned i = 0; values && i < count * outputs; i++) {
        if (i % outputs == 0)
            emit_fresh(e);
        t->row = in_tile[i / outputs];
        values[i] = emit_value(e, t->outputs[i % outputs], points[i / outputs]);
    }
    for (unsigned i = 0; values && i < count * outputs; i++) {
        Point p = points[i / outputs];
        V at = ll_add(l, ll_mul(l, p.row, cols), p.col);
        ll_vstore(l, values[i], emit_base(e, t->outputs[i % outputs]), at, p.mask);
    }
}

/* A row at a time; two where elements are drawn, the last of an odd number twice. */
static void epilogue(Emit *e, Tiles *t, V row, V count, V cols)
{
    Ll *l = e->l;
    unsigned rows = emit_draws(e) && t->vectors == 2 ? 2 : 1, points_count = rows * t->vectors;
    Point points[POINT_GROUP];
    V in_tile[POINT_GROUP];

    t->in_epilogue = true;
    Loop i = ll_for(l, ll_i(l, 0), count, rows);
    for (unsigned k = 0; k < points_count; k++) {
        V col = ll_add(l, t->panel_col, ll_i(l, (int64_t)(k % t->vectors) * l->width));
        V mask = t->whole ? NULL : ll_mask_below(l, col, cols);
        in_tile[k] = k < t->vectors ? i.i : ll_min(l, ll_add(l, i.i, ll_i(l, 1)), ll_sub(l, count, ll_i(l, 1)));
        points[k] = (Point){.row = ll_add(l, row, in_tile[k]), .col = col, .mask = mask};
    }
    emit_group(points, points_count);
    epilogue_points(e, t, points, in_tile, points_count, cols);
    ll_end(l, &i);
    t->in_epilogue = false;
}

/* Rows [from, to) of the panels [first, first + panels). */
static void emit_block(Emit *e, Tiles *t, V from, V to, V first, V panels)
{
    Ll *l = e->l;

    prepare_block(e, t, from, ll_sub(l, to, from));
    if (t->head.node) {
        If begins = ll_if(l, LLVMBuildICmp(l->b, LLVMIntEQ, first, ll_i(l, 0), ""));
        head_store(e, t, ll_sub(l, to, from));
        ll_fi(l, &begins);
    }
    Loop p = ll_for(l, ll_i(l, 0), panels, 1);
    find_panels(e, t, ll_add(l, first, p.i), p.i);
    Loop row = ll_for(l, from, to, l->tile_rows);
    V count = ll_min(l, ll_sub(l, to, row.i), ll_i(l, l->tile_rows));
    for (uint32_t i = 0; i < t->count; i++)
        fill_tile(e, t, i, row.i, ll_sub(l, row.i, from), count);
    epilogue(e, t, row.i, count, emit_dim(e, e->r->cols));
    ll_end(l, &row);
    ll_end(l, &p);
}

static void emit_task(Emit *e, Tiles *t, V group, V from, V to)
{
    Ll *l = e->l;
    V all = ll_ceil_div(l, emit_dim(e, e->r->cols), ll_i(l, (int64_t)t->vectors * l->width));
    V first = ll_mul(l, group, ll_i(l, t->group)), panels = ll_min(l, ll_i(l, t->group), ll_sub(l, all, first));

    pack_panels(e, t, first, panels);
    if (t->head.node)
        head_pack(e, t);
    Loop block = ll_for(l, from, to, t->block);
    emit_block(e, t, block.i, ll_min(l, to, ll_add(l, block.i, ll_i(l, t->block))), first, panels);
    ll_end(l, &block);
}

/* Rows [from, to), the chunk `chunk` of all, of the panels of group `group`, the first of
 * which adds up the tail. */
static void emit_chunk(Emit *e, Tiles *t, V group, V chunk, V from, V to)
{
    Ll *l = e->l;

    emit_task(e, t, group, from, to);
    if (!t->tail.node)
        return;
    If begins = ll_if(l, LLVMBuildICmp(l->b, LLVMIntEQ, group, ll_i(l, 0), ""));
    tail_add(e, t, chunk, from, to);
    ll_fi(l, &begins);
}

static int64_t up_to(int64_t value, int64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static bool packs_rows(const Tiles *t)
{
    bool any = false;

    for (uint32_t i = 0; i < t->count; i++)
        any |= t->product[i].a_transposed;
    return any;
}

/* Rows of a are prepared a block at a time, for all panels of the task. */
static bool prepares_blocks(const Tiles *t)
{
    return t->head.node || packs_rows(t);
}

/* Packing rows of a costs reads far apart, so many panels share them: a quarter of all,
 * as far as their scratch allows; of a head, all of them.  Where a is read as it lies, a
 * panel at a time is best: its rows come in order, and the panel stays near. */
static int64_t panels_a_task(Emit *e, const Tiles *t, int64_t panels)
{
    int64_t bytes = 0, group = t->head.node ? panels : packs_rows(t) ? (panels + 3) / 4 : 1;

    for (uint32_t i = 0; i < t->count; i++) {
        const Product *p = &t->product[i];
        bool packed = t->head.node && tile_packer(p->node) == p->node;
        bytes += packed ? 0 : gemm_panel_floats(e, p->inner, t->vectors) * 4;
    }
    int64_t fit = bytes ? PANEL_BYTES / bytes : group;
    return fit < 1 ? 1 : group < fit ? group : fit;
}

/* Rows a task takes, so that there are tasks to go round. */
static int64_t rows_a_task(Emit *e, const Tiles *t, int64_t panels)
{
    int64_t quarter = up_to(emit_dim_max(e, e->r->rows) / 4, BLOCK_ROWS);

    if (t->tail.node)
        return t->tail.rows;
    if (t->head.node)
        return BLOCK_ROWS;
    if (t->group > 1)
        return quarter < 2 * BLOCK_ROWS ? 2 * BLOCK_ROWS : quarter < 8 * BLOCK_ROWS ? quarter : 8 * BLOCK_ROWS;
    return panels >= 16 ? INT32_MAX : (panels >= 8 ? 8 : panels >= 4 ? 4 : 2) * BLOCK_ROWS;
}

GfStatus cpu_emit_tile(Emit *e, const char *name)
{
    Ll *l = e->l;
    Tiles t = {0};

    GF_TRY(collect(e, &t));
    GF_TRY(emit_begin(e, name, cpu_tile_packs(e->r).count + (t.tail.node != NULL)));
    GfDim cols = e->r->cols;
    t.vectors = gemm_panel_vectors(l, cols);
    int64_t panel = (int64_t)t.vectors * l->width, panels = (emit_dim_max(e, cols) + panel - 1) / panel;
    t.block = prepares_blocks(&t) ? BLOCK_ROWS : l->tile_rows;
    t.group = panels_a_task(e, &t, panels);
    int64_t rows = rows_a_task(e, &t, panels);
    t.whole = cols.symbol == GF_CONSTANT && cols.size % panel == 0;
    e->self = &t;
    e->source = tile_source;
    collect_outputs(e, &t);
    reserve(e, &t);

    V all = emit_dim(e, e->r->rows), chunks = ll_ceil_div(l, all, ll_i(l, rows));
    Loop task = ll_for(l, e->begin, e->end, 1);
    V chunk = ll_srem(l, task.i, chunks), from = ll_mul(l, chunk, ll_i(l, rows));
    emit_chunk(e, &t, ll_sdiv(l, task.i, chunks), chunk, from, ll_min(l, ll_add(l, from, ll_i(l, rows)), all));
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {cols, e->r->rows}, .unit = {panel * t.group, rows}};
    return e->arena->failed ? gf_fail_memory(e->diags) : GF_OK;
}
