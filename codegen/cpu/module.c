/* module.c -- see module.h. */
#include "codegen/cpu/module.h"

#include "codegen/cpu/image.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

/* The IR is written as it should run: only the stack slots must become
 * registers and addresses be shared and hoisted. */
static const char pass_list[] = "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa("
                                "licm),gvn,instcombine<no-verify-fixpoint>,simplifycfg)";

static GfStatus fail(GfDiags *diags, const char *what, char *message)
{
    GfStatus status = gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "%s: %s", what, message ? message : "unknown reason");
    LLVMDisposeMessage(message);
    return status;
}

static GfStatus fail_error(GfDiags *diags, const char *what, LLVMErrorRef error)
{
    char *message = LLVMGetErrorMessage(error);
    GfStatus status = gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "%s: %s", what, message);
    LLVMDisposeErrorMessage(message);
    return status;
}

/* ---- the machine ------------------------------------------------------------------- */

/* An LLVM processor name, and behind it perhaps "/16"; NULL: the host's. */
static const char *processor_of(const GfCompileOptions *o)
{
    const char *level = o->target ? strchr(o->target, ':') : NULL;
    return o->features ? o->features : level ? level + 1 : NULL;
}

static char *processor_name(const char *text)
{
    char *name = LLVMCreateMessage(text);
    name[strcspn(name, "/")] = '\0';
    return name;
}

static GfStatus open_machine(CpuModule *m, const GfCompileOptions *options, GfDiags *diags)
{
    LLVMTargetRef target;
    char *error = NULL, *triple = LLVMGetDefaultTargetTriple();
    const char *processor = processor_of(options);
    char *cpu = processor ? processor_name(processor) : LLVMGetHostCPUName();
    char *features = processor ? LLVMCreateMessage("") : LLVMGetHostCPUFeatures();

    if (LLVMGetTargetFromTriple(triple, &target, &error)) {
        LLVMDisposeMessage(triple);
        LLVMDisposeMessage(cpu);
        LLVMDisposeMessage(features);
        return fail(diags, "LLVM knows no target for this machine", error);
    }
    m->machine = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                         LLVMCodeModelSmall);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    return m->machine ? GF_OK
                      : gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "LLVM has no code generator for this machine");
}

/* Vector width and register tile from the features: AVX-512 has 32 registers
 * of 16 floats, AVX2 16 of 8; anything else gets 4 floats and 16 registers.
 * With "/16" behind the processor's name the code is as for AVX-512, and LLVM
 * splits its vectors: so that its tests run on any machine. */
static void choose_tile(CpuModule *m, const char *processor)
{
    char *cpu = LLVMGetTargetMachineCPU(m->machine), *features = LLVMGetTargetMachineFeatureString(m->machine);
    char *triple = LLVMGetTargetMachineTriple(m->machine);
    bool v4 = strstr(features, "+avx512f") || strcmp(cpu, "x86-64-v4") == 0;
    bool v3 = strstr(features, "+avx2") || strcmp(cpu, "x86-64-v3") == 0;

    m->ll.fma = v4 || v3 || strncmp(triple, "x86", 3) != 0;
    v4 = v4 || (processor && strstr(processor, "/16"));
    m->ll.width = v4 ? 16 : v3 ? 8 : 4;
    m->ll.tile_rows = v4 ? 12 : v3 ? 6 : 4;
    m->ll.tile_vectors = 2;
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
}

static void open_types(Ll *l)
{
    l->void_ = LLVMVoidTypeInContext(l->context);
    l->i1 = LLVMInt1TypeInContext(l->context);
    l->i32 = LLVMInt32TypeInContext(l->context);
    l->i64 = LLVMInt64TypeInContext(l->context);
    l->f32 = LLVMFloatTypeInContext(l->context);
    l->f64 = LLVMDoubleTypeInContext(l->context);
    l->ptr = LLVMPointerTypeInContext(l->context, 0);
    l->vf = LLVMVectorType(l->f32, l->width);
    l->vi = LLVMVectorType(l->i32, l->width);
    l->vm = LLVMVectorType(l->i1, l->width);
}

