/* parse.h -- the parser in three floors: parse_part.c reads what stands inside a
 * line (numbers, strings, types, attributes), parse_node.c a line, parse.c the
 * graph with its comments.
 * Every function starts at parser->token and leaves it behind what it read.
 */
#ifndef GF_IR_PARSE_H
#define GF_IR_PARSE_H

#include "ir/ir.h"
#include "ir/lex.h"

typedef struct GfParser {
    GfLexer lexer;
    GfToken token; /* the next one to read */
    GfGraph *g;
    GfText lead; /* whole comment lines waiting for their node */
    bool has_lead;
    GfArena scratch; /* freed after parsing */
    GfDiags *diags;
} GfParser;

GfStatus gf_parse_advance(GfParser *p);
GfLoc gf_parse_loc(const GfParser *p);

/* Fail with "expected WANTED, found ..." at the token. */
GfStatus gf_parse_expected(GfParser *p, const char *wanted);

bool gf_parse_at_mark(const GfParser *p, char mark);
bool gf_parse_at_word(const GfParser *p, const char *word);
GfStatus gf_parse_mark(GfParser *p, char mark); /* this mark and no other */

/* After an item of a list: *more tells if a comma followed.  Lines may break
 * after a comma. */
GfStatus gf_parse_comma(GfParser *p, bool *more);

/* The token's text as a string in scratch; the token must be of `kind`. */
GfStatus gf_parse_text(GfParser *p, GfTokenKind kind, const char *wanted, const char **out);

GfStatus gf_parse_int(GfParser *p, int64_t *out);        /* digits, not negative */
GfStatus gf_parse_string(GfParser *p, const char **out); /* unescaped, in scratch */
GfStatus gf_parse_type(GfParser *p, GfType *out);
GfStatus gf_parse_attr(GfParser *p, GfOp op, GfAttr *out);

/* node = definition | assignment | return; the node is added to the graph. */
GfStatus gf_parse_node(GfParser *p, GfNode **out);

/* Note "did you mean" if one of `count` candidates is close. */
void gf_parse_suggest(GfParser *p, const char *word, const char *const *candidates, size_t count);

#endif
