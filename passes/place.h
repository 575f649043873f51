/* place.h -- the launch order into the graph.  Internal to passes/. */
#ifndef GF_PASSES_PLACE_H
#define GF_PASSES_PLACE_H

#include "ir/kernel.h"

/* Numbers the kernels in this order, which must respect all uses, and moves their
 * nodes to stand in it: inputs and params first, then kernel after kernel, then what
 * reads results. */
void gf_place_kernels(GfGraph *g, const GfKernelNodes *kernels, uint32_t count);

#endif
