/* nvrtc.c -- see nvrtc.h.  Functions as in the NVRTC reference of CUDA 12 and 13. */
#include "codegen/cuda/nvrtc.h"

#include "codegen/cuda/nvrtc_find.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ------------------------------------------------------------------------ */

/* False: the library lacks one. */
static bool find_functions(void *handle, Nvrtc *n)
{
    const struct {
        const char *name;
        void *at;
    } all[] = {
        {"nvrtcVersion", &n->version},
        {"nvrtcCreateProgram", &n->create},
        {"nvrtcCompileProgram", &n->compile},
        {"nvrtcGetProgramLogSize", &n->log_size},
        {"nvrtcGetProgramLog", &n->log},
        {"nvrtcGetCUBINSize", &n->cubin_size},
        {"nvrtcGetCUBIN", &n->cubin},
        {"nvrtcGetPTXSize", &n->ptx_size},
        {"nvrtcGetPTX", &n->ptx},
        {"nvrtcDestroyProgram", &n->destroy},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *symbol = dlsym(handle, all[i].name);
        if (!symbol)
            return false;
        memcpy(all[i].at, &symbol, sizeof symbol);
    }
    return true;
}

static GfStatus fail_missing(const char *named, GfDiags *diags)
{
    if (named && *named)
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "GRAFT_NVRTC names '%s', which cannot be loaded", named);
    else
        gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "compiling for CUDA needs NVRTC, and no libnvrtc was found");
    gf_note(diags, "a CUDA toolkit of 12.3 or newer has it, so has the PyPI package nvidia-cuda-nvrtc; GRAFT_NVRTC "
                   "names the library");
    return GF_ERR_TARGET;
}

static GfStatus check_version(Nvrtc *n, GfDiags *diags)
{
    n->major = n->minor = 0;
    if (n->version(&n->major, &n->minor) == 0 && n->major * 100 + n->minor >= 1203)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "libnvrtc is of CUDA %d.%d; 12.3 or newer is needed", n->major,
                   n->minor);
}

void nvrtc_close(Nvrtc *n)
{
    if (n->handle)
        dlclose(n->handle);
    n->handle = NULL;
}

GfStatus nvrtc_open(Nvrtc *n, GfDiags *diags)
{
    const char *named = getenv("GRAFT_NVRTC");

    n->handle = nvrtc_find(named);
    if (!n->handle)
        return fail_missing(named, diags);
    GfStatus status = find_functions(n->handle, n) ? check_version(n, diags)
                                                   : gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET,
                                                             "libnvrtc lacks a function: 12.3 or newer is needed");
    if (status != GF_OK)
        nvrtc_close(n);
    return status;
}

/* ---- compiling ------------------------------------------------------------------------ */

typedef int (*SizeFn)(NvrtcProgram program, size_t *size);
typedef int (*BytesFn)(NvrtcProgram program, char *bytes);

static char *take(NvrtcProgram program, SizeFn size_of, BytesFn bytes_of, size_t *size)
{
    char *bytes = size_of(program, size) == 0 ? malloc(*size + 1) : NULL;

    if (bytes && bytes_of(program, bytes) == 0) {
        bytes[*size] = '\0';
        return bytes;
    }
    free(bytes);
    return NULL;
}

void nvrtc_compile(const Nvrtc *n, NvrtcJob *job)
{
    char architecture[48], file[80];
    size_t log_size;
    NvrtcProgram program;

    snprintf(architecture, sizeof architecture,
             job->ptx ? "--gpu-architecture=compute_%.16s" : "--gpu-architecture=sm_%.16s", job->architecture + 3);
    snprintf(file, sizeof file, "%.70s.cu", job->name);
    const char *options[] = {architecture, "--std=c++17", "-default-device", "--ptxas-options=-v"};
    job->failed = true;
    if (n->create(&program, job->source, file, 0, NULL, NULL) != 0) {
        job->no_memory = true;
        return;
    }
    int error = n->compile(program, job->ptx ? 3 : 4, options);
    job->log = take(program, n->log_size, n->log, &log_size);
    if (error == 0) {
        job->image = job->ptx ? take(program, n->ptx_size, n->ptx, &job->image_size)
                              : take(program, n->cubin_size, n->cubin, &job->image_size);
        job->no_memory = !job->image;
        job->failed = !job->image;
    }
    n->destroy(&program);
}

static uint32_t number_before(const char *log, const char *word)
{
    const char *at = strstr(log, word);

    while (at && at > log && at[-1] == ' ')
        at--;
    while (at && at > log && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return at ? (uint32_t)strtoul(at, NULL, 10) : 0;
}

void nvrtc_read_usage(const char *log, GfBlockKernel *kernel)
{
    kernel->registers = number_before(log, " registers");
    kernel->static_shared = number_before(log, " bytes smem");
    kernel->spills = number_before(log, " bytes spill stores") + number_before(log, " bytes spill loads");
}
