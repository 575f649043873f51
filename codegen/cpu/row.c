/* row.c -- kernels that have whole rows at hand: layer norm, softmax, cross
 * entropy, with elementwise values before, between and after.
 *
 * A row is walked in the stages of codegen/lower.h.  What a later stage reads
 * again is kept: in its output if it is one, else in the thread's scratch.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"
#include "codegen/lower.h"

enum { TASK_ELEMENTS = 8192 };

typedef struct RowPlan {
    GfRowStages in;
    V *store;                  /* by node id * 3 + result: its row in scratch, or NULL */
    V (*scalars)[ROW_SCALARS]; /* by node id: slots (variables) of row ops */
    int stage;                 /* being written */
} RowPlan;

const V *row_scalars(Emit *e, const GfNode *n)
{
    return ((RowPlan *)e->self)->scalars[n->id];
}

static bool is_row_op(const GfNode *n)
{
    return cpu_op(n->op)->row != NULL;
}

/* Result `v` of a row op is a number a row, not a row. */
static bool is_row_scalar(const GfValue *v)
{
    const RowOp *row = cpu_op(v->node->op)->row;
    return row && gf_dim_is(emit_shape(&v->type).cols, 1) && (v->index > 0 || !cpu_op(v->node->op)->element);
}

static int phases(const GfNode *n)
{
    return is_row_op(n) ? cpu_op(n->op)->row->phases : 0;
}

static const GfRowOps row_ops = {phases, is_row_scalar};

static V scratch_row(Emit *e)
{
    int64_t room = emit_dim_max(e, e->r->cols) + e->l->width;
    return emit_scratch(e, room * 4);
}

static void reserve(Emit *e, RowPlan *plan)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        GfNode *n = e->r->nodes[i];
        for (uint32_t k = 0; k < n->result_count; k++) {
            if (plan->in.kept[n->id * 3 + k] && !gf_region_is_output(e->r, &n->results[k]))
                plan->store[n->id * 3 + k] = scratch_row(e);
        }
        for (int s = 0; is_row_op(n) && s < ROW_SCALARS; s++)
            plan->scalars[n->id][s] = ll_var(e->l, e->l->f32);
    }
}

/* Values of earlier stages, and numbers of rows. */
static V row_source(Emit *e, const GfValue *v, Point p)
{
    RowPlan *plan = e->self;
    uint32_t id = v->node->id;

    if (!e->inside[id])
        return NULL;
    if (is_row_scalar(v)) {
        V s[ROW_SCALARS];
        for (int i = 0; i < ROW_SCALARS; i++)
            s[i] = ll_get(e->l, plan->scalars[id][i]);
        return ll_splat(e->l, cpu_op(v->node->op)->row->scalar(e, v->node, v->index, s));
    }
    if (plan->in.level[id] == plan->stage || v->node->op == GF_OP_CONST)
        return NULL;
    if (plan->store[id * 3 + v->index])
        return ll_vload(e->l, plan->store[id * 3 + v->index], p.col, p.mask);
    return emit_load(e, v, p);
}

/* ---- one stage ------------------------------------------------------------------ */

typedef struct Slot {
    const GfNode *node;
    int phase, index;
    bool largest;
    V acc;
} Slot;

enum { MAX_SLOTS = 32 };

typedef struct Stage {
    Slot slots[MAX_SLOTS];
    int count;
    bool writes; /* some value of this stage is kept or an output */
} Stage;

static GfStatus open_stage(Emit *e, RowPlan *plan, Stage *stage)
{
    *stage = (Stage){0};
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        GfNode *n = e->r->nodes[i];
        const RowOp *row = cpu_op(n->op)->row;
        int phase = plan->stage - plan->in.first[n->id];
        for (int s = 0; row && phase >= 0 && phase < row->phases && s < row->slots[phase]; s++) {
            if (stage->count == MAX_SLOTS)
                return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "too many reductions in one row kernel");
            V acc = ll_var(e->l, e->l->vf);
            ll_set(e->l, acc, ll_vf(e->l, row->largest[phase] ? -3.0e38 : 0));
            stage->slots[stage->count++] = (Slot){n, phase, s, row->largest[phase], acc};
        }
        if (plan->in.level[n->id] == plan->stage && gf_row_writes(e->r, &plan->in, &row_ops, n))
            stage->writes = true;
    }
    return GF_OK;
}

static void add_slot(Emit *e, const Slot *slot, Point p)
{
    Ll *l = e->l;
    V term = cpu_op(slot->node->op)->row->term(e, slot->node, slot->phase, slot->index, p);
    V old = ll_get(l, slot->acc);
    V sum = slot->largest ? ll_fmax(l, term, old) : ll_fadd(l, old, term);

    ll_set(l, slot->acc, p.mask ? ll_select(l, p.mask, sum, old) : sum);
}

