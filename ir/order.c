/* order.c -- the kernels of a graph in launch order.  See kernel.h.
 *
 * 1. Collect: one walk over the nodes numbers the kernels by their first node
 *    and lists the nodes of each.
 * 2. Sort (Kahn, CACM 1962): a kernel is ready when no operand of it waits for
 *    another kernel.  Of the ready ones the lowest number goes first, so that a
 *    graph whose kernels already stand in order keeps it.
 * 3. For each kernel, list what it reads and writes.
 * O(nodes + uses), and a rescan of the kernels passed over when one that was not
 * ready becomes so.
 */
#include "ir/kernel.h"

#define NONE UINT32_MAX

typedef struct Order {
    const GfGraph *g;
    GfArena *arena;
    GfKernelNodes *found; /* by first node */
    uint32_t count;
    uint32_t *of;      /* node id -> index into found, or NONE */
    uint32_t *waiting; /* operands of the kernel that are not computed yet */
} Order;

/* ---- 1. collect ------------------------------------------------------------------ */

/* Kernel numbers to indices; numbers come from text and may be anything. */
typedef struct Table {
    struct Slot {
        int32_t kernel;
        uint32_t index; /* + 1; 0: free */
    } * slots;
    uint32_t mask;
} Table;

static bool table_init(Table *t, GfArena *arena, const GfGraph *g)
{
    uint32_t size = 16;

    for (const GfNode *n = g->first; n; n = n->next)
        size++;
    for (t->mask = 1; t->mask < 2 * size; t->mask *= 2)
        continue;
    t->slots = GF_NEW_ARRAY(arena, struct Slot, t->mask--);
    return t->slots != NULL;
}

static struct Slot *table_slot(const Table *t, int32_t kernel)
{
    uint32_t i = (uint32_t)kernel * 2654435761u;

    while (t->slots[i & t->mask].index && t->slots[i & t->mask].kernel != kernel)
        i++;
    return &t->slots[i & t->mask];
}

static GfStatus number_kernels(Order *o, GfDiags *diags)
{
    Table table;

    if (!table_init(&table, o->arena, o->g))
        return gf_fail_memory(diags);
    for (const GfNode *n = o->g->first; n; n = n->next) {
        o->of[n->id] = NONE;
        if (!gf_makes_code(n))
            continue;
        if (n->kernel < 0)
            return gf_fail(diags, n->loc, GF_ERR_PASS, "'%%%s' has no kernel: 'fuse' must run first", n->name);
        struct Slot *slot = table_slot(&table, n->kernel);
        if (!slot->index)
            *slot = (struct Slot){n->kernel, ++o->count};
        o->of[n->id] = slot->index - 1;
    }
    return GF_OK;
}

static GfStatus list_nodes(Order *o, GfDiags *diags)
{
    o->found = GF_NEW_ARRAY(o->arena, GfKernelNodes, o->count);
    if (!o->found)
        return gf_fail_memory(diags);
    for (const GfNode *n = o->g->first; n; n = n->next) {
        if (o->of[n->id] != NONE)
            o->found[o->of[n->id]].node_count++;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        o->found[i].nodes = GF_NEW_ARRAY(o->arena, GfNode *, o->found[i].node_count);
        if (!o->found[i].nodes)
            return gf_fail_memory(diags);
        o->found[i].node_count = 0;
    }
    for (GfNode *n = o->g->first; n; n = n->next) {
        if (o->of[n->id] == NONE)
            continue;
        GfKernelNodes *k = &o->found[o->of[n->id]];
        k->kernel = n->kernel;
        k->nodes[k->node_count++] = n;
    }
    return GF_OK;
}

/* ---- 2. sort --------------------------------------------------------------------- */

static void count_waiting(Order *o)
{
    for (const GfNode *n = o->g->first; n; n = n->next) {
        for (uint32_t i = 0; o->of[n->id] != NONE && i < n->operand_count; i++) {
            uint32_t from = o->of[gf_operand(n, i)->node->id];
            o->waiting[o->of[n->id]] += from != NONE && from != o->of[n->id];
        }
    }
}

