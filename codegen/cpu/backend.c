/* backend.c -- the cpu target: regions to LLVM IR, LLVM IR to machine code.
 *
 * Regions of equal structure share one kernel, however many layers they stand
 * for.  A kernel is a function over tasks (see GfCpuKernel); frozen weights are
 * packed by kernels of their own, listed in the program's `prepare`.  What a kernel sums
 * over the rows of each task (tail.c) is added up by a second one, launched behind it.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/module.h"
#include "codegen/cpu_level.h"
#include "codegen/lower.h"

#include <string.h>

enum { FLAT_TASK = 16384 }; /* elements a task of a kernel that does not know its sizes */

/* A program under construction. */
typedef struct Lowering {
    const GfGraph *g;
    GfProgram *program;
    Ll *l;
    GfArena scratch;
    GfDiags *diags;
    size_t kernel_room;
    GfWork *works; /* of kernels */
    size_t work_room;
    const GfNode **packed; /* products whose weights are packed: one a (weight, shape) */
    int64_t *packed_at;
    uint32_t packed_count;
    int64_t sums_at; /* in the arena, behind the plan: sums of a tail's tasks, for one launch at a time */
} Lowering;

static GfStatus memory(Lowering *w)
{
    return gf_fail_memory(w->diags);
}

/* ---- kernels ------------------------------------------------------------------------ */

static GfStatus emit_region(Emit *e, const char *name)
{
    switch (e->r->kind) {
    case GF_REGION_TILE:
        return cpu_emit_tile(e, name);
    case GF_REGION_ROW:
        return cpu_emit_row(e, name);
    case GF_REGION_FLAT:
        return cpu_emit_flat(e, name);
    case GF_REGION_COLSUM:
        return cpu_emit_colsum(e, name);
    case GF_REGION_OPAQUE:
        return cpu_emit_opaque(e, name);
    }
    return GF_ERR_COMPILE;
}

static GfStatus find_kernel(Lowering *w, const char *structure, uint32_t *found)
{
    for (uint32_t i = 0; i < w->program->kernel_count; i++) {
        if (strcmp(w->program->kernels[i].structure, structure) == 0) {
            *found = i;
            return GF_OK;
        }
    }
    *found = UINT32_MAX;
    return GF_OK;
}

static GfStatus add_kernel(Lowering *w, const char *name, const char *structure, const Emit *e, uint32_t *index)
{
    GfProgram *p = w->program;

    p->kernels = gf_arena_grow(&p->arena, p->kernels, p->kernel_count, &w->kernel_room, sizeof *p->kernels);
    w->works = gf_arena_grow(&w->scratch, w->works, p->kernel_count, &w->work_room, sizeof *w->works);
    if (!p->kernels || !w->works)
        return memory(w);
    *index = p->kernel_count;
    p->kernels[*index] = (GfKernel){.name = name, .structure = structure};
    w->works[*index] = e->work;
    p->kernel_count++;
    if (e->scratch_size > p->scratch_size)
        p->scratch_size = e->scratch_size;
    return GF_OK;
}

static Emit new_emit(Lowering *w, const GfRegion *r)
{
    return (Emit){.l = w->l, .g = w->g, .r = r, .arena = &w->scratch, .diags = w->diags};
}

/* Structure and which products read weights packed once: '1' or '0' each. */
static const char *region_key(Lowering *w, const GfRegion *r)
{
    GfText key = {.arena = &w->program->arena};
    TilePacks packs = cpu_tile_packs(r);

    gf_text_add(&key, "%s", r->structure);
    for (uint32_t i = 0; i < r->node_count; i++) {
        bool packed = false;
        for (uint32_t k = 0; k < packs.count; k++)
            packed |= packs.product[k] == r->nodes[i];
        if (packed)
            gf_text_add(&key, " packed:%u", i);
    }
    return gf_text_str(&key);
}

