/* copy.c -- see copy.h. */
#include "tests/random/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESULTS = 3, MORE_OUTPUTS = 256 };

typedef struct Copy {
    const GfGraph *from;
    GfGraph *to;
    GfDiags diags;
    GfValue **values; /* by id in `from` and result: what users read */
    GfNode **nodes;   /* by id in `from` */
    const GraphEdit *edit;
    double noise; /* 0: none */
    const char *draw;
} Copy;

static bool copy_begin(Copy *c, const GfGraph *from)
{
    static const GraphEdit none = {0};

    c->from = from;
    c->edit = c->edit ? c->edit : &none;
    gf_diags_init(&c->diags, NULL);
    c->to = gf_graph_new(from->name, NULL);
    c->values = calloc((size_t)gf_graph_ids(from) * RESULTS + 1, sizeof *c->values);
    c->nodes = calloc((size_t)gf_graph_ids(from) + 1, sizeof *c->nodes);
    if (!c->to || !c->values || !c->nodes)
        return false;
    for (uint32_t i = 0; i < from->symbol_count; i++)
        gf_graph_symbol(c->to, from->symbols[i]);
    c->to->next_number = from->next_number;
    return true;
}

static GfGraph *copy_end(Copy *c, bool fine)
{
    if (!fine || c->to->arena.failed) {
        gf_graph_free(c->to);
        c->to = NULL;
    }
    gf_diags_free(&c->diags);
    free(c->values);
    free(c->nodes);
    return c->to;
}

static GfValue **value_of(const Copy *c, const GfValue *v)
{
    return &c->values[(size_t)v->node->id * RESULTS + v->index];
}

static GfType copy_type(const Copy *c, const GfType *type)
{
    GfType out = *type;

    for (uint32_t i = 0; i < out.rank && c->edit->kind == EDIT_SIZE; i++) {
        if (gf_dim_is(out.dims[i], c->edit->from))
            out.dims[i] = gf_dim_const(c->edit->to);
    }
    return out;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* An update or gradient names its param itself. */
static GfValue *operand_of(const Copy *c, const GfNode *n, uint32_t i)
{
    const GfValue *v = gf_operand(n, i);
    bool itself = i == 0 && (n->op == GF_OP_UPDATE || n->op == GF_OP_GRAD);

    return itself ? &c->nodes[v->node->id]->results[v->index] : *value_of(c, v);
}

static bool skips(const Copy *c, const GfNode *n)
{
    return c->edit->kind == EDIT_DROP_NODE && c->edit->node == n->id;
}

static GfValue *add_input(Copy *c, const char *name, const GfType *type)
{
    GfNode *n = NULL;
    GfNodeSpec spec = {.op = GF_OP_INPUT, .name = name, .declared = type};

    return gf_graph_add(c->to, NULL, &spec, &n, &c->diags) == GF_OK ? gf_result(n) : NULL;
}

static GfValue *add(Copy *c, GfOp op, const GfAttr *attr, GfValue *a, GfValue *b)
{
    return gf_build(c->to, NULL, NULL, &c->diags, op, attr, attr ? 1 : 0, (GfValue *[]){a, b}, b ? 2 : 1);
}

/* v (1 + amount n) */
static GfValue *with_noise(Copy *c, const GfValue *from, GfValue *v)
{
    GfAttr amount = gf_attr_float("by", c->noise), one = gf_attr_float("by", 1);
    char name[64];

    snprintf(name, sizeof name, "noise.%s.%u.%u", c->draw, from->node->id, from->index);
    GfValue *n = add_input(c, name, &v->type);
    n = n ? add(c, GF_OP_SCALE, &amount, n, NULL) : NULL;
    n = n ? add(c, GF_OP_OFFSET, &one, n, NULL) : NULL;
    return n ? add(c, GF_OP_MUL, NULL, v, n) : NULL;
}

/* What the users of a result will read; NULL: it cannot be. */
static GfValue *stand_in(Copy *c, const GfNode *n, uint32_t i)
{
    GfValue *made = &c->nodes[n->id]->results[i];
    const GraphEdit *e = c->edit;

    if (e->kind == EDIT_INPUT && e->node == n->id)
        return add_input(c, NULL, &made->type);
    if (e->kind == EDIT_OPERAND && e->node == n->id && i == 0)
        return e->index < n->operand_count ? *value_of(c, gf_operand(n, e->index)) : NULL;
    return c->noise != 0 && made->type.dtype == GF_F32 ? with_noise(c, &n->results[i], made) : made;
}

static uint32_t copy_outputs(const Copy *c, const GfNode *n, GfValue **operands, const char **outputs)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (c->edit->kind == EDIT_DROP_OUTPUT && n->op == GF_OP_RETURN && c->edit->index == i)
            continue;
        operands[count] = operand_of(c, n, i);
        if (n->op == GF_OP_RETURN)
            outputs[count] = n->outputs[i];
        count++;
    }
    return count;
}

