/* pretrained.h -- the folder that a model comes from: weights, or an adapter and its base.
 *
 *   a model      config.json, model.safetensors or its index and shards
 *   an adapter   adapter_config.json, adapter_model.safetensors; perhaps config.json
 *
 * An adapter's base is, in this order: the one given; its own subfolder `base`,
 * which `graft train` writes where there is no checkpoint to name; the folder that
 * base_model_name_or_path names, seen from the adapter's folder or from the
 * working directory.
 */
#ifndef GF_RUNTIME_IO_PRETRAINED_H
#define GF_RUNTIME_IO_PRETRAINED_H

#include "runtime/io/adapter.h"

#define GF_OWN_BASE "base"

typedef struct GfPretrained {
    GfArena arena;
    const char *folder;    /* as it was given */
    const char *base;      /* the folder of the weights: `folder`, or an adapter's base */
    const char *weights;   /* for gf_weights_open */
    const char *config;    /* config.json of `folder`, or of `base` where an adapter has none */
    const char *tokenizer; /* the folder that has a vocabulary: `folder`, else `base` */
    bool has_adapter;
    bool own_base; /* the adapter's base is its own subfolder */
    GfAdapter adapter;
} GfPretrained;

/* Find out what `folder` holds, and open an adapter; weights are only looked for.
 *
 *   base   the adapter's base; NULL: see above
 *   loc    where the folder was named
 *
 * On error nothing needs closing (closing is harmless).
 * Errors: GF_ERR_IO no such folder, no weights in it, no base; GF_ERR_VALUE a base
 * that is an adapter, a base for what is none; those of gf_adapter_open. */
GfStatus gf_pretrained_open(GfPretrained *pretrained, const char *folder, const char *base, GfLoc loc, GfDiags *diags);
void gf_pretrained_close(GfPretrained *pretrained);

#endif
