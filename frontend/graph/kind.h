/* kind.h -- models, variants and jobs are all JSON objects: which one is this? */
#ifndef GF_FRONTEND_GRAPH_KIND_H
#define GF_FRONTEND_GRAPH_KIND_H

#include "frontend/graph/json.h"

typedef enum GfFileKind { GF_KIND_MODEL, GF_KIND_VARIANT, GF_KIND_JOB, GF_KIND_COUNT } GfFileKind;

/* Refuse a document that is an object and, by its keys, another kind of file than
 * `want`, with a note of where that kind goes.  One that has a key of `want`, or
 * no telling key, passes.
 * Errors: GF_ERR_VALUE no object, GF_ERR_KEY another kind. */
GfStatus gf_kind_check(const GfJson *doc, GfFileKind want, GfDiags *diags);

#endif
