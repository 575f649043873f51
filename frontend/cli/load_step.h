/* load_step.h -- from the options of a command to a model, a variant and training
 * arguments: --variant FILE, --config DIR|FILE, --set key=value.
 *
 * `--set` reaches the model's config ("num_labels=6" or "config.num_labels=6"),
 * the variant's adapters ("lora.r=16") and the training arguments
 * ("training.weight_decay=0.01").
 */
#ifndef GF_FRONTEND_CLI_LOAD_STEP_H
#define GF_FRONTEND_CLI_LOAD_STEP_H

#include "frontend/cli/options.h"
#include "frontend/graph/model.h"
#include "frontend/graph/training.h"
#include "frontend/graph/variant.h"

typedef struct GfLoadedStep {
    GfModel model;
    GfVariant variant;
    bool has_variant;
    GfTraining training;     /* defaults, the variant's, --set */
    GfJson config;           /* --config */
    const char *config_path; /* NULL: none */
    GfJson sets;             /* --set, as one object */
} GfLoadedStep;

/* Load what the options name; `path` is the model.  Close it also after an error. */
GfStatus gf_step_load(GfLoadedStep *step, const char *path, const GfOptions *options, GfArena *arena, GfDiags *diags);
void gf_step_close(GfLoadedStep *step);

#endif
