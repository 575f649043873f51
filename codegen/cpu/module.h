/* module.h -- an LLVM module for the host, and how it becomes running code. */
#ifndef GF_CODEGEN_CPU_MODULE_H
#define GF_CODEGEN_CPU_MODULE_H

#include "codegen/codegen.h"
#include "codegen/cpu/ll.h"

#include <llvm-c/TargetMachine.h>

typedef struct CpuModule {
    Ll ll;
    LLVMTargetMachineRef machine;
} CpuModule;

/* The processor is options->features, an LLVM processor name such as "x86-64-v3"
 * (how tests reach other vector widths), else what options->target names
 * ("cpu:x86-64-v3"), else the host's. */
GfStatus cpu_module_open(CpuModule *m, const GfCompileOptions *options, GfDiags *diags);
void cpu_module_close(CpuModule *m);

/* Optimize, compile, and point the program's kernels at the code, which lives
 * until the program is freed. */
GfStatus cpu_module_load(CpuModule *m, GfProgram *program, GfDiags *diags);

/* Optimize, compile, and put code that needs no linking into the program; see image.h. */
GfStatus cpu_module_store(CpuModule *m, GfProgram *program, GfDiags *diags);

GfStatus cpu_module_print(CpuModule *m, bool assembly, GfText *out, GfDiags *diags);

#endif
