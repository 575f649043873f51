/* verify.c -- the invariants of ir.h, one check each, numbered as there.
 *
 * Each check may rely on those before it; the first that fails ends the run.
 * 10 and 11, about kernels and planned memory, stand in verify_plan.c.
 */
#include "ir/verify.h"

#include "ir/lex.h"

#include <stdlib.h>
#include <string.h>

const char *gf_verify_show(GfVerifier *v, const GfNode *n)
{
    const char *text = n->name ? gf_arena_printf(v->scratch, "%%%s = %s", n->name, gf_op_text(n->op)) : NULL;
    return text ? text : gf_op_text(n->op);
}

#define EACH(n, v) for (const GfNode *n = (v)->g->first; n; n = n->next)

/* ---- 1: order ---------------------------------------------------------------------- */

static GfStatus check_list(GfVerifier *v, const GfNode *n)
{
    if ((unsigned)n->op >= GF_OP_COUNT)
        return GF_FAIL_VERIFY(v, n, "a node has the op number %d, which does not exist", (int)n->op);
    if (n->id >= v->g->next_id || v->by_id[n->id])
        return GF_FAIL_VERIFY(v, n, "the id %u of '%s' is not its own", n->id, gf_verify_show(v, n));
    if (n->prev ? n->prev->next != n : v->g->first != n)
        return GF_FAIL_VERIFY(v, n, "'%s' is not linked to the node before it", gf_verify_show(v, n));
    if (!n->next && v->g->last != n)
        return GF_FAIL_VERIFY(v, n, "'%s' ends the list of nodes, but the graph ends elsewhere", gf_verify_show(v, n));
    return GF_OK;
}

static GfStatus check_results(GfVerifier *v, const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].node != n || n->results[i].index != i)
            return GF_FAIL_VERIFY(v, n, "result %u of '%s' does not know its node", i, gf_verify_show(v, n));
    }
    return GF_OK;
}

static GfStatus check_operands(GfVerifier *v, const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfValue *value = gf_operand(n, i);
        if (!value)
            return GF_FAIL_VERIFY(v, n, "operand %u of '%s' is missing", i, gf_verify_show(v, n));
        const GfNode *from = value->node;
        if (from->id >= v->g->next_id || v->by_id[from->id] != from)
            return GF_FAIL_VERIFY(v, n, "operand %u of '%s' is not defined before it", i, gf_verify_show(v, n));
        if (value->index >= from->result_count || value != &from->results[value->index])
            return GF_FAIL_VERIFY(v, n, "operand %u of '%s' is no result of '%s'", i, gf_verify_show(v, n),
                                  gf_verify_show(v, from));
    }
    return GF_OK;
}

static GfStatus check_order(GfVerifier *v)
{
    EACH(n, v)
    {
        GF_TRY(check_list(v, n));
        GF_TRY(check_results(v, n));
        GF_TRY(check_operands(v, n));
        v->by_id[n->id] = n; /* only now: a node cannot use itself */
    }
    return GF_OK;
}

/* ---- 2: counts and attributes -------------------------------------------------------- */

static GfStatus check_counts(GfVerifier *v, const GfNode *n)
{
    const GfOpInfo *info = gf_op_info(n->op);

    if (n->operand_count < info->min_operands ||
        (n->operand_count > info->max_operands && info->max_operands != GF_ANY))
        return GF_FAIL_VERIFY(v, n, "'%s' has %u operands, which its row in ops.def does not allow",
                              gf_verify_show(v, n), n->operand_count);
    if (n->result_count != info->results)
        return GF_FAIL_VERIFY(v, n, "'%s' has %u results instead of %u", gf_verify_show(v, n), n->result_count,
                              info->results);
    return GF_OK;
}

