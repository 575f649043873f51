/* graph_list.h -- a graph as HTML: its kernels in the order of the step, folded by block. */
#ifndef GF_FRONTEND_CLI_GRAPH_LIST_H
#define GF_FRONTEND_CLI_GRAPH_LIST_H

#include "frontend/cli/blocks.h"
#include "ir/cost.h"

/* What a phase of a block comes to. */
typedef struct GfBlockSum {
    GfCost cost;
    uint32_t kernels, ops;
} GfBlockSum;

/* Kernels of the same ops over the same shape. */
typedef struct GfKernelSum {
    const char *ops, *form;
    uint32_t count;
    int32_t first; /* the number of the first; GF_NO_KERNEL: the ops are not fused */
    GfCost cost;
} GfKernelSum;

typedef struct GfGraphList {
    const GfGraph *g;
    const char *prefix; /* of ids in the page */
    GfArena *arena;
    GfBlocks blocks;
    GfKernelCost *kernels;
    uint32_t kernel_count;
    uint32_t *kernel_of;     /* by id: index into kernels */
    uint32_t *block_of;      /* by kernel */
    GfPhase *phase_of;       /* by kernel */
    GfBlockSum *sums;        /* [block][phase] */
    const GfNode **gradient; /* by id: the parameter that its result 0 is the gradient of, or NULL */
} GfGraphList;

/* Lives in `arena`. */
GfStatus gf_graph_list_open(GfGraphList *list, const GfGraph *g, const char *prefix, int64_t tokens, int64_t seqs,
                            GfArena *arena, GfDiags *diags);

/* GF_PHASES sums. */
const GfBlockSum *gf_graph_list_sums(const GfGraphList *list, uint32_t block);

/* How many parameters of the block are frozen, train, are adapters: "❄ 16 ◆ 6". */
void gf_graph_list_counts(const GfGraphList *list, uint32_t block, GfText *out);

/* Those that move most bytes first.  False when memory ran out. */
bool gf_graph_list_kernels(const GfGraphList *list, GfKernelSum **sums, uint32_t *count);

void gf_graph_list_add(const GfGraphList *list, GfText *out);

#endif
