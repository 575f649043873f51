/* graph_page.c -- see graph_page.h. */
#include "frontend/cli/graph_page.h"

#include "frontend/cli/blocks.h"
#include "frontend/cli/format.h"
#include "frontend/cli/graph_list.h"
#include "frontend/cli/graph_style.h"
#include "runtime/report/html.h"
#include "runtime/report/style.h"

#include <string.h>

/* What is known of the graph after all passes. */
typedef struct Page {
    const GfGraphPage *in;
    GfText *out;
    GfArena *arena;
    GfGraphList before, after;
    GfMeasure measure; /* of the step */
} Page;

static void add_scaled(Page *p, double value, const char *unit)
{
    gf_text_add(p->out, "%s%s%s", gf_format_scaled(p->arena, value), value < 999.95 ? " " : "", unit);
}

/* ---- head --------------------------------------------------------------------------- */

static void add_head(Page *p)
{
    gf_text_add(p->out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                        "'unsafe-inline'\"/>\n<title>");
    gf_html_text(p->out, p->in->title);
    gf_text_add(p->out, " – graft</title>\n<style>\n%s%s</style>\n</head>\n<body>\n<main>\n",
                (const char *)gf_report_style, (const char *)gf_graph_style);
}

static void add_card(Page *p, double value, const char *unit, const char *what)
{
    gf_text_add(p->out, "<li><b>");
    add_scaled(p, value, unit);
    gf_text_add(p->out, "</b><span>%s</span></li>\n", what);
}

static void add_summary(Page *p)
{
    const GfMeasure *m = &p->measure;

    gf_text_add(p->out, "<header><h1>");
    gf_html_text(p->out, p->in->title);
    gf_text_add(p->out, "</h1>\n<p class=\"soft\">");
    gf_html_text(p->out, p->in->about);
    gf_text_add(p->out, "</p>\n<p class=\"soft\">");
    gf_html_text(p->out, p->in->params);
    gf_text_add(p->out, "</p>\n<p class=\"soft mono\">");
    gf_html_text(p->out, p->in->list);
    gf_text_add(p->out, "</p>\n<ul class=\"cards\">\n");
    gf_text_add(p->out, "<li><b>%s</b><span>ops in %s kernels</span></li>\n", gf_format_count(p->arena, m->ops),
                gf_format_count(p->arena, m->kernels));
    add_card(p, m->cost.flops, "FLOP", "a step");
    add_card(p, m->cost.read + m->cost.written, "B", "read and written by kernels");
    if (m->peak >= 0)
        add_card(p, (double)m->peak, "B", "planned for values of the step");
    gf_text_add(p->out,
                "</ul>\n<nav class=\"toc\">%s<a href=\"#blocks\">Block by "
                "block</a><a href=\"#kernels\">Kernels</a><a href=\"#after\">The step</a><a href=\"#before\">The model "
                "before the passes</a></nav>\n<p class=\"note\">For a batch of %s tokens in %s sequences of equal "
                "length.</p></header>\n",
                p->in->report_count ? "<a href=\"#passes\">What each pass did</a>" : "",
                gf_format_count(p->arena, p->in->tokens), gf_format_count(p->arena, p->in->seqs));
}

/* ---- passes ------------------------------------------------------------------------- */

static void add_counters(Page *p, const GfPassReport *r)
{
    const char *names = r->info->counters;

    for (int i = 0; i < GF_MAX_COUNTERS && *names; i++) {
        size_t length = strcspn(names, " ");
        gf_text_add(p->out, "%s%s %.*s", i ? ", " : "", gf_format_count(p->arena, r->counts[i]), (int)length, names);
        names += length + strspn(names + length, " ");
    }
}

/* A number and, below it, what the pass has changed. */
static void add_change(Page *p, double before, double after, bool scaled)
{
    double change = after - before, size = change < 0 ? -change : change;

    if (after < 0) {
        gf_text_add(p->out, "<td>–</td>");
        return;
    }
    gf_text_add(p->out, "<td>%s",
                scaled ? gf_format_scaled(p->arena, after) : gf_format_count(p->arena, (int64_t)after));
    if (change != 0 && before >= 0)
        gf_text_add(p->out, "<small class=\"%s\">%s</small>", change < 0 ? "less" : "more",
                    scaled ? gf_format_scaled(p->arena, size) : gf_format_count(p->arena, (int64_t)size));
    gf_text_add(p->out, "</td>");
}

static double bytes_of(const GfMeasure *m)
{
    return m->cost.read + m->cost.written;
}

static bool changes(const GfMeasure *a, const GfMeasure *b)
{
    return a->nodes != b->nodes || a->ops != b->ops || a->kernels != b->kernels || a->cost.flops != b->cost.flops ||
           bytes_of(a) != bytes_of(b) || a->peak != b->peak;
}

