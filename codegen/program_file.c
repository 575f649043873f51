/* program_file.c -- writing and reading programs; see program_file.h.
 *
 * The two halves mirror each other: a field that one adds the other takes, in the
 * same order.  Enumerations are written as numbers and checked by gf_program_check,
 * as everything is that reading alone cannot know to be wrong.
 */
#include "codegen/program_file.h"

/* Whoever adds a field must write and read it here, check it, and raise GF_PROGRAM_FORMAT. */
_Static_assert(sizeof(void *) != 8 ||
                   (sizeof(GfProgram) == 352 && sizeof(GfTensorDecl) == 112 && sizeof(GfKernel) == 96 &&
                    sizeof(GfLaunch) == 88 && sizeof(GfLaunchBatch) == 8 && sizeof(GfOutput) == 96),
               "a field was added to a program: it must be in its file");

/* ---- writing: parts --------------------------------------------------------------------- */

static void add_dim(GfText *out, GfDim dim)
{
    gf_bytes_add_u32(out, (uint32_t)dim.symbol);
    gf_bytes_add_u64(out, (uint64_t)dim.size);
}

static void add_type(GfText *out, const GfType *type)
{
    gf_bytes_add_u8(out, (uint8_t)type->dtype);
    gf_bytes_add_u8(out, (uint8_t)type->rank);
    for (uint32_t i = 0; i < type->rank; i++)
        add_dim(out, type->dims[i]);
}

static void add_buffer(GfText *out, GfBuffer b)
{
    gf_bytes_add_u8(out, (uint8_t)b.kind);
    gf_bytes_add_u32(out, b.index);
    gf_bytes_add_u64(out, (uint64_t)b.offset);
}

static void add_tensor(GfText *out, const GfTensorDecl *t)
{
    gf_bytes_add_u8(out, (uint8_t)t->kind);
    gf_bytes_add_text(out, t->name);
    add_type(out, &t->type);
    gf_bytes_add_u8(out, t->frozen);
    gf_bytes_add_u8(out, t->updated);
    gf_bytes_add_text(out, t->init);
    gf_bytes_add_f64(out, t->std);
}

static void add_kernel(GfText *out, const GfKernel *k)
{
    const GfBlockKernel *b = &k->block;

    gf_bytes_add_text(out, k->name);
    gf_bytes_add_text(out, k->structure);
    gf_bytes_add_u64(out, k->code_at);
    gf_bytes_add(out, b->image, b->image_size);
    gf_bytes_add_text(out, b->origin);
    gf_bytes_add_u32(out, b->threads);
    gf_bytes_add_u32(out, b->shared);
    gf_bytes_add_u32(out, b->splits);
    gf_bytes_add_u8(out, b->batched);
    gf_bytes_add_u32(out, b->registers);
    gf_bytes_add_u32(out, b->static_shared);
    gf_bytes_add_u32(out, b->spills);
}

static void add_launch(GfText *out, const GfLaunch *l)
{
    gf_bytes_add_u32(out, l->kernel);
    gf_bytes_add_u32(out, l->buffer_count);
    for (uint32_t i = 0; i < l->buffer_count; i++)
        add_buffer(out, l->buffers[i]);
    gf_bytes_add_u32(out, l->scalar_count);
    for (uint32_t i = 0; i < l->scalar_count; i++)
        gf_bytes_add_u64(out, (uint64_t)l->scalars[i]);
    for (int i = 0; i < 2; i++) {
        add_dim(out, l->work.dim[i]);
        gf_bytes_add_u64(out, (uint64_t)l->work.unit[i]);
    }
}

static void add_launches(GfText *out, const GfLaunch *launches, uint32_t count)
{
    gf_bytes_add_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        add_launch(out, &launches[i]);
}

static void add_batches(GfText *out, const GfProgram *p)
{
    gf_bytes_add_u32(out, p->batch_count);
    for (uint32_t i = 0; i < p->batch_count; i++) {
        gf_bytes_add_u32(out, p->batches[i].first);
        gf_bytes_add_u32(out, p->batches[i].count);
    }
}

/* ---- writing: the whole ------------------------------------------------------------------- */

static void add_symbols(GfText *out, const GfProgram *p)
{
    gf_bytes_add_u32(out, p->symbol_count);
    for (uint32_t i = 0; i < p->symbol_count; i++) {
        gf_bytes_add_text(out, p->symbols[i]);
        gf_bytes_add_u64(out, (uint64_t)p->max_sizes[i]);
    }
}

