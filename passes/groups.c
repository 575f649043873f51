/* groups.c -- growing kernels by merging groups of nodes.  See groups.h.
 *
 * Merging a and b, a first in the topological order of the groups:
 *   1. Form: may the union be one kernel?  The nodes of b take a's number for
 *      the question only.
 *   2. Convexity: search from a, along uses, the groups that stand before b.  A
 *      path a -> x -> ... -> b over a third group forbids the merge: x would wait
 *      for the union and the union for x.  A direct edge a -> b does not matter.
 *   3. Order: between a and b, what the search reached (it depends on a) moves
 *      behind the union, the rest stays in front of it.  That is an order of
 *      the merged graph: nothing reached leads to b, and nothing else of that
 *      stretch depends on a.
 * The order bounds each search to the stretch between the two groups.
 * Source: Pearce & Kelly, A dynamic topological sort algorithm for directed
 * acyclic graphs, JEA 11, 2006.  Tests: tests/unit/test_fuse.c.
 */
#include "passes/groups.h"

#include <stdlib.h>
#include <string.h>

/* ---- building -------------------------------------------------------------------- */

static int by_kernel(const void *a, const void *b)
{
    int32_t x = (*(GfNode *const *)a)->kernel, y = (*(GfNode *const *)b)->kernel;
    return (x > y) - (x < y);
}

static int32_t number_given(GfNode **given, uint32_t count)
{
    int32_t next = -1, last = GF_NO_KERNEL;

    if (count)
        qsort(given, count, sizeof *given, by_kernel);
    for (uint32_t i = 0; i < count; i++) {
        next += given[i]->kernel != last;
        last = given[i]->kernel;
        given[i]->kernel = next;
    }
    return next + 1;
}

/* Kernel numbers 0, 1, ...: first those given, then one for each other node. */
static bool number_groups(GfPassCtx *cx, GfGraph *g)
{
    GfNode **given = GF_NEW_ARRAY(cx->scratch, GfNode *, gf_graph_ids(g) + 1);
    uint32_t count = 0;

    if (!given)
        return false;
    GF_EACH_NODE (n, g) {
        if (n->op == GF_OP_CONST)
            n->kernel = GF_NO_KERNEL;
        if (gf_makes_code(n) && n->kernel != GF_NO_KERNEL)
            given[count++] = n;
    }
    int32_t next = number_given(given, count);
    GF_EACH_NODE (n, g) {
        if (gf_makes_code(n) && n->kernel == GF_NO_KERNEL)
            n->kernel = next++;
    }
    g->next_kernel = next;
    return true;
}

GfStatus gf_groups_init(GfGroups *s, GfPassCtx *cx, GfGraph *g)
{
    GfKernelNodes *kernels;

    *s = (GfGroups){.cx = cx};
    if (!number_groups(cx, g))
        return gf_fail_memory(cx->diags);
    GF_TRY(gf_kernel_order(g, cx->scratch, &kernels, &s->count, cx->diags));
    s->groups = GF_NEW_ARRAY(cx->scratch, GfGroup, s->count);
    s->order = GF_NEW_ARRAY(cx->scratch, uint32_t, s->count);
    s->stack = GF_NEW_ARRAY(cx->scratch, uint32_t, s->count);
    s->spare = GF_NEW_ARRAY(cx->scratch, uint32_t, s->count);
    if (cx->scratch->failed)
        return gf_fail_memory(cx->diags);
    for (uint32_t i = 0; i < s->count; i++) {
        GfGroup *group = &s->groups[kernels[i].kernel];
        *group = (GfGroup){.nodes = kernels[i].nodes, .count = kernels[i].node_count, .position = i};
        s->order[i] = (uint32_t)kernels[i].kernel;
        if (!gf_kernel_form(group->nodes, group->count, NULL, &group->form))
            return gf_fail(cx->diags, group->nodes[0]->loc, GF_ERR_VERIFY,
                           "the nodes that share a kernel with '%%%s' cannot be one kernel", group->nodes[0]->name);
    }
    return GF_OK;
}

/* ---- 1. form ----------------------------------------------------------------------- */

static void relabel(const GfGroup *group, int32_t kernel)
{
    for (uint32_t i = 0; i < group->count; i++)
        group->nodes[i]->kernel = kernel;
}

static bool reserve_trial(GfGroups *s, size_t count)
{
    if (count <= s->trial_capacity)
        return true;
    s->trial = GF_NEW_ARRAY(s->cx->scratch, GfNode *, 2 * count);
    s->trial_capacity = s->trial ? 2 * count : 0;
    return s->trial != NULL;
}

