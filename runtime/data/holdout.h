/* holdout.h -- a part of the training data set aside, chosen by a seed.
 */
#ifndef GF_RUNTIME_DATA_HOLDOUT_H
#define GF_RUNTIME_DATA_HOLDOUT_H

#include "ir/diag.h"

/* Two parts of the numbers 0 ... count - 1, each ascending. */
typedef struct GfHoldout {
    const uint32_t *kept, *held;
    size_t kept_count, held_count;
} GfHoldout;

/* Set aside round(share * count) of `count` examples, at least one, and keep at least
 * one.  Which, depends on (seed, count, share) alone: those with the smallest draws
 * of a counter-based generator, one draw an example.  In `arena`.
 * Errors, at `loc`: GF_ERR_DATA fewer than two examples, or more than 2^32 - 1. */
GfStatus gf_holdout(GfHoldout *parts, GfArena *arena, size_t count, double share, uint64_t seed, GfLoc loc,
                    GfDiags *diags);

#endif
