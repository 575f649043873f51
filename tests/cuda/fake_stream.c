/* fake_stream.c -- a test tool, see fake_cuda.h: copies, launches, streams, events, graphs. */
#include "tests/cuda/fake_cuda.h"

#include <string.h>

#define X(member, symbol, parameters) GfCuResult symbol parameters;
GF_CUDA_DRIVER(X)
#undef X

/* ---- putting work in ---- */

static GfCuResult put(GfCuStream s, const Work *work)
{
    if (s->capturing && s->invalid)
        return FAKE_CAPTURE_INVALIDATED;
    work_put(s->capturing ? &s->captured : &s->queue, work);
    return 0;
}

/* At the head of functions that take a stream. */
static GfCuResult begin_in(GfCuStream s, GfCudaCall call)
{
    GfCuResult result = fake_begin_context(call);

    if (!fake_is(s, KIND_STREAM))
        return result ? result : FAKE_INVALID_HANDLE;
    if (result && s->capturing)
        s->invalid = true;
    return result;
}

GfCuResult fake_forbid_in_capture(void)
{
    for (Object *o = fake_objects(); o; o = o->next) {
        GfCuStream s = (GfCuStream)(void *)o;
        if (o->kind != KIND_STREAM || !o->alive || o->context != fake_context() || !s->capturing)
            continue;
        s->invalid = true;
        return FAKE_CAPTURE_UNSUPPORTED;
    }
    return 0;
}

/* The device's memory at `at`, all of it; else an error. */
static GfCuResult device_range(GfCuPointer at, size_t bytes, const Range **range)
{
    *range = fake_range(KIND_MEMORY, at, bytes);
    return *range ? 0 : FAKE_INVALID_VALUE;
}

/* The host's memory: pinned and then whole, or of nobody that the driver knows (NULL). */
static GfCuResult host_range(const void *at, size_t bytes, const Range **range)
{
    uint64_t address = (uint64_t)(uintptr_t)at;

    *range = fake_range(KIND_HOST_MEMORY, address, bytes);
    if (!*range && (fake_touches(KIND_HOST_MEMORY, address, bytes) || fake_touches(KIND_MEMORY, address, bytes)))
        return FAKE_INVALID_VALUE;
    return at ? 0 : FAKE_INVALID_VALUE;
}

/* ---- copies ---- */

/* Pageable memory is read at once; pinned memory, and any in a graph, when the copy is done. */
GfCuResult cuMemcpyHtoDAsync_v2(GfCuPointer to, const void *from, size_t bytes, GfCuStream stream)
{
    Work w = {.kind = WORK_COPY, .to = (char *)(uintptr_t)to, .from = from, .bytes = bytes};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_copy_to_device));
    FAKE_TRY(device_range(to, bytes, &w.ranges[0]));
    FAKE_TRY(host_range(from, bytes, &w.ranges[1]));
    if (!w.ranges[1] && !stream->capturing) {
        w.data = (char *)(uintptr_t)from;
        w.data_bytes = bytes;
        w.from = NULL;
    }
    return put(stream, &w);
}

/* To pageable memory the copy is done when the call returns. */
GfCuResult cuMemcpyDtoHAsync_v2(void *to, GfCuPointer from, size_t bytes, GfCuStream stream)
{
    Work w = {.kind = WORK_COPY, .to = to, .from = (const char *)(uintptr_t)from, .bytes = bytes};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_copy_to_host));
    FAKE_TRY(device_range(from, bytes, &w.ranges[0]));
    FAKE_TRY(host_range(to, bytes, &w.ranges[1]));
    FAKE_TRY(put(stream, &w));
    return w.ranges[1] || stream->capturing ? 0 : work_do(stream, work_last_number());
}

GfCuResult cuMemcpyDtoDAsync_v2(GfCuPointer to, GfCuPointer from, size_t bytes, GfCuStream stream)
{
    Work w = {.kind = WORK_COPY, .to = (char *)(uintptr_t)to, .from = (const char *)(uintptr_t)from, .bytes = bytes};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_copy_within));
    FAKE_TRY(device_range(to, bytes, &w.ranges[0]));
    FAKE_TRY(device_range(from, bytes, &w.ranges[1]));
    return put(stream, &w);
}

