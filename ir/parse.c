/* parse.c -- text IR to graphs, by recursive descent; the inverse of print.c.
 *
 * The grammar is ir/TEXT.md; each rule stands above its function too.  A node is one line, which may break
 * after a comma.  Every node goes through gf_graph_add, so that its types are
 * derived by the same rules as in a pass; what the text states must be equal.
 * A node's place is where it stands in the text; a comment of the form
 * "bert.json:31" is its origin.
 */
#include "ir/parse.h"

#include <string.h>

/* ---- comments ------------------------------------------------------------------------------- */

/* Keep a whole comment line for the node after it. */
static GfStatus keep_comment(GfParser *p)
{
    if (p->has_lead)
        gf_text_add(&p->lead, "\n");
    gf_text_add_bytes(&p->lead, p->token.text, p->token.length);
    p->has_lead = true;
    return gf_parse_advance(p);
}

/* The comment lines kept so far, in the graph's arena; NULL when there are none. */
static const char *take_comments(GfParser *p)
{
    const char *text = p->has_lead ? gf_arena_strdup(&p->g->arena, gf_text_str(&p->lead)) : NULL;

    p->lead.length = 0;
    p->has_lead = false;
    return text;
}

/* gap = {comment | newline} */
static GfStatus parse_gap(GfParser *p)
{
    while (p->token.kind == GF_TOKEN_COMMENT || p->token.kind == GF_TOKEN_NEWLINE)
        GF_TRY(p->token.kind == GF_TOKEN_COMMENT ? keep_comment(p) : gf_parse_advance(p));
    return GF_OK;
}

/* The end of a node's line: [comment] newline, or the closing brace. */
static GfStatus parse_line_end(GfParser *p, GfNode *n)
{
    if (p->token.kind == GF_TOKEN_COMMENT) {
        n->comment = gf_arena_strndup(&p->g->arena, p->token.text, p->token.length);
        return n->comment ? gf_parse_advance(p) : gf_fail_memory(p->diags);
    }
    if (p->token.kind == GF_TOKEN_NEWLINE || gf_parse_at_mark(p, '}'))
        return GF_OK;
    return gf_parse_expected(p, "the end of the line");
}

/* A comment of the form "bert.json:31" says where the node comes from. */
static bool is_origin(const char *comment)
{
    const char *colon = comment ? strrchr(comment, ':') : NULL;

    return colon && colon != comment && colon[1] && strlen(colon) <= 9 && !strpbrk(comment, " \t") &&
           colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

/* ---- graphs --------------------------------------------------------------------------------- */

/* symbol = name ['<=' int] */
static GfStatus parse_symbol(GfParser *p, uint32_t *bounded)
{
    GfLoc loc = gf_parse_loc(p);
    const char *name = NULL;

    GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "the name of a dimension", &name));
    if (gf_graph_find_symbol(p->g, name) >= 0)
        return gf_fail(p->diags, loc, GF_ERR_NAME, "the dimension '%s' stands twice", name);
    int32_t symbol = gf_graph_symbol(p->g, name);
    if (symbol < 0)
        return gf_fail(p->diags, loc, GF_ERR_VALUE, "a graph has at most %d symbolic dimensions", GF_MAX_SYMBOLS);
    if (p->g->arena.failed)
        return gf_fail_memory(p->diags);
    if (!gf_parse_at_mark(p, '<'))
        return GF_OK;
    GF_TRY(gf_parse_advance(p));
    GF_TRY(gf_parse_mark(p, '='));
    *bounded += 1;
    return gf_parse_int(p, &p->g->plan_sizes[symbol]);
}

