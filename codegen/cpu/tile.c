/* tile.c -- kernels around matrix products.
 *
 * A task is a panel of columns and a chunk of rows.  The panel of every
 * product's operand b is packed into the thread's scratch first (or was packed
 * once, when it is a frozen weight); then, a few rows at a time, every product
 * of the region fills its tile and the epilogue computes the region's outputs
 * from the tiles: bias, gelu, dropout, residual, and the low-rank product of
 * LoRA, which is just a second product of the same region.
 *
 *   for panel, rows:                    task
 *     pack b of each product            unless packed before
 *     for 12 rows:
 *       [compute rows of a]             prologue
 *       tile_p = a_p b_p                for each product p
 *       outputs = epilogue(tiles)
 */
#include "codegen/cpu/gemm.h"
#include "codegen/cpu/ops.h"

#include <string.h>

const CpuOp cpu_linear = {0};
const CpuOp cpu_matmul = {0};

typedef struct Tiles {
    uint32_t count;
    Product product[MAX_PRODUCTS];
    V tile[MAX_PRODUCTS];   /* [tile_rows][panel] */
    V panel[MAX_PRODUCTS];  /* packed b */
    V a_rows[MAX_PRODUCTS]; /* scratch for computed rows of a, or NULL */
    V packed[MAX_PRODUCTS]; /* memory of panels packed before, or NULL */
    unsigned vectors;
    bool whole;  /* every panel has all of its columns */
    V row;       /* of the tile (relative), while the epilogue runs */
    V panel_col; /* first column of the panel */
    bool in_epilogue;
} Tiles;

static bool is_product(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_GEMM;
}

/* Weights that never change and are read transposed are packed once. */
static bool packs_once(const GfNode *n)
{
    const GfNode *b = gf_operand(n, 1)->node;
    Product p = gemm_product(n);
    return b->op == GF_OP_PARAM && b->frozen && p.b_transposed && p.inner.symbol == GF_CONSTANT &&
           p.cols.symbol == GF_CONSTANT;
}

TilePacks cpu_tile_packs(const GfRegion *r)
{
    TilePacks packs = {0};

    for (uint32_t i = 0; r->kind == GF_REGION_TILE && i < r->node_count; i++) {
        if (is_product(r->nodes[i]) && packs_once(r->nodes[i]) && packs.count < MAX_PRODUCTS)
            packs.product[packs.count++] = r->nodes[i];
    }
    return packs;
}

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
        if (!is_product(n))
            continue;
        if (t->count == MAX_PRODUCTS)
            return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "more than %d products in one kernel", MAX_PRODUCTS);
        const char *round = gf_attr_s(n, "round");
        if (round && *round)
            return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "the cpu target has no products of factors rounded to %s",
                           round);
        t->product[t->count++] = gemm_product(n);
    }
    return GF_OK;
}

static void reserve(Emit *e, Tiles *t)
{
    int64_t panel = (int64_t)t->vectors * e->l->width, rows = e->l->tile_rows;
    uint32_t extra = e->r->input_count + e->r->output_count;

    for (uint32_t i = 0; i < t->count; i++) {
        Product *p = &t->product[i];
        t->tile[i] = emit_scratch(e, rows * panel * 4);
        t->packed[i] = packs_once(p->node) ? e->bases[extra++] : NULL;
        t->panel[i] = t->packed[i] ? NULL : emit_scratch(e, gemm_panel_floats(e, p->inner, t->vectors) * 4);
        t->a_rows[i] =
            e->inside[p->a->node->id] ? emit_scratch(e, rows * (emit_dim_max(e, p->inner) + e->l->width) * 4) : NULL;
    }
}

/* ---- packing ---------------------------------------------------------------------------- */

/* Floats from one packed panel to the next. */
static V panel_stride(Emit *e, const Product *p, unsigned vectors)
{
    return ll_mul(e->l, ll_round_up(e->l, emit_dim(e, p->inner), e->l->width),
                  ll_i(e->l, (int64_t)vectors * e->l->width));
}

static void pack_panel(Emit *e, const Product *p, V col, bool whole, unsigned vectors, V panel)
{
    V inner = emit_dim(e, p->inner), cols = emit_dim(e, p->cols);

    if (p->b_transposed)
        gemm_pack_transposed(e, emit_base(e, p->b), inner, col, cols, whole, vectors, panel);
    else
        gemm_pack_rows(e, p->b, inner, col, cols, whole, vectors, panel);
}

