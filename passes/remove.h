/* remove.h -- taking nodes out of a graph that may have kernels.  Internal to passes/. */
#ifndef GF_PASSES_REMOVE_H
#define GF_PASSES_REMOVE_H

#include "passes/passes.h"

/* Remove `n`, which nobody reads.  What stood in front of its tile (gf_kernel_is_head)
 * has lost what it belongs to: it becomes a kernel of its own.  So does a tail
 * (gf_kernel_is_tail) whose rows nobody else in the kernel reads any more.
 * Errors: GF_ERR_MEMORY. */
GfStatus gf_remove_unread(GfPassCtx *cx, GfGraph *g, GfNode *n);

#endif
