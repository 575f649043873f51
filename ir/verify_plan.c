/* verify_plan.c -- invariants 10 and 11 of ir.h: kernels and planned memory.
 *
 * 10. Contract the nodes of each kernel to one and sort what results (Kahn,
 *     CACM 1962): it can be sorted exactly if no path leaves a kernel and comes
 *     back.  Works for graphs where only some nodes have a kernel.
 * 11. A value is alive from the launch that writes it to the last that reads it,
 *     to the end of the step if update, grad or return read it.  At the launch
 *     that reads one and writes the other, two values may share their place only
 *     where the kernel works element by element or row by row, and then exactly.
 */
#include "ir/kernel.h"
#include "ir/verify.h"

#include <stdlib.h>
#include <string.h>

/* ---- 10: kernels are convex --------------------------------------------------------- */

/* Nodes contracted by kernel; a node without one is a group of its own. */
typedef struct Groups {
    uint32_t *of;           /* node id -> group: the id of the kernel's first node */
    uint32_t *waiting;      /* operands from groups that are not done */
    const GfNode **members; /* group -> a node of it */
    const GfNode **next;    /* node id -> the next node of its group */
} Groups;

static int compare_kernels(const void *a, const void *b)
{
    const GfNode *x = *(const GfNode *const *)a, *y = *(const GfNode *const *)b;
    int order = (x->kernel > y->kernel) - (x->kernel < y->kernel);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static bool groups_init(Groups *groups, GfVerifier *v)
{
    uint32_t ids = v->g->next_id;

    groups->of = GF_NEW_ARRAY(v->scratch, uint32_t, ids);
    groups->waiting = GF_NEW_ARRAY(v->scratch, uint32_t, ids);
    groups->members = GF_NEW_ARRAY(v->scratch, const GfNode *, ids);
    groups->next = GF_NEW_ARRAY(v->scratch, const GfNode *, ids);
    return !v->scratch->failed;
}

static void add_member(Groups *groups, uint32_t group, const GfNode *n)
{
    groups->of[n->id] = group;
    groups->next[n->id] = groups->members[group];
    groups->members[group] = n;
}

/* Sorting brings the nodes of a kernel together, whatever its number is. */
static GfStatus collect_groups(Groups *groups, GfVerifier *v)
{
    const GfNode **nodes = GF_NEW_ARRAY(v->scratch, const GfNode *, v->g->next_id);
    uint32_t count = 0, first = 0;

    if (!nodes || !groups_init(groups, v))
        return gf_fail_memory(v->diags);
    for (const GfNode *n = v->g->first; n; n = n->next)
        nodes[count++] = n;
    if (count)
        qsort(nodes, count, sizeof *nodes, compare_kernels);
    for (uint32_t i = 0; i < count; i++) {
        bool alone = nodes[i]->kernel == GF_NO_KERNEL;
        if (alone || nodes[i]->kernel != nodes[first]->kernel)
            first = i;
        add_member(groups, nodes[first]->id, nodes[i]);
    }
    return GF_OK;
}

static uint32_t count_waiting(Groups *groups, const GfGraph *g, uint32_t *stack)
{
    uint32_t depth = 0;

    for (const GfNode *n = g->first; n; n = n->next) {
        for (uint32_t i = 0; i < n->operand_count; i++)
            groups->waiting[groups->of[n->id]] += groups->of[gf_operand(n, i)->node->id] != groups->of[n->id];
    }
    for (const GfNode *n = g->first; n; n = n->next) {
        if (groups->of[n->id] == n->id && groups->waiting[n->id] == 0)
            stack[depth++] = n->id;
    }
    return depth;
}

/* The group is done: whatever waits only for it goes on the stack. */
static uint32_t release_users(Groups *groups, uint32_t group, uint32_t *stack, uint32_t depth)
{
    for (const GfNode *n = groups->members[group]; n; n = groups->next[n->id]) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            for (const GfUse *u = n->results[i].uses; u; u = u->next) {
                uint32_t user = groups->of[u->user->id];
                if (user != group && --groups->waiting[user] == 0)
                    stack[depth++] = user;
            }
        }
    }
    return depth;
}

/* An operand through which `group` waits for a group that is not done either. */
static const GfUse *waits_for(const Groups *groups, uint32_t group)
{
    for (const GfNode *n = groups->members[group]; n; n = groups->next[n->id]) {
        for (uint32_t i = 0; i < n->operand_count; i++) {
            uint32_t from = groups->of[gf_operand(n, i)->node->id];
            if (from != group && groups->waiting[from])
                return &n->operands[i];
        }
    }
    return NULL;
}

/* Going back from a waiting group long enough ends in a cycle; then on to a
 * kernel of it, which there must be, since single nodes are in order. */
