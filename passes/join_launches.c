/* join_launches.c -- independent launches of one kernel become neighbours in the launch order.
 *
 *   before                                   after
 *   %1 = linear %x, %w0 : ... @k0            %1 = linear %x, %w0 : ... @k0
 *   %2 = gelu %1 : ... @k1                   %3 = linear %x, %w1 : ... @k1
 *   %3 = linear %x, %w1 : ... @k2            %2 = gelu %1 : ... @k2
 *
 * For targets that run such neighbours as one (gf_kernel_batches); for others the
 * order stays.
 *   1. Kernels of equal structure are of one class.  Kernels wait for those whose
 *      values they read; one that computes the new value of a param or state also
 *      waits for all that read the old one, so that it can still be done in place.
 *   2. In launch order, each kernel tries to join the last group of its class: the
 *      groups, taken as single vertices, must stay acyclic (a member then waits for
 *      no other, directly or through others), and no more bytes may be alive at
 *      once than in the order as it was.  Where it does not fit it begins a group,
 *      which the next of its class tries.
 *   3. Groups in topological order, of those that are ready the one with the first
 *      kernel; within a group the order as it was.
 *
 * Legal because the new order respects all uses; it changes no value.  A member may
 * move down to the last one (weight gradients, which only the update waits for) or up
 * to the first (key and value beside query).  O(kernels * (kernels + uses)).
 * Source: list scheduling, Graham 1966; horizontal fusion as in Li et al., CGO 2022
 * (arXiv:2007.01277).  Tests: tests/golden/join-launches/, tests/unit/test_join.c.
 */
#include "ir/kernel.h"
#include "passes/maxima.h"
#include "passes/place.h"

#include <string.h>

#define NONE UINT32_MAX

/* `from` must run before `to`: indices of kernels. */
typedef struct Edge {
    uint32_t from, to;
} Edge;

/* A value in memory, of which kernel, and a read of one. */
typedef struct Stored {
    int64_t bytes;
    uint32_t kernel, at, end; /* at, end: places in the order, while it is tried */
} Stored;

typedef struct Read {
    uint32_t stored, kernel; /* NONE: the end of the step */
} Read;

typedef struct Join {
    GfPassCtx *cx;
    GfGraph *g;
    int64_t sizes[GF_MAX_SYMBOLS];
    GfKernelNodes *kernels;
    uint32_t count;
    uint32_t *of;         /* node id -> kernel, or NONE */
    uint32_t *group;      /* kernel -> the first kernel of its group */
    uint32_t *next;       /* kernel -> the next of its group, or NONE */
    uint32_t *last;       /* first kernel of a group -> the last */
    Edge *edges;          /* by `from` */
    uint32_t *first_edge; /* kernel -> its first edge; one more */
    size_t edge_count, edge_room;
    Stored *stored;
    Read *reads;
    size_t stored_count, stored_room, read_count, read_room;
    uint32_t *waiting, *order, *place; /* of the order that is tried; place: of a group */
    int64_t *change;                   /* of the bytes alive, by place */
} Join;

/* ---- 1. what waits for what ------------------------------------------------------------ */

static bool add_edge(Join *j, uint32_t from, uint32_t to)
{
    if (from == to || from == NONE || to == NONE)
        return true;
    j->edges = gf_arena_grow(j->cx->scratch, j->edges, j->edge_count, &j->edge_room, sizeof *j->edges);
    if (j->edges)
        j->edges[j->edge_count++] = (Edge){from, to};
    return j->edges != NULL;
}

/* The kernels that read the old value of a param or state go before the one that
 * computes its new value, if they did. */
static bool add_update_edges(Join *j, const GfNode *update)
{
    uint32_t writer = j->of[gf_operand(update, 1)->node->id];
    bool fine = true;

    for (const GfUse *u = gf_operand(update, 0)->uses; u && writer != NONE; u = u->next) {
        uint32_t reader = j->of[u->user->id];
        if (reader != NONE && reader < writer)
            fine = fine && add_edge(j, reader, writer);
    }
    return fine;
}

static bool add_edges(Join *j)
{
    bool fine = true;

    for (uint32_t k = 0; k < j->count; k++) {
        for (uint32_t i = 0; i < j->kernels[k].input_count; i++)
            fine = fine && add_edge(j, j->of[j->kernels[k].inputs[i]->node->id], k);
    }
    GF_EACH_NODE (n, j->g) {
        if (n->op == GF_OP_UPDATE)
            fine = fine && add_update_edges(j, n);
    }
    return fine;
}

