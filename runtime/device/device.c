/* device.c -- see device.h. */
#include "runtime/device/device.h"

#include "runtime/device/cuda.h"

#include <stdlib.h>
#include <string.h>

enum { ORDINAL_MAX = 255 };

/* ---- names ---- */

/* The number of "cuda" or "cuda:N"; -1: `name` is neither. */
static int cuda_ordinal(const char *name)
{
    char *end;

    if (!strcmp(name, "cuda"))
        return 0;
    if (strncmp(name, "cuda:", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    long ordinal = strtol(name + 5, &end, 10);
    return *end == '\0' && ordinal <= ORDINAL_MAX ? (int)ordinal : -1;
}

GfStatus gf_device_check_name(const char *name, GfDiags *diags)
{
    if (!strcmp(name, "cpu") || cuda_ordinal(name) >= 0)
        return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "unknown device '%s'", name);
    gf_note(diags, "cpu, cuda, or one of several: cuda:0, cuda:1");
    return GF_ERR_VALUE;
}

/* ---- CPU ---- */

static GfStatus open_cpu(GfDevice *d, uint32_t threads, GfDiags *diags)
{
    if (threads == 0)
        GF_TRY(gf_pool_default_threads(&threads, diags));
    d->target = "cpu";
    snprintf(d->text, sizeof d->text, "cpu: %u thread%s", (unsigned)threads, threads == 1 ? "" : "s");
    return gf_pool_new(threads, d->arena.allocator, &d->pool, diags);
}

/* ---- CUDA ---- */

/* Machine code for sm_90a is for 9.0 alone; elsewhere nothing of that kind is used. */
static GfStatus start_cuda(GfDevice *d, GfCuda *cuda, GfDiags *diags)
{
    bool hopper = cuda->major == 9 && cuda->minor == 0;

    GF_TRY(gf_cuda_start(cuda, diags));
    d->cuda = cuda;
    d->target = gf_arena_printf(&d->arena, "cuda:sm_%d%d%s", cuda->major, cuda->minor, hopper ? "a" : "");
    snprintf(d->text, sizeof d->text, "cuda:%d: %s", cuda->ordinal, cuda->name);
    return d->target ? GF_OK : gf_fail_memory(diags);
}

static GfStatus open_cuda(GfDevice *d, int ordinal, GfDiags *diags)
{
    GfCuda *cuda = GF_NEW(&d->arena, GfCuda);

    if (!cuda)
        return gf_fail_memory(diags);
    GF_TRY(gf_cuda_find(cuda, ordinal, diags));
    return start_cuda(d, cuda, diags);
}

/* A device that is there, and a compiler for it; why there is none is of no interest. */
static bool find_cuda(GfCuda *cuda, const GfAllocator *allocator)
{
    GfDiags unseen;

    gf_diags_init(&unseen, allocator);
    bool found = gf_cuda_find(cuda, 0, &unseen) == GF_OK;
    if (found && gf_backend_cuda.check(&unseen) != GF_OK) {
        gf_cuda_close(cuda);
        found = false;
    }
    gf_diags_free(&unseen);
    return found;
}

static GfStatus open_default(GfDevice *d, uint32_t threads, GfDiags *diags)
{
    GfCuda *cuda = GF_NEW(&d->arena, GfCuda);

    if (!cuda)
        return gf_fail_memory(diags);
    return find_cuda(cuda, d->arena.allocator) ? start_cuda(d, cuda, diags) : open_cpu(d, threads, diags);
}

/* ---- all ---- */

static GfStatus open_named(GfDevice *d, const char *name, uint32_t threads, GfDiags *diags)
{
    GF_TRY(gf_device_check_name(name, diags));
    return !strcmp(name, "cpu") ? open_cpu(d, threads, diags) : open_cuda(d, cuda_ordinal(name), diags);
}

GfStatus gf_device_open(GfDevice *d, const char *name, uint32_t threads, const GfAllocator *allocator, GfDiags *diags)
{
    const char *set = getenv("GRAFT_DEVICE");

    *d = (GfDevice){0};
    gf_arena_init(&d->arena, allocator);
    if (!name && set && *set)
        name = set;
    GfStatus status = name ? open_named(d, name, threads, diags) : open_default(d, threads, diags);
    if (status != GF_OK)
        gf_device_close(d);
    return status;
}

void gf_device_close(GfDevice *d)
{
    gf_pool_free(d->pool);
    if (d->cuda)
        gf_cuda_close(d->cuda);
    gf_arena_free(&d->arena);
    *d = (GfDevice){0};
}
