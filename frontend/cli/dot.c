/* dot.c -- see dot.h. */
#include "frontend/cli/dot.h"

#include <string.h>

/* Quotes and backslashes inside a quoted string of the dot language. */
static void add_quoted(GfText *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            gf_text_add(out, "\\");
        gf_text_add(out, "%c", *text);
    }
}

static const char *style_of(const GfNode *n)
{
    if (n->op == GF_OP_PARAM)
        return n->frozen ? "shape=ellipse,style=filled,fillcolor=gray85"
                         : "shape=ellipse,style=filled,fillcolor=palegreen";
    if (n->op == GF_OP_STATE)
        return "shape=ellipse,style=filled,fillcolor=lightyellow";
    if (n->op == GF_OP_INPUT)
        return "shape=ellipse";
    return n->op == GF_OP_UPDATE || n->op == GF_OP_GRAD ? "shape=box,style=dashed" : "shape=box";
}

static void add_node(const GfNode *n, GfText *out, const char *indent)
{
    gf_text_add(out, "%sn%u [label=\"%s", indent, n->id, gf_op_text(n->op));
    if (n->label) {
        gf_text_add(out, "\\n");
        add_quoted(out, n->label);
    } else if (n->name) {
        gf_text_add(out, " %%");
        add_quoted(out, n->name);
    }
    gf_text_add(out, "\",%s];\n", style_of(n));
}

static void add_edges(const GfGraph *g, const GfNode *n, GfText *out)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfValue *v = gf_operand(n, i);
        gf_text_add(out, "  n%u -> n%u [label=\"", v->node->id, n->id);
        gf_type_print(g, &v->type, out);
        gf_text_add(out, "\"];\n");
    }
}

/* The nodes of each kernel next to each other: by number, then by the order of the graph. */
static void add_clusters(const GfGraph *g, GfText *out)
{
    const GfNode **heads = GF_NEW_ARRAY(out->arena, const GfNode *, (size_t)g->next_kernel + 1);
    const GfNode **tails = GF_NEW_ARRAY(out->arena, const GfNode *, (size_t)g->next_kernel + 1);
    const GfNode **next = GF_NEW_ARRAY(out->arena, const GfNode *, gf_graph_ids(g) + 1);

    if (!heads || !tails || !next)
        return;
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->kernel < 0 || n->kernel >= g->next_kernel)
            continue;
        if (tails[n->kernel])
            next[tails[n->kernel]->id] = n;
        else
            heads[n->kernel] = n;
        tails[n->kernel] = n;
    }
    for (int32_t k = 0; k < g->next_kernel; k++) {
        if (!heads[k])
            continue;
        gf_text_add(out, "  subgraph cluster_k%d {\n    label=\"k%d\"; style=rounded; color=gray50;\n", k, k);
        for (const GfNode *n = heads[k]; n; n = next[n->id])
            add_node(n, out, "    ");
        gf_text_add(out, "  }\n");
    }
}

void gf_dot_print(const GfGraph *g, GfText *out)
{
    gf_text_add(out, "digraph \"");
    add_quoted(out, g->name);
    gf_text_add(out, "\" {\n  rankdir=TB; node [fontsize=10]; edge [fontsize=8];\n");
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->kernel < 0 || n->kernel >= g->next_kernel)
            add_node(n, out, "  ");
    }
    add_clusters(g, out);
    for (const GfNode *n = g->first; n; n = n->next)
        add_edges(g, n, out);
    gf_text_add(out, "}\n");
}
