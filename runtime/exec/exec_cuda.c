/* exec_cuda.c -- a program on a CUDA device; see exec_device.h.
 *
 * A run is three things in the stream: the inputs and sizes as one copy from a
 * slot of the host's memory, a CUDA graph of all launches, and the small outputs
 * as copies back to the slot.  Kernels read the sizes in the device's memory, and
 * blocks past them do nothing; so a graph holds for all runs of up to so many
 * tokens.  There are BUCKETS of them, made when they are first needed.
 *
 * With three slots two runs may be under way while the outputs of one are read.
 */
#include "runtime/exec/exec_device.h"
#include "runtime/exec/kernels_cuda.h"
#include "runtime/exec/mirror_cuda.h"
#include "runtime/exec/time_cuda.h"

#include <string.h>

enum { ALIGNMENT = 256, BUCKETS = 8, SLOTS = 3, MOST_UNDER_WAY = 2, SMALL_OUTPUT = 1 << 20 };

/* The host's side of one run: [inputs | sizes | small outputs]. */
typedef struct Slot {
    char *memory;
    int64_t sizes[GF_MAX_SYMBOLS];
    GfCuEvent done;
} Slot;

typedef struct Cuda {
    GfCudaPlaces places;
    GfCudaKernels kernels;
    GfCudaLaunch *launches; /* `prepare`, then those of a step */
    uint32_t launch_count;
    GfCuPointer inputs; /* inputs and sizes, as in a slot */
    int64_t sizes_at, outputs_at, slot_size;
    int64_t *output_at; /* by output, behind outputs_at; -1: large, copied when it is asked for */
    char *large;        /* of the host: the output asked for last */
    Slot slots[SLOTS];
    uint32_t begun, done; /* runs begun, and waited for, counted on and on */
    GfCuGraphExec graphs[BUCKETS];
} Cuda;

static Cuda *cuda_of(const GfExec *e)
{
    return e->self;
}

static const GfCudaDriver *driver_of(const GfExec *e)
{
    return &e->cuda->driver;
}

/* ---- memory ---- */

static void place_outputs(const GfExec *e, Cuda *c)
{
    const GfProgram *p = e->program;
    int64_t at = c->outputs_at;

    for (uint32_t i = 0; i < p->output_count && c->output_at; i++) {
        int64_t bytes = gf_exec_bytes(&p->outputs[i].type, p->max_sizes);
        c->output_at[i] = bytes <= SMALL_OUTPUT ? at : -1;
        at += bytes <= SMALL_OUTPUT ? gf_exec_round_up(bytes, ALIGNMENT) : 0;
    }
    c->slot_size = at;
}

static GfStatus place_slots(GfExec *e, Cuda *c, GfDiags *diags)
{
    c->sizes_at = (int64_t)e->inputs.size;
    c->outputs_at = c->sizes_at + gf_exec_round_up(GF_MAX_SYMBOLS * (int64_t)sizeof(int64_t), ALIGNMENT);
    c->output_at = GF_NEW_ARRAY(&e->arena, int64_t, e->program->output_count + 1);
    place_outputs(e, c);
    return c->output_at ? GF_OK : gf_fail_memory(diags);
}

/* What the memory of a step takes grows with the batch: say which would fit. */
static GfStatus alloc_arena(const GfExec *e, Cuda *c, GfDiags *diags)
{
    const GfProgram *p = e->program;
    GfStatus status = gf_cuda_alloc(e->cuda, p->arena_size, "the memory of a step", &c->places.arena, diags);

    if (status != GF_ERR_MEMORY)
        return status;
    int64_t available = gf_cuda_memory_free(e->cuda);
    for (uint32_t i = 0; i < p->symbol_count && available >= 0; i++) {
        if (strcmp(p->symbols[i], "seqs") != 0)
            continue;
        int64_t fit = (int64_t)((double)p->max_sizes[i] * (double)available / (double)p->arena_size);
        if (fit >= 1)
            gf_note(diags, "the batch has %lld sequences; about %lld would fit", (long long)p->max_sizes[i],
                    (long long)fit);
    }
    return status;
}

