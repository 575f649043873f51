/* declare.c -- see declare.h. */
#include "passes/declare.h"

#include <string.h>

static bool is_declaration(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

static GfNode *after_inputs(const GfGraph *g)
{
    GfNode *n = g->first;

    while (n && n->op == GF_OP_INPUT)
        n = n->next;
    return n;
}

/* Everything before it is a declaration. */
static bool is_leading(const GfNode *n)
{
    while (n && is_declaration(n))
        n = n->prev;
    return !n;
}

/* What a pass declares goes to the end of the declarations: the walk resumes there. */
static GfNode *after_declarations(const GfPassCtx *cx, const GfGraph *g)
{
    GfNode *n = cx->last_declared ? cx->last_declared : g->first;

    while (n && is_declaration(n))
        n = n->next;
    return n;
}

static GfStatus add(GfPassCtx *cx, GfGraph *g, GfNode *before, const GfNodeSpec *spec, GfValue **out)
{
    GfNode *n;

    GF_TRY(gf_graph_add(g, before, spec, &n, cx->diags));
    cx->last_declared = n;
    *out = gf_result(n);
    return GF_OK;
}

GfStatus gf_declare_input(GfPassCtx *cx, GfGraph *g, const char *name, GfType type, GfValue **out)
{
    GfNode *found = gf_find_name(g, name);
    GfNodeSpec spec = {.op = GF_OP_INPUT, .name = name, .declared = &type};

    if (!found)
        return add(cx, g, after_inputs(g), &spec, out);
    *out = gf_result(found);
    if (found->op == GF_OP_INPUT && gf_type_eq(&(*out)->type, &type)) {
        if (!is_leading(found)) /* the pass may need it before it stands */
            gf_move_before(g, found, after_inputs(g));
        return GF_OK;
    }
    return gf_fail(cx->diags, found->loc, GF_ERR_PASS,
                   "'%s' needs '%%%s' to be an input of type %s, got '%s' of type %s", cx->info->text, name,
                   gf_type_str(cx->scratch, g, &type), gf_op_text(found->op),
                   gf_type_str(cx->scratch, g, &(*out)->type));
}

static GfStatus need_free_label(GfPassCtx *cx, const GfGraph *g, const char *label)
{
    const GfNode *taken = label ? gf_find_label(g, label) : NULL;

    if (!label)
        return gf_fail_memory(cx->diags);
    if (!taken)
        return GF_OK;
    gf_fail(cx->diags, taken->loc, GF_ERR_PASS, "'%s' would make '%s', which is there already", cx->info->text, label);
    gf_note(cx->diags, "has '%s' been run twice?", cx->info->text);
    return GF_ERR_PASS;
}

GfStatus gf_declare_param(GfPassCtx *cx, GfGraph *g, const char *label, GfType type, const char *init, GfLoc loc,
                          GfValue **out)
{
    GfAttr attr = gf_attr_string("init", init);
    GfNodeSpec spec = {
        .op = GF_OP_PARAM, .label = label, .declared = &type, .attrs = &attr, .attr_count = 1, .loc = loc};

    GF_TRY(need_free_label(cx, g, label));
    return add(cx, g, after_declarations(cx, g), &spec, out);
}

GfStatus gf_declare_state(GfPassCtx *cx, GfGraph *g, const GfNode *of, const char *suffix, GfValue **out)
{
    const char *label = gf_arena_printf(cx->scratch, "%s.%s", of->label, suffix);
    GfNodeSpec spec = {.op = GF_OP_STATE, .label = label, .declared = &of->results[0].type, .loc = of->loc};

    GF_TRY(need_free_label(cx, g, label));
    return add(cx, g, after_declarations(cx, g), &spec, out);
}

GfStatus gf_declare_update(GfPassCtx *cx, GfGraph *g, GfNode *before, GfValue *target, GfValue *value)
{
    GfNodeSpec spec = {
        .op = GF_OP_UPDATE, .operands = (GfValue *[]){target, value}, .operand_count = 2, .loc = value->node->loc};

    return gf_graph_add(g, before, &spec, NULL, cx->diags);
}

/* `return` has as many slots as operands, so a longer one takes its place. */
GfStatus gf_declare_outputs(GfPassCtx *cx, GfGraph *g, const char *const *names, GfValue *const *values, uint32_t count)
{
    GfNode *old = gf_graph_return(g), *made;
    uint32_t total = old->operand_count + count;
    GfValue **operands = GF_NEW_ARRAY(cx->scratch, GfValue *, total);
    const char **outputs = GF_NEW_ARRAY(cx->scratch, const char *, total);

    if (!operands || !outputs)
        return gf_fail_memory(cx->diags);
    for (uint32_t i = 0; i < total; i++) {
        bool is_old = i < old->operand_count;
        operands[i] = is_old ? gf_operand(old, i) : values[i - old->operand_count];
        outputs[i] = is_old ? old->outputs[i] : names[i - old->operand_count];
    }
    GfNodeSpec spec = {
        .op = GF_OP_RETURN, .operands = operands, .operand_count = total, .outputs = outputs, .loc = old->loc};
    GF_TRY(gf_graph_add(g, NULL, &spec, &made, cx->diags));
    made->lead = old->lead;
    made->comment = old->comment;
    gf_remove(g, old);
    return GF_OK;
}

GfStatus gf_build_status(const GfPassCtx *cx)
{
    return cx->diags && cx->diags->last ? cx->diags->last->status : GF_ERR_MEMORY;
}
