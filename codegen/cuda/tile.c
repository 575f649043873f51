/* tile.c -- kernels around matrix products.
 *
 * A block computes a tile of the region's domain: every product of the region
 * fills accumulators, then the epilogue computes the outputs from them: bias,
 * gelu, dropout, residual, and the low-rank product of LoRA, which is just a
 * second product of the same region.  An operand that the region computes itself
 * (a prologue) is computed while it is put into shared memory.  A head (a product of
 * few columns, of which another multiplies the rows on) is a tile of its own before
 * them, kept in shared memory; the blocks of the first columns store it.  A tail (a
 * product that sums over the rows) is computed by these blocks, too, a few of its rows at a
 * time over the block's own rows; what the blocks have is added like the parts of a tile.
 *
 * Where few tiles have a long inner dim, several blocks share a tile and their
 * sums are added in a fixed order by the last one (gf_join).
 *
 * The tile is that of device/tile.cuh, or that of device/hopper.cuh (hopper.c).
 */
#include "codegen/cuda/tile.h"

#include "codegen/cuda/ops.h"
#include "codegen/lower.h"
#include "ir/kernel.h"

#include <string.h>

enum { DEPTH = 32, PAD = 4, NARROW = 16, BROAD = 64, BROADEST = 128 };
enum { MAX_SPLITS = 8, MOST_SUMS = 128 };

const CudaOp cuda_linear = {0};
const CudaOp cuda_matmul = {0};

static void from_plain(CudaEmit *e, Tiles *t, const Operand *o, const char *end);

static const TileKind plain = {"GfTile", DEPTH, from_plain};

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
        if (gf_kernel_is_tail(n)) {
            if (gf_region_is_output(e->r, &n->results[0]))
                t->tail = product_of(n);
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

/* A size of tiles, and what DEPTH of the inner dim takes a multiprocessor, in cycles:
 * for each of several blocks that it holds, and at least, when it waits for memory.
 * From the times of bert-base's kernels on an H200 (tests/bench/RESULTS.md). */
typedef struct Size {
    int bm, bn, cycles, least;
} Size;

static const Size sizes[] = {{128, 128, 1200, 1500}, {64, 128, 760, 1000}, {64, 64, 420, 900}};

/* Three quarters of the most: batches are of so many examples, and few are the longest. */
static int64_t usual(const CudaEmit *e, GfDim dim)
{
    int64_t most = cuda_dim_max(e, dim);

    return dim.symbol == GF_CONSTANT ? most : most - most / 4;
}

/* Cycles of the busiest multiprocessor.  Larger tiles read less, smaller ones spread
 * better; blocks that share a tile write their parts, and the last one reads them all. */
static int64_t cost_of(const CudaEmit *e, const Tiles *t, Size s, int64_t splits)
{
    enum { START = 2000, PER_KILO = 375, BYTES = 24 }; /* of a block; per 1024 elements; a cycle moves */
    int64_t tasks = tiles_of(usual(e, e->r->rows), s.bm) * tiles_of(usual(e, e->r->cols), s.bn);
    int64_t blocks = tiles_of(tasks * splits * e->together, MULTIPROCESSORS), size = s.bm * s.bn, depth = 0;
    int64_t block = START + size * PER_KILO / 1024;

    for (uint32_t i = 0; i < t->count; i++)
        depth += tiles_of(usual(e, t->product[i].inner), DEPTH * splits);
    if (splits > 1)
        block += (1 + splits) * size * 4 * t->count / BYTES;
    return depth * (blocks * s.cycles > s.least ? blocks * s.cycles : s.least) + blocks * block;
}

/* The number of blocks a tile with the least cost, which is put into *cost. */
static uint32_t choose_splits(const CudaEmit *e, const Tiles *t, Size s, int64_t *cost)
{
    int64_t most = s.bm == BROADEST ? 1 : tile_longest(e, t) / LEAST_SPLIT; /* large parts cost too much */
    uint32_t best = 1;

    *cost = cost_of(e, t, s, 1);
    for (uint32_t splits = 2; splits <= most && splits <= MAX_SPLITS; splits++) {
        int64_t other = cost_of(e, t, s, splits);
        if (other < *cost) {
            *cost = other;
            best = splits;
        }
    }
    return best;
}

static int threads_of(int bm)
{
    return bm == BROADEST ? 256 : 128;
}

/* Where multiplying costs little, and the sums of a larger tile fit into registers. */
static bool may_be_large(const CudaEmit *e, const Tiles *t, Size s)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->product[i].precision, "GfExact") == 0)
            return false;
    if (e->features.tile.rows && (e->features.tile.rows != s.bm || e->features.tile.columns != s.bn))
        return false;
    return !t->head.node && !t->tail.node && (int)t->count * s.bm * s.bn / threads_of(s.bm) <= MOST_SUMS;
}

