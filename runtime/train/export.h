/* export.h -- a run's model, written once more: for transformers and peft, adapters merged or not. */
#ifndef GF_RUNTIME_TRAIN_EXPORT_H
#define GF_RUNTIME_TRAIN_EXPORT_H

#include "runtime/train/run.h"

typedef struct GfExportOptions {
    GfStDType dtype; /* F32, F16 or BF16 */
    bool merge;      /* add the adapters to their weights */
    bool overwrite;  /* replace a folder that is there: folder.h */
} GfExportOptions;

/* Write the run's model (model_save.h) and its tokenizer files to `folder`, which
 * appears whole or not at all.
 * Errors: GF_ERR_VALUE nothing to merge, a number too large for the dtype;
 * GF_ERR_IO the folder exists, or is the run's own; GF_ERR_TENSOR the weights are
 * not those of the model. */
GfStatus gf_export(const GfRun *run, const char *folder, const GfExportOptions *options, GfDiags *diags);

#endif