/* By `from`, each kernel's in the order in which they were added. */
static bool sort_edges(Join *j)
{
    Edge *sorted = GF_NEW_ARRAY(j->cx->scratch, Edge, j->edge_count + 1);
    uint32_t *at = GF_NEW_ARRAY(j->cx->scratch, uint32_t, j->count + 2);

    if (!sorted || !at)
        return false;
    for (size_t i = 0; i < j->edge_count; i++)
        at[j->edges[i].from + 2]++;
    for (uint32_t k = 2; k < j->count + 2; k++)
        at[k] += at[k - 1];
    for (size_t i = 0; i < j->edge_count; i++)
        sorted[at[j->edges[i].from + 1]++] = j->edges[i];
    j->edges = sorted;
    j->first_edge = at;
    return true;
}

/* ---- what lies in memory --------------------------------------------------------------- */

static bool add_read(Join *j, uint32_t kernel)
{
    j->reads = gf_arena_grow(j->cx->scratch, j->reads, j->read_count, &j->read_room, sizeof *j->reads);
    if (j->reads)
        j->reads[j->read_count++] = (Read){(uint32_t)j->stored_count - 1, kernel};
    return j->reads != NULL;
}

/* What replaces a param or state takes its memory over. */
static bool is_update(const GfValue *v)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (gf_update_target(u))
            return true;
    }
    return false;
}

static bool add_stored(Join *j, uint32_t kernel, const GfValue *v)
{
    int64_t count = gf_type_elements(&v->type, j->sizes), bytes;

    if (is_update(v))
        return true;
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)gf_dtype_size(v->type.dtype), &bytes))
        bytes = 0; /* plan-memory will say so */
    j->stored = gf_arena_grow(j->cx->scratch, j->stored, j->stored_count, &j->stored_room, sizeof *j->stored);
    if (!j->stored)
        return false;
    j->stored[j->stored_count++] = (Stored){.bytes = bytes / (int64_t)j->count, .kernel = kernel};
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (!add_read(j, j->of[u->user->id]))
            return false;
    }
    return true;
}

static bool list_stored(Join *j)
{
    for (uint32_t k = 0; k < j->count; k++) {
        for (uint32_t i = 0; i < j->kernels[k].output_count; i++) {
            if (!add_stored(j, k, j->kernels[k].outputs[i]))
                return false;
        }
    }
    return true;
}

/* ---- trying an order --------------------------------------------------------------------- */

/* False when a group waits for itself. */
static bool count_waiting(Join *j)
{
    memset(j->waiting, 0, j->count * sizeof *j->waiting);
    for (size_t i = 0; i < j->edge_count; i++) {
        uint32_t from = j->group[j->edges[i].from], to = j->group[j->edges[i].to];
        if (from == to)
            return false;
        j->waiting[to]++;
    }
    return true;
}

/* The group has run.  The lowest of those that became ready, or NONE. */
static uint32_t release(Join *j, uint32_t group)
{
    uint32_t lowest = NONE;

    for (uint32_t k = group; k != NONE; k = j->next[k]) {
        for (uint32_t i = j->first_edge[k]; i < j->first_edge[k + 1]; i++) {
            uint32_t to = j->group[j->edges[i].to];
            if (--j->waiting[to] == 0 && to < lowest)
                lowest = to;
        }
    }
    return lowest;
}

/* Groups into `order`, their places into `place`; false when they wait for each other. */
static bool sort_groups(Join *j, uint32_t *groups)
{
    uint32_t done = 0, all = 0;

    if (!count_waiting(j))
        return false;
    for (uint32_t k = 0; k < j->count; k++)
        all += j->group[k] == k;
    for (uint32_t k = 0; k < j->count;) {
        if (j->group[k] != k || j->waiting[k]) {
            k++;
            continue;
        }
        j->place[k] = done;
        j->order[done++] = k;
        j->waiting[k] = NONE; /* has run */
        uint32_t ready = release(j, k);
        k = ready < k ? ready : k + 1;
    }
    *groups = done;
    return done == all;
}

/* The most that is alive at once, in units of bytes / kernels: a sum of all fits an int64_t. */
static int64_t most_alive(Join *j, uint32_t groups)
{
    int64_t alive = 0, most = 0;

    memset(j->change, 0, (j->count + 2) * sizeof *j->change);
    for (size_t i = 0; i < j->stored_count; i++)
        j->stored[i].at = j->stored[i].end = j->place[j->group[j->stored[i].kernel]];
    for (size_t i = 0; i < j->read_count; i++) {
        Stored *s = &j->stored[j->reads[i].stored];
        uint32_t at = j->reads[i].kernel == NONE ? groups : j->place[j->group[j->reads[i].kernel]];
        s->end = at > s->end ? at : s->end;
    }
    for (size_t i = 0; i < j->stored_count; i++) {
        j->change[j->stored[i].at] += j->stored[i].bytes;
        j->change[j->stored[i].end + 1] -= j->stored[i].bytes;
    }
    for (uint32_t i = 0; i <= groups; i++) {
        alive += j->change[i];
        most = alive > most ? alive : most;
    }
    return most;
}

