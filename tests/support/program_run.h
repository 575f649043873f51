/* program_run.h -- for tests: a compiled cpu program, given memory and run.
 *
 * Every piece of memory ends where a page begins that cannot be touched, so a
 * kernel that reads or writes past the end of a tensor stops the test.  What a
 * step must write before it reads is filled with NaN.  Tasks of a launch can be
 * run in any order and in pieces of any size.
 */
#ifndef GF_TESTS_SUPPORT_PROGRAM_RUN_H
#define GF_TESTS_SUPPORT_PROGRAM_RUN_H

#include "codegen/codegen.h"
#include "tests/cuda/emulate_program.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Guarded {
    char *data;
    int64_t size;
    void *map;
    size_t length;
} Guarded;

/* `size` bytes right before a page without access; all bits set: NaN, or -1. */
static inline Guarded guarded_new(int64_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = ((size_t)size + page - 1) / page * page;
    Guarded g = {.size = size, .length = room + page};

    g.map = mmap(NULL, g.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.map != MAP_FAILED);
#ifdef MADV_HUGEPAGE
    if (g.length >= 1 << 22)
        madvise(g.map, g.length, MADV_HUGEPAGE); /* as the trainer's memory, so that times are like its */
#endif
    char *end = (char *)g.map + room;
    mprotect(end, page, PROT_NONE);
    g.data = end - size;
    memset(g.data, 0xff, (size_t)size);
    return g;
}

static inline void guarded_free(Guarded *g)
{
    munmap(g->map, g->length);
}

typedef struct ProgramRun {
    const GfProgram *program;
    Guarded *tensors; /* by index */
    Guarded arena, prepared, scratch;
    int64_t sizes[GF_MAX_SYMBOLS];
    EmulatedBatch (*batch)(const GfProgram *program, uint32_t kernel); /* NULL: each launch runs alone */
} ProgramRun;

/* How the tasks of each launch are run: pieces of `piece` tasks (0: all at
 * once) in an order that `shuffle` picks (0: as they come). */
typedef struct TaskOrder {
    int64_t piece;
    uint32_t shuffle;
} TaskOrder;

static inline int64_t bytes_of_type(const GfType *type, const int64_t *sizes)
{
    return gf_type_elements(type, sizes) * (int64_t)gf_dtype_size(type->dtype);
}

/* Memory for tensors of these sizes, one a symbol; `r` borrows the program. */
static inline void program_run_open(ProgramRun *r, const GfProgram *program, const int64_t *sizes)
{
    *r = (ProgramRun){.program = program};
    memcpy(r->sizes, sizes, program->symbol_count * sizeof *sizes);
    r->tensors = calloc(program->tensor_count + 1, sizeof *r->tensors);
    for (uint32_t i = 0; i < program->tensor_count; i++)
        r->tensors[i] = guarded_new(bytes_of_type(&program->tensors[i].type, r->sizes));
    r->arena = guarded_new(program->arena_size);
    r->prepared = guarded_new(program->prepared_size);
    r->scratch = guarded_new(program->scratch_size);
}

static inline void program_run_close(ProgramRun *r)
{
    for (uint32_t i = 0; i < r->program->tensor_count; i++)
        guarded_free(&r->tensors[i]);
    free(r->tensors);
    guarded_free(&r->arena);
    guarded_free(&r->prepared);
    guarded_free(&r->scratch);
}

static inline void *program_run_at(const ProgramRun *r, GfBuffer b)
{
    const Guarded *g = b.kind == GF_BUFFER_TENSOR  ? &r->tensors[b.index]
                       : b.kind == GF_BUFFER_ARENA ? &r->arena
                                                   : &r->prepared;
    return g->data + b.offset;
}

/* The memory of an input (by name), param or state (by label); NULL: unknown. */
static inline void *program_run_tensor(const ProgramRun *r, const char *name)
{
    uint32_t i;
    return gf_program_tensor(r->program, name, &i) ? r->tensors[i].data : NULL;
}

static inline const float *program_run_output(const ProgramRun *r, const char *name)
{
    const GfOutput *o = gf_program_output(r->program, name);
    return o ? program_run_at(r, o->buffer) : NULL;
}

/* The pieces' numbers in an order that `shuffle` picks (Fisher and Yates). */
static inline void shuffle_pieces(int64_t *order, int64_t count, uint32_t shuffle)
{
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    for (int64_t i = count - 1; i > 0 && shuffle; i--) {
        shuffle = shuffle * 1664525u + 1013904223u;
        int64_t k = (int64_t)(shuffle >> 8) % (i + 1), moved = order[i];
        order[i] = order[k];
        order[k] = moved;
    }
}