/* symbols = '(' [symbol {',' symbol}] ')' */
static GfStatus parse_symbols(GfParser *p, uint32_t *bounded)
{
    bool more;

    GF_TRY(gf_parse_mark(p, '('));
    more = !gf_parse_at_mark(p, ')');
    while (more) {
        GF_TRY(parse_symbol(p, bounded));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return gf_parse_mark(p, ')');
}

/* plan = ['arena' int]; with it every symbol has its maximum, without it none */
static GfStatus parse_plan(GfParser *p, uint32_t bounded)
{
    GfLoc loc = gf_parse_loc(p);
    bool planned = gf_parse_at_word(p, "arena");

    if (planned) {
        GF_TRY(gf_parse_advance(p));
        GF_TRY(gf_parse_int(p, &p->g->arena_size));
    }
    if (bounded == (planned ? p->g->symbol_count : 0))
        return GF_OK;
    return gf_fail(p->diags, loc, GF_ERR_SYNTAX,
                   planned ? "with an arena every dimension needs its maximum, as in 'tokens<=712'"
                           : "maxima of dimensions need 'arena' and its bytes behind the parenthesis");
}

/* header = 'graph' '@' name symbols plan '{' */
static GfStatus parse_header(GfParser *p, const GfAllocator *allocator)
{
    const char *name = NULL;
    uint32_t bounded = 0;

    if (!gf_parse_at_word(p, "graph"))
        return gf_parse_expected(p, "'graph'");
    GF_TRY(gf_parse_advance(p));
    GF_TRY(gf_parse_text(p, GF_TOKEN_AT, "the graph's name, such as '@step'", &name));
    p->g = gf_graph_new(name, allocator);
    if (!p->g)
        return gf_fail_memory(p->diags);
    if (p->lexer.file && !gf_graph_keep_source(p->g, p->lexer.file, p->lexer.source))
        return gf_fail_memory(p->diags);
    p->g->head = take_comments(p);
    GF_TRY(parse_symbols(p, &bounded));
    GF_TRY(parse_plan(p, bounded));
    return gf_parse_mark(p, '{');
}

/* body = gap {node line-end gap} '}' */
static GfStatus parse_body(GfParser *p)
{
    GfNode *n;

    GF_TRY(parse_gap(p));
    while (!gf_parse_at_mark(p, '}')) {
        const char *lead = take_comments(p);
        GF_TRY(gf_parse_node(p, &n));
        n->lead = lead;
        GF_TRY(parse_line_end(p, n));
        n->loc.origin = is_origin(n->comment) ? n->comment : "";
        GF_TRY(parse_gap(p));
    }
    if (!p->g->last || p->g->last->op != GF_OP_RETURN)
        return gf_fail(p->diags, gf_parse_loc(p), GF_ERR_VERIFY, "the graph must end with a 'return', found '}'");
    return gf_parse_advance(p);
}

/* text = gap header body gap; comments behind the graph move to its end */
static GfStatus parse_text(GfParser *p, const GfAllocator *allocator)
{
    GF_TRY(gf_parse_advance(p));
    GF_TRY(parse_gap(p));
    GF_TRY(parse_header(p, allocator));
    GF_TRY(parse_body(p));
    GF_TRY(parse_gap(p));
    if (p->token.kind != GF_TOKEN_END)
        return gf_parse_expected(p, "nothing more after the graph");
    p->g->tail = take_comments(p);
    return p->g->arena.failed || p->scratch.failed ? gf_fail_memory(p->diags) : GF_OK;
}

static GfStatus parse_source(GfParser *p, const char *file, const char *text, size_t length,
                             const GfAllocator *allocator)
{
    GF_TRY(gf_lex_check(file, text, length, p->diags));
    const char *source = gf_arena_strndup(&p->scratch, text, length);
    if (!source)
        return gf_fail_memory(p->diags);
    gf_lex_start(&p->lexer, file, source);
    GF_TRY(parse_text(p, allocator));
    return gf_verify(p->g, p->diags);
}

GfStatus gf_graph_parse(const char *file, const char *text, size_t length, const GfAllocator *allocator, GfGraph **out,
                        GfDiags *diags)
{
    GfParser p = {.diags = diags};

    gf_arena_init(&p.scratch, allocator);
    p.lead.arena = &p.scratch;
    GfStatus status = parse_source(&p, file, text, length, allocator);
    gf_arena_free(&p.scratch);
    if (status != GF_OK)
        gf_graph_free(p.g);
    *out = status == GF_OK ? p.g : NULL;
    return status;
}
