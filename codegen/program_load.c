/* program_load.c -- machine code of a file, made to run; see program_file.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "codegen/cpu_level.h"
#include "codegen/program_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

static GfStatus fail_machine(const char *target, const char *file, GfDiags *diags)
{
    struct utsname host;
    const char *machine = uname(&host) == 0 ? host.machine : "another machine";

    gf_fail(diags, (GfLoc){.file = file}, GF_ERR_TARGET, "compiled for %s, but this machine is %s", target, machine);
    gf_note(diags, "compile the job again on such a machine");
    return GF_ERR_TARGET;
}

GfStatus gf_cpu_check_target(const char *target, const char *file, GfDiags *diags)
{
    const char *level = strncmp(target, "cpu:", 4) == 0 ? target + 4 : "";

    if (!cpu_level_is_known(level))
        return gf_fail(diags, (GfLoc){.file = file}, GF_ERR_TARGET, "compiled for '%s', which this graft does not know",
                       target);
    if (!cpu_level_host())
        return fail_machine(level, file, diags);
    const char *lacks = cpu_level_lacks(level);
    if (!lacks)
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = file}, GF_ERR_TARGET, "compiled for %s, but this processor has no %s", level, lacks);
    gf_note(diags, "it is %s: compile the job again with --target cpu:%s", cpu_level_host(), cpu_level_host());
    return GF_ERR_TARGET;
}

/* Pages of code: never writable and executable at once. */
typedef struct Pages {
    void *data;
    size_t size;
} Pages;

static void free_pages(void *self)
{
    Pages *pages = self;
    munmap(pages->data, pages->size);
}

static GfStatus fail_pages(GfDiags *diags, const char *file, size_t size)
{
    return gf_fail(diags, (GfLoc){.file = file}, GF_ERR_MEMORY,
                   "%zu bytes of memory for machine code cannot be had: %s", size, strerror(errno));
}

static GfStatus map_code(GfProgram *p, const char *file, GfDiags *diags)
{
    Pages *pages = GF_NEW(&p->arena, Pages);
    if (!pages)
        return gf_fail_memory(diags);
    void *data = mmap(NULL, p->code_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return fail_pages(diags, file, p->code_size);
    *pages = (Pages){.data = data, .size = p->code_size};
    p->native = pages;
    p->native_free = free_pages;
    memcpy(data, p->code, p->code_size);
    return mprotect(data, p->code_size, PROT_READ | PROT_EXEC) == 0 ? GF_OK : fail_pages(diags, file, p->code_size);
}

GfStatus gf_program_load(GfProgram *p, const char *file, GfDiags *diags)
{
    if (!p->code || p->native) /* none, or there already */
        return GF_OK;
    GF_TRY(gf_cpu_check_target(p->target, file, diags));
    GF_TRY(map_code(p, file, diags));
    for (uint32_t i = 0; i < p->kernel_count; i++)
        p->kernels[i].cpu = (GfCpuKernel)((uintptr_t)((Pages *)p->native)->data + p->kernels[i].code_at);
    return GF_OK;
}
