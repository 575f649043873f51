/* cpu_threads.c -- see cpu_threads.h.
 *
 * One word, `gate`, holds the launch: its number, whether it is open, and how
 * many workers are inside.  A worker enters by a compare-and-swap while the gate
 * is open; the caller shuts it when no task is left and waits for those inside.
 * So a worker that sleeps or is not scheduled delays nobody.
 */
#include "runtime/device/cpu_threads.h"

#include "runtime/device/memory.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    LINE = 64,
    SPINS = 2000,       /* rounds of waiting before a worker sleeps: some 50 microseconds */
    SPINS_INSIDE = 4000 /* before the caller offers its processor to those inside */
};

/* gate = number << 32 | open << 16 | workers inside */
#define GATE_OPEN (UINT64_C(1) << 16)
#define GATE_INSIDE (GATE_OPEN - 1)
#define GATE_NUMBER(gate) ((gate) >> 32)

typedef struct Worker {
    GfPool *pool;
    pthread_t thread;
    void *scratch;
} Worker;

struct GfPool {
    GfArena arena;
    uint32_t threads;
    uint32_t started; /* workers whose thread runs; worker 0 is the caller */
    Worker *workers;
    GfMemory scratch;
    int64_t scratch_size; /* of a thread */
    GfPoolJob job;        /* written while the gate is shut and nobody inside */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    _Alignas(LINE) _Atomic uint64_t gate;
    _Alignas(LINE) _Atomic int64_t next; /* first task that nobody has taken */
    _Alignas(LINE) _Atomic uint32_t sleepers;
    _Atomic bool quit;
};

/* ---- the processor ---- */

static void relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Let results and operands below the normal range be zero; returns the mode before. */
static uint64_t flush_to_zero(void)
{
#if defined(__x86_64__)
    enum { FLUSH = 0x8000, OPERANDS_ARE_ZERO = 0x40 };
    uint32_t mode = _mm_getcsr();
    _mm_setcsr(mode | FLUSH | OPERANDS_ARE_ZERO);
    return mode;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | UINT64_C(1) << 24));
    return mode;
#else
    return 0;
#endif
}