static Size choose_size(CudaEmit *e, const Tiles *t)
{
    int64_t rows = cuda_dim_max(e, e->r->rows), cols = cuda_dim_max(e, e->r->cols), cost, least;
    Size best = {rows <= NARROW && cols > NARROW ? NARROW : BROAD, cols <= NARROW ? NARROW : BROAD, 420, 900};
    bool named = e->features.tile.rows > 0;

    e->splits = choose_splits(e, t, best, &least);
    if (!named && (best.bm == NARROW || best.bn == NARROW))
        return best;
    if (named)
        least = INT64_MAX;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t splits = choose_splits(e, t, sizes[i], &cost);
        if (cost >= least || !may_be_large(e, t, sizes[i]))
            continue;
        least = cost;
        best = sizes[i];
        e->splits = splits;
    }
    return best;
}

/* Bytes of a tile's operand in shared memory: GfOperand of tile.cuh. */
static int operand_bytes(const Product *p, int outer, bool deep)
{
    if (strcmp(p->precision, "GfBf16") == 0)
        return outer * DEPTH * 2;
    return 4 * (deep ? outer * (DEPTH + PAD) : DEPTH * (outer + PAD));
}

/* Two of a product's tiles of a tile bm x bn. */
static uint32_t turn_bytes(const Product *p, int bm, int bn)
{
    return (uint32_t)(2 * (operand_bytes(p, bm, p->deep_a) + operand_bytes(p, bn, p->deep_b)));
}

/* Bytes that the sums pass through at the end: gf_finish of tile.cuh. */
static uint32_t finish_bytes(const Tiles *t, uint32_t warps)
{
    int across = t->bn < 32 ? 1 : t->bm < 32 || t->bm * t->bn > 128 * 64 ? 4 : 2; /* warps: warps_n of GfTile */

    return warps * t->count * 16 * (uint32_t)(t->bn / across + 8) * 4;
}

static void reserve_head(CudaEmit *e, Tiles *t)
{
    GfDim cols = cuda_shape(&t->head.node->results[0].type).cols;

    t->head_bn = t->bm > NARROW && cols.size <= NARROW ? NARROW : BROAD;
    uint32_t bytes = turn_bytes(&t->head, t->bm, t->head_bn);
    e->shared = bytes > e->shared ? bytes : e->shared;
    t->head_rows = e->shared;
    e->shared += (uint32_t)(t->bm * t->head_bn) * 4;
}

/* The tile of tile.cuh, which suits any product. */
static void choose_plain(CudaEmit *e, Tiles *t)
{
    Size s = choose_size(e, t);

    t->kind = &plain;
    t->bm = s.bm;
    t->bn = s.bn;
    t->sizes = cuda_text(e, "%d, %d", t->bm, t->bn);
    e->threads = (uint32_t)threads_of(t->bm);
    e->least_blocks = t->bm == BROADEST && t->count == 1 ? 2 : 1;
    e->shared = finish_bytes(t, e->threads / 32);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t bytes = turn_bytes(&t->product[i], t->bm, t->bn);
        e->shared = bytes > e->shared ? bytes : e->shared;
    }
    if (t->head.node)
        reserve_head(e, t);
}

static int64_t most_tasks(const CudaEmit *e, const Tiles *t)
{
    return tiles_of(cuda_dim_max(e, e->r->rows), t->bm) * tiles_of(cuda_dim_max(e, e->r->cols), t->bn);
}

static int tail_bn(const Tiles *t)
{
    return cuda_shape(&t->tail.node->results[0].type).cols.size <= NARROW ? NARROW : BROAD;
}

/* Tiles of BROAD rows, to each of which all blocks along the rows add. */
static int64_t tail_tiles(const Tiles *t)
{
    return tiles_of(cuda_shape(&t->tail.node->results[0].type).rows.size, BROAD);
}

