/* frozen_part.h -- what of a graph is the same for an example whenever it comes by.
 *
 *   kind     a value that ...
 *   static   depends on frozen parameters and constants alone, its sizes constant
 *   example  has a row for each token or sequence of the batch, and the rows of an
 *            example depend on that example and on static values alone: not on the
 *            others of its batch, not on where in the batch it stands, not on the step
 *   other    is anything else
 *
 * Inputs with a symbolic first size hold what belongs to the examples, but two, which
 * are known by name (frontend/graph/semantics.h): `starts`, where in the batch an
 * example stands, only says which rows a gather or attention takes; `weights` are
 * levelled within a batch.  Inputs of constant size (rng, lr, step) belong to the step.
 * Internal to passes/.
 */
#ifndef GF_PASSES_FROZEN_PART_H
#define GF_PASSES_FROZEN_PART_H

#include "passes/passes.h"

typedef enum GfPart { GF_PART_OTHER, GF_PART_STATIC, GF_PART_EXAMPLE, GF_PART_STARTS } GfPart;

/* The part of each node by id, in cx->scratch; NULL when memory ran out.
 * `still`: as if no op that draws dropped anything. */
GfPart *gf_frozen_part(GfPassCtx *cx, const GfGraph *g, bool still);

#endif
