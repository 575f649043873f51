/* convert.h -- the floating-point numbers of files: f16, bf16, f32, f64. */
#ifndef GF_RUNTIME_IO_CONVERT_H
#define GF_RUNTIME_IO_CONVERT_H

#include "runtime/io/safetensors.h"

/* The number at `bytes`, exactly; dtype is F16, BF16, F32 or F64, any alignment. */
double gf_st_load(GfStDType dtype, const void *bytes);

/* Round to the nearest number of the dtype, ties to even, once; too large a one
 * becomes infinite.  Writes gf_st_dtype_size(dtype) bytes. */
void gf_st_round(GfStDType dtype, double value, void *bytes);

#endif
