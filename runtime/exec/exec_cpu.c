/* exec_cpu.c -- a program on the threads of the CPU; see exec_device.h. */
#include "runtime/exec/exec_device.h"

#include <string.h>

enum { ALIGNMENT = 64 };

/* What one `prepare` launch writes: a piece of the prepared memory, which lies in the store. */
typedef struct Piece {
    int64_t offset; /* in the program's prepared memory */
    GfPacked packed;
    bool found; /* packed by another program before */
} Piece;

typedef struct Cpu {
    GfMemory step;
    Piece *pieces;    /* of each `prepare` launch, by offset */
    void **tensors;   /* by index in the program: memory of each */
    void ***launches; /* pointers of each launch's buffers */
    void ***prepare;
} Cpu;

static Cpu *cpu_of(const GfExec *e)
{
    return e->self;
}

/* ---- memory ---- */

static GfStatus bind_tensors(GfExec *e, GfDiags *diags)
{
    void **tensors = cpu_of(e)->tensors;

    for (uint32_t i = 0; i < e->program->tensor_count; i++) {
        const GfTensorDecl *d = &e->program->tensors[i];
        GfStoreTensor *t;
        if (d->kind == GF_TENSOR_INPUT) {
            tensors[i] = (char *)e->inputs.data + e->input_at[i];
            continue;
        }
        GF_TRY(gf_exec_find_tensor(e, d, &t, diags));
        tensors[i] = t->data;
    }
    return GF_OK;
}

/* In the piece that has this offset. */
static void *resolve_prepared(const GfExec *e, int64_t offset)
{
    for (uint32_t i = 0; i < e->program->prepare_count; i++) {
        const Piece *piece = &cpu_of(e)->pieces[i];
        if (offset >= piece->offset && offset < piece->offset + piece->packed.bytes)
            return (char *)piece->packed.data + (offset - piece->offset);
    }
    return NULL;
}

static void *resolve(const GfExec *e, GfBuffer b)
{
    switch (b.kind) {
    case GF_BUFFER_TENSOR:
        return (char *)cpu_of(e)->tensors[b.index] + b.offset;
    case GF_BUFFER_ARENA:
        return (char *)cpu_of(e)->step.data + b.offset;
    case GF_BUFFER_PREPARED:
        return resolve_prepared(e, b.offset);
    }
    return NULL;
}

static GfStatus resolve_launches(GfExec *e, const GfLaunch *launches, uint32_t count, void ****out, GfDiags *diags)
{
    void ***all = GF_NEW_ARRAY(&e->arena, void **, count + 1);

    for (uint32_t i = 0; i < count && all; i++) {
        const GfLaunch *launch = &launches[i];
        all[i] = GF_NEW_ARRAY(&e->arena, void *, launch->buffer_count + 1);
        for (uint32_t k = 0; k < launch->buffer_count && all[i]; k++)
            all[i][k] = resolve(e, launch->buffers[k]);
    }
    *out = all;
    return e->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- running ---- */

static void run_launches(const GfExec *e, const GfLaunch *launches, void **const *buffers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const GfLaunch *launch = &launches[i];
        GfPoolJob job = {
            .kernel = e->program->kernels[launch->kernel].cpu,
            .buffers = buffers[i],
            .sizes = e->sizes,
            .scalars = launch->scalars,
            .tasks = gf_work_tasks(&launch->work, e->sizes),
        };
        gf_pool_run(e->pool, &job);
    }
}

static void run_copies(const GfExec *e)
{
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->copy_count; i++) {
        const GfCopy *copy = &p->copies[i];
        memcpy(cpu_of(e)->tensors[copy->to], resolve(e, copy->from),
               (size_t)gf_exec_bytes(&p->tensors[copy->to].type, e->sizes));
    }
}

/* ---- packed weights ---- */

/* A `prepare` launch reads a frozen parameter and writes the next piece of the prepared memory. */
static bool is_well_formed(const GfProgram *p, uint32_t i)
{
    const GfBuffer *b = p->prepare[i].buffers, *before = i ? p->prepare[i - 1].buffers : NULL;
    int64_t least = before ? before[1].offset + 1 : 0;

    return p->prepare[i].buffer_count == 2 && p->prepare[i].scalar_count == 0 && b[0].kind == GF_BUFFER_TENSOR &&
           b[0].offset == 0 && b[1].kind == GF_BUFFER_PREPARED && b[1].offset >= least &&
           b[1].offset < p->prepared_size && p->tensors[b[0].index].kind == GF_TENSOR_PARAM &&
           p->kernels[p->prepare[i].kernel].structure;
}

