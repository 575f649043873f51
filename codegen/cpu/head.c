/* head.c -- the product that is computed in front of a tile.
 *
 *   y = x W' + s (x A') B'     for a block of rows:
 *     t = x A'                 [rows, r], in scratch: here
 *     s t                      into the rows that the tiles' product with B' reads (tile.c)
 *     s t, t                   to memory, where somebody else reads them: here
 *
 * A task has all panels of its rows, or as many as its scratch holds; where there are
 * several such groups each computes the head, with the same bits, and the first stores it.
 * The microkernel is that of the tiles, so an element is one sequence of multiply-adds here, too.
 */
#include "codegen/cpu/tile.h"
#include "ir/kernel.h"

void head_init(Emit *e, Tiles *t, const GfNode *n)
{
    Head *h = &t->head;

    *h = (Head){.node = n, .product = gemm_product(n)};
    h->vectors = gemm_panel_vectors(e->l, h->product.cols);
    h->panel = (int64_t)h->vectors * e->l->width;
    h->panels = (h->product.cols.size + h->panel - 1) / h->panel;
}

void head_reserve(Emit *e, Tiles *t)
{
    Head *h = &t->head;
    int64_t width = e->l->width;

    h->packed = emit_scratch(e, h->panels * gemm_panel_floats(e, h->product.inner, h->vectors) * 4);
    h->rows = emit_scratch(e, h->panels * t->block * h->panel * 4);
    if (e->inside[h->product.a->node->id])
        h->a_rows = emit_scratch(e, (t->block * emit_dim_max(e, h->product.inner) + width) * 4);
}

static V panel_of_b(Emit *e, const Head *h, V index)
{
    V stride = tile_panel_stride(e, &h->product, h->vectors);
    return ll_at(e->l, e->l->f32, h->packed, ll_mul(e->l, index, stride));
}

void head_pack(Emit *e, Tiles *t)
{
    Ll *l = e->l;
    const Head *h = &t->head;
    bool whole = h->product.cols.size % h->panel == 0;
    Loop i = ll_for(l, ll_i(l, 0), ll_i(l, h->panels), 1);

    tile_pack_panel(e, &h->product, ll_mul(l, i.i, ll_i(l, h->panel)), whole, h->vectors, panel_of_b(e, h, i.i));
    ll_end(l, &i);
}

/* ---- a block of rows -------------------------------------------------------------------- */

/* Where row `in_block` of panel `index` begins. */
static V row_at(Emit *e, const Tiles *t, V index, V in_block)
{
    Ll *l = e->l;
    V row = ll_add(l, ll_mul(l, index, ll_i(l, t->block)), in_block);
    return ll_mul(l, row, ll_i(l, t->head.panel));
}

void head_compute(Emit *e, Tiles *t, V row, V count)
{
    Ll *l = e->l;
    Head *h = &t->head;
    const Product *p = &h->product;
    V inner = emit_dim(e, p->inner), base = h->a_rows ? h->a_rows : emit_base(e, p->a);
    V before = h->a_rows ? ll_i(l, 0) : row;

    h->first = row;
    if (h->a_rows)
        tile_compute_rows(e, p, row, count, h->a_rows);
    Loop panel = ll_for(l, ll_i(l, 0), ll_i(l, h->panels), 1);
    Loop i = ll_for(l, ll_i(l, 0), count, l->tile_rows);
    V rows = ll_min(l, ll_sub(l, count, i.i), ll_i(l, l->tile_rows));
    V a = ll_at(l, l->f32, base, ll_mul(l, ll_add(l, before, i.i), inner));
    V to = ll_at(l, l->f32, h->rows, row_at(e, t, panel.i, i.i));
    gemm_tile(e, h->vectors, rows, inner, a, tile_row_stride(e, p), (Stride){1, NULL}, panel_of_b(e, h, panel.i), to);
    ll_end(l, &i);
    ll_end(l, &panel);
}

V head_value(Emit *e, const Tiles *t, Point p)
{
    Ll *l = e->l;
    const Head *h = &t->head;
    V panel = ll_sdiv(l, p.col, ll_i(l, h->panel)), col = ll_srem(l, p.col, ll_i(l, h->panel));
    V at = ll_add(l, row_at(e, t, panel, ll_sub(l, p.row, h->first)), col);
    V y = ll_vload(l, h->rows, at, NULL);

    return h->product.bias ? ll_fadd(l, y, emit_value(e, h->product.bias, p)) : y;
}

/* ---- outputs ------------------------------------------------------------------------------ */

static void store_point(Emit *e, void *self, Point p)
{
    Ll *l = e->l;
    const GfValue *v = self;
    V at = ll_add(l, ll_mul(l, p.row, emit_dim(e, v->type.dims[1])), p.col);

    emit_fresh(e);
    ll_vstore(l, emit_value(e, v, p), emit_base(e, v), at, p.mask);
}

void head_store(Emit *e, Tiles *t, V count)
{
    Ll *l = e->l;

    for (uint32_t k = 0; k < e->r->output_count; k++) {
        GfValue *v = e->r->outputs[k];
        if (!gf_kernel_is_head(v->node))
            continue;
        Loop i = ll_for(l, ll_i(l, 0), count, 1);
        emit_walk(e, ll_add(l, t->head.first, i.i), v->type.dims[1], store_point, v);
        ll_end(l, &i);
    }
}