static void add_results(GfText *out, const GfProgram *p)
{
    gf_bytes_add_u32(out, p->copy_count);
    for (uint32_t i = 0; i < p->copy_count; i++) {
        add_buffer(out, p->copies[i].from);
        gf_bytes_add_u32(out, p->copies[i].to);
    }
    gf_bytes_add_u32(out, p->output_count);
    for (uint32_t i = 0; i < p->output_count; i++) {
        gf_bytes_add_text(out, p->outputs[i].name);
        add_type(out, &p->outputs[i].type);
        add_buffer(out, p->outputs[i].buffer);
    }
}

void gf_program_write(const GfProgram *p, GfText *out)
{
    gf_bytes_add_text(out, p->target);
    add_symbols(out, p);
    gf_bytes_add_u32(out, p->tensor_count);
    for (uint32_t i = 0; i < p->tensor_count; i++)
        add_tensor(out, &p->tensors[i]);
    gf_bytes_add_u32(out, p->kernel_count);
    for (uint32_t i = 0; i < p->kernel_count; i++)
        add_kernel(out, &p->kernels[i]);
    add_launches(out, p->prepare, p->prepare_count);
    add_launches(out, p->launches, p->launch_count);
    add_batches(out, p);
    add_results(out, p);
    gf_bytes_add_u64(out, (uint64_t)p->arena_size);
    gf_bytes_add_u64(out, (uint64_t)p->prepared_size);
    gf_bytes_add_u64(out, (uint64_t)p->scratch_size);
    gf_bytes_add(out, p->code, p->code_size);
}

/* ---- reading: parts ----------------------------------------------------------------------- */

/* The fewest bytes that an item takes. */
enum {
    TENSOR_LEAST = 21,
    KERNEL_LEAST = 53,
    LAUNCH_LEAST = 52,
    BUFFER_LEAST = 13,
    BATCH_LEAST = 8,
    COPY_LEAST = 17,
    OUTPUT_LEAST = 19
};

static GfDim take_dim(GfBytes *in)
{
    int32_t symbol = (int32_t)gf_bytes_take_u32(in);
    return (GfDim){.symbol = symbol, .size = (int64_t)gf_bytes_take_u64(in)};
}

static GfType take_type(GfBytes *in)
{
    GfType type = {.dtype = (GfDType)gf_bytes_take_u8(in)};

    type.rank = gf_bytes_take_u8(in);
    in->bad |= type.rank > GF_MAX_RANK;
    for (uint32_t i = 0; !in->bad && i < type.rank; i++)
        type.dims[i] = take_dim(in);
    return type;
}

static GfBuffer take_buffer(GfBytes *in)
{
    GfBuffer b = {.kind = (GfBufferKind)gf_bytes_take_u8(in)};

    b.index = gf_bytes_take_u32(in);
    b.offset = (int64_t)gf_bytes_take_u64(in);
    return b;
}

static bool take_bool(GfBytes *in)
{
    uint8_t value = gf_bytes_take_u8(in);

    in->bad |= value > 1;
    return value == 1;
}

static GfTensorDecl take_tensor(GfBytes *in)
{
    GfTensorDecl t = {.kind = (GfTensorKind)gf_bytes_take_u8(in)};

    t.name = gf_bytes_take_text(in);
    t.type = take_type(in);
    t.frozen = take_bool(in);
    t.updated = take_bool(in);
    t.init = gf_bytes_take_text(in);
    t.std = gf_bytes_take_f64(in);
    return t;
}

static GfBlockKernel take_block(GfBytes *in)
{
    GfBlockKernel b = {0};

    b.image = gf_bytes_take(in, &b.image_size);
    if (!b.image_size)
        b.image = NULL;
    b.origin = gf_bytes_take_text(in);
    b.threads = gf_bytes_take_u32(in);
    b.shared = gf_bytes_take_u32(in);
    b.splits = gf_bytes_take_u32(in);
    b.batched = take_bool(in);
    b.registers = gf_bytes_take_u32(in);
    b.static_shared = gf_bytes_take_u32(in);
    b.spills = gf_bytes_take_u32(in);
    return b;
}

static GfKernel take_kernel(GfBytes *in)
{
    GfKernel k = {.name = gf_bytes_take_text(in)};

    k.structure = gf_bytes_take_text(in);
    k.code_at = gf_bytes_take_u64(in);
    k.block = take_block(in);
    return k;
}

/* Room for `count` items, which a GfBytes has counted. */
#define TAKE_ARRAY(in, type, count) GF_NEW_ARRAY((in)->arena, type, (size_t)(count) + 1)

static GfLaunch take_launch(GfBytes *in)
{
    GfLaunch l = {.kernel = gf_bytes_take_u32(in)};

    uint32_t buffers = gf_bytes_take_count(in, BUFFER_LEAST);
    l.buffers = TAKE_ARRAY(in, GfBuffer, buffers);
    while (l.buffers && l.buffer_count < buffers)
        l.buffers[l.buffer_count++] = take_buffer(in);
    uint32_t scalars = gf_bytes_take_count(in, 8);
    l.scalars = TAKE_ARRAY(in, int64_t, scalars);
    while (l.scalars && l.scalar_count < scalars)
        l.scalars[l.scalar_count++] = (int64_t)gf_bytes_take_u64(in);
    for (int i = 0; i < 2; i++) {
        l.work.dim[i] = take_dim(in);
        l.work.unit[i] = (int64_t)gf_bytes_take_u64(in);
    }
    return l;
}