GfStatus cpu_module_open(CpuModule *m, const GfCompileOptions *options, GfDiags *diags)
{
    *m = (CpuModule){0};
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    GF_TRY(open_machine(m, options, diags));
    choose_tile(m, processor_of(options));
    Ll *l = &m->ll;
    l->context = LLVMContextCreate();
    l->module = LLVMModuleCreateWithNameInContext("graft", l->context);
    l->b = LLVMCreateBuilderInContext(l->context);
    open_types(l);
    char *triple = LLVMGetTargetMachineTriple(m->machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
    LLVMSetTarget(l->module, triple);
    LLVMSetModuleDataLayout(l->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
    return GF_OK;
}

void cpu_module_close(CpuModule *m)
{
    if (m->ll.b)
        LLVMDisposeBuilder(m->ll.b);
    if (m->ll.module)
        LLVMDisposeModule(m->ll.module);
    if (m->ll.context)
        LLVMContextDispose(m->ll.context);
    if (m->machine)
        LLVMDisposeTargetMachine(m->machine);
    *m = (CpuModule){0};
}

/* ---- code ----------------------------------------------------------------------------- */

static GfStatus optimize(CpuModule *m, GfDiags *diags)
{
    char *message = NULL;

    if (LLVMVerifyModule(m->ll.module, LLVMReturnStatusAction, &message))
        return fail(diags, "the kernels are not valid LLVM IR", message);
    LLVMDisposeMessage(message);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(m->ll.module, pass_list, m->machine, options);
    LLVMDisposePassBuilderOptions(options);
    return error ? fail_error(diags, "LLVM's passes failed", error) : GF_OK;
}

static GfStatus make_code(CpuModule *m, LLVMCodeGenFileType type, LLVMMemoryBufferRef *code, GfDiags *diags)
{
    char *message = NULL;

    GF_TRY(optimize(m, diags));
    if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, m->ll.module, type, &message, code))
        return fail(diags, "LLVM cannot write code", message);
    return GF_OK;
}

static void free_jit(void *jit)
{
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(jit);
    if (error)
        LLVMConsumeError(error);
}

static GfStatus find_kernels(LLVMOrcLLJITRef jit, GfProgram *program, GfDiags *diags)
{
    for (uint32_t i = 0; i < program->kernel_count; i++) {
        LLVMOrcExecutorAddress address;
        LLVMErrorRef error = LLVMOrcLLJITLookup(jit, &address, program->kernels[i].name);
        if (error)
            return fail_error(diags, "a compiled kernel cannot be found", error);
        program->kernels[i].cpu = (GfCpuKernel)(uintptr_t)address;
    }
    return GF_OK;
}

GfStatus cpu_module_load(CpuModule *m, GfProgram *program, GfDiags *diags)
{
    LLVMMemoryBufferRef code;
    LLVMOrcLLJITRef jit;

    GF_TRY(make_code(m, LLVMObjectFile, &code, diags));
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&jit, LLVMOrcCreateLLJITBuilder());
    if (error) {
        LLVMDisposeMemoryBuffer(code);
        return fail_error(diags, "ORC cannot start", error);
    }
    program->native = jit;
    program->native_free = free_jit;
    error = LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), code);
    if (error)
        return fail_error(diags, "ORC cannot load the compiled kernels", error);
    return find_kernels(jit, program, diags);
}

GfStatus cpu_module_store(CpuModule *m, GfProgram *program, GfDiags *diags)
{
    LLVMMemoryBufferRef code;

    GF_TRY(make_code(m, LLVMObjectFile, &code, diags));
    GfStatus status = cpu_image_make(LLVMGetBufferStart(code), LLVMGetBufferSize(code), program, diags);
    LLVMDisposeMemoryBuffer(code);
    return status;
}

GfStatus cpu_module_print(CpuModule *m, bool assembly, GfText *out, GfDiags *diags)
{
    LLVMMemoryBufferRef code;

    if (!assembly) {
        GF_TRY(optimize(m, diags));
        char *text = LLVMPrintModuleToString(m->ll.module);
        gf_text_add_bytes(out, text, strlen(text));
        LLVMDisposeMessage(text);
        return GF_OK;
    }
    GF_TRY(make_code(m, LLVMAssemblyFile, &code, diags));
    gf_text_add_bytes(out, LLVMGetBufferStart(code), LLVMGetBufferSize(code));
    LLVMDisposeMemoryBuffer(code);
    return GF_OK;
}
