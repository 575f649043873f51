/* hopper.c -- which kernels take the tile of device/hopper.cuh, and of what size.
 *
 * Only those whose factors are all rounded to bf16 and that are broad both ways:
 * wgmma takes 64 rows at least, and low-rank products wait for memory whatever
 * multiplies them.
 *
 * At the shapes of fine-tuning (a thousand tokens, 768 or 3072 columns) what a
 * multiprocessor reads decides, not what it multiplies, and so does whether the
 * tiles fill the device's multiprocessors evenly.  The size with the least bytes
 * for the busiest of them is taken: larger tiles read less, smaller ones spread
 * better, and sharing the inner dim costs the parts' way through memory.
 */
#include "codegen/cuda/tile.h"

#include <string.h>

enum {
    DEPTH = 64, /* GF_HOPPER_DEPTH, and so on, as in device/hopper.cuh */
    RING = 2,
    ALIGN = 1024,
    BARRIER = 16,
    LEAST = 16,               /* domains this narrow are left alone */
    MOST_SUMS = 128,          /* accumulators of a thread */
    SHARED = 227 * 1024 - 64, /* of a block, less what the headers declare themselves */
    MOST_STAGES = 4,
    MOST_SPLITS = 4
};

/* bytes that cost as much as a block's start and its end */
enum { BLOCK_COST = 48 * 1024 };

typedef struct Size {
    int bm, bn;
} Size;

static const Size sizes[] = {{128, 128}, {128, 96}, {128, 64}, {64, 128}, {64, 96}, {64, 64}};

/* A lambda that fills a stage from k of the inner dim on. */
static void from_stage(CudaEmit *e, Tiles *t, const Operand *o, const char *end)
{
    GfDim across = o->deep ? o->inner : o->outer;
    const char *line = o->deep ? o->first : "k", *column = o->deep ? "k" : o->first;
    const char *lines = cuda_dim(e, o->deep ? o->outer : o->inner), *columns = cuda_dim(e, across);
    const char *stage = cuda_text(e, "GfStage<%d, %s, %u>", o->size, o->deep ? "true" : "false", e->threads);

    cuda_open(e, "[&](float *to, int k)");
    if (!e->inside[o->value->node->id]) {
        cuda_line(e, "gf_stage_load<%s, %s>(to, %s, %s, %s, %s, %s, %s);", stage,
                  cuda_is_wide(across) ? "true" : "false", cuda_pointer(e, o->value), columns, line, column, lines,
                  columns);
    } else {
        cuda_open(e, "gf_stage_compute<%s>(to, %s, %s, %s, %s, [&](int row, int col)", stage, line, column, lines,
                  columns);
        tile_computed(e, t, o, ");");
    }
    cuda_close(e, end);
}

static const TileKind kind = {"GfHopperTile", DEPTH, from_stage};

/* A size that is asked for by name is taken there too: in tests, where all is narrow. */
static bool is_narrow(const CudaEmit *e)
{
    return !e->features.stage.rows && (cuda_dim_max(e, e->r->rows) <= LEAST || cuda_dim_max(e, e->r->cols) <= LEAST);
}

static bool applies(const CudaEmit *e, const Tiles *t)
{
    if (!e->features.wgmma || is_narrow(e) || t->head.node)
        return false;
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->product[i].precision, "GfBf16") != 0)
            return false;
    return true;
}

/* Bytes that the busiest multiprocessor moves. */
static int64_t cost_of(const CudaEmit *e, const Tiles *t, Size s, int64_t splits)
{
    int64_t tasks = tiles_of(cuda_dim_max(e, e->r->rows), s.bm) * tiles_of(cuda_dim_max(e, e->r->cols), s.bn);
    int64_t tile = (int64_t)s.bm * s.bn * 4, block = BLOCK_COST;

    for (uint32_t i = 0; i < t->count; i++)
        block += (s.bm + s.bn) * tiles_of(cuda_dim_max(e, t->product[i].inner), DEPTH) * DEPTH * 4 / splits;
    if (splits > 1)
        block += (1 + splits) * tile * t->count; /* its own part, and as the last one everybody's */
    return tiles_of(tasks * splits * e->together, MULTIPROCESSORS) * block;
}

static int stage_bytes(Size s)
{
    return (s.bm + s.bn) * DEPTH * 4 + 2 * BARRIER;
}

static int base_bytes(Size s)
{
    return ALIGN + RING * (s.bm + s.bn) * DEPTH * 2;
}

static void take(CudaEmit *e, Tiles *t, Size s, int64_t splits)
{
    int stages = (SHARED - base_bytes(s)) / stage_bytes(s);

    stages = stages < MOST_STAGES ? stages : MOST_STAGES;
    t->kind = &kind;
    t->bm = s.bm;
    t->bn = s.bn;
    t->sizes = cuda_text(e, "%d, %d, %d", s.bm, s.bn, stages);
    e->threads = (uint32_t)s.bm * 2;
    e->splits = (uint32_t)splits;
    e->shared = (uint32_t)(base_bytes(s) + stages * stage_bytes(s));
}

static bool is_allowed(const CudaEmit *e, const Tiles *t, Size s)
{
    CudaTileSize named = e->features.stage;

    return (int)t->count * s.bn / 2 <= MOST_SUMS && (!named.rows || (named.rows == s.bm && named.columns == s.bn));
}

/* The cheapest size and its number of blocks a tile; splits 0: none has room for the sums. */
static int64_t cheapest(const CudaEmit *e, const Tiles *t, Size *size)
{
    int64_t best = INT64_MAX, best_splits = 0, most = tile_longest(e, t) / LEAST_SPLIT;

    most = most < 1 ? 1 : most < MOST_SPLITS ? most : MOST_SPLITS;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!is_allowed(e, t, sizes[i]))
            continue;
        for (int64_t splits = 1; splits <= most; splits++) {
            int64_t cost = cost_of(e, t, sizes[i], splits);
            if (cost >= best)
                continue;
            best = cost;
            best_splits = splits;
            *size = sizes[i];
        }
    }
    return best_splits;
}

bool hopper_choose(CudaEmit *e, Tiles *t)
{
    Size size = sizes[0];
    int64_t splits = applies(e, t) ? cheapest(e, t, &size) : 0;

    if (splits)
        take(e, t, size, splits);
    return splits > 0;
}
