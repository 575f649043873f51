/* weights.h -- the tensors of a checkpoint, in one safetensors file or in several.
 *
 *   model.safetensors                    all of them
 *   model.safetensors.index.json         {"metadata": {"total_size": 437951328},
 *                                         "weight_map": {"bert.pooler.dense.bias": "model-00002-of-00002.safetensors",
 * ...}} model-00001-of-00002.safetensors     beside the index: the shards, each mapped once
 *
 * The index comes from a stranger: a shard is a plain file name, so that nothing
 * outside of the index's folder is ever opened, and index and shards must name
 * the same tensors.
 * Source: huggingface_hub, "split_torch_state_dict_into_shards".
 */
#ifndef GF_RUNTIME_IO_WEIGHTS_H
#define GF_RUNTIME_IO_WEIGHTS_H

#include "runtime/io/safetensors.h"

#define GF_WEIGHTS_FILE "model.safetensors"
#define GF_WEIGHTS_INDEX "model.safetensors.index.json"

enum { GF_SHARDS_MAX = 4096 };

typedef struct GfWeights {
    GfArena arena;
    const char *path; /* of the file or of the index */
    GfSafetensors *files;
    size_t count;
} GfWeights;

/* Open a safetensors file, or, when the path ends in ".json", an index and its
 * shards.  On error nothing needs closing (closing is harmless).
 * Errors: those of gf_safetensors_open and gf_json_read_file; located in the index:
 * GF_ERR_NAME a shard that is no plain file name, a tensor in two shards;
 * GF_ERR_TENSOR a tensor that its shard lacks, or that the index does not list;
 * GF_ERR_FORMAT fewer bytes than total_size says. */
GfStatus gf_weights_open(GfWeights *weights, const char *path, GfDiags *diags);
void gf_weights_close(GfWeights *weights);

/* The tensor of this name, or NULL. */
const GfStTensor *gf_weights_find(const GfWeights *weights, const char *name);

/* The file that a tensor is in; NULL: in none of these. */
const GfSafetensors *gf_weights_file(const GfWeights *weights, const GfStTensor *tensor);

#endif