GfCuResult cuMemsetD8Async(GfCuPointer to, unsigned char value, size_t bytes, GfCuStream stream)
{
    Work w = {.kind = WORK_FILL, .to = (char *)(uintptr_t)to, .value = value, .bytes = bytes};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_fill));
    FAKE_TRY(device_range(to, bytes, &w.ranges[0]));
    return put(stream, &w);
}

/* ---- launches ---- */

/* The values of the parameters, one behind the other; their bytes. */
static size_t pack(const GfKernelEntry *entry, void **parameters, char *to, size_t room)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < entry->parameter_count; i++) {
        size_t size = entry->parameter_bytes[i];
        if (bytes + size <= room)
            memcpy(to + bytes, parameters[i], size);
        bytes += size;
    }
    return bytes;
}

GfCuResult cuLaunchKernel(GfCuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned shared, GfCuStream stream, void **parameters,
                          void **extra)
{
    char values[4096]; /* the most that parameters may take */
    Work w = {.kind = WORK_LAUNCH, .function = function, .data = values};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_launch));
    if (!fake_is(function, KIND_FUNCTION))
        return FAKE_INVALID_HANDLE;
    if (grid_x == 0 || grid_x > INT32_MAX || grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1)
        return FAKE_INVALID_VALUE; /* emulated kernels have one dimension */
    if (block_x == 0 || block_x > function->entry->threads || shared > function->shared)
        return FAKE_INVALID_VALUE;
    if (extra || (!parameters && function->entry->parameter_count))
        return FAKE_INVALID_VALUE;
    w.blocks = grid_x;
    w.threads = block_x;
    w.shared = shared;
    w.data_bytes = pack(function->entry, parameters, values, sizeof values);
    return w.data_bytes <= sizeof values ? put(stream, &w) : FAKE_INVALID_VALUE;
}

/* ---- streams ---- */

GfCuResult cuStreamCreate(GfCuStream *stream, unsigned flags)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_stream_create));
    if (flags & ~(unsigned)GF_CU_STREAM_NON_BLOCKING)
        return FAKE_INVALID_VALUE;
    *stream = fake_new(KIND_STREAM, sizeof **stream);
    return 0;
}

GfCuResult cuStreamDestroy_v2(GfCuStream stream)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_stream_destroy);

    if (!fake_is(stream, KIND_STREAM))
        return FAKE_INVALID_HANDLE;
    work_do(stream, work_last_number());
    work_clear(&stream->captured);
    stream->object.alive = false;
    return result;
}

GfCuResult cuStreamSynchronize(GfCuStream stream)
{
    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_stream_wait));
    FAKE_TRY(fake_forbid_in_capture());
    return work_do(stream, work_last_number());
}

GfCuResult cuStreamWaitEvent(GfCuStream stream, GfCuEvent event, unsigned flags)
{
    Work w = {.kind = WORK_WAIT};

    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_stream_wait_event));
    if (!fake_is(event, KIND_EVENT))
        return FAKE_INVALID_HANDLE;
    if (flags)
        return FAKE_INVALID_VALUE;
    if (stream->capturing || event->captured)
        return FAKE_CAPTURE_UNSUPPORTED; /* captures here are of one stream */
    if (!event->stream)
        return 0;
    w.other = event->stream;
    w.until = event->until;
    return put(stream, &w);
}

/* ---- events ---- */

GfCuResult cuEventCreate(GfCuEvent *event, unsigned flags)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_event_create));
    if (flags & ~(unsigned)GF_CU_EVENT_NO_TIMING)
        return FAKE_INVALID_VALUE;
    *event = fake_new(KIND_EVENT, sizeof **event);
    (*event)->timing = !(flags & GF_CU_EVENT_NO_TIMING);
    return 0;
}

GfCuResult cuEventDestroy_v2(GfCuEvent event)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_event_destroy);

    if (!fake_is(event, KIND_EVENT))
        return FAKE_INVALID_HANDLE;
    event->object.alive = false;
    return result;
}

