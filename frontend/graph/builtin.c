/* builtin.c -- see builtin.h. */
#include "frontend/graph/builtin.h"

#include <string.h>

/* Whether "models/bert.json" is the file of `model_type`. */
static bool is_of(const GfBuiltin *b, const char *model_type)
{
    const char *name = strchr(b->name, '/') + 1;
    size_t length = strlen(model_type);

    return strncmp(name, model_type, length) == 0 && strcmp(name + length, ".json") == 0;
}

GfStatus gf_builtin_load(GfModel *model, const char *model_type, GfLoc loc, const GfModelOptions *options,
                         GfDiags *diags)
{
    for (const GfBuiltin *b = gf_builtin_models; b->name; b++)
        if (is_of(b, model_type))
            return gf_model_load_text(model, b->name, b->text, b->length, options, diags);
    *model = (GfModel){0};
    gf_fail(diags, loc, GF_ERR_VALUE, "graft has no model for the model_type \"%s\" of its own", model_type);
    gf_note(diags, "--model FILE names a model file: models/bert.json shows how one is written");
    return GF_ERR_VALUE;
}
