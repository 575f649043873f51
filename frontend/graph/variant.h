/* variant.h -- a variant file: what of a model trains.
 *
 *   {
 *     "variant": "lora",
 *     "freeze": ["*"],                  patterns of parameter names; none by default
 *     "train": ["classifier.*"],        exceptions to "freeze"
 *     "lora": {"targets": ["query", "key", "value"], "r": 8, "alpha": 32, "dropout": 0.1, "use_rslora": false},
 *     "frozen_dropout": true,           where nothing trains, dropout drops as in transformers; false: it does not
 *     "training": {"learning_rate": 5e-4}   laid over the job's
 *   }
 *
 * A target matches a linear whose path ends in it, as in PEFT.
 *
 * With "frozen_dropout": false what lies below everything that trains gives the same
 * for an example in every epoch: it is computed once and kept, up to the training
 * argument hoist_budget_mb (passes/hoist_frozen.c).  A dropout whose readers all train,
 * as before the classifier or in an adapter, is theirs and drops (passes/inference.c).
 */
#ifndef GF_FRONTEND_GRAPH_VARIANT_H
#define GF_FRONTEND_GRAPH_VARIANT_H

#include "frontend/graph/json.h"
#include "frontend/graph/path.h"

typedef struct GfLora {
    const char *targets; /* separated by spaces */
    int64_t r;
    double alpha, dropout;
    bool use_rslora; /* scale alpha / sqrt(r) instead of alpha / r */
} GfLora;

typedef struct GfVariant {
    GfArena arena;
    GfJson doc;
    const char *path;
    const char *name, *about;   /* name: the file's when the key is absent */
    const char *freeze, *train; /* patterns, separated by spaces; "" when absent */
    bool frozen_is_still;       /* "frozen_dropout": false */
    bool has_lora;
    GfLora lora;
    const cJSON *training; /* in doc, or NULL */
} GfVariant;

/* Read a variant, with `set_count` values set before.  On error nothing needs
 * closing (closing is harmless).
 * Errors: GF_ERR_IO, GF_ERR_SYNTAX, GF_ERR_KEY, GF_ERR_VALUE, each with its place. */
GfStatus gf_variant_load(GfVariant *variant, const char *path, const GfSet *sets, size_t set_count, GfDiags *diags);
GfStatus gf_variant_load_text(GfVariant *variant, const char *name, const char *text, size_t length, GfDiags *diags);
void gf_variant_close(GfVariant *variant);

/* Add the passes that make a forward graph this variant, each with a comma
 * behind it: "freeze{...},attach-lora{...},inference{frozen=1},".  NULL adds none: everything trains. */
void gf_variant_passes(const GfVariant *variant, GfText *list);

#endif
