/* autodiff.c -- add the gradient of the loss by every parameter.
 *
 *   before                         after
 *   %w = param "w" : f32[6,8]      %loss_scale = input : f32[]
 *   %1 = linear %x, %w             %w = param "w" : f32[6,8]
 *   %loss = mean %1                %1 = linear %x, %w
 *   return loss = %loss            %loss = mean %1
 *                                  %2 = mean_grad %loss_scale : f32[n,6]
 *                                  %3 = matmul %2, %x {transpose_a = 1} : f32[6,8]
 *                                  grad %w = %3
 *                                  return loss = %loss
 *
 * Reverse mode, over the graph:
 * 1. A node is active if it depends on a parameter through f32 values.
 * 2. The gradient by the loss is the input %loss_scale (1 in plain training; the
 *    runtime uses it to weigh micro-batches).
 * 3. Walk the nodes backwards.  All users of a node come before it in this walk,
 *    so its gradient is complete: the sum of what the users gave, in the order
 *    they gave it.  The node's rule (autodiff_ops.c) gives to its active operands.
 * 4. An operand that was broadcast gets the sum over what it was repeated along.
 * 5. `grad` for every param that the loss depends on, frozen or not, in the
 *    order of the params; prune-frozen drops those that are not wanted.
 *
 * Legal: adds nodes only.  O(nodes).
 * Source: Linnainmaa 1970; Griewank and Walther, Evaluating Derivatives, SIAM 2008.
 * Tests: tests/golden/autodiff/, and against finite differences in tests/unit/test_gradients.c.
 */
#include "passes/autodiff.h"

#include "passes/declare.h"

#include <stdarg.h>

/* ---- failures --------------------------------------------------------------------- */

static void stop(GfAutodiff *ad, GfStatus status)
{
    if (ad->status == GF_OK)
        ad->status = status;
}

void gf_autodiff_fail(GfAutodiff *ad, const char *format, ...)
{
    va_list args;

    if (ad->status != GF_OK)
        return;
    va_start(args, format);
    const char *message = gf_arena_vprintf(ad->cx->scratch, format, args);
    va_end(args);
    stop(ad, message ? gf_fail(ad->cx->diags, ad->forward->loc, GF_ERR_PASS, "%s", message)
                     : gf_fail_memory(ad->cx->diags));
}

/* ---- writing nodes ------------------------------------------------------------------ */

GfValue *gf_autodiff_emit(GfAutodiff *ad, const GfEmit *emit)
{
    GfNode *n = NULL;
    GfNodeSpec spec = {.op = emit->op,
                       .operands = emit->in,
                       .operand_count = emit->count,
                       .attrs = emit->attrs,
                       .attr_count = emit->attr_count,
                       .declared = emit->declared,
                       .loc = ad->forward->loc};

    if (ad->status != GF_OK)
        return NULL;
    for (uint32_t i = 0; i < emit->count; i++) {
        if (!emit->in[i])
            return NULL;
    }
    stop(ad, gf_graph_add(ad->g, ad->end, &spec, &n, ad->cx->diags));
    ad->cx->counts[1] += n != NULL;
    return n ? gf_result(n) : NULL;
}

static GfValue *emit_sum(GfAutodiff *ad, GfOp op, GfValue *x)
{
    return gf_autodiff_emit(ad, &(GfEmit){.op = op, .in = {x}, .count = 1});
}

/* ---- broadcast operands --------------------------------------------------------------- */

static bool is_ones(const GfType *type)
{
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!gf_dim_is(type->dims[i], 1))
            return false;
    }
    return true;
}

/* The sum of dy over the axes along which a value of type `to` was repeated. */
static GfValue *sum_repeated(GfAutodiff *ad, GfValue *dy, const GfType *to)
{
    if (is_ones(to))
        return emit_sum(ad, GF_OP_SUM, dy);
    if (dy->type.rank == 2 && gf_dim_is(to->dims[to->rank - 1], 1))
        return emit_sum(ad, GF_OP_SUM_COLS, dy);
    if (dy->type.rank == 2)
        return emit_sum(ad, GF_OP_SUM_ROWS, dy);
    gf_autodiff_fail(ad, "'%s' has no gradient where it repeats %s to %s: matrices only", gf_op_text(ad->forward->op),
                     gf_type_str(ad->cx->scratch, ad->g, to), gf_type_str(ad->cx->scratch, ad->g, &dy->type));
    return NULL;
}

