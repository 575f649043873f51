/* backend.c -- the cuda target: regions to CUDA C text, text to PTX or cubins.
 *
 * Regions of equal structure share one kernel, however many layers they stand
 * for.  The kernels are compiled by several threads at once: NVRTC works on one
 * program a call, and each job has memory of its own.
 */
#include "codegen/cuda/cache.h"
#include "codegen/cuda/emit.h"
#include "codegen/cuda/features.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/lower.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAT_TASK = 4096 }; /* elements a task of a kernel that does not know its sizes */

/* A program under construction. */
typedef struct Lowering {
    const GfGraph *g;
    GfProgram *program;
    CudaFeatures features;
    GfArena scratch;
    GfDiags *diags;
    const GfRegion *regions;
    size_t kernel_room, frame_room;
    CudaEmit *frames; /* of kernels: what their writers have set */
} Lowering;

/* ---- kernels -------------------------------------------------------------------------- */

static const char *source_of(Lowering *w, const char *kernel)
{
    GfText text = {.arena = &w->program->arena};

    gf_text_add(&text, "%s\n", cuda_device_headers);
    gf_text_add(&text, "%s", kernel);
    return gf_text_str(&text);
}

static const char *origin_of(Lowering *w, const GfRegion *r)
{
    GfText text = {.arena = &w->program->arena};

    for (uint32_t i = 0; i < r->node_count; i++)
        gf_text_add(&text, "%s%s", i ? " " : "", r->nodes[i]->name);
    return gf_text_str(&text);
}

/* How launches of the kernel run as one, over all batches. */
static void count_together(const Lowering *w, CudaEmit *e)
{
    uint32_t batches = 0, launches = 0;

    for (uint32_t i = 0; i < w->program->batch_count; i++) {
        const GfLaunchBatch *b = &w->program->batches[i];
        if (strcmp(w->regions[b->first].structure, e->r->structure) != 0)
            continue;
        e->joined = e->joined || b->count > 1;
        launches += b->count;
        batches++;
    }
    e->together = batches ? launches / batches : 1;
}

static GfStatus add_kernel(Lowering *w, const GfRegion *r, uint32_t *index)
{
    GfProgram *p = w->program;
    GfText text = {.arena = &w->scratch};

    p->kernels = gf_arena_grow(&p->arena, p->kernels, p->kernel_count, &w->kernel_room, sizeof *p->kernels);
    w->frames = gf_arena_grow(&w->scratch, w->frames, p->kernel_count, &w->frame_room, sizeof *w->frames);
    if (!p->kernels || !w->frames)
        return gf_fail_memory(w->diags);
    CudaEmit *e = &w->frames[p->kernel_count];
    *e = (CudaEmit){.g = w->g, .r = r, .arena = &w->scratch, .diags = w->diags, .out = &text};
    count_together(w, e);
    e->name = gf_kernel_name(&p->arena, p->kernel_count, r);
    e->features = w->features;
    GF_TRY(cuda_emit_region(e));
    *index = p->kernel_count++;
    p->kernels[*index] = (GfKernel){.name = e->name,
                                    .structure = gf_arena_strdup(&p->arena, r->structure),
                                    .block = {.source = source_of(w, gf_text_str(&text)),
                                              .origin = origin_of(w, r),
                                              .threads = e->threads,
                                              .shared = e->shared,
                                              .splits = e->splits > 1 ? e->splits : 1,
                                              .batched = e->batched}};
    return p->arena.failed ? gf_fail_memory(w->diags) : GF_OK;
}

static GfStatus region_kernel(Lowering *w, const GfRegion *r, uint32_t *index)
{
    for (uint32_t i = 0; i < w->program->kernel_count; i++) {
        if (strcmp(w->program->kernels[i].structure, r->structure) == 0) {
            *index = i;
            return GF_OK;
        }
    }
    return add_kernel(w, r, index);
}

/* ---- launches --------------------------------------------------------------------------- */

/* Memory of the launch alone, behind the plan's. */
static int64_t reserve_scratch(GfProgram *p, int64_t bytes)
{
    int64_t unit = gf_target_cuda.alignment, at = (p->arena_size + unit - 1) / unit * unit;

    p->arena_size = at + (bytes + unit - 1) / unit * unit;
    return at;
}

