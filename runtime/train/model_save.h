/* model_save.h -- a model's folder, as transformers and peft read it.
 *
 *   a model      config.json, model.safetensors
 *   an adapter   config.json, adapter_config.json, adapter_model.safetensors
 *
 * An adapter belongs to the checkpoint that it was trained on.  What it cannot
 * take from there goes with it, as PEFT's modules_to_save: modules that train, and
 * those that the checkpoint lacked.  Where that does not do (no checkpoint; an
 * adapted weight itself trains or was drawn), the folder has the base in `base/`:
 * a model's folder with the weights beside the adapters as they are now.
 */
#ifndef GF_RUNTIME_TRAIN_MODEL_SAVE_H
#define GF_RUNTIME_TRAIN_MODEL_SAVE_H

#include "frontend/graph/model.h"
#include "frontend/graph/variant.h"
#include "runtime/exec/store.h"
#include "runtime/io/hf_config.h"

/* All borrowed. */
typedef struct GfModelSave {
    const GfModel *model;
    const GfVariant *variant;
    const GfHfConfig *config; /* the checkpoint's; NULL: none */
    const char *const *labels;
    size_t label_count;
    const char *problem_type; /* as transformers names it; NULL: not stated */
    GfStore *store;
    const char *base; /* folder of the checkpoint that an adapter goes with; NULL: none */
    const char *home; /* where the folder will stand; NULL: where it is written */
    GfStDType dtype;  /* of the weights: F32, F16, BF16 */
    bool merge;       /* add the adapters to their weights: a model, whatever the variant */
} GfModelSave;

/* Write the files above into a folder that exists; those of the other kind are removed. */
GfStatus gf_model_save(const char *folder, const GfModelSave *save, GfDiags *diags);

#endif
