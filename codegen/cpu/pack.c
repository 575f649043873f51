/* pack.c -- weights of products that are packed once.
 *
 * A frozen weight is packed before the first step into the panels that the
 * microkernel reads, by a kernel of its own.  A product and the gradient by its
 * input read the same panels.
 */
#include "codegen/cpu/tile.h"
#include "ir/kernel.h"

/* Weights that never change and are read transposed are packed once. */
static bool packs_once(const GfNode *n)
{
    const GfNode *b = gf_operand(n, 1)->node;
    Product p = gemm_product(n);
    return b->op == GF_OP_PARAM && b->frozen && p.b_transposed && p.inner.symbol == GF_CONSTANT &&
           p.cols.symbol == GF_CONSTANT;
}

const GfNode *tile_packer(const GfNode *n)
{
    const GfValue *b = gf_operand(n, 1);

    if (packs_once(n))
        return n;
    for (const GfUse *u = gemm_product(n).b_transposed ? NULL : b->uses; u; u = u->next) {
        if (gf_is_product(u->user) && u == &u->user->operands[1] && packs_once(u->user))
            return u->user;
    }
    return NULL;
}

TilePacks cpu_tile_packs(const GfRegion *r)
{
    TilePacks packs = {0};

    for (uint32_t i = 0; r->kind == GF_REGION_TILE && i < r->node_count && packs.count < MAX_PRODUCTS; i++) {
        const GfNode *n = r->nodes[i];
        bool tile = gf_is_product(n) && !gf_kernel_is_head(n) && !gf_kernel_is_tail(n);
        const GfNode *packer = tile ? tile_packer(n) : NULL;
        if (!packer)
            continue;
        packs.product[packs.count] = n;
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

/* ---- panels ---------------------------------------------------------------------------------- */

V tile_panel_stride(Emit *e, const Product *p, unsigned vectors)
{
    return ll_mul(e->l, ll_round_up(e->l, emit_dim(e, p->inner), e->l->width),
                  ll_i(e->l, (int64_t)vectors * e->l->width));
}

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
    V to = ll_at(l, l->f32, e->bases[1], ll_mul(l, task.i, tile_panel_stride(e, &p, vectors)));
    Transposed b = {e->bases[0], inner, inner};
    gemm_pack_transposed(e, &b, ll_mul(l, task.i, ll_i(l, panel)), cols, p.cols.size % panel == 0, vectors, to);
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {p.cols, gf_dim_const(1)}, .unit = {panel, 1}};
    return GF_OK;
}