/* Some kernels count on zeros in their scratch before the first run. */
static GfStatus clear(const GfExec *e, GfCuPointer at, int64_t bytes, GfDiags *diags)
{
    if (bytes <= 0)
        return GF_OK;
    return GF_CUDA(driver_of(e), fill, (at, 0, (size_t)bytes, e->cuda->stream), diags, "clearing the memory of a step");
}

static GfStatus alloc_device(const GfExec *e, Cuda *c, GfDiags *diags)
{
    const GfProgram *p = e->program;

    GF_TRY(gf_cuda_alloc(e->cuda, c->outputs_at, "the memory of inputs", &c->inputs, diags));
    GF_TRY(gf_cuda_alloc(e->cuda, p->prepared_size, "the memory of packed weights", &c->places.prepared, diags));
    GF_TRY(alloc_arena(e, c, diags));
    c->places.sizes = c->inputs + (GfCuPointer)c->sizes_at;
    return clear(e, c->places.arena, p->arena_size, diags);
}

static GfStatus make_slots(const GfExec *e, Cuda *c, GfDiags *diags)
{
    for (int i = 0; i < SLOTS; i++) {
        void *memory;
        GF_TRY(gf_cuda_alloc_host(e->cuda, c->slot_size, "inputs and outputs", &memory, diags));
        c->slots[i].memory = memory;
        GF_TRY(GF_CUDA(driver_of(e), event_create, (&c->slots[i].done, GF_CU_EVENT_NO_TIMING), diags,
                       "making a program runnable"));
    }
    return GF_OK;
}

static GfStatus bind_tensors(GfExec *e, Cuda *c, GfDiags *diags)
{
    const GfProgram *p = e->program;

    c->places.tensors = GF_NEW_ARRAY(&e->arena, GfCuPointer, p->tensor_count + 1);
    if (!c->places.tensors)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const GfTensorDecl *decl = &p->tensors[i];
        GfStoreTensor *t;
        if (decl->kind == GF_TENSOR_INPUT) {
            c->places.tensors[i] = c->inputs + (GfCuPointer)e->input_at[i];
            continue;
        }
        GF_TRY(gf_exec_find_tensor(e, decl, &t, diags));
        c->places.tensors[i] = gf_mirror_cuda_find(e->store, t);
    }
    return GF_OK;
}

/* ---- launches ---- */

static GfStatus launch_all(const GfExec *e, uint32_t first, uint32_t end, const int64_t *sizes, GfDiags *diags)
{
    const Cuda *c = cuda_of(e);

    for (uint32_t i = first; i < end; i++)
        GF_TRY(gf_cuda_launch(&c->kernels, &c->launches[i], sizes, diags));
    return GF_OK;
}

static GfStatus copy_updates(const GfExec *e, GfDiags *diags)
{
    const Cuda *c = cuda_of(e);
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->copy_count; i++) {
        const GfTensorDecl *to = &p->tensors[p->copies[i].to];
        size_t bytes = (size_t)gf_exec_bytes(&to->type, p->max_sizes);
        GF_TRY(GF_CUDA(
            driver_of(e), copy_within,
            (c->places.tensors[p->copies[i].to], gf_cuda_place(&c->places, p->copies[i].from), bytes, e->cuda->stream),
            diags, "updating '%s'", to->name));
    }
    return GF_OK;
}

/* ---- buckets ---- */

/* The symbol that batches differ in most: the one with the largest maximum. */
static uint32_t leading_symbol(const GfProgram *p)
{
    uint32_t lead = 0;

    for (uint32_t i = 1; i < p->symbol_count; i++)
        if (p->max_sizes[i] > p->max_sizes[lead])
            lead = i;
    return lead;
}

