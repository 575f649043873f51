/* gemm.c -- the matrix microkernel and the packing of its operands.
 *
 * The microkernel keeps a tile of rows x (vectors * width) accumulators in
 * registers (12 x 32 with AVX-512: 24 of 32 registers), reads b from a packed
 * panel (k-major, so one k-step is `vectors` consecutive vectors) and a in
 * place, or from a strip where it is stored transposed, one broadcast an element.  The finished tile goes to a buffer
 * in the first-level cache, where the epilogue picks it up: some 50 memory operations against inner * rows * vectors
 * multiply-adds, and one microkernel serves all epilogues.
 *
 * Every element is one sequence of multiply-adds over k in order: the result
 * does not depend on how rows and panels are dealt out.
 *
 * Method: Goto & van de Geijn, Anatomy of High-Performance Matrix
 * Multiplication, TOMS 34 (2008); tile choice by registers: Van Zee & van de
 * Geijn, BLIS, TOMS 41 (2015).
 */
#include "codegen/cpu/gemm.h"

#include <stdio.h>

enum { UNROLL = 4, MAX_TILE = 64 };

Product gemm_product(const GfNode *n)
{
    Product p = {.node = n, .a = gf_operand(n, 0), .b = gf_operand(n, 1)};
    Shape y = emit_shape(&n->results[0].type), a = emit_shape(&p.a->type);

    p.b_transposed = n->op == GF_OP_LINEAR || gf_attr_i(n, "transpose_b") != 0;
    p.a_transposed = n->op != GF_OP_LINEAR && gf_attr_i(n, "transpose_a") != 0;
    p.bias = n->op == GF_OP_LINEAR && n->operand_count == 3 ? gf_operand(n, 2) : NULL;
    p.rows = y.rows;
    p.cols = y.cols;
    p.inner = p.a_transposed ? a.rows : a.cols;
    return p;
}

unsigned gemm_panel_vectors(const Ll *l, GfDim cols)
{
    bool narrow = cols.symbol == GF_CONSTANT && cols.size <= l->width;
    return narrow ? 1 : l->tile_vectors;
}

int64_t gemm_panel_floats(Emit *e, GfDim inner, unsigned vectors)
{
    int64_t w = e->l->width;
    return (emit_dim_max(e, inner) + w - 1) / w * w * vectors * w;
}

/* ---- the microkernel ------------------------------------------------------------- */

static V stride_value(Ll *l, Stride s, V argument)
{
    return s.constant >= 0 ? ll_i(l, s.constant) : argument;
}

/* acc[i][v] += a[i, k] b[k, v] */
static void k_step(Ll *l, unsigned rows, unsigned vectors, V a, V row_stride, V b, V *acc)
{
    V bv[8];

    for (unsigned v = 0; v < vectors; v++)
        bv[v] = ll_vload(l, b, ll_i(l, (int64_t)v * l->width), NULL);
    for (unsigned i = 0; i < rows; i++) {
        V x = ll_splat(l, ll_load_f(l, a, ll_mul(l, ll_i(l, i), row_stride)));
        for (unsigned v = 0; v < vectors; v++) {
            V slot = acc[i * vectors + v];
            ll_set(l, slot, ll_fma(l, x, bv[v], ll_get(l, slot)));
        }
    }
}

static void k_steps(Ll *l, unsigned rows, unsigned vectors, V k, unsigned steps, V a, V row_stride, V k_stride, V b,
                    V *acc)
{
    int64_t panel = (int64_t)vectors * l->width;

    for (unsigned u = 0; u < steps; u++) {
        V at = ll_add(l, k, ll_i(l, u));
        k_step(l, rows, vectors, ll_at(l, l->f32, a, ll_mul(l, at, k_stride)), row_stride,
               ll_at(l, l->f32, b, ll_mul(l, at, ll_i(l, panel))), acc);
    }
}

/* void core(inner, a, row stride, k stride, b, tile) */
static LLVMTypeRef core_type(Ll *l)
{
    LLVMTypeRef args[] = {l->i64, l->ptr, l->i64, l->i64, l->ptr, l->ptr};
    return LLVMFunctionType(l->void_, args, 6, false);
}

