/* weigh_loss.c -- a weight for each example's loss.
 *
 *   before                             after
 *   %1 = cross_entropy %x, %labels     %weights = input : f32[seqs,1]
 *   %loss = mean %1 : f32[]            %1 = cross_entropy %x, %labels
 *                                      %2 = mul %1, %weights
 *                                      %loss = mean %2 : f32[]
 *
 * 1. The loss must be the mean of a column, one loss an example; the column is
 *    multiplied by the input %weights.
 *
 * The runtime binds weights whose mean is 1 within the batch, so that the loss is
 * sum_i w[i] l[i] / sum_i w[i]; %loss_scale weighs micro-batches by their share of
 * the weights of the whole step.  Changes values by design.  O(1).
 * Source: torch.nn.CrossEntropyLoss(weight=...), reduction "mean".
 * Tests: tests/golden/weigh-loss/.
 */
#include "passes/declare.h"

static bool is_column(const GfType *type)
{
    return type->dtype == GF_F32 && type->rank == 2 && gf_dim_is(type->dims[1], 1);
}

static bool is_weighed(const GfNode *losses, const GfValue *weights)
{
    return losses->op == GF_OP_MUL && (gf_operand(losses, 0) == weights || gf_operand(losses, 1) == weights);
}

GfStatus gf_pass_weigh_loss(GfPassCtx *cx, GfGraph *g)
{
    GfValue *loss = gf_graph_output(g, "loss"), *operands[2];
    GfNode *mean = loss->node;

    if (mean->op != GF_OP_MEAN || !is_column(&gf_operand(mean, 0)->type))
        return gf_fail(cx->diags, mean->loc, GF_ERR_PASS,
                       "'weigh-loss' needs a loss that is the 'mean' of one loss an example, f32[seqs,1]");
    operands[0] = gf_operand(mean, 0);
    GF_TRY(gf_declare_input(cx, g, "weights", operands[0]->type, &operands[1]));
    if (is_weighed(operands[0]->node, operands[1]))
        return gf_fail(cx->diags, mean->loc, GF_ERR_PASS, "'weigh-loss' has weighed this loss already");
    GfValue *weighed = gf_build(g, mean, mean, cx->diags, GF_OP_MUL, NULL, 0, operands, 2);
    if (!weighed)
        return gf_build_status(cx);
    gf_set_operand(mean, 0, weighed);
    cx->counts[0]++;
    return GF_OK;
}
