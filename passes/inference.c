/* inference.c -- dropout becomes the identity.
 *
 *   before                                    after
 *   %1 = dropout %x, %rng {p = 0.1, key = 3}  %1 = dropout %x, %rng {p = 0.0, key = 3}
 *
 * 1. Every attribute p > 0 (of dropout and attention) becomes 0.
 *
 * `fold` then removes the dropouts and `dce` the input rng.  Changes values by
 * design: it is how a network trained with dropout is evaluated.  O(nodes).
 * Source: Srivastava et al., JMLR 15 (2014), with the scaling done in training.
 * Tests: tests/golden/inference/.
 */
#include "passes/passes.h"

GfStatus gf_pass_inference(GfPassCtx *cx, GfGraph *g)
{
    GF_EACH_NODE (n, g) {
        if (gf_attr_f(n, "p") <= 0)
            continue;
        if (gf_attr_set(g, n, gf_attr_float("p", 0)) != GF_OK)
            return gf_fail_memory(cx->diags);
        cx->counts[0]++;
    }
    return GF_OK;
}
