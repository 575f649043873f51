/* tile.h -- what a kernel of matrix products consists of: between tile.c, which
 * writes it, and hopper.c, which may choose another kind of tile for it. */
#ifndef GF_CODEGEN_CUDA_TILE_H
#define GF_CODEGEN_CUDA_TILE_H

#include "codegen/cuda/emit.h"

enum { MAX_PRODUCTS = 8 };

/* Of the device that costs were measured on; an inner dim this long is worth a block of its own. */
enum { MULTIPROCESSORS = 132, LEAST_SPLIT = 256 };

/* y[rows, cols] = a b, the inner dim contiguous (deep) or not in memory. */
typedef struct Product {
    const GfNode *node;
    const GfValue *a, *b, *bias; /* bias NULL: none */
    GfDim inner;
    bool deep_a, deep_b;
    const char *precision;
    uint32_t index; /* among the products: its accumulators stand there */
} Product;

/* An operand of a product, as a tile takes it. */
typedef struct Operand {
    const GfValue *value;
    GfDim outer, inner;
    int size;          /* of the tile along the outer dim */
    const char *first; /* element of the outer dim: "tile.row" */
    bool deep;
} Operand;

typedef struct Tiles Tiles;

/* One kind of tile of the device headers. */
typedef struct TileKind {
    const char *tile; /* GfTile, a type */
    int depth;        /* of the inner dim, in shared memory at once */
    /* the argument of `product` that brings the operand; behind it `end` */
    void (*from)(CudaEmit *e, Tiles *t, const Operand *o, const char *end);
} TileKind;

struct Tiles {
    Product product[MAX_PRODUCTS];
    uint32_t count;
    Product head;          /* computed in front of the tile, see gf_kernel_is_head; node NULL: there is none */
    Product tail;          /* summed over the rows of all blocks, see gf_kernel_is_tail; node NULL: there is none */
    uint32_t tail_scratch; /* floats into scratch: its sums, see gf_join */
    int head_bn;
    uint32_t head_rows; /* bytes into shared memory: its rows, [bm][head_bn] */
    const TileKind *kind;
    int bm, bn;
    const char *sizes; /* of the tile's type: "64, 64" */
    bool done;         /* the products are: their sums are sum[...] */
};

static inline int64_t tiles_of(int64_t size, int unit)
{
    return (size + unit - 1) / unit;
}

/* The body of a lambda of (row, col): what the region computes for the operand, and
 * returns; closed by `end`. */
void tile_computed(CudaEmit *e, Tiles *t, const Operand *o, const char *end);

/* The longest inner dim of the products. */
int64_t tile_longest(const CudaEmit *e, const Tiles *t);

/* The tile of hopper.cuh where the target has the feature and the kernel gains
 * from it: sets what depends on the choice, in *t and *e.  False: it does not. */
bool hopper_choose(CudaEmit *e, Tiles *t);

#endif
