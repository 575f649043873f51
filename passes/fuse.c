/* fuse.c -- elementwise chains, row reductions, prologues and epilogues become one kernel each.
 *
 *   before                                    after
 *   %1 = linear %x, %w, %b : f32[tokens,8]    %1 = linear %x, %w, %b : f32[tokens,8] @k0
 *   %2 = gelu %1 : f32[tokens,8]              %2 = gelu %1 : f32[tokens,8] @k0
 *   %3 = layer_norm %2, %g, %c : ...          %3 = layer_norm %2, %g, %c : ... @k1
 *   %4 = dropout %3, %rng {...} : ...         %4 = dropout %3, %rng {...} : ... @k1
 *
 * Greedy, each step in topological order; what can be one kernel at all is said
 * in ir/kernel.h.  Kernels that are given stay and may grow.
 *   1. Prologues: an elementwise value that only products of few columns (as x)
 *      or of few rows (as b) read is copied for each of them and computed while
 *      it is loaded.  So dropout(x) before LoRA's A is kept for no backward pass.
 *   2. Column sums take in the elementwise nodes that only they read; sums that
 *      share an input join.
 *   3. Every elementwise node and row op joins the kernels of its operands, first
 *      products (epilogue), then rows, then other elementwise nodes.
 *   4. Scalar computations join.
 *   5. Nodes that are still alone become kernels of their own.
 *   6. Constants are copied into the kernels that read them.
 *   7. Kernels are numbered in launch order, and the nodes move to stand in it.
 *
 * With the option alone=1 steps 1 to 4 are left out: every node that has no kernel gets
 * one of its own, to see what fusion is worth.
 *
 * Three things are left apart although they could join:
 *   - what would make a kernel of more nodes than the target's kernel_nodes;
 *   - nodes more than NEAR apart in the graph: the result would have to wait in
 *     memory for a reader far away, as (x - mean) rstd of a layer norm, which
 *     only the backward pass reads, would if it joined the forward kernel;
 *   - the sum of a state and a new value that becomes the state: alone it is
 *     done in place, in a product's epilogue it would need memory and a copy.
 *
 * Legal because kernels change no value; gf_groups_merge keeps every kernel
 * convex and the kernels acyclic.  Copies are of pure nodes.  O(merges * stretch
 * between the merged), near-linear in practice.
 * Source: producer-consumer fusion as in XLA's instruction fusion and in TVM,
 * Chen et al., OSDI 2018, section 3.  Tests: tests/golden/fuse/.
 */
#include "passes/fuse_copies.h"
#include "passes/place.h"

enum { NEAR = 64 };

typedef struct Fuse {
    GfPassCtx *cx;
    GfGraph *g;
    GfGroups groups;
    uint32_t *position; /* node id -> place in the graph */
} Fuse;

static GfClass class_of(const GfNode *n)
{
    return gf_op_info(n->op)->class_;
}

static bool is_map(const GfNode *n)
{
    return class_of(n) == GF_CLASS_ELEMENTWISE && n->op != GF_OP_CONST;
}

static bool can_join(const GfNode *n)
{
    return gf_makes_code(n) && n->op != GF_OP_CONST;
}

static bool is_near(const Fuse *f, const GfNode *a, const GfNode *b)
{
    uint32_t x = f->position[a->id], y = f->position[b->id];

    if ((x > y ? x - y : y - x) <= NEAR || a->results[0].type.rank == 0)
        return true;
    gf_groups_note(&f->groups, a, b, (GfRefusal){GF_REFUSAL_FAR, b});
    return false;
}

/* ---- 1. prologues --------------------------------------------------------------------- */

/* Users first, so that a chain grows from the product. */
static void merge_prologues(Fuse *f, GfNode *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gf_groups_merge(&f->groups, nodes[i], nodes[i]->results[0].uses->user);
}

/* ---- 2. column sums --------------------------------------------------------------------- */

/* Take in elementwise producers, and theirs; a merge that would store one fails. */
static void merge_maps_above(Fuse *f, GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfNode *from = gf_operand(n, i)->node;
        if (is_map(from) && is_near(f, from, n) && from->kernel != n->kernel && gf_groups_merge(&f->groups, from, n))
            merge_maps_above(f, from);
    }
}

static bool reads(const GfNode *n, const GfValue *v)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (gf_operand(n, i) == v)
            return true;
    }
    return false;
}

static bool groups_share(const GfGroup *a, const GfGroup *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t k = 0; k < a->nodes[i]->operand_count; k++) {
            const GfValue *v = gf_operand(a->nodes[i], k);
            for (uint32_t j = 0; j < b->count && v->type.rank == 2; j++) {
                if (reads(b->nodes[j], v))
                    return true;
            }
        }
    }
    return false;
}