static bool copy_node(Copy *c, const GfNode *n)
{
    GfValue *operands[MORE_OUTPUTS];
    const char *outputs[MORE_OUTPUTS];

    if (n->operand_count > MORE_OUTPUTS)
        return false;
    GfType type = n->result_count ? copy_type(c, &n->results[0].type) : (GfType){0};
    GfNodeSpec spec = {.op = n->op,
                       .name = n->name,
                       .operands = operands,
                       .operand_count = copy_outputs(c, n, operands, outputs),
                       .attrs = n->attrs,
                       .attr_count = n->attr_count,
                       .declared = gf_op_has(n->op, GF_DECLARED) ? &type : NULL,
                       .label = n->label,
                       .frozen = n->frozen,
                       .outputs = n->op == GF_OP_RETURN ? outputs : NULL};
    if (gf_graph_add(c->to, NULL, &spec, &c->nodes[n->id], &c->diags) != GF_OK)
        return false;
    for (uint32_t i = 0; i < n->result_count; i++) {
        GfValue *v = stand_in(c, n, i);
        if (!v)
            return false;
        *value_of(c, &n->results[i]) = v;
    }
    return true;
}

static bool copy_nodes(Copy *c)
{
    for (const GfNode *n = c->from->first; n; n = n->next) {
        if (!skips(c, n) && !copy_node(c, n))
            return false;
    }
    return true;
}

static bool is_read(const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].uses)
            return true;
    }
    return n->result_count == 0;
}

static void remove_unread(GfGraph *g)
{
    for (GfNode *n = g->last, *before; n; n = before) {
        before = n->prev;
        if (!is_read(n))
            gf_remove(g, n);
    }
}

GfGraph *graph_edit(const GfGraph *g, const GraphEdit *edit)
{
    Copy c = {.edit = edit};
    bool fine = copy_begin(&c, g) && copy_nodes(&c);

    if (fine)
        remove_unread(c.to);
    fine = fine && gf_verify(c.to, &c.diags) == GF_OK;
    return copy_end(&c, fine);
}

GfGraph *graph_with_noise(const GfGraph *g, double amount, const char *draw)
{
    Copy c = {.noise = amount, .draw = draw};
    bool fine = copy_begin(&c, g) && copy_nodes(&c);

    return copy_end(&c, fine);
}

/* ---- gradients ------------------------------------------------------------------------------- */

static bool add_gradients(GfGraph *g, GfDiags *diags)
{
    GfNode *end = gf_graph_return(g);
    GfValue *operands[MORE_OUTPUTS];
    const char *outputs[MORE_OUTPUTS];
    uint32_t count = 0;

    for (uint32_t i = 0; i < end->operand_count && count < MORE_OUTPUTS; i++, count++) {
        operands[count] = gf_operand(end, i);
        outputs[count] = end->outputs[i];
    }
    for (const GfNode *n = g->first; n && count < MORE_OUTPUTS; n = n->next) {
        if (n->op != GF_OP_GRAD)
            continue;
        operands[count] = gf_operand(n, 1);
        outputs[count] = gf_arena_printf(&g->arena, "gradient%u", count);
        count++;
    }
    gf_remove(g, end);
    GfNodeSpec spec = {.op = GF_OP_RETURN, .operands = operands, .operand_count = count, .outputs = outputs};
    return gf_graph_add(g, NULL, &spec, NULL, diags) == GF_OK;
}

GfGraph *graph_return_gradients(const GfGraph *g)
{
    Copy c = {0};
    bool fine = copy_begin(&c, g) && copy_nodes(&c) && add_gradients(c.to, &c.diags);

    return copy_end(&c, fine);
}
