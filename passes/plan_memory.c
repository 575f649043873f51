/* plan_memory.c -- lifetimes to offsets in one arena, in place where legal.
 *
 *   before                             after
 *   %2 = gelu %1 : f32[8,8] @k0        %2 = gelu %1 : f32[8,8] @k0 +0
 *   %3 = add %s, %2 : f32[8,8] @k1     %3 = add %s, %2 : f32[8,8] @k1 =%s
 *   update %s = %3                     update %s = %3
 *
 * Planned are the values that a kernel writes and another kernel, or update,
 * grad or return reads; all others live in registers.  Sizes are those at the
 * maxima of the symbols, so one plan serves every batch of a job.
 *   1. A value that becomes a param or state takes over its memory when no later
 *      kernel and no output reads the old value, and its own kernel either does
 *      not read it or is FLAT: there each element is read before it is written,
 *      by the same thread.  Otherwise the program copies it after the step.
 *   2. A value of a FLAT kernel takes over the buffer of an input of its own
 *      type that dies there.
 *   3. A buffer lives from the launch that writes it to the last that reads it,
 *      to the end of the step if update, grad or return read it.  Launches that
 *      the target runs as one (gf_kernel_batches) count as one here.
 *   4. Offsets: passes/pack.c.  No plan for these lives needs less than what the
 *      counter `alive` says: the most bytes alive at once.
 *
 * Legal because two buffers share bytes only if no launch needs both, save for
 * 1 and 2.  The launch order is that of gf_kernel_order, which the back ends use.
 * O(values^2).  Tests: tests/golden/plan-memory/, tests/unit/test_plan.c.
 */
#include "ir/kernel.h"
#include "passes/maxima.h"
#include "passes/pack.h"
#include "passes/passes.h"

/* A planned value: the piece whose memory it has. */
typedef struct Owner {
    GfValue *value;
    uint32_t piece;
} Owner;

typedef struct Plan {
    GfPassCtx *cx;
    GfGraph *g;
    GfKernelNodes *kernels;
    uint32_t kernel_count;
    uint32_t *batch;  /* kernel -> its batch: what runs at once, see gf_kernel_batches */
    uint32_t *launch; /* node id -> the batch of its launch */
    Owner *owners;
    GfPiece *pieces;
    uint32_t owner_count, piece_count;
    int64_t total; /* bytes of all pieces */
} Plan;

/* ---- sizes ---------------------------------------------------------------------- */

/* Bytes of a value at the maxima, aligned; adds them to the total. */
static GfStatus size_of(Plan *p, const GfValue *v, int64_t *size)
{
    int64_t count = gf_type_elements(&v->type, p->g->plan_sizes), align = p->cx->target->alignment;
    bool fits = count >= 0 && !__builtin_mul_overflow(count, (int64_t)gf_dtype_size(v->type.dtype), size) &&
                !__builtin_add_overflow(*size, align - 1, size);

    *size = fits ? *size / align * align : 0; /* up to the alignment */
    if (fits && !__builtin_add_overflow(p->total, *size, &p->total))
        return GF_OK;
    return gf_fail(p->cx->diags, v->node->loc, GF_ERR_PASS, "'%%%s' makes the plan larger than any memory: %s",
                   v->node->name, gf_type_str(p->cx->scratch, p->g, &v->type));
}

/* ---- lives -------------------------------------------------------------------------- */

static void reset_places(GfGraph *g)
{
    GF_EACH_NODE (n, g) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            n->results[i].place = GF_PLACE_NONE;
            n->results[i].offset = 0;
            n->results[i].alias = NULL;
        }
    }
}

/* The last batch that reads `v`; kernel_count stands for the end of the step. */
static uint32_t last_read(const Plan *p, const GfValue *v)
{
    uint32_t last = p->launch[v->node->id];

    for (const GfUse *u = v->uses; u; u = u->next) {
        uint32_t at = gf_makes_code(u->user) ? p->launch[u->user->id] : p->kernel_count;
        last = at > last ? at : last;
    }
    return last;
}

/* The kernel walks over elements of this type, each read before it is written. */
static bool is_flat_over(const GfKernelNodes *k, const GfType *type)
{
    GfKernelForm form;
    return gf_kernel_form(k->nodes, k->node_count, NULL, &form) && form.kind == GF_KERNEL_FLAT &&
           gf_type_eq(&form.domain, type);
}

/* ---- 1. taking over what is updated ----------------------------------------------------- */

/* The slot only names the param or state: its value is not read there. */
static bool names_only(const GfUse *u)
{
    return (u->user->op == GF_OP_UPDATE || u->user->op == GF_OP_GRAD) && u == &u->user->operands[0];
}

/* No launch beside that of kernel `k` or after it reads `v`, nor does the end of the
 * step; `k` itself only where it may. */
