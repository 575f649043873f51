/* model_values.h -- a model's parameters as a safetensors file: merged, narrowed, renamed. */
#ifndef GF_RUNTIME_TRAIN_MODEL_VALUES_H
#define GF_RUNTIME_TRAIN_MODEL_VALUES_H

#include "runtime/exec/store.h"

/* A parameter as it is written; all borrowed. */
typedef struct GfSavedTensor {
    const char *name; /* in the file */
    const GfStoreTensor *values;
    const GfStoreTensor *a, *b; /* added to it: scale * B A; NULL: none */
} GfSavedTensor;

/* Write the tensors in the order given, each number rounded once.
 *
 *   dtype  GF_ST_F32, GF_ST_F16 or GF_ST_BF16
 *   scale  of every B A: alpha / r or alpha / sqrt(r)
 *
 * An element of a merged weight W [m,k] is W + scale * sum over r of B[m,r] A[r,k], r
 * ascending, from f32 values in double, and only then rounded to the dtype.
 * Errors: those of gf_safetensors_write; GF_ERR_VALUE a number too large for the dtype.
 * Source: Hu et al., arXiv:2106.09685, section 4.1. */
GfStatus gf_model_values_write(const char *path, const GfSavedTensor *tensors, size_t count, GfStDType dtype,
                               double scale, GfDiags *diags);

#endif
