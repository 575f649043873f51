/* failing_alloc.h -- for tests: an allocator whose nth allocation fails, and
 * that knows what was not released.
 */
#ifndef GF_TESTS_SUPPORT_FAILING_ALLOC_H
#define GF_TESTS_SUPPORT_FAILING_ALLOC_H

#include "ir/arena.h"

#include <stdlib.h>

typedef struct FailingAlloc {
    GfAllocator allocator; /* hand this out */
    long fail_at;          /* counted from 0; every later one fails too; -1: none */
    long count;            /* allocations asked for */
    long live;             /* not released yet */
} FailingAlloc;

static inline void *failing_alloc_get(void *self, size_t size)
{
    FailingAlloc *f = self;
    if (f->count++ >= f->fail_at && f->fail_at >= 0)
        return NULL;
    f->live++;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static inline void failing_alloc_release(void *self, void *memory)
{
    ((FailingAlloc *)self)->live--;
    free(memory);
}

static inline void failing_alloc_init(FailingAlloc *f, long fail_at)
{
    *f = (FailingAlloc){.fail_at = fail_at};
    f->allocator = (GfAllocator){failing_alloc_get, failing_alloc_release, f};
}

#endif
