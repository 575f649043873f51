/* builder.h -- a forward graph on its way from a model file: nodes and declarations.
 *
 * In the graph all inputs come first, then all params, then the ops.
 */
#ifndef GF_FRONTEND_GRAPH_BUILDER_H
#define GF_FRONTEND_GRAPH_BUILDER_H

#include "frontend/graph/scope.h"

typedef struct GfBuilder {
    GfModel *model;
    GfGraph *g;
    const GfJson *doc;
    GfDiags *diags;
    GfArena *scratch;
    GfScope inputs;
    GfNode *first_op; /* params go before it */
    GfNode *last_input;
    GfValue *rng; /* NULL until an op draws */
    int64_t next_key;
    uint32_t steps, params;
} GfBuilder;

enum { GF_LABEL_MAX = 255 }; /* characters of a parameter's whole name */

GfLoc gf_builder_loc(const GfBuilder *b, const cJSON *node);

/* Count a step towards GF_MODEL_STEPS_MAX.  Errors: GF_ERR_VALUE. */
GfStatus gf_builder_step(GfBuilder *b, const cJSON *node);

GfScope gf_builder_scope(const GfBuilder *b, const char *prefix);

/* Declare the inputs of the model file. */
GfStatus gf_builder_inputs(GfBuilder *b);

/* Have the operand of all ops that draw in b->rng. */
GfStatus gf_builder_rng(GfBuilder *b);

/* Declare the "params" of a block, or of the top level, and bind them in its scope. */
GfStatus gf_builder_params(GfBuilder *b, GfScope *scope, const cJSON *owner);

#endif