/* ---- 2. groups ------------------------------------------------------------------------------ */

static bool try_join(Join *j, uint32_t k, uint32_t group, int64_t limit)
{
    uint32_t last = j->last[group], groups;

    j->group[k] = group;
    j->next[last] = k;
    j->last[group] = k;
    if (sort_groups(j, &groups) && most_alive(j, groups) <= limit)
        return true;
    j->group[k] = k;
    j->next[last] = NONE;
    j->last[group] = last;
    return false;
}

/* Kernels of equal structure, and the last group of them. */
typedef struct Class {
    const char *structure;
    uint32_t group; /* NONE: no kernel yet */
} Class;

static Class *class_of(Class *classes, uint32_t *count, const char *structure)
{
    uint32_t c = 0;

    while (c < *count && strcmp(classes[c].structure, structure) != 0)
        c++;
    if (c == *count)
        classes[(*count)++] = (Class){structure, NONE};
    return &classes[c];
}

static GfStatus join_all(Join *j, int64_t limit)
{
    Class *classes = GF_NEW_ARRAY(j->cx->scratch, Class, j->count);
    uint32_t class_count = 0;

    for (uint32_t k = 0; k < j->count && classes; k++) {
        bool joins = gf_kernel_joins(&j->kernels[k]);
        const char *structure = joins ? gf_kernel_structure(j->g, &j->kernels[k], j->cx->scratch) : NULL;
        Class *c = structure ? class_of(classes, &class_count, structure) : NULL;
        if (c && (c->group == NONE || !try_join(j, k, c->group, limit)))
            c->group = k;
    }
    return j->cx->scratch->failed ? gf_fail_memory(j->cx->diags) : GF_OK;
}

/* ---- 3. the new order -------------------------------------------------------------------------- */

static GfStatus place_groups(Join *j, uint32_t groups)
{
    GfKernelNodes *kernels = GF_NEW_ARRAY(j->cx->scratch, GfKernelNodes, j->count);
    uint32_t done = 0;

    if (!kernels)
        return gf_fail_memory(j->cx->diags);
    for (uint32_t i = 0; i < groups; i++) {
        for (uint32_t k = j->order[i]; k != NONE; k = j->next[k])
            kernels[done++] = j->kernels[k];
    }
    gf_place_kernels(j->g, kernels, done);
    return GF_OK;
}

/* ---- the pass --------------------------------------------------------------------------------------- */

static GfStatus make_tables(Join *j)
{
    GfArena *scratch = j->cx->scratch;

    j->of = GF_NEW_ARRAY(scratch, uint32_t, gf_graph_ids(j->g));
    j->group = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->next = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->last = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->waiting = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->order = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->place = GF_NEW_ARRAY(scratch, uint32_t, j->count);
    j->change = GF_NEW_ARRAY(scratch, int64_t, j->count + 2);
    if (scratch->failed)
        return gf_fail_memory(j->cx->diags);
    memset(j->of, 0xff, gf_graph_ids(j->g) * sizeof *j->of);
    for (uint32_t k = 0; k < j->count; k++) {
        j->group[k] = j->last[k] = k;
        j->next[k] = NONE;
        for (uint32_t i = 0; i < j->kernels[k].node_count; i++)
            j->of[j->kernels[k].nodes[i]->id] = k;
    }
    return add_edges(j) && sort_edges(j) && list_stored(j) ? GF_OK : gf_fail_memory(j->cx->diags);
}

static GfStatus count_batches(Join *j)
{
    uint32_t *batches;

    GF_TRY(gf_kernel_order(j->g, j->cx->scratch, &j->kernels, &j->count, j->cx->diags));
    GF_TRY(gf_kernel_batches(j->g, j->kernels, j->count, j->cx->target, j->cx->scratch, &batches, j->cx->diags));
    j->cx->counts[0] = j->count;
    j->cx->counts[1] = j->count ? batches[j->count - 1] + 1 : 0;
    return GF_OK;
}

GfStatus gf_pass_join_launches(GfPassCtx *cx, GfGraph *g)
{
    Join j = {.cx = cx, .g = g};
    uint32_t groups = 0;

    GF_TRY(gf_maxima(cx, g, j.sizes));
    GF_TRY(gf_kernel_order(g, cx->scratch, &j.kernels, &j.count, cx->diags));
    if (cx->target->joins_launches && j.count > 1) {
        GF_TRY(make_tables(&j));
        sort_groups(&j, &groups);
        GF_TRY(join_all(&j, most_alive(&j, groups)));
        sort_groups(&j, &groups); /* the last one tried may have been refused */
        GF_TRY(place_groups(&j, groups));
    }
    return count_batches(&j);
}
