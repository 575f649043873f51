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
 *     pack b of each product            unless packed before; see packer_of
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
    V packed[MAX_PRODUCTS]; /* memory of panels packed before for `packer`, or NULL */
    const GfNode *packer[MAX_PRODUCTS];
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

/* The product whose packed panels `n` reads: itself; or, when n is the gradient dx = dy W
 * beside y = x W^T, that one, so that nobody needs W as it is stored.  NULL: b is not packed. */
static const GfNode *packer_of(const GfNode *n)
{
    const GfValue *b = gf_operand(n, 1);

    if (packs_once(n))
        return n;
    for (const GfUse *u = gemm_product(n).b_transposed ? NULL : b->uses; u; u = u->next) {
        if (is_product(u->user) && u == &u->user->operands[1] && packs_once(u->user))
            return u->user;
    }
    return NULL;
}

TilePacks cpu_tile_packs(const GfRegion *r)
{
    TilePacks packs = {0};

    for (uint32_t i = 0; r->kind == GF_REGION_TILE && i < r->node_count && packs.count < MAX_PRODUCTS; i++) {
        const GfNode *packer = is_product(r->nodes[i]) ? packer_of(r->nodes[i]) : NULL;
        if (!packer)
            continue;
        packs.product[packs.count] = r->nodes[i];
        packs.packer[packs.count++] = packer;
    }
    return packs;
}

bool cpu_tile_reads(const GfRegion *r, const TilePacks *packs, const GfValue *v)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        bool inside = false, packed = false;
        for (uint32_t i = 0; i < r->node_count; i++)
            inside |= r->nodes[i] == u->user;
        for (uint32_t i = 0; i < packs->count; i++)
            packed |= packs->product[i] == u->user && u == &u->user->operands[1];
        if (inside && !packed)
            return true;
    }
    return false;
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
        t->packer[i] = packer_of(p->node);
        t->packed[i] = t->packer[i] ? e->bases[extra++] : NULL;
        t->panel[i] = t->packer[i] == p->node ? NULL : emit_scratch(e, gemm_panel_floats(e, p->inner, t->vectors) * 4);
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
    Transposed b = {emit_base(e, p->b), inner, inner};

    if (p->b_transposed)
        gemm_pack_transposed(e, &b, col, cols, whole, vectors, panel);
    else
        gemm_pack_rows(e, p->b, inner, col, cols, whole, vectors, panel);
}

/* `inner` rows of the panel of product i, from panel `index` of its packer. */
static void repack_rows(Emit *e, Tiles *t, uint32_t i, V index, int64_t inner, V col)
{
    Ll *l = e->l;
    Product *p = &t->product[i], packer = gemm_product(t->packer[i]);
    unsigned vectors = gemm_panel_vectors(l, packer.cols);
    int64_t width = (int64_t)vectors * l->width;
    V to = ll_mul(l, index, ll_i(l, width * t->vectors * l->width));
    Transposed b = {ll_at(l, l->f32, t->packed[i], ll_mul(l, index, panel_stride(e, &packer, vectors))), ll_i(l, width),
                    ll_i(l, inner)};

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

static V find_panel(Emit *e, Tiles *t, uint32_t i, V index, V col)
{
    if (t->packer[i] == t->product[i].node)
        return ll_at(e->l, e->l->f32, t->packed[i], ll_mul(e->l, index, panel_stride(e, &t->product[i], t->vectors)));
    if (t->packer[i])
        repack_panel(e, t, i, col);
    else
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
    Transposed b = {e->bases[0], inner, inner};
    gemm_pack_transposed(e, &b, ll_mul(l, task.i, ll_i(l, panel)), cols, p.cols.size % panel == 0, vectors, to);
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {p.cols, gf_dim_const(1)}, .unit = {panel, 1}};
    return GF_OK;
}