/* Sums that stand near before `n` and read the same matrix. */
static void merge_sums(Fuse *f, GfNode *n)
{
    uint32_t steps = 0;

    for (GfNode *other = n->prev; other && steps < NEAR; other = other->prev, steps++) {
        bool sum = class_of(other) == GF_CLASS_COLSUM && other->kernel != n->kernel;
        if (sum && groups_share(gf_groups_of(&f->groups, other), gf_groups_of(&f->groups, n)))
            gf_groups_merge(&f->groups, other, n);
    }
}

static void merge_column_sums(Fuse *f)
{
    GF_EACH_NODE (n, f->g) {
        if (class_of(n) != GF_CLASS_COLSUM)
            continue;
        merge_maps_above(f, n);
        merge_sums(f, n);
    }
}

/* ---- 3. epilogues, rows and chains --------------------------------------------------------- */

/* The value takes the place of a state or param that the node reads. */
static bool replaces_operand(const GfNode *n)
{
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (u->user->op == GF_OP_UPDATE && u == &u->user->operands[1] && reads(n, gf_operand(u->user, 0)))
            return true;
    }
    return false;
}

/* Producers that the node would need memory and a copy to join. */
static void note_in_place(const Fuse *f, const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (can_join(from) && from->kernel != n->kernel)
            gf_groups_note(&f->groups, from, n, (GfRefusal){GF_REFUSAL_IN_PLACE, n});
    }
}

static void join_producers(Fuse *f, GfNode *n, GfKernelKind kind)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfNode *from = gf_operand(n, i)->node;
        if (!can_join(from) || from->kernel == n->kernel || !is_near(f, from, n))
            continue;
        if (gf_groups_of(&f->groups, from)->form.kind == kind)
            gf_groups_merge(&f->groups, from, n);
    }
}

static void merge_chains(Fuse *f)
{
    GF_EACH_NODE (n, f->g) {
        bool joins = is_map(n) || class_of(n) == GF_CLASS_ROW;
        if (!joins || gf_kernel_is_prologue(n))
            continue;
        bool in_place = replaces_operand(n);
        if (!in_place) {
            join_producers(f, n, GF_KERNEL_TILE);
            join_producers(f, n, GF_KERNEL_ROW);
        }
        join_producers(f, n, GF_KERNEL_FLAT);
        if (in_place)
            note_in_place(f, n);
    }
}

/* ---- 4. scalars ------------------------------------------------------------------------------ */

static void merge_scalars(Fuse *f)
{
    GfNode *last = NULL;

    GF_EACH_NODE (n, f->g) {
        if (!is_map(n) || n->results[0].type.rank != 0)
            continue;
        if (!last || !gf_groups_merge(&f->groups, last, n))
            last = n;
    }
}

/* ---- 7. order --------------------------------------------------------------------------------- */

static GfStatus number_kernels(Fuse *f)
{
    GfKernelNodes *kernels;
    uint32_t count;

    GF_TRY(gf_kernel_order(f->g, f->cx->scratch, &kernels, &count, f->cx->diags));
    gf_place_kernels(f->g, kernels, count);
    f->cx->counts[0] = count;
    for (uint32_t k = 0; k < count; k++)
        f->cx->counts[1] += kernels[k].node_count > 1 ? kernels[k].node_count : 0;
    return GF_OK;
}

/* ---- the pass ---------------------------------------------------------------------------------- */

static GfStatus number_positions(Fuse *f)
{
    uint32_t at = 0;

    f->position = GF_NEW_ARRAY(f->cx->scratch, uint32_t, gf_graph_ids(f->g));
    if (!f->position)
        return gf_fail_memory(f->cx->diags);
    GF_EACH_NODE (n, f->g)
        f->position[n->id] = at++;
    return GF_OK;
}

static void merge_all(Fuse *f, GfNode *const *prologues, size_t prologue_count)
{
    merge_prologues(f, prologues, prologue_count);
    merge_column_sums(f);
    merge_chains(f);
    merge_scalars(f);
}

GfStatus gf_pass_fuse(GfPassCtx *cx, GfGraph *g)
{
    Fuse f = {.cx = cx, .g = g};
    GfNode **prologues;
    size_t prologue_count;
    bool alone = gf_option_i(cx, "alone") != 0;

    if (!alone)
        GF_TRY(gf_fuse_split_prologues(cx, g, &prologues, &prologue_count));
    GF_TRY(gf_groups_init(&f.groups, cx, g));
    GF_TRY(number_positions(&f));
    if (!alone)
        merge_all(&f, prologues, prologue_count);
    GF_TRY(gf_fuse_place_constants(cx, g, f.position));
    GF_TRY(number_kernels(&f));
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}
