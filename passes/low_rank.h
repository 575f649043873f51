/* low_rank.h -- finding adapters in a graph.  Internal to passes/.
 *
 *   base   linear x, w, bias          bias may be left out
 *   down   linear x, a                scale and neg may stand before, between
 *   up     linear down, b             and behind; a dropout, too
 *   sum    add base, up               in either order: x w' + bias + by (x a') b'
 */
#ifndef GF_PASSES_LOW_RANK_H
#define GF_PASSES_LOW_RANK_H

#include "ir/ir.h"

typedef struct GfLowRank {
    GfNode *sum, *base, *down, *up;
    GfValue *x, *w, *bias, *a, *b; /* bias NULL: none */
    double by;                     /* of all scales and negs on the way */
    bool drops;                    /* a dropout that drops stands on the way */
} GfLowRank;

/* The adapter that `sum` adds.  False when it is no such sum, when someone else
 * reads a value of it but x, w, bias, a and b, or when a product rounds its factors. */
bool gf_low_rank_find(GfNode *sum, GfLowRank *out);

/* The one reader of the result of `n`, or NULL. */
GfNode *gf_only_user(const GfNode *n);

/* A product whose factors are not rounded. */
bool gf_is_exact_product(const GfNode *n);

#endif
