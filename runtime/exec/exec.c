/* exec.c -- see exec.h. */
#include "runtime/exec/exec.h"

#include <math.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* What one `prepare` launch writes: a piece of the prepared memory, which lies in the store. */
typedef struct Piece {
    int64_t offset; /* in the program's prepared memory */
    GfPacked packed;
    bool found; /* packed by another program before */
} Piece;

struct GfExec {
    GfArena arena;
    GfPool *pool;
    const GfProgram *program;
    GfStore *store;
    GfMemory step, inputs;
    Piece *pieces;    /* of each `prepare` launch, by offset */
    void **tensors;   /* by index in the program: memory of each */
    bool *bound;      /* by index: inputs that have been given */
    void ***launches; /* pointers of each launch's buffers */
    void ***prepare;
    int64_t sizes[GF_MAX_SYMBOLS]; /* 0: not bound */
};

/* ---- memory ---- */

static int64_t bytes_of(const GfType *type, const int64_t *sizes)
{
    int64_t elements = gf_type_elements(type, sizes);
    return elements < 0 ? -1 : elements * (int64_t)gf_dtype_size(type->dtype);
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static GfStatus place_inputs(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;
    int64_t size = 0;

    for (uint32_t i = 0; i < p->tensor_count; i++)
        if (p->tensors[i].kind == GF_TENSOR_INPUT)
            size += round_up(bytes_of(&p->tensors[i].type, p->max_sizes));
    GF_TRY(gf_memory_map(&e->inputs, size, "inputs", diags));
    char *next = e->inputs.data;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        if (p->tensors[i].kind != GF_TENSOR_INPUT)
            continue;
        e->tensors[i] = next;
        next += round_up(bytes_of(&p->tensors[i].type, p->max_sizes));
    }
    return GF_OK;
}

static GfStatus bind_store(GfExec *e, GfDiags *diags)
{
    for (uint32_t i = 0; i < e->program->tensor_count; i++) {
        const GfTensorDecl *d = &e->program->tensors[i];
        if (d->kind == GF_TENSOR_INPUT)
            continue;
        const GfStoreTensor *t = gf_store_find(e->store, d->name);
        if (!t || !t->data || !gf_type_eq(&t->type, &d->type))
            return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "the store has no '%s' of the program's type", d->name);
        if (t->mapped && d->updated)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "'%s' was declared as never written", d->name);
        e->tensors[i] = t->data;
    }
    return GF_OK;
}

/* In the piece that has this offset. */
static void *resolve_prepared(const GfExec *e, int64_t offset)
{
    for (uint32_t i = 0; i < e->program->prepare_count; i++) {
        const Piece *piece = &e->pieces[i];
        if (offset >= piece->offset && offset < piece->offset + piece->packed.bytes)
            return (char *)piece->packed.data + (offset - piece->offset);
    }
    return NULL;
}

static void *resolve(const GfExec *e, GfBuffer b)
{
    switch (b.kind) {
    case GF_BUFFER_TENSOR:
        return (char *)e->tensors[b.index] + b.offset;
    case GF_BUFFER_ARENA:
        return (char *)e->step.data + b.offset;
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
        memcpy(e->tensors[copy->to], resolve(e, copy->from), (size_t)bytes_of(&p->tensors[copy->to].type, e->sizes));
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
    e->pieces[i] = (Piece){.offset = begin, .packed = packed, .found = packed.data != NULL};
    return GF_OK;
}

/* Find what is packed already, and one block for the rest. */
static GfStatus place_pieces(GfExec *e, GfDiags *diags)
{
    uint32_t count = e->program->prepare_count;
    int64_t size = 0;
    void *block;

    e->pieces = GF_NEW_ARRAY(&e->arena, Piece, count + 1);
    if (!e->pieces)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < count; i++) {
        GF_TRY(find_piece(e, i, diags));
        size += e->pieces[i].found ? 0 : round_up(e->pieces[i].packed.bytes);
    }
    GF_TRY(gf_store_block(e->store, size, "packed weights", &block, diags));
    char *next = block;
    for (uint32_t i = 0; i < count; i++) {
        if (e->pieces[i].found)
            continue;
        e->pieces[i].packed.data = next;
        next += round_up(e->pieces[i].packed.bytes);
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

static void release_packed(const GfExec *e)
{
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->tensor_count; i++)
        if (p->tensors[i].kind == GF_TENSOR_PARAM && p->tensors[i].frozen && !is_read_by_steps(p, i))
            gf_store_release(e->store, gf_store_find(e->store, p->tensors[i].name));
}

/* Pack what no other program has packed. */
static GfStatus prepare(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;
    bool any = false;

    for (uint32_t i = 0; i < p->prepare_count; i++) {
        if (e->pieces[i].found)
            continue;
        any = true;
        run_launches(e, &p->prepare[i], &e->prepare[i], 1);
        GF_TRY(gf_store_add_packed(e->store, &e->pieces[i].packed, diags));
    }
    if (any)
        release_packed(e);
    return GF_OK;
}

/* ---- a step ---- */

static GfStatus check_bound(const GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (e->sizes[i] <= 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "size '%s' has not been bound", p->symbols[i]);
    for (uint32_t i = 0; i < p->tensor_count; i++)
        if (p->tensors[i].kind == GF_TENSOR_INPUT && !e->bound[i])
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "input '%s' has not been bound", p->tensors[i].name);
    return GF_OK;
}

