/* why.c -- see why.h. */
#include "frontend/cli/why.h"

#include "frontend/cli/format.h"

#include <string.h>

typedef struct Why {
    const GfWhySubject *subject;
    GfText *out;
    GfArena *arena;
    GfDiags *diags;
} Why;

/* ---- names -------------------------------------------------------------------------- */

/* "%12 (gelu)", or a parameter's label. */
static const char *name_of(const Why *w, const GfNode *n)
{
    const char *text = n->label ? gf_arena_printf(w->arena, "'%s'", n->label)
                                : gf_arena_printf(w->arena, "%%%s (%s)", n->name ? n->name : "", gf_op_text(n->op));
    return text ? text : "";
}

static const char *closest(const Why *w, const char *name)
{
    const GfGraph *g = w->subject->step;
    const char **names = GF_NEW_ARRAY(w->arena, const char *, 2 * (size_t)gf_graph_ids(g) + 1);
    size_t count = 0;

    for (const GfNode *n = g->first; names && n; n = n->next) {
        if (n->label)
            names[count++] = n->label;
        else if (n->name)
            names[count++] = n->name;
    }
    return names ? gf_closest(name, names, count) : NULL;
}

static GfStatus find(const Why *w, const char *name, const GfNode **out)
{
    const GfGraph *g = w->subject->step;

    *out = gf_find_label(g, name);
    if (!*out)
        *out = gf_find_name(g, name + (*name == '%'));
    if (*out)
        return GF_OK;
    gf_fail(w->diags, GF_NOWHERE, GF_ERR_USAGE, "--why: no parameter and no value of the step is called '%s'", name);
    const char *close = closest(w, name + (*name == '%'));
    gf_note(w->diags, close ? "did you mean '%s'?" : "--emit ir shows the values%s", close ? close : "");
    return GF_ERR_USAGE;
}

/* ---- gradients ---------------------------------------------------------------------- */

enum { SHOWN = 4 };

/* The first ops and the last ones. */
static void add_path(const Why *w, const GfWhyGradient *why)
{
    gf_text_add(w->out, "  to the loss  ");
    for (uint32_t i = 0; i < why->path_count; i++) {
        if (i >= SHOWN && i + 2 < why->path_count) {
            if (i == SHOWN)
                gf_text_add(w->out, " > ... %u more", why->path_count - SHOWN - 2);
            continue;
        }
        gf_text_add(w->out, "%s%s", i ? " > " : "", name_of(w, why->path[i]));
    }
    gf_text_add(w->out, "\n");
}

static const GfNode *find_use(const GfNode *param, GfOp op)
{
    for (const GfUse *u = param->results[0].uses; u; u = u->next) {
        if (u->user->op == op && u == u->user->operands)
            return u->user;
    }
    return NULL;
}

/* What the step does with it: the facts beside the reasons. */
static void add_update(const Why *w, const GfNode *param)
{
    const GfNode *update = find_use(param, GF_OP_UPDATE), *grad = find_use(param, GF_OP_GRAD);

    if (update)
        gf_text_add(w->out, "  in the step  becomes %s\n", name_of(w, gf_operand(update, 1)->node));
    else if (grad)
        gf_text_add(w->out, "  in the step  its gradient is %s\n", name_of(w, gf_operand(grad, 1)->node));
    else
        gf_text_add(w->out, "  in the step  has no gradient and is not changed\n");
}

static GfStatus add_frozen(const Why *w, const GfNode *param)
{
    GfWhyFrozen why;

    GF_TRY(gf_why_frozen(w->subject->list, w->subject->plugins, param->label, w->arena, &why, w->diags));
    if (!param->frozen && why.train && why.freeze)
        gf_text_add(w->out, "  trains       by the pattern '%s' of train, which wins over '%s' of freeze\n", why.train,
                    why.freeze);
    else if (!param->frozen && why.train)
        gf_text_add(w->out, "  trains       by the pattern '%s' of train\n", why.train);
    else if (!param->frozen)
        gf_text_add(w->out, "  trains       no pattern freezes it\n");
    else if (why.freeze)
        gf_text_add(w->out, "  frozen       by the pattern '%s' of freeze\n", why.freeze);
    else
        gf_text_add(w->out, "  frozen       in the model itself\n");
    return GF_OK;
}

