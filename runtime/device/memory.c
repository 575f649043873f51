/* memory.c -- see memory.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */

#include "runtime/device/memory.h"

#include <sys/mman.h>

enum { HUGE_FROM = 1 << 22 };

GfStatus gf_memory_map(GfMemory *memory, int64_t size, const char *what, GfDiags *diags)
{
    *memory = (GfMemory){0};
    if (size <= 0)
        return GF_OK;
    void *data = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_MEMORY, "%lld MB for %s cannot be had", (long long)(size >> 20), what);
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_FROM)
        madvise(data, (size_t)size, MADV_HUGEPAGE); /* fewer translations in the matrix kernels; a wish only */
#endif
    *memory = (GfMemory){.data = data, .size = (size_t)size};
    return GF_OK;
}

void gf_memory_unmap(GfMemory *memory)
{
    if (memory->data)
        munmap(memory->data, memory->size);
    *memory = (GfMemory){0};
}