static V find_panel(Emit *e, Tiles *t, uint32_t i, V index, V col)
{
    if (t->packed[i])
        return ll_at(e->l, e->l->f32, t->packed[i], ll_mul(e->l, index, panel_stride(e, &t->product[i], t->vectors)));
    pack_panel(e, &t->product[i], col, t->whole, t->vectors, t->panel[i]);
    return t->panel[i];
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

/* Prologue: rows [row, row + count) of a computed into scratch. */
static void compute_rows(Emit *e, const Product *p, V row, V count, V to)
{
    Ll *l = e->l;
    Loop i = ll_for(l, ll_i(l, 0), count, 1);
    ComputedRow computed = {p->a, to, ll_mul(l, i.i, emit_dim(e, p->inner))};

    emit_walk(e, ll_add(l, row, i.i), p->inner, compute_point, &computed);
    ll_end(l, &i);
}

static Stride stride_of(Emit *e, GfDim dim)
{
    return (Stride){dim.symbol == GF_CONSTANT ? dim.size : -1, emit_dim(e, dim)};
}

static void fill_tile(Emit *e, Tiles *t, uint32_t i, V row, V count)
{
    Ll *l = e->l;
    Product *p = &t->product[i];
    Stride one = {1, NULL}, row_stride = one, k_stride = one;
    V a;

    if (t->a_rows[i]) {
        compute_rows(e, p, row, count, t->a_rows[i]);
        a = t->a_rows[i];
        row_stride = stride_of(e, p->inner);
    } else if (p->a_transposed) {
        a = ll_at(l, l->f32, emit_base(e, p->a), row);
        k_stride = stride_of(e, p->rows);
    } else {
        row_stride = stride_of(e, p->inner);
        a = ll_at(l, l->f32, emit_base(e, p->a), ll_mul(l, row, row_stride.value));
    }
    gemm_tile(e, t->vectors, count, emit_dim(e, p->inner), a, row_stride, k_stride, t->panel[i], t->tile[i]);
}

/* ---- the kernel ---------------------------------------------------------------------------- */

static void epilogue(Emit *e, Tiles *t, V row, V count, V cols)
{
    Ll *l = e->l;
    Loop i = ll_for(l, ll_i(l, 0), count, 1);
    V r = ll_add(l, row, i.i);

    t->row = i.i;
    t->in_epilogue = true;
    for (unsigned v = 0; v < t->vectors; v++) {
        V col = ll_add(l, t->panel_col, ll_i(l, (int64_t)v * l->width));
        Point p = {r, col, t->whole ? NULL : ll_mask_below(l, col, cols), emit_part(v, t->vectors)};
        emit_fresh(e);
        for (uint32_t o = 0; o < e->r->output_count; o++) {
            V value = emit_value(e, e->r->outputs[o], p);
            ll_vstore(l, value, emit_base(e, e->r->outputs[o]), ll_add(l, ll_mul(l, r, cols), col), p.mask);
        }
    }
    t->in_epilogue = false;
    ll_end(l, &i);
}

static void emit_task(Emit *e, Tiles *t, V panel_index, V from, V to)
{
    Ll *l = e->l;
    V cols = emit_dim(e, e->r->cols);

    t->panel_col = ll_mul(l, panel_index, ll_i(l, (int64_t)t->vectors * l->width));
    for (uint32_t i = 0; i < t->count; i++)
        t->panel[i] = find_panel(e, t, i, panel_index, t->panel_col);
    Loop row = ll_for(l, from, to, l->tile_rows);
    V count = ll_min(l, ll_sub(l, to, row.i), ll_i(l, l->tile_rows));
    for (uint32_t i = 0; i < t->count; i++)
        fill_tile(e, t, i, row.i, count);
    epilogue(e, t, row.i, count, cols);
    ll_end(l, &row);
}

/* Rows a task takes: all when there are panels enough to go round. */
static int64_t rows_a_task(Emit *e, int64_t panels)
{
    int64_t rows = panels >= 16 ? INT32_MAX : panels >= 8 ? 384 : panels >= 4 ? 192 : 96;
    return rows == INT32_MAX ? rows : (rows + e->l->tile_rows - 1) / e->l->tile_rows * e->l->tile_rows;
}

GfStatus cpu_emit_tile(Emit *e, const char *name)
{
    Ll *l = e->l;
    Tiles t = {0};

    GF_TRY(collect(e, &t));
    GF_TRY(emit_begin(e, name, cpu_tile_packs(e->r).count));
    GfDim cols = e->r->cols;
    t.vectors = gemm_panel_vectors(l, cols);
    int64_t panel = (int64_t)t.vectors * l->width, rows = rows_a_task(e, (emit_dim_max(e, cols) + panel - 1) / panel);
    t.whole = cols.symbol == GF_CONSTANT && cols.size % panel == 0;
    e->self = &t;
    e->source = tile_source;
    reserve(e, &t);

    V all = emit_dim(e, e->r->rows), chunks = ll_ceil_div(l, all, ll_i(l, rows));
    Loop task = ll_for(l, e->begin, e->end, 1);
    V from = ll_mul(l, ll_srem(l, task.i, chunks), ll_i(l, rows));
    emit_task(e, &t, ll_sdiv(l, task.i, chunks), from, ll_min(l, ll_add(l, from, ll_i(l, rows)), all));
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {cols, e->r->rows}, .unit = {panel, rows}};
    return GF_OK;
}

/* ---- packing once ---------------------------------------------------------------------------- */

int64_t cpu_pack_bytes(const Ll *l, const GfNode *product)
{
    Product p = gemm_product(product);
    int64_t w = l->width, panel = gemm_panel_vectors(l, p.cols) * w;
    return (p.cols.size + panel - 1) / panel * ((p.inner.size + w - 1) / w * w) * panel * 4;
}

void cpu_pack_key(const GfNode *product, GfText *out)
{
    Product p = gemm_product(product);
    gf_text_add(out, "pack %lld %lld", (long long)p.cols.size, (long long)p.inner.size);
}

/* Buffers: the weight, the panels. */
GfStatus cpu_emit_pack(Emit *e, const GfNode *product, const char *name)
{
    Ll *l = e->l;
    Product p = gemm_product(product);
    GfRegion none = {0};

    e->r = &none;
    GF_TRY(emit_begin(e, name, 2));
    unsigned vectors = gemm_panel_vectors(l, p.cols);
    int64_t panel = (int64_t)vectors * l->width;
    V inner = emit_dim(e, p.inner), cols = emit_dim(e, p.cols);
    Loop task = ll_for(l, e->begin, e->end, 1);
    V to = ll_at(l, l->f32, e->bases[1], ll_mul(l, task.i, panel_stride(e, &p, vectors)));
    gemm_pack_transposed(e, e->bases[0], inner, ll_mul(l, task.i, ll_i(l, panel)), cols, p.cols.size % panel == 0,
                         vectors, to);
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {p.cols, gf_dim_const(1)}, .unit = {panel, 1}};
    return GF_OK;
}
