/* mirror_cuda.c -- see mirror_cuda.h. */
#include "runtime/exec/mirror_cuda.h"

enum { ALIGNMENT = 256 };

typedef struct Mirror {
    const GfCuda *cuda;
    GfCuPointer base;
    int64_t *at; /* by index in the store: bytes from `base` */
} Mirror;

static size_t bytes_of(const GfStoreTensor *t)
{
    return (size_t)t->count * sizeof *t->data;
}

/* Bytes of all; NULL at: out of memory. */
static int64_t place_tensors(const GfStore *s, Mirror *m)
{
    int64_t size = 0;

    for (size_t i = 0; i < s->count && m->at; i++) {
        m->at[i] = size;
        size += ((int64_t)bytes_of(&s->tensors[i]) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return size;
}

static GfStatus push_one(const Mirror *m, const GfStoreTensor *t, int64_t at, GfDiags *diags)
{
    const GfCudaDriver *d = &m->cuda->driver;

    return GF_CUDA(d, copy_to_device, (m->base + (GfCuPointer)at, t->data, bytes_of(t), m->cuda->stream), diags,
                   "copying '%s' to the device", t->name);
}

static GfStatus pull_one(const Mirror *m, GfStoreTensor *t, int64_t at, GfDiags *diags)
{
    const GfCudaDriver *d = &m->cuda->driver;

    return GF_CUDA(d, copy_to_host, (t->data, m->base + (GfCuPointer)at, bytes_of(t), m->cuda->stream), diags,
                   "copying '%s' from the device", t->name);
}

static GfStatus push(void *self, const GfStore *s, GfDiags *diags)
{
    const Mirror *m = self;

    for (size_t i = 0; i < s->count; i++)
        GF_TRY(push_one(m, &s->tensors[i], m->at[i], diags));
    GF_TRY(gf_cuda_wait(m->cuda, "copying parameters to the device", diags));
    for (size_t i = 0; i < s->count; i++)
        gf_store_release(s, &s->tensors[i]); /* the file's pages, which nobody reads now */
    return GF_OK;
}

static GfStatus pull(void *self, GfStore *s, GfDiags *diags)
{
    const Mirror *m = self;
    GfStatus status = GF_OK;

    for (size_t i = 0; i < s->count && status == GF_OK; i++)
        if (s->tensors[i].updated)
            status = pull_one(m, &s->tensors[i], m->at[i], diags);
    if (status == GF_OK)
        status = gf_cuda_wait(m->cuda, "copying parameters from the device", diags);
    return status;
}

static void release(void *self)
{
    Mirror *m = self;
    gf_cuda_free(m->cuda, &m->base);
}

GfStatus gf_mirror_cuda(GfStore *s, const GfCuda *cuda, GfDiags *diags)
{
    if (s->mirror.self)
        return GF_OK;
    Mirror *m = GF_NEW(&s->arena, Mirror);
    if (!m)
        return gf_fail_memory(diags);
    *m = (Mirror){.cuda = cuda, .at = GF_NEW_ARRAY(&s->arena, int64_t, s->count + 1)};
    int64_t bytes = place_tensors(s, m);
    if (!m->at)
        return gf_fail_memory(diags);
    GF_TRY(gf_cuda_alloc(cuda, bytes, "the memory of parameters and optimizer state", &m->base, diags));
    s->mirror = (GfStoreMirror){.self = m, .pull = pull, .push = push, .release = release};
    return push(m, s, diags);
}

GfCuPointer gf_mirror_cuda_find(const GfStore *s, const GfStoreTensor *t)
{
    const Mirror *m = s->mirror.self;
    return m->base + (GfCuPointer)m->at[t - s->tensors];
}
