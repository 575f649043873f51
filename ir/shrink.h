/* shrink.h -- a small copy of a graph, to be evaluated in its place. */
#ifndef GF_IR_SHRINK_H
#define GF_IR_SHRINK_H

#include "ir/ir.h"

/* A copy of `g` that the evaluator runs in no time at sizes of gf_sample_sizes.  A graph
 * that is small is copied as it is.  Of a larger one, every constant size above 16
 * becomes another: equal sizes equal ones, larger sizes larger ones, and multiples of
 * the numbers of heads multiples of them; its memory plan is dropped.  Its places are those of
 * `g`, which must live longer.
 * Errors: GF_ERR_VALUE  it does not become small enough, or its sizes depend on one
 * another in ways that this does not know. */
GfStatus gf_shrink(const GfGraph *g, const GfAllocator *allocator, GfGraph **out, GfDiags *diags);

#endif