static void write_core(Ll *l, V f, unsigned rows, unsigned vectors, Stride row, Stride k)
{
    V inner = LLVMGetParam(f, 0), a = LLVMGetParam(f, 1), b = LLVMGetParam(f, 4), tile = LLVMGetParam(f, 5);
    V row_stride = stride_value(l, row, LLVMGetParam(f, 2)), k_stride = stride_value(l, k, LLVMGetParam(f, 3));
    V acc[MAX_TILE];

    for (unsigned i = 0; i < rows * vectors; i++) {
        acc[i] = ll_var(l, l->vf);
        ll_set(l, acc[i], ll_vf(l, 0));
    }
    V whole = ll_sub(l, inner, ll_srem(l, inner, ll_i(l, UNROLL)));
    Loop many = ll_for(l, ll_i(l, 0), whole, UNROLL);
    k_steps(l, rows, vectors, many.i, UNROLL, a, row_stride, k_stride, b, acc);
    ll_end(l, &many);
    Loop rest = ll_for(l, whole, inner, 1);
    k_steps(l, rows, vectors, rest.i, 1, a, row_stride, k_stride, b, acc);
    ll_end(l, &rest);
    for (unsigned i = 0; i < rows * vectors; i++)
        ll_vstore(l, ll_get(l, acc[i]), tile, ll_i(l, (int64_t)i * l->width), NULL);
    LLVMBuildRetVoid(l->b);
}

/* The microkernel of this shape and these strides, written on first use. */
static V core_function(Ll *l, unsigned rows, unsigned vectors, Stride row, Stride k)
{
    char name[96];

    snprintf(name, sizeof name, "product_%ux%u_r%lld_k%lld", rows, vectors * l->width, (long long)row.constant,
             (long long)k.constant);
    V f = LLVMGetNamedFunction(l->module, name);
    if (f)
        return f;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);
    V caller = l->fn;
    f = ll_function(l, name, core_type(l), true);
    write_core(l, f, rows, vectors, row, k);
    l->fn = caller;
    LLVMPositionBuilderAtEnd(l->b, here);
    return f;
}

/* Rows of the microkernels: the whole tile, then smaller ones for what is left. */
static unsigned next_rows(unsigned rows)
{
    return rows > 8 ? 8 : rows > 4 ? 4 : rows > 2 ? 2 : 1;
}

static void run_core(Emit *e, unsigned rows, unsigned vectors, V done, V inner, V a, Stride row, Stride k, V b, V tile)
{
    Ll *l = e->l;
    V row_stride = stride_value(l, row, row.value), k_stride = stride_value(l, k, k.value);
    V from = ll_at(l, l->f32, a, ll_mul(l, done, row_stride));
    V to = ll_at(l, l->f32, tile, ll_mul(l, done, ll_i(l, (int64_t)vectors * l->width)));
    V args[] = {inner, from, row_stride, k_stride, b, to};

    ll_call_void(l, core_function(l, rows, vectors, row, k), args, 6);
}

void gemm_tile(Emit *e, unsigned vectors, V count, V inner, V a, Stride row, Stride k, V b, V tile)
{
    Ll *l = e->l;
    unsigned rows = l->tile_rows;
    V done = ll_var(l, l->i64);

    ll_set(l, done, ll_i(l, 0));
    If whole = ll_if(l, LLVMBuildICmp(l->b, LLVMIntEQ, count, ll_i(l, rows), ""));
    run_core(e, rows, vectors, ll_i(l, 0), inner, a, row, k, b, tile);
    ll_else(l, &whole);
    while (rows > 1) {
        rows = next_rows(rows);
        V after = ll_add(l, ll_get(l, done), ll_i(l, rows));
        If fits = ll_if(l, LLVMBuildICmp(l->b, LLVMIntSLE, after, count, ""));
        run_core(e, rows, vectors, ll_get(l, done), inner, a, row, k, b, tile);
        ll_set(l, done, after);
        ll_fi(l, &fits);
    }
    ll_fi(l, &whole);
}

/* ---- packing ------------------------------------------------------------------------ */

/* A row at a time; two where elements are drawn, the last of an odd number twice: the
 * panel has room for it. */
void gemm_pack_rows(Emit *e, const GfValue *b, V from, V inner, V col, V cols, bool whole, unsigned vectors, V panel)
{
    Ll *l = e->l;
    unsigned rows = emit_draws(e) && vectors == 2 ? 2 : 1, count = rows * vectors;
    Loop k = ll_for(l, ll_i(l, 0), inner, rows);
    V next = ll_min(l, ll_add(l, k.i, ll_i(l, 1)), ll_sub(l, inner, ll_i(l, 1)));
    Point points[POINT_GROUP];

    for (unsigned i = 0; i < count; i++) {
        V at = ll_add(l, col, ll_i(l, (int64_t)(i % vectors) * l->width));
        V mask = whole ? NULL : ll_mask_below(l, at, cols);
        points[i] = (Point){.row = ll_add(l, from, i < vectors ? k.i : next), .col = at, .mask = mask};
    }
    emit_group(points, count);
    for (unsigned i = 0; i < count; i++) {
        V at = ll_add(l, ll_mul(l, k.i, ll_i(l, vectors)), ll_i(l, i));
        emit_fresh(e);
        ll_vstore(l, emit_value(e, b, points[i]), panel, ll_mul(l, at, ll_i(l, l->width)), NULL);
    }
    ll_end(l, &k);
}

