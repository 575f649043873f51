/* scope.h -- what names mean inside a block, while its statements are built. */
#ifndef GF_FRONTEND_GRAPH_SCOPE_H
#define GF_FRONTEND_GRAPH_SCOPE_H

#include "frontend/graph/model.h"
#include "frontend/graph/words.h"

typedef struct GfBinding {
    const char *name;
    GfValue *value;
    bool fixed; /* a param: cannot be given anew */
} GfBinding;

typedef struct GfSize {
    const char *name;
    int64_t value;
} GfSize;

/* One use of a block, or the top level. */
typedef struct GfScope {
    const struct GfScope *inputs; /* searched after this one; NULL: this one holds them */
    const GfConfig *config;
    const GfJson *doc;
    GfArena *arena; /* of the lists below */
    GfDiags *diags;
    const char *prefix; /* of parameter names: "" or "bert.encoder.layer.0." */
    GfBinding *values;
    size_t value_count, value_capacity;
    GfSize *sizes;
    size_t size_count;
} GfScope;

/* Give `name`, which stands at `node`, a value.
 * Errors: GF_ERR_NAME when it is a param, or is `fixed` itself and not new. */
GfStatus gf_scope_bind(GfScope *scope, const cJSON *node, const char *name, GfValue *value, bool fixed);

/* The value of a name.  Errors: GF_ERR_NAME not defined, with a suggestion. */
GfStatus gf_scope_value(const GfScope *scope, const cJSON *node, const char *name, GfValue **value);

/* The number that a node stands for: itself, true and false as 1 and 0, a size
 * of the block or a config key by its name, or the first of a list of config
 * keys that is not null.  *loc is where the number was written.
 * Errors: GF_ERR_NAME no such size, GF_ERR_VALUE not a number. */
GfStatus gf_scope_number(const GfScope *scope, const cJSON *node, double *number, GfLoc *loc);

/* The same for a name inside a type, which stands at `node`. */
GfStatus gf_scope_named_number(const GfScope *scope, const cJSON *node, const char *name, double *number, GfLoc *loc);

/* A whole number in [lowest, highest].  `what` names it in errors. */
GfStatus gf_scope_whole(const GfScope *scope, double number, GfLoc loc, const char *what, int64_t lowest,
                        int64_t highest, int64_t *out);

/* A size: a whole number from 1 to 2^31 - 1. */
GfStatus gf_scope_size(const GfScope *scope, const cJSON *node, int64_t *size);

/* A type whose sizes are numbers, sizes or config keys.  Errors: as above. */
GfStatus gf_scope_type(const GfScope *scope, const cJSON *node, const GfTypeText *text, GfType *type);

#endif
