/* ops.c -- the cpu column of ir/ops.def as a table. */
#include "codegen/cpu/ops.h"

static const CpuOp *const ops[GF_OP_COUNT] = {
#define GF_OP(id, text, min, max, results, attrs, shape, eval, grad, class_, cpu, ...) [GF_OP_##id] = &cpu_##cpu,
#include "ir/ops.def"
};

const CpuOp *cpu_op(GfOp op)
{
    return ops[op];
}
