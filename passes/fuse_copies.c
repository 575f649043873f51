/* fuse_copies.c -- values that are computed again where they are used: steps 1
 * and 6 of fuse.c.
 *
 * Prologues.  A value is copied for each of its uses when
 *   - it is elementwise, pure and gathers nothing, so a copy is the same value;
 *   - it reads one operand of full size: reading that costs what reading the
 *     value would;
 *   - that operand is in memory anyway, or is itself such a value;
 *   - every use is an operand slot that target allows a prologue for, or the
 *     full operand of a value that is copied.
 * Random ops draw by key, row and column (ir/philox.h): a copy draws the same.
 *
 * Constants.  A kernel writes a constant into its code where an elementwise node
 * reads it; one that is updated, returned or read otherwise is stored.
 */
#include "passes/fuse_copies.h"

static bool is_map(const GfNode *n)
{
    return gf_op_info(n->op)->class_ == GF_CLASS_ELEMENTWISE && n->op != GF_OP_CONST;
}

GfStatus gf_copy_node(GfPassCtx *cx, GfGraph *g, const GfNode *n, GfNode *before, GfNode **out)
{
    GfValue **operands = GF_NEW_ARRAY(cx->scratch, GfValue *, n->operand_count + 1);
    if (!operands)
        return gf_fail_memory(cx->diags);
    for (uint32_t i = 0; i < n->operand_count; i++)
        operands[i] = gf_operand(n, i);
    GfNodeSpec spec = {.op = n->op,
                       .operands = operands,
                       .operand_count = n->operand_count,
                       .attrs = n->attrs,
                       .attr_count = n->attr_count,
                       .declared = gf_op_has(n->op, GF_DECLARED) ? &n->results[0].type : NULL,
                       .loc = n->loc};
    return gf_graph_add(g, before, &spec, out, cx->diags);
}

/* ---- prologues ---------------------------------------------------------------------- */

/* The one operand of the node's own type, or NULL when there are none or more. */
static GfValue *full_operand(const GfNode *n)
{
    GfValue *full = NULL;

    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (!gf_type_eq(&gf_operand(n, i)->type, &n->results[0].type))
            continue;
        if (full)
            return NULL;
        full = gf_operand(n, i);
    }
    return full;
}

static bool used_by_others(const GfValue *v, const GfNode *user)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (u->user != user)
            return true;
    }
    return false;
}

static bool can_repeat(const GfNode *n)
{
    return is_map(n) && n->kernel == GF_NO_KERNEL && n->result_count == 1 && n->results[0].type.rank == 2 &&
           gf_op_has(n->op, GF_PURE) && !gf_op_has(n->op, GF_GATHERS) && full_operand(n);
}

/* What is known of each node, by id. */
typedef struct Marks {
    const GfTarget *target;
    bool *reads_memory; /* what it reads need not be stored for its sake */
    bool *repeated;     /* it is copied for each of its uses */
} Marks;

/* Asks the marks of what `n` reads, so operands go first. */
static bool reads_memory(const Marks *m, const GfNode *n)
{
    const GfValue *v = full_operand(n);

    if (!v)
        return false;
    if (!gf_makes_code(v->node) || used_by_others(v, n))
        return true;
    return can_repeat(v->node) && m->reads_memory[v->node->id];
}

static bool use_repeats(const Marks *m, const GfUse *use)
{
    if (gf_kernel_takes_prologue(use, m->target))
        return true;
    return m->repeated[use->user->id] && full_operand(use->user) == use->value;
}

/* Asks the marks of the users of `n`, so users go first. */
static bool is_repeated(const Marks *m, const GfNode *n)
{
    if (!can_repeat(n) || !n->results[0].uses || !m->reads_memory[n->id])
        return false;
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (!use_repeats(m, u))
            return false;
    }
    return true;
}

typedef struct List {
    GfNode **nodes;
    size_t count, capacity;
} List;

static GfStatus list_add(List *list, GfPassCtx *cx, GfNode *n)
{
    list->nodes = gf_arena_grow(cx->scratch, list->nodes, list->count, &list->capacity, sizeof *list->nodes);
    if (!list->nodes)
        return gf_fail_memory(cx->diags);
    list->nodes[list->count++] = n;
    return GF_OK;
}

