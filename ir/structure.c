/* structure.c -- the text that two kernels share exactly if one piece of code serves both.
 *
 *   tile(tokens,seqs)
 *   %0 : f32[tokens,768]
 *   %1 : f32[768,768]
 *   %2 = linear %0, %1 : f32[tokens,768]
 *   %3 = dropout %2, %1 {p = 0.1} : f32[tokens,768]
 *   out %3
 *
 * Names give way to numbers, `key` is left out (a scalar of the launch), and what
 * the code does not depend on the size of is [*]: the domain of FLAT kernels, all of
 * sum_squares, whose `parts` is a scalar of the launch, too.
 */
#include "ir/kernel.h"

#include <inttypes.h>
#include <string.h>

typedef struct Writer {
    const GfGraph *g;
    const GfKernelNodes *k;
    GfKernelForm form;
    GfText out;
} Writer;

static const char *const kind_texts[] = {
    [GF_KERNEL_TILE] = "tile",     [GF_KERNEL_ROW] = "row",       [GF_KERNEL_FLAT] = "flat",
    [GF_KERNEL_COLSUM] = "colsum", [GF_KERNEL_OPAQUE] = "opaque",
};

static void add_header(Writer *w)
{
    gf_text_add(&w->out, "%s(", kind_texts[w->form.kind]);
    for (uint32_t i = 0; i < w->g->symbol_count; i++)
        gf_text_add(&w->out, "%s%s", i ? "," : "", w->g->symbols[i]);
    gf_text_add(&w->out, ")\n");
}

static bool sums_squares(const GfNode *n)
{
    return n->op == GF_OP_SUM_SQUARES;
}

/* The code does not depend on the size of this type. */
static bool is_any_size(const Writer *w, const GfType *type)
{
    return type->rank && ((w->form.kind == GF_KERNEL_FLAT && gf_type_eq(type, &w->form.domain)) ||
                          (w->form.kind == GF_KERNEL_OPAQUE && sums_squares(w->k->nodes[0])));
}

static void add_type(Writer *w, const GfType *type)
{
    if (is_any_size(w, type))
        gf_text_add(&w->out, "%s[*]", gf_dtype_text(type->dtype));
    else
        gf_type_print(w->g, type, &w->out);
}

/* Inputs come first, then the results of the nodes, in order. */
static uint32_t number_of(const GfKernelNodes *k, const GfValue *v)
{
    uint32_t number = k->input_count;

    for (uint32_t i = 0; i < k->input_count; i++) {
        if (k->inputs[i] == v)
            return i;
    }
    for (uint32_t i = 0; i < k->node_count && k->nodes[i] != v->node; i++)
        number += k->nodes[i]->result_count;
    return number + v->index;
}

static void add_attr(const GfAttr *a, bool first, GfText *out)
{
    gf_text_add(out, "%s%s = ", first ? " {" : ", ", a->key);
    if (a->kind == GF_ATTR_INT)
        gf_text_add(out, "%" PRId64, a->i);
    else if (a->kind == GF_ATTR_FLOAT)
        gf_text_add(out, "%.17g", a->f);
    else
        gf_text_add(out, "\"%s\"", a->s ? a->s : "");
}

/* Not of the structure: what is a scalar of the launch, and words that were not said. */
static bool is_left_out(const GfNode *n, const GfAttr *a)
{
    return strcmp(a->key, "key") == 0 || (sums_squares(n) && strcmp(a->key, "parts") == 0) ||
           (a->kind == GF_ATTR_STRING && (!a->s || !*a->s));
}

static void add_attrs(Writer *w, const GfNode *n)
{
    bool first = true;

    for (uint32_t i = 0; i < n->attr_count; i++) {
        if (is_left_out(n, &n->attrs[i]))
            continue;
        add_attr(&n->attrs[i], first, &w->out);
        first = false;
    }
    gf_text_add(&w->out, first ? "" : "}");
}

static void add_node(Writer *w, const GfNode *n)
{
    gf_text_add(&w->out, "%%%u = %s", number_of(w->k, &n->results[0]), gf_op_text(n->op));
    for (uint32_t i = 0; i < n->operand_count; i++)
        gf_text_add(&w->out, "%s%%%u", i ? ", " : " ", number_of(w->k, gf_operand(n, i)));
    add_attrs(w, n);
    for (uint32_t i = 0; i < n->result_count; i++) {
        gf_text_add(&w->out, i ? ", " : " : ");
        add_type(w, &n->results[i].type);
    }
    gf_text_add(&w->out, "\n");
}

const char *gf_kernel_structure(const GfGraph *g, const GfKernelNodes *k, GfArena *arena)
{
    Writer w = {.g = g, .k = k, .out = {.arena = arena}};

    if (!gf_kernel_form(k->nodes, k->node_count, NULL, &w.form))
        return NULL;
    add_header(&w);
    for (uint32_t i = 0; i < k->input_count; i++) {
        gf_text_add(&w.out, "%%%u : ", i);
        add_type(&w, &k->inputs[i]->type);
        gf_text_add(&w.out, "\n");
    }
    for (uint32_t i = 0; i < k->node_count; i++)
        add_node(&w, k->nodes[i]);
    for (uint32_t i = 0; i < k->output_count; i++)
        gf_text_add(&w.out, "%s%%%u", i ? ", " : "out ", number_of(k, k->outputs[i]));
    gf_text_add(&w.out, "\n");
    return gf_text_str(&w.out);
}
