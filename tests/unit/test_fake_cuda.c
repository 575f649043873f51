/* test_fake_cuda.c -- the test tools of tests/cuda that stand in for a GPU: a fake
 * that hides errors would be worse than none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "codegen/cuda/nvrtc.h"
#include "runtime/device/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a device ---- */

typedef struct Fixture {
    GfCuda cuda;
    const GfCudaDriver *d;
    GfCuStream stream;
    GfDiags diags;
} Fixture;

static void open_device(Fixture *f, int ordinal)
{
    gf_diags_init(&f->diags, NULL);
    if (gf_cuda_find(&f->cuda, ordinal, &f->diags) != GF_OK || gf_cuda_start(&f->cuda, &f->diags) != GF_OK)
        gf_diags_print(&f->diags, stderr);
    f->d = &f->cuda.driver;
    f->stream = f->cuda.stream;
    assert_non_null(f->stream);
}

static void close_device(Fixture *f)
{
    gf_cuda_close(&f->cuda);
    gf_diags_free(&f->diags);
}

static int set_up(void **state)
{
    static Fixture fixture;

    open_device(&fixture, 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    close_device(*state);
    return 0;
}

static GfCuPointer alloc(const Fixture *f, size_t bytes)
{
    GfCuPointer p = 0;

    assert_int_equal(f->d->memory_alloc(&p, bytes), 0);
    return p;
}

static int *alloc_host(const Fixture *f, size_t count)
{
    void *p = NULL;

    assert_int_equal(f->d->host_alloc(&p, count * sizeof(int), 0), 0);
    return p;
}

static void put(const Fixture *f, GfCuPointer to, const int *from)
{
    assert_int_equal(f->d->copy_to_device(to, from, sizeof *from, f->stream), 0);
}

/* By a copy to pageable memory, which is done when the call returns. */
static int get(const Fixture *f, GfCuPointer from)
{
    int value = 0;

    assert_int_equal(f->d->copy_to_host(&value, from, sizeof value, f->stream), 0);
    return value;
}

/* ---- a kernel ---- */

static const char add_text[] = "extern \"C\" __global__ void __launch_bounds__(64, 1)\n"
                               "k7_add(int *x, long long y)\n"
                               "{\n"
                               "    if (threadIdx.x == 0)\n"
                               "        x[blockIdx.x] += (int)y;\n"
                               "}\n";

static NvrtcJob compile(const char *text, const char *architecture)
{
    NvrtcJob job = {.name = "k7_add", .source = text, .architecture = architecture};
    GfDiags diags;
    Nvrtc nvrtc;

    gf_diags_init(&diags, NULL);
    assert_int_equal(nvrtc_open(&nvrtc, &diags), GF_OK);
    nvrtc_compile(&nvrtc, &job);
    nvrtc_close(&nvrtc);
    gf_diags_free(&diags);
    return job;
}

static void drop(NvrtcJob *job)
{
    free(job->image);
    free(job->log);
}

static GfCuFunction load(const Fixture *f, GfCuModule *module)
{
    NvrtcJob job = compile(add_text, "sm_80");
    GfCuFunction function;

    assert_false(job.failed);
    assert_int_equal(f->d->module_load(module, job.image), 0);
    assert_int_equal(f->d->module_function(&function, *module, "k7_add"), 0);
    drop(&job);
    return function;
}

static GfCuResult launch(const Fixture *f, GfCuFunction function, unsigned blocks, unsigned threads, unsigned shared,
                         GfCuPointer x, long long y)
{
    void *parameters[] = {&x, &y};
    return f->d->launch(function, blocks, 1, 1, threads, 1, 1, shared, f->stream, parameters, NULL);
}

/* ---- when things are done ---- */

static void pinned_memory_is_read_when_the_copy_is_done(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    int *pinned = alloc_host(f, 1), pageable = 3;

    *pinned = 1;
    put(f, p, pinned);
    *pinned = 2; /* too early */
    assert_int_equal(get(f, p), 2);
    *pinned = 1;
    put(f, p, pinned);
    assert_int_equal(f->d->stream_wait(f->stream), 0);
    *pinned = 2; /* in time */
    assert_int_equal(get(f, p), 1);
    put(f, p, &pageable);
    pageable = 4;
    assert_int_equal(get(f, p), 3);
    f->d->host_free(pinned);
    f->d->memory_free(p);
}

static void results_are_there_after_the_wait(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    int *pinned = alloc_host(f, 1), value = 5;

    put(f, p, &value);
    *pinned = 0;
    assert_int_equal(f->d->copy_to_host(pinned, p, 4, f->stream), 0);
    assert_int_equal(*pinned, 0);
    assert_int_equal(f->d->stream_wait(f->stream), 0);
    assert_int_equal(*pinned, 5);
    f->d->host_free(pinned);
    f->d->memory_free(p);
}

static void an_event_waits_for_what_was_before_it(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    int *pinned = alloc_host(f, 2), value = 5;
    GfCuEvent event;

    put(f, p, &value);
    assert_int_equal(f->d->event_create(&event, GF_CU_EVENT_NO_TIMING), 0);
    pinned[0] = pinned[1] = 0;
    assert_int_equal(f->d->copy_to_host(&pinned[0], p, 4, f->stream), 0);
    assert_int_equal(f->d->event_record(event, f->stream), 0);
    assert_int_equal(f->d->copy_to_host(&pinned[1], p, 4, f->stream), 0);
    assert_int_equal(f->d->event_wait(event), 0);
    assert_int_equal(pinned[0], 5);
    assert_int_equal(pinned[1], 0);
    assert_int_equal(f->d->stream_wait(f->stream), 0);
    assert_int_equal(pinned[1], 5);
    f->d->event_destroy(event);
    f->d->host_free(pinned);
    f->d->memory_free(p);
}

static void time_passes_between_events(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    GfCuEvent start, stop, untimed;
    float milliseconds = 0;

    assert_int_equal(f->d->event_create(&start, 0), 0);
    assert_int_equal(f->d->event_create(&stop, 0), 0);
    assert_int_equal(f->d->event_create(&untimed, GF_CU_EVENT_NO_TIMING), 0);
    assert_int_equal(f->d->event_record(start, f->stream), 0);
    assert_int_equal(f->d->event_elapsed(&milliseconds, start, stop), 400); /* never recorded */
    assert_int_equal(f->d->fill(p, 0, 4, f->stream), 0);
    assert_int_equal(f->d->event_record(stop, f->stream), 0);
    assert_int_equal(f->d->event_record(untimed, f->stream), 0);
    assert_int_equal(f->d->event_elapsed(&milliseconds, start, stop), 600); /* not done */
    assert_int_equal(f->d->event_wait(stop), 0);
    assert_int_equal(f->d->event_elapsed(&milliseconds, start, untimed), 400);
    assert_int_equal(f->d->event_elapsed(&milliseconds, start, stop), 0);
    assert_true(milliseconds > 0);
    f->d->event_destroy(start);
    f->d->event_destroy(stop);
    f->d->event_destroy(untimed);
    f->d->memory_free(p);
}

/* Streams wait for each other by events alone. */
static void another_stream_waits_for_an_event(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    int *pinned = alloc_host(f, 1), value = 5;
    GfCuStream other;
    GfCuEvent event;

    assert_int_equal(f->d->stream_create(&other, GF_CU_STREAM_NON_BLOCKING), 0);
    assert_int_equal(f->d->event_create(&event, 0), 0);
    for (int ordered = 0; ordered < 2; ordered++) {
        assert_int_equal(f->d->fill(p, 0, 4, f->stream), 0);
        assert_int_equal(f->d->stream_wait(f->stream), 0);
        put(f, p, &value);
        assert_int_equal(f->d->event_record(event, f->stream), 0);
        if (ordered)
            assert_int_equal(f->d->stream_wait_event(other, event, 0), 0);
        assert_int_equal(f->d->copy_to_host(pinned, p, 4, other), 0);
        assert_int_equal(f->d->stream_wait(other), 0);
        assert_int_equal(*pinned, ordered ? 5 : 0);
        assert_int_equal(f->d->stream_wait(f->stream), 0);
    }
    f->d->event_destroy(event);
    f->d->stream_destroy(other);
    f->d->host_free(pinned);
    f->d->memory_free(p);
}

static void kernels_keep_the_parameters_of_their_launch(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 2 * sizeof(int));
    GfCuModule module;
    GfCuFunction add = load(f, &module);
    long long y = 3;
    void *parameters[] = {&p, &y};

    assert_int_equal(f->d->fill(p, 0, 8, f->stream), 0);
    assert_int_equal(f->d->launch(add, 2, 1, 1, 64, 1, 1, 0, f->stream, parameters, NULL), 0);
    y = 100;
    assert_int_equal(get(f, p), 3);
    assert_int_equal(get(f, p + 4), 3);
    f->d->module_unload(module);
    f->d->memory_free(p);
}

