/* recipe_passes.h -- which passes the lists of recipe.h have, and which of them are a choice.
 *
 * The training arguments without_passes and with_passes ("cse,fuse") leave passes out
 * of every list and put others in: `--without=cse,fuse`, `--with=merge-matmuls`.
 */
#ifndef GF_RUNTIME_TRAIN_RECIPE_PASSES_H
#define GF_RUNTIME_TRAIN_RECIPE_PASSES_H

#include "frontend/graph/training.h"
#include "passes/passes.h"

typedef struct GfRecipePass {
    GfPassId pass;
    const char *kept; /* why it cannot be left out; NULL: it can */
    bool extra;       /* runs only where with_passes names it */
} GfRecipePass;

/* Of the pass called `name`; NULL: no list has it. */
const GfRecipePass *gf_recipe_pass(const char *name);

/* Whether the training arguments let a pass of the lists run.  `fuse` always runs: left
 * out, it only gives each op that no pass before it has put into a kernel one of its own. */
bool gf_recipe_runs(const GfTraining *training, GfPassId pass);

/* Whether `list` ("cse, fuse") names the pass. */
bool gf_recipe_names(const char *list, const char *pass);

/* Whether the passes of `list` can be left out, or can be put in.  `key` is what the list was given
 * as ("--without"), `loc` where.
 * Errors: GF_ERR_PASS no pass (with the closest name), one that no list has, one that is needed. */
GfStatus gf_recipe_check_without(const char *list, const char *key, GfLoc loc, GfDiags *diags);
GfStatus gf_recipe_check_with(const char *list, const char *key, GfLoc loc, GfDiags *diags);

#endif
