/* tile.c -- kernels around matrix products.
 *
 * A block computes a tile of the region's domain: every product of the region
 * fills accumulators, then the epilogue computes the outputs from them: bias,
 * gelu, dropout, residual, and the low-rank product of LoRA, which is just a
 * second product of the same region.  An operand that the region computes itself
 * (a prologue) is computed while it is put into shared memory.
 *
 * Where few tiles have a long inner dim, several blocks share a tile and their
 * sums are added in a fixed order by the last one (gf_join).
 *
 * The tile is that of device/tile.cuh, or that of device/hopper.cuh (hopper.c).
 */
#include "codegen/cuda/tile.h"
#include "codegen/cuda/ops.h"

#include <string.h>

enum { TILE_THREADS = 128, DEPTH = 32, STAGES = 3, PAD = 4, NARROW = 16, BROAD = 64 };
enum { BUSY_TASKS = 96, WANTED_BLOCKS = 132, LEAST_SPLIT = 256, MAX_SPLITS = 8 };

const CudaOp cuda_linear = {0};
const CudaOp cuda_matmul = {0};

static const TileKind plain = {"GfTile", "GfOperand", "", "gf_load", "gf_compute", DEPTH};

/* ---- what the region holds ------------------------------------------------------- */

static bool is_product(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_GEMM;
}

static const char *precision_of(const GfNode *n)
{
    const char *round = gf_attr_s(n, "round");

    return !round || !*round ? "GfExact" : strcmp(round, "bf16") == 0 ? "GfBf16" : "GfTf32";
}

static Product product_of(const GfNode *n)
{
    bool linear = n->op == GF_OP_LINEAR;
    Product p = {.node = n, .a = gf_operand(n, 0), .b = gf_operand(n, 1), .precision = precision_of(n)};
    CudaShape a = cuda_shape(&p.a->type);

    p.deep_a = linear || !gf_attr_i(n, "transpose_a");
    p.deep_b = linear || gf_attr_i(n, "transpose_b");
    p.inner = p.deep_a ? a.cols : a.rows;
    p.bias = linear && n->operand_count == 3 ? gf_operand(n, 2) : NULL;
    return p;
}

static GfStatus collect(CudaEmit *e, Tiles *t)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        const GfNode *n = e->r->nodes[i];
        if (!is_product(n))
            continue;
        if (t->count == MAX_PRODUCTS)
            return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "more than %d products in one kernel", MAX_PRODUCTS);
        t->product[t->count] = product_of(n);
        t->product[t->count].index = t->count;
        t->count++;
    }
    return GF_OK;
}

/* ---- sizes ------------------------------------------------------------------------ */

int64_t tile_longest(const CudaEmit *e, const Tiles *t)
{
    int64_t longest = 0;

    for (uint32_t i = 0; i < t->count; i++) {
        int64_t size = cuda_dim_max(e, t->product[i].inner);
        longest = size > longest ? size : longest;
    }
    return longest;
}

/* Blocks that share a tile: so many that the device has work, none with little. */
static uint32_t choose_splits(CudaEmit *e, const Tiles *t, int64_t tasks)
{
    int64_t inner = tile_longest(e, t), splits;

    if (tasks >= BUSY_TASKS)
        return 1;
    splits = WANTED_BLOCKS / tasks;
    splits = splits < inner / LEAST_SPLIT ? splits : inner / LEAST_SPLIT;
    return (uint32_t)(splits < 1 ? 1 : splits > MAX_SPLITS ? MAX_SPLITS : splits);
}

static int operand_floats(int outer, bool deep)
{
    return deep ? outer * (DEPTH + PAD) : DEPTH * (outer + PAD);
}

/* The tile of tile.cuh, which suits any product. */
static void choose_plain(CudaEmit *e, Tiles *t)
{
    int64_t rows = cuda_dim_max(e, e->r->rows), cols = cuda_dim_max(e, e->r->cols);

    t->kind = &plain;
    t->bm = rows <= NARROW && cols > NARROW ? NARROW : BROAD;
    t->bn = cols <= NARROW ? NARROW : BROAD;
    t->sizes = cuda_text(e, "%d, %d", t->bm, t->bn);
    e->threads = TILE_THREADS;
    e->splits = choose_splits(e, t, tiles_of(rows, t->bm) * tiles_of(cols, t->bn) * e->together);
    for (uint32_t i = 0; i < t->count; i++) {
        int stage = operand_floats(t->bm, t->product[i].deep_a) + operand_floats(t->bn, t->product[i].deep_b);
        uint32_t bytes = (uint32_t)(STAGES * stage) * 4;
        e->shared = bytes > e->shared ? bytes : e->shared;
    }
}

static void reserve(CudaEmit *e, Tiles *t)
{
    if (!hopper_choose(e, t))
        choose_plain(e, t);
    int64_t tasks = tiles_of(cuda_dim_max(e, e->r->rows), t->bm) * tiles_of(cuda_dim_max(e, e->r->cols), t->bn);
    e->work = (GfWork){.dim = {e->r->cols, e->r->rows}, .unit = {t->bn, t->bm}};
    if (e->splits > 1)
        e->scratch_bytes = tasks * 4 + tasks * e->splits * t->count * t->bm * t->bn * 4; /* see gf_join */
}

/* ---- values ------------------------------------------------------------------------- */