/* The bucket of these sizes, from 0; `most` are the largest sizes that it holds. */
static uint32_t bucket_of(const GfProgram *p, const int64_t *sizes, int64_t *most)
{
    uint32_t lead = leading_symbol(p);

    for (uint32_t i = 0; i < p->symbol_count; i++)
        most[i] = p->max_sizes[i];
    if (p->symbol_count == 0)
        return 0;
    int64_t unit = (p->max_sizes[lead] + BUCKETS - 1) / BUCKETS, bucket = (sizes[lead] - 1) / unit;
    int64_t end = (bucket + 1) * unit;
    most[lead] = end < p->max_sizes[lead] ? end : p->max_sizes[lead];
    return (uint32_t)bucket;
}

static GfStatus make_graph(const GfExec *e, const int64_t *most, GfCuGraphExec *out, GfDiags *diags)
{
    GF_TRY(gf_cuda_record_begin(e->cuda, "recording a step", diags));
    GfStatus status = launch_all(e, e->program->prepare_count, cuda_of(e)->launch_count, most, diags);
    if (status == GF_OK)
        status = copy_updates(e, diags);
    return gf_cuda_record_end(e->cuda, status, "recording a step", out, diags);
}

/* ---- a run ---- */

static Slot *slot_of(Cuda *c, uint32_t run)
{
    return &c->slots[run % SLOTS];
}

static GfStatus copy_inputs(const GfExec *e, Slot *s, GfDiags *diags)
{
    const Cuda *c = cuda_of(e);

    memcpy(s->memory, e->inputs.data, e->inputs.size);
    memcpy(s->sizes, e->sizes, sizeof e->sizes);
    memcpy(s->memory + c->sizes_at, e->sizes, sizeof e->sizes);
    return GF_CUDA(driver_of(e), copy_to_device,
                   (c->inputs, s->memory, (size_t)c->sizes_at + sizeof e->sizes, e->cuda->stream), diags,
                   "copying a batch to the device");
}

static GfStatus copy_output(const GfExec *e, const Slot *s, uint32_t i, char *to, GfDiags *diags)
{
    const GfOutput *o = &e->program->outputs[i];
    size_t bytes = (size_t)gf_exec_bytes(&o->type, s->sizes);

    return GF_CUDA(driver_of(e), copy_to_host,
                   (to, gf_cuda_place(&cuda_of(e)->places, o->buffer), bytes, e->cuda->stream), diags,
                   "copying '%s' from the device", o->name);
}

static GfStatus copy_outputs(const GfExec *e, Slot *s, GfDiags *diags)
{
    const Cuda *c = cuda_of(e);

    for (uint32_t i = 0; i < e->program->output_count; i++)
        if (c->output_at[i] >= 0)
            GF_TRY(copy_output(e, s, i, s->memory + c->output_at[i], diags));
    return GF_CUDA(driver_of(e), event_record, (s->done, e->cuda->stream), diags, "running a step");
}

static GfStatus wait(GfExec *e, GfDiags *diags)
{
    Cuda *c = cuda_of(e);

    if (c->done == c->begun)
        return GF_OK;
    GF_TRY(GF_CUDA(driver_of(e), event_wait, (slot_of(c, c->done)->done), diags, "running a step"));
    c->done++;
    return GF_OK;
}

static GfStatus run(GfExec *e, GfDiags *diags)
{
    Cuda *c = cuda_of(e);
    int64_t most[GF_MAX_SYMBOLS] = {0};
    uint32_t bucket = bucket_of(e->program, e->sizes, most);

    if (c->begun - c->done == MOST_UNDER_WAY)
        GF_TRY(wait(e, diags));
    Slot *s = slot_of(c, c->begun);
    if (!c->graphs[bucket])
        GF_TRY(make_graph(e, most, &c->graphs[bucket], diags));
    GF_TRY(copy_inputs(e, s, diags));
    GF_TRY(GF_CUDA(driver_of(e), graph_launch, (c->graphs[bucket], e->cuda->stream), diags, "running a step"));
    GF_TRY(copy_outputs(e, s, diags));
    c->begun++;
    return GF_OK;
}

/* ---- outputs ---- */

