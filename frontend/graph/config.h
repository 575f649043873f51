/* config.h -- the sizes and choices of a model, by the names of config.json.
 *
 * A model file lists every key with a default, whose kind is the kind that the
 * key takes (a default of null takes a number, a string or null).  Sources are laid over
 * the defaults in order; the last one wins.
 */
#ifndef GF_FRONTEND_GRAPH_CONFIG_H
#define GF_FRONTEND_GRAPH_CONFIG_H

#include "frontend/graph/json.h"

enum { GF_CONFIG_KEYS_MAX = 256 }; /* keys are found by walking over them */

typedef enum GfConfigKind { GF_CONFIG_NULL, GF_CONFIG_NUMBER, GF_CONFIG_STRING, GF_CONFIG_BOOL } GfConfigKind;

typedef struct GfConfigValue {
    const char *key;
    GfConfigKind example; /* of the default */
    GfConfigKind kind;
    double number;    /* a number; 1 for true */
    const char *text; /* a string */
    GfLoc loc;        /* of the value that won; its source lives as long as the document it came from */
} GfConfigValue;

typedef struct GfConfig {
    GfConfigValue *values;
    const char **keys; /* the same order; for suggestions */
    size_t count;
} GfConfig;

/* An object with config values. */
typedef struct GfConfigSource {
    const GfJson *doc;
    const cJSON *object; /* NULL: no values */
    bool foreign;        /* a checkpoint's config.json: keys that the model does not name are skipped */
} GfConfigSource;

/* The defaults, an object of `doc`.  Everything is copied to `arena`.
 * Errors: GF_ERR_VALUE a value that is an array or object. */
GfStatus gf_config_read(GfConfig *config, GfArena *arena, const GfJson *doc, const cJSON *defaults, GfDiags *diags);

/* Lay a source over the values.
 * Errors: GF_ERR_KEY unknown key (with a suggestion), GF_ERR_VALUE another kind than the default's. */
GfStatus gf_config_merge(GfConfig *config, GfArena *arena, const GfConfigSource *source, GfDiags *diags);

/* NULL when the model has no such key. */
GfConfigValue *gf_config_find(const GfConfig *config, const char *key);

/* Add a value as JSON. */
void gf_config_add_value(GfText *text, const GfConfigValue *value);

/* The value, or `fallback` when there is no such key or it is null or of another kind. */
int64_t gf_config_i(const GfConfig *config, const char *key, int64_t fallback);
double gf_config_f(const GfConfig *config, const char *key, double fallback);
const char *gf_config_s(const GfConfig *config, const char *key, const char *fallback);

#endif