static GfStatus find_piece(GfExec *e, uint32_t i, GfDiags *diags)
{
    const GfProgram *p = e->program;
    const GfLaunch *launch = &p->prepare[i];

    if (!is_well_formed(p, i))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE, "launch %u of what is packed is malformed", (unsigned)i);
    const char *name = p->tensors[launch->buffers[0].index].name;
    if (gf_store_find(e->store, name)->updated)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "'%s' is packed by one program and written by another", name);
    int64_t begin = launch->buffers[1].offset;
    int64_t end = i + 1 < p->prepare_count ? p->prepare[i + 1].buffers[1].offset : p->prepared_size;
    GfPacked packed = {.tensor = name, .structure = p->kernels[launch->kernel].structure, .bytes = end - begin};
    packed.data = gf_store_find_packed(e->store, &packed);
    cpu_of(e)->pieces[i] = (Piece){.offset = begin, .packed = packed, .found = packed.data != NULL};
    return GF_OK;
}

/* Find what is packed already, and one block for the rest. */
static GfStatus place_pieces(GfExec *e, GfDiags *diags)
{
    uint32_t count = e->program->prepare_count;
    int64_t size = 0;
    void *block;

    cpu_of(e)->pieces = GF_NEW_ARRAY(&e->arena, Piece, count + 1);
    if (!cpu_of(e)->pieces)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++) {
        GF_TRY(find_piece(e, i, diags));
        size += cpu_of(e)->pieces[i].found ? 0 : gf_exec_round_up(cpu_of(e)->pieces[i].packed.bytes, ALIGNMENT);
    }
    GF_TRY(gf_store_block(e->store, size, "packed weights", &block, diags));
    char *next = block;
    for (uint32_t i = 0; i < count; i++) {
        if (cpu_of(e)->pieces[i].found)
            continue;
        cpu_of(e)->pieces[i].packed.data = next;
        next += gf_exec_round_up(cpu_of(e)->pieces[i].packed.bytes, ALIGNMENT);
    }
    return GF_OK;
}

/* Params that the launches of a step name; the others were only packed. */
static bool is_read_by_steps(const GfProgram *p, uint32_t tensor)
{
    for (uint32_t i = 0; i < p->launch_count; i++)
        for (uint32_t k = 0; k < p->launches[i].buffer_count; k++) {
            GfBuffer b = p->launches[i].buffers[k];
            if (b.kind == GF_BUFFER_TENSOR && b.index == tensor)
                return true;
        }
    return false;
}

/* Packed, and not read otherwise: the file's pages go. */
static void release_source(const GfExec *e, uint32_t i)
{
    GfStoreTensor *t = gf_store_find(e->store, cpu_of(e)->pieces[i].packed.tensor);

    if (is_read_by_steps(e->program, e->program->prepare[i].buffers[0].index))
        return;
    gf_store_release(e->store, t);
    t->released = t->mapped != NULL;
}

/* Pack what no other program has packed; of what only packing reads, one tensor at a time is in memory. */
static GfStatus pack(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->prepare_count; i++) {
        if (cpu_of(e)->pieces[i].found)
            continue;
        run_launches(e, &p->prepare[i], &cpu_of(e)->prepare[i], 1);
        GF_TRY(gf_store_add_packed(e->store, &cpu_of(e)->pieces[i].packed, diags));
        release_source(e, i);
    }
    return GF_OK;
}

/* ---- the device ---- */

static GfStatus make(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;
    Cpu *c = GF_NEW(&e->arena, Cpu);

    if (!c)
        return gf_fail_memory(diags);
    e->self = c;
    c->tensors = GF_NEW_ARRAY(&e->arena, void *, p->tensor_count + 1);
    if (!c->tensors)
        return gf_fail_memory(diags);
    GF_TRY(gf_pool_reserve(e->pool, p->scratch_size, diags));
    GF_TRY(gf_memory_map(&c->step, p->arena_size, "a step", diags));
    GF_TRY(bind_tensors(e, diags));
    GF_TRY(place_pieces(e, diags));
    GF_TRY(resolve_launches(e, p->launches, p->launch_count, &c->launches, diags));
    GF_TRY(resolve_launches(e, p->prepare, p->prepare_count, &c->prepare, diags));
    return pack(e, diags);
}

static GfStatus run(GfExec *e, GfDiags *diags)
{
    (void)diags;
    run_launches(e, e->program->launches, cpu_of(e)->launches, e->program->launch_count);
    run_copies(e);
    return GF_OK;
}

static GfStatus wait(GfExec *e, GfDiags *diags)
{
    (void)e, (void)diags;
    return GF_OK;
}

static const void *output(GfExec *e, uint32_t index)
{
    return resolve(e, e->program->outputs[index].buffer);
}

static void release(GfExec *e)
{
    if (e->self)
        gf_memory_unmap(&cpu_of(e)->step);
}

const GfExecDevice gf_exec_cpu = {.make = make, .run = run, .wait = wait, .output = output, .release = release};