static void add_measures(Page *p, const GfMeasure *before, const GfMeasure *after)
{
    add_change(p, before->ops, after->ops, false);
    add_change(p, before->kernels, after->kernels, false);
    add_change(p, before->cost.flops, after->cost.flops, true);
    add_change(p, bytes_of(before), bytes_of(after), true);
    add_change(p, (double)before->peak, (double)after->peak, true);
}

static void add_pass(Page *p, const GfPassReport *r)
{
    gf_text_add(p->out, "<tr%s><td class=\"name\">", changes(&r->before, &r->after) ? "" : " class=\"idle\"");
    gf_html_text(p->out, r->info->text);
    gf_text_add(p->out, "</td><td class=\"counters\">");
    gf_html_text(p->out, r->info->meaning);
    gf_text_add(p->out, "<small>");
    add_counters(p, r);
    gf_text_add(p->out, "</small></td>");
    add_measures(p, &r->before, &r->after);
    gf_text_add(p->out, "<td>%.2f</td></tr>\n", r->seconds * 1e3);
}

static void add_passes(Page *p)
{
    const GfGraphPage *in = p->in;

    if (!in->report_count)
        return;
    gf_text_add(p->out, "<section><h2 id=\"passes\">What each pass did</h2>\n<div class=\"wide\"><table "
                        "class=\"passes\">\n<caption>The step after each pass, and what the pass has changed; those "
                        "in grey changed neither number</caption>\n<thead><tr><th>pass</th><th "
                        "class=\"left\">what for, what it counted</th><th>ops</th><th>kernels</th><th>FLOPs</th>"
                        "<th>bytes</th><th>planned peak</th><th>ms</th></tr></thead>\n<tbody>\n<tr><td "
                        "class=\"name\">(the model)</td><td></td>");
    add_measures(p, &in->reports[0].before, &in->reports[0].before);
    gf_text_add(p->out, "<td></td></tr>\n");
    for (size_t i = 0; i < in->report_count; i++)
        add_pass(p, &in->reports[i]);
    gf_text_add(p->out, "</tbody></table></div></section>\n");
}

/* ---- block by block ----------------------------------------------------------------- */

static void add_bar(Page *p, double value, double most)
{
    if (value <= 0)
        gf_text_add(p->out, "<td class=\"bar none\"><span>–</span></td>");
    else
        gf_text_add(p->out, "<td class=\"bar\" style=\"--p:%.3f\"><span>%s</span></td>", value / most,
                    gf_format_scaled(p->arena, value));
}

static double sum_bytes(const GfBlockSum *sum)
{
    return sum->cost.read + sum->cost.written;
}

static void add_block_row(Page *p, uint32_t b, double most_flops, double most_bytes)
{
    const GfBlockSum *sums = gf_graph_list_sums(&p->after, b);
    uint32_t kernels = 0;

    gf_text_add(p->out, "<tr><th scope=\"row\"><a href=\"#a-%u-0\">", b);
    gf_html_text(p->out, p->after.blocks.names[b]);
    gf_text_add(p->out, "</a></th><td class=\"left counts\">");
    gf_graph_list_counts(&p->after, b, p->out);
    gf_text_add(p->out, "</td>");
    for (int i = 0; i < GF_PHASE_OPTIMIZER; i++)
        add_bar(p, sums[i].cost.flops, most_flops);
    for (int i = 0; i < GF_PHASES; i++) {
        add_bar(p, sum_bytes(&sums[i]), most_bytes);
        kernels += sums[i].kernels;
    }
    gf_text_add(p->out, "<td>%u</td></tr>\n", kernels);
}

static void add_blocks(Page *p)
{
    double most_flops = 1, most_bytes = 1;

    for (uint32_t b = 0; b < p->after.blocks.count; b++) {
        const GfBlockSum *sums = gf_graph_list_sums(&p->after, b);
        for (int i = 0; i < GF_PHASES; i++) {
            most_flops = sums[i].cost.flops > most_flops ? sums[i].cost.flops : most_flops;
            most_bytes = sum_bytes(&sums[i]) > most_bytes ? sum_bytes(&sums[i]) : most_bytes;
        }
    }
    gf_text_add(p->out, "<section><h2 id=\"blocks\">Block by block</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>"
                        "block</th><th class=\"left\">parameters</th><th class=\"left\">FLOPs forward</th><th "
                        "class=\"left\">FLOPs backward</th><th class=\"left\">bytes forward</th><th class=\"left\">"
                        "bytes backward</th><th class=\"left\">bytes optimizer</th><th>kernels</th></tr>"
                        "</thead>\n<tbody>\n");
    for (uint32_t b = 0; b < p->after.blocks.count; b++)
        add_block_row(p, b, most_flops, most_bytes);
    gf_text_add(p->out, "</tbody></table></div></section>\n");
}

