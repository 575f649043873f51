/* print.c -- graphs as text; ir/parse.c reads it back: print(parse(s)) == s.
 *
 * One line a node:
 *
 *   %name = op "label" frozen %a, %b#1 {key = value} : type, type @k3 +0,=%w // comment
 *
 * Attributes that equal their default in ops.def are left out.  A place stands
 * for each result once any is planned: +offset in the arena, =%w the memory of a
 * param or state, - none.  The comment is the node's own, else where it comes
 * from, "bert.json:31".
 */
#include "ir/ir.h"
#include "ir/lex.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- types ------------------------------------------------------------------ */

static void print_dim(const GfGraph *g, GfDim dim, GfText *out)
{
    if (dim.symbol == GF_CONSTANT)
        gf_text_add(out, "%" PRId64, dim.size);
    else if (g && dim.symbol >= 0 && dim.symbol < (int32_t)g->symbol_count)
        gf_text_add(out, "%s", g->symbols[dim.symbol]);
    else
        gf_text_add(out, "?");
}

void gf_type_print(const GfGraph *g, const GfType *type, GfText *out)
{
    gf_text_add(out, "%s[", type->dtype < GF_DTYPE_COUNT ? gf_dtype_text(type->dtype) : "?");
    for (uint32_t i = 0; i < type->rank && i < GF_MAX_RANK; i++) {
        gf_text_add(out, "%s", i ? "," : "");
        print_dim(g, type->dims[i], out);
    }
    gf_text_add(out, "]");
}

const char *gf_type_str(GfArena *arena, const GfGraph *g, const GfType *type)
{
    GfText text = {.arena = arena};

    gf_type_print(g, type, &text);
    return arena->failed ? NULL : gf_text_str(&text);
}

/* ---- numbers and strings ------------------------------------------------------ */

/* "1e-08" to "1e-8", "1e+20" to "1e20". */
static void shorten_exponent(char *number)
{
    char *e = strchr(number, 'e');
    if (!e)
        return;
    char *from = e + 1, *to = e + 1;
    if (*from == '-')
        to++;
    from++;
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

/* The shortest digits that read back as the same double, and look like a float.
 * Six at least keep 50 from becoming 5e1; numbers below the normal ones have less. */
static void print_float(double value, GfText *out)
{
    char buffer[40];

    if (!isfinite(value)) {
        gf_text_add(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    for (int precision = fabs(value) < 1e-300 ? 1 : 6; precision <= 17; precision++) {
        snprintf(buffer, sizeof buffer, "%.*g", precision, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    shorten_exponent(buffer);
    gf_text_add(out, "%s%s", buffer, strpbrk(buffer, ".e") ? "" : ".0");
}

static void print_escape(unsigned char c, GfText *out)
{
    switch (c) {
    case '"':
    case '\\':
        gf_text_add(out, "\\%c", c);
        break;
    case '\n':
        gf_text_add(out, "\\n");
        break;
    case '\t':
        gf_text_add(out, "\\t");
        break;
    default:
        gf_text_add(out, "\\x%02x", c);
    }
}

/* In quotes.  What is not UTF-8, or is a control character, as \xHH. */
static void print_string(const char *string, GfText *out)
{
    size_t left = strlen(string);

    gf_text_add(out, "\"");
    while (left) {
        size_t n = gf_utf8_length(string, left);
        unsigned char c = (unsigned char)*string;
        if (n == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
            print_escape(c, out);
            n = 1;
        } else {
            gf_text_add_bytes(out, string, n);
        }
        string += n;
        left -= n;
    }
    gf_text_add(out, "\"");
}

/* ---- attributes ---------------------------------------------------------------- */

static bool is_default(const GfNode *n, const GfAttr *a)
{
    GfAttrSpec spec;

    if (!gf_schema_find(gf_op_info(n->op)->attrs, a->key, &spec) || !spec.has_default || spec.kind != a->kind)
        return false;
    if (a->kind == GF_ATTR_STRING)
        return a->s && strcmp(a->s, spec.string) == 0;
    return a->kind == GF_ATTR_INT ? (double)a->i == spec.number : a->f == spec.number && !signbit(a->f);
}

static void print_attr(const GfAttr *a, GfText *out)
{
    gf_text_add(out, "%s = ", a->key);
    if (a->kind == GF_ATTR_INT)
        gf_text_add(out, "%" PRId64, a->i);
    else if (a->kind == GF_ATTR_FLOAT)
        print_float(a->f, out);
    else
        print_string(a->s ? a->s : "", out);
}

static void print_attrs(const GfNode *n, GfText *out)
{
    bool any = false;

    for (uint32_t i = 0; i < n->attr_count; i++) {
        if (is_default(n, &n->attrs[i]))
            continue;
        gf_text_add(out, any ? ", " : " {");
        print_attr(&n->attrs[i], out);
        any = true;
    }
    if (any)
        gf_text_add(out, "}");
}

/* ---- nodes ---------------------------------------------------------------------- */

static void print_value(const GfValue *v, GfText *out)
{
    gf_text_add(out, "%%%s", v->node->name ? v->node->name : "?");
    if (v->node->result_count > 1)
        gf_text_add(out, "#%u", v->index);
}

static void print_operands(const GfNode *n, GfText *out)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        gf_text_add(out, i ? ", " : " ");
        print_value(gf_operand(n, i), out);
    }
}

static void print_outputs(const GfNode *n, GfText *out)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        gf_text_add(out, i ? ", " : " ");
        if (n->outputs)
            gf_text_add(out, "%s = ", n->outputs[i]);
        print_value(gf_operand(n, i), out);
    }
}

static void print_assignment(const GfNode *n, GfText *out)
{
    gf_text_add(out, " ");
    print_value(gf_operand(n, 0), out);
    gf_text_add(out, " = ");
    print_value(gf_operand(n, 1), out);
}

static bool is_planned(const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].place != GF_PLACE_NONE)
            return true;
    }
    return false;
}

