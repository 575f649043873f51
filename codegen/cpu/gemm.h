/* gemm.h -- the matrix microkernel and the packing of its operands. */
#ifndef GF_CODEGEN_CPU_GEMM_H
#define GF_CODEGEN_CPU_GEMM_H

#include "codegen/cpu/emit.h"

/* How a product reads its operands: y[i,j] = sum_k a[i,k] b[k,j].
 * Element a[i,k] is at i * row_stride + k * k_stride of operand a. */
typedef struct Product {
    const GfNode *node;
    const GfValue *a, *b;
    GfDim rows, cols, inner;
    bool a_transposed;   /* stored a[k,i] */
    bool b_transposed;   /* stored b[j,k] */
    const GfValue *bias; /* NULL or [cols] */
} Product;

Product gemm_product(const GfNode *n);

/* Vectors across a panel of b: the register tile's, fewer for narrow products. */
unsigned gemm_panel_vectors(const Ll *l, GfDim cols);

/* A stride known when the kernel is written (constant >= 0) or only at run time
 * (constant < 0: `value`). */
typedef struct Stride {
    int64_t constant;
    V value;
} Stride;

/* tile[rows][vectors * width] = a b for up to tile_rows rows (`count`, i64):
 * calls the microkernels of 12, 8, 4, 2, 1 rows (or what the tile has) that
 * are written into the module on first use. */
void gemm_tile(Emit *e, unsigned vectors, V count, V inner, V a, Stride row, Stride k, V b, V tile);

/* Write a panel: columns [col, col + vectors * width) of `inner` rows of b from row `from`
 * on, k-major, rows padded to a multiple of the vector width.  `whole`: all columns exist. */
void gemm_pack_rows(Emit *e, const GfValue *b, V from, V inner, V col, V cols, bool whole, unsigned vectors, V panel);

/* b[j,.], stored transposed: row j of `inner` elements begins at base + j * stride. */
typedef struct Transposed {
    V base, stride, inner;
} Transposed;
void gemm_pack_transposed(Emit *e, const Transposed *b, V col, V cols, bool whole, unsigned vectors, V panel);

/* Most floats of a panel. */
int64_t gemm_panel_floats(Emit *e, GfDim inner, unsigned vectors);

/* A strip is tile_rows rows of an operand a that is stored transposed, k-major like a
 * panel.  Strips are written for BLOCK_ROWS rows at a time (a multiple of every
 * tile_rows): a line of a then serves several. */
enum { BLOCK_ROWS = 48 };

/* Write the strips of rows [row, row + BLOCK_ROWS) of a, as far as there are any;
 * element a[k, i] is at base + k * stride + i, and `stride` is also the number of rows. */
void gemm_pack_strips(Emit *e, V base, V stride, V inner, V row, V strips);

/* Floats from one strip to the next, and the most of all BLOCK_ROWS rows. */
V gemm_strip_stride(Emit *e, V inner);
int64_t gemm_strip_floats(Emit *e, GfDim inner);

#endif
