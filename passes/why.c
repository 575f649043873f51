/* why.c -- see why.h.
 *
 * Kernels: gf_groups_merge and fuse.c write down each pair of nodes that they leave
 * apart.  The kernels of these nodes are known by their numbers once all has run, so
 * a refusal between any two nodes is one between their kernels.
 *
 * Gradients: autodiff gives a gradient to what the loss depends on through f32 values,
 * and prune-frozen keeps of these what trains.  So a walk back from the loss and one
 * forward from what trains tell the fate of a parameter.  O(nodes + uses).
 */
#include "passes/why.h"

#include "passes/groups.h"
#include "passes/match.h"
#include "passes/pass_list.h"

#include <string.h>

/* ---- kernels -------------------------------------------------------------------- */

static const GfRefusal *find_recorded(const GfRefusals *recorded, int32_t a, int32_t b)
{
    for (size_t i = recorded ? recorded->count : 0; i-- > 0;) {
        int32_t x = recorded->list[i].a->kernel, y = recorded->list[i].b->kernel;
        if ((x == a && y == b) || (x == b && y == a))
            return &recorded->list[i].why;
    }
    return NULL;
}

/* Some node of kernel `a` reads one of kernel `b`. */
static bool kernel_reads(const GfGraph *g, int32_t a, int32_t b)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        for (uint32_t i = 0; n->kernel == a && i < n->operand_count; i++) {
            if (gf_operand(n, i)->node->kernel == b)
                return true;
        }
    }
    return false;
}

/* May the two kernels of a copy be one?  `why` names a node of the copy. */
static GfStatus ask_again(GfGraph *copy, GfPassCtx *cx, const GfNode *a, const GfNode *b, GfRefusal *why)
{
    GfGroups s;
    GfRefusals asked = {.arena = cx->scratch};
    bool edge = kernel_reads(copy, a->kernel, b->kernel) || kernel_reads(copy, b->kernel, a->kernel);

    GF_TRY(gf_groups_init(&s, cx, copy));
    cx->refusals = &asked;
    bool merged = gf_groups_merge(&s, a, b);
    if (cx->scratch->failed)
        return gf_fail_memory(cx->diags);
    if (!merged)
        *why = asked.list[0].why;
    else
        *why = edge ? (GfRefusal){GF_REFUSAL_NOT_ASKED, a} : (GfRefusal){GF_REFUSAL_NO_EDGE, NULL};
    return GF_OK;
}

GfStatus gf_why_apart(const GfGraph *g, const GfTarget *target, const GfRefusals *recorded, const GfNode *a,
                      const GfNode *b, GfRefusal *out, GfDiags *diags)
{
    const GfRefusal *found = find_recorded(recorded, a->kernel, b->kernel);
    GfArena scratch;

    *out = (GfRefusal){GF_REFUSAL_NONE, NULL};
    if (a->kernel == b->kernel && a->kernel != GF_NO_KERNEL)
        return GF_OK;
    if (found) {
        *out = *found;
        return GF_OK;
    }
    GfGraph *copy = gf_graph_clone(g, g->arena.allocator);
    if (!copy)
        return gf_fail_memory(diags);
    gf_arena_init(&scratch, g->arena.allocator);
    GfPassCtx cx = {.target = target, .diags = diags, .scratch = &scratch};
    GfStatus status = ask_again(copy, &cx, gf_find_name(copy, a->name), gf_find_name(copy, b->name), out);
    if (status == GF_OK && out->node)
        out->node = gf_find_name(g, out->node->name);
    gf_arena_free(&scratch);
    gf_graph_free(copy);
    return status;
}

/* ---- gradients ------------------------------------------------------------------ */

enum { FAR_OFF = 0 }; /* distances count from 1 at the loss */

typedef struct Walk {
    const GfGraph *g;
    uint32_t *distance;     /* by id: ops from it to the loss, itself counted; 0: no way */
    const GfNode **depends; /* by id: a trainable parameter that it depends on, or NULL */
} Walk;

static bool carries(const GfValue *v)
{
    return v->type.dtype == GF_F32;
}

static void measure_distances(Walk *w, const GfNode *loss)
{
    w->distance[loss->id] = 1;
    for (const GfNode *n = w->g->last; n; n = n->prev) {
        uint32_t next = w->distance[n->id] + 1;
        for (uint32_t i = 0; next > 1 && i < n->operand_count; i++) {
            uint32_t *at = &w->distance[gf_operand(n, i)->node->id];
            if (carries(gf_operand(n, i)) && (*at == FAR_OFF || *at > next))
                *at = next;
        }
    }
}

