/* model_check.h -- what can be said of a model file before any size is known. */
#ifndef GF_FRONTEND_GRAPH_MODEL_CHECK_H
#define GF_FRONTEND_GRAPH_MODEL_CHECK_H

#include "frontend/graph/json.h"
#include "ir/ir.h"

/* Keys, types and references of the whole file: every statement has the keys of
 * its op or use, every block that is used exists and gets as many values and
 * sizes as it takes, no block uses itself.  `scratch` is for the call.
 * Errors: GF_ERR_KEY, GF_ERR_VALUE, GF_ERR_NAME, GF_ERR_OP. */
GfStatus gf_model_check(const GfJson *doc, GfArena *scratch, GfDiags *diags);

/* The keys of a statement are those of its op. */
GfStatus gf_model_check_op(const GfJson *doc, const cJSON *statement, GfOp op, GfDiags *diags);

/* A statement gives its block as many values and sizes as this takes, and names as many as it gives. */
GfStatus gf_model_check_use(const GfJson *doc, const cJSON *statement, const cJSON *block, GfDiags *diags);

/* The op called `text`, if statements may use it; the error stands at `loc`. */
GfStatus gf_model_find_op(const char *text, GfLoc loc, GfOp *op, GfDiags *diags);

#endif
