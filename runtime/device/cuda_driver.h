/* cuda_driver.h -- the CUDA driver API, opened at run time: a binary that was
 * built without CUDA runs with it and without it.
 *
 * What is declared here is what the driver's ABI has had since CUDA 11.4.
 */
#ifndef GF_RUNTIME_DEVICE_CUDA_DRIVER_H
#define GF_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "ir/diag.h"

#include <stdint.h>

typedef int GfCuResult; /* 0: success */
typedef int GfCuDevice;
typedef uint64_t GfCuPointer;
typedef struct GfCuContext *GfCuContext;
typedef struct GfCuModule *GfCuModule;
typedef struct GfCuFunction *GfCuFunction;
typedef struct GfCuStream *GfCuStream;
typedef struct GfCuEvent *GfCuEvent;
typedef struct GfCuGraph *GfCuGraph;
typedef struct GfCuGraphExec *GfCuGraphExec;

/* Every function that is used.  X(member, symbol of libcuda, parameters) */
#define GF_CUDA_DRIVER(X)                                                                                              \
    X(init, cuInit, (unsigned flags))                                                                                  \
    X(driver_version, cuDriverGetVersion, (int *version))                                                              \
    X(error_name, cuGetErrorName, (GfCuResult error, const char **name))                                               \
    X(error_string, cuGetErrorString, (GfCuResult error, const char **text))                                           \
    X(device_count, cuDeviceGetCount, (int *count))                                                                    \
    X(device_get, cuDeviceGet, (GfCuDevice * device, int ordinal))                                                     \
    X(device_name, cuDeviceGetName, (char *name, int room, GfCuDevice device))                                         \
    X(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, GfCuDevice device))                          \
    X(context_retain, cuDevicePrimaryCtxRetain, (GfCuContext * context, GfCuDevice device))                            \
    X(context_release, cuDevicePrimaryCtxRelease_v2, (GfCuDevice device))                                              \
    X(context_set, cuCtxSetCurrent, (GfCuContext context))                                                             \
    X(memory_info, cuMemGetInfo_v2, (size_t * free, size_t * total))                                                   \
    X(memory_alloc, cuMemAlloc_v2, (GfCuPointer * pointer, size_t bytes))                                              \
    X(memory_free, cuMemFree_v2, (GfCuPointer pointer))                                                                \
    X(host_alloc, cuMemHostAlloc, (void **pointer, size_t bytes, unsigned flags))                                      \
    X(host_free, cuMemFreeHost, (void *pointer))                                                                       \
    X(copy_to_device, cuMemcpyHtoDAsync_v2, (GfCuPointer to, const void *from, size_t bytes, GfCuStream stream))       \
    X(copy_to_host, cuMemcpyDtoHAsync_v2, (void *to, GfCuPointer from, size_t bytes, GfCuStream stream))               \
    X(copy_within, cuMemcpyDtoDAsync_v2, (GfCuPointer to, GfCuPointer from, size_t bytes, GfCuStream stream))          \
    X(fill, cuMemsetD8Async, (GfCuPointer to, unsigned char value, size_t bytes, GfCuStream stream))                   \
    X(module_load, cuModuleLoadData, (GfCuModule * module, const void *image))                                         \
    X(module_unload, cuModuleUnload, (GfCuModule module))                                                              \
    X(module_function, cuModuleGetFunction, (GfCuFunction * function, GfCuModule module, const char *name))            \
    X(function_attribute, cuFuncGetAttribute, (int *value, int attribute, GfCuFunction function))                      \
    X(function_set, cuFuncSetAttribute, (GfCuFunction function, int attribute, int value))                             \
    X(launch, cuLaunchKernel,                                                                                          \
      (GfCuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,   \
       unsigned block_z, unsigned shared, GfCuStream stream, void **parameters, void **extra))                         \
    X(stream_create, cuStreamCreate, (GfCuStream * stream, unsigned flags))                                            \
    X(stream_destroy, cuStreamDestroy_v2, (GfCuStream stream))                                                         \
    X(stream_wait, cuStreamSynchronize, (GfCuStream stream))                                                           \
    X(stream_wait_event, cuStreamWaitEvent, (GfCuStream stream, GfCuEvent event, unsigned flags))                      \
    X(event_create, cuEventCreate, (GfCuEvent * event, unsigned flags))                                                \
    X(event_destroy, cuEventDestroy_v2, (GfCuEvent event))                                                             \
    X(event_record, cuEventRecord, (GfCuEvent event, GfCuStream stream))                                               \
    X(event_elapsed, cuEventElapsedTime, (float *milliseconds, GfCuEvent from, GfCuEvent to))                          \
    X(event_wait, cuEventSynchronize, (GfCuEvent event))                                                               \
    X(capture_begin, cuStreamBeginCapture_v2, (GfCuStream stream, int mode))                                           \
    X(capture_end, cuStreamEndCapture, (GfCuStream stream, GfCuGraph * graph))                                         \
    X(graph_instantiate, cuGraphInstantiateWithFlags,                                                                  \
      (GfCuGraphExec * exec, GfCuGraph graph, unsigned long long flags))                                               \
    X(graph_destroy, cuGraphDestroy, (GfCuGraph graph))                                                                \
    X(graph_exec_destroy, cuGraphExecDestroy, (GfCuGraphExec exec))                                                    \
    X(graph_launch, cuGraphLaunch, (GfCuGraphExec exec, GfCuStream stream))