static GfStatus fail_convex(GfVerifier *v, const Groups *groups, uint32_t group)
{
    const GfUse *use = waits_for(groups, group);

    for (uint32_t i = 0; i < v->g->next_id || use->user->kernel == GF_NO_KERNEL; i++)
        use = waits_for(groups, groups->of[use->value->node->id]);
    return GF_FAIL_VERIFY(v, use->user, "kernel @k%d waits for '%s', which waits for it: kernels must be convex",
                          (int)use->user->kernel, gf_verify_show(v, use->value->node));
}

static GfStatus check_kernel_numbers(GfVerifier *v)
{
    for (const GfNode *n = v->g->first; n; n = n->next) {
        if (n->kernel < GF_NO_KERNEL || n->kernel >= v->g->next_kernel)
            return GF_FAIL_VERIFY(v, n, "the kernel @k%d of '%s' was never given out", (int)n->kernel,
                                  gf_verify_show(v, n));
    }
    return GF_OK;
}

GfStatus gf_verify_kernels(GfVerifier *v)
{
    Groups groups = {0};
    uint32_t *stack = GF_NEW_ARRAY(v->scratch, uint32_t, v->g->next_id);

    if (!stack)
        return gf_fail_memory(v->diags);
    GF_TRY(check_kernel_numbers(v));
    GF_TRY(collect_groups(&groups, v));
    uint32_t depth = count_waiting(&groups, v->g, stack);
    while (depth > 0) {
        uint32_t group = stack[--depth];
        depth = release_users(&groups, group, stack, depth);
    }
    for (const GfNode *n = v->g->first; n; n = n->next) {
        if (groups.waiting[groups.of[n->id]])
            return fail_convex(v, &groups, groups.of[n->id]);
    }
    return GF_OK;
}

/* ---- 11: planned memory --------------------------------------------------------------- */

/* A planned value and its life, in numbers of launches. */
typedef struct Life {
    const GfValue *value;
    int64_t begin, end; /* bytes in the arena */
    uint32_t written, read;
} Life;

typedef struct Plan {
    GfVerifier *v;
    GfKernelNodes *kernels;
    uint32_t kernel_count;
    uint32_t *launch; /* node id -> number of its launch */
    Life *lives;
    uint32_t count;
} Plan;

static const char *show_value(GfVerifier *v, const GfValue *value)
{
    const GfNode *n = value->node;
    const char *text = n->result_count > 1 ? gf_arena_printf(v->scratch, "%%%s#%u", n->name, value->index)
                                           : gf_arena_printf(v->scratch, "%%%s", n->name);
    return text ? text : n->name;
}

/* The last launch that reads the value; kernel_count: the end of the step. */
static uint32_t last_read(const Plan *p, const GfValue *value)
{
    uint32_t last = p->launch[value->node->id];

    for (const GfUse *u = value->uses; u; u = u->next) {
        uint32_t at = gf_makes_code(u->user) ? p->launch[u->user->id] : p->kernel_count;
        last = at > last ? at : last;
    }
    return last;
}

static int64_t value_bytes(const GfGraph *g, const GfValue *value)
{
    int64_t count = gf_type_elements(&value->type, g->plan_sizes), bytes;
    return count < 0 || __builtin_mul_overflow(count, (int64_t)gf_dtype_size(value->type.dtype), &bytes) ? -1 : bytes;
}

static GfStatus add_life(Plan *p, const GfValue *value)
{
    const GfGraph *g = p->v->g;
    int64_t bytes = value_bytes(g, value);

    if (bytes < 0 || value->offset < 0 || bytes > g->arena_size || value->offset > g->arena_size - bytes)
        return GF_FAIL_VERIFY(p->v, value->node, "'%s' does not lie within the arena of %lld bytes",
                              show_value(p->v, value), (long long)g->arena_size);
    p->lives[p->count++] = (Life){.value = value,
                                  .begin = value->offset,
                                  .end = value->offset + bytes,
                                  .written = p->launch[value->node->id],
                                  .read = last_read(p, value)};
    return GF_OK;
}

static const GfNode *update_of(const GfNode *target)
{
    for (const GfUse *u = target->results[0].uses; u; u = u->next) {
        if (u->user->op == GF_OP_UPDATE && u == &u->user->operands[0])
            return u->user;
    }
    return NULL;
}

/* A result may take over the memory of what it updates once nobody reads the
 * old value any more. */
static GfStatus check_alias(Plan *p, const GfValue *value)
{
    const GfNode *target = value->alias;
    if (!target || (target->op != GF_OP_PARAM && target->op != GF_OP_STATE))
        return GF_FAIL_VERIFY(p->v, value->node, "'%s' takes over the memory of something that has none of its own",
                              show_value(p->v, value));
    const GfNode *update = update_of(target);

    if (!update || gf_operand(update, 1) != value)
        return GF_FAIL_VERIFY(p->v, value->node, "'%s' takes over the memory of '%%%s', but does not update it",
                              show_value(p->v, value), target->name);
    for (const GfUse *u = target->results[0].uses; u; u = u->next) {
        bool reads = u->user->op != GF_OP_UPDATE && u->user->op != GF_OP_GRAD;
        uint32_t at = gf_makes_code(u->user) ? p->launch[u->user->id] : p->kernel_count;
        if (reads && at > p->launch[value->node->id])
            return GF_FAIL_VERIFY(p->v, value->node, "'%s' takes over the memory of '%%%s', which '%s' reads later",
                                  show_value(p->v, value), target->name, gf_verify_show(p->v, u->user));
    }
    return GF_OK;
}