static GfStatus set_buffers(Lowering *w, const GfRegion *r, const CudaEmit *e, GfLaunch *launch)
{
    GfProgram *p = w->program;
    uint32_t k = 0;

    launch->buffers = GF_NEW_ARRAY(&p->arena, GfBuffer, r->input_count + r->output_count + 1);
    if (!launch->buffers)
        return gf_fail_memory(w->diags);
    for (uint32_t i = 0; i < r->input_count; i++)
        launch->buffers[k++] = gf_program_buffer(p, w->g, r->inputs[i]);
    for (uint32_t i = 0; i < r->output_count; i++)
        launch->buffers[k++] = gf_program_buffer(p, w->g, r->outputs[i]);
    if (e->scratch_bytes)
        launch->buffers[k++] = (GfBuffer){.kind = GF_BUFFER_ARENA, .offset = reserve_scratch(p, e->scratch_bytes)};
    launch->buffer_count = k;
    return GF_OK;
}

static GfStatus lower_region(Lowering *w, const GfRegion *r)
{
    GfLaunch *launch = &w->program->launches[w->program->launch_count];

    GF_TRY(region_kernel(w, r, &launch->kernel));
    const CudaEmit *e = &w->frames[launch->kernel];
    launch->work = e->work;
    GF_TRY(set_buffers(w, r, e, launch));
    GF_TRY(gf_set_scalars(&w->program->arena, r, FLAT_TASK, "cuda", launch, w->diags));
    w->program->launch_count++;
    return GF_OK;
}

static GfStatus lower_graph(Lowering *w)
{
    GfRegion *regions;
    uint32_t count;

    GF_TRY(gf_schedule(w->g, &w->scratch, &regions, &count, w->diags));
    GF_TRY(gf_batch_regions(w->g, regions, count, &w->program->arena, &w->program->batches, &w->program->batch_count,
                            w->diags));
    w->regions = regions;
    w->program->launches = GF_NEW_ARRAY(&w->program->arena, GfLaunch, count + 1);
    if (!w->program->launches)
        return gf_fail_memory(w->diags);
    for (uint32_t i = 0; i < count; i++)
        GF_TRY(lower_region(w, &regions[i]));
    return GF_OK;
}

static GfStatus lower(const GfGraph *g, CudaFeatures features, const GfAllocator *allocator, GfProgram **out,
                      GfDiags *diags)
{
    GfArena arena;

    gf_arena_init(&arena, allocator);
    GfProgram *p = GF_NEW(&arena, GfProgram);
    if (!p) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    p->arena = arena;
    Lowering w = {.g = g, .program = p, .features = features, .diags = diags};
    gf_arena_init(&w.scratch, allocator);
    GfStatus status = gf_program_describe(p, g, diags);
    if (status == GF_OK)
        status = lower_graph(&w);
    gf_arena_free(&w.scratch);
    if (status != GF_OK)
        gf_program_free(p);
    else
        *out = p;
    return status;
}

/* ---- compiling ---------------------------------------------------------------------------- */

enum { MAX_WORKERS = 32 };

typedef struct Queue {
    const Nvrtc *nvrtc;
    const char *cache, *key; /* see cache.h */
    NvrtcJob *jobs;
    uint32_t count;
    atomic_uint next;
} Queue;

static void compile_job(const Queue *q, NvrtcJob *job)
{
    if (cache_load(q->cache, q->key, job))
        return;
    nvrtc_compile(q->nvrtc, job);
    if (!job->failed)
        cache_store(q->cache, q->key, job);
}

static void *work(void *self)
{
    Queue *q = self;

    for (uint32_t i; (i = atomic_fetch_add(&q->next, 1)) < q->count;)
        compile_job(q, &q->jobs[i]);
    return NULL;
}

