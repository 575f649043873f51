/* lex.h -- the words of text IR: what ir/parse.c reads and ir/print.c must not
 * leave.  Newlines are tokens, because a node is one line; comments are tokens,
 * because the text form keeps them.
 */
#ifndef GF_IR_LEX_H
#define GF_IR_LEX_H

#include "ir/diag.h"

typedef enum GfTokenKind {
    GF_TOKEN_END,
    GF_TOKEN_NEWLINE,
    GF_TOKEN_COMMENT, /* text without "//", one space after it and spaces at the end */
    GF_TOKEN_WORD,    /* letter or '_', then name characters */
    GF_TOKEN_VALUE,   /* '%' name; text without '%' */
    GF_TOKEN_AT,      /* '@' name; text without '@' */
    GF_TOKEN_NUMBER,  /* starts with a digit; no sign */
    GF_TOKEN_STRING,  /* text without the quotes, escapes as written */
    GF_TOKEN_MARK     /* one of ( ) { } [ ] , : = < + - # */
} GfTokenKind;

typedef struct GfToken {
    GfTokenKind kind;
    char mark;        /* of GF_TOKEN_MARK, else 0 */
    const char *text; /* in the source; not NUL-terminated */
    size_t length;
    uint32_t line, column; /* where it begins */
} GfToken;

typedef struct GfLexer {
    const char *file;
    const char *source; /* NUL-terminated, without other NULs */
    const char *cursor;
    const char *line_begin;
    uint32_t line;
} GfLexer;

/* Fail at the first byte of `text` that text IR cannot hold: not UTF-8, or a
 * control character other than tab and line ends.  Errors: GF_ERR_SYNTAX. */
GfStatus gf_lex_check(const char *file, const char *text, size_t length, GfDiags *diags);

void gf_lex_start(GfLexer *lexer, const char *file, const char *source);

/* Errors: GF_ERR_SYNTAX a byte that starts no token, a string without an end. */
GfStatus gf_lex_next(GfLexer *lexer, GfToken *out, GfDiags *diags);

GfLoc gf_lex_loc(const GfLexer *lexer, const GfToken *token);

/* Letters, digits, '_', '.' and '-': what names are made of. */
bool gf_is_name_char(char c);
bool gf_is_name(const char *text);
bool gf_is_word(const char *text); /* a name that starts with a letter or '_' */

/* Bytes of the UTF-8 character at `text`, 0 when the first `left` bytes start none. */
size_t gf_utf8_length(const char *text, size_t left);

#endif
