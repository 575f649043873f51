/* merge_lora.h -- an adapter into the weight beside it.  Internal to passes/. */
#ifndef GF_PASSES_MERGE_LORA_H
#define GF_PASSES_MERGE_LORA_H

#include "passes/low_rank.h"
#include "passes/passes.h"

/* What `ad->sum` gives is computed with the weight w + by b a instead; the nodes
 * from x to the sum are removed.  The adapter must not drop. */
GfStatus gf_merge_low_rank(GfPassCtx *cx, GfGraph *g, const GfLowRank *ad);

#endif
