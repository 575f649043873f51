/* row.c -- kernels that have whole rows at hand: layer norm, softmax, cross
 * entropy, with elementwise values before, between and after.
 *
 * A block takes one row, which is walked in the stages of codegen/lower.h.  What a
 * later stage reads again stays in registers (`h_kept[k]`): a thread has the columns
 * threadIdx.x + k * threads in every stage.
 */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"
#include "codegen/lower.h"

#include <string.h>

enum { COLUMNS_A_THREAD = 4, MAX_THREADS = 1024, MAX_SLOTS = 32 };

typedef struct RowPlan {
    GfRowStages in;
    const char **store;                       /* by slot: array of the kept value */
    const char *(*scalars)[CUDA_ROW_SCALARS]; /* by node id: variables of row ops */
    int stage;
} RowPlan;

static bool is_row_op(const GfNode *n)
{
    return cuda_op(n->op)->row != NULL;
}

const char *const *cuda_row_scalars(CudaEmit *e, const GfNode *n)
{
    return ((RowPlan *)e->self)->scalars[n->id];
}

/* Result `v` of a row op is a number a row, not a row. */
static bool is_row_scalar(const GfValue *v)
{
    const CudaRowOp *row = cuda_op(v->node->op)->row;

    return row && gf_dim_is(cuda_shape(&v->type).cols, 1) && (v->index > 0 || !cuda_op(v->node->op)->write);
}

/* ---- planning --------------------------------------------------------------------- */

static int phases(const GfNode *n)
{
    return is_row_op(n) ? cuda_op(n->op)->row->phases : 0;
}

static const GfRowOps row_ops = {phases, is_row_scalar};

/* Registers for what is kept: of a constant number of columns only. */
static GfStatus declare_kept(CudaEmit *e, RowPlan *plan, int64_t columns)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        const GfNode *n = e->r->nodes[i];
        for (uint32_t k = 0; k < n->result_count; k++) {
            size_t slot = (size_t)n->id * 3 + k;
            if (!plan->in.kept[slot])
                continue;
            if (columns == 0)
                return gf_fail(e->diags, n->loc, GF_ERR_COMPILE,
                               "rows of symbolic length are not supported by the cuda target");
            plan->store[slot] = cuda_fresh_name(e, cuda_text(e, "%s_kept", cuda_name(e, &n->results[k])));
            cuda_line(e, "float %s[%d];", plan->store[slot], (int)columns);
        }
    }
    return GF_OK;
}

/* Values of earlier stages, and numbers of rows. */
static const char *row_source(CudaEmit *e, const GfValue *v)
{
    const RowPlan *plan = e->self;
    uint32_t id = v->node->id;

    if (!e->inside[id])
        return NULL;
    if (is_row_scalar(v))
        return cuda_op(v->node->op)->row->scalar(e, v->node, v->index, plan->scalars[id]);
    if (plan->in.level[id] == plan->stage || !plan->store[id * 3 + v->index])
        return NULL;
    return cuda_text(e, "%s[k]", plan->store[id * 3 + v->index]);
}

/* ---- one stage ---------------------------------------------------------------------- */

typedef struct Slot {
    const GfNode *node;
    int phase, index;
    bool largest;
    const char *sum; /* variable */
} Slot;

typedef struct Stage {
    Slot slots[MAX_SLOTS];
    int count;
    bool writes; /* some value of this stage is kept or an output */
} Stage;

static GfStatus open_stage(CudaEmit *e, RowPlan *plan, Stage *stage)
{
    *stage = (Stage){0};
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        const GfNode *n = e->r->nodes[i];
        const CudaRowOp *row = cuda_op(n->op)->row;
        int phase = plan->stage - plan->in.first[n->id];
        for (int s = 0; row && phase >= 0 && phase < row->phases && s < row->slots[phase]; s++) {
            if (stage->count == MAX_SLOTS)
                return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "too many reductions in one row kernel");
            const char *sum = cuda_fresh_name(e, row->largest[phase] ? "largest" : "sum");
            cuda_line(e, "float %s = %s;", sum, row->largest[phase] ? "-3.0e38f" : "0.0f");
            stage->slots[stage->count++] = (Slot){n, phase, s, row->largest[phase], sum};
        }
        if (plan->in.level[n->id] == plan->stage && gf_row_writes(e->r, &plan->in, &row_ops, n))
            stage->writes = true;
    }
    return GF_OK;
}

static void add_slot(CudaEmit *e, const Slot *slot)
{
    const CudaRowOp *row = cuda_op(slot->node->op)->row;
    const char *term = row->term(e, slot->node, slot->phase, slot->index, cuda_row_scalars(e, slot->node));

    if (slot->largest)
        cuda_line(e, "%s = fmaxf(%s, %s);", slot->sum, slot->sum, term);
    else
        cuda_line(e, "%s += %s;", slot->sum, term);
}

static void write_values(CudaEmit *e, RowPlan *plan)
{
    for (uint32_t i = 0; i < e->r->node_count; i++) {
        const GfNode *n = e->r->nodes[i];
        for (uint32_t k = 0; plan->in.level[n->id] == plan->stage && k < n->result_count; k++) {
            const GfValue *v = &n->results[k];
            bool output = gf_region_is_output(e->r, v), kept = plan->in.kept[n->id * 3 + k];
            if (is_row_scalar(v) || (!output && !kept))
                continue;
            const char *value = cuda_value(e, v);
            if (kept)
                cuda_line(e, "%s[k] = %s;", plan->store[n->id * 3 + k], value);
            if (output)
                cuda_line(e, "%s[%s] = %s;", cuda_pointer(e, v), cuda_index(e, v), value);
        }
    }
}

