/* memory.h -- large memory of a device, straight from the system.
 *
 * Pages that are never touched cost nothing, so that a plan may be made for the
 * largest batch of a job.  The content is zero at first.
 */
#ifndef GF_RUNTIME_DEVICE_MEMORY_H
#define GF_RUNTIME_DEVICE_MEMORY_H

#include "ir/diag.h"

typedef struct GfMemory {
    void *data; /* aligned to a page; NULL when size is 0 */
    size_t size;
} GfMemory;

/* `what` names the memory in the error.  Errors: GF_ERR_MEMORY. */
GfStatus gf_memory_map(GfMemory *memory, int64_t size, const char *what, GfDiags *diags);
void gf_memory_unmap(GfMemory *memory);

#endif
