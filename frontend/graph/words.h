/* words.h -- the small texts inside a model file: lists of names, types.
 */
#ifndef GF_FRONTEND_GRAPH_WORDS_H
#define GF_FRONTEND_GRAPH_WORDS_H

#include "frontend/graph/json.h"
#include "ir/ir.h"

/* A list of names, as "in", "out", "takes", "sizes" and "gives" hold. */
typedef struct GfNames {
    const char **items;
    const cJSON **nodes; /* where each stands */
    size_t count;
} GfNames;

enum { GF_NAMES_MAX = 64, GF_PATTERNS_MAX = 4096 };

/* Read a string or an array of strings; NULL is an empty list.  In `arena`, the
 * strings are the document's.
 * Errors: GF_ERR_VALUE something else, an empty name, more than GF_NAMES_MAX. */
GfStatus gf_names_read(GfNames *names, GfArena *arena, const GfJson *doc, const cJSON *node, GfDiags *diags);

/* Every name stands once.  `what` names the list.  Errors: GF_ERR_NAME. */
GfStatus gf_names_check_unique(const GfNames *names, const GfJson *doc, const char *what, GfDiags *diags);

/* Read a list of patterns ("classifier.*") as one text, separated by spaces, in
 * `arena`; "" for NULL.  Letters, digits and "_.-*?" make a pattern.
 * Errors: GF_ERR_VALUE something else, more than GF_PATTERNS_MAX. */
GfStatus gf_patterns_read(const char **patterns, GfArena *arena, const GfJson *doc, const cJSON *node, GfDiags *diags);

enum { GF_WORD_MAX = 64 };

/* "f32[out,in] zeros" in pieces: dtype, the words between the brackets, and the
 * word behind them. */
typedef struct GfTypeText {
    GfDType dtype;
    uint32_t rank;
    char dims[GF_MAX_RANK][GF_WORD_MAX];
    char init[GF_WORD_MAX]; /* "" when there is none */
} GfTypeText;

/* Take a type text apart.  Errors: GF_ERR_VALUE. */
GfStatus gf_type_text_read(GfTypeText *type, const GfJson *doc, const cJSON *node, GfDiags *diags);

#endif
