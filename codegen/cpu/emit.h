/* emit.h -- writing one kernel: where its values come from and go to.
 *
 * A kernel is written from a GfRegion.  Values of the region are asked for at a
 * point (a row and `width` columns from col on); whoever asks gets a vector:
 * computed by the op's emitter, loaded from memory with broadcasting, or taken
 * from where the kernel keeps it (a product's tile, a saved row).
 */
#ifndef GF_CODEGEN_CPU_EMIT_H
#define GF_CODEGEN_CPU_EMIT_H

#include "codegen/codegen.h"
#include "codegen/cpu/ll.h"

/* A row and the columns [col, col + width).  mask NULL: all columns exist.
 * Points come in groups where that helps (dropout): pairs of neighbours in a row, up to
 * DROPOUT_PAIRS of them, one point after the other in the same basic block. */
typedef struct Point Point;
struct Point {
    V row, col, mask;
    const Point *group; /* all of them; NULL: alone */
    unsigned index, count;
};
enum { POINT_GROUP = 2 * DROPOUT_PAIRS };

typedef struct Emit Emit;

/* Where a kernel kind keeps a value of its own; NULL result: compute it. */
typedef V (*SourceFn)(Emit *e, const GfValue *v, Point p);

struct Emit {
    Ll *l;
    const GfGraph *g;
    const GfRegion *r;
    GfArena *arena;
    GfDiags *diags;
    V buffers, sizes, scalars, begin, end, scratch; /* the kernel's arguments */
    V *bases;                                       /* pointers of inputs, then outputs, then extras */
    bool *inside;                                   /* by node id: node belongs to the region */
    V *memo;                                        /* by node id * 3 + result: value at the current point */
    Dropout *dropouts;                              /* of the region's random nodes, in order */
    V *later;        /* by number of the random node: its factors at the points of the group */
    bool flat;       /* points are linear: row 0, col = index of the element */
    V elements;      /* flat: how many; the code must not depend on the domain's shape */
    SourceFn source; /* may be NULL */
    void *self;      /* of source */
    int64_t scratch_size;
    GfWork work; /* set by the kernel's writer */
};

/* Begin the function of a kernel with `extras` buffers behind inputs and
 * outputs; afterwards the arguments and bases are set. */
GfStatus emit_begin(Emit *e, const char *name, uint32_t extras);

/* Bytes of the thread's scratch for this kernel, 64-byte aligned. */
V emit_scratch(Emit *e, int64_t bytes);

/* Forget values of the last point. */
void emit_fresh(Emit *e);

/* The value at p, as a vector. */
V emit_value(Emit *e, const GfValue *v, Point p);
V emit_operand(Emit *e, const GfNode *n, uint32_t i, Point p);

/* Call `body` for all columns [0, cols) of a row: in groups if elements are drawn,
 * then alone, then masked.  What it writes must not depend on the division. */
typedef void (*PointFn)(Emit *e, void *self, Point p);
void emit_walk(Emit *e, V row, GfDim cols, PointFn body, void *self);

/* Make `count` points one group, if pairs are made of them. */
void emit_group(Point *points, unsigned count);

/* The vector from memory: input or output `v` of the region, broadcast. */
V emit_load(Emit *e, const GfValue *v, Point p);

/* Memory of an input or output of the region. */
V emit_base(Emit *e, const GfValue *v);

/* Whether elements are drawn: groups of points are worth their code. */
bool emit_draws(const Emit *e);

/* What the elements of a random node have in common; NULL when its p is 0. */
const Dropout *emit_dropout(const Emit *e, const GfNode *n);

/* The node's dropout factors at p. */
V emit_factors(Emit *e, const GfNode *n, Point p);

V emit_dim(Emit *e, GfDim dim);           /* its size, i64 */
int64_t emit_dim_max(Emit *e, GfDim dim); /* the largest the plan allows */

/* rows and columns of a type seen as a matrix */
typedef struct Shape {
    GfDim rows, cols;
} Shape;
Shape emit_shape(const GfType *type);

/* ---- ops ------------------------------------------------------------------ */

enum { ROW_SLOTS = 2 };

/* A reduction along the row in phases; see row.c.  Phase p adds up `slots[p]`
 * accumulators over the columns, then `finish` turns them into scalars. */
typedef struct RowOp {
    int phases;
    int slots[2];
    bool largest[2]; /* phase takes the maximum instead of the sum */
    /* contribution of the columns at p to slot `slot` of `phase` */
    V (*term)(Emit *e, const GfNode *n, int phase, int slot, Point p);
    /* totals: the slots of this phase; scalars: kept for later phases and elements */
    void (*finish)(Emit *e, const GfNode *n, int phase, const V *totals, V *scalars, Point p);
    /* result i as [n,1]: a scalar made of scalars; NULL when it is not one */
    V (*scalar)(Emit *e, const GfNode *n, uint32_t result, const V *scalars);
} RowOp;

enum { ROW_SCALARS = 4 };

/* How the cpu lowers an op: one of the three. */
typedef struct CpuOp {
    V (*element)(Emit *e, const GfNode *n, uint32_t result, Point p);
    const RowOp *row;                             /* with element for its full results */
    GfStatus (*kernel)(Emit *e, const GfNode *n); /* sets e->work */
} CpuOp;

const CpuOp *cpu_op(GfOp op);

/* Scalars that row op `n` has left (row.c). */
const V *row_scalars(Emit *e, const GfNode *n);

/* ---- kernels by region kind ------------------------------------------------- */

GfStatus cpu_emit_flat(Emit *e, const char *name);
GfStatus cpu_emit_row(Emit *e, const char *name);
GfStatus cpu_emit_colsum(Emit *e, const char *name);
GfStatus cpu_emit_opaque(Emit *e, const char *name);
GfStatus cpu_emit_tile(Emit *e, const char *name);

/* Of a kernel that does not know its sizes (codegen/lower.h): all elements. */
V emit_sized_elements(Emit *e);

/* tile: weights of products that are packed once.  Operand 1 of product[i] is a
 * frozen parameter, read from panels packed for packer[i], an extra buffer. */
enum { MAX_PRODUCTS = 8 };
typedef struct TilePacks {
    uint32_t count;
    const GfNode *product[MAX_PRODUCTS], *packer[MAX_PRODUCTS];
} TilePacks;
TilePacks cpu_tile_packs(const GfRegion *r);

/* The kernel reads input `v` itself, not only what is packed of it. */
bool cpu_tile_reads(const GfRegion *r, const TilePacks *packs, const GfValue *v);
int64_t cpu_pack_bytes(const Ll *l, const GfNode *product);
GfStatus cpu_emit_pack(Emit *e, const GfNode *product, const char *name);
void cpu_pack_key(const GfNode *product, GfText *out); /* equal text = same pack kernel */

/* The product of a tile that is summed over rows (gf_kernel_is_tail); NULL: none.  The
 * tile's last extra buffer has the sums of its tasks, which a second kernel adds up. */
const GfNode *cpu_tail(const GfRegion *r);
int64_t cpu_tail_bytes(const Ll *l, const GfNode *tail, const int64_t *sizes); /* of all tasks */
GfStatus cpu_emit_tail_sum(Emit *e, const GfNode *tail, const char *name);
void cpu_tail_key(const GfNode *tail, GfText *out); /* equal text = same sum */

#endif
