/* fake_cuda.c -- a test tool, see fake_cuda.h: devices, contexts, memory, modules. */
#include "tests/cuda/fake_cuda.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define X(member, symbol, parameters) GfCuResult symbol parameters;
GF_CUDA_DRIVER(X)
#undef X

enum { SHARED_UNASKED = 48 * 1024 };

/* ---- errors ---- */

static const struct {
    GfCuResult number;
    const char *name, *text;
} errors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {FAKE_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {FAKE_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {FAKE_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {FAKE_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {FAKE_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {FAKE_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {FAKE_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {FAKE_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {FAKE_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {FAKE_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {FAKE_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {FAKE_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {FAKE_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {FAKE_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {FAKE_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {FAKE_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capture"},
    {FAKE_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

GfCuResult cuGetErrorName(GfCuResult error, const char **name)
{
    *name = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == error)
            *name = errors[i].name;
    return *name ? 0 : FAKE_INVALID_VALUE;
}

GfCuResult cuGetErrorString(GfCuResult error, const char **text)
{
    *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == error)
            *text = errors[i].text;
    return *text ? 0 : FAKE_INVALID_VALUE;
}

/* ---- devices ---- */

GfCuResult cuInit(unsigned flags)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_init));
    if (flags)
        return FAKE_INVALID_VALUE;
    if (fake_settings()->devices == 0)
        return FAKE_NO_DEVICE;
    fake_set_initialized();
    return 0;
}

GfCuResult cuDriverGetVersion(int *version)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_driver_version));
    *version = fake_settings()->version;
    return 0;
}

GfCuResult cuDeviceGetCount(int *count)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_device_count));
    *count = fake_settings()->devices;
    return 0;
}

GfCuResult cuDeviceGet(GfCuDevice *device, int ordinal)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_device_get));
    if (!fake_device(ordinal))
        return FAKE_INVALID_DEVICE;
    *device = ordinal;
    return 0;
}

GfCuResult cuDeviceGetName(char *name, int room, GfCuDevice device)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_device_name));
    if (!fake_device(device))
        return FAKE_INVALID_DEVICE;
    snprintf(name, (size_t)room, "Fake GPU %d", device);
    return 0;
}

/* The most shared memory that a block may ask for: CUDA C Programming Guide, compute capabilities. */
static int most_shared(const FakeSettings *s)
{
    if (s->major == 8 && (s->minor == 0 || s->minor == 7))
        return 163 * 1024;
    if (s->major == 9 || s->major == 10)
        return 227 * 1024;
    return s->major < 8 ? 64 * 1024 : 99 * 1024;
}

GfCuResult cuDeviceGetAttribute(int *value, int attribute, GfCuDevice device)
{
    const FakeSettings *s = fake_settings();

    FAKE_TRY(fake_begin(GF_CUDA_CALL_device_attribute));
    if (!fake_device(device))
        return FAKE_INVALID_DEVICE;
    switch (attribute) {
    case GF_CU_ATTRIBUTE_MAX_THREADS:
        *value = 1024;
        return 0;
    case GF_CU_ATTRIBUTE_MULTIPROCESSORS:
        *value = 4;
        return 0;
    case GF_CU_ATTRIBUTE_MAJOR:
        *value = s->major;
        return 0;
    case GF_CU_ATTRIBUTE_MINOR:
        *value = s->minor;
        return 0;
    case GF_CU_ATTRIBUTE_MAX_SHARED:
        *value = most_shared(s);
        return 0;
    default:
        return FAKE_INVALID_VALUE;
    }
}

/* ---- contexts ---- */

GfCuResult cuDevicePrimaryCtxRetain(GfCuContext *context, GfCuDevice device)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_context_retain));
    if (!fake_device(device))
        return FAKE_INVALID_DEVICE;
    *context = fake_device(device);
    (*context)->retained++;
    return 0;
}

/* What is left in a context goes with it, and counts as leaked. */
static void destroy_context(GfCuContext context)
{
    work_do_all(context);
    for (Object *o = fake_objects(); o; o = o->next)
        if (o->context == context)
            o->context = NULL;
    context->used = 0;
    context->broken = 0;
}

GfCuResult cuDevicePrimaryCtxRelease_v2(GfCuDevice device)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_context_release);
    GfCuContext context = fake_device(device);

    if (!context)
        return FAKE_INVALID_DEVICE;
    if (!context->retained)
        return FAKE_INVALID_CONTEXT;
    if (--context->retained == 0)
        destroy_context(context);
    return result;
}

GfCuResult cuCtxSetCurrent(GfCuContext context)
{
    FAKE_TRY(fake_begin(GF_CUDA_CALL_context_set));
    if (context && (context->object.kind != KIND_CONTEXT || !context->retained))
        return FAKE_INVALID_CONTEXT;
    fake_set_context(context);
    return 0;
}

/* ---- memory ---- */

GfCuResult cuMemGetInfo_v2(size_t *available, size_t *total)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_memory_info));
    *total = fake_settings()->memory;
    *available = *total - fake_context()->used;
    return 0;
}

GfCuResult cuMemAlloc_v2(GfCuPointer *pointer, size_t bytes)
{
    Range *r;

    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_memory_alloc));
    FAKE_TRY(fake_forbid_in_capture());
    FAKE_TRY(fake_allocate(KIND_MEMORY, bytes, &r));
    *pointer = (GfCuPointer)(uintptr_t)r->data;
    return 0;
}

