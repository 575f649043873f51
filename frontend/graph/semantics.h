/* semantics.h -- what a forward graph must mean beyond the shapes of its ops.
 *
 * The values of the inputs are known by name: ids and positions are checked
 * against the rows of their tables when data is read (gf_model_limits), types
 * are 0 or 1, starts are rows of the batch, labels are less than num_labels.  An
 * index that is anything else could leave its table.
 */
#ifndef GF_FRONTEND_GRAPH_SEMANTICS_H
#define GF_FRONTEND_GRAPH_SEMANTICS_H

#include "frontend/graph/builder.h"

/* The indices of `n`, which `statement` has made, fit what they look up.
 * Errors, at the operand: GF_ERR_OP an operand that must be another input;
 * GF_ERR_SHAPE rows or columns that do not fit; GF_ERR_KEY no num_labels. */
GfStatus gf_semantics_check_op(const GfBuilder *b, const cJSON *statement, const GfNode *n);

/* `value`, which the member `node` of "gives" names, is what a trainer takes
 * under that key.  Errors: GF_ERR_SHAPE; GF_ERR_KEY no num_labels. */
GfStatus gf_semantics_check_output(const GfBuilder *b, const cJSON *node, const GfValue *value);

/* Every pattern of "fresh" names a parameter.  Errors: GF_ERR_NAME. */
GfStatus gf_semantics_check_fresh(const GfModel *model, GfDiags *diags);

#endif
