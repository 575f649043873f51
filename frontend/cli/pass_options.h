/* pass_options.h -- the options about passes that `opt`, `compile` and `passes` share. */
#ifndef GF_FRONTEND_CLI_PASS_OPTIONS_H
#define GF_FRONTEND_CLI_PASS_OPTIONS_H

#include "frontend/cli/options.h"
#include "passes/passes.h"

/* Load what --load-pass names, in its order; close `plugins` also after an error. */
GfStatus gf_load_passes(const GfOptions *options, GfPlugins *plugins, GfDiags *diags);

#endif