static bool only_read_by(const Plan *p, const GfValue *v, uint32_t k, bool may_read)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (names_only(u))
            continue;
        uint32_t at = gf_makes_code(u->user) ? p->launch[u->user->id] : p->kernel_count;
        bool own = u->user->kernel == p->kernels[k].kernel && gf_makes_code(u->user);
        if (own ? !may_read : at >= p->batch[k])
            return false;
    }
    return true;
}

static bool take_target(Plan *p, GfValue *v, uint32_t k, bool flat)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (u->user->op != GF_OP_UPDATE || names_only(u))
            continue;
        GfNode *target = gf_operand(u->user, 0)->node;
        if (!only_read_by(p, &target->results[0], k, flat))
            continue;
        v->place = GF_PLACE_ALIAS;
        v->alias = target;
        p->cx->counts[1]++;
        return true;
    }
    return false;
}

/* ---- 2. taking over what dies -------------------------------------------------------------- */

static Owner *owner_of(const Plan *p, const GfValue *v)
{
    for (uint32_t i = p->owner_count; i-- > 0;) {
        if (p->owners[i].value == v)
            return &p->owners[i];
    }
    return NULL;
}

/* A dying input of the same type; its piece lives on as that of `v`. */
static bool take_input(Plan *p, GfValue *v, uint32_t k)
{
    for (uint32_t i = 0; i < p->kernels[k].input_count; i++) {
        const GfValue *input = p->kernels[k].inputs[i];
        const Owner *o = gf_type_eq(&input->type, &v->type) ? owner_of(p, input) : NULL;
        if (!o || p->pieces[o->piece].end != p->batch[k] || !only_read_by(p, input, k, true))
            continue;
        p->pieces[o->piece].end = last_read(p, v);
        p->owners[p->owner_count++] = (Owner){v, o->piece};
        p->cx->counts[1]++;
        return true;
    }
    return false;
}

/* ---- 3. new pieces ---------------------------------------------------------------------------- */

static GfStatus add_piece(Plan *p, GfValue *v, uint32_t k)
{
    GfPiece *piece = &p->pieces[p->piece_count];

    *piece = (GfPiece){.start = p->batch[k], .end = last_read(p, v)};
    GF_TRY(size_of(p, v, &piece->size));
    p->owners[p->owner_count++] = (Owner){v, p->piece_count++};
    return GF_OK;
}

static GfStatus plan_kernel(Plan *p, uint32_t k)
{
    for (uint32_t i = 0; i < p->kernels[k].output_count; i++) {
        GfValue *v = p->kernels[k].outputs[i];
        bool flat = is_flat_over(&p->kernels[k], &v->type);
        if (take_target(p, v, k, flat) || (flat && take_input(p, v, k)))
            continue;
        GF_TRY(add_piece(p, v, k));
    }
    return GF_OK;
}

/* ---- the pass ------------------------------------------------------------------------------------ */

static GfStatus plan_init(Plan *p)
{
    size_t outputs = 0;

    GF_TRY(gf_kernel_order(p->g, p->cx->scratch, &p->kernels, &p->kernel_count, p->cx->diags));
    GF_TRY(
        gf_kernel_batches(p->g, p->kernels, p->kernel_count, p->cx->target, p->cx->scratch, &p->batch, p->cx->diags));
    p->launch = GF_NEW_ARRAY(p->cx->scratch, uint32_t, gf_graph_ids(p->g));
    for (uint32_t k = 0; k < p->kernel_count; k++) {
        outputs += p->kernels[k].output_count;
        for (uint32_t i = 0; p->launch && i < p->kernels[k].node_count; i++)
            p->launch[p->kernels[k].nodes[i]->id] = p->batch[k];
    }
    p->owners = GF_NEW_ARRAY(p->cx->scratch, Owner, outputs);
    p->pieces = GF_NEW_ARRAY(p->cx->scratch, GfPiece, outputs);
    return p->cx->scratch->failed ? gf_fail_memory(p->cx->diags) : GF_OK;
}

static void set_offsets(const Plan *p)
{
    for (uint32_t i = 0; i < p->owner_count; i++) {
        p->owners[i].value->place = GF_PLACE_ARENA;
        p->owners[i].value->offset = p->pieces[p->owners[i].piece].offset;
    }
    p->cx->counts[0] = p->owner_count;
}

GfStatus gf_pass_plan_memory(GfPassCtx *cx, GfGraph *g)
{
    Plan p = {.cx = cx, .g = g};

    GF_TRY(gf_maxima(cx, g, g->plan_sizes));
    reset_places(g);
    GF_TRY(plan_init(&p));
    for (uint32_t k = 0; k < p.kernel_count; k++)
        GF_TRY(plan_kernel(&p, k));
    g->arena_size = gf_pack(p.pieces, p.piece_count, cx->scratch);
    cx->counts[2] = gf_pack_bound(p.pieces, p.piece_count, cx->scratch);
    if (g->arena_size < 0 || cx->counts[2] < 0)
        return gf_fail_memory(cx->diags);
    set_offsets(&p);
    return GF_OK;
}