static inline void program_run_launch(const ProgramRun *r, const GfLaunch *launch, TaskOrder how)
{
    int64_t tasks = gf_work_tasks(&launch->work, r->sizes), piece = how.piece ? how.piece : tasks;
    int64_t count = tasks ? (tasks + piece - 1) / piece : 0;
    int64_t *order = calloc((size_t)count + 1, sizeof *order);
    void **buffers = calloc(launch->buffer_count + 1, sizeof *buffers);

    for (uint32_t i = 0; i < launch->buffer_count; i++)
        buffers[i] = program_run_at(r, launch->buffers[i]);
    shuffle_pieces(order, count, how.shuffle);
    for (int64_t i = 0; i < count; i++) {
        int64_t begin = order[i] * piece, end = begin + piece < tasks ? begin + piece : tasks;
        r->program->kernels[launch->kernel].cpu(buffers, r->sizes, launch->scalars, begin, end, r->scratch.data);
    }
    free(buffers);
    free(order);
}

/* The records of a batch, as a device would have them in memory; the tasks of all its launches. */
static inline int64_t *batch_records(const ProgramRun *r, const GfLaunchBatch *batch, int64_t *tasks)
{
    const GfLaunch *launch = &r->program->launches[batch->first];
    uint32_t splits = r->program->kernels[launch->kernel].block.splits;
    size_t words = (size_t)launch->buffer_count + launch->scalar_count + 1;
    int64_t *records = calloc(batch->count * words, sizeof *records), *at = records;

    *tasks = 0;
    for (uint32_t i = 0; i < batch->count; i++, launch++) {
        for (uint32_t k = 0; k < launch->buffer_count; k++)
            *at++ = (int64_t)(intptr_t)program_run_at(r, launch->buffers[k]);
        for (uint32_t k = 0; k < launch->scalar_count; k++)
            *at++ = launch->scalars[k];
        *at++ = *tasks * splits;
        *tasks += gf_work_tasks(&launch->work, r->sizes);
    }
    return records;
}

/* Launches that run as one, all their tasks in pieces as those of one launch. */
static inline void program_run_batch(const ProgramRun *r, const GfLaunchBatch *batch, EmulatedBatch run, TaskOrder how)
{
    int64_t tasks, *records = batch_records(r, batch, &tasks), piece = how.piece ? how.piece : tasks;
    int64_t count = tasks ? (tasks + piece - 1) / piece : 0;
    int64_t *order = calloc((size_t)count + 1, sizeof *order);

    shuffle_pieces(order, count, how.shuffle);
    for (int64_t i = 0; i < count; i++) {
        int64_t begin = order[i] * piece, end = begin + piece < tasks ? begin + piece : tasks;
        run(records, (int)batch->count, r->sizes, begin, end);
    }
    free(order);
    free(records);
}

static inline void program_run_launches(const ProgramRun *r, TaskOrder how)
{
    const GfProgram *p = r->program;

    for (uint32_t i = 0; r->batch && i < p->batch_count; i++) {
        EmulatedBatch run = r->batch(p, p->launches[p->batches[i].first].kernel);
        if (run)
            program_run_batch(r, &p->batches[i], run, how);
        else
            program_run_launch(r, &p->launches[p->batches[i].first], how);
    }
    for (uint32_t i = 0; !r->batch && i < p->launch_count; i++)
        program_run_launch(r, &p->launches[i], how);
}

/* Once frozen params have their values. */
static inline void program_run_prepare(const ProgramRun *r, TaskOrder how)
{
    for (uint32_t i = 0; i < r->program->prepare_count; i++)
        program_run_launch(r, &r->program->prepare[i], how);
}

/* Blocks that add up what they have count each other in their launch's last buffer, which
 * lies behind all that is planned, from zero. */
static inline void program_run_clear_counters(const ProgramRun *r)
{
    for (uint32_t i = 0; i < r->program->launch_count; i++) {
        const GfLaunch *launch = &r->program->launches[i];
        const GfBlockKernel *block = &r->program->kernels[launch->kernel].block;
        GfBuffer last = launch->buffers[launch->buffer_count - 1];
        if (block->splits > 1 || (block->source && strstr(block->source, "gf_join<")))
            memset(program_run_at(r, last), 0, (size_t)(r->arena.size - last.offset));
    }
}

/* One step: launches, then copies. */
static inline void program_run_step(const ProgramRun *r, TaskOrder how)
{
    const GfProgram *p = r->program;

    memset(r->arena.data, 0xff, (size_t)r->arena.size);
    memset(r->scratch.data, 0xff, (size_t)r->scratch.size);
    program_run_clear_counters(r);
    program_run_launches(r, how);
    for (uint32_t i = 0; i < p->copy_count; i++)
        memcpy(r->tensors[p->copies[i].to].data, program_run_at(r, p->copies[i].from),
               (size_t)r->tensors[p->copies[i].to].size);
}

#endif
