/* fake_cuda.h -- a test tool: a CUDA driver over the host's memory, with which all of
 * `--device cuda` runs on a machine without a GPU.  It is not a way to train.
 *
 * It stands in for libcuda (GRAFT_LIBCUDA) together with fake_nvrtc.c (GRAFT_NVRTC),
 * whose "cubins" are kernels compiled for the host behind emulate.h.  Of what may
 * happen on a device it does the most unkind: work put into a stream is not begun
 * before something waits for it, memory is full of NaN, nobody but the device may
 * touch the device's memory, and what was freed is never given out again.  Every
 * misuse that the driver would report is reported with the driver's number.
 *
 * Made for programs that call the driver from one thread.  The default stream (0)
 * and unified addressing are left out: both are errors here.
 *
 * Environment, read at the first call:
 *   FAKE_CUDA_DEVICES=1        how many
 *   FAKE_CUDA_CAPABILITY=8.0   of each
 *   FAKE_CUDA_VERSION=12040    of the driver
 *   FAKE_CUDA_MEMORY=BYTES     of each device; without it 4 GiB
 *   FAKE_CUDA_FAIL=N           the Nth call fails, those for error texts not counted:
 *                              out of memory where something is allocated, a failed
 *                              launch where work is put in or waited for, after which
 *                              only freeing goes on, else "unknown"; what frees frees first
 *   FAKE_CUDA_RUN=0            kernels are not run, and memory holds zeros
 *   FAKE_CUDA_LOG=FILE         at exit: "calls N", "call NAME N", "failed N NAME",
 *                              "leaked KIND N" for every kind
 */
#ifndef GF_TESTS_CUDA_FAKE_CUDA_H
#define GF_TESTS_CUDA_FAKE_CUDA_H

#include "runtime/device/cuda_driver.h"
#include "tests/cuda/kernel_entry.h"

#include <stddef.h>

/* Numbers of errors as in the CUDA Driver API reference, CUresult. */
enum {
    FAKE_INVALID_VALUE = 1,
    FAKE_OUT_OF_MEMORY = 2,
    FAKE_NOT_INITIALIZED = 3,
    FAKE_NO_DEVICE = 100,
    FAKE_INVALID_DEVICE = 101,
    FAKE_INVALID_IMAGE = 200,
    FAKE_INVALID_CONTEXT = 201,
    FAKE_NO_BINARY_FOR_GPU = 209,
    FAKE_INVALID_HANDLE = 400,
    FAKE_NOT_FOUND = 500,
    FAKE_NOT_READY = 600,
    FAKE_ILLEGAL_ADDRESS = 700,
    FAKE_LAUNCH_FAILED = 719,
    FAKE_CAPTURE_UNSUPPORTED = 900,
    FAKE_CAPTURE_INVALIDATED = 901,
    FAKE_CAPTURE_UNMATCHED = 903,
    FAKE_CAPTURED_EVENT = 907,
    FAKE_UNKNOWN = 999
};

#define FAKE_TRY(call)                                                                                                 \
    do {                                                                                                               \
        GfCuResult result_ = (call);                                                                                   \
        if (result_ != 0)                                                                                              \
            return result_;                                                                                            \
    } while (0)

/* ---- objects (fake_objects.c) ---- */

typedef enum Kind {
    KIND_CONTEXT, /* while retained */
    KIND_MEMORY,
    KIND_HOST_MEMORY,
    KIND_MODULE,
    KIND_FUNCTION, /* lives and dies with its module */
    KIND_STREAM,
    KIND_EVENT,
    KIND_GRAPH,
    KIND_GRAPH_EXEC,
    KIND_COUNT
} Kind;

/* What every handle points to.  Objects are kept until exit, so that one that was
 * destroyed is known as such. */
typedef struct Object {
    Kind kind;
    bool alive;
    GfCuContext context;
    struct Object *next;
} Object;

typedef struct Range { /* KIND_MEMORY, KIND_HOST_MEMORY */
    Object object;
    char *data;
    size_t bytes, mapped;
} Range;

