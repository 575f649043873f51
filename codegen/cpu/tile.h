/* tile.h -- what a kernel of matrix products consists of: between tile.c, which writes
 * it, and pack.c, which says what it reads packed. */
#ifndef GF_CODEGEN_CPU_TILE_H
#define GF_CODEGEN_CPU_TILE_H

#include "codegen/cpu/gemm.h"

typedef struct Tiles {
    uint32_t count;
    Product product[MAX_PRODUCTS];
    V tile[MAX_PRODUCTS];   /* [tile_rows][panel] */
    V panels[MAX_PRODUCTS]; /* scratch for the task's panels of b, or NULL */
    V panel[MAX_PRODUCTS];  /* packed b */
    V a_rows[MAX_PRODUCTS]; /* scratch for computed rows of a, or NULL */
    V strips[MAX_PRODUCTS]; /* scratch for packed rows of a, or NULL */
    V packed[MAX_PRODUCTS]; /* memory of panels packed before for `packer`, or NULL */
    const GfNode *packer[MAX_PRODUCTS];
    unsigned vectors;
    int64_t group; /* panels a task */
    int64_t block; /* rows that are prepared at a time */
    bool whole;    /* every panel has all of its columns */
    V row;         /* of the tile (relative), while the epilogue runs */
    V panel_col;   /* first column of the panel */
    bool in_epilogue;
} Tiles;

/* The product whose packed panels `n` reads: itself; or, when n is the gradient dx = dy W
 * beside y = x W^T, that one, so that nobody needs W as it is stored.  NULL: b is not packed. */
const GfNode *tile_packer(const GfNode *n);

/* Floats from one packed panel to the next. */
V tile_panel_stride(Emit *e, const Product *p, unsigned vectors);

#endif
