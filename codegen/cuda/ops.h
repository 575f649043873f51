/* ops.h -- cuda_NAME for every name in the cuda column of ir/ops.def. */
#ifndef GF_CODEGEN_CUDA_OPS_H
#define GF_CODEGEN_CUDA_OPS_H

#include "codegen/cuda/emit.h"

#define GF_OP(id, text, min, max, results, attrs, shape, eval, grad, class_, cpu, block, ...)                          \
    extern const CudaOp cuda_##block;
#include "ir/ops.def"

#endif
