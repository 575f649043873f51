/* program_check.c -- what a program must be for a device to trust it; see program_file.h. */
#include "codegen/program_file.h"

#include <math.h>
#include <string.h>

/* No memory is that large, and sums of a few of these do not overflow. */
static const int64_t largest = (int64_t)1 << 46;

typedef struct Check {
    const GfProgram *p;
    GfLoc loc;
    GfDiags *diags;
} Check;

#define FAIL(c, ...) gf_fail((c)->diags, (c)->loc, GF_ERR_FORMAT, "is damaged: " __VA_ARGS__)

/* ---- sizes and types ------------------------------------------------------------------------ */

static bool is_size(int64_t size)
{
    return size >= 0 && size <= largest;
}

static bool is_dim(const GfProgram *p, GfDim dim)
{
    if (dim.symbol == GF_CONSTANT)
        return is_size(dim.size);
    return dim.symbol >= 0 && (uint32_t)dim.symbol < p->symbol_count && dim.size == 0;
}

/* Bytes of `type` at the largest sizes; -1: it is no type, or too large. */
static int64_t bytes_of(const GfProgram *p, const GfType *type)
{
    if (type->dtype >= GF_DTYPE_COUNT || type->rank > GF_MAX_RANK)
        return -1;
    for (uint32_t i = 0; i < type->rank; i++)
        if (!is_dim(p, type->dims[i]))
            return -1;
    int64_t elements = gf_type_elements(type, p->max_sizes);
    return is_size(elements) ? elements * (int64_t)gf_dtype_size(type->dtype) : -1;
}

static GfStatus check_sizes(const Check *c)
{
    const GfProgram *p = c->p;

    for (uint32_t i = 0; i < p->symbol_count; i++)
        if (!*p->symbols[i] || p->max_sizes[i] < 1 || p->max_sizes[i] > INT32_MAX)
            return FAIL(c, "size '%s' is planned for up to %lld", p->symbols[i], (long long)p->max_sizes[i]);
    if (!is_size(p->arena_size) || !is_size(p->prepared_size) || !is_size(p->scratch_size))
        return FAIL(c, "its memory has a size that cannot be");
    return GF_OK;
}

/* ---- tensors and kernels ---------------------------------------------------------------------- */

static GfStatus check_tensors(const Check *c)
{
    for (uint32_t i = 0; i < c->p->tensor_count; i++) {
        const GfTensorDecl *t = &c->p->tensors[i];
        if (!*t->name || t->kind > GF_TENSOR_STATE || bytes_of(c->p, &t->type) < 0 || !isfinite(t->std))
            return FAIL(c, "tensor %u ('%s') is no tensor", i, t->name);
        if (t->kind == GF_TENSOR_INPUT && t->updated)
            return FAIL(c, "input '%s' is updated", t->name);
    }
    return GF_OK;
}

static bool has_code(const GfProgram *p, const GfKernel *k)
{
    const GfBlockKernel *b = &k->block;

    if (strncmp(p->target, "cpu:", 4) == 0)
        return k->code_at < p->code_size && !b->image;
    return b->image && b->threads > 0 && b->threads <= 1024 && b->splits > 0 && b->splits <= 65536;
}

static GfStatus check_kernels(const Check *c)
{
    const GfProgram *p = c->p;

    if (strncmp(p->target, "cpu:", 4) != 0 && strncmp(p->target, "cuda:", 5) != 0)
        return FAIL(c, "it is for no target ('%s')", p->target);
    if (p->code && strncmp(p->target, "cpu:", 4) != 0)
        return FAIL(c, "a program for %s has code of a cpu", p->target);
    for (uint32_t i = 0; i < p->kernel_count; i++)
        if (!*p->kernels[i].name || !has_code(p, &p->kernels[i]))
            return FAIL(c, "kernel %u ('%s') has no code", i, p->kernels[i].name);
    return GF_OK;
}

/* ---- buffers ------------------------------------------------------------------------------------ */

/* Bytes of the memory that a buffer lies in; -1: it is none. */
static int64_t room_of(const GfProgram *p, GfBuffer b)
{
    switch (b.kind) {
    case GF_BUFFER_TENSOR:
        return b.index < p->tensor_count ? bytes_of(p, &p->tensors[b.index].type) : -1;
    case GF_BUFFER_ARENA:
        return p->arena_size;
    case GF_BUFFER_PREPARED:
        return p->prepared_size;
    }
    return -1;
}

/* Whether `bytes` bytes at the buffer are there. */
static bool holds(const GfProgram *p, GfBuffer b, int64_t bytes)
{
    int64_t room = room_of(p, b);
    return bytes >= 0 && b.offset >= 0 && b.offset <= room && bytes <= room - b.offset;
}