/* Values of the driver's enumerations. */
enum {
    GF_CU_ERROR_OUT_OF_MEMORY = 2,
    GF_CU_ERROR_NO_DEVICE = 100,
    GF_CU_ERROR_NO_BINARY = 209,     /* machine code for another architecture */
    GF_CU_ATTRIBUTE_MAX_THREADS = 1, /* of a block */
    GF_CU_ATTRIBUTE_MULTIPROCESSORS = 16,
    GF_CU_ATTRIBUTE_MAJOR = 75, /* compute capability */
    GF_CU_ATTRIBUTE_MINOR = 76,
    GF_CU_ATTRIBUTE_MAX_SHARED = 97, /* bytes a block may ask for */
    GF_CU_FUNCTION_MAX_THREADS = 0,  /* of a block, with the registers that the kernel needs */
    GF_CU_FUNCTION_STATIC_SHARED = 1,
    GF_CU_FUNCTION_DYNAMIC_SHARED = 8, /* the most that a launch may ask for */
    GF_CU_STREAM_NON_BLOCKING = 1,
    GF_CU_EVENT_NO_TIMING = 2,
    GF_CU_CAPTURE_THREAD = 1 /* other threads may call what they like meanwhile */
};

typedef struct GfCudaDriver {
    void *handle; /* of the library; NULL: not open */
    int version;  /* CUDA version of the driver: 12040 is 12.4 */
#define X(member, symbol, parameters) GfCuResult(*member) parameters;
    GF_CUDA_DRIVER(X)
#undef X
} GfCudaDriver;

/* Open the library that GRAFT_LIBCUDA names, else the driver's libcuda, and initialise it.
 * Errors: GF_ERR_DEVICE no library, one that lacks a function, a driver older than
 * CUDA 12.0, no device; nothing is open then. */
GfStatus gf_cuda_driver_open(GfCudaDriver *driver, GfDiags *diags);
void gf_cuda_driver_close(GfCudaDriver *driver);

/* GF_OK, or an error with function, the driver's name and text for it, and what was being done:
 *
 *   GF_CUDA(d, event_record, (event, stream), diags, "running a step of '%s'", name) */
GfStatus gf_cuda_check(const GfCudaDriver *driver, GfCuResult result, const char *symbol, GfDiags *diags,
                       const char *doing, ...) __attribute__((format(printf, 5, 6)));

/* The symbol of a member, for messages. */
typedef enum GfCudaCall {
#define X(member, symbol, parameters) GF_CUDA_CALL_##member,
    GF_CUDA_DRIVER(X)
#undef X
        GF_CUDA_CALL_COUNT
} GfCudaCall;
extern const char *const gf_cuda_symbols[GF_CUDA_CALL_COUNT];

#define GF_CUDA(driver, member, arguments, diags, ...)                                                                 \
    gf_cuda_check(driver, (driver)->member arguments, gf_cuda_symbols[GF_CUDA_CALL_##member], diags, __VA_ARGS__)

#endif
