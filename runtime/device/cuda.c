/* cuda.c -- see cuda.h. */
#include "runtime/device/cuda.h"

enum { LEAST_MAJOR = 8 }; /* mma.sync of bf16 and tf32 */

/* ---- finding ---- */

static GfStatus find_ordinal(GfCuda *c, int ordinal, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    int count = 0;

    GF_TRY(GF_CUDA(d, device_count, (&count), diags, "looking for CUDA devices"));
    if (ordinal >= count) {
        gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "there is no device 'cuda:%d': the driver has %d", ordinal, count);
        gf_note(diags, "devices count from 0; CUDA_VISIBLE_DEVICES may hide some");
        return GF_ERR_DEVICE;
    }
    c->ordinal = ordinal;
    return GF_CUDA(d, device_get, (&c->device, ordinal), diags, "looking for cuda:%d", ordinal);
}

static GfStatus read_attribute(GfCuda *c, int attribute, int *value, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    return GF_CUDA(d, device_attribute, (value, attribute, c->device), diags, "asking what cuda:%d can do", c->ordinal);
}

static GfStatus read_attributes(GfCuda *c, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;

    GF_TRY(GF_CUDA(d, device_name, (c->name, (int)sizeof c->name, c->device), diags, "asking for the name of cuda:%d",
                   c->ordinal));
    GF_TRY(read_attribute(c, GF_CU_ATTRIBUTE_MAJOR, &c->major, diags));
    GF_TRY(read_attribute(c, GF_CU_ATTRIBUTE_MINOR, &c->minor, diags));
    GF_TRY(read_attribute(c, GF_CU_ATTRIBUTE_MAX_THREADS, &c->max_threads, diags));
    GF_TRY(read_attribute(c, GF_CU_ATTRIBUTE_MAX_SHARED, &c->max_shared, diags));
    if (c->major >= LEAST_MAJOR)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "cuda:%d, %s, has compute capability %d.%d; %d.0 is needed",
                   c->ordinal, c->name, c->major, c->minor, LEAST_MAJOR);
}

GfStatus gf_cuda_find(GfCuda *c, int ordinal, GfDiags *diags)
{
    *c = (GfCuda){0};
    GF_TRY(gf_cuda_driver_open(&c->driver, diags));
    GfStatus status = find_ordinal(c, ordinal, diags);
    if (status == GF_OK)
        status = read_attributes(c, diags);
    if (status != GF_OK)
        gf_cuda_close(c);
    return status;
}

/* ---- starting ---- */

static GfStatus make_stream(GfCuda *c, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;

    GF_TRY(GF_CUDA(d, context_set, (c->context), diags, "starting cuda:%d", c->ordinal));
    return GF_CUDA(d, stream_create, (&c->stream, GF_CU_STREAM_NON_BLOCKING), diags, "starting cuda:%d", c->ordinal);
}

GfStatus gf_cuda_start(GfCuda *c, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    GfCuContext context = NULL;

    GfStatus status = GF_CUDA(d, context_retain, (&context, c->device), diags, "starting cuda:%d", c->ordinal);
    if (status == GF_OK) {
        c->context = context;
        status = make_stream(c, diags);
    }
    if (status != GF_OK)
        gf_cuda_close(c);
    return status;
}

void gf_cuda_close(GfCuda *c)
{
    const GfCudaDriver *d = &c->driver;

    if (c->stream)
        d->stream_destroy(c->stream);
    if (c->context)
        d->context_release(c->device);
    gf_cuda_driver_close(&c->driver);
    *c = (GfCuda){0};
}

/* ---- memory ---- */

static long long megabytes(int64_t bytes)
{
    return (long long)((bytes + (1 << 20) - 1) >> 20);
}

int64_t gf_cuda_memory_free(const GfCuda *c)
{
    size_t available = 0, total = 0;
    return c->driver.memory_info(&available, &total) == 0 ? (int64_t)available : -1;
}

GfStatus gf_cuda_alloc(const GfCuda *c, int64_t bytes, const char *what, GfCuPointer *out, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    GfCuPointer pointer = 0;

    *out = 0;
    if (bytes <= 0)
        return GF_OK;
    GfCuResult result = d->memory_alloc(&pointer, (size_t)bytes);
    if (result == GF_CU_ERROR_OUT_OF_MEMORY)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_MEMORY, "cuda:%d, %s: %s needs %lld MB, and %lld MB are free",
                       c->ordinal, c->name, what, megabytes(bytes), (long long)(gf_cuda_memory_free(c) >> 20));
    GF_TRY(gf_cuda_check(d, result, gf_cuda_symbols[GF_CUDA_CALL_memory_alloc], diags, "%lld MB for %s",
                         megabytes(bytes), what));
    *out = pointer;
    return GF_OK;
}

void gf_cuda_free(const GfCuda *c, GfCuPointer *pointer)
{
    if (*pointer)
        c->driver.memory_free(*pointer);
    *pointer = 0;
}

GfStatus gf_cuda_alloc_host(const GfCuda *c, int64_t bytes, const char *what, void **out, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    void *pointer = NULL;

    *out = NULL;
    if (bytes <= 0)
        return GF_OK;
    GF_TRY(GF_CUDA(d, host_alloc, (&pointer, (size_t)bytes, 0), diags, "%lld MB of the host's memory for %s",
                   megabytes(bytes), what));
    *out = pointer;
    return GF_OK;
}

void gf_cuda_free_host(const GfCuda *c, void **pointer)
{
    if (*pointer)
        c->driver.host_free(*pointer);
    *pointer = NULL;
}

GfStatus gf_cuda_wait(const GfCuda *c, const char *doing, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    return GF_CUDA(d, stream_wait, (c->stream), diags, "%s", doing);
}

/* ---- graphs ---- */

GfStatus gf_cuda_record_begin(const GfCuda *c, const char *doing, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    return GF_CUDA(d, capture_begin, (c->stream, GF_CU_CAPTURE_THREAD), diags, "%s", doing);
}

GfStatus gf_cuda_record_end(const GfCuda *c, GfStatus status, const char *doing, GfCuGraphExec *out, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    GfCuGraph graph = NULL;

    *out = NULL;
    GfCuResult result = d->capture_end(c->stream, &graph); /* always: the stream must not stay so */
    if (status == GF_OK)
        status = gf_cuda_check(d, result, gf_cuda_symbols[GF_CUDA_CALL_capture_end], diags, "%s", doing);
    if (status == GF_OK)
        status = GF_CUDA(d, graph_instantiate, (out, graph, 0), diags, "%s", doing);
    if (graph)
        d->graph_destroy(graph);
    return status;
}
