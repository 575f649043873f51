/* features.h -- what the cuda target may use beyond what every device has.
 *
 * A list of names with commas, or "": from the compile options, or, where these
 * have none, from the environment variable GRAFT_CUDA_FEATURES.
 *
 *   wgmma  products of factors rounded to bf16 by the warp-group instructions of
 *          sm_90a (device/hopper.cuh).  Off unless asked for: on an H200 it gives the
 *          reference values, but a step of bert-base took 1.2 to 1.3 times as long
 *          (tests/bench/RESULTS.md): a factor goes through shared memory once more.
 *          "wgmma:64x96": tiles of this size alone, narrow products too: to
 *          measure sizes one by one, and to test small models.
 *   tile:64x128
 *          tiles of this size for products whose factors are rounded, where it has
 *          room for the sums and there is neither head nor tail; also
 *          tile:64x64 and tile:128x128: to measure sizes one by one.
 */
#ifndef GF_CODEGEN_CUDA_FEATURES_H
#define GF_CODEGEN_CUDA_FEATURES_H

#include "codegen/codegen.h"

typedef struct CudaTileSize {
    int rows, columns; /* 0: the compiler chooses */
} CudaTileSize;

typedef struct CudaFeatures {
    bool wgmma;
    CudaTileSize stage; /* of wgmma's tiles */
    CudaTileSize tile;  /* of the others */
} CudaFeatures;

/* Errors: GF_ERR_TARGET  a name that is unknown, or not for this target ("cuda:sm_80") */
GfStatus cuda_features_read(const GfCompileOptions *options, const char *target, CudaFeatures *out, GfDiags *diags);

#endif
