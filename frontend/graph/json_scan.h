/* json_scan.h -- check a text against the JSON grammar and note where its values stand.
 *
 * cJSON accepts more than JSON (leading zeros, control characters, any byte as
 * UTF-8) and says of an error only its address.  So this walk comes first: what
 * it accepts cJSON accepts as well and reads in the same order.
 */
#ifndef GF_FRONTEND_GRAPH_JSON_SCAN_H
#define GF_FRONTEND_GRAPH_JSON_SCAN_H

#include "ir/diag.h"

#define GF_JSON_NO_KEY SIZE_MAX

enum { GF_JSON_DEPTH_MAX = 64 };

/* Byte offsets of a value and of the key before it. */
typedef struct GfJsonOffset {
    size_t value;
    size_t key; /* of its opening quote; GF_JSON_NO_KEY for the root and for items of arrays */
} GfJsonOffset;

/* One entry a value, parents before their members, in the order of the text. */
typedef struct GfJsonOffsets {
    GfArena *arena; /* where `items` lives */
    GfJsonOffset *items;
    size_t count;
    size_t capacity;
} GfJsonOffsets;

/* Check `length` bytes of JSON; text[length] must be a readable NUL.
 * Errors: GF_ERR_SYNTAX, GF_ERR_MEMORY. */
GfStatus gf_json_scan(const char *name, const char *text, size_t length, GfJsonOffsets *offsets, GfDiags *diags);

/* Check the one value that stands on a line of a text, from byte *at on; *at: out,
 * the line's end.  The bytes are UTF-8 without NULs already, and end with a NUL.
 * Errors: GF_ERR_SYNTAX, GF_ERR_MEMORY. */
GfStatus gf_json_scan_line(const char *name, const char *text, size_t *at, GfJsonOffsets *offsets, GfDiags *diags);

#endif
