/* emulate_program.c -- see emulate_program.h. */
#include "tests/cuda/emulate_program.h"

#include "codegen/cuda/emit.h"
#include "tests/cuda/host_compiler.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a kernel's buffers are counted: by its first launch. */
static uint32_t buffers_of(const GfProgram *p, uint32_t kernel)
{
    for (uint32_t i = 0; i < p->launch_count; i++)
        if (p->launches[i].kernel == kernel)
            return p->launches[i].buffer_count;
    return 0;
}

static void write_kernel(FILE *f, const GfProgram *p, uint32_t i)
{
    const GfKernel *k = &p->kernels[i];

    fputs(k->block.source + strlen(cuda_device_headers), f);
    fprintf(f,
            "\nextern \"C\" void %s_cpu(void *const *buffers, const int64_t *sizes, const int64_t *scalars, "
            "int64_t begin, int64_t end, void *)\n{\n    gf_run_%s(%s, %u, %u, begin * %u, end * %u, buffers, scalars, "
            "sizes, %u);\n}\n\n",
            k->name, k->block.batched ? "batched" : "plain", k->name, k->block.threads, k->block.shared,
            k->block.splits, k->block.splits, buffers_of(p, i));
}

/* The kernel for launches that run as one: tasks of all of them. */
static void write_batch(FILE *f, const GfKernel *k)
{
    fprintf(f,
            "extern \"C\" void %s_batch(const void *records, int count, const int64_t *sizes, int64_t begin, "
            "int64_t end)\n{\n    gf_run_records(%s, %u, %u, begin * %u, end * %u, records, count, sizes);\n}\n\n",
            k->name, k->name, k->block.threads, k->block.shared, k->block.splits, k->block.splits);
}

static bool write_source(const GfProgram *p, bool aligned, const char *without, const char *path)
{
    const char *cut = without ? strstr(cuda_device_headers, without) : cuda_device_headers;

    FILE *f = fopen(path, "w");

    if (!f)
        return false;
    fprintf(f, "#define GF_ALIGNED %d\n#include \"%s/tests/cuda/emulate.h\"\n", aligned, GRAFT_SOURCE_DIR);
    fprintf(f, "%.*s%s\n", (int)(cut - cuda_device_headers), cuda_device_headers,
            cut + (without ? strlen(without) : 0));
    for (uint32_t i = 0; i < p->kernel_count; i++)
        write_kernel(f, p, i);
    for (uint32_t i = 0; i < p->kernel_count; i++)
        if (p->kernels[i].block.batched)
            write_batch(f, &p->kernels[i]);
    return fclose(f) == 0;
}

static void close_library(void *library)
{
    dlclose(library);
}

static GfStatus load(GfProgram *p, const char *path, GfDiags *diags)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "%s", dlerror());
    p->native = library;
    p->target = "cpu";
    p->native_free = close_library;
    for (uint32_t i = 0; i < p->kernel_count; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s_cpu", p->kernels[i].name);
        void *symbol = dlsym(library, name);
        if (!symbol)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "no '%s'", name);
        memcpy(&p->kernels[i].cpu, &symbol, sizeof symbol);
    }
    return GF_OK;
}

/* With the first of the compiler's words about what is wrong. */
static GfStatus fail_compile(const HostBuild *build, GfDiags *diags)
{
    size_t size;
    char *log = host_read_file(build->log, &size);
    const char *error = log ? strstr(log, "error") : NULL;

    error = error ? error : "no compiler";
    gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "the kernels do not compile: %.*s", (int)strcspn(error, "\n"), error);
    gf_note(diags, "GRAFT_KEEP_EMULATION=1 keeps them");
    free(log);
    return GF_ERR_COMPILE;
}

static GfStatus emulate(GfProgram *program, bool aligned, const char *without, GfDiags *diags)
{
    HostBuild build;

    if (!host_build_begin(&build))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_IO, "no temporary folder");
    bool built = write_source(program, aligned, without, build.source) && host_build_run(&build);
    GfStatus status = built ? load(program, build.library, diags) : fail_compile(&build, diags);
    if (!getenv("GRAFT_KEEP_EMULATION"))
        host_build_end(&build);
    return status;
}

GfStatus emulate_program(GfProgram *program, bool aligned, GfDiags *diags)
{
    return emulate(program, aligned, NULL, diags);
}

GfStatus emulate_program_without(GfProgram *program, const char *text, GfDiags *diags)
{
    if (!strstr(cuda_device_headers, text))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_NAME, "the device headers do not have '%s'", text);
    return emulate(program, true, text, diags);
}

EmulatedBatch emulated_batch(const GfProgram *program, uint32_t kernel)
{
    EmulatedBatch batch = NULL;
    char name[160];

    snprintf(name, sizeof name, "%s_batch", program->kernels[kernel].name);
    void *symbol = program->native ? dlsym(program->native, name) : NULL;
    memcpy(&batch, &symbol, sizeof batch);
    return batch;
}