static void a_capture_does_nothing_and_a_graph_does_it_again(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    GfCuModule module;
    GfCuFunction add = load(f, &module);
    GfCuGraph graph = NULL;
    GfCuGraphExec exec;

    assert_int_equal(f->d->fill(p, 0, 4, f->stream), 0);
    assert_int_equal(f->d->capture_begin(f->stream, GF_CU_CAPTURE_THREAD), 0);
    assert_int_equal(launch(f, add, 1, 64, 0, p, 7), 0);
    assert_int_equal(f->d->capture_end(f->stream, &graph), 0);
    assert_int_equal(get(f, p), 0);
    assert_int_equal(f->d->graph_instantiate(&exec, graph, 0), 0);
    assert_int_equal(f->d->graph_destroy(graph), 0);
    assert_int_equal(get(f, p), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(f->d->graph_launch(exec, f->stream), 0);
        assert_int_equal(get(f, p), 7 * i);
    }
    assert_int_equal(f->d->graph_exec_destroy(exec), 0);
    f->d->module_unload(module);
    f->d->memory_free(p);
}

/* ---- refusals ---- */

enum { INVALID_VALUE = 1, INVALID_IMAGE = 200, INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700 };
enum { CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_UNMATCHED = 903, LAUNCH_FAILED = 719 };

