/* eval.c -- the naive evaluator in double: the oracle that passes and back ends
 * are tested against.
 *
 * It walks the graph once and calls the function of each op.  All tensors are
 * allocated when the evaluator is made, one for each result, and one for the
 * new value of each update, since an update may name a param that another
 * update replaces.
 */
#include "ir/eval.h"

#include <math.h>
#include <string.h>

struct GfEval {
    GfArena arena; /* owns everything */
    const GfGraph *g;
    int64_t sizes[GF_MAX_SYMBOLS];
    GfTensor **tensors;  /* by node id: its results; of an update: the new value */
    bool *bound;         /* by node id */
    const GfTensor **in; /* operands of the node that is being evaluated */
    bool ran;
};

typedef GfStatus (*EvalFn)(const GfEvalArgs *a);

static const EvalFn eval_of[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, eval, ...) [GF_OP_##id] = gf_eval_op_##eval,
#include "ir/ops.def"
};

/* Inputs, params and states hold what was bound. */
GfStatus gf_eval_op_bound(const GfEvalArgs *a)
{
    (void)a;
    return GF_OK;
}

/* update, grad, return compute nothing. */
GfStatus gf_eval_op_nothing(const GfEvalArgs *a)
{
    (void)a;
    return GF_OK;
}

GfStatus gf_eval_index(const GfEvalArgs *a, const GfTensor *ids, int64_t i, int64_t limit, int64_t *out)
{
    *out = (int64_t)ids->data[i];
    if (*out >= 0 && *out < limit)
        return GF_OK;
    return gf_fail(a->diags, a->n->loc, GF_ERR_VALUE, "'%s' has %lld at position %lld of its ids; valid is 0 to %lld",
                   gf_op_text(a->n->op), (long long)*out, (long long)i, (long long)limit - 1);
}

/* ---- making ----------------------------------------------------------------- */

static bool is_bindable(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

static const char *name_of(const GfNode *n)
{
    return n->name ? n->name : gf_op_text(n->op);
}

static GfStatus bind_sizes(GfEval *e, const int64_t *sizes, GfDiags *diags)
{
    for (uint32_t i = 0; i < e->g->symbol_count; i++) {
        if (!sizes || sizes[i] < 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the size of '%s' is missing or negative",
                           e->g->symbols[i]);
        e->sizes[i] = sizes[i];
    }
    return GF_OK;
}

/* A tensor of `type` with symbols replaced by sizes. */
static GfStatus make_tensor(GfEval *e, const GfNode *n, const GfType *type, GfTensor *out, GfDiags *diags)
{
    *out = (GfTensor){.type = *type, .count = gf_type_elements(type, e->sizes)};
    for (uint32_t i = 0; i < type->rank; i++)
        out->type.dims[i] = gf_dim_const(gf_dim_value(type->dims[i], e->sizes));
    if (out->count < 0)
        return gf_fail(diags, n->loc, GF_ERR_VALUE, "'%s' is too large for the sizes given", name_of(n));
    out->data = GF_NEW_ARRAY(&e->arena, double, (size_t)out->count + 1);
    return out->data ? GF_OK : gf_fail_memory(diags);
}

static GfStatus make_tensors(GfEval *e, const GfNode *n, GfDiags *diags)
{
    bool is_update = n->op == GF_OP_UPDATE;

    e->tensors[n->id] = GF_NEW_ARRAY(&e->arena, GfTensor, n->result_count + 1);
    if (!e->tensors[n->id])
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < n->result_count; i++)
        GF_TRY(make_tensor(e, n, &n->results[i].type, &e->tensors[n->id][i], diags));
    return is_update ? make_tensor(e, n, &gf_operand(n, 1)->type, e->tensors[n->id], diags) : GF_OK;
}

