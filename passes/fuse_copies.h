/* fuse_copies.h -- values that are computed again where they are used.  Internal to passes/. */
#ifndef GF_PASSES_FUSE_COPIES_H
#define GF_PASSES_FUSE_COPIES_H

#include "passes/groups.h"

/* Give every product that can load an elementwise value as a prologue a copy of
 * it of its own: see fuse.c, step 1. */
GfStatus gf_fuse_split_prologues(GfPassCtx *cx, GfGraph *g);

/* Give every kernel a copy of the constants that it reads, and a kernel to those
 * that must be in memory: see fuse.c, step 6. */
GfStatus gf_fuse_place_constants(GfPassCtx *cx, GfGraph *g);

#endif
