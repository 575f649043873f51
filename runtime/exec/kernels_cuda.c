/* kernels_cuda.c -- see kernels_cuda.h. */
#include "runtime/exec/kernels_cuda.h"

#include <string.h>

enum { SHARED_UNASKED = 48 * 1024, GRID_MAX = INT32_MAX };

/* ---- loading ---- */

/* More dynamic shared memory than every kernel may have must be asked for. */
static GfStatus ask_for_shared(const GfCuda *c, const GfKernel *k, GfCuFunction function, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;

    if ((int64_t)k->block.shared > c->max_shared)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE,
                       "the kernel '%s' needs %u bytes of shared memory; cuda:%d, %s, has %d a block", k->name,
                       k->block.shared, c->ordinal, c->name, c->max_shared);
    if (k->block.shared <= SHARED_UNASKED)
        return GF_OK;
    return GF_CUDA(d, function_set, (function, GF_CU_FUNCTION_DYNAMIC_SHARED, (int)k->block.shared), diags,
                   "loading the kernel '%s'", k->name);
}

static GfStatus check_threads(const GfCuda *c, const GfKernel *k, GfCuFunction function, GfDiags *diags)
{
    const GfCudaDriver *d = &c->driver;
    int most = 0;

    GF_TRY(GF_CUDA(d, function_attribute, (&most, GF_CU_FUNCTION_MAX_THREADS, function), diags,
                   "loading the kernel '%s'", k->name));
    if (k->block.threads <= (uint32_t)most)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "the kernel '%s' has blocks of %u threads; cuda:%d, %s, takes %d",
                   k->name, k->block.threads, c->ordinal, c->name, most);
}

static GfStatus load_kernel(GfCudaKernels *ks, const GfProgram *p, uint32_t i, GfDiags *diags)
{
    const GfCudaDriver *d = &ks->cuda->driver;
    const GfKernel *k = &p->kernels[i];

    if (!k->block.image)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET,
                       "the kernel '%s' is for %s and has no machine code for a CUDA device", k->name,
                       p->target ? p->target : "another device");
    GfCuResult result = d->module_load(&ks->modules[i], k->block.image);
    if (result == GF_CU_ERROR_NO_BINARY)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the kernel '%s' is compiled for %s; cuda:%d, %s, is sm_%d%d",
                       k->name, p->target ? p->target : "another device", ks->cuda->ordinal, ks->cuda->name,
                       ks->cuda->major, ks->cuda->minor);
    GF_TRY(
        gf_cuda_check(d, result, gf_cuda_symbols[GF_CUDA_CALL_module_load], diags, "loading the kernel '%s'", k->name));
    GF_TRY(GF_CUDA(d, module_function, (&ks->functions[i], ks->modules[i], k->name), diags, "loading the kernel '%s'",
                   k->name));
    GF_TRY(check_threads(ks->cuda, k, ks->functions[i], diags));
    return ask_for_shared(ks->cuda, k, ks->functions[i], diags);
}

GfStatus gf_cuda_kernels_load(GfCudaKernels *ks, const GfCuda *cuda, const GfProgram *p, GfArena *arena, GfDiags *diags)
{
    *ks = (GfCudaKernels){.cuda = cuda,
                          .modules = GF_NEW_ARRAY(arena, GfCuModule, p->kernel_count + 1),
                          .functions = GF_NEW_ARRAY(arena, GfCuFunction, p->kernel_count + 1)};
    if (!ks->modules || !ks->functions)
        return gf_fail_memory(diags);
    ks->count = p->kernel_count;
    for (uint32_t i = 0; i < p->kernel_count; i++)
        GF_TRY(load_kernel(ks, p, i, diags));
    return GF_OK;
}

void gf_cuda_kernels_free(GfCudaKernels *ks)
{
    for (uint32_t i = 0; i < ks->count; i++)
        if (ks->modules[i])
            ks->cuda->driver.module_unload(ks->modules[i]);
    if (ks->cuda)
        gf_cuda_free(ks->cuda, &ks->records);
    *ks = (GfCudaKernels){0};
}

/* ---- binding ---- */

GfCuPointer gf_cuda_place(const GfCudaPlaces *places, GfBuffer b)
{
    switch (b.kind) {
    case GF_BUFFER_TENSOR:
        return places->tensors[b.index] + (GfCuPointer)b.offset;
    case GF_BUFFER_ARENA:
        return places->arena + (GfCuPointer)b.offset;
    case GF_BUFFER_PREPARED:
        return places->prepared + (GfCuPointer)b.offset;
    }
    return 0;
}

/* Buffers and scalars of a launch, 8 bytes each, then `last`. */
static uint32_t write_words(const GfLaunch *l, const GfCudaPlaces *places, uint64_t last, uint64_t *words)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->buffer_count; i++)
        words[n++] = gf_cuda_place(places, l->buffers[i]);
    for (uint32_t i = 0; i < l->scalar_count; i++)
        words[n++] = (uint64_t)l->scalars[i];
    words[n++] = last;
    return n;
}

static void **point_to(GfArena *arena, uint64_t *words, uint32_t count)
{
    void **parameters = GF_NEW_ARRAY(arena, void *, count);

    for (uint32_t i = 0; i < count && parameters; i++)
        parameters[i] = &words[i];
    return parameters;
}