static const char *tile_source(CudaEmit *e, const GfValue *v)
{
    const Tiles *t = e->self;

    for (uint32_t i = 0; t->index && i < t->count; i++) {
        const Product *p = &t->product[i];
        size_t slot = (size_t)v->node->id * 3;
        if (p->node != v->node)
            continue;
        const char *sum = cuda_text(e, p->index ? "acc[%s + %u * tile.elements]" : "acc[%s]", t->index, p->index);
        if (p->bias)
            sum = cuda_text(e, "%s + %s", sum, cuda_value(e, p->bias));
        cuda_line(e, "const float %s = %s;", cuda_name(e, v), sum);
        e->done[slot] = true;
        return cuda_name(e, v);
    }
    return NULL;
}

/* ---- loading an operand ---------------------------------------------------------------- */

typedef struct Operand {
    const GfValue *value;
    GfDim outer;       /* rows of a, columns of b */
    const char *first; /* of the tile: "tile.row" */
    const char *type;  /* GfOperand<...> */
    bool deep;
} Operand;

/* 16 bytes at a time: lines begin at multiples of 4 elements and end at one. */
static bool is_wide(GfDim line)
{
    return line.symbol == GF_CONSTANT && line.size % 4 == 0;
}

static void write_loader(CudaEmit *e, Tiles *t, const Product *p, const Operand *o)
{
    GfDim across = o->deep ? p->inner : o->outer, lines = o->deep ? o->outer : p->inner;
    const char *line = o->deep ? o->first : "k", *column = o->deep ? "k" : o->first;

    cuda_open(e, "[&](float *to, int k)");
    if (!e->inside[o->value->node->id]) {
        cuda_line(e, "%s<%s, %s>(to, %s, %s, %s, %s, %s, %s);", t->kind->load, o->type,
                  is_wide(across) ? "true" : "false", cuda_pointer(e, o->value), cuda_dim(e, across), line, column,
                  cuda_dim(e, lines), cuda_dim(e, across));
    } else {
        cuda_open(e, "%s<%s>(to, %s, %s, %s, %s, [&](int row, int col)", t->kind->compute, o->type, line, column,
                  cuda_dim(e, lines), cuda_dim(e, across));
        t->index = NULL;
        cuda_fresh(e);
        cuda_line(e, "return %s;", cuda_value(e, o->value));
        cuda_close(e, ");");
    }
}

static const char *operand_type(CudaEmit *e, const TileKind *kind, int outer, bool deep)
{
    return cuda_text(e, "%s<%d, %s%s>", kind->operand, outer, deep ? "true" : "false", kind->more);
}

static void write_product(CudaEmit *e, Tiles *t, Product *p)
{
    Operand a = {p->a, e->r->rows, "tile.row", operand_type(e, t->kind, t->bm, p->deep_a), p->deep_a};
    Operand b = {p->b, e->r->cols, "tile.col", operand_type(e, t->kind, t->bn, p->deep_b), p->deep_b};
    const char *inner = cuda_dim(e, p->inner), *begin = "0", *end = inner;

    cuda_line(e, "%s", "");
    cuda_line(e, "// %s: inner dim %s", gf_op_text(p->node->op), inner);
    if (e->splits > 1) {
        begin = cuda_text(e, "gf_split<%d>(%s, part, %u)", t->kind->depth, inner, e->splits);
        end = cuda_text(e, "gf_split<%d>(%s, part + 1, %u)", t->kind->depth, inner, e->splits);
    }
    cuda_line(e, "tile.product<%s, %s, %s>(acc%s, %s, %s,", p->precision, p->deep_a ? "true" : "false",
              p->deep_b ? "true" : "false", p->index ? cuda_text(e, " + %u * tile.elements", p->index) : "", begin,
              end);
    e->indent++;
    write_loader(e, t, p, &a);
    cuda_close(e, ",");
    write_loader(e, t, p, &b);
    cuda_close(e, ");");
    e->indent--;
}

/* ---- the kernel --------------------------------------------------------------------------- */

static void write_join(CudaEmit *e, const Tiles *t)
{
    const char *tasks = cuda_text(e, "(%s + %d) / %d * blocks", cuda_dim(e, e->r->rows), t->bm - 1, t->bm);

    cuda_line(e, "%s", "");
    cuda_line(e, "if (!gf_join<%u * tile.elements, %u>(acc, scratch, %s, task, part, %u))", t->count, e->threads, tasks,
              e->splits);
    cuda_line(e, "    return;");
}

static void write_epilogue(CudaEmit *e, Tiles *t)
{
    cuda_line(e, "%s", "");
    cuda_open(e, "tile.each(%s, %s, [&](int row, int col, int i)", cuda_dim(e, e->r->rows), cuda_dim(e, e->r->cols));
    t->index = "i";
    cuda_fresh(e);
    cuda_store_outputs(e);
    cuda_close(e, ");");
}

GfStatus cuda_emit_tile(CudaEmit *e)
{
    Tiles t = {0};

    GF_TRY(collect(e, &t));
    reserve(e, &t);
    e->self = &t;
    e->source = tile_source;
    e->row = "row";
    e->col = "col";
    GF_TRY(cuda_begin(e));
    cuda_line(e, "const int blocks = (%s + %d) / %d; // across", cuda_dim(e, e->r->cols), t.bn - 1, t.bn);
    cuda_line(e, "%s<%s> tile(task / blocks * %d, task %% blocks * %d);", t.kind->tile, t.sizes, t.bm, t.bn);
    cuda_line(e, "if (tile.row >= %s)", cuda_dim(e, e->r->rows));
    cuda_line(e, "    return;");
    cuda_line(e, "float acc[%u * tile.elements] = {};", t.count);
    for (uint32_t i = 0; i < t.count; i++)
        write_product(e, &t, &t.product[i]);
    if (e->splits > 1)
        write_join(e, &t);
    write_epilogue(e, &t);
    cuda_end(e);
    return GF_OK;
}