static void add_fate(const Why *w, const GfWhyGradient *why)
{
    const char *text = "";

    switch (why->fate) {
    case GF_FATE_TRAINS:
        text = "it trains and the loss depends on it";
        break;
    case GF_FATE_NO_PATH:
        text = "none: the loss does not depend on it";
        break;
    case GF_FATE_NO_TRAINING:
        text = "none: nothing trains, there is no backward pass";
        break;
    case GF_FATE_FROZEN:
        text =
            gf_arena_printf(w->arena, "none is kept, for it is frozen; the backward pass comes by %s on its way to %s",
                            name_of(w, why->path[0]), name_of(w, why->trains));
        break;
    case GF_FATE_FROZEN_BELOW:
        text =
            gf_arena_printf(w->arena,
                            "none: it is frozen, and the backward pass ends above it, at %s, the first op on the way "
                            "that depends on something that trains: %s",
                            name_of(w, why->lowest), name_of(w, why->trains));
        break;
    }
    gf_text_add(w->out, "  gradient     %s\n", text ? text : "");
}

static GfStatus answer_parameter(const Why *w, const GfNode *param)
{
    const GfNode *forward = gf_find_label(w->subject->forward, param->label);
    GfWhyGradient why;

    gf_text_add(w->out, "%s : %s\n", name_of(w, param),
                gf_type_str(w->arena, w->subject->step, &param->results[0].type));
    if (param->op != GF_OP_PARAM || !forward) {
        gf_text_add(w->out, "  gradient     none: it is state that the passes have added\n");
        return GF_OK;
    }
    GF_TRY(add_frozen(w, param));
    GF_TRY(gf_why_gradient(w->subject->forward, forward, w->arena, &why, w->diags));
    add_fate(w, &why);
    if (why.path_count)
        add_path(w, &why);
    add_update(w, param);
    return GF_OK;
}

/* ---- kernels ------------------------------------------------------------------------ */

static const char *kernel_text(const Why *w, const GfNode *n)
{
    static const char *const kinds[] = {[GF_KERNEL_TILE] = "a tile of matrix products",
                                        [GF_KERNEL_ROW] = "rows",
                                        [GF_KERNEL_FLAT] = "flat, element by element",
                                        [GF_KERNEL_COLSUM] = "column sums",
                                        [GF_KERNEL_OPAQUE] = "an op with a kernel of its own"};
    GfNode **nodes = GF_NEW_ARRAY(w->arena, GfNode *, gf_graph_ids(w->subject->step));
    GfKernelForm form;
    uint32_t count = 0;

    for (GfNode *k = w->subject->step->first; nodes && k; k = k->next) {
        if (k->kernel == n->kernel && gf_makes_code(k))
            nodes[count++] = k;
    }
    return nodes && gf_kernel_form(nodes, count, w->subject->target, &form) ? kinds[form.kind] : "";
}

static void add_members(const Why *w, const GfNode *n)
{
    const char *separator = "";

    gf_text_add(w->out, "  kernel       k%d, %s: ", n->kernel, kernel_text(w, n));
    for (const GfNode *k = w->subject->step->first; k; k = k->next) {
        if (k->kernel != n->kernel || !gf_makes_code(k))
            continue;
        gf_text_add(w->out, "%s%s", separator, name_of(w, k));
        separator = ", ";
    }
    gf_text_add(w->out, "\n");
}

static void add_place(const Why *w, const GfNode *n)
{
    const GfValue *v = &n->results[0];

    gf_text_add(w->out, "  memory       ");
    if (v->place == GF_PLACE_ARENA)
        gf_text_add(w->out, "at byte %lld of the arena\n", (long long)v->offset);
    else if (v->place == GF_PLACE_ALIAS)
        gf_text_add(w->out, "takes over that of %s\n", name_of(w, v->alias));
    else
        gf_text_add(w->out, "%s\n",
                    w->subject->step->arena_size >= 0 ? "none: it lives inside its kernel" : "not planned");
}

