/* groups.h -- growing kernels by merging groups of nodes.  Internal to passes/.
 *
 * Every node that makes code is in one group; the group's number stands in
 * node->kernel.  A merge is made only when the union can be one kernel
 * (ir/kernel.h) and no path leaves it and comes back, so at every moment the
 * groups, taken as single vertices, form an acyclic graph (ir.h invariant 10).
 */
#ifndef GF_PASSES_GROUPS_H
#define GF_PASSES_GROUPS_H

#include "ir/kernel.h"
#include "passes/passes.h"

typedef struct GfGroup {
    GfNode **nodes; /* in no order */
    uint32_t count;
    GfKernelForm form;
    uint32_t position; /* in a topological order of the groups */
    uint32_t mark;     /* last search that came here */
} GfGroup;

typedef struct GfGroups {
    GfPassCtx *cx;
    GfGroup *groups; /* by number */
    uint32_t count;
    uint32_t *order; /* position -> number */
    uint32_t *stack, *spare;
    GfNode **trial;
    size_t trial_capacity;
    uint32_t searches;
} GfGroups;

/* A group for each kernel number that is given, one for each other node that
 * makes code; each `const` is alone, whatever its number was.  Renumbers the
 * kernels from 0.  Lives in cx->scratch.
 * Errors: GF_ERR_VERIFY  the given kernels are not convex or cannot be kernels */
GfStatus gf_groups_init(GfGroups *s, GfPassCtx *cx, GfGraph *g);

/* Merge the groups of `a` and `b`; false when that is not allowed, or memory
 * ran out (cx->scratch->failed).  True when they are one already. */
bool gf_groups_merge(GfGroups *s, const GfNode *a, const GfNode *b);

/* Write down that the pass leaves `a` and `b` apart, where somebody asks. */
void gf_groups_note(const GfGroups *s, const GfNode *a, const GfNode *b, GfRefusal why);

/* Nodes that are alone lose their number again: their kernel is for `fuse` to say. */
void gf_groups_drop_singles(const GfGroups *s, GfGraph *g);

/* The dim that product `n` sums over. */
static inline GfDim gf_inner_dim(const GfNode *n)
{
    const GfType *a = &gf_operand(n, 0)->type;
    return a->dims[n->op == GF_OP_MATMUL && gf_attr_i(n, "transpose_a") ? 0 : 1];
}

/* A product that sums over few: an up-projection of LoRA, whose factor may be a head. */
static inline bool gf_is_low_rank(const GfNode *n)
{
    return gf_is_product(n) && gf_inner_dim(n).symbol == GF_CONSTANT && gf_inner_dim(n).size <= GF_HEAD_COLUMNS;
}

static inline GfGroup *gf_groups_of(const GfGroups *s, const GfNode *n)
{
    return &s->groups[n->kernel];
}

#endif