GfStatus gf_exec_run(GfExec *e, GfDiags *diags)
{
    GF_TRY(check_bound(e, diags));
    run_launches(e, e->program->launches, e->launches, e->program->launch_count);
    run_copies(e);
    return GF_OK;
}

/* ---- inputs and outputs ---- */

GfStatus gf_exec_size(GfExec *e, const char *symbol, int64_t size, GfDiags *diags)
{
    const GfProgram *p = e->program;

    for (uint32_t i = 0; i < p->symbol_count; i++) {
        if (strcmp(p->symbols[i], symbol) != 0)
            continue;
        if (size < 1 || size > p->max_sizes[i])
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "'%s' is %lld, but the program is planned for 1 to %lld",
                           symbol, (long long)size, (long long)p->max_sizes[i]);
        e->sizes[i] = size;
    }
    return GF_OK;
}

void gf_exec_input(GfExec *e, const char *name, const void *data)
{
    uint32_t i;
    const GfTensorDecl *d = gf_program_tensor(e->program, name, &i);

    if (!d || d->kind != GF_TENSOR_INPUT)
        return;
    memcpy(e->tensors[i], data, (size_t)bytes_of(&d->type, e->sizes));
    e->bound[i] = true;
}

const void *gf_exec_output(const GfExec *e, const char *name)
{
    const GfOutput *o = gf_program_output(e->program, name);
    return o ? resolve(e, o->buffer) : NULL;
}

int64_t gf_exec_output_count(const GfExec *e, const char *name)
{
    const GfOutput *o = gf_program_output(e->program, name);
    int64_t count = o ? gf_type_elements(&o->type, e->sizes) : 0;
    return count < 0 ? 0 : count;
}

float gf_exec_scalar(const GfExec *e, const char *name)
{
    const float *value = gf_exec_output(e, name);
    return value ? *value : NAN;
}

/* ---- making ---- */

static GfStatus check_program(const GfProgram *p, GfDiags *diags)
{
    for (uint32_t i = 0; i < p->tensor_count; i++)
        if (bytes_of(&p->tensors[i].type, p->max_sizes) < 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "the size of '%s' overflows", p->tensors[i].name);
    for (uint32_t i = 0; i < p->kernel_count; i++)
        if (!p->kernels[i].cpu)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the kernel '%s' is for %s and cannot run on the cpu",
                           p->kernels[i].name, p->target ? p->target : "another device");
    return GF_OK;
}

static GfStatus set_up(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;

    e->tensors = GF_NEW_ARRAY(&e->arena, void *, p->tensor_count + 1);
    e->bound = GF_NEW_ARRAY(&e->arena, bool, p->tensor_count + 1);
    if (!e->tensors || !e->bound)
        return gf_fail_memory(diags);
    GF_TRY(check_program(p, diags));
    GF_TRY(gf_pool_reserve(e->pool, p->scratch_size, diags));
    GF_TRY(gf_memory_map(&e->step, p->arena_size, "a step", diags));
    GF_TRY(place_inputs(e, diags));
    GF_TRY(bind_store(e, diags));
    GF_TRY(place_pieces(e, diags));
    GF_TRY(resolve_launches(e, p->launches, p->launch_count, &e->launches, diags));
    GF_TRY(resolve_launches(e, p->prepare, p->prepare_count, &e->prepare, diags));
    return prepare(e, diags);
}

GfStatus gf_exec_new(GfPool *pool, const GfProgram *program, GfStore *store, const GfAllocator *allocator, GfExec **out,
                     GfDiags *diags)
{
    GfArena arena;

    *out = NULL;
    gf_arena_init(&arena, allocator);
    GfExec *e = GF_NEW(&arena, GfExec);
    if (!e) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    *e = (GfExec){.arena = arena, .pool = pool, .program = program, .store = store};
    GfStatus status = set_up(e, diags);
    if (status != GF_OK) {
        gf_exec_free(e);
        return status;
    }
    *out = e;
    return GF_OK;
}

void gf_exec_free(GfExec *e)
{
    if (!e)
        return;
    gf_memory_unmap(&e->step);
    gf_memory_unmap(&e->inputs);
    GfArena arena = e->arena;
    gf_arena_free(&arena);
}