static void print_place(const GfValue *v, GfText *out)
{
    if (v->place == GF_PLACE_ARENA)
        gf_text_add(out, "+%" PRId64, v->offset);
    else if (v->place == GF_PLACE_ALIAS)
        gf_text_add(out, "=%%%s", v->alias && v->alias->name ? v->alias->name : "?");
    else
        gf_text_add(out, "-");
}

static void print_results(const GfGraph *g, const GfNode *n, GfText *out)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        gf_text_add(out, i ? ", " : " : ");
        gf_type_print(g, &n->results[i].type, out);
    }
    if (n->kernel != GF_NO_KERNEL)
        gf_text_add(out, " @k%" PRId32, n->kernel);
    for (uint32_t i = 0; is_planned(n) && i < n->result_count; i++) {
        gf_text_add(out, i ? "," : " ");
        print_place(&n->results[i], out);
    }
}

static void print_definition(const GfGraph *g, const GfNode *n, GfText *out)
{
    if (n->label) {
        gf_text_add(out, " ");
        print_string(n->label, out);
    }
    if (n->frozen)
        gf_text_add(out, " frozen");
    print_operands(n, out);
    print_attrs(n, out);
    print_results(g, n, out);
}

/* ---- comments --------------------------------------------------------------------- */

/* One line of a comment; an empty one leaves no space behind it. */
static void print_comment_line(const char *text, size_t length, GfText *out)
{
    gf_text_add(out, "//%s", length ? " " : "");
    gf_text_add_bytes(out, text, length);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A file may be called anything; the comment must stay one line of UTF-8. */
static void print_clean(const char *text, GfText *out)
{
    for (size_t left = strlen(text); left;) {
        size_t n = gf_utf8_length(text, left);
        bool control = (unsigned char)*text < 0x20 || *text == 0x7f;
        gf_text_add_bytes(out, n && !control ? text : "?", n && !control ? n : 1);
        n = n ? n : 1;
        text += n;
        left -= n;
    }
}

static void print_node_comment(const GfNode *n, GfText *out)
{
    if (n->comment && *n->comment) {
        gf_text_add(out, " ");
        print_comment_line(n->comment, strcspn(n->comment, "\n"), out);
    } else if (!n->comment && n->loc.origin) {
        gf_text_add(out, "%s", *n->loc.origin ? " // " : "");
        print_clean(base_name(n->loc.origin), out);
    } else if (!n->comment && n->loc.file && n->loc.line) {
        gf_text_add(out, " // ");
        print_clean(base_name(n->loc.file), out);
        gf_text_add(out, ":%u", n->loc.line);
    }
}

static void print_comment_block(const char *lines, const char *indent, GfText *out)
{
    while (lines) {
        size_t length = strcspn(lines, "\n");
        gf_text_add(out, "%s", indent);
        print_comment_line(lines, length, out);
        gf_text_add(out, "\n");
        lines = lines[length] ? lines + length + 1 : NULL;
    }
}

/* ---- graphs ----------------------------------------------------------------------- */

void gf_node_print(const GfGraph *g, const GfNode *n, GfText *out)
{
    if (n->name)
        gf_text_add(out, "%%%s = ", n->name);
    gf_text_add(out, "%s", gf_op_text(n->op));
    if (n->op == GF_OP_RETURN)
        print_outputs(n, out);
    else if (!n->result_count)
        print_assignment(n, out);
    else
        print_definition(g, n, out);
    print_node_comment(n, out);
}

/* graph @step(tokens<=712, seqs<=32) arena 123456 { */
static void print_header(const GfGraph *g, GfText *out)
{
    bool planned = g->arena_size >= 0;

    gf_text_add(out, "graph @%s(", g->name);
    for (uint32_t i = 0; i < g->symbol_count; i++) {
        gf_text_add(out, "%s%s", i ? ", " : "", g->symbols[i]);
        if (planned)
            gf_text_add(out, "<=%" PRId64, g->plan_sizes[i]);
    }
    gf_text_add(out, ")");
    if (planned)
        gf_text_add(out, " arena %" PRId64, g->arena_size);
    gf_text_add(out, " {\n");
}

void gf_graph_print(const GfGraph *g, GfText *out)
{
    print_comment_block(g->head, "", out);
    print_header(g, out);
    for (const GfNode *n = g->first; n; n = n->next) {
        print_comment_block(n->lead, "  ", out);
        gf_text_add(out, "  ");
        gf_node_print(g, n, out);
        gf_text_add(out, "\n");
    }
    print_comment_block(g->tail, "  ", out);
    gf_text_add(out, "}\n");
}