static void walk_columns(CudaEmit *e, RowPlan *plan, const Stage *stage, int64_t columns)
{
    const char *cols = cuda_dim(e, e->r->cols);

    if (columns) {
        cuda_line(e, "#pragma unroll");
        cuda_open(e, "for (int k = 0; k < %d; k++)", (int)columns);
        cuda_line(e, "const int col = threadIdx.x + k * %u;", e->threads);
        if (!gf_dim_is(e->r->cols, columns * (int64_t)e->threads))
            cuda_open(e, "if (col < %s)", cols);
    } else {
        cuda_open(e, "for (int col = threadIdx.x; col < %s; col += %u)", cols, e->threads);
    }
    cuda_fresh(e);
    for (int i = 0; i < stage->count; i++)
        add_slot(e, &stage->slots[i]);
    write_values(e, plan);
    if (columns && !gf_dim_is(e->r->cols, columns * (int64_t)e->threads))
        cuda_close(e, "");
    cuda_close(e, "");
}

/* Totals of the slots that end here become scalars of their ops. */
static void finish_slots(CudaEmit *e, RowPlan *plan, const Stage *stage)
{
    cuda_fresh(e);
    for (int i = 0; i < stage->count; i++)
        cuda_line(e, "%s = gf_block_%s<%u>(%s);", stage->slots[i].sum, stage->slots[i].largest ? "largest" : "sum",
                  e->threads, stage->slots[i].sum);
    for (int i = 0; i < stage->count;) {
        const Slot *slot = &stage->slots[i];
        const CudaRowOp *op = cuda_op(slot->node->op)->row;
        const char *totals[CUDA_ROW_SLOTS] = {NULL}, **scalars = plan->scalars[slot->node->id];
        const char *before[CUDA_ROW_SCALARS];
        memcpy(before, scalars, sizeof before);
        for (int s = 0; s < op->slots[slot->phase]; s++, i++)
            totals[s] = stage->slots[i].sum;
        op->finish(e, slot->node, slot->phase, totals, scalars);
        for (int s = 0; s < CUDA_ROW_SCALARS; s++) {
            if (!scalars[s] || scalars[s] == before[s])
                continue;
            const char *name = cuda_fresh_name(e, cuda_text(e, "r%u", slot->node->id));
            cuda_line(e, "const float %s = %s;", name, scalars[s]);
            scalars[s] = name;
        }
    }
}

static void write_scalars(CudaEmit *e, RowPlan *plan)
{
    bool any = false;

    for (uint32_t i = 0; i < e->r->output_count; i++) {
        const GfValue *v = e->r->outputs[i];
        if (!is_row_scalar(v))
            continue;
        if (!any)
            cuda_open(e, "if (threadIdx.x == 0)");
        any = true;
        cuda_line(e, "%s[row] = %s;", cuda_pointer(e, v),
                  cuda_op(v->node->op)->row->scalar(e, v->node, v->index, plan->scalars[v->node->id]));
    }
    if (any)
        cuda_close(e, "");
}

/* Threads, and columns of each; 0 columns: not known before it runs. */
static int64_t divide_columns(CudaEmit *e)
{
    if (e->r->cols.symbol != GF_CONSTANT) {
        e->threads = 256;
        return 0;
    }
    int64_t threads = ((e->r->cols.size + COLUMNS_A_THREAD - 1) / COLUMNS_A_THREAD + 31) / 32 * 32;
    e->threads = (uint32_t)(threads > MAX_THREADS ? MAX_THREADS : threads);
    return (e->r->cols.size + e->threads - 1) / e->threads;
}

static GfStatus make_plan(CudaEmit *e, RowPlan *plan)
{
    uint32_t ids = gf_graph_ids(e->g);

    *plan = (RowPlan){0};
    plan->store = GF_NEW_ARRAY(e->arena, const char *, (size_t)ids * 3);
    plan->scalars = gf_arena_array(e->arena, ids, sizeof *plan->scalars);
    if (e->arena->failed)
        return gf_fail_memory(e->diags);
    return gf_row_stages(e->r, ids, e->inside, &row_ops, e->arena, &plan->in, e->diags);
}

GfStatus cuda_emit_row(CudaEmit *e)
{
    RowPlan plan;
    Stage stage;
    int64_t columns = divide_columns(e);

    GF_TRY(make_plan(e, &plan));
    e->row = "row";
    e->col = "col";
    e->self = &plan;
    e->source = row_source;
    e->work = (GfWork){.dim = {e->r->rows, gf_dim_const(1)}, .unit = {1, 1}};
    GF_TRY(cuda_begin(e));
    cuda_line(e, "const int row = task;");
    cuda_line(e, "if (row >= %s)", cuda_dim(e, e->r->rows));
    cuda_line(e, "    return;");
    GF_TRY(declare_kept(e, &plan, columns));
    for (plan.stage = 0; plan.stage < plan.in.stages; plan.stage++) {
        GF_TRY(open_stage(e, &plan, &stage));
        if (stage.count || stage.writes)
            walk_columns(e, &plan, &stage, columns);
        finish_slots(e, &plan, &stage);
    }
    write_scalars(e, &plan);
    cuda_end(e);
    return GF_OK;
}
