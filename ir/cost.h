/* cost.h -- what a graph costs: floating-point operations and bytes.
 *
 * FLOPs are those of the op, by the formulas of ir/cost.def.  Bytes are those of a
 * kernel: what it reads from memory and what it writes, each value once, however
 * often a cache has to be filled with it.  A node without a kernel counts as one of
 * its own, so before `fuse` these are the bytes of the ops one by one.  Parameters are
 * read like any other value; of a table that is gathered from, as many rows as are
 * gathered.  A result that nobody reads is not written.
 */
#ifndef GF_IR_COST_H
#define GF_IR_COST_H

#include "ir/ir.h"

/* What the symbols of a graph stand for. */
typedef struct GfSizes {
    int64_t of[GF_MAX_SYMBOLS];
} GfSizes;

/* The symbol seqs stands for `seqs`, any other, tokens above all, for `tokens`. */
GfSizes gf_sizes_of(const GfGraph *g, int64_t tokens, int64_t seqs);

typedef struct GfCost {
    double flops, read, written; /* the last two in bytes */
} GfCost;

/* FLOPs of a node at these sizes. */
double gf_flops(const GfNode *n, const GfSizes *sizes);

/* The formula, as cost.def has it: "(2 * k + bias) * y". */
const char *gf_flops_formula(GfOp op);

/* A kernel, or a node that makes code and has none. */
typedef struct GfKernelCost {
    int32_t kernel; /* GF_NO_KERNEL: a node alone */
    const GfNode **nodes;
    uint32_t node_count;
    GfCost cost;
} GfKernelCost;

/* All of `g`, by their first nodes, in `arena`. */
GfStatus gf_kernel_costs(const GfGraph *g, const GfSizes *sizes, GfArena *arena, GfKernelCost **regions,
                         uint32_t *count, GfDiags *diags);

#endif