/* dy as a gradient of a value of type `to`, which broadcasts to dy's type. */
static GfValue *reduce_to(GfAutodiff *ad, GfValue *dy, const GfType *to)
{
    if (gf_type_eq(&dy->type, to))
        return dy;
    GfValue *sum = sum_repeated(ad, dy, to);
    if (!sum || gf_type_eq(&sum->type, to))
        return sum;
    /* [m] to [1,m], [] to [1,1]: the same elements in another shape */
    return gf_autodiff_emit(ad, &(GfEmit){.op = GF_OP_BROADCAST, .in = {sum}, .count = 1, .declared = to});
}

/* ---- gradients of values ---------------------------------------------------------------- */

bool gf_autodiff_wants(const GfAutodiff *ad, uint32_t i)
{
    const GfValue *v = gf_operand(ad->forward, i);

    return v->type.dtype == GF_F32 && ad->active[v->node->id];
}

void gf_autodiff_give(GfAutodiff *ad, uint32_t i, GfValue *value)
{
    const GfValue *operand = gf_operand(ad->forward, i);
    GfValue **grad = &ad->grads[operand->node->id];

    if (!value || ad->status != GF_OK)
        return;
    if (operand->index != 0) {
        gf_autodiff_fail(ad, "there is no gradient through result %u of '%s'", operand->index,
                         gf_op_text(operand->node->op));
        return;
    }
    value = reduce_to(ad, value, &operand->type);
    *grad = *grad ? gf_autodiff_emit(ad, &(GfEmit){.op = GF_OP_ADD, .in = {*grad, value}, .count = 2}) : value;
}

/* ---- the pass ------------------------------------------------------------------------------ */

static void mark_active(GfAutodiff *ad)
{
    for (const GfNode *n = ad->g->first; n; n = n->next) {
        bool active = n->op == GF_OP_PARAM && n->results[0].type.dtype == GF_F32;
        for (uint32_t i = 0; i < n->operand_count && !active; i++) {
            const GfValue *v = gf_operand(n, i);
            active = v->type.dtype == GF_F32 && ad->active[v->node->id];
        }
        ad->active[n->id] = active;
    }
}

static void walk_backwards(GfAutodiff *ad, GfNode *last)
{
    for (GfNode *n = last; n && ad->status == GF_OK; n = n->prev) {
        ad->forward = n;
        if (n->op != GF_OP_PARAM && ad->active[n->id] && ad->grads[n->id])
            gf_autodiff_node(ad, n, ad->grads[n->id]);
    }
}

static GfStatus add_grads(GfAutodiff *ad)
{
    GF_EACH_NODE (n, ad->g) {
        if (n->op != GF_OP_PARAM || !ad->grads[n->id])
            continue;
        GfNodeSpec spec = {.op = GF_OP_GRAD,
                           .operands = (GfValue *[]){gf_result(n), ad->grads[n->id]},
                           .operand_count = 2,
                           .loc = n->loc};
        GF_TRY(gf_graph_add(ad->g, ad->end, &spec, NULL, ad->cx->diags));
        ad->cx->counts[0]++;
    }
    return GF_OK;
}

GfStatus gf_pass_autodiff(GfPassCtx *cx, GfGraph *g)
{
    GfValue *loss = gf_graph_output(g, "loss"), *seed;
    GfNode *end = gf_graph_return(g), *last = end->prev;

    GF_TRY(gf_declare_input(cx, g, "loss_scale", gf_type_scalar(GF_F32), &seed));
    GfAutodiff ad = {.cx = cx,
                     .g = g,
                     .end = end,
                     .active = GF_NEW_ARRAY(cx->scratch, bool, gf_graph_ids(g)),
                     .grads = GF_NEW_ARRAY(cx->scratch, GfValue *, gf_graph_ids(g))};
    if (!ad.active || !ad.grads)
        return gf_fail_memory(cx->diags);
    if (loss->index != 0)
        return gf_fail(cx->diags, loss->node->loc, GF_ERR_PASS, "there is no gradient through result %u of '%s'",
                       loss->index, gf_op_text(loss->node->op));
    ad.grads[loss->node->id] = seed;
    mark_active(&ad);
    walk_backwards(&ad, last);
    return ad.status == GF_OK ? add_grads(&ad) : ad.status;
}