static GfStatus check_known_attrs(GfVerifier *v, const GfNode *n)
{
    GfAttrSpec spec;

    for (uint32_t i = 0; i < n->attr_count; i++) {
        const GfAttr *a = &n->attrs[i];
        if (!gf_schema_find(gf_op_info(n->op)->attrs, a->key, &spec))
            return GF_FAIL_VERIFY(v, n, "'%s' has an attribute '%s' that its op does not know", gf_verify_show(v, n),
                                  a->key);
        if (spec.kind != a->kind || (a->kind == GF_ATTR_STRING && !a->s))
            return GF_FAIL_VERIFY(v, n, "the attribute '%s' of '%s' has the wrong type", a->key, gf_verify_show(v, n));
        if (gf_attr(n, a->key) != a)
            return GF_FAIL_VERIFY(v, n, "'%s' has the attribute '%s' twice", gf_verify_show(v, n), a->key);
    }
    return GF_OK;
}

static GfStatus check_all_attrs(GfVerifier *v, const GfNode *n)
{
    const char *schema = gf_op_info(n->op)->attrs;
    GfAttrSpec spec;

    while (gf_schema_next(&schema, &spec)) {
        if (!gf_attr(n, spec.key))
            return GF_FAIL_VERIFY(v, n, "'%s' lacks its attribute '%s'", gf_verify_show(v, n), spec.key);
    }
    return GF_OK;
}

static GfStatus check_rows(GfVerifier *v)
{
    EACH(n, v)
    {
        GF_TRY(check_counts(v, n));
        GF_TRY(check_known_attrs(v, n));
        GF_TRY(check_all_attrs(v, n));
    }
    return GF_OK;
}

/* ---- 5: dims.  Before 3, which shows types in its messages. ---------------------------- */

static GfStatus check_type(GfVerifier *v, const GfNode *n, const GfType *type)
{
    if ((unsigned)type->dtype >= GF_DTYPE_COUNT || type->rank > GF_MAX_RANK)
        return GF_FAIL_VERIFY(v, n, "'%s' has a result without a valid type", gf_verify_show(v, n));
    for (uint32_t i = 0; i < type->rank; i++) {
        GfDim dim = type->dims[i];
        if (dim.symbol == GF_CONSTANT && dim.size < 1)
            return GF_FAIL_VERIFY(v, n, "'%s' has a dimension of size %lld; sizes are at least 1", gf_verify_show(v, n),
                                  (long long)dim.size);
        if (dim.symbol < GF_CONSTANT || dim.symbol >= (int32_t)v->g->symbol_count)
            return GF_FAIL_VERIFY(v, n, "'%s' has a dimension that is no symbol of the graph", gf_verify_show(v, n));
    }
    return GF_OK;
}

static GfStatus check_dims(GfVerifier *v)
{
    EACH(n, v)
    for (uint32_t i = 0; i < n->result_count; i++)
        GF_TRY(check_type(v, n, &n->results[i].type));
    return GF_OK;
}

/* ---- 3: types ---------------------------------------------------------------------------- */

static GfStatus fail_type(GfVerifier *v, const GfNode *n, uint32_t result, const GfType *derived)
{
    const char *is = gf_type_str(v->scratch, v->g, &n->results[result].type);
    const char *rule = gf_type_str(v->scratch, v->g, derived);

    if (!is || !rule)
        return gf_fail_memory(v->diags);
    return GF_FAIL_VERIFY(v, n, "result %u of '%s' is %s, its shape rule gives %s", result, gf_verify_show(v, n), is,
                          rule);
}

/* Derive the types anew, on a copy of the node. */
static GfStatus check_derived(GfVerifier *v, const GfNode *n)
{
    GfGraph view = *v->g;
    GfNode copy = *n;

    gf_arena_init(&view.arena, v->scratch->allocator);
    copy.results = GF_NEW_ARRAY(v->scratch, GfValue, n->result_count);
    if (!copy.results)
        return gf_fail_memory(v->diags);
    GfStatus status = gf_infer(&view, &copy, gf_op_has(n->op, GF_DECLARED) ? &n->results[0].type : NULL, v->diags);
    gf_arena_free(&view.arena);
    for (uint32_t i = 0; status == GF_OK && i < n->result_count; i++) {
        if (!gf_type_eq(&copy.results[i].type, &n->results[i].type))
            status = fail_type(v, n, i, &copy.results[i].type);
    }
    return status;
}