static void memory_must_be_whole_and_alive(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 100), q = alloc(f, 100);
    char bytes[101] = {0};

    assert_int_equal(f->d->copy_to_device(p, bytes, 101, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->copy_to_device(p + 1, bytes, 100, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->copy_within(q, p, 101, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->copy_to_host(bytes, p + 100, 1, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->fill(12345, 0, 1, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->memory_free(p + 4), INVALID_VALUE);
    assert_int_equal(f->d->memory_free(p), 0);
    assert_int_equal(f->d->memory_free(p), INVALID_VALUE);
    assert_int_equal(f->d->copy_to_device(p, bytes, 1, f->stream), INVALID_VALUE);
    assert_int_equal(f->d->copy_to_device(q, bytes, 100, f->stream), 0);
    assert_int_equal(f->d->memory_free(q), 0);
}

static void fresh_memory_is_no_number(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    int bits = get(f, p);
    float value;

    memcpy(&value, &bits, sizeof value);
    assert_true(value != value);
    f->d->memory_free(p);
}

static void launches_are_within_limits(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4);
    GfCuModule module;
    GfCuFunction add = load(f, &module), none;

    assert_int_equal(launch(f, add, 0, 64, 0, p, 1), INVALID_VALUE);
    assert_int_equal(launch(f, add, 1, 0, 0, p, 1), INVALID_VALUE);
    assert_int_equal(launch(f, add, 1, 96, 0, p, 1), INVALID_VALUE);
    assert_int_equal(launch(f, add, 1, 64, 48 * 1024 + 1, p, 1), INVALID_VALUE);
    assert_int_equal(f->d->function_set(add, GF_CU_FUNCTION_DYNAMIC_SHARED, 164 * 1024), INVALID_VALUE);
    assert_int_equal(f->d->function_set(add, GF_CU_FUNCTION_DYNAMIC_SHARED, 64 * 1024), 0);
    assert_int_equal(launch(f, add, 1, 64, 48 * 1024 + 1, p, 1), 0);
    assert_int_equal(f->d->stream_wait(f->stream), 0);
    assert_int_equal(f->d->module_function(&none, module, "k8_add"), NOT_FOUND);
    assert_int_equal(f->d->module_unload(module), 0);
    assert_int_equal(f->d->module_unload(module), INVALID_HANDLE);
    assert_int_equal(launch(f, add, 1, 64, 0, p, 1), INVALID_HANDLE);
    f->d->memory_free(p);
}

static void images_are_for_one_architecture(void **state)
{
    const Fixture *f = *state;
    static const struct {
        const char *architecture;
        GfCuResult result;
    } cases[] = {{"sm_80", 0}, {"sm_86", GF_CU_ERROR_NO_BINARY}, {"sm_90a", GF_CU_ERROR_NO_BINARY}};
    GfCuModule module;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NvrtcJob job = compile(add_text, cases[i].architecture);
        assert_int_equal(f->d->module_load(&module, job.image), cases[i].result);
        if (cases[i].result == 0)
            f->d->module_unload(module);
        drop(&job);
    }
    assert_int_equal(f->d->module_load(&module, "not an object of any kind, but long enough for its header "
                                                "to be read without a step beyond its end"),
                     INVALID_IMAGE);
}

static void a_capture_forbids_waiting(void **state)
{
    const Fixture *f = *state;
    GfCuPointer p = alloc(f, 4), q;
    GfCuGraph graph = NULL;

    assert_int_equal(f->d->capture_end(f->stream, &graph), CAPTURE_UNMATCHED);
    assert_int_equal(f->d->capture_begin(f->stream, GF_CU_CAPTURE_THREAD), 0);
    assert_int_equal(f->d->fill(p, 0, 4, f->stream), 0);
    assert_int_equal(f->d->stream_wait(f->stream), CAPTURE_UNSUPPORTED);
    assert_int_equal(f->d->fill(p, 0, 4, f->stream), CAPTURE_INVALIDATED);
    assert_int_equal(f->d->capture_end(f->stream, &graph), CAPTURE_INVALIDATED);
    assert_null(graph);
    assert_int_equal(f->d->capture_begin(f->stream, GF_CU_CAPTURE_THREAD), 0);
    assert_int_equal(f->d->memory_alloc(&q, 4), CAPTURE_UNSUPPORTED);
    assert_int_equal(f->d->capture_end(f->stream, &graph), CAPTURE_INVALIDATED);
    assert_int_equal(f->d->fill(p, 0, 4, f->stream), 0);
    assert_int_equal(get(f, p), 0);
    f->d->memory_free(p);
}

/* ---- in processes of their own: settings are read once ---- */

/* The exit code of a child that runs `body` in a fake of these settings, "NAME=VALUE" each. */
static int run_child(const char *const *settings, void (*body)(Fixture *))
{
    pid_t child = fork();
    int state = -1;

    assert_true(child >= 0);
    if (child == 0) {
        Fixture f = {0};
        for (; *settings; settings++)
            putenv((char *)(uintptr_t)*settings);
        open_device(&f, 0);
        body(&f);
        exit(0);
    }
    assert_int_equal(waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

/* In a child, where assertions of cmocka are of no use. */
static void must(bool holds)
{
    if (!holds)
        exit(1);
}

static void free_pinned_too_early(Fixture *f)
{
    GfCuPointer p = alloc(f, 4);
    int *pinned = alloc_host(f, 1);

    put(f, p, pinned);
    must(f->d->host_free(pinned) == 0);
    must(f->d->stream_wait(f->stream) == ILLEGAL_ADDRESS);
    must(f->d->memory_alloc(&p, 4) == ILLEGAL_ADDRESS);
    must(f->d->memory_free(p) == 0);
}

static void touch_device_memory(Fixture *f)
{
    *(volatile int *)(uintptr_t)alloc(f, 4) = 1;
}

static void write_behind_shared_memory(Fixture *f)
{
    static const char text[] = "extern \"C\" __global__ void __launch_bounds__(32, 1)\n"
                               "k7_add(int *x, long long y)\n"
                               "{\n"
                               "    gf_shared_memory()[y] = 0;\n"
                               "}\n";
    NvrtcJob job = compile(text, "sm_80");
    GfCuFunction function = NULL;
    GfCuModule module;

    must(f->d->module_load(&module, job.image) == 0 && f->d->module_function(&function, module, "k7_add") == 0);
    must(launch(f, function, 1, 32, 100, 0, 99) == 0);
    must(f->d->stream_wait(f->stream) == 0); /* so far all is well */
    fclose(stderr);
    must(launch(f, function, 1, 32, 100, 0, 100) == 0);
    f->d->stream_wait(f->stream);
}

static void fill_memory(Fixture *f)
{
    size_t available = 0, total = 0;
    GfCuPointer p, q;

    must(f->d->memory_alloc(&p, 600) == 0);
    must(f->d->memory_info(&available, &total) == 0 && available == 400 && total == 1000);
    must(f->d->memory_alloc(&q, 401) == GF_CU_ERROR_OUT_OF_MEMORY);
    must(f->d->memory_alloc(&q, 400) == 0);
    must(f->d->memory_free(p) == 0 && f->d->memory_free(q) == 0);
    must(f->d->memory_info(&available, &total) == 0 && available == 1000);
}

static void mix_contexts(Fixture *f)
{
    GfCuPointer p = alloc(f, 4), q;
    int value = 0;
    Fixture other = {0};

    open_device(&other, 1);
    q = alloc(&other, 4);
    must(other.d->copy_to_device(p, &value, 4, other.stream) == INVALID_VALUE);
    must(other.d->copy_to_device(q, &value, 4, f->stream) == INVALID_HANDLE);
    must(other.d->copy_to_device(q, &value, 4, other.stream) == 0);
    must(other.d->memory_free(p) == INVALID_VALUE);
}

static void misuse_is_found(void **state)
{
    (void)state;
    assert_int_equal(run_child((const char *[]){NULL}, free_pinned_too_early), 0);
    assert_int_not_equal(run_child((const char *[]){NULL}, touch_device_memory), 0);
    assert_int_equal(run_child((const char *[]){NULL}, write_behind_shared_memory), 128);
    assert_int_equal(run_child((const char *[]){"FAKE_CUDA_MEMORY=1000", NULL}, fill_memory), 0);
    assert_int_equal(run_child((const char *[]){"FAKE_CUDA_DEVICES=2", NULL}, mix_contexts), 0);
}

/* Calls 1 to 12 open the device (see gf_cuda_find, gf_cuda_start). */

static void fail_to_allocate(Fixture *f)
{
    GfCuPointer p;

    must(f->d->memory_alloc(&p, 4) == GF_CU_ERROR_OUT_OF_MEMORY);
    must(f->d->memory_alloc(&p, 4) == 0 && f->d->memory_free(p) == 0);
}

static void fail_to_copy(Fixture *f)
{
    GfCuPointer p = alloc(f, 4);
    int value = 0;

    must(f->d->copy_to_device(p, &value, 4, f->stream) == LAUNCH_FAILED);
    must(f->d->stream_wait(f->stream) == LAUNCH_FAILED);
    must(f->d->memory_free(p) == 0);
    gf_cuda_close(&f->cuda);
}

static void fail_to_free(Fixture *f)
{
    must(f->d->memory_free(alloc(f, 4)) != 0);
    gf_cuda_close(&f->cuda);
}

static void leak_all(Fixture *f)
{
    GfCuModule module;
    GfCuEvent event;
    GfCuGraph graph = NULL;
    GfCuGraphExec exec;

    alloc(f, 4);
    alloc(f, 4);
    alloc_host(f, 1);
    load(f, &module);
    must(f->d->event_create(&event, 0) == 0);
    must(f->d->capture_begin(f->stream, GF_CU_CAPTURE_THREAD) == 0 && f->d->capture_end(f->stream, &graph) == 0);
    must(f->d->graph_instantiate(&exec, graph, 0) == 0);
}

/* What the log of a child says. */
static void read_log(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

static void check_log(const char *fail, void (*body)(Fixture *), const char *const *lines)
{
    char path[] = "/tmp/graft-fake-log-XXXXXX", setting[64], text[4096];

    close(mkstemp(path));
    snprintf(setting, sizeof setting, "FAKE_CUDA_LOG=%s", path);
    assert_int_equal(run_child((const char *[]){setting, fail, NULL}, body), 0);
    read_log(path, text, sizeof text);
    for (; *lines; lines++)
        if (!strstr(text, *lines))
            fail_msg("'%s' is not in the log:\n%s", *lines, text);
}

static void the_log_tells_what_was_left(void **state)
{
    static const char *const leaked[] = {"leaked contexts 1\n",    "leaked memory 2\n",
                                         "leaked host-memory 1\n", "leaked modules 1\n",
                                         "leaked streams 1\n",     "leaked events 1\n",
                                         "leaked graphs 1\n",      "leaked graph-execs 1\n",
                                         "call cuMemAlloc_v2 2\n", NULL};
    static const char *const failed[] = {"failed 14 cuMemcpyHtoDAsync_v2\n", "leaked memory 0\n", "leaked streams 0\n",
                                         "leaked contexts 0\n", NULL};
    static const char *const freed[] = {"failed 14 cuMemFree_v2 when all was freed\n", "leaked memory 0\n", NULL};

    (void)state;
    check_log(NULL, leak_all, leaked);
    check_log("FAKE_CUDA_FAIL=13", fail_to_allocate, (const char *[]){"failed 13 cuMemAlloc_v2\n", NULL});
    check_log("FAKE_CUDA_FAIL=14", fail_to_copy, failed);
    check_log("FAKE_CUDA_FAIL=14", fail_to_free, freed);
}

/* ---- the compiler ---- */

static void text_that_does_not_compile_has_a_log(void **state)
{
    static const char bad[] = "extern \"C\" __global__ void __launch_bounds__(64, 1)\nk7_add(int *x, long long y)\n"
                              "{\n    x[0] = z;\n}\n";
    NvrtcJob job = compile(bad, "sm_80");

    (void)state;
    assert_true(job.failed);
    assert_non_null(strstr(job.log, "error"));
    drop(&job);
    job = compile("int none;", "sm_80");
    assert_true(job.failed);
    drop(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* first, before this process has loaded a driver of its own */
        cmocka_unit_test(misuse_is_found),
        cmocka_unit_test(the_log_tells_what_was_left),
        cmocka_unit_test_setup_teardown(pinned_memory_is_read_when_the_copy_is_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(results_are_there_after_the_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_waits_for_what_was_before_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_passes_between_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_stream_waits_for_an_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kernels_keep_the_parameters_of_their_launch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_capture_does_nothing_and_a_graph_does_it_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_must_be_whole_and_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fresh_memory_is_no_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(launches_are_within_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(images_are_for_one_architecture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_capture_forbids_waiting, set_up, tear_down),
        cmocka_unit_test(text_that_does_not_compile_has_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