/* The form of the union of groups `a` and `b`, if it has one. */
static bool union_form(GfGroups *s, int32_t a, int32_t b, GfKernelForm *form, GfRefusal *why)
{
    const GfGroup *x = &s->groups[a], *y = &s->groups[b];
    *why = (GfRefusal){0};
    if (!reserve_trial(s, (size_t)x->count + y->count))
        return false;
    memcpy(s->trial, x->nodes, x->count * sizeof *s->trial);
    memcpy(s->trial + x->count, y->nodes, y->count * sizeof *s->trial);
    relabel(y, a);
    bool fits = gf_kernel_form_why(s->trial, x->count + y->count, s->cx->target, form, why);
    relabel(y, b);
    return fits;
}

/* ---- 2. convexity ------------------------------------------------------------------ */

/* Mark and push the groups that read group `from` and stand before `to`.  False where
 * `to` reads it itself and that is no direct edge. */
static bool push_readers(GfGroups *s, int32_t from, int32_t to, bool direct, uint32_t *depth, GfRefusal *why)
{
    for (uint32_t i = 0; i < s->groups[from].count; i++) {
        const GfNode *n = s->groups[from].nodes[i];
        for (uint32_t r = 0; r < n->result_count; r++) {
            for (const GfUse *u = n->results[r].uses; u; u = u->next) {
                int32_t k = u->user->kernel;
                if (k == to && !direct) {
                    *why = (GfRefusal){GF_REFUSAL_PATH, n};
                    return false;
                }
                if (k < 0 || k == from || s->groups[k].mark == s->searches ||
                    s->groups[k].position >= s->groups[to].position)
                    continue;
                s->groups[k].mark = s->searches;
                s->stack[(*depth)++] = (uint32_t)k;
            }
        }
    }
    return true;
}

/* No path from `a` to `b` over a third group.  Marks what depends on `a`. */
static bool is_convex(GfGroups *s, int32_t a, int32_t b, GfRefusal *why)
{
    uint32_t depth = 0;

    s->searches++;
    push_readers(s, a, b, true, &depth, why);
    while (depth) {
        if (!push_readers(s, (int32_t)s->stack[--depth], b, false, &depth, why))
            return false;
    }
    return true;
}

/* ---- 3. order ---------------------------------------------------------------------- */

/* Between `a` and `b`: unmarked, a, b, marked.  b is empty by then. */
static void reorder(GfGroups *s, int32_t a, int32_t b)
{
    const uint32_t begin = s->groups[a].position, end = s->groups[b].position;
    uint32_t at = begin, kept = 0;

    for (uint32_t i = begin; i <= end; i++) {
        uint32_t k = s->order[i];
        if (k == (uint32_t)a || k == (uint32_t)b)
            continue;
        if (s->groups[k].mark == s->searches)
            s->spare[kept++] = k;
        else
            s->order[at++] = k;
    }
    s->order[at++] = (uint32_t)a;
    s->order[at++] = (uint32_t)b;
    memcpy(&s->order[at], s->spare, kept * sizeof *s->spare);
    for (uint32_t i = begin; i <= end; i++)
        s->groups[s->order[i]].position = i;
}

static bool absorb(GfGroups *s, int32_t a, int32_t b, const GfKernelForm *form)
{
    uint32_t count = s->groups[a].count + s->groups[b].count;
    GfNode **nodes = GF_NEW_ARRAY(s->cx->scratch, GfNode *, count);
    if (!nodes)
        return false;
    memcpy(nodes, s->trial, count * sizeof *nodes);
    relabel(&s->groups[b], a);
    s->groups[a].nodes = nodes;
    s->groups[a].count = count;
    s->groups[a].form = *form;
    s->groups[b].count = 0;
    reorder(s, a, b);
    return true;
}

void gf_groups_note(const GfGroups *s, const GfNode *a, const GfNode *b, GfRefusal why)
{
    GfRefusals *r = s->cx->refusals;

    if (!r)
        return;
    r->list = gf_arena_grow(r->arena, r->list, r->count, &r->capacity, sizeof *r->list);
    if (r->list) /* else r->arena->failed */
        r->list[r->count++] = (GfApart){a, b, why};
}

bool gf_groups_merge(GfGroups *s, const GfNode *x, const GfNode *y)
{
    bool swap = gf_groups_of(s, x)->position > gf_groups_of(s, y)->position;
    int32_t a = swap ? y->kernel : x->kernel, b = swap ? x->kernel : y->kernel;
    GfKernelForm form;
    GfRefusal why;

    if (a == b)
        return true;
    if (union_form(s, a, b, &form, &why) && is_convex(s, a, b, &why))
        return absorb(s, a, b, &form);
    gf_groups_note(s, x, y, why);
    return false;
}

void gf_groups_drop_singles(const GfGroups *s, GfGraph *g)
{
    int32_t next = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        const GfGroup *group = &s->groups[s->order[i]];
        for (uint32_t k = 0; k < group->count; k++)
            group->nodes[k]->kernel = group->count > 1 ? next : GF_NO_KERNEL;
        next += group->count > 1;
    }
    g->next_kernel = next;
}
