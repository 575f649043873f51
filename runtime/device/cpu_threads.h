/* cpu_threads.h -- the threads that run CPU kernels.
 *
 * A launch is a number of tasks; threads take them from a counter, the caller
 * among them.  Which thread runs which task changes nothing in the results:
 * that is the kernels' promise.  A thread that comes too late for a launch is
 * not waited for.
 */
#ifndef GF_RUNTIME_DEVICE_CPU_THREADS_H
#define GF_RUNTIME_DEVICE_CPU_THREADS_H

#include "codegen/codegen.h"

typedef struct GfPool GfPool;

enum { GF_THREADS_MAX = 1024 };

/* The environment's GRAFT_THREADS, else the processors this process may use.
 * Errors: GF_ERR_VALUE GRAFT_THREADS is no number in [1, GF_THREADS_MAX]. */
GfStatus gf_pool_default_threads(uint32_t *threads, GfDiags *diags);

/* A pool of `threads` threads, of which the caller is one.
 * Errors: GF_ERR_VALUE threads out of [1, GF_THREADS_MAX], GF_ERR_MEMORY,
 * GF_ERR_DEVICE a thread cannot be started. */
GfStatus gf_pool_new(uint32_t threads, const GfAllocator *allocator, GfPool **out, GfDiags *diags);
void gf_pool_free(GfPool *pool);

uint32_t gf_pool_threads(const GfPool *pool);

/* Every thread has `bytes` of scratch, 64-byte aligned, from here on.  Not while a launch runs. */
GfStatus gf_pool_reserve(GfPool *pool, int64_t bytes, GfDiags *diags);

typedef struct GfPoolJob {
    GfCpuKernel kernel;
    void *const *buffers;
    const int64_t *sizes;
    const int64_t *scalars;
    int64_t tasks;
} GfPoolJob;

/* Run all tasks; returns when they are done.  One caller at a time.  Numbers too
 * small for the normal range count as zero meanwhile, in every thread: moments
 * that fade away would cost a hundred times the work otherwise. */
void gf_pool_run(GfPool *pool, const GfPoolJob *job);

#endif
