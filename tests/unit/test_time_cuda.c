/* test_time_cuda.c -- batches of launches timed one by one, on the GPU that tests/cuda
 * makes up: a launch takes a microsecond there. */
#include "passes/passes.h"
#include "runtime/exec/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char graph[] = "graph @t(tokens) {\n%x = input : f32[tokens,32]\n%w = param \"w\" : f32[16,32]\n"
                            "%h = linear %x, %w : f32[tokens,16]\n%y = softmax %h : f32[tokens,16]\n"
                            "return y = %y\n}\n";

typedef struct Fixture {
    GfDiags diags;
    GfDevice device;
    GfProgram *program;
    GfStore store;
    GfExec *exec;
} Fixture;

static GfStatus compile(Fixture *f, GfArena *arena)
{
    const GfBackend *backend;
    GfGraph *g;

    GF_TRY(gf_device_open(&f->device, "cuda", 1, NULL, &f->diags));
    GF_TRY(gf_backend_find(f->device.target, &backend, &f->diags));
    GF_TRY(gf_graph_parse("t.gir", graph, sizeof graph - 1, NULL, &g, &f->diags));
    GfPipelineOptions options = {.target = backend->target};
    GfStatus status = gf_pipeline_run(g, "fuse,plan-memory{tokens=40}", &options, arena, NULL, NULL, &f->diags);
    if (status == GF_OK)
        status = backend->compile(g, &(GfCompileOptions){.target = f->device.target}, NULL, &f->program, &f->diags);
    gf_graph_free(g);
    return status;
}

static GfStatus prepare(Fixture *f)
{
    GF_TRY(gf_store_declare(&f->store, f->program, &f->diags));
    GF_TRY(gf_store_fill(&f->store, &(GfStoreSource){.prefix = ""}, &f->diags));
    return gf_exec_new(&f->device, f->program, &f->store, NULL, &f->exec, &f->diags);
}

static int open_fixture(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    GfArena arena;

    gf_diags_init(&f->diags, NULL);
    gf_store_init(&f->store, NULL);
    gf_arena_init(&arena, NULL);
    GfStatus status = compile(f, &arena);
    if (status == GF_OK)
        status = prepare(f);
    gf_arena_free(&arena);
    gf_diags_print(&f->diags, stderr);
    *state = f;
    return status != GF_OK;
}

static int close_fixture(void **state)
{
    Fixture *f = *state;

    gf_exec_free(f->exec);
    gf_store_free(&f->store);
    gf_program_free(f->program);
    gf_device_close(&f->device);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static void every_batch_has_its_time(void **state)
{
    Fixture *f = *state;
    float x[40 * 32] = {0};
    double seconds[8];

    assert_in_range(f->program->batch_count, 1, 8);
    assert_int_equal(gf_exec_size(f->exec, "tokens", 40, &f->diags), GF_OK);
    gf_exec_input(f->exec, "x", x);
    assert_int_equal(gf_exec_run(f->exec, &f->diags), GF_OK); /* under way when the clock starts */
    assert_int_equal(gf_exec_time_batches(f->exec, seconds, &f->diags), GF_OK);
    for (uint32_t i = 0; i < f->program->batch_count; i++)
        assert_true(fabs(seconds[i] - 1e-6) < 1e-9);
}

/* A step runs after it as before. */
static void a_step_runs_afterwards(void **state)
{
    Fixture *f = *state;

    assert_int_equal(gf_exec_run(f->exec, &f->diags), GF_OK);
    assert_int_equal(gf_exec_wait(f->exec, &f->diags), GF_OK);
    const float *y = gf_exec_output(f->exec, "y");
    assert_non_null(y);
    assert_true(fabsf(y[0] - 1.0f / 16) < 1e-6f); /* of zeros */
}

static void nothing_is_timed_unbound(void **state)
{
    Fixture *f = *state;
    double seconds[8];

    assert_int_equal(gf_exec_time_batches(f->exec, seconds, &f->diags), GF_ERR_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_timed_unbound),
        cmocka_unit_test(every_batch_has_its_time),
        cmocka_unit_test(a_step_runs_afterwards),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