static GfLaunch *take_launches(GfBytes *in, uint32_t *count)
{
    uint32_t all = gf_bytes_take_count(in, LAUNCH_LEAST);
    GfLaunch *launches = TAKE_ARRAY(in, GfLaunch, all);

    while (launches && !in->bad && *count < all)
        launches[(*count)++] = take_launch(in);
    return launches;
}

/* ---- reading: the whole --------------------------------------------------------------------- */

static void take_symbols(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, 12);

    in->bad |= count > GF_MAX_SYMBOLS;
    while (!in->bad && p->symbol_count < count) {
        p->symbols[p->symbol_count] = gf_bytes_take_text(in);
        p->max_sizes[p->symbol_count++] = (int64_t)gf_bytes_take_u64(in);
    }
}

static void take_tensors(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, TENSOR_LEAST);

    p->tensors = TAKE_ARRAY(in, GfTensorDecl, count);
    while (p->tensors && !in->bad && p->tensor_count < count)
        p->tensors[p->tensor_count++] = take_tensor(in);
}

static void take_kernels(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, KERNEL_LEAST);

    p->kernels = TAKE_ARRAY(in, GfKernel, count);
    while (p->kernels && !in->bad && p->kernel_count < count)
        p->kernels[p->kernel_count++] = take_kernel(in);
}

static void take_batches(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, BATCH_LEAST);

    p->batches = TAKE_ARRAY(in, GfLaunchBatch, count);
    while (p->batches && !in->bad && p->batch_count < count) {
        uint32_t first = gf_bytes_take_u32(in);
        p->batches[p->batch_count++] = (GfLaunchBatch){.first = first, .count = gf_bytes_take_u32(in)};
    }
}

static void take_copies(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, COPY_LEAST);

    p->copies = TAKE_ARRAY(in, GfCopy, count);
    while (p->copies && !in->bad && p->copy_count < count) {
        GfBuffer from = take_buffer(in);
        p->copies[p->copy_count++] = (GfCopy){.from = from, .to = gf_bytes_take_u32(in)};
    }
}

static void take_outputs(GfBytes *in, GfProgram *p)
{
    uint32_t count = gf_bytes_take_count(in, OUTPUT_LEAST);

    p->outputs = TAKE_ARRAY(in, GfOutput, count);
    while (p->outputs && !in->bad && p->output_count < count) {
        GfOutput *o = &p->outputs[p->output_count++];
        o->name = gf_bytes_take_text(in);
        o->type = take_type(in);
        o->buffer = take_buffer(in);
    }
}

static void take_program(GfBytes *in, GfProgram *p)
{
    p->target = gf_bytes_take_text(in);
    take_symbols(in, p);
    take_tensors(in, p);
    take_kernels(in, p);
    p->prepare = take_launches(in, &p->prepare_count);
    p->launches = take_launches(in, &p->launch_count);
    take_batches(in, p);
    take_copies(in, p);
    take_outputs(in, p);
    p->arena_size = (int64_t)gf_bytes_take_u64(in);
    p->prepared_size = (int64_t)gf_bytes_take_u64(in);
    p->scratch_size = (int64_t)gf_bytes_take_u64(in);
    p->code = gf_bytes_take(in, &p->code_size);
    if (!p->code_size)
        p->code = NULL;
}

/* The program's arena is its own: what was taken lies there. */
static GfStatus read_program(GfBytes *in, const char *file, GfProgram *p, GfDiags *diags)
{
    GfArena *outer = in->arena;

    in->arena = &p->arena;
    take_program(in, p);
    in->arena = outer;
    if (p->arena.failed)
        return gf_fail_memory(diags);
    if (in->bad)
        return gf_fail(diags, (GfLoc){.file = file}, GF_ERR_FORMAT, "is damaged: a program in it is not whole");
    return gf_program_check(p, file, diags);
}

GfStatus gf_program_read(GfBytes *in, const char *file, const GfAllocator *allocator, GfProgram **out, GfDiags *diags)
{
    GfArena arena;

    *out = NULL;
    gf_arena_init(&arena, allocator);
    GfProgram *p = GF_NEW(&arena, GfProgram);
    if (!p) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    p->arena = arena;
    GfStatus status = read_program(in, file, p, diags);
    if (status == GF_OK)
        *out = p;
    else
        gf_program_free(p);
    return status;
}