/* The caller is one of the workers: it goes on alone where no thread can be made. */
static void run_queue(Queue *q, uint32_t threads)
{
    pthread_t others[MAX_WORKERS];
    uint32_t count = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (threads == 0)
        threads = processors > 0 ? (uint32_t)processors : 1;
    while (count + 1 < threads && count < MAX_WORKERS && pthread_create(&others[count], NULL, work, q) == 0)
        count++;
    work(q);
    while (count > 0)
        pthread_join(others[--count], NULL);
}

/* NVRTC's first words about what is wrong: one line. */
static GfStatus fail_compile(const NvrtcJob *job, GfDiags *diags)
{
    const char *log = job->log ? job->log : "", *error = strstr(log, "error");

    if (job->no_memory)
        return gf_fail_memory(diags);
    error = error ? error : log;
    gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "the kernel '%s' does not compile for %s: %.*s", job->name,
            job->architecture, (int)strcspn(error, "\n"), error);
    gf_note(diags, "--emit cuda -o DIR writes its text");
    return GF_ERR_COMPILE;
}

/* The image of a job into the program. */
static GfStatus take_image(GfProgram *p, GfKernel *k, const NvrtcJob *job, GfDiags *diags)
{
    if (job->failed)
        return fail_compile(job, diags);
    char *image = gf_arena_array(&p->arena, job->image_size + 1, 1);
    if (!image)
        return gf_fail_memory(diags);
    memcpy(image, job->image, job->image_size);
    k->block.image = image;
    k->block.image_size = job->image_size - (job->ptx && job->image_size ? 1 : 0); /* without the text's end */
    if (!job->ptx && job->log)
        nvrtc_read_usage(job->log, &k->block);
    return GF_OK;
}

static GfStatus compile_kernels(GfProgram *p, const char *architecture, bool ptx, uint32_t threads, GfDiags *diags)
{
    Nvrtc nvrtc;
    GfStatus status = nvrtc_open(&nvrtc, diags);

    if (status != GF_OK)
        return status;
    Queue q = {.nvrtc = &nvrtc,
               .cache = cache_folder(&p->arena),
               .jobs = GF_NEW_ARRAY(&p->arena, NvrtcJob, p->kernel_count),
               .count = p->kernel_count};
    q.key =
        gf_arena_printf(&p->arena, "%s %s nvrtc %d.%d", architecture, ptx ? "ptx" : "cubin", nvrtc.major, nvrtc.minor);
    if (!q.jobs || !q.key) {
        nvrtc_close(&nvrtc);
        return gf_fail_memory(diags);
    }
    for (uint32_t i = 0; i < q.count; i++)
        q.jobs[i] = (NvrtcJob){
            .name = p->kernels[i].name, .source = p->kernels[i].block.source, .architecture = architecture, .ptx = ptx};
    run_queue(&q, threads);
    for (uint32_t i = 0; i < q.count; i++) {
        if (status == GF_OK)
            status = take_image(p, &p->kernels[i], &q.jobs[i], diags);
        free(q.jobs[i].image);
        free(q.jobs[i].log);
    }
    nvrtc_close(&nvrtc);
    return status;
}

static GfStatus compile(const GfGraph *g, const GfCompileOptions *options, const GfAllocator *allocator,
                        GfProgram **out, GfDiags *diags)
{
    const char *target = options->target ? options->target : "cuda:sm_80", *form = options->form;
    CudaFeatures features;
    GfProgram *program = NULL;

    GF_TRY(cuda_features_read(options, target, &features, diags));
    GF_TRY(lower(g, features, allocator, &program, diags));
    program->target = gf_arena_strdup(&program->arena, target);
    GfStatus status = GF_OK;
    if (!form || strcmp(form, "cuda") != 0)
        status = compile_kernels(program, strchr(target, ':') + 1, form && strcmp(form, "ptx") == 0, options->threads,
                                 diags);
    if (status != GF_OK)
        gf_program_free(program);
    else
        *out = program;
    return status;
}

static GfStatus check(GfDiags *diags)
{
    Nvrtc nvrtc;

    GF_TRY(nvrtc_open(&nvrtc, diags));
    nvrtc_close(&nvrtc);
    return GF_OK;
}

const GfBackend gf_backend_cuda = {
    .name = "cuda", .target = &gf_target_cuda, .emits = "cuda ptx cubin", .check = check, .compile = compile};
