/* accumulate.c -- add gradients up in state, for all but the last micro-batch.
 *
 *   before               after
 *   grad %w = %9         %s = state "w.grad_sum" : f32[6,8]
 *                        ...
 *                        %10 = add %s, %9
 *                        update %s = %10
 *
 * 1. Every `grad %w = %g` becomes a state "<label>.grad_sum", zeros at first,
 *    and the update that adds %g to it.  That of a frozen param is only removed.
 *
 * The step of the last micro-batch is made by adamw{accumulated=1}, which reads
 * the same states and sets them to zero.  The runtime divides by the examples
 * of the whole effective batch, through %loss_scale.  Outputs stay.
 *
 * Legal: gradients are linear in the loss, so the sum over micro-batches is the
 * gradient of the summed loss.  O(nodes * params).
 * Source: gradient accumulation of every training framework.
 * Tests: tests/golden/accumulate/.
 */
#include "passes/declare.h"

static GfStatus accumulate(GfPassCtx *cx, GfGraph *g, GfNode *grad)
{
    GfValue *state, *operands[2];

    GF_TRY(gf_declare_state(cx, g, gf_operand(grad, 0)->node, "grad_sum", &state));
    operands[0] = state;
    operands[1] = gf_operand(grad, 1);
    GfValue *sum = gf_build(g, grad, grad, cx->diags, GF_OP_ADD, NULL, 0, operands, 2);
    if (!sum)
        return gf_build_status(cx);
    GF_TRY(gf_declare_update(cx, g, grad, state, sum));
    cx->counts[0]++;
    return GF_OK;
}

GfStatus gf_pass_accumulate(GfPassCtx *cx, GfGraph *g)
{
    GF_EACH_NODE (n, g) {
        if (n->op != GF_OP_GRAD)
            continue;
        if (!gf_operand(n, 0)->node->frozen)
            GF_TRY(accumulate(cx, g, n));
        gf_remove(g, n);
    }
    return GF_OK;
}