static GfStatus region_kernel(Lowering *w, const GfRegion *r, uint32_t *index)
{
    const char *key = region_key(w, r);

    GF_TRY(find_kernel(w, key, index));
    if (*index != UINT32_MAX)
        return GF_OK;
    const char *name = gf_kernel_name(&w->program->arena, w->program->kernel_count, r);
    Emit e = new_emit(w, r);
    GF_TRY(emit_region(&e, name));
    return add_kernel(w, name, key, &e, index);
}

/* A kernel beside that of a product's region, of buffers {what it reads, what it writes}. */
typedef struct Beside {
    const char *what;
    void (*key)(const GfNode *product, GfText *out);
    GfStatus (*emit)(Emit *e, const GfNode *product, const char *name);
} Beside;

static const Beside packing = {"pack", cpu_pack_key, cpu_emit_pack};
static const Beside tail_sum = {"sum", cpu_tail_key, cpu_emit_tail_sum};

static GfStatus beside_kernel(Lowering *w, const Beside *b, const GfNode *product, uint32_t *index)
{
    GfText key = {.arena = &w->program->arena};

    b->key(product, &key);
    GF_TRY(find_kernel(w, gf_text_str(&key), index));
    if (*index != UINT32_MAX)
        return GF_OK;
    GfRegion none = {0};
    Emit e = new_emit(w, &none);
    const char *name = gf_arena_printf(&w->program->arena, "k%u_%s", w->program->kernel_count, b->what);
    GF_TRY(b->emit(&e, product, name));
    return add_kernel(w, name, gf_text_str(&key), &e, index);
}

static GfStatus launch_beside(Lowering *w, const Beside *b, const GfNode *product, GfBuffer from, GfBuffer to,
                              GfLaunch *launch)
{
    GF_TRY(beside_kernel(w, b, product, &launch->kernel));
    launch->buffers = GF_NEW_ARRAY(&w->program->arena, GfBuffer, 2);
    if (!launch->buffers)
        return memory(w);
    launch->buffers[0] = from;
    launch->buffers[1] = to;
    launch->buffer_count = 2;
    launch->work = w->works[launch->kernel];
    return GF_OK;
}

/* ---- weights packed once --------------------------------------------------------------- */

static GfStatus add_prepare(Lowering *w, const GfNode *product, int64_t offset)
{
    GfProgram *p = w->program;
    GfBuffer weight = gf_program_buffer(p, w->g, gf_operand(product, 1));
    GfBuffer panels = {.kind = GF_BUFFER_PREPARED, .offset = offset};

    GF_TRY(launch_beside(w, &packing, product, weight, panels, &p->prepare[p->prepare_count]));
    p->prepare_count++;
    return GF_OK;
}

/* Where the panels of this product's weight are; packed on first use.  `product` is a packer. */
static GfStatus packed_offset(Lowering *w, const GfNode *product, int64_t *offset)
{
    GfProgram *p = w->program;

    for (uint32_t i = 0; i < w->packed_count; i++) {
        if (gf_operand(w->packed[i], 1) == gf_operand(product, 1)) {
            *offset = w->packed_at[i];
            return GF_OK;
        }
    }
    *offset = p->prepared_size;
    p->prepared_size += (cpu_pack_bytes(w->l, product) + 63) / 64 * 64;
    w->packed[w->packed_count] = product;
    w->packed_at[w->packed_count++] = *offset;
    return add_prepare(w, product, *offset);
}

/* ---- launches ----------------------------------------------------------------------------- */

static GfStatus packed_buffer(Lowering *w, const GfNode *packer, GfBuffer *out)
{
    *out = (GfBuffer){.kind = GF_BUFFER_PREPARED};
    return packed_offset(w, packer, &out->offset);
}

