/* tile.h -- what a kernel of matrix products consists of: between tile.c, which
 * writes it, and hopper.c, which may choose another kind of tile for it. */
#ifndef GF_CODEGEN_CUDA_TILE_H
#define GF_CODEGEN_CUDA_TILE_H

#include "codegen/cuda/emit.h"

enum { MAX_PRODUCTS = 8 };

/* y[rows, cols] = a b, the inner dim contiguous (deep) or not in memory. */
typedef struct Product {
    const GfNode *node;
    const GfValue *a, *b, *bias; /* bias NULL: none */
    GfDim inner;
    bool deep_a, deep_b;
    const char *precision;
    uint32_t index; /* among the products: its accumulators stand there */
} Product;

/* What the device headers call the parts of one kind of tile. */
typedef struct TileKind {
    const char *tile;           /* GfTile, a type */
    const char *operand, *more; /* GfOperand<outer, deep, more>, a type */
    const char *load, *compute; /* fill an operand from memory, or with what is computed */
    int depth;                  /* of the inner dim, in shared memory at once */
} TileKind;

typedef struct Tiles {
    Product product[MAX_PRODUCTS];
    uint32_t count;
    Product head; /* computed in front of the tile, see gf_kernel_is_head; node NULL: there is none */
    int head_bn;
    uint32_t head_rows; /* bytes into shared memory: its rows, [bm][head_bn] */
    const TileKind *kind;
    int bm, bn;
    const char *sizes; /* of the tile's type: "64, 64" */
    const char *index; /* of the element in the epilogue; NULL: in a prologue */
} Tiles;

static inline int64_t tiles_of(int64_t size, int unit)
{
    return (size + unit - 1) / unit;
}

/* The longest inner dim of the products. */
int64_t tile_longest(const CudaEmit *e, const Tiles *t);

/* The tile of hopper.cuh where the target has the feature and the kernel gains
 * from it: sets what depends on the choice, in *t and *e.  False: it does not. */
bool hopper_choose(CudaEmit *e, Tiles *t);

#endif