static GfStatus check_value(Plan *p, const GfValue *value, bool stored)
{
    if (value->place == GF_PLACE_ARENA)
        return add_life(p, value);
    if (value->place == GF_PLACE_ALIAS)
        return check_alias(p, value);
    if (!stored)
        return GF_OK;
    return GF_FAIL_VERIFY(p->v, value->node, "'%s' is read from memory, but has no place in it",
                          show_value(p->v, value));
}

static bool is_stored(const GfKernelNodes *k, const GfValue *value)
{
    for (uint32_t i = 0; i < k->output_count; i++) {
        if (k->outputs[i] == value)
            return value->node->op != GF_OP_CONST;
    }
    return false;
}

static GfStatus check_kernel_values(Plan *p, const GfKernelNodes *k)
{
    for (uint32_t i = 0; i < k->node_count; i++) {
        for (uint32_t r = 0; r < k->nodes[i]->result_count; r++)
            GF_TRY(check_value(p, &k->nodes[i]->results[r], is_stored(k, &k->nodes[i]->results[r])));
    }
    return GF_OK;
}

static bool works_in_place(const GfKernelNodes *k)
{
    GfKernelForm form;
    return gf_kernel_form(k->nodes, k->node_count, NULL, &form) &&
           (form.kind == GF_KERNEL_FLAT || form.kind == GF_KERNEL_ROW);
}

/* Two values that share bytes: is one dead when the other is written? */
static bool may_share(const Plan *p, const Life *a, const Life *b)
{
    const Life *old = a->written < b->written ? a : b, *new = old == a ? b : a;

    if (old->read < new->written)
        return true;
    return old->read == new->written && old->written < new->written && old->begin == new->begin &&
           old->end == new->end &&works_in_place(&p->kernels[new->written]);
}

static int compare_lives(const void *a, const void *b)
{
    const Life *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static GfStatus check_overlaps(Plan *p)
{
    if (p->count)
        qsort(p->lives, p->count, sizeof *p->lives, compare_lives);
    for (uint32_t i = 0; i < p->count; i++) {
        for (uint32_t j = i + 1; j < p->count && p->lives[j].begin < p->lives[i].end; j++) {
            const Life *a = &p->lives[i], *b = &p->lives[j];
            if (!may_share(p, a, b))
                return GF_FAIL_VERIFY(
                    p->v, b->value->node, "'%s' at +%lld overlaps '%s' at +%lld, alive at the same time",
                    show_value(p->v, b->value), (long long)b->begin, show_value(p->v, a->value), (long long)a->begin);
        }
    }
    return GF_OK;
}

static GfStatus plan_init(Plan *p, GfVerifier *v)
{
    size_t results = 0;

    *p = (Plan){.v = v, .launch = GF_NEW_ARRAY(v->scratch, uint32_t, v->g->next_id)};
    for (const GfNode *n = v->g->first; n; n = n->next)
        results += n->result_count;
    p->lives = GF_NEW_ARRAY(v->scratch, Life, results);
    if (!p->launch || !p->lives)
        return gf_fail_memory(v->diags);
    GF_TRY(gf_kernel_order(v->g, v->scratch, &p->kernels, &p->kernel_count, v->diags));
    for (uint32_t k = 0; k < p->kernel_count; k++) {
        for (uint32_t i = 0; i < p->kernels[k].node_count; i++)
            p->launch[p->kernels[k].nodes[i]->id] = k;
    }
    return GF_OK;
}

static GfStatus check_unplanned(GfVerifier *v)
{
    for (const GfNode *n = v->g->first; n; n = n->next) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            if (n->results[i].place != GF_PLACE_NONE && (v->g->arena_size < 0 || !gf_makes_code(n)))
                return GF_FAIL_VERIFY(v, n, "'%s' has a place, but %s", gf_verify_show(v, n),
                                      gf_makes_code(n) ? "the graph has no arena" : "computes nothing");
        }
    }
    return GF_OK;
}

GfStatus gf_verify_memory(GfVerifier *v)
{
    Plan p;

    GF_TRY(check_unplanned(v));
    if (v->g->arena_size < 0)
        return GF_OK;
    GF_TRY(plan_init(&p, v));
    for (uint32_t k = 0; k < p.kernel_count; k++)
        GF_TRY(check_kernel_values(&p, &p.kernels[k]));
    return check_overlaps(&p);
}
