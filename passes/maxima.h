/* maxima.h -- the largest sizes that a step is planned for.  Internal to passes/. */
#ifndef GF_PASSES_MAXIMA_H
#define GF_PASSES_MAXIMA_H

#include "passes/passes.h"

/* The maxima of the symbols of `g` from the options `tokens` and `seqs` of the pass
 * (0: a default), one a symbol.
 * Errors: GF_ERR_PASS a symbol without maximum, or a negative one */
GfStatus gf_maxima(GfPassCtx *cx, const GfGraph *g, int64_t *sizes);

#endif
