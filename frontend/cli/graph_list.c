/* graph_list.c -- see graph_list.h. */
#include "frontend/cli/graph_list.h"

#include "frontend/cli/format.h"
#include "ir/kernel.h"
#include "runtime/report/html.h"

#include <stdlib.h>
#include <string.h>

static const char *const phase_titles[] = {"Forward", "Backward", "Optimizer"};

/* ---- opening ------------------------------------------------------------------------ */

/* A kernel is of the latest phase of its ops, and of the block of the op that reads a parameter. */
static void place_kernel(GfGraphList *l, uint32_t k)
{
    const GfKernelCost *kernel = &l->kernels[k];
    const GfNode *last = kernel->nodes[kernel->node_count - 1], *chosen = NULL;

    for (uint32_t i = 0; i < kernel->node_count; i++) {
        const GfNode *n = kernel->nodes[i];
        l->kernel_of[n->id] = k;
        l->phase_of[k] = l->blocks.phases[n->id] > l->phase_of[k] ? l->blocks.phases[n->id] : l->phase_of[k];
        for (uint32_t o = 0; o < n->operand_count && !chosen; o++)
            chosen = gf_operand(n, o)->node->op == GF_OP_PARAM ? n : NULL;
    }
    l->block_of[k] = l->blocks.of[chosen ? chosen->id : last->id];
    GfBlockSum *sum = &l->sums[l->block_of[k] * GF_PHASES + l->phase_of[k]];
    sum->cost.flops += kernel->cost.flops;
    sum->cost.read += kernel->cost.read;
    sum->cost.written += kernel->cost.written;
    sum->kernels++;
    sum->ops += kernel->node_count;
}

static void find_gradients(GfGraphList *l)
{
    for (const GfNode *n = l->g->first; n; n = n->next) {
        bool names = n->op == GF_OP_ADAMW || n->op == GF_OP_GRAD;
        if (names && gf_operand(n, 1)->index == 0)
            l->gradient[gf_operand(n, 1)->node->id] = gf_operand(n, 0)->node;
    }
}

GfStatus gf_graph_list_open(GfGraphList *l, const GfGraph *g, const char *prefix, int64_t tokens, int64_t seqs,
                            GfArena *arena, GfDiags *diags)
{
    GfSizes sizes = gf_sizes_of(g, tokens, seqs);

    *l = (GfGraphList){.g = g, .prefix = prefix, .arena = arena};
    if (!gf_blocks_find(&l->blocks, g, arena))
        return gf_fail_memory(diags);
    GF_TRY(gf_kernel_costs(g, &sizes, arena, &l->kernels, &l->kernel_count, diags));
    l->kernel_of = GF_NEW_ARRAY(arena, uint32_t, gf_graph_ids(g) + 1);
    l->block_of = GF_NEW_ARRAY(arena, uint32_t, (size_t)l->kernel_count + 1);
    l->phase_of = GF_NEW_ARRAY(arena, GfPhase, (size_t)l->kernel_count + 1);
    l->sums = GF_NEW_ARRAY(arena, GfBlockSum, (size_t)l->blocks.count * GF_PHASES);
    l->gradient = GF_NEW_ARRAY(arena, const GfNode *, gf_graph_ids(g) + 1);
    if (arena->failed)
        return gf_fail_memory(diags);
    for (uint32_t k = 0; k < l->kernel_count; k++)
        place_kernel(l, k);
    find_gradients(l);
    return GF_OK;
}

const GfBlockSum *gf_graph_list_sums(const GfGraphList *l, uint32_t block)
{
    return &l->sums[block * GF_PHASES];
}

/* ---- parameters --------------------------------------------------------------------- */

typedef enum Sort { FROZEN, TRAINS, ADAPTER, STATE, SORTS } Sort;

static const char *const sort_class[] = {"frozen", "trains", "adapter", "state"};
static const char *const sort_sign[] = {"❄", "●", "◆", "▤"};

static Sort sort_of(const GfNode *n)
{
    if (n->op == GF_OP_STATE)
        return STATE;
    if (strstr(n->label, ".lora_"))
        return ADAPTER;
    return n->frozen ? FROZEN : TRAINS;
}

