/* kernels_cuda.h -- a program's kernels on a CUDA device, and its launches. */
#ifndef GF_RUNTIME_EXEC_KERNELS_CUDA_H
#define GF_RUNTIME_EXEC_KERNELS_CUDA_H

#include "codegen/codegen.h"
#include "runtime/device/cuda.h"

/* What a buffer of a launch is on the device. */
typedef struct GfCudaPlaces {
    GfCuPointer *tensors; /* by index in the program */
    GfCuPointer arena, prepared;
    GfCuPointer sizes; /* i64 a symbol, of the run at hand */
} GfCudaPlaces;

/* Launches of a program that run as one, ready to be made: all but the grid. */
typedef struct GfCudaLaunch {
    const GfLaunch *of; /* `count` of them; more than one only of a batched kernel */
    uint32_t count;
    const GfKernel *kernel;
    GfCuFunction function;
    void **parameters; /* pointers to 8 bytes each */
} GfCudaLaunch;

typedef struct GfCudaKernels {
    const GfCuda *cuda;
    GfCuModule *modules; /* by kernel; NULL: not loaded */
    GfCuFunction *functions;
    uint32_t count;
    GfCuPointer records; /* of launches of batched kernels */
} GfCudaKernels;

/* Load all kernels of `program`.  Arrays in `arena`; gf_cuda_kernels_free follows on error, too.
 * Errors: GF_ERR_TARGET a kernel without machine code; GF_ERR_DEVICE one that the device does not take. */
GfStatus gf_cuda_kernels_load(GfCudaKernels *kernels, const GfCuda *cuda, const GfProgram *program, GfArena *arena,
                              GfDiags *diags);
void gf_cuda_kernels_free(GfCudaKernels *kernels);

/* Bind the launches of `program` to their places: `prepare` first, prepare_count of
 * them, then one a batch of the step; all in `arena`.  Once. */
GfStatus gf_cuda_launches_bind(GfCudaKernels *kernels, const GfProgram *program, const GfCudaPlaces *places,
                               GfArena *arena, GfCudaLaunch **out, uint32_t *count, GfDiags *diags);

/* Put a launch into the stream, with blocks for `sizes`: the actual ones or more. */
GfStatus gf_cuda_launch(const GfCudaKernels *kernels, const GfCudaLaunch *launch, const int64_t *sizes, GfDiags *diags);

/* Where a buffer lies. */
GfCuPointer gf_cuda_place(const GfCudaPlaces *places, GfBuffer buffer);

#endif
