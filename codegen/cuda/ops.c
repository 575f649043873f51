/* ops.c -- the column `block` of ir/ops.def as a table. */
#include "codegen/cuda/ops.h"

const CudaOp cuda_structure = {0};

static const CudaOp *const ops[GF_OP_COUNT] = {
#define GF_OP(id, text, min, max, results, attrs, shape, eval, grad, class_, cpu, block, ...)                          \
    [GF_OP_##id] = &cuda_##block,
#include "ir/ops.def"
};

const CudaOp *cuda_op(GfOp op)
{
    return ops[op];
}