static void restore_mode(uint64_t mode)
{
#if defined(__x86_64__)
    _mm_setcsr((uint32_t)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

static uint32_t processors(void)
{
#if defined(CPU_COUNT)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

GfStatus gf_pool_default_threads(uint32_t *threads, GfDiags *diags)
{
    const char *text = getenv("GRAFT_THREADS");
    uint32_t count = processors();
    char *end;

    *threads = count < GF_THREADS_MAX ? count : GF_THREADS_MAX;
    if (!text || !*text)
        return GF_OK;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || value < 1 || value > GF_THREADS_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "GRAFT_THREADS must be a number from 1 to %d, got '%s'",
                       GF_THREADS_MAX, text);
    *threads = (uint32_t)value;
    return GF_OK;
}

/* ---- taking tasks ---- */

/* Take half of this thread's share of what is left: large pieces first, single
 * tasks at the end, so that all threads finish together. */
static bool take(GfPool *p, int64_t *begin, int64_t *end)
{
    int64_t next = atomic_load_explicit(&p->next, memory_order_relaxed);

    for (;;) {
        int64_t left = p->job.tasks - next;
        if (left <= 0)
            return false;
        int64_t piece = left / (2 * (int64_t)p->threads);
        piece = piece < 1 ? 1 : piece;
        if (!atomic_compare_exchange_weak_explicit(&p->next, &next, next + piece, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        *begin = next;
        *end = next + piece;
        return true;
    }
}

static void run_tasks(GfPool *p, void *scratch)
{
    const GfPoolJob *job = &p->job;
    int64_t begin, end;

    while (take(p, &begin, &end))
        job->kernel(job->buffers, job->sizes, job->scalars, begin, end, scratch);
}

/* ---- workers ---- */

/* Enter the launch if its gate is open still. */
static bool enter(GfPool *p, uint64_t gate)
{
    while (gate & GATE_OPEN)
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static bool is_news(GfPool *p, uint64_t seen, uint64_t *gate)
{
    *gate = atomic_load_explicit(&p->gate, memory_order_seq_cst);
    return GATE_NUMBER(*gate) != seen || atomic_load_explicit(&p->quit, memory_order_acquire);
}

/* Wait for a launch other than number `seen`; spin first, then sleep. */
static uint64_t wait_for_news(GfPool *p, uint64_t seen)
{
    uint64_t gate;

    for (int i = 0; i < SPINS; i++) {
        if (is_news(p, seen, &gate))
            return gate;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!is_news(p, seen, &gate))
        pthread_cond_wait(&p->wake, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
    return gate;
}

static void *work(void *argument)
{
    Worker *w = argument;
    GfPool *p = w->pool;
    uint64_t seen = 0;

    flush_to_zero();
    while (!atomic_load_explicit(&p->quit, memory_order_acquire)) {
        uint64_t gate = wait_for_news(p, seen);
        seen = GATE_NUMBER(gate);
        if (!enter(p, gate))
            continue;
        run_tasks(p, w->scratch);
        atomic_fetch_sub_explicit(&p->gate, 1, memory_order_release);
    }
    return NULL;
}

static void wake_sleepers(GfPool *p)
{
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

/* ---- launches ---- */

static void open_gate(GfPool *p)
{
    uint64_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);

    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->gate, (GATE_NUMBER(gate) + 1) << 32 | GATE_OPEN, memory_order_seq_cst);
    wake_sleepers(p);
}

static void shut_gate(GfPool *p)
{
    int spins = 0;

    uint64_t gate = atomic_fetch_and_explicit(&p->gate, ~GATE_OPEN, memory_order_acquire);
    while (gate & GATE_INSIDE) {
        if (++spins % SPINS_INSIDE == 0)
            sched_yield();
        relax();
        gate = atomic_load_explicit(&p->gate, memory_order_acquire);
    }
}

void gf_pool_run(GfPool *p, const GfPoolJob *job)
{
    if (job->tasks <= 0)
        return;
    uint64_t mode = flush_to_zero();
    if (job->tasks == 1 || p->threads == 1) {
        job->kernel(job->buffers, job->sizes, job->scalars, 0, job->tasks, p->workers[0].scratch);
    } else {
        p->job = *job;
        open_gate(p);
        run_tasks(p, p->workers[0].scratch);
        shut_gate(p);
    }
    restore_mode(mode);
}

/* ---- the pool ---- */

uint32_t gf_pool_threads(const GfPool *p)
{
    return p->threads;
}

GfStatus gf_pool_reserve(GfPool *p, int64_t bytes, GfDiags *diags)
{
    GfMemory memory;

    if (bytes <= p->scratch_size)
        return GF_OK;
    bytes = (bytes + LINE - 1) / LINE * LINE + LINE; /* one line apart */
    GF_TRY(gf_memory_map(&memory, bytes * p->threads, "the threads' scratch", diags));
    gf_memory_unmap(&p->scratch);
    p->scratch = memory;
    p->scratch_size = bytes;
    for (uint32_t i = 0; i < p->threads; i++)
        p->workers[i].scratch = (char *)memory.data + (int64_t)i * bytes;
    return GF_OK;
}

static GfStatus start_workers(GfPool *p, GfDiags *diags)
{
    for (; p->started < p->threads; p->started++) {
        Worker *w = &p->workers[p->started];
        if (p->started == 0)
            continue;
        int error = pthread_create(&w->thread, NULL, work, w);
        if (error)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_DEVICE, "thread %u of %u cannot be started: %s", p->started + 1,
                           p->threads, strerror(error));
    }
    return GF_OK;
}

static GfStatus make_pool(uint32_t threads, const GfAllocator *allocator, GfPool **out, GfDiags *diags)
{
    GfArena arena;

    gf_arena_init(&arena, allocator);
    GfPool *p = GF_NEW(&arena, GfPool);
    Worker *workers = GF_NEW_ARRAY(&arena, Worker, threads);
    if (!p || !workers) {
        gf_arena_free(&arena);
        return gf_fail_memory(diags);
    }
    p->arena = arena;
    p->threads = threads;
    p->workers = workers;
    for (uint32_t i = 0; i < threads; i++)
        workers[i].pool = p;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    *out = p;
    return GF_OK;
}

GfStatus gf_pool_new(uint32_t threads, const GfAllocator *allocator, GfPool **out, GfDiags *diags)
{
    GfPool *p = NULL;

    *out = NULL;
    if (threads < 1 || threads > GF_THREADS_MAX)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the number of threads must be from 1 to %d, got %u",
                       GF_THREADS_MAX, threads);
    GF_TRY(make_pool(threads, allocator, &p, diags));
    GfStatus status = start_workers(p, diags);
    if (status == GF_OK)
        *out = p;
    else
        gf_pool_free(p);
    return status;
}

void gf_pool_free(GfPool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store_explicit(&p->quit, true, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    for (uint32_t i = 1; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    gf_memory_unmap(&p->scratch);
    GfArena arena = p->arena;
    gf_arena_free(&arena);
}
