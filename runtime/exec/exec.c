/* exec.c -- see exec.h. */
#include "runtime/exec/exec.h"

#include "runtime/exec/exec_device.h"

#include <math.h>
#include <string.h>

enum { ALIGNMENT = 256 };

/* ---- for the devices ---- */

int64_t gf_exec_bytes(const GfType *type, const int64_t *sizes)
{
    int64_t elements = gf_type_elements(type, sizes);
    return elements < 0 ? -1 : elements * (int64_t)gf_dtype_size(type->dtype);
}

int64_t gf_exec_round_up(int64_t bytes, int64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

GfStatus gf_exec_find_tensor(const GfExec *e, const GfTensorDecl *d, GfStoreTensor **out, GfDiags *diags)
{
    GfStoreTensor *t = gf_store_find(e->store, d->name);

    if (!t || !t->data || !gf_type_eq(&t->type, &d->type))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "the store has no '%s' of the program's type", d->name);
    if (t->mapped && d->updated)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "'%s' was declared as never written", d->name);
    *out = t;
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
    return e->device->run(e, diags);
}

GfStatus gf_exec_wait(GfExec *e, GfDiags *diags)
{
    return e->device->wait(e, diags);
}

GfStatus gf_exec_time_batches(GfExec *e, double *seconds, GfDiags *diags)
{
    if (!e->device->time_batches)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "batches are timed one by one on a CUDA device alone");
    GF_TRY(check_bound(e, diags));
    return e->device->time_batches(e, seconds, diags);
}

bool gf_exec_is_asynchronous(const GfExec *e)
{
    return e->device->asynchronous;
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
    memcpy((char *)e->inputs.data + e->input_at[i], data, (size_t)gf_exec_bytes(&d->type, e->sizes));
    e->bound[i] = true;
}

const void *gf_exec_output(GfExec *e, const char *name)
{
    const GfOutput *o = gf_program_output(e->program, name);
    return o ? e->device->output(e, (uint32_t)(o - e->program->outputs)) : NULL;
}

int64_t gf_exec_output_count(const GfExec *e, const char *name)
{
    const GfOutput *o = gf_program_output(e->program, name);
    int64_t count = o ? gf_type_elements(&o->type, e->sizes) : 0;
    return count < 0 ? 0 : count;
}

float gf_exec_scalar(GfExec *e, const char *name)
{
    const float *value = gf_exec_output(e, name);
    return value ? *value : NAN;
}

/* ---- making ---- */

static bool is_for_cuda(const GfProgram *p)
{
    return p->target && strncmp(p->target, "cuda", 4) == 0;
}

static GfStatus check_program(const GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;

    if (is_for_cuda(p) != (e->cuda != NULL))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "a program for %s cannot run on %s",
                       p->target ? p->target : "the cpu", e->cuda ? "a CUDA device" : "the cpu");
    for (uint32_t i = 0; i < p->tensor_count; i++)
        if (gf_exec_bytes(&p->tensors[i].type, p->max_sizes) < 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_TENSOR, "the size of '%s' overflows", p->tensors[i].name);
    return GF_OK;
}

static GfStatus place_inputs(GfExec *e, GfDiags *diags)
{
    const GfProgram *p = e->program;
    int64_t size = 0;

    e->input_at = GF_NEW_ARRAY(&e->arena, int64_t, p->tensor_count + 1);
    e->bound = GF_NEW_ARRAY(&e->arena, bool, p->tensor_count + 1);
    if (!e->input_at || !e->bound)
        return gf_fail_memory(diags);
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        if (p->tensors[i].kind != GF_TENSOR_INPUT)
            continue;
        e->input_at[i] = size;
        size += gf_exec_round_up(gf_exec_bytes(&p->tensors[i].type, p->max_sizes), ALIGNMENT);
    }
    return gf_memory_map(&e->inputs, size, "inputs", diags);
}

static GfStatus set_up(GfExec *e, GfDiags *diags)
{
    GF_TRY(check_program(e, diags));
    GF_TRY(place_inputs(e, diags));
    return e->device->make(e, diags);
}

GfStatus gf_exec_new(const GfDevice *device, const GfProgram *program, GfStore *store, const GfAllocator *allocator,
                     GfExec **out, GfDiags *diags)
{
    GfArena arena;

    *out = NULL;
    gf_arena_init(&arena, allocator);
    GfExec *e = GF_NEW(&arena, GfExec);
    if (!e) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    *e = (GfExec){.arena = arena,
                  .pool = device->pool,
                  .cuda = device->cuda,
                  .program = program,
                  .store = store,
                  .device = device->cuda ? &gf_exec_cuda : &gf_exec_cpu};
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
    e->device->release(e);
    gf_memory_unmap(&e->inputs);
    GfArena arena = e->arena;
    gf_arena_free(&arena);
}
