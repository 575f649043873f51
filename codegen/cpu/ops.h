/* ops.h -- cpu_NAME for every name in the cpu column of ir/ops.def. */
#ifndef GF_CODEGEN_CPU_OPS_H
#define GF_CODEGEN_CPU_OPS_H

#include "codegen/cpu/emit.h"

#define GF_OP(id, text, min, max, results, attrs, shape, eval, grad, class_, cpu, ...) extern const CpuOp cpu_##cpu;
#include "ir/ops.def"

#endif
