/* precision.c -- matrix products of rounded factors.
 *
 *   before                     after {products = "bf16"}
 *   %1 = linear %x, %w, %b     %1 = linear %x, %w, %b {round = "bf16"}
 *
 * 1. Every linear and matmul gets the attribute; one that has it is left alone.
 *
 * Only the factors are rounded, as they enter the product: sums, biases,
 * statistics, gradients in memory, parameters and the optimizer stay f32.  So
 * the masters need no copy and no loss scaling: bf16 has the exponents of f32.
 * Changes values by design, each factor by at most 2^-9 (bf16) or 2^-11 (tf32) of
 * itself.  A target that does not gain from it keeps exact products.  O(nodes).
 * Source: Micikevicius et al., arXiv:1710.03740; Kalamkar et al., arXiv:1905.12322.
 * Tests: tests/golden/precision/.
 */
#include "passes/passes.h"

#include <string.h>

static GfStatus check_option(const GfPassCtx *cx, const char *products)
{
    if (strcmp(products, "bf16") == 0 || strcmp(products, "tf32") == 0)
        return GF_OK;
    return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "products=%s: factors are rounded to bf16 or tf32", products);
}

GfStatus gf_pass_precision(GfPassCtx *cx, GfGraph *g)
{
    const char *products = gf_option_s(cx, "products");

    GF_TRY(check_option(cx, products));
    if (!cx->target->rounded_products)
        return GF_OK;
    GF_EACH_NODE (n, g) {
        const char *round = gf_attr_s(n, "round");
        if (gf_op_info(n->op)->class_ != GF_CLASS_GEMM || (round && *round))
            continue;
        if (gf_attr_set(g, n, gf_attr_string("round", products)) != GF_OK)
            return gf_fail_memory(cx->diags);
        cx->counts[0]++;
    }
    return GF_OK;
}