static void bind_plain(GfCudaLaunch *l, const GfCudaPlaces *places, GfArena *arena)
{
    uint32_t count = l->of->buffer_count + l->of->scalar_count + 1;
    uint64_t *words = GF_NEW_ARRAY(arena, uint64_t, count);

    if (!words)
        return;
    write_words(l->of, places, places->sizes, words);
    l->parameters = point_to(arena, words, count);
}

/* Launches whose records begin at `record`. */
static void bind_batched(GfCudaLaunch *l, const GfCudaPlaces *places, GfCuPointer record, GfArena *arena)
{
    uint64_t *words = GF_NEW_ARRAY(arena, uint64_t, 3);

    if (!words)
        return;
    words[0] = record;
    words[1] = l->count;
    words[2] = places->sizes;
    l->parameters = point_to(arena, words, 3);
}

/* Words of all records of a launch. */
static size_t record_words(const GfCudaLaunch *l)
{
    return l->kernel->block.batched ? l->count * ((size_t)l->of->buffer_count + l->of->scalar_count + 1) : 0;
}

static int64_t blocks_of(const GfLaunch *l, const GfBlockKernel *b, const int64_t *sizes)
{
    return gf_work_tasks(&l->work, sizes) * (int64_t)(b->splits ? b->splits : 1);
}

/* One behind the other; `sizes`: the largest. */
static size_t write_records(const GfCudaLaunch *l, const GfCudaPlaces *places, const int64_t *sizes, uint64_t *words)
{
    size_t at = 0;
    int64_t first = 0;

    for (uint32_t i = 0; i < l->count && record_words(l); i++) {
        at += write_words(&l->of[i], places, (uint64_t)first, words + at);
        first += blocks_of(&l->of[i], &l->kernel->block, sizes);
    }
    return at;
}

/* The records of all launches of batched kernels, to the device. */
static GfStatus copy_records(GfCudaKernels *ks, const GfProgram *p, const GfCudaLaunch *launches, uint32_t count,
                             const GfCudaPlaces *places, GfArena *arena, GfDiags *diags)
{
    const GfCudaDriver *d = &ks->cuda->driver;
    size_t size = 0, at = 0;

    for (uint32_t i = 0; i < count; i++)
        size += record_words(&launches[i]);
    uint64_t *words = GF_NEW_ARRAY(arena, uint64_t, size + 1);
    if (!words)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++)
        at += write_records(&launches[i], places, p->max_sizes, words + at);
    GF_TRY(gf_cuda_alloc(ks->cuda, (int64_t)(size * sizeof *words), "the memory of launches", &ks->records, diags));
    if (size)
        GF_TRY(GF_CUDA(d, copy_to_device, (ks->records, words, size * sizeof *words, ks->cuda->stream), diags,
                       "copying launches to the device"));
    return gf_cuda_wait(ks->cuda, "copying launches to the device", diags);
}

static GfCudaLaunch launch_of(const GfCudaKernels *ks, const GfProgram *p, const GfLaunch *of, uint32_t count)
{
    return (GfCudaLaunch){
        .of = of, .count = count, .kernel = &p->kernels[of->kernel], .function = ks->functions[of->kernel]};
}

static uint32_t list_launches(const GfCudaKernels *ks, const GfProgram *p, GfCudaLaunch *launches)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->prepare_count; i++)
        launches[n++] = launch_of(ks, p, &p->prepare[i], 1);
    for (uint32_t i = 0; i < p->batch_count; i++)
        launches[n++] = launch_of(ks, p, &p->launches[p->batches[i].first], p->batches[i].count);
    return n;
}

GfStatus gf_cuda_launches_bind(GfCudaKernels *ks, const GfProgram *p, const GfCudaPlaces *places, GfArena *arena,
                               GfCudaLaunch **out, uint32_t *count, GfDiags *diags)
{
    GfCudaLaunch *launches = GF_NEW_ARRAY(arena, GfCudaLaunch, p->prepare_count + p->batch_count + 1);

    if (!launches)
        return gf_fail_memory(diags);
    *count = list_launches(ks, p, launches);
    GF_TRY(copy_records(ks, p, launches, *count, places, arena, diags));
    GfCuPointer record = ks->records;
    for (uint32_t i = 0; i < *count; i++) {
        if (launches[i].kernel->block.batched)
            bind_batched(&launches[i], places, record, arena);
        else
            bind_plain(&launches[i], places, arena);
        record += record_words(&launches[i]) * sizeof(uint64_t);
    }
    *out = launches;
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- launching ---- */

GfStatus gf_cuda_launch(const GfCudaKernels *ks, const GfCudaLaunch *l, const int64_t *sizes, GfDiags *diags)
{
    const GfCudaDriver *d = &ks->cuda->driver;
    const GfBlockKernel *b = &l->kernel->block;
    int64_t blocks = 0;

    for (uint32_t i = 0; i < l->count; i++)
        blocks += blocks_of(&l->of[i], b, sizes);
    if (blocks <= 0)
        return GF_OK;
    if (blocks > GRID_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the kernel '%s' would take %lld blocks, a grid has %d",
                       l->kernel->name, (long long)blocks, GRID_MAX);
    return GF_CUDA(
        d, launch,
        (l->function, (unsigned)blocks, 1, 1, b->threads, 1, 1, b->shared, ks->cuda->stream, l->parameters, NULL),
        diags, "launching the kernel '%s'", l->kernel->name);
}
