/* mirror_cuda.h -- a store's tensors in the memory of a CUDA device. */
#ifndef GF_RUNTIME_EXEC_MIRROR_CUDA_H
#define GF_RUNTIME_EXEC_MIRROR_CUDA_H

#include "runtime/device/cuda.h"
#include "runtime/exec/store.h"

/* Copy all tensors of the store (filled) to the device, unless that has been done.
 * The copies live as long as the store, and the device longer.
 * Errors: GF_ERR_MEMORY the device has too little; GF_ERR_DEVICE. */
GfStatus gf_mirror_cuda(GfStore *store, const GfCuda *cuda, GfDiags *diags);

/* The copy of one of the tensors of a store that was mirrored. */
GfCuPointer gf_mirror_cuda_find(const GfStore *store, const GfStoreTensor *tensor);

#endif