static GfStatus check_types(GfVerifier *v)
{
    EACH(n, v)
    GF_TRY(check_derived(v, n));
    return GF_OK;
}

/* ---- 4: names -------------------------------------------------------------------------------- */

/* A name or label with its node, for sorting. */
typedef struct Named {
    const char *text;
    const GfNode *node;
} Named;

static int compare_named(const void *a, const void *b)
{
    const Named *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->node->id > y->node->id) - (x->node->id < y->node->id);
}

static GfStatus check_unique(GfVerifier *v, Named *items, size_t count, const char *what)
{
    if (count)
        qsort(items, count, sizeof *items, compare_named);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(items[i - 1].text, items[i].text) == 0)
            return GF_FAIL_VERIFY(v, items[i].node, "the %s '%s' stands twice", what, items[i].text);
    }
    return GF_OK;
}

static GfStatus check_naming(GfVerifier *v, const GfNode *n)
{
    bool labelled = n->op == GF_OP_PARAM || n->op == GF_OP_STATE;

    if (n->result_count && (!n->name || !gf_is_name(n->name)))
        return GF_FAIL_VERIFY(v, n, "'%s' needs a name of letters, digits, '_', '.' and '-'", gf_verify_show(v, n));
    if (labelled != (n->label != NULL))
        return GF_FAIL_VERIFY(v, n, "'%s' %s", gf_verify_show(v, n),
                              labelled ? "has no checkpoint name" : "has a checkpoint name, but is no param or state");
    if (n->frozen && n->op != GF_OP_PARAM)
        return GF_FAIL_VERIFY(v, n, "'%s' is frozen, but is no param", gf_verify_show(v, n));
    return GF_OK;
}

static GfStatus check_graph_names(GfVerifier *v)
{
    bool fine = gf_is_name(v->g->name);

    for (uint32_t i = 0; fine && i < v->g->symbol_count; i++)
        fine = gf_is_word(v->g->symbols[i]);
    if (fine)
        return GF_OK;
    return gf_fail(v->diags, GF_NOWHERE, GF_ERR_VERIFY,
                   "the graph '@%s' or one of its dimensions has a name that text IR cannot hold", v->g->name);
}

static GfStatus check_names(GfVerifier *v)
{
    Named *names = GF_NEW_ARRAY(v->scratch, Named, v->g->next_id);
    Named *labels = GF_NEW_ARRAY(v->scratch, Named, v->g->next_id);
    size_t name_count = 0, label_count = 0;

    if (!names || !labels)
        return gf_fail_memory(v->diags);
    GF_TRY(check_graph_names(v));
    EACH(n, v)
    {
        GF_TRY(check_naming(v, n));
        if (n->name)
            names[name_count++] = (Named){n->name, n};
        if (n->label)
            labels[label_count++] = (Named){n->label, n};
    }
    GF_TRY(check_unique(v, names, name_count, "value name"));
    return check_unique(v, labels, label_count, "checkpoint name");
}

/* ---- 6: use lists ------------------------------------------------------------------------------ */

static bool is_slot_of(const GfUse *use, const GfValue *value)
{
    const GfNode *user = use->user;
    return use->value == value && user && use >= user->operands && use < user->operands + user->operand_count;
}

/* The list is linked both ways and holds `expected` slots, so each once. */
static GfStatus check_list_of_uses(GfVerifier *v, const GfValue *value, uint32_t expected)
{
    const GfUse *before = NULL;
    uint32_t count = 0;

    for (const GfUse *u = value->uses; u && count <= expected; before = u, u = u->next) {
        if (!is_slot_of(u, value) || u->prev != before || v->by_id[u->user->id] != u->user)
            return GF_FAIL_VERIFY(v, value->node, "the use list of '%s' is broken", gf_verify_show(v, value->node));
        count++;
    }
    if (count == expected)
        return GF_OK;
    return GF_FAIL_VERIFY(v, value->node, "the use list of '%s' does not hold its %u uses",
                          gf_verify_show(v, value->node), expected);
}