/* The kernel `k` has run: lower the counts of its readers.  Returns the lowest
 * of those that became ready, or NONE. */
static uint32_t release(Order *o, uint32_t k)
{
    uint32_t lowest = NONE;

    for (uint32_t i = 0; i < o->found[k].node_count; i++) {
        const GfNode *n = o->found[k].nodes[i];
        for (uint32_t r = 0; r < n->result_count; r++) {
            for (const GfUse *u = n->results[r].uses; u; u = u->next) {
                uint32_t to = o->of[u->user->id];
                if (to != NONE && to != k && --o->waiting[to] == 0 && to < lowest)
                    lowest = to;
            }
        }
    }
    return lowest;
}

static GfStatus fail_cycle(const Order *o, GfDiags *diags)
{
    for (uint32_t k = 0; k < o->count; k++) {
        if (o->waiting[k] && o->waiting[k] != NONE)
            return gf_fail(diags, o->found[k].nodes[0]->loc, GF_ERR_VERIFY,
                           "kernel @k%d waits for a kernel that waits for it: its nodes are not convex",
                           (int)o->found[k].kernel);
    }
    return GF_OK;
}

static GfStatus sort_kernels(Order *o, GfKernelNodes *sorted, GfDiags *diags)
{
    uint32_t done = 0;

    count_waiting(o);
    for (uint32_t k = 0; k < o->count;) {
        if (o->waiting[k]) {
            k++;
            continue;
        }
        sorted[done++] = o->found[k];
        o->waiting[k] = NONE; /* has run */
        uint32_t ready = release(o, k);
        k = ready < k ? ready : k + 1;
    }
    return done == o->count ? GF_OK : fail_cycle(o, diags);
}

/* ---- 3. what each reads and writes ------------------------------------------------- */

static bool is_output(const GfValue *v)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (u->user->kernel != v->node->kernel)
            return true;
    }
    return false;
}

static bool lists(GfValue *const *values, uint32_t count, const GfValue *v)
{
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == v)
            return true;
    }
    return false;
}

static void list_inputs(GfKernelNodes *k, const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        GfValue *v = gf_operand(n, i);
        if (v->node->kernel != n->kernel && !lists(k->inputs, k->input_count, v))
            k->inputs[k->input_count++] = v;
    }
}

static bool list_values(GfArena *arena, GfKernelNodes *k)
{
    size_t operands = 0, results = 0;

    for (uint32_t i = 0; i < k->node_count; i++) {
        operands += k->nodes[i]->operand_count;
        results += k->nodes[i]->result_count;
    }
    k->inputs = GF_NEW_ARRAY(arena, GfValue *, operands);
    k->outputs = GF_NEW_ARRAY(arena, GfValue *, results);
    if (!k->inputs || !k->outputs)
        return false;
    for (uint32_t i = 0; i < k->node_count; i++) {
        GfNode *n = k->nodes[i];
        list_inputs(k, n);
        for (uint32_t r = 0; r < n->result_count; r++) {
            if (is_output(&n->results[r]))
                k->outputs[k->output_count++] = &n->results[r];
        }
    }
    return true;
}

GfStatus gf_kernel_order(const GfGraph *g, GfArena *arena, GfKernelNodes **kernels, uint32_t *count, GfDiags *diags)
{
    Order o = {.g = g, .arena = arena, .of = GF_NEW_ARRAY(arena, uint32_t, gf_graph_ids(g))};

    if (!o.of)
        return gf_fail_memory(diags);
    GF_TRY(number_kernels(&o, diags));
    GF_TRY(list_nodes(&o, diags));
    o.waiting = GF_NEW_ARRAY(arena, uint32_t, o.count);
    GfKernelNodes *sorted = GF_NEW_ARRAY(arena, GfKernelNodes, o.count);
    if (!o.waiting || !sorted)
        return gf_fail_memory(diags);
    GF_TRY(sort_kernels(&o, sorted, diags));
    for (uint32_t i = 0; i < o.count; i++) {
        if (!list_values(arena, &sorted[i]))
            return gf_fail_memory(diags);
    }
    *kernels = sorted;
    *count = o.count;
    return GF_OK;
}