/* The runtime finds prepared memory by the launch that writes it, the first of which begins it. */
static bool is_prepared(const GfProgram *p, GfBuffer b)
{
    const GfLaunch *first = p->prepare;
    return p->prepare_count && first->buffer_count == 2 && b.offset >= first->buffers[1].offset && holds(p, b, 1);
}

static bool is_buffer(const GfProgram *p, GfBuffer b)
{
    return b.kind == GF_BUFFER_PREPARED ? is_prepared(p, b) : holds(p, b, 0);
}

/* ---- launches ------------------------------------------------------------------------------------- */

/* All tasks at the largest sizes, with nothing in between that overflows. */
static bool is_work(const GfProgram *p, const GfWork *w)
{
    int64_t tasks = 1;

    for (int i = 0; i < 2; i++) {
        if (!is_dim(p, w->dim[i]) || w->unit[i] < 1 || w->unit[i] > largest)
            return false;
        int64_t size = gf_dim_value(w->dim[i], p->max_sizes);
        if (__builtin_mul_overflow(tasks, (size + w->unit[i] - 1) / w->unit[i], &tasks))
            return false;
    }
    return is_size(tasks);
}

static GfStatus check_launch(const Check *c, const GfLaunch *l, uint32_t number)
{
    const GfProgram *p = c->p;

    if (l->kernel >= p->kernel_count)
        return FAIL(c, "launch %u names kernel %u of %u", number, l->kernel, p->kernel_count);
    if (!is_work(p, &l->work))
        return FAIL(c, "launch %u, of '%s', has no number of tasks", number, p->kernels[l->kernel].name);
    for (uint32_t i = 0; i < l->buffer_count; i++)
        if (!is_buffer(p, l->buffers[i]))
            return FAIL(c, "launch %u, of '%s': buffer %u lies outside of the program's memory", number,
                        p->kernels[l->kernel].name, i);
    return GF_OK;
}

static GfStatus check_launches(const Check *c)
{
    const GfProgram *p = c->p;

    for (uint32_t i = 0; i < p->prepare_count; i++)
        GF_TRY(check_launch(c, &p->prepare[i], i));
    for (uint32_t i = 0; i < p->launch_count; i++)
        GF_TRY(check_launch(c, &p->launches[i], p->prepare_count + i));
    return GF_OK;
}

/* Whether the launches of a batch can run as one. */
static bool is_batch(const GfProgram *p, const GfLaunchBatch *b)
{
    const GfLaunch *first = &p->launches[b->first];

    if (b->count > 1 && !p->kernels[first->kernel].block.batched)
        return false;
    for (uint32_t i = 1; i < b->count; i++)
        if (first[i].kernel != first->kernel || first[i].buffer_count != first->buffer_count ||
            first[i].scalar_count != first->scalar_count)
            return false;
    return true;
}

/* All launches in their order; on the cpu there may be none. */
static GfStatus check_batches(const Check *c)
{
    const GfProgram *p = c->p;
    uint32_t next = 0;

    for (uint32_t i = 0; i < p->batch_count; i++) {
        const GfLaunchBatch *b = &p->batches[i];
        if (b->first != next || b->count == 0 || b->count > p->launch_count - next || !is_batch(p, b))
            return FAIL(c, "batch %u is none of the program's launches", i);
        next += b->count;
    }
    if ((p->batch_count || strncmp(p->target, "cuda", 4) == 0) && next != p->launch_count)
        return FAIL(c, "%u of %u launches are in batches", next, p->launch_count);
    return GF_OK;
}

/* ---- results ---------------------------------------------------------------------------------------- */

static GfStatus check_results(const Check *c)
{
    const GfProgram *p = c->p;

    for (uint32_t i = 0; i < p->copy_count; i++) {
        uint32_t to = p->copies[i].to;
        if (to >= p->tensor_count || !p->tensors[to].updated || p->copies[i].from.kind == GF_BUFFER_PREPARED ||
            !holds(p, p->copies[i].from, bytes_of(p, &p->tensors[to].type)))
            return FAIL(c, "copy %u is of nothing, or to nothing that is updated", i);
    }
    for (uint32_t i = 0; i < p->output_count; i++) {
        const GfOutput *o = &p->outputs[i];
        if (!*o->name || o->buffer.kind == GF_BUFFER_PREPARED || !holds(p, o->buffer, bytes_of(p, &o->type)))
            return FAIL(c, "output %u ('%s') lies outside of the program's memory", i, o->name);
    }
    return GF_OK;
}

GfStatus gf_program_check(const GfProgram *program, const char *file, GfDiags *diags)
{
    Check c = {.p = program, .loc = {.file = file}, .diags = diags};

    GF_TRY(check_sizes(&c));
    GF_TRY(check_tensors(&c));
    GF_TRY(check_kernels(&c));
    GF_TRY(check_launches(&c));
    GF_TRY(check_batches(&c));
    return check_results(&c);
}
