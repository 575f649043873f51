/* device.h -- what programs run on: threads of the CPU, or a CUDA device. */
#ifndef GF_RUNTIME_DEVICE_DEVICE_H
#define GF_RUNTIME_DEVICE_DEVICE_H

#include "runtime/device/cpu_threads.h"

typedef struct GfCuda GfCuda;

/* Just one of the two is there. */
typedef struct GfDevice {
    GfPool *pool;
    GfCuda *cuda;
    const char *target; /* what to compile for: "cpu", "cuda:sm_90a" */
    char text[96];      /* "cpu: 8 threads", "cuda:0: NVIDIA H200" */
    GfArena arena;
} GfDevice;

/* Open a device by name: "cpu", "cuda", which is "cuda:0", "cuda:1", ...  NULL: what
 * GRAFT_DEVICE names, else a CUDA device that can be used, else the CPU.
 *
 *   threads  of the CPU; 0: gf_pool_default_threads
 *
 * On error nothing needs closing (closing is harmless).
 * Errors: GF_ERR_VALUE another name; GF_ERR_DEVICE it cannot be used, and why. */
GfStatus gf_device_open(GfDevice *device, const char *name, uint32_t threads, const GfAllocator *allocator,
                        GfDiags *diags);
void gf_device_close(GfDevice *device);

/* Whether `name` is one that gf_device_open knows. */
GfStatus gf_device_check_name(const char *name, GfDiags *diags);

#endif