static bool is_tensor(const GfNode *n)
{
    return n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

void gf_graph_list_counts(const GfGraphList *l, uint32_t block, GfText *out)
{
    static const char *const words[] = {"frozen", "trains", "adapter"};
    uint32_t counts[SORTS] = {0};
    const char *separator = "";

    for (const GfNode *n = l->g->first; n; n = n->next) {
        if (is_tensor(n) && l->blocks.of[n->id] == block)
            counts[sort_of(n)]++;
    }
    for (int i = 0; i < STATE; i++) {
        if (!counts[i])
            continue;
        gf_text_add(out, "%s<span class=\"p %s\">%s %u %s</span>", separator, sort_class[i], sort_sign[i], counts[i],
                    words[i]);
        separator = " ";
    }
}

static void add_type(const GfGraphList *l, const GfType *type, GfText *out)
{
    const char *text = gf_type_str(l->arena, l->g, type);
    gf_html_text(out, text ? text : "");
}

/* States are where their updates are. */
static void add_params(const GfGraphList *l, uint32_t block, GfText *out)
{
    bool begun = false;

    for (const GfNode *n = l->g->first; n; n = n->next) {
        if (n->op != GF_OP_PARAM || l->blocks.of[n->id] != block)
            continue;
        gf_text_add(out, "%s<li class=\"p %s\" id=\"%s-%s\">%s ", begun ? "" : "<ul class=\"params\">",
                    sort_class[sort_of(n)], l->prefix, n->name, sort_sign[sort_of(n)]);
        gf_html_text(out, gf_block_rest(&l->blocks, n));
        gf_text_add(out, " <small>");
        add_type(l, &n->results[0].type, out);
        gf_text_add(out, "</small></li>\n");
        begun = true;
    }
    if (begun)
        gf_text_add(out, "</ul>\n");
}

/* ---- kernels ------------------------------------------------------------------------ */

static GfKernelKind kind_of(const GfKernelCost *k)
{
    GfKernelForm form = {.kind = GF_KERNEL_FLAT};

    gf_kernel_form((GfNode *const *)k->nodes, k->node_count, NULL, &form);
    return form.kind;
}

static const char *const kind_class[] = {[GF_KERNEL_TILE] = "tile",
                                         [GF_KERNEL_ROW] = "row",
                                         [GF_KERNEL_FLAT] = "flat",
                                         [GF_KERNEL_COLSUM] = "colsum",
                                         [GF_KERNEL_OPAQUE] = "opaque"};

static const char *const kind_text[] = {[GF_KERNEL_TILE] = "tile of products",
                                        [GF_KERNEL_ROW] = "rows",
                                        [GF_KERNEL_FLAT] = "flat",
                                        [GF_KERNEL_COLSUM] = "column sums",
                                        [GF_KERNEL_OPAQUE] = "of its own"};

/* A parameter by what its block calls it, anything else by its number. */
static void add_operand(const GfGraphList *l, const GfValue *v, GfText *out)
{
    const GfNode *from = v->node;

    if (from->op == GF_OP_PARAM) {
        gf_text_add(out, "<a class=\"%s\" href=\"#%s-%s\">", sort_class[sort_of(from)], l->prefix, from->name);
        gf_html_text(out, gf_block_rest(&l->blocks, from));
        gf_text_add(out, "</a>");
    } else if (from->op == GF_OP_STATE) {
        const char *suffix = strrchr(from->label, '.');
        gf_text_add(out, "<a class=\"state\">%s</a>", suffix ? suffix + 1 : from->label);
    } else if (from->op == GF_OP_INPUT) {
        gf_text_add(out, "<i>%s</i>", from->name);
    } else {
        gf_text_add(out, "<a href=\"#%s-%s\">%%%s", l->prefix, from->name, from->name);
        if (from->result_count > 1)
            gf_text_add(out, "#%u", v->index);
        gf_text_add(out, "</a>");
    }
}

static void add_memory(const GfGraphList *l, const GfNode *n, GfText *out)
{
    const GfValue *v = &n->results[0];

    if (v->place == GF_PLACE_ARENA)
        gf_text_add(out, " <span class=\"mem\">in memory</span>");
    else if (v->place == GF_PLACE_ALIAS)
        gf_text_add(out, " <span class=\"mem\">in place</span>");
    const GfNode *param = l->gradient[n->id];
    if (!param)
        return;
    gf_text_add(out, " <span class=\"p grad\">∇ ");
    gf_html_text(out, gf_block_rest(&l->blocks, param));
    gf_text_add(out, "</span>");
}

static void add_node(const GfGraphList *l, const GfNode *n, GfText *out)
{
    static const char *const phases[] = {"fw", "bw", "op"};

    gf_text_add(out, "<div class=\"n %s\" id=\"%s-%s\"><b>%%%s</b> %s", phases[l->blocks.phases[n->id]], l->prefix,
                n->name, n->name, gf_op_text(n->op));
    for (uint32_t i = 0; i < n->operand_count; i++) {
        gf_text_add(out, "%s", i ? ", " : " ");
        add_operand(l, gf_operand(n, i), out);
    }
    gf_text_add(out, " <i>: ");
    add_type(l, &n->results[0].type, out);
    gf_text_add(out, "</i>");
    add_memory(l, n, out);
    gf_text_add(out, "</div>\n");
}

static void add_cost(const GfGraphList *l, const GfCost *cost, GfText *out)
{
    gf_text_add(out, "%s FLOP · %sB", gf_format_scaled(l->arena, cost->flops),
                gf_format_scaled(l->arena, cost->read + cost->written));
}

/* A kernel of several ops has a frame; an op alone has the same without its own line. */
static void add_kernel(const GfGraphList *l, uint32_t k, GfText *out)
{
    const GfKernelCost *kernel = &l->kernels[k];
    bool fused = kernel->kernel != GF_NO_KERNEL;

    gf_text_add(out, "<div class=\"k %s\"", fused ? kind_class[kind_of(kernel)] : "lone");
    if (fused)
        gf_text_add(out, " id=\"%sk%d\"", l->prefix, kernel->kernel);
    gf_text_add(out, "><header>");
    if (fused)
        gf_text_add(out, "<b>k%d</b><span>%s%s</span>", kernel->kernel, kind_text[kind_of(kernel)],
                    kernel->node_count > 1 ? gf_arena_printf(l->arena, ", %u ops fused", kernel->node_count) : "");
    gf_text_add(out, "<span class=\"right\">");
    add_cost(l, &kernel->cost, out);
    gf_text_add(out, "</span></header>\n");
    for (uint32_t i = 0; i < kernel->node_count; i++)
        add_node(l, kernel->nodes[i], out);
    gf_text_add(out, "</div>\n");
}

/* ---- blocks ------------------------------------------------------------------------- */

static bool has_params(const GfGraphList *l, uint32_t block)
{
    for (const GfNode *n = l->g->first; n; n = n->next) {
        if (n->op == GF_OP_PARAM && l->blocks.of[n->id] == block)
            return true;
    }
    return false;
}

/* Parameters stand where they are first read. */
static void add_block(const GfGraphList *l, uint32_t block, GfPhase phase, GfText *out)
{
    const GfBlockSum *sum = &gf_graph_list_sums(l, block)[phase];
    bool params = phase == GF_PHASE_FORWARD && has_params(l, block);

    if (!sum->kernels && !params)
        return;
    gf_text_add(out, "<details id=\"%s-%u-%d\"><summary><b>", l->prefix, block, (int)phase);
    gf_html_text(out, l->blocks.names[block]);
    gf_text_add(out, "</b><span>%u op%s in %u kernel%s</span>", sum->ops, sum->ops == 1 ? "" : "s", sum->kernels,
                sum->kernels == 1 ? "" : "s");
    if (params) {
        gf_text_add(out, "<span class=\"counts\">");
        gf_graph_list_counts(l, block, out);
        gf_text_add(out, "</span>");
    }
    gf_text_add(out, "<span class=\"right\">");
    add_cost(l, &sum->cost, out);
    gf_text_add(out, "</span></summary><div class=\"inner\">\n");
    if (params)
        add_params(l, block, out);
    for (uint32_t k = 0; k < l->kernel_count; k++) {
        if (l->block_of[k] == block && l->phase_of[k] == phase)
            add_kernel(l, k, out);
    }
    gf_text_add(out, "</div></details>\n");
}

void gf_graph_list_add(const GfGraphList *l, GfText *out)
{
    for (GfPhase phase = 0; phase < GF_PHASES; phase++) {
        GfBlockSum sum = {0};
        uint32_t count = l->blocks.count;
        for (uint32_t b = 0; b < count; b++) {
            sum.kernels += gf_graph_list_sums(l, b)[phase].kernels;
            sum.cost.flops += gf_graph_list_sums(l, b)[phase].cost.flops;
        }
        if (!sum.kernels)
            continue;
        gf_text_add(out, "<h3>%s <span class=\"note\">%u kernels, %s FLOP</span></h3>\n", phase_titles[phase],
                    sum.kernels, gf_format_scaled(l->arena, sum.cost.flops));
        for (uint32_t b = 0; b < count; b++) /* the backward pass comes from above */
            add_block(l, phase == GF_PHASE_BACKWARD ? count - 1 - b : b, phase, out);
    }
}

/* ---- kernels of one structure ------------------------------------------------------- */

static const char *ops_text(const GfGraphList *l, const GfKernelCost *k)
{
    GfText text = {.arena = l->arena};

    for (uint32_t i = 0; i < k->node_count; i++) {
        uint32_t again = 1;
        while (i + 1 < k->node_count && k->nodes[i + 1]->op == k->nodes[i]->op)
            i++, again++;
        gf_text_add(&text, "%s%s", text.length ? " + " : "", gf_op_text(k->nodes[i]->op));
        if (again > 1)
            gf_text_add(&text, " ×%u", again);
    }
    gf_text_add(&text, " : ");
    gf_type_print(l->g, &k->nodes[k->node_count - 1]->results[0].type, &text);
    return gf_text_str(&text);
}

static int by_ops(const void *a, const void *b)
{
    const GfKernelSum *x = a, *y = b;
    int order = strcmp(x->ops, y->ops);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static int by_bytes(const void *a, const void *b)
{
    const GfKernelSum *x = a, *y = b;
    double i = x->cost.read + x->cost.written, k = y->cost.read + y->cost.written;
    return i != k ? (i < k) - (i > k) : (x->first > y->first) - (x->first < y->first);
}

bool gf_graph_list_kernels(const GfGraphList *l, GfKernelSum **out, uint32_t *count)
{
    GfKernelSum *sums = GF_NEW_ARRAY(l->arena, GfKernelSum, (size_t)l->kernel_count + 1);
    uint32_t kept = 0;

    for (uint32_t k = 0; sums && k < l->kernel_count; k++) {
        const GfKernelCost *kernel = &l->kernels[k];
        sums[k] = (GfKernelSum){.ops = ops_text(l, kernel),
                                .form = kind_text[kind_of(kernel)],
                                .first = kernel->kernel,
                                .count = 1,
                                .cost = kernel->cost};
    }
    if (l->arena->failed)
        return false;
    qsort(sums, l->kernel_count, sizeof *sums, by_ops);
    for (uint32_t k = 0; k < l->kernel_count; k++) {
        if (kept == 0 || strcmp(sums[kept - 1].ops, sums[k].ops) != 0) {
            sums[kept++] = sums[k];
            continue;
        }
        sums[kept - 1].count++;
        sums[kept - 1].cost.flops += sums[k].cost.flops;
        sums[kept - 1].cost.read += sums[k].cost.read;
        sums[kept - 1].cost.written += sums[k].cost.written;
    }
    qsort(sums, kept, sizeof *sums, by_bytes);
    *out = sums;
    *count = kept;
    return true;
}