/* One copy for each use but the last of the list, which keeps `n`; each stands
 * right before its use. */
static GfStatus split_uses(GfPassCtx *cx, GfGraph *g, GfNode *n, List *list)
{
    GfValue *v = gf_result(n);

    while (v->uses->next) {
        GfUse *use = v->uses;
        GfNode *copy;
        GF_TRY(gf_copy_node(cx, g, n, use->user, &copy));
        gf_set_operand(use->user, (uint32_t)(use - use->user->operands), gf_result(copy));
        GF_TRY(list_add(list, cx, copy));
    }
    gf_move_before(g, n, v->uses->user);
    return list_add(list, cx, n);
}

GfStatus gf_fuse_split_prologues(GfPassCtx *cx, GfGraph *g, GfNode ***nodes, size_t *count)
{
    Marks m = {.target = cx->target,
               .reads_memory = GF_NEW_ARRAY(cx->scratch, bool, gf_graph_ids(g)),
               .repeated = GF_NEW_ARRAY(cx->scratch, bool, gf_graph_ids(g))};
    List marked = {0}, split = {0};

    if (!m.reads_memory || !m.repeated)
        return gf_fail_memory(cx->diags);
    for (GfNode *n = g->first; n; n = n->next)
        m.reads_memory[n->id] = reads_memory(&m, n);
    for (GfNode *n = g->last; n; n = n->prev) {
        m.repeated[n->id] = is_repeated(&m, n);
        if (m.repeated[n->id])
            GF_TRY(list_add(&marked, cx, n));
    }
    for (size_t i = 0; i < marked.count; i++)
        GF_TRY(split_uses(cx, g, marked.nodes[i], &split));
    *nodes = split.nodes;
    *count = split.count;
    return GF_OK;
}

/* ---- constants ---------------------------------------------------------------------- */

static bool writes_constant(const GfNode *user)
{
    return is_map(user) && !gf_op_has(user->op, GF_GATHERS);
}

/* A use of `v` that a copy can serve in a kernel other than `kernel`, or NULL. */
static GfUse *use_elsewhere(const GfValue *v, int32_t kernel)
{
    for (GfUse *u = v->uses; u; u = u->next) {
        if (writes_constant(u->user) && u->user->kernel != kernel)
            return u;
    }
    return NULL;
}

static void move_uses(GfValue *from, GfValue *to, int32_t kernel)
{
    for (GfUse *u = from->uses, *next; u; u = next) {
        next = u->next;
        if (writes_constant(u->user) && u->user->kernel == kernel)
            gf_set_operand(u->user, (uint32_t)(u - u->user->operands), to);
    }
}

static bool must_be_stored(const GfNode *n)
{
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (!writes_constant(u->user))
            return true;
    }
    return !n->results[0].uses;
}

/* Right before the first of its users: a constant says nothing about when its
 * kernel should run. */
static void move_to_user(GfGraph *g, GfNode *n, const uint32_t *position)
{
    GfNode *first = NULL;

    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (!first || position[u->user->id] < position[first->id])
            first = u->user;
    }
    if (first)
        gf_move_before(g, n, first);
}

static GfStatus place_constant(GfPassCtx *cx, GfGraph *g, GfNode *n, const uint32_t *position)
{
    GfValue *v = gf_result(n);
    int32_t own = must_be_stored(n) ? g->next_kernel++ : v->uses->user->kernel;

    for (GfUse *u; (u = use_elsewhere(v, own));) {
        GfNode *copy;
        int32_t kernel = u->user->kernel;
        GF_TRY(gf_copy_node(cx, g, n, n->next, &copy));
        copy->kernel = kernel;
        move_uses(v, gf_result(copy), kernel);
        move_to_user(g, copy, position);
    }
    n->kernel = own;
    move_to_user(g, n, position);
    return GF_OK;
}

GfStatus gf_fuse_place_constants(GfPassCtx *cx, GfGraph *g, const uint32_t *position)
{
    List constants = {0}; /* first, since copies are added and all are moved */

    GF_EACH_NODE (n, g) {
        if (n->op == GF_OP_CONST)
            GF_TRY(list_add(&constants, cx, n));
    }
    for (size_t i = 0; i < constants.count; i++)
        GF_TRY(place_constant(cx, g, constants.nodes[i], position));
    return GF_OK;
}
