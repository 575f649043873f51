/* shrink.c -- see shrink.h.
 *
 * Greedy: each edit that keeps the failure is kept, until a whole round of edits keeps
 * none.  Source: Zeller, Hildebrandt, Simplifying and Isolating Failure-Inducing Input,
 * IEEE TSE 2002, with edits that know the graph.
 */
#include "tests/random/shrink.h"

#include "tests/random/copy.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct Shrink {
    Case *c;
    Outcome *out;
    GfArena *arena;
    double end;
    bool progress;
} Shrink;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Take `smaller` for the case if it fails as the case does. */
static bool take(Shrink *s, const Case *smaller)
{
    Outcome out;

    if (now() > s->end)
        return false;
    check_case_apart(smaller, &out);
    if (out.kind != s->out->kind || strcmp(out.pass, s->out->pass) != 0)
        return false;
    *s->c = *smaller;
    *s->out = out;
    s->progress = true;
    return true;
}

/* ---- passes and sizes --------------------------------------------------------------------------- */

static void drop_pass(Shrink *s, uint32_t i)
{
    Case smaller = *s->c;

    smaller.pass_count--;
    memmove(smaller.passes[i], smaller.passes[i + 1], (smaller.pass_count - i) * sizeof *smaller.passes);
    take(s, &smaller);
}

static void drop_options(Shrink *s, uint32_t i)
{
    Case smaller = *s->c;
    char *brace = strchr(smaller.passes[i], '{');

    if (!brace || strstr(brace, "tokens="))
        return;
    *brace = '\0';
    take(s, &smaller);
}

static void shrink_passes(Shrink *s)
{
    for (uint32_t i = s->c->pass_count; i-- > 0;) {
        if (i < s->c->pass_count)
            drop_pass(s, i);
    }
    for (uint32_t i = 0; i < s->c->pass_count; i++)
        drop_options(s, i);
}

/* Maxima in the list of passes stay: a plan holds for less. */
static void shrink_symbols(Shrink *s)
{
    static const int64_t fewer[] = {1, 2, 3, 5};

    for (int i = 0; i < 8; i++) {
        Case smaller = *s->c;
        int64_t *size = i < 4 ? &smaller.seqs : &smaller.tokens;
        if (*size <= fewer[i % 4])
            continue;
        *size = fewer[i % 4];
        if (smaller.seqs <= smaller.tokens && take(s, &smaller))
            i = i < 4 ? 3 : 8;
    }
}

/* ---- the graph ------------------------------------------------------------------------------------- */

static GfGraph *parse(const Shrink *s)
{
    GfDiags diags;
    GfGraph *g;

    gf_diags_init(&diags, NULL);
    gf_graph_parse("case.gir", s->c->text, strlen(s->c->text), NULL, &g, &diags);
    gf_diags_free(&diags);
    return g;
}

static bool try_edit(Shrink *s, const GfGraph *g, const GraphEdit *edit)
{
    GfText text = {.arena = s->arena};
    Case smaller = *s->c;
    GfGraph *edited = now() < s->end ? graph_edit(g, edit) : NULL;

    if (!edited)
        return false;
    gf_graph_print(edited, &text);
    smaller.text = gf_text_str(&text);
    bool taken = strcmp(smaller.text, s->c->text) != 0 && take(s, &smaller);
    gf_graph_free(edited);
    return taken;
}

/* Edits of one node: the first that keeps the failure. */
static bool edit_node(Shrink *s, const GfGraph *g, const GfNode *n)
{
    if (n->result_count == 0 && n->op != GF_OP_RETURN)
        return try_edit(s, g, &(GraphEdit){.kind = EDIT_DROP_NODE, .node = n->id});
    for (uint32_t i = 0; n->op == GF_OP_RETURN && i < n->operand_count && n->operand_count > 1; i++) {
        if (try_edit(s, g, &(GraphEdit){.kind = EDIT_DROP_OUTPUT, .index = i}))
            return true;
    }
    if (n->result_count == 0)
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        bool fits = gf_type_eq(&gf_operand(n, i)->type, &n->results[0].type);
        if (fits && try_edit(s, g, &(GraphEdit){.kind = EDIT_OPERAND, .node = n->id, .index = i}))
            return true;
    }
    return n->op != GF_OP_INPUT && try_edit(s, g, &(GraphEdit){.kind = EDIT_INPUT, .node = n->id});
}

/* From the outputs backwards, so that much goes at once; the graph is parsed anew when
 * an edit was taken, and the walk goes on where it was. */
static void shrink_nodes(Shrink *s)
{
    uint32_t skip = 0, at;

    for (bool again = true; again && now() < s->end;) {
        GfGraph *g = parse(s);
        again = false;
        at = 0;
        for (const GfNode *n = g ? g->last : NULL; n && !again; n = n->prev, at++) {
            if (at < skip)
                continue;
            again = edit_node(s, g, n);
            skip = again ? at : at + 1;
        }
        gf_graph_free(g);
    }
}

static bool shrink_size(Shrink *s, const GfGraph *g, int64_t size)
{
    static const int64_t smaller[] = {1, 2, 3, 4, 8, 16, 17};

    for (size_t i = 0; i < sizeof smaller / sizeof *smaller && smaller[i] < size; i++) {
        if (try_edit(s, g, &(GraphEdit){.kind = EDIT_SIZE, .from = size, .to = smaller[i]}))
            return true;
    }
    return false;
}

static bool shrink_one_size(Shrink *s, const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        const GfType *t = n->result_count ? &n->results[0].type : NULL;
        for (uint32_t i = 0; t && i < t->rank; i++) {
            if (t->dims[i].symbol == GF_CONSTANT && t->dims[i].size > 1 && shrink_size(s, g, t->dims[i].size))
                return true;
        }
    }
    return false;
}

static void shrink_sizes(Shrink *s)
{
    for (bool again = true; again && now() < s->end;) {
        GfGraph *g = parse(s);
        again = g && shrink_one_size(s, g);
        gf_graph_free(g);
    }
}

void shrink_case(Case *c, Outcome *out, double seconds, GfArena *arena)
{
    Shrink s = {.c = c, .out = out, .arena = arena, .end = now() + seconds, .progress = true};

    while (s.progress && now() < s.end) {
        s.progress = false;
        shrink_passes(&s);
        shrink_nodes(&s);
        shrink_symbols(&s);
        shrink_sizes(&s);
    }
}