/* One block of width x width: rows col.. of b[j,k] become columns of the panel. */
static void pack_block(Emit *e, const Transposed *b, V k, V col, V last, V mask, unsigned vectors, unsigned v, V panel)
{
    Ll *l = e->l;
    V block[64];

    for (unsigned i = 0; i < l->width; i++) {
        /* Columns past the end repeat the last one: read, never used. */
        V row = ll_min(l, ll_add(l, col, ll_i(l, (int64_t)v * l->width + i)), last);
        block[i] = ll_vload(l, b->base, ll_add(l, ll_mul(l, row, b->stride), k), mask);
    }
    ll_transpose(l, block);
    for (unsigned i = 0; i < l->width; i++) {
        V row = ll_mul(l, ll_add(l, k, ll_i(l, i)), ll_i(l, (int64_t)vectors * l->width));
        ll_vstore(l, block[i], panel, ll_add(l, row, ll_i(l, (int64_t)v * l->width)), NULL);
    }
}

void gemm_pack_transposed(Emit *e, const Transposed *b, V col, V cols, bool whole, unsigned vectors, V panel)
{
    Ll *l = e->l;
    V last = whole ? ll_i(l, INT64_MAX) : ll_sub(l, cols, ll_i(l, 1));
    V full = ll_sub(l, b->inner, ll_srem(l, b->inner, ll_i(l, l->width)));

    Loop k = ll_for(l, ll_i(l, 0), full, l->width);
    for (unsigned v = 0; v < vectors; v++)
        pack_block(e, b, k.i, col, last, NULL, vectors, v, panel);
    ll_end(l, &k);
    If rest = ll_if(l, ll_lt(l, full, b->inner));
    for (unsigned v = 0; v < vectors; v++)
        pack_block(e, b, full, col, last, ll_mask_below(l, full, b->inner), vectors, v, panel);
    ll_fi(l, &rest);
}

/* ---- strips of a transposed a --------------------------------------------------------- */

V gemm_strip_stride(Emit *e, V inner)
{
    Ll *l = e->l;
    return ll_add(l, ll_mul(l, inner, ll_i(l, l->tile_rows)), ll_i(l, l->width));
}

int64_t gemm_strip_floats(Emit *e, GfDim inner)
{
    int64_t rows = e->l->tile_rows;
    return BLOCK_ROWS / rows * (emit_dim_max(e, inner) * rows + e->l->width);
}

/* Rows of all strips at each k; what a vector holds beyond tile_rows is overwritten by the next k. */
static void pack_strips(Emit *e, V base, V stride, V inner, V row, bool whole, V strips)
{
    Ll *l = e->l;
    V strip_stride = gemm_strip_stride(e, inner);
    Loop k = ll_for(l, ll_i(l, 0), inner, 1);
    V from = ll_mul(l, k.i, stride), to = ll_mul(l, k.i, ll_i(l, l->tile_rows));

    for (unsigned s = 0; s < BLOCK_ROWS / l->tile_rows; s++) {
        V at = ll_add(l, row, ll_i(l, s * l->tile_rows));
        V x = ll_vload(l, base, ll_add(l, from, at), whole ? NULL : ll_mask_below(l, at, stride));
        ll_vstore(l, x, strips, ll_add(l, to, ll_mul(l, strip_stride, ll_i(l, s))), NULL);
    }
    ll_end(l, &k);
}

void gemm_pack_strips(Emit *e, V base, V stride, V inner, V row, V strips)
{
    Ll *l = e->l;
    V read = ll_add(l, row, ll_i(l, BLOCK_ROWS - l->tile_rows + l->width));

    If whole = ll_if(l, LLVMBuildICmp(l->b, LLVMIntSLE, read, stride, ""));
    pack_strips(e, base, stride, inner, row, true, strips);
    ll_else(l, &whole);
    pack_strips(e, base, stride, inner, row, false, strips);
    ll_fi(l, &whole);
}
