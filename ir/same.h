/* same.h -- whether two graphs compute the same, by evaluating both. */
#ifndef GF_IR_SAME_H
#define GF_IR_SAME_H

#include "ir/ir.h"

typedef struct GfSameOptions {
    const char *sizes;     /* of symbols, as gf_sample_sizes reads them; NULL: its defaults */
    bool undefined_agrees; /* elements that are NaN in both, or the same infinity, are the same */
} GfSameOptions;

/* Run both on the same random data and compare, relative to the norm, what both have:
 * outputs, gradients and updates.  `after` may have more than `before`; what only it
 * reads starts as its initializer says, so that adapters begin as the identity.  It may
 * lack gradients, but neither outputs nor updates.
 * Errors: GF_ERR_VERIFY  something differs; the first few say what and by how much
 *         GF_ERR_VALUE   a graph cannot be evaluated at these sizes */
GfStatus gf_same_values(const GfGraph *before, const GfGraph *after, const GfSameOptions *options, GfDiags *diags);

#endif