static GfStatus add_apart(const Why *w, const GfNode *a, const GfNode *b)
{
    const GfWhySubject *s = w->subject;
    GfRefusal why;

    GF_TRY(gf_why_apart(s->step, s->target, s->recorded, a, b, &why, w->diags));
    gf_text_add(w->out, "%s%s%s\n", why.node ? name_of(w, why.node) : "", why.node ? " " : "",
                gf_refusal_text(why.kind));
    return GF_OK;
}

/* `n` reads it, or is read by it; each kernel once. */
static GfStatus add_neighbour(const Why *w, const GfNode *n, const GfNode *other, const char *how, bool *seen)
{
    if (!gf_makes_code(other) || other->kernel == n->kernel || other->kernel < 0 || seen[other->kernel])
        return GF_OK;
    seen[other->kernel] = true;
    gf_text_add(w->out, "  %s %s of k%d, apart because ", how, name_of(w, other), other->kernel);
    return add_apart(w, n, other);
}

static GfStatus add_neighbours(const Why *w, const GfNode *n)
{
    bool *seen = GF_NEW_ARRAY(w->arena, bool, (size_t)w->subject->step->next_kernel + 1);

    if (!seen)
        return gf_fail_memory(w->diags);
    for (uint32_t i = 0; i < n->operand_count; i++)
        GF_TRY(add_neighbour(w, n, gf_operand(n, i)->node, "reads       ", seen));
    for (uint32_t i = 0; i < n->result_count; i++) {
        for (const GfUse *u = n->results[i].uses; u; u = u->next)
            GF_TRY(add_neighbour(w, n, u->user, "is read by  ", seen));
    }
    return GF_OK;
}

static GfStatus answer_value(const Why *w, const GfNode *n)
{
    gf_node_print(w->subject->step, n, w->out);
    gf_text_add(w->out, "\n");
    if (!gf_makes_code(n)) {
        gf_text_add(w->out, "  kernel       none: it is there before the step\n");
        return GF_OK;
    }
    if (n->kernel < 0) {
        gf_text_add(w->out, "  kernel       none: the pass `fuse` did not run\n");
        return GF_OK;
    }
    add_members(w, n);
    add_place(w, n);
    return add_neighbours(w, n);
}

static GfStatus answer_pair(const Why *w, const GfNode *a, const GfNode *b)
{
    const GfNode *both[] = {a, b};

    for (int i = 0; i < 2; i++) {
        if (!gf_makes_code(both[i]))
            return gf_fail(w->diags, GF_NOWHERE, GF_ERR_USAGE, "--why: %s is in no kernel: kernels read it from memory",
                           name_of(w, both[i]));
        if (both[i]->kernel < 0)
            return gf_fail(w->diags, GF_NOWHERE, GF_ERR_USAGE,
                           "--why: there are no kernels: the pass `fuse` did not run");
    }
    gf_text_add(w->out, "%s of k%d and %s of k%d: ", name_of(w, a), a->kernel, name_of(w, b), b->kernel);
    return add_apart(w, a, b);
}

GfStatus gf_why_print(const GfWhySubject *subject, const char *question, GfText *out, GfDiags *diags)
{
    Why w = {.subject = subject, .out = out, .arena = out->arena, .diags = diags};
    size_t length = strcspn(question, ",");
    const char *first = gf_arena_strndup(w.arena, question, length);
    const GfNode *a, *b;

    if (!first)
        return gf_fail_memory(diags);
    GF_TRY(find(&w, first, &a));
    if (question[length]) {
        GF_TRY(find(&w, question + length + 1, &b));
        return answer_pair(&w, a, b);
    }
    return a->label ? answer_parameter(&w, a) : answer_value(&w, a);
}