static void reserve_tail(CudaEmit *e, Tiles *t)
{
    int64_t tiles = tail_tiles(t);
    int64_t blocks = tiles_of(cuda_dim_max(e, e->r->rows), t->bm);
    uint32_t bytes = turn_bytes(&t->tail, BROAD, tail_bn(t));

    e->shared = bytes > e->shared ? bytes : e->shared;
    t->tail_scratch = (uint32_t)(e->scratch_bytes / 4);
    e->scratch_bytes += tiles * 4 + tiles * blocks * BROAD * tail_bn(t) * 4;
}

static void reserve(CudaEmit *e, Tiles *t)
{
    if (t->tail.node || !hopper_choose(e, t))
        choose_plain(e, t);
    e->work = (GfWork){.dim = {e->r->cols, e->r->rows}, .unit = {t->bn, t->bm}};
    if (e->splits > 1)
        e->scratch_bytes = most_tasks(e, t) * (1 + (int64_t)e->splits * t->count * t->bm * t->bn) * 4; /* see gf_join */
    if (t->tail.node)
        reserve_tail(e, t);
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

    for (uint32_t i = 0; t->done && i < t->count; i++) {
        const Product *p = &t->product[i];
        if (p->node != v->node)
            continue;
        return write_source(e, v, p, cuda_text(e, "sum[%u]", p->index));
    }
    return NULL;
}

/* ---- operands ------------------------------------------------------------------------ */

void tile_computed(CudaEmit *e, Tiles *t, const Operand *o, const char *end)
{
    t->done = false;
    cuda_fresh(e);
    cuda_line(e, "return %s;", cuda_value(e, o->value));
    cuda_close(e, end);
}

static void from_plain(CudaEmit *e, Tiles *t, const Operand *o, const char *end)
{
    GfDim across = o->deep ? o->inner : o->outer;
    const char *deep = o->deep ? "true" : "false", *wide = cuda_is_wide(across) ? "true" : "false",
               *outer = cuda_dim(e, o->outer), *inner = cuda_dim(e, o->inner);

    if (!e->inside[o->value->node->id]) {
        cuda_line(e, "GfMemory<%d, %s, %u, %s>(%s, %s, %s, %s, %s)%s", o->size, deep, e->threads, wide,
                  cuda_pointer(e, o->value), cuda_dim(e, across), o->first, outer, inner, end);
        return;
    }
    cuda_open(e, "gf_computed<%d, %s, %u, %s>(%s, %s, %s, [&](int row, int col)", o->size, deep, e->threads, wide,
              o->first, outer, inner);
    tile_computed(e, t, o, cuda_text(e, ")%s", end));
}

static Operand operand_of(const Product *p, bool second, GfDim outer, int size, const char *first)
{
    return (Operand){second ? p->b : p->a, outer, p->inner, size, first, second ? p->deep_b : p->deep_a};
}

/* The two operands, which end the call of `product`. */
static void write_operands(CudaEmit *e, Tiles *t, const Operand *a, const Operand *b)
{
    e->indent++;
    t->kind->from(e, t, a, ",");
    t->kind->from(e, t, b, ");");
    e->indent--;
}

