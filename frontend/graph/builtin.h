/* builtin.h -- the files of models/ as they were when the program was built, so
 * that a checkpoint of transformers can be read without any other file.
 */
#ifndef GF_FRONTEND_GRAPH_BUILTIN_H
#define GF_FRONTEND_GRAPH_BUILTIN_H

#include "frontend/graph/model.h"

typedef struct GfBuiltin {
    const char *name; /* "models/bert.json"; NULL ends the list */
    const char *text;
    size_t length;
} GfBuiltin;

extern const GfBuiltin gf_builtin_models[]; /* written by CMakeLists.txt */

/* Load the model that a config.json of this model_type ("bert") is of.
 * Errors, at `loc`: GF_ERR_VALUE there is none; those of gf_model_load. */
GfStatus gf_builtin_load(GfModel *model, const char *model_type, GfLoc loc, const GfModelOptions *options,
                         GfDiags *diags);

#endif
