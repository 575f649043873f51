/* adapter.h -- a LoRA adapter, as PEFT writes and reads it.
 *
 *   adapter_config.json          {"peft_type": "LORA", "r": 8, "lora_alpha": 32, "target_modules": ["query"], ...}
 *   adapter_model.safetensors    base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight  [r, in]
 *                                base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight  [out, r]
 *                                base_model.model.classifier.weight    of modules_to_save
 *
 * graft names the same parameters "bert...query.lora_A", "...lora_B" and "classifier.weight".
 *
 * Which modules are adapted is what the file holds tensors for; target_modules is
 * compared with that by whoever has the model.  A text there is an expression of
 * Python's, of which the file shows what it matched.
 * Source: Hu et al., arXiv:2106.09685; https://huggingface.co/docs/peft, "LoRA", "Checkpoint format".
 */
#ifndef GF_RUNTIME_IO_ADAPTER_H
#define GF_RUNTIME_IO_ADAPTER_H

#include "frontend/graph/variant.h"
#include "runtime/io/safetensors.h"

#define GF_ADAPTER_CONFIG "adapter_config.json"
#define GF_ADAPTER_FILE "adapter_model.safetensors"

typedef struct GfAdapter {
    GfArena arena;
    GfJson config;
    GfSafetensors file;
    const char *base;    /* base_model_name_or_path; NULL: not given */
    GfLora lora;         /* targets: those of target_modules that the file has tensors for, or its modules */
    const char *variant; /* a variant file's text: LoRA on these targets */
} GfAdapter;

/* Open the adapter in `folder`.  On error nothing needs closing (closing is harmless).
 * Errors: those of the two files; GF_ERR_VALUE a setting that graft does not know,
 * such as DoRA; GF_ERR_NAME a tensor of another name than above;
 * GF_ERR_TENSOR half a pair, another rank than r. */
GfStatus gf_adapter_open(GfAdapter *adapter, const char *folder, GfDiags *diags);
void gf_adapter_close(GfAdapter *adapter);

/* The tensor of graft's parameter `name`, or NULL; names are made in `scratch`. */
const GfStTensor *gf_adapter_find(const GfAdapter *adapter, GfArena *scratch, const char *name);

/* The variant has adapters of this rank and scale; its targets are compared when
 * the store is filled.  Errors, in the variant's file: GF_ERR_VALUE. */
GfStatus gf_adapter_check_variant(const GfAdapter *adapter, const GfVariant *variant, GfDiags *diags);

/* What adapter_config.json says; all borrowed. */
typedef struct GfAdapterSave {
    const char *base;
    const GfLora *lora;
    const char *const *targets, *const *saved; /* target_modules, modules_to_save */
    size_t target_count, saved_count;
} GfAdapterSave;

GfStatus gf_adapter_write_config(const char *path, const GfAdapterSave *save, GfDiags *diags);

/* PEFT's name of graft's parameter `name`, in `arena`; NULL when memory ran out. */
const char *gf_adapter_key(GfArena *arena, const char *name);

#endif