static void write_product(CudaEmit *e, Tiles *t, Product *p)
{
    Operand a = operand_of(p, false, e->r->rows, t->bm, "tile.row");
    Operand b = operand_of(p, true, e->r->cols, t->bn, "tile.col");
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
    write_operands(e, t, &a, &b);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Outputs of the region that belong to the head, or to the tiles; none without memory. */
static GfValue **outputs_of(CudaEmit *e, bool head, uint32_t *count)
{
    GfValue **outputs = GF_NEW_ARRAY(e->arena, GfValue *, e->r->output_count + 1);

    *count = 0;
    for (uint32_t i = 0; outputs && i < e->r->output_count; i++) {
        const GfNode *n = e->r->outputs[i]->node;
        if (gf_kernel_is_head(n) == head && !gf_kernel_is_tail(n))
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
    Operand a = operand_of(p, false, e->r->rows, t->bm, "head.row");
    Operand b = operand_of(p, true, cols, t->head_bn, "head.col");
    const char *inner = cuda_dim(e, p->inner), *rows = cuda_dim(e, e->r->rows), *width = cuda_dim(e, cols);
    uint32_t count;

    cuda_line(e, "%s", "");
    cuda_line(e, "// the head, %s: inner dim %s", gf_op_text(p->node->op), inner);
    cuda_line(e, "%s<%d, %d> head(tile.row, 0);", t->kind->tile, t->bm, t->head_bn);
    cuda_line(e, "float *head_rows = (float *)(gf_shared_memory() + %u);", t->head_rows);
    cuda_line(e, "float head_acc[head.elements] = {};");
    cuda_line(e, "head.product<%s, %s, %s>(head_acc, 0, %s,", p->precision, p->deep_a ? "true" : "false",
              p->deep_b ? "true" : "false", inner);
    write_operands(e, t, &a, &b);
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

/* ---- the tail -------------------------------------------------------------------------------- */

/* The last block that adds to a tile of the tail stores it. */
static void write_tail_join(CudaEmit *e, const Tiles *t)
{
    const GfValue *y = &t->tail.node->results[0];
    CudaShape shape = cuda_shape(&y->type);
    const char *cols = cuda_dim(e, shape.cols);
    const char *blocks = cuda_text(e, "(%s + %d) / %d", cuda_dim(e, e->r->rows), t->bm - 1, t->bm);

    cuda_line(e, "if (gf_join<tail.elements, %u>(tail_acc, scratch + %u, %lld, tail_row / %d, task / blocks, %s))",
              e->threads, t->tail_scratch, (long long)tail_tiles(t), BROAD, blocks);
    cuda_line(e,
              "    tail.each(%s, %s, [&](int row, int col, int i) { %s[(long long)row * %s + col] = tail_acc[i]; });",
              cuda_dim(e, shape.rows), cols, cuda_pointer(e, y), cols);
}

/* The blocks of the first columns add up their rows; where several share a tile, each does
 * so for about those columns of a that it has read for its part. */
static void write_tail(CudaEmit *e, Tiles *t)
{
    const Product *p = &t->tail;
    CudaShape shape = cuda_shape(&p->node->results[0].type);
    int bn = tail_bn(t);
    Operand a = operand_of(p, false, shape.rows, BROAD, "tail.row");
    Operand b = operand_of(p, true, shape.cols, bn, "tail.col");
    const char *begin = "0", *end = cuda_dim(e, shape.rows);

    if (e->splits > 1) {
        begin = cuda_text(e, "gf_split<%d>(%s, part, %u)", BROAD, end, e->splits);
        end = cuda_text(e, "gf_split<%d>(%s, part + 1, %u)", BROAD, end, e->splits);
    }
    cuda_line(e, "%s", "");
    cuda_line(e, "// the tail, %s: the rows of this block", gf_op_text(p->node->op));
    cuda_open(e, "for (int tail_row = %s; tile.col == 0 && tail_row < %s; tail_row += %d)", begin, end, BROAD);
    cuda_line(e, "%s<%d, %d> tail(tail_row, 0);", t->kind->tile, BROAD, bn);
    cuda_line(e, "float tail_acc[tail.elements] = {};");
    cuda_line(e, "tail.product<%s, false, false>(tail_acc, tile.row, (int)gf_least(tile.row + %d, %s),", p->precision,
              t->bm, cuda_dim(e, e->r->rows));
    write_operands(e, t, &a, &b);
    write_tail_join(e, t);
    cuda_close(e, "");
}

/* ---- the kernel --------------------------------------------------------------------------- */

/* The counters lie where they lie for all sizes of a batch: from one run to the next
 * they hold zeros, and no run may have put its sums there. */
static void write_join(CudaEmit *e, const Tiles *t)
{
    cuda_line(e, "%s", "");
    cuda_line(e, "if (!gf_join<%u * tile.elements, %u>(acc, scratch, %lld, task, part, %u))", t->count, e->threads,
              (long long)most_tasks(e, t), e->splits);
    cuda_line(e, "    return;");
}

static void write_epilogue(CudaEmit *e, Tiles *t)
{
    uint32_t count;
    GfValue **outputs = outputs_of(e, false, &count);

    if (!count) /* the head or the tail alone is read */
        return;
    cuda_line(e, "%s", "");
    t->done = true;
    cuda_store_quads(e, cuda_text(e, "tile.finish<%u, ", t->count),
                     cuda_text(e, "acc, %s, %s", cuda_dim(e, e->r->rows), cuda_dim(e, e->r->cols)), outputs, count);
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
    if (t.tail.node)
        write_tail(e, &t);
    if (e->splits > 1)
        write_join(e, &t);
    write_epilogue(e, &t);
    cuda_end(e);
    return GF_OK;
}