/* A weight that the kernel reads packed is not named otherwise: then its source need not stay. */
static GfStatus input_buffer(Lowering *w, const GfRegion *r, const TilePacks *packs, const GfValue *v, GfBuffer *out)
{
    for (uint32_t i = 0; i < packs->count; i++) {
        if (gf_operand(packs->product[i], 1) == v && !cpu_tile_reads(r, packs, v))
            return packed_buffer(w, packs->packer[i], out);
    }
    *out = gf_program_buffer(w->program, w->g, v);
    return GF_OK;
}

static GfStatus set_buffers(Lowering *w, const GfRegion *r, GfLaunch *launch)
{
    TilePacks packs = cpu_tile_packs(r);
    bool tail = cpu_tail(r) != NULL;
    uint32_t count = r->input_count + r->output_count + packs.count + tail, k = 0;

    launch->buffers = GF_NEW_ARRAY(&w->program->arena, GfBuffer, count + 1);
    if (!launch->buffers)
        return memory(w);
    for (uint32_t i = 0; i < r->input_count; i++)
        GF_TRY(input_buffer(w, r, &packs, r->inputs[i], &launch->buffers[k++]));
    for (uint32_t i = 0; i < r->output_count; i++)
        launch->buffers[k++] = gf_program_buffer(w->program, w->g, r->outputs[i]);
    for (uint32_t i = 0; i < packs.count; i++)
        GF_TRY(packed_buffer(w, packs.packer[i], &launch->buffers[k++]));
    if (tail)
        launch->buffers[k] = (GfBuffer){.kind = GF_BUFFER_ARENA, .offset = w->sums_at};
    launch->buffer_count = count;
    return GF_OK;
}

/* The launch that adds up what the tasks of the last one have summed. */
static GfStatus add_tail(Lowering *w, const GfNode *tail)
{
    GfProgram *p = w->program;
    GfBuffer sums = {.kind = GF_BUFFER_ARENA, .offset = w->sums_at};
    int64_t end = w->sums_at + cpu_tail_bytes(w->l, tail, w->g->plan_sizes);

    GF_TRY(launch_beside(w, &tail_sum, tail, sums, gf_program_buffer(p, w->g, &tail->results[0]),
                         &p->launches[p->launch_count]));
    p->arena_size = end > p->arena_size ? end : p->arena_size;
    p->launch_count++;
    return GF_OK;
}

static GfStatus lower_region(Lowering *w, const GfRegion *r)
{
    const GfNode *tail = cpu_tail(r);
    GfLaunch *launch = &w->program->launches[w->program->launch_count];

    GF_TRY(region_kernel(w, r, &launch->kernel));
    launch->work = w->works[launch->kernel];
    GF_TRY(set_buffers(w, r, launch));
    GF_TRY(gf_set_scalars(&w->program->arena, r, FLAT_TASK, "cpu", launch, w->diags));
    w->program->launch_count++;
    return tail ? add_tail(w, tail) : GF_OK;
}

static GfStatus lower_graph(Lowering *w)
{
    GfRegion *regions;
    uint32_t count, nodes = 0;
    GfProgram *p = w->program;

    GF_TRY(gf_schedule(w->g, &w->scratch, &regions, &count, w->diags));
    for (uint32_t i = 0; i < count; i++)
        nodes += regions[i].node_count;
    w->sums_at = (p->arena_size + 63) / 64 * 64;
    p->launches = GF_NEW_ARRAY(&p->arena, GfLaunch, 2 * (size_t)count + 1);
    p->prepare = GF_NEW_ARRAY(&p->arena, GfLaunch, nodes + 1);
    w->packed = GF_NEW_ARRAY(&w->scratch, const GfNode *, nodes + 1);
    w->packed_at = GF_NEW_ARRAY(&w->scratch, int64_t, nodes + 1);
    if (p->arena.failed || w->scratch.failed)
        return memory(w);
    for (uint32_t i = 0; i < count; i++)
        GF_TRY(lower_region(w, &regions[i]));
    return GF_OK;
}

