/* fake_objects.c -- settings, counted calls, handles and memory; see fake_cuda.h. */
#include "tests/cuda/fake_cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEVICES_MAX = 8 };

static const char *const kind_names[KIND_COUNT] = {
    [KIND_CONTEXT] = "contexts", [KIND_MEMORY] = "memory",      [KIND_HOST_MEMORY] = "host-memory",
    [KIND_MODULE] = "modules",   [KIND_FUNCTION] = "functions", [KIND_STREAM] = "streams",
    [KIND_EVENT] = "events",     [KIND_GRAPH] = "graphs",       [KIND_GRAPH_EXEC] = "graph-execs",
};

static const char *const symbols[GF_CUDA_CALL_COUNT] = {
#define X(member, symbol, parameters) [GF_CUDA_CALL_##member] = #symbol,
    GF_CUDA_DRIVER(X)
#undef X
};

/* All that a driver knows of its process. */
static struct {
    bool read, initialized;
    FakeSettings settings;
    const char *log;
    long fail, calls, calls_of[GF_CUDA_CALL_COUNT];
    int failed; /* the call that was made to fail; -1: none yet */
    struct GfCuContext contexts[DEVICES_MAX];
    GfCuContext current;
    Object *objects;
} fake = {.failed = -1};

/* ---- settings ---- */

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void read_settings(void)
{
    FakeSettings *s = &fake.settings;
    const char *capability = getenv("FAKE_CUDA_CAPABILITY"), *log = getenv("FAKE_CUDA_LOG");

    fake.read = true;
    s->devices = (int)number_of("FAKE_CUDA_DEVICES", 1);
    s->devices = s->devices < DEVICES_MAX ? s->devices : DEVICES_MAX;
    s->version = (int)number_of("FAKE_CUDA_VERSION", 12040);
    s->memory = (size_t)number_of("FAKE_CUDA_MEMORY", 1L << 32);
    s->run = number_of("FAKE_CUDA_RUN", 1) != 0;
    fake.fail = number_of("FAKE_CUDA_FAIL", 0);
    fake.log = log && *log ? strdup(log) : NULL;
    if (!capability || sscanf(capability, "%d.%d", &s->major, &s->minor) != 2)
        s->major = 8, s->minor = 0;
    for (int i = 0; i < DEVICES_MAX; i++)
        fake.contexts[i].object = (Object){.kind = KIND_CONTEXT, .context = &fake.contexts[i]};
}

const FakeSettings *fake_settings(void)
{
    return &fake.settings;
}

/* ---- calls ---- */

static bool frees(GfCudaCall call)
{
    switch (call) {
    case GF_CUDA_CALL_memory_free:
    case GF_CUDA_CALL_host_free:
    case GF_CUDA_CALL_module_unload:
    case GF_CUDA_CALL_stream_destroy:
    case GF_CUDA_CALL_event_destroy:
    case GF_CUDA_CALL_graph_destroy:
    case GF_CUDA_CALL_graph_exec_destroy:
    case GF_CUDA_CALL_context_release:
        return true;
    default:
        return false;
    }
}

/* How a call fails where FAKE_CUDA_FAIL says so. */
static GfCuResult failure_of(GfCudaCall call)
{
    switch (call) {
    case GF_CUDA_CALL_context_retain:
    case GF_CUDA_CALL_memory_alloc:
    case GF_CUDA_CALL_host_alloc:
    case GF_CUDA_CALL_module_load:
    case GF_CUDA_CALL_graph_instantiate:
        return FAKE_OUT_OF_MEMORY;
    case GF_CUDA_CALL_copy_to_device:
    case GF_CUDA_CALL_copy_to_host:
    case GF_CUDA_CALL_copy_within:
    case GF_CUDA_CALL_fill:
    case GF_CUDA_CALL_launch:
    case GF_CUDA_CALL_graph_launch:
    case GF_CUDA_CALL_stream_wait:
    case GF_CUDA_CALL_event_wait:
        return FAKE_LAUNCH_FAILED;
    default:
        return FAKE_UNKNOWN;
    }
}

static GfCuResult count(GfCudaCall call)
{
    if (!fake.read)
        read_settings();
    fake.calls_of[call]++;
    if (++fake.calls != fake.fail)
        return 0;
    fake.failed = (int)call;
    GfCuResult failure = failure_of(call);
    if (failure == FAKE_LAUNCH_FAILED && fake.current)
        fake.current->broken = failure;
    return failure;
}

GfCuResult fake_begin(GfCudaCall call)
{
    FAKE_TRY(count(call));
    bool early = call == GF_CUDA_CALL_init || call == GF_CUDA_CALL_driver_version;
    return fake.initialized || early ? 0 : FAKE_NOT_INITIALIZED;
}

GfCuResult fake_begin_context(GfCudaCall call)
{
    FAKE_TRY(fake_begin(call));
    if (!fake.current || !fake.current->retained)
        return FAKE_INVALID_CONTEXT;
    return fake.current->broken;
}

GfCuResult fake_begin_free(GfCudaCall call)
{
    return count(call);
}

GfCuContext fake_context(void)
{
    return fake.current;
}

void fake_set_context(GfCuContext context)
{
    fake.current = context;
}

GfCuContext fake_device(GfCuDevice device)
{
    return device >= 0 && device < fake.settings.devices ? &fake.contexts[device] : NULL;
}

void fake_set_initialized(void)
{
    fake.initialized = true;
}

