/* cuda.h -- one CUDA device: its context, the stream that all work goes through,
 * and memory. */
#ifndef GF_RUNTIME_DEVICE_CUDA_H
#define GF_RUNTIME_DEVICE_CUDA_H

#include "runtime/device/cuda_driver.h"

typedef struct GfCuda {
    GfCudaDriver driver;
    GfCuDevice device;
    int ordinal;
    char name[64];               /* "NVIDIA H200" */
    int major, minor;            /* compute capability */
    int max_threads, max_shared; /* of a block; shared: bytes */
    GfCuContext context;         /* NULL: not started */
    GfCuStream stream;           /* what is put in is done in order */
} GfCuda;

/* Find device `ordinal` and what it can do; takes no memory on it.
 * Errors: those of gf_cuda_driver_open; GF_ERR_DEVICE no such device, one before
 * compute capability 8.0. */
GfStatus gf_cuda_find(GfCuda *cuda, int ordinal, GfDiags *diags);

/* Context and stream of a device that was found.  On error nothing needs closing. */
GfStatus gf_cuda_start(GfCuda *cuda, GfDiags *diags);
void gf_cuda_close(GfCuda *cuda);

/* Memory of the device; `what` names it in the error, and is done for.  0 bytes: 0.
 * Errors: GF_ERR_MEMORY, which says how much is free. */
GfStatus gf_cuda_alloc(const GfCuda *cuda, int64_t bytes, const char *what, GfCuPointer *out, GfDiags *diags);
void gf_cuda_free(const GfCuda *cuda, GfCuPointer *pointer); /* makes it 0 */

/* Memory of the host that the device copies from and to while the host goes on. */
GfStatus gf_cuda_alloc_host(const GfCuda *cuda, int64_t bytes, const char *what, void **out, GfDiags *diags);
void gf_cuda_free_host(const GfCuda *cuda, void **pointer); /* makes it NULL */

int64_t gf_cuda_memory_free(const GfCuda *cuda); /* bytes; -1: unknown */

/* Until all that was put into the stream is done. */
GfStatus gf_cuda_wait(const GfCuda *cuda, const char *doing, GfDiags *diags);

/* What is put into the stream from here on is not done but recorded, up to
 * gf_cuda_record_end, which must follow whatever happens in between.
 *
 *   status  of what was put in: when it is an error it is returned, and there is no graph
 *   out     to be launched any number of times; NULL on error */
GfStatus gf_cuda_record_begin(const GfCuda *cuda, const char *doing, GfDiags *diags);
GfStatus gf_cuda_record_end(const GfCuda *cuda, GfStatus status, const char *doing, GfCuGraphExec *out, GfDiags *diags);

#endif