/* As long as nothing has been begun after the run it belongs to. */
static const void *copy_large(GfExec *e, const Slot *s, uint32_t i)
{
    Cuda *c = cuda_of(e);
    GfDiags unseen;
    void *memory;

    if (c->begun != c->done)
        return NULL;
    gf_diags_init(&unseen, e->arena.allocator);
    if (c->large)
        e->cuda->driver.host_free(c->large);
    c->large = NULL;
    int64_t bytes = gf_exec_bytes(&e->program->outputs[i].type, s->sizes);
    GfStatus status = gf_cuda_alloc_host(e->cuda, bytes, "an output", &memory, &unseen);
    if (status == GF_OK) {
        c->large = memory;
        status = copy_output(e, s, i, c->large, &unseen);
    }
    if (status == GF_OK)
        status = gf_cuda_wait(e->cuda, "copying an output", &unseen);
    gf_diags_free(&unseen);
    return status == GF_OK ? c->large : NULL;
}

static const void *output(GfExec *e, uint32_t i)
{
    Cuda *c = cuda_of(e);

    if (c->done == 0)
        return NULL;
    const Slot *s = slot_of(c, c->done - 1);
    return c->output_at[i] < 0 ? copy_large(e, s, i) : s->memory + c->output_at[i];
}

/* ---- measuring ---- */

/* With grids as they are in a step of these sizes. */
static GfStatus time_batches(GfExec *e, double *seconds, GfDiags *diags)
{
    Cuda *c = cuda_of(e);
    int64_t most[GF_MAX_SYMBOLS] = {0};

    while (c->done < c->begun)
        GF_TRY(wait(e, diags));
    bucket_of(e->program, e->sizes, most);
    GF_TRY(copy_inputs(e, slot_of(c, c->begun), diags));
    for (uint32_t i = 0; i < c->launch_count; i++)
        GF_TRY(gf_cuda_time_launch(&c->kernels, &c->launches[e->program->prepare_count + i], most, &seconds[i], diags));
    return GF_OK;
}

/* ---- the device ---- */

static GfStatus prepare(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;

    GF_TRY(launch_all(e, 0, p->prepare_count, p->max_sizes, diags));
    return gf_cuda_wait(e->cuda, "packing frozen weights", diags);
}

static GfStatus make(GfExec *e, GfDiags *diags)
{
    Cuda *c = GF_NEW(&e->arena, Cuda);

    if (!c)
        return gf_fail_memory(diags);
    e->self = c;
    GF_TRY(gf_cuda_kernels_load(&c->kernels, e->cuda, e->program, &e->arena, diags));
    GF_TRY(gf_mirror_cuda(e->store, e->cuda, diags));
    GF_TRY(place_slots(e, c, diags));
    GF_TRY(alloc_device(e, c, diags));
    GF_TRY(make_slots(e, c, diags));
    GF_TRY(bind_tensors(e, c, diags));
    GF_TRY(
        gf_cuda_launches_bind(&c->kernels, e->program, &c->places, &e->arena, &c->launches, &c->launch_count, diags));
    return prepare(e, diags);
}

/* Nothing that the device still works with may be freed. */
static void release(GfExec *e)
{
    Cuda *c = cuda_of(e);

    if (!c)
        return;
    driver_of(e)->stream_wait(e->cuda->stream);
    for (int i = 0; i < BUCKETS; i++)
        if (c->graphs[i])
            driver_of(e)->graph_exec_destroy(c->graphs[i]);
    for (int i = 0; i < SLOTS; i++) {
        if (c->slots[i].done)
            driver_of(e)->event_destroy(c->slots[i].done);
        if (c->slots[i].memory)
            driver_of(e)->host_free(c->slots[i].memory);
    }
    if (c->large)
        driver_of(e)->host_free(c->large);
    gf_cuda_free(e->cuda, &c->inputs);
    gf_cuda_free(e->cuda, &c->places.arena);
    gf_cuda_free(e->cuda, &c->places.prepared);
    gf_cuda_kernels_free(&c->kernels);
}

const GfExecDevice gf_exec_cuda = {.asynchronous = true,
                                   .make = make,
                                   .run = run,
                                   .wait = wait,
                                   .output = output,
                                   .time_batches = time_batches,
                                   .release = release};
