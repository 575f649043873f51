/* tile.c -- kernels around matrix products.
 *
 * A block computes a tile of the region's domain: every product of the region
 * fills accumulators, then the epilogue computes the outputs from them: bias,
 * gelu, dropout, residual, and the low-rank product of LoRA, which is just a
 * second product of the same region.  An operand that the region computes itself
 * (a prologue) is computed while it is put into shared memory.  A head (a product of
 * few columns, of which another multiplies the rows on) is a tile of its own before
 * them, kept in shared memory; the blocks of the first columns store it.
 *
 * Where few tiles have a long inner dim, several blocks share a tile and their
 * sums are added in a fixed order by the last one (gf_join).
 *
 * The tile is that of device/tile.cuh, or that of device/hopper.cuh (hopper.c).
 */
#include "codegen/cuda/tile.h"

#include "codegen/cuda/ops.h"
#include "ir/kernel.h"

#include <string.h>

enum { TILE_THREADS = 128, DEPTH = 32, STAGES = 3, PAD = 4, NARROW = 16, BROAD = 64 };
enum { BUSY_TASKS = 96, WANTED_BLOCKS = 132, LEAST_SPLIT = 256, MAX_SPLITS = 8 };

const CudaOp cuda_linear = {0};
const CudaOp cuda_matmul = {0};

static const TileKind plain = {"GfTile", "GfOperand", "", "gf_load", "gf_compute", DEPTH};

/* ---- what the region holds ------------------------------------------------------- */

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
        if (!gf_is_product(n))
            continue;
        if (gf_kernel_is_head(n)) {
            t->head = product_of(n);
            continue;
        }
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

/* Bytes of a product's stages of a tile bm x bn. */
static uint32_t stage_bytes(const Product *p, int bm, int bn)
{
    return (uint32_t)(STAGES * (operand_floats(bm, p->deep_a) + operand_floats(bn, p->deep_b))) * 4;
}

static void reserve_head(CudaEmit *e, Tiles *t)
{
    GfDim cols = cuda_shape(&t->head.node->results[0].type).cols;

    t->head_bn = t->bm > NARROW && cols.size <= NARROW ? NARROW : BROAD;
    uint32_t bytes = stage_bytes(&t->head, t->bm, t->head_bn);
    e->shared = bytes > e->shared ? bytes : e->shared;
    t->head_rows = e->shared;
    e->shared += (uint32_t)(t->bm * t->head_bn) * 4;
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
        uint32_t bytes = stage_bytes(&t->product[i], t->bm, t->bn);
        e->shared = bytes > e->shared ? bytes : e->shared;
    }
    if (t->head.node)
        reserve_head(e, t);
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

/* The line that has the value at the point. */
static const char *write_source(CudaEmit *e, const GfValue *v, const Product *p, const char *sum)
{
    if (p->bias)
        sum = cuda_text(e, "%s + %s", sum, cuda_value(e, p->bias));
    cuda_line(e, "const float %s = %s;", cuda_name(e, v), sum);
    e->done[(size_t)v->node->id * 3] = true;
    return cuda_name(e, v);
}

static const char *tile_source(CudaEmit *e, const GfValue *v)
{
    const Tiles *t = e->self;

    if (v->node == t->head.node)
        return write_source(e, v, &t->head, cuda_text(e, "head_rows[(row - tile.row) * %d + col]", t->head_bn));

    for (uint32_t i = 0; t->index && i < t->count; i++) {
        const Product *p = &t->product[i];
        if (p->node != v->node)
            continue;
        const char *sum = cuda_text(e, p->index ? "acc[%s + %u * tile.elements]" : "acc[%s]", t->index, p->index);
        return write_source(e, v, p, sum);
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

/* The two loaders, which end the call of `product`. */
static void write_loaders(CudaEmit *e, Tiles *t, const Product *p, const Operand *a, const Operand *b)
{
    e->indent++;
    write_loader(e, t, p, a);
    cuda_close(e, ",");
    write_loader(e, t, p, b);
    cuda_close(e, ");");
    e->indent--;
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
    write_loaders(e, t, p, &a, &b);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Outputs of the region that belong to the head, or those that do not; none without memory. */
static GfValue **outputs_of(CudaEmit *e, bool head, uint32_t *count)
{
    GfValue **outputs = GF_NEW_ARRAY(e->arena, GfValue *, e->r->output_count + 1);

    *count = 0;
    for (uint32_t i = 0; outputs && i < e->r->output_count; i++) {
        if (gf_kernel_is_head(e->r->outputs[i]->node) == head)
            outputs[(*count)++] = e->r->outputs[i];
    }
    return outputs;
}

/* Every block computes the head of its rows whole, whatever columns and part it has.
 * `product` begins with a barrier, so the next one finds all of head_rows. */
static void write_head(CudaEmit *e, Tiles *t)
{
    const Product *p = &t->head;
    GfDim cols = cuda_shape(&p->node->results[0].type).cols;
    Operand a = {p->a, e->r->rows, "head.row", operand_type(e, t->kind, t->bm, p->deep_a), p->deep_a};
    Operand b = {p->b, cols, "head.col", operand_type(e, t->kind, t->head_bn, p->deep_b), p->deep_b};
    const char *inner = cuda_dim(e, p->inner), *rows = cuda_dim(e, e->r->rows), *width = cuda_dim(e, cols);
    uint32_t count;

    cuda_line(e, "%s", "");
    cuda_line(e, "// the head, %s: inner dim %s", gf_op_text(p->node->op), inner);
    cuda_line(e, "%s<%d, %d> head(tile.row, 0);", t->kind->tile, t->bm, t->head_bn);
    cuda_line(e, "float *head_rows = (float *)(gf_shared_memory() + %u);", t->head_rows);
    cuda_line(e, "float head_acc[head.elements] = {};");
    cuda_line(e, "head.product<%s, %s, %s>(head_acc, 0, %s,", p->precision, p->deep_a ? "true" : "false",
              p->deep_b ? "true" : "false", inner);
    write_loaders(e, t, p, &a, &b);
    cuda_line(
        e, "head.each(%s, %s, [&](int row, int col, int i) { head_rows[(row - tile.row) * %d + col] = head_acc[i]; });",
        rows, width, t->head_bn);
    GfValue **outputs = outputs_of(e, true, &count);
    if (!count)
        return;
    cuda_line(e, "if (tile.col == 0%s)", e->splits > 1 ? " && part == 0" : "");
    e->indent++;
    cuda_open(e, "head.each(%s, %s, [&](int row, int col, int)", rows, width);
    cuda_fresh(e);
    cuda_store(e, outputs, count);
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
    uint32_t count;
    GfValue **outputs = outputs_of(e, false, &count);

    cuda_line(e, "%s", "");
    cuda_open(e, "tile.each(%s, %s, [&](int row, int col, int i)", cuda_dim(e, e->r->rows), cuda_dim(e, e->r->cols));
    t->index = "i";
    cuda_fresh(e);
    cuda_store(e, outputs, count);
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
    if (t.head.node)
        write_head(e, &t);
    for (uint32_t i = 0; i < t.count; i++)
        write_product(e, &t, &t.product[i]);
    if (e->splits > 1)
        write_join(e, &t);
    write_epilogue(e, &t);
    cuda_end(e);
    return GF_OK;
}