/* ---- kernels ------------------------------------------------------------------------ */

enum { SHOWN = 30 };

static void add_kind_row(Page *p, const GfKernelSum *k, double most_flops, double most_bytes)
{
    double bytes = k->cost.read + k->cost.written;

    gf_text_add(p->out, "<tr><td class=\"ops\">");
    if (k->first != GF_NO_KERNEL)
        gf_text_add(p->out, "<a href=\"#ak%d\">", k->first);
    gf_html_text(p->out, k->ops);
    gf_text_add(p->out, "%s</td><td class=\"left\">%s</td><td>%u</td>", k->first != GF_NO_KERNEL ? "</a>" : "", k->form,
                k->count);
    add_bar(p, k->cost.flops, most_flops);
    add_bar(p, bytes, most_bytes);
    gf_text_add(p->out, "<td>%.1f</td></tr>\n", bytes > 0 ? k->cost.flops / bytes : 0);
}

static void add_kernels(Page *p)
{
    GfKernelSum *sums;
    uint32_t count;
    double most_flops = 1, most_bytes = 1;

    if (!gf_graph_list_kernels(&p->after, &sums, &count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        double bytes = sums[i].cost.read + sums[i].cost.written;
        most_flops = sums[i].cost.flops > most_flops ? sums[i].cost.flops : most_flops;
        most_bytes = bytes > most_bytes ? bytes : most_bytes;
    }
    gf_text_add(p->out,
                "<section><h2 id=\"kernels\">Kernels</h2>\n<div class=\"wide\"><table>\n<caption>Kernels of one "
                "structure together, those that move most bytes first%s; FLOPs and bytes of all their "
                "launches</caption>\n<thead><tr><th class=\"left\">ops</th><th class=\"left\">shape</th><th>launches"
                "</th><th class=\"left\">FLOPs</th><th class=\"left\">bytes</th><th>FLOPs a byte</th></tr></thead>\n"
                "<tbody>\n",
                count > SHOWN ? ", the first 30 of them" : "");
    for (uint32_t i = 0; i < count && i < SHOWN; i++)
        add_kind_row(p, &sums[i], most_flops, most_bytes);
    gf_text_add(p->out, "</tbody></table></div></section>\n");
}

/* ---- graphs ------------------------------------------------------------------------- */

static void add_key(Page *p)
{
    gf_text_add(
        p->out,
        "<ul class=\"key\"><li><span class=\"p frozen\">❄ frozen</span> parameter, does not train</li><li><span "
        "class=\"p trains\">● trains</span></li><li><span class=\"p adapter\">◆ adapter</span> trains</li><li>"
        "<span class=\"p state\">▤ state</span> of the optimizer</li><li><span class=\"p grad\">∇ gradient</span>"
        "</li><li>· forward, ∇ backward, ⟳ optimizer</li><li><span class=\"mem\">in memory, else inside its "
        "kernel</span></li><li>A bar at the left is a kernel: solid a tile of products, dashed rows, dotted "
        "flat, double the others</li></ul>\n");
}

static void add_graphs(Page *p)
{
    gf_text_add(p->out, "<section><h2 id=\"after\">The step</h2>\n<p class=\"soft\">Folded by block; a click opens "
                        "one, a name leads to where its value is made.</p>\n");
    add_key(p);
    gf_graph_list_add(&p->after, p->out);
    gf_text_add(p->out, "</section>\n<section><h2 id=\"before\">The model before the passes</h2>\n");
    gf_graph_list_add(&p->before, p->out);
    gf_text_add(p->out, "</section>\n");
}

GfStatus gf_graph_page(const GfGraphPage *in, GfText *out, GfDiags *diags)
{
    Page p = {.in = in, .out = out, .arena = out->arena};

    GF_TRY(gf_graph_list_open(&p.before, in->before, "b", in->tokens, in->seqs, out->arena, diags));
    GF_TRY(gf_graph_list_open(&p.after, in->after, "a", in->tokens, in->seqs, out->arena, diags));
    GF_TRY(gf_measure(in->after, &gf_target_any, in->tokens, in->seqs, &p.measure, diags));
    p.measure.peak = in->after->arena_size;
    add_head(&p);
    add_summary(&p);
    add_passes(&p);
    add_blocks(&p);
    add_kernels(&p);
    add_graphs(&p);
    gf_text_add(out, "<footer>Written by graft " GRAFT_VERSION ". FLOPs by the formula of each op (graft ops NAME), "
                     "bytes by what each kernel reads and writes.</footer>\n</main>\n</body>\n</html>\n");
    return out->arena->failed ? gf_fail_memory(diags) : GF_OK;
}