GfCuResult cuEventRecord(GfCuEvent event, GfCuStream stream)
{
    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_event_record));
    if (!fake_is(event, KIND_EVENT))
        return FAKE_INVALID_HANDLE;
    event->stream = stream;
    event->until = work_last_number();
    event->captured = stream->capturing;
    return 0;
}

GfCuResult cuEventSynchronize(GfCuEvent event)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_event_wait));
    if (!fake_is(event, KIND_EVENT))
        return FAKE_INVALID_HANDLE;
    FAKE_TRY(fake_forbid_in_capture());
    if (event->captured)
        return FAKE_CAPTURED_EVENT;
    return event->stream ? work_do(event->stream, event->until) : 0;
}

static bool is_timed(GfCuEvent event)
{
    return fake_is(event, KIND_EVENT) && event->timing && event->stream && !event->captured;
}

/* A microsecond for each piece of work: the host's clock would say nothing of a device. */
GfCuResult cuEventElapsedTime(float *milliseconds, GfCuEvent from, GfCuEvent to)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_event_elapsed));
    if (!is_timed(from) || !is_timed(to))
        return FAKE_INVALID_HANDLE;
    if (work_is_left(from->stream, from->until) || work_is_left(to->stream, to->until))
        return FAKE_NOT_READY;
    *milliseconds = 1e-3f * (float)((int64_t)to->until - (int64_t)from->until);
    return 0;
}

/* ---- graphs ---- */

GfCuResult cuStreamBeginCapture_v2(GfCuStream stream, int mode)
{
    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_capture_begin));
    if (mode < 0 || mode > 2)
        return FAKE_INVALID_VALUE;
    if (stream->capturing)
        return FAKE_CAPTURE_UNSUPPORTED;
    stream->capturing = true;
    stream->invalid = false;
    return 0;
}

/* Ends the capture even where the call fails. */
GfCuResult cuStreamEndCapture(GfCuStream stream, GfCuGraph *graph)
{
    GfCuResult result = begin_in(stream, GF_CUDA_CALL_capture_end);

    *graph = NULL;
    if (!fake_is(stream, KIND_STREAM))
        return result;
    if (!result && !stream->capturing)
        return FAKE_CAPTURE_UNMATCHED;
    if (!result && stream->invalid)
        result = FAKE_CAPTURE_INVALIDATED;
    stream->capturing = false;
    if (!result) {
        *graph = fake_new(KIND_GRAPH, sizeof **graph);
        (*graph)->queue = stream->captured;
        stream->captured = (Queue){0};
    }
    work_clear(&stream->captured);
    return result;
}

GfCuResult cuGraphInstantiateWithFlags(GfCuGraphExec *exec, GfCuGraph graph, unsigned long long flags)
{
    FAKE_TRY(fake_begin_context(GF_CUDA_CALL_graph_instantiate));
    if (!fake_is(graph, KIND_GRAPH))
        return FAKE_INVALID_HANDLE;
    if (flags)
        return FAKE_INVALID_VALUE;
    *exec = fake_new(KIND_GRAPH_EXEC, sizeof **exec);
    work_put_all(&(*exec)->queue, &graph->queue);
    return 0;
}

GfCuResult cuGraphDestroy(GfCuGraph graph)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_graph_destroy);

    if (!fake_is(graph, KIND_GRAPH))
        return FAKE_INVALID_HANDLE;
    graph->object.alive = false;
    work_clear(&graph->queue);
    return result;
}

GfCuResult cuGraphExecDestroy(GfCuGraphExec exec)
{
    GfCuResult result = fake_begin_free(GF_CUDA_CALL_graph_exec_destroy);

    if (!fake_is(exec, KIND_GRAPH_EXEC))
        return FAKE_INVALID_HANDLE;
    exec->object.alive = false;
    work_clear(&exec->queue);
    return result;
}

GfCuResult cuGraphLaunch(GfCuGraphExec exec, GfCuStream stream)
{
    FAKE_TRY(begin_in(stream, GF_CUDA_CALL_graph_launch));
    if (!fake_is(exec, KIND_GRAPH_EXEC))
        return FAKE_INVALID_HANDLE;
    if (stream->capturing)
        return FAKE_CAPTURE_UNSUPPORTED;
    work_put_all(&stream->queue, &exec->queue);
    return 0;
}
