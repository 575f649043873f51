/* pass_options.c -- see pass_options.h. */
#include "frontend/cli/pass_options.h"

GfStatus gf_load_passes(const GfOptions *options, GfPlugins *plugins, GfDiags *diags)
{
    const char *path;

    for (size_t i = 0; (path = gf_options_nth(options, "load-pass", i)); i++)
        GF_TRY(gf_plugins_load(plugins, path, diags));
    return GF_OK;
}
