/* parse_part.c -- see parse.h. */
#include "ir/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- tokens ------------------------------------------------------------------- */

GfStatus gf_parse_advance(GfParser *p)
{
    return gf_lex_next(&p->lexer, &p->token, p->diags);
}

GfLoc gf_parse_loc(const GfParser *p)
{
    return gf_lex_loc(&p->lexer, &p->token);
}

enum { SHOWN_MAX = 40 };

/* The first characters of the token, never half of one. */
static int shown_length(const GfToken *token)
{
    size_t length = token->length < SHOWN_MAX ? token->length : SHOWN_MAX;

    while (length < token->length && length && ((unsigned char)token->text[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

GfStatus gf_parse_expected(GfParser *p, const char *wanted)
{
    const GfToken *t = &p->token;
    const char *found = t->kind == GF_TOKEN_END       ? "the end of the text"
                        : t->kind == GF_TOKEN_NEWLINE ? "the end of the line"
                        : t->kind == GF_TOKEN_COMMENT ? "a comment"
                                                      : NULL;
    const char *before = t->kind == GF_TOKEN_VALUE    ? "'%"
                         : t->kind == GF_TOKEN_AT     ? "'@"
                         : t->kind == GF_TOKEN_STRING ? "the string \""
                                                      : "'";
    const char *after = t->kind == GF_TOKEN_STRING ? "\"" : "'";

    if (found)
        return gf_fail(p->diags, gf_parse_loc(p), GF_ERR_SYNTAX, "expected %s, found %s", wanted, found);
    int shown = shown_length(t);
    return gf_fail(p->diags, gf_parse_loc(p), GF_ERR_SYNTAX, "expected %s, found %s%.*s%s%s", wanted, before, shown,
                   t->text, (size_t)shown < t->length ? "..." : "", after);
}

bool gf_parse_at_mark(const GfParser *p, char mark)
{
    return p->token.kind == GF_TOKEN_MARK && p->token.mark == mark;
}

bool gf_parse_at_word(const GfParser *p, const char *word)
{
    return p->token.kind == GF_TOKEN_WORD && p->token.length == strlen(word) &&
           memcmp(p->token.text, word, p->token.length) == 0;
}

GfStatus gf_parse_mark(GfParser *p, char mark)
{
    char wanted[] = {'\'', mark, '\'', '\0'};

    if (!gf_parse_at_mark(p, mark))
        return gf_parse_expected(p, wanted);
    return gf_parse_advance(p);
}

GfStatus gf_parse_comma(GfParser *p, bool *more)
{
    *more = gf_parse_at_mark(p, ',');
    if (!*more)
        return GF_OK;
    GF_TRY(gf_parse_advance(p));
    while (p->token.kind == GF_TOKEN_NEWLINE)
        GF_TRY(gf_parse_advance(p));
    return GF_OK;
}

GfStatus gf_parse_text(GfParser *p, GfTokenKind kind, const char *wanted, const char **out)
{
    if (p->token.kind != kind)
        return gf_parse_expected(p, wanted);
    *out = gf_arena_strndup(&p->scratch, p->token.text, p->token.length);
    return *out ? gf_parse_advance(p) : gf_fail_memory(p->diags);
}

void gf_parse_suggest(GfParser *p, const char *word, const char *const *candidates, size_t count)
{
    const char *close = gf_closest(word, candidates, count);
    if (close)
        gf_note(p->diags, "did you mean '%s'?", close);
}

/* ---- numbers -------------------------------------------------------------------- */

static bool is_integer(const GfToken *token)
{
    for (size_t i = 0; i < token->length; i++) {
        if (token->text[i] < '0' || token->text[i] > '9')
            return false;
    }
    return token->length > 0;
}

static GfStatus fail_number(GfParser *p, const char *problem)
{
    return gf_fail(p->diags, gf_parse_loc(p), GF_ERR_VALUE, "'%.*s%s' %s", shown_length(&p->token), p->token.text,
                   p->token.length > SHOWN_MAX ? "..." : "", problem);
}

/* An integer of either sign: the sign is read already. */
static GfStatus parse_signed(GfParser *p, bool negative, int64_t *out)
{
    int64_t value = 0;

    if (!is_integer(&p->token))
        return fail_number(p, "is not an integer");
    for (size_t i = 0; i < p->token.length; i++) {
        int digit = p->token.text[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return fail_number(p, "does not fit in 64 bits");
    }
    *out = value;
    return gf_parse_advance(p);
}

/* int = digit {digit} */
GfStatus gf_parse_int(GfParser *p, int64_t *out)
{
    if (p->token.kind != GF_TOKEN_NUMBER)
        return gf_parse_expected(p, "a number");
    return parse_signed(p, false, out);
}

/* The word is `inf` or `nan`. */
static bool is_special_float(const GfParser *p, double *value)
{
    *value = gf_parse_at_word(p, "nan") ? (double)NAN : (double)INFINITY;
    return gf_parse_at_word(p, "inf") || gf_parse_at_word(p, "nan");
}

static GfStatus parse_float(GfParser *p, bool negative, double *out)
{
    char *end;
    double value;

    if (is_special_float(p, &value)) {
        *out = negative ? -value : value;
        return gf_parse_advance(p);
    }
    if (p->token.kind != GF_TOKEN_NUMBER)
        return gf_parse_expected(p, "a number");
    value = strtod(p->token.text, &end);
    bool hex = p->token.length > 1 && (p->token.text[1] == 'x' || p->token.text[1] == 'X');
    if (end != p->token.text + p->token.length || hex)
        return fail_number(p, "is not a number");
    if (!isfinite(value))
        return fail_number(p, "is too large for a double; write inf for infinity");
    *out = negative ? -value : value;
    return gf_parse_advance(p);
}

/* ---- strings ---------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Write the character of the escape at `from` (behind the backslash) and return
 * how many bytes it took; 0 when there is no such escape. */
static size_t unescape(const char *from, size_t left, char *to)
{
    static const char letters[] = "\"\\nt", meant[] = "\"\\\n\t";
    const char *known = left ? strchr(letters, from[0]) : NULL;

    if (known && *known) {
        *to = meant[known - letters];
        return 1;
    }
    if (left < 3 || from[0] != 'x' || hex_digit(from[1]) < 0 || hex_digit(from[2]) < 0)
        return 0;
    *to = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
    return *to ? 3 : 0;
}

static GfStatus fail_escape(GfParser *p, size_t offset)
{
    GfLoc loc = gf_parse_loc(p);
    size_t length = gf_utf8_length(p->token.text + offset + 1, p->token.length - offset - 1);

    loc.column += (uint32_t)offset + 1;
    GfStatus status =
        gf_fail(p->diags, loc, GF_ERR_SYNTAX, "'\\%.*s' is no escape", (int)length, p->token.text + offset + 1);
    gf_note(p->diags, "the escapes are \\\" \\\\ \\n \\t and \\xHH with two lower-case hexadecimal digits, not 00");
    return status;
}

/* string = '"' {character | '\' escape} '"' */
GfStatus gf_parse_string(GfParser *p, const char **out)
{
    const char *text = p->token.text;
    size_t length = p->token.length, used = 0;

    if (p->token.kind != GF_TOKEN_STRING)
        return gf_parse_expected(p, "a string in quotes");
    char *copy = gf_arena_alloc(&p->scratch, length + 1);
    if (!copy)
        return gf_fail_memory(p->diags);
    for (size_t i = 0; i < length; i++) {
        size_t taken = 0;
        if (text[i] != '\\')
            copy[used] = text[i];
        else if ((taken = unescape(text + i + 1, length - i - 1, copy + used)) == 0)
            return fail_escape(p, i);
        used++;
        i += taken;
    }
    *out = copy;
    return gf_parse_advance(p);
}

/* ---- types ------------------------------------------------------------------------- */

static GfStatus fail_symbol(GfParser *p, const char *name, GfLoc loc)
{
    GfStatus status = gf_fail(p->diags, loc, GF_ERR_NAME, "'%s' is no dimension of this graph", name);
    gf_note(p->diags, "its symbols stand in parentheses behind its name");
    gf_parse_suggest(p, name, p->g->symbols, p->g->symbol_count);
    return status;
}

/* dim = int | symbol */
static GfStatus parse_dim(GfParser *p, GfDim *out)
{
    GfLoc loc = gf_parse_loc(p);
    const char *name = NULL;
    int64_t size = 0;

    if (p->token.kind == GF_TOKEN_WORD) {
        GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "a dimension", &name));
        int32_t symbol = gf_graph_find_symbol(p->g, name);
        *out = gf_dim_symbol(symbol);
        return symbol < 0 ? fail_symbol(p, name, loc) : GF_OK;
    }
    if (p->token.kind != GF_TOKEN_NUMBER)
        return gf_parse_expected(p, "a dimension");
    GF_TRY(gf_parse_int(p, &size));
    *out = gf_dim_const(size);
    return size >= 1 ? GF_OK
                     : gf_fail(p->diags, loc, GF_ERR_VALUE, "a dimension is at least 1, found %lld", (long long)size);
}

static GfStatus parse_dtype(GfParser *p, GfDType *out)
{
    static const char *const texts[GF_DTYPE_COUNT] = {"f32", "bf16", "i32"};
    GfLoc loc = gf_parse_loc(p);
    const char *word = NULL;

    GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "a type such as f32[tokens,8]", &word));
    for (int i = 0; i < GF_DTYPE_COUNT; i++) {
        if (strcmp(gf_dtype_text((GfDType)i), word) == 0) {
            *out = (GfDType)i;
            return GF_OK;
        }
    }
    GfStatus status = gf_fail(p->diags, loc, GF_ERR_VALUE, "'%s' is no dtype: f32, bf16 and i32 are", word);
    gf_parse_suggest(p, word, texts, GF_DTYPE_COUNT);
    return status;
}

/* type = dtype '[' [dim {',' dim}] ']' */
GfStatus gf_parse_type(GfParser *p, GfType *out)
{
    bool more = true;

    *out = (GfType){0};
    GF_TRY(parse_dtype(p, &out->dtype));
    GF_TRY(gf_parse_mark(p, '['));
    if (gf_parse_at_mark(p, ']'))
        return gf_parse_advance(p);
    while (more) {
        if (out->rank == GF_MAX_RANK)
            return gf_fail(p->diags, gf_parse_loc(p), GF_ERR_VALUE, "a type has at most %d dimensions", GF_MAX_RANK);
        GF_TRY(parse_dim(p, &out->dims[out->rank++]));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return gf_parse_mark(p, ']');
}

/* ---- attributes --------------------------------------------------------------------- */

enum { ATTRS_MAX = 16 };

static GfStatus fail_attr(GfParser *p, GfOp op, const char *key, GfLoc loc)
{
    GfStatus status = gf_fail(p->diags, loc, GF_ERR_OP, "'%s' has no attribute '%s'", gf_op_text(op), key);
    GfAttrSpec specs[ATTRS_MAX];
    const char *keys[ATTRS_MAX];
    const char *schema = gf_op_info(op)->attrs;
    size_t count = 0;

    while (count < ATTRS_MAX && gf_schema_next(&schema, &specs[count])) {
        keys[count] = specs[count].key;
        count++;
    }
    gf_note(p->diags, *gf_op_info(op)->attrs ? "`graft ops %s` lists its attributes" : "'%s' has none", gf_op_text(op));
    gf_parse_suggest(p, key, keys, count);
    return status;
}

static GfStatus parse_attr_value(GfParser *p, const GfAttrSpec *spec, GfAttr *out)
{
    bool negative = spec->kind != GF_ATTR_STRING && gf_parse_at_mark(p, '-');

    out->kind = spec->kind;
    if (spec->kind == GF_ATTR_STRING)
        return gf_parse_string(p, &out->s);
    if (negative)
        GF_TRY(gf_parse_advance(p));
    if (spec->kind == GF_ATTR_FLOAT)
        return parse_float(p, negative, &out->f);
    if (p->token.kind != GF_TOKEN_NUMBER)
        return gf_parse_expected(p, "an integer");
    GF_TRY(parse_signed(p, negative, &out->i));
    out->f = (double)out->i;
    return GF_OK;
}

/* attr = key '=' (['-'] number | string) */
GfStatus gf_parse_attr(GfParser *p, GfOp op, GfAttr *out)
{
    GfLoc loc = gf_parse_loc(p);
    GfAttrSpec spec;

    *out = (GfAttr){0};
    GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "the name of an attribute", &out->key));
    if (!gf_schema_find(gf_op_info(op)->attrs, out->key, &spec))
        return fail_attr(p, op, out->key, loc);
    GF_TRY(gf_parse_mark(p, '='));
    return parse_attr_value(p, &spec, out);
}
