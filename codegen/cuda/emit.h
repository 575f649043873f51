/* emit.h -- writing one CUDA kernel as text that a person can read.
 *
 * A kernel is written from a GfRegion.  Names come from the graph, shapes stand
 * in comments.  What is computed per element is written out, a line an op; how a
 * kernel walks its domain is in the device headers (codegen/cuda/device/), which
 * stand before every kernel.
 *
 *   // x f32[tokens,768]  w f32[3072,768]  b f32[3072]  ->  h f32[tokens,3072]
 *   extern "C" __global__ void __launch_bounds__(128, 1)
 *   k3_linear_gelu(const float *x, const float *w, const float *b, float *h_out, const long long *sizes)
 *   { ... }
 *
 * Pointers carry no __restrict__: an update may write where it reads.
 */
#ifndef GF_CODEGEN_CUDA_EMIT_H
#define GF_CODEGEN_CUDA_EMIT_H

#include "codegen/codegen.h"
#include "codegen/cuda/features.h"

typedef struct CudaEmit CudaEmit;

/* How the writer of a kernel kind has a value at the current point: a C
 * expression of type float, or NULL: compute or load it. */
typedef const char *(*CudaSourceFn)(CudaEmit *e, const GfValue *v);

/* Values that are loaded four columns at a time, before any element is computed. */
typedef struct CudaQuads {
    const GfValue **values;
    uint32_t count;
} CudaQuads;

struct CudaEmit {
    const GfGraph *g;
    const GfRegion *r;
    GfArena *arena;
    GfDiags *diags;
    const char *name; /* of the kernel */
    CudaFeatures features;
    GfText *out;
    int indent;
    const char **names; /* by slot (node id * 3 + result): the variable; NULL: not named yet */
    const char **taken; /* identifiers in use */
    size_t taken_count, taken_room;
    const char **pointers; /* of inputs, then outputs */
    bool *inside;          /* by node id: of the region */
    bool *done;            /* by slot: the variable holds the value at the current point */
    const char *row, *col; /* of the current point: C expressions of type int */
    bool flat;             /* points are linear: `i` is the index of the element */
    CudaSourceFn source;
    void *self;        /* of source */
    CudaQuads *quads;  /* not NULL: what is read in memory is x[...] of these */
    bool joined;       /* some launches of the kernel run as one */
    uint32_t together; /* how many launches run as one: the mean of all batches, at least 1 */
    /* set by the writer of the kernel */
    GfWork work;
    uint32_t threads, shared, splits; /* splits 0: 1 */
    uint32_t least_blocks;            /* that a multiprocessor is to hold; 0: 1 */
    bool batched;
    int64_t scratch_bytes;  /* of one more buffer behind the outputs; zeros before the first run */
    uint32_t extra_scalars; /* behind the keys */
};

/* ---- text (emit.c) ----------------------------------------------------------- */

void cuda_line(CudaEmit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cuda_open(CudaEmit *e, const char *format, ...) __attribute__((format(printf, 2, 3))); /* line ending in " {" */
void cuda_close(CudaEmit *e, const char *behind);                                           /* "}" and what follows */
const char *cuda_text(CudaEmit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *cuda_name(CudaEmit *e, const GfValue *v);       /* variable of the value at the point */
const char *cuda_fresh_name(CudaEmit *e, const char *like); /* an identifier nobody has */
const char *cuda_pointer(CudaEmit *e, const GfValue *v);    /* of an input or output of the region */
const char *cuda_dim(CudaEmit *e, GfDim dim);               /* "768" or "tokens", an int */
int64_t cuda_dim_max(const CudaEmit *e, GfDim dim);
bool cuda_is_wide(GfDim line); /* 16 bytes at a time: lines begin at multiples of 4 elements and end at one */

/* rows and columns of a type seen as a matrix */
typedef struct CudaShape {
    GfDim rows, cols;
} CudaShape;
CudaShape cuda_shape(const GfType *type);

/* Comment, signature, "{", and what all kernels know: the symbols as ints, `task`,
 * `part` where splits > 1; gf_seed0 ... are those of the random ops, extra0 ... the
 * extra scalars.
 * work, threads, splits, batched, scratch_bytes and extra_scalars are set before.
 * A kernel whose launches have one work is batched here, where they run as one. */
GfStatus cuda_begin(CudaEmit *e);
void cuda_end(CudaEmit *e);

/* ---- elements (element.c) ------------------------------------------------------ */

/* The value at the current point as a C expression; what it needs is written before it. */
const char *cuda_value(CudaEmit *e, const GfValue *v);
const char *cuda_operand(CudaEmit *e, const GfNode *n, uint32_t i);
void cuda_fresh(CudaEmit *e);                                          /* another point: variables hold nothing */
const char *cuda_index(CudaEmit *e, const GfValue *v);                 /* of v at the point, broadcast */
void cuda_store(CudaEmit *e, GfValue *const *outputs, uint32_t count); /* outputs of the region, at the point */
const char *cuda_float(CudaEmit *e, double value);                     /* a literal */

/* As cuda_store, four columns at a time: `call`, which ends in "<" or "<..., ", with how
 * many values are loaded and stored, then (args, load, element, store). */
void cuda_store_quads(CudaEmit *e, const char *call, const char *args, GfValue *const *outputs, uint32_t count);

/* ---- ops ------------------------------------------------------------------------- */

enum { CUDA_ROW_SLOTS = 2, CUDA_ROW_SCALARS = 4 };

/* A reduction along the row in phases; see row.c.  All texts are C expressions. */
typedef struct CudaRowOp {
    int phases;
    int slots[2];
    bool largest[2]; /* the phase takes the maximum instead of the sum */
    const char *(*term)(CudaEmit *e, const GfNode *n, int phase, int slot, const char *const *scalars);
    /* the phase's totals to scalars[]: expressions */
    void (*finish)(CudaEmit *e, const GfNode *n, int phase, const char *const *totals, const char **scalars);
    /* result i as a number a row; NULL when it is none */
    const char *(*scalar)(CudaEmit *e, const GfNode *n, uint32_t result, const char *const *scalars);
} CudaRowOp;

/* How cuda lowers an op: by one of these. */
typedef struct CudaOp {
    const char *element; /* "$0 + $1": operands; "$by": a float attribute */
    const char *(*write)(CudaEmit *e, const GfNode *n, uint32_t result);
    const CudaRowOp *row;
    GfStatus (*kernel)(CudaEmit *e, const GfNode *n); /* the whole kernel */
} CudaOp;

const CudaOp *cuda_op(GfOp op);
const char *const *cuda_row_scalars(CudaEmit *e, const GfNode *n); /* of a row op (row.c) */

/* ---- kernels by kind -------------------------------------------------------------- */

GfStatus cuda_emit_flat(CudaEmit *e);
GfStatus cuda_emit_row(CudaEmit *e);
GfStatus cuda_emit_colsum(CudaEmit *e);
GfStatus cuda_emit_tile(CudaEmit *e);

/* Of a kernel that does not know its sizes (codegen/lower.h), behind cuda_begin: `elements`. */
void cuda_begin_sized(CudaEmit *e);

/* The text of the kernel for region `r`, in `text`; fills the writer's part of *e.
 * e->g, r, arena, diags, name and out are set. */
GfStatus cuda_emit_region(CudaEmit *e);

extern const char cuda_device_headers[]; /* all of codegen/cuda/device, in order */

#endif