static void write_values(Emit *e, RowPlan *plan, Point p)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        GfNode *n = e->r->nodes[i];
        if (plan->in.level[n->id] != plan->stage)
            continue;
        for (uint32_t k = 0; k < n->result_count; k++) {
            GfValue *v = &n->results[k];
            bool output = gf_region_is_output(e->r, v);
            if (is_row_scalar(v) || (!output && !plan->in.kept[n->id * 3 + k]))
                continue;
            V value = emit_value(e, v, p);
            if (output)
                ll_vstore(e->l, value, emit_base(e, v),
                          ll_add(e->l, ll_mul(e->l, p.row, emit_dim(e, e->r->cols)), p.col), p.mask);
            else
                ll_vstore(e->l, value, plan->store[n->id * 3 + k], p.col, p.mask);
        }
    }
}

static void stage_point(Emit *e, void *self, Point p)
{
    const Stage *stage = self;

    emit_fresh(e);
    for (int i = 0; i < stage->count; i++)
        add_slot(e, &stage->slots[i], p);
    write_values(e, e->self, p);
}

/* Totals of the slots that end here become scalars of their ops. */
static void finish_slots(Emit *e, RowPlan *plan, Stage *stage, V row)
{
    Ll *l = e->l;

    for (int i = 0; i < stage->count;) {
        const Slot *slot = &stage->slots[i];
        const RowOp *op = cpu_op(slot->node->op)->row;
        V totals[ROW_SLOTS], scalars[ROW_SCALARS];
        for (int s = 0; s < op->slots[slot->phase]; s++, i++) {
            V acc = ll_get(l, stage->slots[i].acc);
            totals[s] = stage->slots[i].largest ? ll_largest(l, acc) : ll_sum(l, acc);
        }
        for (int s = 0; s < ROW_SCALARS; s++)
            scalars[s] = ll_get(l, plan->scalars[slot->node->id][s]);
        op->finish(e, slot->node, slot->phase, totals, scalars, (Point){.row = row, .col = ll_i(l, 0)});
        for (int s = 0; s < ROW_SCALARS; s++)
            ll_set(l, plan->scalars[slot->node->id][s], scalars[s]);
    }
}

static void write_scalars(Emit *e, RowPlan *plan, V row)
{
    for (uint32_t i = 0; i < e->r->output_count; i++) {
        const GfValue *v = e->r->outputs[i];
        V s[ROW_SCALARS];
        if (!is_row_scalar(v))
            continue;
        for (int k = 0; k < ROW_SCALARS; k++)
            s[k] = ll_get(e->l, plan->scalars[v->node->id][k]);
        ll_store_f(e->l, cpu_op(v->node->op)->row->scalar(e, v->node, v->index, s), emit_base(e, v), row);
    }
}

static GfStatus emit_row_body(Emit *e, RowPlan *plan, V row)
{
    Stage stage;

    for (plan->stage = 0; plan->stage < plan->in.stages; plan->stage++) {
        GF_TRY(open_stage(e, plan, &stage));
        if (stage.count || stage.writes)
            emit_walk(e, row, e->r->cols, stage_point, &stage);
        finish_slots(e, plan, &stage, row);
    }
    write_scalars(e, plan, row);
    return GF_OK;
}

GfStatus cpu_emit_row(Emit *e, const char *name)
{
    Ll *l = e->l;
    uint32_t ids = gf_graph_ids(e->g);
    RowPlan plan = {0};

    plan.store = GF_NEW_ARRAY(e->arena, V, (size_t)ids * 3);
    plan.scalars = gf_arena_array(e->arena, ids, sizeof *plan.scalars);
    if (e->arena->failed)
        return gf_fail_memory(e->diags);
    GF_TRY(emit_begin(e, name, 0));
    e->self = &plan;
    e->source = row_source;
    GF_TRY(gf_row_stages(e->r, ids, e->inside, &row_ops, e->arena, &plan.in, e->diags));
    reserve(e, &plan);
    int64_t cols = emit_dim_max(e, e->r->cols), unit = TASK_ELEMENTS / cols > 1 ? TASK_ELEMENTS / cols : 1;
    V from = ll_mul(l, e->begin, ll_i(l, unit));
    V to = ll_min(l, ll_mul(l, e->end, ll_i(l, unit)), emit_dim(e, e->r->rows));
    Loop row = ll_for(l, from, to, 1);
    GF_TRY(emit_row_body(e, &plan, row.i));
    ll_end(l, &row);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {e->r->rows, gf_dim_const(1)}, .unit = {unit, 1}};
    return GF_OK;
}