/* ---- objects ---- */

void *fake_new(Kind kind, size_t size)
{
    Object *o = calloc(1, size);

    if (!o)
        abort();
    *o = (Object){.kind = kind, .alive = true, .context = fake.current, .next = fake.objects};
    fake.objects = o;
    return o;
}

Object *fake_objects(void)
{
    return fake.objects;
}

bool fake_is(const void *handle, Kind kind)
{
    for (const Object *o = fake.objects; o; o = o->next)
        if (o == handle)
            return o->kind == kind && o->alive && o->context == fake.current;
    return false;
}

/* ---- memory ---- */

static size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool overlaps(const Range *r, uint64_t at, size_t bytes)
{
    uint64_t begin = (uint64_t)(uintptr_t)r->data;
    return at < begin + r->bytes && begin < at + bytes;
}

Range *fake_range(Kind kind, uint64_t at, size_t bytes)
{
    for (Object *o = fake.objects; o; o = o->next) {
        Range *r = (Range *)(void *)o;
        if (o->kind != kind || !o->alive || o->context != fake.current)
            continue;
        uint64_t begin = (uint64_t)(uintptr_t)r->data;
        if (at >= begin && at <= begin + r->bytes && bytes <= begin + r->bytes - at)
            return r;
    }
    return NULL;
}

bool fake_touches(Kind kind, uint64_t at, size_t bytes)
{
    for (Object *o = fake.objects; o; o = o->next)
        if (o->kind == kind && overlaps((Range *)(void *)o, at, bytes))
            return true;
    return false;
}

/* Whole pages and one behind them that nobody may touch; never given back before exit. */
GfCuResult fake_allocate(Kind kind, size_t bytes, Range **out)
{
    size_t size = (bytes + page() - 1) / page() * page();

    if (bytes == 0)
        return FAKE_INVALID_VALUE;
    if (kind == KIND_MEMORY && bytes > fake.settings.memory - fake.current->used)
        return FAKE_OUT_OF_MEMORY;
    char *data = mmap(NULL, size + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return FAKE_OUT_OF_MEMORY;
    if (fake.settings.run)
        memset(data, 0xff, size); /* NaN in f32, -1 in integers */
    mprotect(kind == KIND_MEMORY ? data : data + size, kind == KIND_MEMORY ? size + page() : page(), PROT_NONE);
    *out = fake_new(kind, sizeof **out);
    (*out)->data = data;
    (*out)->bytes = bytes;
    (*out)->mapped = size;
    if (kind == KIND_MEMORY)
        fake.current->used += bytes;
    return 0;
}

void fake_release(Range *r)
{
    r->object.alive = false;
    if (r->object.kind == KIND_MEMORY)
        r->object.context->used -= r->bytes;
    /* keeps the addresses, gives back what was in them */
    mmap(r->data, r->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static void protect_memory(int protection)
{
    for (Object *o = fake.objects; o; o = o->next) {
        Range *r = (Range *)(void *)o;
        if (o->kind == KIND_MEMORY && o->alive)
            mprotect(r->data, r->mapped, protection);
    }
}

void fake_open_memory(void)
{
    protect_memory(PROT_READ | PROT_WRITE);
}

void fake_shut_memory(void)
{
    protect_memory(PROT_NONE);
}

/* ---- the end ---- */

static long count_alive(Kind kind)
{
    long alive = 0;

    for (int i = 0; i < DEVICES_MAX && kind == KIND_CONTEXT; i++)
        alive += fake.contexts[i].retained;
    for (const Object *o = fake.objects; o; o = o->next)
        alive += o->kind == kind && o->alive;
    return alive;
}

static void write_log(void)
{
    FILE *f = fopen(fake.log, "w");

    if (!f)
        return;
    fprintf(f, "calls %ld\n", fake.calls);
    for (int i = 0; i < GF_CUDA_CALL_COUNT; i++)
        if (fake.calls_of[i])
            fprintf(f, "call %s %ld\n", symbols[i], fake.calls_of[i]);
    if (fake.failed >= 0)
        fprintf(f, "failed %ld %s%s\n", fake.fail, symbols[fake.failed],
                frees((GfCudaCall)fake.failed) ? " when all was freed" : "");
    for (Kind kind = 0; kind < KIND_COUNT; kind++)
        if (kind != KIND_FUNCTION)
            fprintf(f, "leaked %s %ld\n", kind_names[kind], count_alive(kind));
    fclose(f);
}

static void free_object(Object *o)
{
    if (o->kind == KIND_STREAM) {
        work_clear(&((GfCuStream)(void *)o)->queue);
        work_clear(&((GfCuStream)(void *)o)->captured);
    } else if (o->kind == KIND_GRAPH) {
        work_clear(&((GfCuGraph)(void *)o)->queue);
    } else if (o->kind == KIND_GRAPH_EXEC) {
        work_clear(&((GfCuGraphExec)(void *)o)->queue);
    } else if (o->kind == KIND_MEMORY || o->kind == KIND_HOST_MEMORY) {
        munmap(((Range *)(void *)o)->data, ((Range *)(void *)o)->mapped + page());
    }
    free(o);
}

__attribute__((destructor)) static void finish(void)
{
    if (fake.log)
        write_log();
    for (Object *next, *o = fake.objects; o; o = next) {
        next = o->next;
        free_object(o);
    }
    free((void *)(uintptr_t)fake.log);
    fake.objects = NULL;
    fake.log = NULL;
}