static GfStatus make(GfEval *e, const int64_t *sizes, GfDiags *diags)
{
    uint32_t most_operands = 0;

    GF_TRY(bind_sizes(e, sizes, diags));
    e->tensors = GF_NEW_ARRAY(&e->arena, GfTensor *, gf_graph_ids(e->g) + 1);
    e->bound = GF_NEW_ARRAY(&e->arena, bool, gf_graph_ids(e->g) + 1);
    if (!e->tensors || !e->bound)
        return gf_fail_memory(diags);
    GF_EACH_NODE (n, e->g) {
        most_operands = n->operand_count > most_operands ? n->operand_count : most_operands;
        GF_TRY(make_tensors(e, n, diags));
    }
    e->in = GF_NEW_ARRAY(&e->arena, const GfTensor *, most_operands + 1);
    return e->in ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_eval_new(const GfGraph *g, const int64_t *sizes, const GfAllocator *allocator, GfEval **out, GfDiags *diags)
{
    GfArena arena;

    *out = NULL;
    gf_arena_init(&arena, allocator);
    GfEval *e = GF_NEW(&arena, GfEval);
    if (!e) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    e->arena = arena;
    e->g = g;
    GfStatus status = make(e, sizes, diags);
    if (status != GF_OK)
        gf_eval_free(e);
    else
        *out = e;
    return status;
}

void gf_eval_free(GfEval *e)
{
    if (!e)
        return;
    GfArena arena = e->arena; /* e itself lives in it */
    gf_arena_free(&arena);
}

/* ---- running ------------------------------------------------------------------ */

/* Integers of 32 bits, as in the memory of a device. */
static GfStatus check_integers(const GfNode *n, const double *data, int64_t count, GfDiags *diags)
{
    for (int64_t i = 0; i < count; i++) {
        if (!(data[i] >= INT32_MIN && data[i] <= INT32_MAX && trunc(data[i]) == data[i]))
            return gf_fail(diags, n->loc, GF_ERR_VALUE, "'%s' is i32, but element %lld is %g", name_of(n), (long long)i,
                           data[i]);
    }
    return GF_OK;
}

GfStatus gf_eval_bind(GfEval *e, const GfNode *n, const double *data, GfDiags *diags)
{
    if (!is_bindable(n))
        return gf_fail(diags, n->loc, GF_ERR_VALUE, "'%s' is computed and cannot be bound", name_of(n));
    GfTensor *t = e->tensors[n->id];
    if (t->type.dtype == GF_I32)
        GF_TRY(check_integers(n, data, t->count, diags));
    if (t->count)
        memcpy(t->data, data, (size_t)t->count * sizeof *data);
    e->bound[n->id] = true;
    return GF_OK;
}

const GfTensor *gf_eval_value(const GfEval *e, const GfValue *v)
{
    return &e->tensors[v->node->id][v->index];
}

static void copy_tensor(GfTensor *to, const GfTensor *from)
{
    memcpy(to->data, from->data, (size_t)to->count * sizeof *to->data);
}

static GfStatus run_node(GfEval *e, const GfNode *n, GfDiags *diags)
{
    GfEvalArgs args = {.n = n, .in = e->in, .out = e->tensors[n->id], .diags = diags};

    if (is_bindable(n) && !e->bound[n->id])
        return gf_fail(diags, n->loc, GF_ERR_VALUE, "'%s' is not bound", name_of(n));
    for (uint32_t i = 0; i < n->operand_count; i++)
        e->in[i] = gf_eval_value(e, gf_operand(n, i));
    GF_TRY(eval_of[n->op](&args));
    if (n->op == GF_OP_UPDATE)
        copy_tensor(args.out, e->in[1]);
    return GF_OK;
}

GfStatus gf_eval_run(GfEval *e, GfDiags *diags)
{
    e->ran = false;
    GF_EACH_NODE (n, e->g)
        GF_TRY(run_node(e, n, diags));
    e->ran = true;
    return GF_OK;
}

void gf_eval_apply_updates(GfEval *e)
{
    if (!e->ran)
        return;
    GF_EACH_NODE (n, e->g) {
        if (n->op == GF_OP_UPDATE)
            copy_tensor(e->tensors[gf_operand(n, 0)->node->id], e->tensors[n->id]);
    }
}
