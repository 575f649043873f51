/* tile.h -- what a kernel of matrix products consists of: between tile.c, which writes
 * it, head.c and tail.c, which write what stands in front of its tiles and behind them,
 * and pack.c, which says what it reads packed. */
#ifndef GF_CODEGEN_CPU_TILE_H
#define GF_CODEGEN_CPU_TILE_H

#include "codegen/cpu/gemm.h"

/* The product that is computed for whole rows in front of the tiles: gf_kernel_is_head. */
typedef struct Head {
    const GfNode *node; /* NULL: there is none */
    Product product;
    unsigned vectors;
    int64_t panel, panels; /* columns a panel, and how many panels */
    V packed;              /* scratch: b */
    V a_rows;              /* scratch for computed rows of a, or NULL */
    V rows;                /* scratch: rows of the result, [panels][block][panel] */
    V first;               /* row in which the block begins */
} Head;

/* The product that is summed over the rows of each task: gf_kernel_is_tail. */
typedef struct Tail {
    const GfNode *node; /* NULL: there is none */
    Product product;
    unsigned vectors;
    int64_t panel, panels; /* columns a panel, and how many panels */
    int64_t rows;          /* of a, a task */
    int64_t strip, sums;   /* floats of BLOCK_ROWS rows of the sums, and of all */
    V packed, strips;      /* scratch: b and a of the task's rows */
    V memory;              /* sums of all tasks */
} Tail;

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
    const GfValue **outputs; /* of the region, but for those of head and tail */
    uint32_t output_count;
    Head head;
    Tail tail;
} Tiles;

/* The product whose packed panels `n` reads: itself; or, when n is the gradient dx = dy W
 * beside y = x W^T, that one, so that nobody needs W as it is stored.  NULL: b is not packed. */
const GfNode *tile_packer(const GfNode *n);

/* Pack the panel of b that begins at column `col`. */
void tile_pack_panel(Emit *e, const Product *p, V col, bool whole, unsigned vectors, V panel);

/* Rows [row, row + count) of a, computed into `to`, `inner` floats each. */
void tile_compute_rows(Emit *e, const Product *p, V row, V count, V to);

Stride tile_row_stride(Emit *e, const Product *p); /* of rows of a, as memory or tile_compute_rows has them */

/* ---- the head (head.c) ---- */

/* Set t->head from the product `n`; its scratch, once t->block is known. */
void head_init(Emit *e, Tiles *t, const GfNode *n);
void head_reserve(Emit *e, Tiles *t);

void head_pack(Emit *e, Tiles *t);                    /* its operand b, for a task */
void head_compute(Emit *e, Tiles *t, V row, V count); /* rows [row, row + count), a block */
void head_store(Emit *e, Tiles *t, V count);          /* those outputs of the region that belong to the head */

/* The head product at a point of the block. */
V head_value(Emit *e, const Tiles *t, Point p);

/* ---- the tail (tail.c) ---- */

/* Set t->tail from the product `n`; its scratch, and the memory of the launch. */
void tail_init(Emit *e, Tiles *t, const GfNode *n);
void tail_reserve(Emit *e, Tiles *t, V sums);

/* The sums over rows [from, to), those of task `task`. */
void tail_add(Emit *e, const Tiles *t, V task, V from, V to);

/* Floats from one packed panel to the next. */
V tile_panel_stride(Emit *e, const Product *p, unsigned vectors);

#endif