static void follow_trainable(Walk *w)
{
    for (const GfNode *n = w->g->first; n; n = n->next) {
        if (n->op == GF_OP_PARAM && !n->frozen && carries(&n->results[0]))
            w->depends[n->id] = n;
        for (uint32_t i = 0; i < n->operand_count && !w->depends[n->id]; i++) {
            if (carries(gf_operand(n, i)))
                w->depends[n->id] = w->depends[gf_operand(n, i)->node->id];
        }
    }
}

/* The op that reads `n` and is nearest to the loss, or NULL. */
static const GfNode *step_to_loss(const Walk *w, const GfNode *n)
{
    const GfNode *best = NULL;

    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        uint32_t distance = w->distance[u->user->id];
        if (distance != FAR_OFF && (!best || distance < w->distance[best->id]))
            best = u->user;
    }
    return best;
}

static bool walk_path(const Walk *w, const GfNode *param, GfArena *arena, GfWhyGradient *out)
{
    uint32_t count = w->distance[param->id];

    out->path = GF_NEW_ARRAY(arena, const GfNode *, (size_t)count + 1);
    if (!out->path)
        return false;
    for (const GfNode *n = step_to_loss(w, param); n && out->path_count < count; n = step_to_loss(w, n)) {
        out->path[out->path_count++] = n;
        if (w->distance[n->id] == 1)
            break;
    }
    return true;
}

/* The fate of a frozen parameter whose ops lead to the loss. */
static void judge_frozen(const Walk *w, GfWhyGradient *out)
{
    out->fate = GF_FATE_NO_TRAINING;
    for (uint32_t i = 0; i < out->path_count; i++) {
        out->trains = w->depends[out->path[i]->id];
        if (!out->trains)
            continue;
        out->lowest = out->path[i];
        out->fate = i == 0 ? GF_FATE_FROZEN : GF_FATE_FROZEN_BELOW;
        return;
    }
}

GfStatus gf_why_gradient(const GfGraph *forward, const GfNode *param, GfArena *arena, GfWhyGradient *out,
                         GfDiags *diags)
{
    const GfValue *loss = gf_graph_output(forward, "loss");
    Walk w = {.g = forward,
              .distance = GF_NEW_ARRAY(arena, uint32_t, gf_graph_ids(forward)),
              .depends = GF_NEW_ARRAY(arena, const GfNode *, gf_graph_ids(forward))};

    *out = (GfWhyGradient){.fate = GF_FATE_NO_PATH};
    if (!w.distance || !w.depends)
        return gf_fail_memory(diags);
    if (!loss)
        return gf_fail(diags, param->loc, GF_ERR_PASS, "there are no gradients: the graph has no output 'loss'");
    measure_distances(&w, loss->node);
    follow_trainable(&w);
    if (w.distance[param->id] == FAR_OFF || !carries(&param->results[0]))
        return GF_OK;
    if (!walk_path(&w, param, arena, out))
        return gf_fail_memory(diags);
    out->fate = GF_FATE_TRAINS;
    if (param->frozen)
        judge_frozen(&w, out);
    return GF_OK;
}

/* ---- patterns ------------------------------------------------------------------- */

/* The first of these patterns that matches, or NULL. */
static const char *matching_word(const char *patterns, const char *label, GfArena *arena)
{
    const char *word;

    while (patterns && (word = gf_next_word(arena, &patterns))) {
        if (gf_match(word, label))
            return word;
    }
    return NULL;
}

GfStatus gf_why_frozen(const char *list, const GfPlugins *plugins, const char *label, GfArena *arena, GfWhyFrozen *out,
                       GfDiags *diags)
{
    GfPassCall *calls;
    size_t count;

    *out = (GfWhyFrozen){0};
    GF_TRY(gf_pass_list_parse(list, plugins, arena, &calls, &count, diags));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(calls[i].info->text, "freeze") != 0)
            continue;
        const GfAttr *freeze = gf_attr_find(calls[i].options, calls[i].option_count, "freeze");
        const GfAttr *train = gf_attr_find(calls[i].options, calls[i].option_count, "train");
        const char *frozen = freeze ? matching_word(freeze->s, label, arena) : NULL;
        const char *trained = train ? matching_word(train->s, label, arena) : NULL;
        out->freeze = frozen ? frozen : out->freeze;
        out->train = trained ? trained : frozen ? NULL : out->train;
    }
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}