struct GfCuContext {
    Object object;
    int retained;
    GfCuResult broken; /* what a kernel or copy has done; 0: nothing */
    size_t used;       /* bytes of memory */
};

struct GfCuModule {
    Object object;
    void *library;
    GfCuFunction function;
};

struct GfCuFunction {
    Object object;
    const GfKernelEntry *entry;
    char name[224];
    unsigned shared; /* the most that a launch may ask for */
};

/* A new object of `size` bytes, which begin with an Object; of the current context. */
void *fake_new(Kind kind, size_t size);

Object *fake_objects(void); /* all, the last one first */

/* Whether a handle is one of a living object of this kind and the current context. */
bool fake_is(const void *handle, Kind kind);

/* The memory of this kind that holds `bytes` at `at`, all of them; NULL: there is none. */
Range *fake_range(Kind kind, uint64_t at, size_t bytes);
bool fake_touches(Kind kind, uint64_t at, size_t bytes); /* also of memory that was freed */

GfCuResult fake_allocate(Kind kind, size_t bytes, Range **out);
void fake_release(Range *range);

/* Device memory can be touched only between these two. */
void fake_open_memory(void);
void fake_shut_memory(void);

/* ---- calls (fake_objects.c) ---- */

typedef struct FakeSettings {
    int devices, major, minor, version;
    size_t memory;
    bool run;
} FakeSettings;

const FakeSettings *fake_settings(void);

/* At the head of every function: counts; an error where this call is to fail, or
 * none may be made. fake_begin_context: needs a current context that is whole. */
GfCuResult fake_begin(GfCudaCall call);
GfCuResult fake_begin_context(GfCudaCall call);

/* Of functions that free: they do their work, then return this. */
GfCuResult fake_begin_free(GfCudaCall call);

GfCuContext fake_context(void); /* the current one; NULL: none */
void fake_set_context(GfCuContext context);
GfCuContext fake_device(GfCuDevice device); /* its primary context, retained or not */
void fake_set_initialized(void);

/* ---- work (fake_work.c, fake_stream.c) ---- */

typedef enum WorkKind { WORK_COPY, WORK_FILL, WORK_LAUNCH, WORK_WAIT } WorkKind;

typedef struct Work {
    WorkKind kind;
    uint64_t number; /* of all work, ascending */
    struct Work *next;
    const Range *ranges[2]; /* memory that it uses; NULL: none */
    char *to;
    const char *from; /* NULL: data */
    size_t bytes;
    unsigned char value;
    GfCuFunction function;
    unsigned blocks, threads, shared;
    GfCuStream other; /* WORK_WAIT: for its work up to `until` */
    uint64_t until;
    char *data; /* from malloc: a copy of the source, or the kernel's parameters */
    size_t data_bytes;
} Work;

typedef struct Queue {
    Work *first, *last;
} Queue;

struct GfCuStream {
    Object object;
    Queue queue, captured;
    bool capturing, invalid; /* invalid: the capture has gone wrong */
};

struct GfCuEvent {
    Object object;
    GfCuStream stream; /* NULL: never recorded */
    bool timing;
    uint64_t until;
    bool captured;
};

struct GfCuGraph {
    Object object;
    Queue queue;
};

struct GfCuGraphExec {
    Object object;
    Queue queue;
};

/* For what must not be called while a stream is captured: an error then, and the capture is lost. */
GfCuResult fake_forbid_in_capture(void);

/* A copy of `work` behind a queue. */
void work_put(Queue *queue, const Work *work);
void work_put_all(Queue *queue, const Queue *from);
void work_clear(Queue *queue);

uint64_t work_last_number(void);
bool work_is_left(GfCuStream stream, uint64_t until); /* up to a number */

/* Do a stream's work up to a number; what goes wrong breaks the context, and is returned. */
GfCuResult work_do(GfCuStream stream, uint64_t until);
GfCuResult work_do_all(GfCuContext context);

#endif