/* Waits for all work, as the driver does. */
GfCuResult cuMemFree_v2(GfCuPointer pointer)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_memory_free);
    Range *r = fake_range(KIND_MEMORY, pointer, 0);

    if (!r || pointer != (GfCuPointer)(uintptr_t)r->data)
        return FAKE_INVALID_VALUE;
    FAKE_TRY(fake_forbid_in_capture());
    work_do_all(fake_context());
    fake_release(r);
    return result;
}

GfCuResult cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    Range *r;

    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_host_alloc));
    if (flags)
        return FAKE_INVALID_VALUE;
    FAKE_TRY(fake_forbid_in_capture());
    FAKE_TRY(fake_allocate(KIND_HOST_MEMORY, bytes, &r));
    *pointer = r->data;
    return 0;
}

/* Waits for nothing: a copy that is still to come finds its memory gone. */
GfCuResult cuMemFreeHost(void *pointer)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_host_free);
    Range *r = fake_range(KIND_HOST_MEMORY, (uint64_t)(uintptr_t)pointer, 0);

    if (!r || r->data != pointer)
        return FAKE_INVALID_VALUE;
    FAKE_TRY(fake_forbid_in_capture());
    fake_release(r);
    return result;
}

/* ---- modules ---- */

/* The bytes of an ELF file whose section table stands at its end; 0: it is none. */
static size_t elf_size(const char *image)
{
    Elf64_Ehdr h;

    if (memcmp(image, ELFMAG, SELFMAG) != 0)
        return 0;
    memcpy(&h, image, sizeof h);
    return (size_t)h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
}

/* Machine code is for one architecture, or later ones of the same major number; sm_90a for that alone. */
static bool runs_here(const char *architecture)
{
    const FakeSettings *s = fake_settings();
    int number = atoi(architecture + strcspn(architecture, "0123456789"));
    bool alone = architecture[strlen(architecture) - 1] == 'a';

    return number / 10 == s->major && (alone ? number % 10 == s->minor : number % 10 <= s->minor);
}

static void *load_object(const char *image, size_t size)
{
    char path[] = "/tmp/graft-fake-cubin-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    void *library = NULL;

    if (fd < 0)
        return NULL;
    if (write(fd, image, size) == (ssize_t)size)
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    close(fd);
    unlink(path);
    return library;
}

static const GfKernelEntry *entry_of(void *library)
{
    const GfKernelEntry *(*get)(void);
    void *symbol = dlsym(library, GF_FAKE_ENTRY);

    memcpy(&get, &symbol, sizeof get);
    return symbol ? get() : NULL;
}

GfCuResult cuModuleLoadData(GfCuModule *module, const void *image)
{
    GfFakeCubin cubin;
    size_t size = elf_size(image);

    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_module_load));
    if (size == 0)
        return FAKE_INVALID_IMAGE;
    memcpy(&cubin, (const char *)image + size, sizeof cubin);
    if (memcmp(cubin.magic, GF_FAKE_CUBIN, sizeof cubin.magic) != 0)
        return FAKE_INVALID_IMAGE;
    if (!runs_here(cubin.architecture))
        return FAKE_NO_BINARY_FOR_GPU;
    void *library = load_object(image, size);
    if (!library || !entry_of(library))
        return FAKE_INVALID_IMAGE;
    GfCuModule m = fake_new(KIND_MODULE, sizeof *m);
    m->library = library;
    m->function = fake_new(KIND_FUNCTION, sizeof *m->function);
    m->function->entry = entry_of(library);
    m->function->shared = SHARED_UNASKED;
    memcpy(m->function->name, cubin.kernel, sizeof cubin.kernel);
    *module = m;
    return 0;
}

GfCuResult cuModuleUnload(GfCuModule module)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_module_unload);

    if (!fake_is(module, KIND_MODULE))
        return FAKE_INVALID_HANDLE;
    module->object.alive = false;
    module->function->object.alive = false;
    dlclose(module->library);
    return result;
}

GfCuResult cuModuleGetFunction(GfCuFunction *function, GfCuModule module, const char *name)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_module_function));
    if (!fake_is(module, KIND_MODULE))
        return FAKE_INVALID_HANDLE;
    if (strcmp(module->function->name, name) != 0)
        return FAKE_NOT_FOUND;
    *function = module->function;
    return 0;
}

GfCuResult cuFuncGetAttribute(int *value, int attribute, GfCuFunction function)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_function_attribute));
    if (!fake_is(function, KIND_FUNCTION))
        return FAKE_INVALID_HANDLE;
    switch (attribute) {
    case GF_CU_FUNCTION_MAX_THREADS:
        *value = (int)function->entry->threads;
        return 0;
    case GF_CU_FUNCTION_STATIC_SHARED:
        *value = 0;
        return 0;
    case GF_CU_FUNCTION_DYNAMIC_SHARED:
        *value = (int)function->shared;
        return 0;
    default:
        return FAKE_INVALID_VALUE;
    }
}

GfCuResult cuFuncSetAttribute(GfCuFunction function, int attribute, int value)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_function_set));
    if (!fake_is(function, KIND_FUNCTION))
        return FAKE_INVALID_HANDLE;
    if (attribute != GF_CU_FUNCTION_DYNAMIC_SHARED || value < 0 || value > most_shared(fake_settings()))
        return FAKE_INVALID_VALUE;
    function->shared = (unsigned)value;
    return 0;
}
