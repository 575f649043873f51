/* cuda_driver.c -- see cuda_driver.h.  Functions as in NVIDIA's CUDA Driver API reference. */
#include "runtime/device/cuda_driver.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_VERSION = 12000 };

const char *const gf_cuda_symbols[GF_CUDA_CALL_COUNT] = {
#define X(member, symbol, parameters) [GF_CUDA_CALL_##member] = #symbol,
    GF_CUDA_DRIVER(X)
#undef X
};

/* ---- opening ---- */

/* The driver does not stand being unloaded and loaded again: it stays. */
static void *open_library(const char *named)
{
    static const char *const places[] = {
        "libcuda.so.1",
        "libcuda.so",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib64/libcuda.so.1",
        "/usr/local/nvidia/lib64/libcuda.so.1",
        "/usr/lib/wsl/lib/libcuda.so.1",
    };
    void *handle = NULL;

    if (named && *named)
        return dlopen(named, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    for (size_t i = 0; !handle && i < sizeof places / sizeof *places; i++)
        handle = dlopen(places[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return handle;
}

static GfStatus fail_missing(const char *named, GfDiags *diags)
{
    if (named && *named)
        gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "GRAFT_LIBCUDA names '%s', which cannot be loaded: %s", named,
                dlerror());
    else
        gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "a CUDA device needs NVIDIA's driver, and no libcuda.so.1 was found");
    gf_note(diags, "the driver package of the GPU has it; GRAFT_LIBCUDA names the library; --device cpu needs none");
    return GF_ERR_DEVICE;
}

static GfStatus find_functions(GfCudaDriver *d, GfDiags *diags)
{
    void *const members[] = {
#define X(member, symbol, parameters) &d->member,
        GF_CUDA_DRIVER(X)
#undef X
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        void *symbol = dlsym(d->handle, gf_cuda_symbols[i]);
        if (!symbol)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE,
                           "libcuda lacks the function %s: the driver must be of CUDA %d.%d or newer",
                           gf_cuda_symbols[i], LEAST_VERSION / 1000, LEAST_VERSION % 1000 / 10);
        memcpy(members[i], &symbol, sizeof symbol);
    }
    return GF_OK;
}

static GfStatus check_version(GfCudaDriver *d, GfDiags *diags)
{
    GF_TRY(GF_CUDA(d, driver_version, (&d->version), diags, "opening the driver"));
    if (d->version >= LEAST_VERSION)
        return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "the driver is of CUDA %d.%d; 12.0 or newer is needed", d->version / 1000,
            d->version % 1000 / 10);
    gf_note(diags, "NVIDIA's driver 525 or newer has it");
    return GF_ERR_DEVICE;
}

static GfStatus initialise(GfCudaDriver *d, GfDiags *diags)
{
    GfCuResult result = d->init(0);

    if (result != GF_CU_ERROR_NO_DEVICE)
        return gf_cuda_check(d, result, "cuInit", diags, "opening the driver");
    gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "there is a driver, but no CUDA device");
    gf_note(diags, "nvidia-smi lists the devices; CUDA_VISIBLE_DEVICES may hide some");
    return GF_ERR_DEVICE;
}

GfStatus gf_cuda_driver_open(GfCudaDriver *d, GfDiags *diags)
{
    const char *named = getenv("GRAFT_LIBCUDA");

    *d = (GfCudaDriver){.handle = open_library(named)};
    if (!d->handle)
        return fail_missing(named, diags);
    GfStatus status = find_functions(d, diags);
    if (status == GF_OK)
        status = check_version(d, diags); /* first: an old driver may not know the device either */
    if (status == GF_OK)
        status = initialise(d, diags);
    if (status != GF_OK)
        gf_cuda_driver_close(d);
    return status;
}

void gf_cuda_driver_close(GfCudaDriver *d)
{
    if (d->handle)
        dlclose(d->handle);
    *d = (GfCudaDriver){0};
}

/* ---- errors ---- */

GfStatus gf_cuda_check(const GfCudaDriver *d, GfCuResult result, const char *symbol, GfDiags *diags, const char *doing,
                       ...)
{
    const char *name = NULL, *text = NULL;
    char what[256];
    va_list arguments;

    if (result == 0)
        return GF_OK;
    va_start(arguments, doing);
    vsnprintf(what, sizeof what, doing, arguments);
    va_end(arguments);
    d->error_name(result, &name);
    d->error_string(result, &text);
    return gf_fail(diags, GF_NOWHERE, result == GF_CU_ERROR_OUT_OF_MEMORY ? GF_ERR_MEMORY : GF_ERR_DEVICE,
                   "%s: %s: %s (%d): %s", what, symbol, name ? name : "error", result, text ? text : "unknown");
}
