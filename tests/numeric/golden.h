/* golden.h -- a folder of reference values, as make_reference.py lays it out. */
#ifndef GF_TESTS_NUMERIC_GOLDEN_H
#define GF_TESTS_NUMERIC_GOLDEN_H

#include "runtime/io/hf_config.h"
#include "runtime/io/safetensors.h"

typedef struct GoldenRun {
    const cJSON *node;
    const char *name, *variant, *lr_scheduler_type;
    int64_t warmup_steps, gradient_accumulation_steps, trainable;
    double weight_decay, max_grad_norm;
    double *loss, *grad_norm, *learning_rate; /* [steps] */
    size_t steps;
    double *logits; /* [logit_count] */
    size_t logit_count;
    GfSafetensors gradients, final;
} GoldenRun;

typedef struct Golden {
    GfArena arena;
    const char *folder;
    GfJson doc;
    GfHfConfig config;
    const char *model, *batches;
    GfSafetensors adapter;
    const char *targets; /* as a JSON array */
    int64_t rank;
    double alpha, learning_rate;
    GoldenRun *runs;
    size_t run_count;
} Golden;

/* Close it also after an error. */
GfStatus golden_open(Golden *golden, const char *folder, GfDiags *diags);
void golden_close(Golden *golden);

/* The name that the graph has for a tensor of the reference, in `arena`:
 * "base_model.model.X.lora_A.weight" is "X.lora_A". */
const char *golden_name(GfArena *arena, const char *name);

#endif