/* The program of `g` and, in `m`, the LLVM IR of its kernels. */
static GfStatus lower(const GfGraph *g, CpuModule *m, const GfAllocator *allocator, GfProgram **out, GfDiags *diags)
{
    GfArena arena;
    GfStatus status;

    gf_arena_init(&arena, allocator);
    GfProgram *p = GF_NEW(&arena, GfProgram);
    if (!p)
        return gf_fail_memory(diags);
    p->arena = arena;
    Lowering w = {.g = g, .program = p, .l = &m->ll, .diags = diags};
    gf_arena_init(&w.scratch, allocator);
    status = gf_program_describe(p, g, diags);
    if (status == GF_OK)
        status = lower_graph(&w);
    gf_arena_free(&w.scratch);
    if (status != GF_OK)
        gf_program_free(p);
    else
        *out = p;
    return status;
}

static GfStatus check_planned(const GfGraph *g, GfDiags *diags)
{
    if (g->arena_size < 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_COMPILE,
                       "the graph has no memory plan: run the passes fuse and plan-memory first");
    return GF_OK;
}

static bool is_stored(const GfCompileOptions *o)
{
    return o->form && strcmp(o->form, "code") == 0;
}

/* What is stored is for a level, which a file can name: the target's, else the host's. */
static GfStatus choose_level(GfCompileOptions *o, GfArena *scratch, GfDiags *diags)
{
    const char *host = cpu_level_host();

    if (!host)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "code to be stored can be made on x86-64 processors only");
    if (!o->target || !strchr(o->target, ':'))
        o->target = gf_arena_printf(scratch, "cpu:%s", host);
    return o->target ? GF_OK : gf_fail_memory(diags);
}

static GfStatus finish(CpuModule *m, const GfCompileOptions *o, GfProgram *p, GfDiags *diags)
{
    if (!is_stored(o))
        return cpu_module_load(m, p, diags);
    p->target = gf_arena_strdup(&p->arena, o->target);
    return p->target ? cpu_module_store(m, p, diags) : gf_fail_memory(diags);
}

static GfStatus compile_in(const GfGraph *g, GfCompileOptions *options, GfArena *scratch, GfProgram **out,
                           GfDiags *diags)
{
    CpuModule m;
    GfProgram *program = NULL;

    GF_TRY(check_planned(g, diags));
    if (is_stored(options))
        GF_TRY(choose_level(options, scratch, diags));
    GF_TRY(cpu_module_open(&m, options, diags));
    GfStatus status = lower(g, &m, scratch->allocator, &program, diags);
    if (status == GF_OK)
        status = finish(&m, options, program, diags);
    cpu_module_close(&m);
    if (status != GF_OK)
        gf_program_free(program);
    else
        *out = program;
    return status;
}

static GfStatus compile(const GfGraph *g, const GfCompileOptions *options, const GfAllocator *allocator,
                        GfProgram **out, GfDiags *diags)
{
    GfCompileOptions o = *options;
    GfArena scratch;

    gf_arena_init(&scratch, allocator);
    GfStatus status = compile_in(g, &o, &scratch, out, diags);
    gf_arena_free(&scratch);
    return status;
}

static GfStatus emit(const GfGraph *g, const char *form, const GfCompileOptions *options, GfText *out, GfDiags *diags)
{
    CpuModule m;
    GfProgram *program = NULL;

    if (strcmp(form, "llvm") != 0 && strcmp(form, "asm") != 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_TARGET, "the cpu target cannot write '%s'; it writes llvm and asm",
                       form);
    GF_TRY(check_planned(g, diags));
    GF_TRY(cpu_module_open(&m, options, diags));
    GfStatus status = lower(g, &m, NULL, &program, diags);
    if (status == GF_OK)
        status = cpu_module_print(&m, strcmp(form, "asm") == 0, out, diags);
    cpu_module_close(&m);
    gf_program_free(program);
    return status;
}

__attribute__((visibility("default"))) const GfBackend gf_backend_cpu = {
    .name = "cpu", .target = &gf_target_cpu, .emits = "llvm asm", .compile = compile, .emit = emit};
