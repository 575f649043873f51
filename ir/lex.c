/* lex.c -- see lex.h. */
#include "ir/lex.h"

#include <string.h>

/* ---- characters ------------------------------------------------------------ */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool gf_is_name_char(char c)
{
    return is_word_start(c) || is_digit(c) || c == '.' || c == '-';
}

bool gf_is_name(const char *text)
{
    if (!*text)
        return false;
    while (gf_is_name_char(*text))
        text++;
    return !*text;
}

/* Length that a lead byte promises, and the bits of the code point in it. */
static size_t lead_length(unsigned char c, uint32_t *bits)
{
    size_t length = c < 0x80                ? 1
                    : c >= 0xc2 && c < 0xe0 ? 2
                    : c >= 0xe0 && c < 0xf0 ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    *bits = length == 1 ? c : c & (0x7fu >> length);
    return length;
}

size_t gf_utf8_length(const char *text, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code;
    size_t length = left ? lead_length((unsigned char)text[0], &code) : 0;

    if (!length || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[length] || code > 0x10ffff || surrogate ? 0 : length;
}

bool gf_is_word(const char *text)
{
    return is_word_start(*text) && gf_is_name(text);
}

static bool is_allowed_control(char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

/* As gf_loc_at, but past NUL bytes. */
static GfLoc loc_of_byte(const char *file, const char *text, size_t offset)
{
    GfLoc loc = {.file = file, .line = 1, .column = 1};

    for (size_t i = 0; i < offset; i++) {
        loc.column = text[i] == '\n' ? 1 : loc.column + 1;
        loc.line += text[i] == '\n';
    }
    return loc;
}

GfStatus gf_lex_check(const char *file, const char *text, size_t length, GfDiags *diags)
{
    for (size_t i = 0; i < length;) {
        size_t n = gf_utf8_length(text + i, length - i);
        unsigned char c = (unsigned char)text[i];
        if (!n)
            return gf_fail(diags, loc_of_byte(file, text, i), GF_ERR_SYNTAX, "byte 0x%02x is not UTF-8", c);
        if ((c < 0x20 && !is_allowed_control(text[i])) || c == 0x7f)
            return gf_fail(diags, loc_of_byte(file, text, i), GF_ERR_SYNTAX,
                           "the control character 0x%02x has no place in text IR", c);
        i += n;
    }
    return GF_OK;
}

/* ---- tokens ---------------------------------------------------------------- */

void gf_lex_start(GfLexer *lexer, const char *file, const char *source)
{
    *lexer = (GfLexer){.file = file, .source = source, .cursor = source, .line_begin = source, .line = 1};
}

GfLoc gf_lex_loc(const GfLexer *lexer, const GfToken *token)
{
    return (GfLoc){.file = lexer->file, .source = lexer->source, .line = token->line, .column = token->column};
}

static void take(GfLexer *lexer, GfToken *out, GfTokenKind kind, const char *begin, const char *end)
{
    out->kind = kind;
    out->text = begin;
    out->length = (size_t)(end - begin);
    lexer->cursor = end;
}

static void take_newline(GfLexer *lexer, GfToken *out)
{
    take(lexer, out, GF_TOKEN_NEWLINE, lexer->cursor, lexer->cursor + 1);
    lexer->line++;
    lexer->line_begin = lexer->cursor;
}

static void take_comment(GfLexer *lexer, GfToken *out)
{
    const char *begin = lexer->cursor + 2, *end = begin + strcspn(begin, "\n");
    const char *line_end = end;

    if (*begin == ' ')
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    take(lexer, out, GF_TOKEN_COMMENT, begin, end);
    lexer->cursor = line_end;
}

static const char *skip_name(const char *p)
{
    while (gf_is_name_char(*p))
        p++;
    return p;
}

/* Digits, letters, dots, and a sign after 'e': the parser judges the number,
 * so that "12abc" is one bad number and not two tokens. */
static const char *skip_number(const char *p)
{
    while (is_digit(*p) || is_word_start(*p) || *p == '.' ||
           ((*p == '+' || *p == '-') && (p[-1] == 'e' || p[-1] == 'E')))
        p++;
    return p;
}

static GfStatus take_sigil(GfLexer *lexer, GfToken *out, GfTokenKind kind, GfDiags *diags)
{
    const char *begin = lexer->cursor + 1, *end = skip_name(begin);

    if (begin == end)
        return gf_fail(diags, gf_lex_loc(lexer, out), GF_ERR_SYNTAX, "'%c' must be followed by a name", begin[-1]);
    take(lexer, out, kind, begin, end);
    return GF_OK;
}

static GfStatus take_string(GfLexer *lexer, GfToken *out, GfDiags *diags)
{
    const char *begin = lexer->cursor + 1, *p = begin;

    while (*p && *p != '"' && *p != '\n')
        p += *p == '\\' && p[1] && p[1] != '\n' ? 2 : 1;
    if (*p != '"')
        return gf_fail(diags, gf_lex_loc(lexer, out), GF_ERR_SYNTAX, "the string has no closing quote on its line");
    take(lexer, out, GF_TOKEN_STRING, begin, p);
    lexer->cursor = p + 1;
    return GF_OK;
}

static GfStatus take_mark(GfLexer *lexer, GfToken *out, GfDiags *diags)
{
    const char *p = lexer->cursor;

    if (!strchr("(){}[],:=<+-#", *p))
        return gf_fail(diags, gf_lex_loc(lexer, out), GF_ERR_SYNTAX, "'%.*s' starts nothing that text IR knows",
                       (int)gf_utf8_length(p, strlen(p)), p);
    take(lexer, out, GF_TOKEN_MARK, p, p + 1);
    out->mark = *p;
    return GF_OK;
}

GfStatus gf_lex_next(GfLexer *lexer, GfToken *out, GfDiags *diags)
{
    lexer->cursor += strspn(lexer->cursor, " \t\r");
    const char *p = lexer->cursor;
    *out = (GfToken){.line = lexer->line, .column = (uint32_t)(p - lexer->line_begin) + 1};
    if (!*p)
        take(lexer, out, GF_TOKEN_END, p, p);
    else if (*p == '\n')
        take_newline(lexer, out);
    else if (p[0] == '/' && p[1] == '/')
        take_comment(lexer, out);
    else if (is_word_start(*p))
        take(lexer, out, GF_TOKEN_WORD, p, skip_name(p));
    else if (is_digit(*p))
        take(lexer, out, GF_TOKEN_NUMBER, p, skip_number(p));
    else if (*p == '%' || *p == '@')
        return take_sigil(lexer, out, *p == '%' ? GF_TOKEN_VALUE : GF_TOKEN_AT, diags);
    else if (*p == '"')
        return take_string(lexer, out, diags);
    else
        return take_mark(lexer, out, diags);
    return GF_OK;
}