static GfStatus check_uses(GfVerifier *v)
{
    uint32_t **counts = GF_NEW_ARRAY(v->scratch, uint32_t *, v->g->next_id);

    if (!counts)
        return gf_fail_memory(v->diags);
    EACH(n, v)
    {
        counts[n->id] = GF_NEW_ARRAY(v->scratch, uint32_t, n->result_count);
        if (!counts[n->id])
            return gf_fail_memory(v->diags);
        for (uint32_t i = 0; i < n->operand_count; i++)
            counts[gf_operand(n, i)->node->id][gf_operand(n, i)->index]++;
    }
    EACH(n, v)
    for (uint32_t i = 0; i < n->result_count; i++)
        GF_TRY(check_list_of_uses(v, &n->results[i], counts[n->id][i]));
    return GF_OK;
}

/* ---- 7 and 8: update and grad.  What they name is checked by their shape rule (3). ------------- */

static GfStatus check_once(GfVerifier *v, GfOp op)
{
    bool *seen = GF_NEW_ARRAY(v->scratch, bool, v->g->next_id);

    if (!seen)
        return gf_fail_memory(v->diags);
    EACH(n, v)
    {
        if (n->op != op)
            continue;
        const GfNode *target = gf_operand(n, 0)->node;
        if (seen[target->id])
            return GF_FAIL_VERIFY(v, n, "'%%%s' has a second '%s'", target->name, gf_op_text(op));
        seen[target->id] = true;
    }
    return GF_OK;
}

static GfStatus check_updates(GfVerifier *v)
{
    return check_once(v, GF_OP_UPDATE);
}

static GfStatus check_grads(GfVerifier *v)
{
    return check_once(v, GF_OP_GRAD);
}

/* ---- 9: return ----------------------------------------------------------------------------------- */

static GfStatus check_outputs(GfVerifier *v, const GfNode *ret)
{
    Named *names = GF_NEW_ARRAY(v->scratch, Named, ret->operand_count);

    if (!names)
        return gf_fail_memory(v->diags);
    for (uint32_t i = 0; i < ret->operand_count; i++) {
        const char *name = ret->outputs ? ret->outputs[i] : NULL;
        if (!name || !gf_is_word(name))
            return GF_FAIL_VERIFY(v, ret, "output %u has no name of letters, digits, '_', '.' and '-'", i);
        names[i] = (Named){name, ret};
    }
    return check_unique(v, names, ret->operand_count, "output");
}

static GfStatus check_return(GfVerifier *v)
{
    EACH(n, v)
    {
        if (n->op == GF_OP_RETURN && n->next)
            return GF_FAIL_VERIFY(v, n->next, "'%s' stands behind the 'return'", gf_verify_show(v, n->next));
    }
    const GfNode *ret = gf_graph_return(v->g);
    if (!ret)
        return gf_fail(v->diags, v->g->last ? v->g->last->loc : GF_NOWHERE, GF_ERR_VERIFY,
                       "the graph '@%s' has no 'return' at its end", v->g->name);
    return check_outputs(v, ret);
}

/* ---- all ------------------------------------------------------------------------------------------- */

static GfStatus run_checks(GfVerifier *v)
{
    static GfStatus (*const checks[])(GfVerifier *) = {
        check_order,   check_rows,  check_dims,   check_types,       check_names,      check_uses,
        check_updates, check_grads, check_return, gf_verify_kernels, gf_verify_memory,
    };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        GF_TRY(checks[i](v));
    return GF_OK;
}

GfStatus gf_verify(const GfGraph *g, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, g->arena.allocator);
    GfVerifier v = {.g = g, .scratch = &scratch, .diags = diags};
    v.by_id = GF_NEW_ARRAY(&scratch, const GfNode *, g->next_id);
    GfStatus status = v.by_id ? run_checks(&v) : gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}
