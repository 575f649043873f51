/* json.h -- JSON documents that remember where everything stood.
 *
 * cJSON builds the tree; this module checks the text first (strict JSON: UTF-8,
 * no NUL, no duplicate keys, nesting up to 64) and keeps the byte offset of every
 * value and key, so that whoever reads the tree can fail with a place:
 *
 *   GfJson doc;
 *   GF_TRY(gf_json_read_file(&doc, "job.json", diags));
 *   double rate = 5e-5;                                    the default
 *   status = gf_json_get_number(&doc, doc.root, "learning_rate", GF_OPTIONAL, &rate, diags);
 *   gf_json_close(&doc);
 *
 * Strings handed out live as long as the document.  cJSON's own nodes come from
 * malloc, because its hooks are global; the rest comes from the allocator of the
 * diagnostics.  Different documents may be read by different threads.
 */
#ifndef GF_FRONTEND_GRAPH_JSON_H
#define GF_FRONTEND_GRAPH_JSON_H

#include "ir/diag.h"

#include <cjson/cJSON.h>

typedef struct GfJsonIndex GfJsonIndex;

typedef struct GfJson {
    GfArena arena;
    cJSON *root;        /* never NULL after a successful read; any JSON value */
    cJSON *removed;     /* what gf_json_set replaced: kept, so that no address is ever used twice */
    GfJsonIndex *index; /* node -> place, (object, key) -> node */
} GfJson;

/* Read a document.  On error nothing needs closing (closing is harmless).
 * Errors: GF_ERR_IO, GF_ERR_SYNTAX, GF_ERR_KEY (duplicate key), GF_ERR_MEMORY. */
GfStatus gf_json_read_file(GfJson *doc, const char *path, GfDiags *diags);

/* The same for `length` bytes at `text`, which are copied; `name` stands for the file in errors. */
GfStatus gf_json_read_text(GfJson *doc, const char *name, const char *text, size_t length, GfDiags *diags);

void gf_json_close(GfJson *doc);

/* Set the value at a dotted path ("training.learning_rate"), as `--set path=value` does.
 * `value` is taken as JSON if it is valid JSON, else as a string.  Missing objects on
 * the way are made; in an array a segment is the index of an existing item.
 * Errors: GF_ERR_USAGE an empty segment, GF_ERR_VALUE a path through something that holds no keys. */
GfStatus gf_json_set(GfJson *doc, const char *path, const char *value, GfDiags *diags);

/* Where a node's value, or its key, stands.  The document's start for NULL or a foreign node. */
GfLoc gf_json_loc(const GfJson *doc, const cJSON *node);
GfLoc gf_json_key_loc(const GfJson *doc, const cJSON *node);

/* The text from a node's value on, or NULL for a foreign node. */
const char *gf_json_text(const GfJson *doc, const cJSON *node);

/* "a string", "a number", "true or false", "null", "an array", "an object"; "nothing" for NULL. */
const char *gf_json_type_name(const cJSON *node);

/* The member `key` of `object`, or NULL (also when `object` is NULL or no object).  O(1). */
const cJSON *gf_json_find(const GfJson *doc, const cJSON *object, const char *key);

/* Whether an absent key is an error.  An optional key that is absent, or null, leaves
 * *out as it was: put the default there first. */
typedef enum GfJsonNeed { GF_OPTIONAL, GF_REQUIRED } GfJsonNeed;

/* The member `key` of `object`, of the type asked for.  `object` may be NULL: then
 * every key is absent, so that an optional section reads as its defaults.
 * Errors: GF_ERR_KEY missing, GF_ERR_VALUE another type, not whole, out of range. */
GfStatus gf_json_get_string(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const char **out,
                            GfDiags *diags);
GfStatus gf_json_get_number(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, double *out,
                            GfDiags *diags);
GfStatus gf_json_get_int(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, int64_t *out,
                         GfDiags *diags);
GfStatus gf_json_get_bool(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, bool *out,
                          GfDiags *diags);
GfStatus gf_json_get_object(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const cJSON **out,
                            GfDiags *diags);
GfStatus gf_json_get_array(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const cJSON **out,
                           GfDiags *diags);

/* The same with lowest <= value <= highest. */
GfStatus gf_json_get_int_in(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, int64_t lowest,
                            int64_t highest, int64_t *out, GfDiags *diags);
GfStatus gf_json_get_number_in(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, double lowest,
                               double highest, double *out, GfDiags *diags);

/* A node itself as a type, for the items of arrays; `what` names it in errors ("a dimension of 'shape'"). */
GfStatus gf_json_as_string(const GfJson *doc, const cJSON *node, const char *what, const char **out, GfDiags *diags);
GfStatus gf_json_as_number(const GfJson *doc, const cJSON *node, const char *what, double *out, GfDiags *diags);
GfStatus gf_json_as_int(const GfJson *doc, const cJSON *node, const char *what, int64_t *out, GfDiags *diags);
GfStatus gf_json_as_bool(const GfJson *doc, const cJSON *node, const char *what, bool *out, GfDiags *diags);
GfStatus gf_json_as_object(const GfJson *doc, const cJSON *node, const char *what, const cJSON **out, GfDiags *diags);
GfStatus gf_json_as_array(const GfJson *doc, const cJSON *node, const char *what, const cJSON **out, GfDiags *diags);

/* Numbers with lowest <= value <= highest; `what` is the key, for errors. */
GfStatus gf_json_as_int_in(const GfJson *doc, const cJSON *node, const char *what, int64_t lowest, int64_t highest,
                           int64_t *out, GfDiags *diags);
GfStatus gf_json_as_number_in(const GfJson *doc, const cJSON *node, const char *what, double lowest, double highest,
                              double *out, GfDiags *diags);

/* Every key of `object` is one of `allowed`; `what` names the object ("training").  Every
 * unknown key is reported, with the closest allowed one or the list.  NULL has no keys.
 * Errors: GF_ERR_KEY, GF_ERR_VALUE when it is not an object. */
GfStatus gf_json_check_keys(const GfJson *doc, const cJSON *object, const char *const *allowed, size_t count,
                            const char *what, GfDiags *diags);

/* Add a string in quotes, escaped, to `text`; non-ASCII characters stay as they are. */
void gf_json_quote(GfText *text, const char *string);

/* Add the shortest digits that read back as the same double; null for what JSON cannot hold. */
void gf_json_add_number(GfText *text, double number);

/* Add a tree, its members indented by two more than `indent`, without a final line
 * break.  Numbers stand as they were written in `doc`, which may be NULL. */
void gf_json_print(GfText *text, const GfJson *doc, const cJSON *node, unsigned indent);

#endif
