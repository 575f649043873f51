/* elaborate.h -- from a checked model file to its forward graph. */
#ifndef GF_FRONTEND_GRAPH_ELABORATE_H
#define GF_FRONTEND_GRAPH_ELABORATE_H

#include "frontend/graph/model.h"

/* Build the graph of `model`, whose doc gf_model_check has accepted and whose
 * config is complete, into model->graph, which is there and empty.
 * Errors: those of gf_model_load. */
GfStatus gf_model_elaborate(GfModel *model, GfDiags *diags);

#endif
