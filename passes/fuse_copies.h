/* fuse_copies.h -- values that are computed again where they are used.  Internal to passes/. */
#ifndef GF_PASSES_FUSE_COPIES_H
#define GF_PASSES_FUSE_COPIES_H

#include "passes/groups.h"

/* A copy of `n`, a node of one result, before `before`, without a kernel. */
GfStatus gf_copy_node(GfPassCtx *cx, GfGraph *g, const GfNode *n, GfNode *before, GfNode **out);

/* Give every product that can load an elementwise value as a prologue a copy of
 * it of its own: see fuse.c, step 1.  `nodes` are all these values, each with one
 * use, users before what they read; in cx->scratch. */
GfStatus gf_fuse_split_prologues(GfPassCtx *cx, GfGraph *g, GfNode ***nodes, size_t *count);

/* Give every kernel a copy of the constants that it reads, and a kernel to those
 * that must be in memory: see fuse.c, step 6.  `position`: of nodes in the graph,
 * by id. */
GfStatus gf_fuse_place_constants(GfPassCtx *cx, GfGraph *g, const uint32_t *position);

#endif
