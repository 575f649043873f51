/* test_exec.c -- programs made by hand, on pools of several sizes. */
#include "runtime/exec/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 1000, UNIT = 7 };

/* ---- kernels ---- */

static int64_t task_end(int64_t task, int64_t count)
{
    int64_t end = (task + 1) * UNIT;
    return end < count ? end : count;
}

/* y = packed + x; buffers: x, packed, y */
static void add_packed(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                       void *scratch)
{
    const float *x = b[0], *packed = b[1];
    float *y = b[2];
    (void)scalars;
    (void)scratch;
    for (int64_t t = begin; t < end; t++)
        for (int64_t i = t * UNIT; i < task_end(t, sizes[0]); i++)
            y[i] = packed[i % 4] + x[i];
}

/* packed = 10 w */
static void pack(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                 void *scratch)
{
    const float *w = b[0];
    float *packed = b[1];
    (void)sizes;
    (void)scalars;
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        packed[i] = 10 * w[i];
}

/* new state = state + 1, by way of the thread's scratch */
static void count_up(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                     void *scratch)
{
    float *room = scratch;
    (void)sizes;
    (void)scalars;
    for (int64_t i = begin; i < end; i++) {
        room[255] = ((const float *)b[0])[i] + 1;
        ((float *)b[1])[i] = room[255];
    }
}

/* ---- the program: y[n] = 10 w + x, state += 1 ---- */

static const GfBuffer of_x = {.kind = GF_BUFFER_TENSOR, .index = 0}, of_w = {.kind = GF_BUFFER_TENSOR, .index = 1},
                      of_state = {.kind = GF_BUFFER_TENSOR, .index = 2}, of_packed = {.kind = GF_BUFFER_PREPARED},
                      of_y = {.kind = GF_BUFFER_ARENA}, of_new = {.kind = GF_BUFFER_ARENA, .offset = 4096};

typedef struct Fixture {
    GfDiags diags;
    GfTensorDecl tensors[3];
    GfKernel kernels[3];
    GfBuffer add_buffers[3], pack_buffers[2], count_buffers[2];
    GfLaunch prepare[1], launches[2];
    GfCopy copies[1];
    GfOutput outputs[1];
    GfProgram program;
    GfStore store;
    GfPool *pool;
    GfExec *exec;
} Fixture;

static GfWork work_over(GfDim dim, int64_t unit)
{
    return (GfWork){.dim = {dim, gf_dim_const(1)}, .unit = {unit, 1}};
}

static void make_tensors(Fixture *f)
{
    GfType four = gf_type_vector(GF_F32, gf_dim_const(4));

    f->tensors[0] = (GfTensorDecl){
        .kind = GF_TENSOR_INPUT, .name = "x", .type = gf_type_vector(GF_F32, gf_dim_symbol(0)), .init = ""};
    f->tensors[1] = (GfTensorDecl){.kind = GF_TENSOR_PARAM, .name = "w", .type = four, .frozen = true, .init = "ones"};
    f->tensors[2] =
        (GfTensorDecl){.kind = GF_TENSOR_STATE, .name = "s", .type = four, .updated = true, .init = "zeros"};
}

static void make_launches(Fixture *f)
{
    memcpy(f->add_buffers, (GfBuffer[]){of_x, of_packed, of_y}, sizeof f->add_buffers);
    memcpy(f->pack_buffers, (GfBuffer[]){of_w, of_packed}, sizeof f->pack_buffers);
    memcpy(f->count_buffers, (GfBuffer[]){of_state, of_new}, sizeof f->count_buffers);
    f->kernels[0] = (GfKernel){.name = "add", .cpu = add_packed};
    f->kernels[1] = (GfKernel){.name = "pack", .structure = "pack 4", .cpu = pack};
    f->kernels[2] = (GfKernel){.name = "count", .cpu = count_up};
    f->prepare[0] = (GfLaunch){1, f->pack_buffers, 2, NULL, 0, work_over(gf_dim_const(4), 1)};
    f->launches[0] = (GfLaunch){0, f->add_buffers, 3, NULL, 0, work_over(gf_dim_symbol(0), UNIT)};
    f->launches[1] = (GfLaunch){2, f->count_buffers, 2, NULL, 0, work_over(gf_dim_const(4), 1)};
    f->copies[0] = (GfCopy){.from = of_new, .to = 2};
    f->outputs[0] = (GfOutput){.name = "y", .type = gf_type_vector(GF_F32, gf_dim_symbol(0)), .buffer = of_y};
}

static void make_program(Fixture *f)
{
    make_tensors(f);
    make_launches(f);
    f->program = (GfProgram){.symbols = {"n"},
                             .symbol_count = 1,
                             .max_sizes = {N},
                             .tensors = f->tensors,
                             .tensor_count = 3,
                             .kernels = f->kernels,
                             .kernel_count = 3,
                             .prepare = f->prepare,
                             .prepare_count = 1,
                             .launches = f->launches,
                             .launch_count = 2,
                             .copies = f->copies,
                             .copy_count = 1,
                             .outputs = f->outputs,
                             .output_count = 1,
                             .arena_size = 8192,
                             .prepared_size = 64,
                             .scratch_size = 1024};
}

static void start_program(Fixture *f, uint32_t threads, const char *checkpoint)
{
    GfStoreSource source = {.prefix = "", .seed = 1, .checkpoint = checkpoint};

    assert_int_equal(gf_pool_new(threads, NULL, &f->pool, &f->diags), GF_OK);
    assert_int_equal(gf_store_declare(&f->store, &f->program, &f->diags), GF_OK);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_OK);
    assert_int_equal(gf_exec_new(&(GfDevice){.pool = f->pool}, &f->program, &f->store, NULL, &f->exec, &f->diags),
                     GF_OK);
}

static void describe(Fixture *f)
{
    memset(f, 0, sizeof *f);
    gf_diags_init(&f->diags, NULL);
    gf_store_init(&f->store, NULL);
    make_program(f);
}

static void start(Fixture *f, uint32_t threads)
{
    describe(f);
    start_program(f, threads, NULL);
}

static void stop(Fixture *f)
{
    gf_exec_free(f->exec);
    gf_store_free(&f->store);
    gf_pool_free(f->pool);
    gf_diags_free(&f->diags);
}

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)i * 0.5f;
}

/* ---- tests ---- */

static void runs_on_any_number_of_threads(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 5; threads++) {
        Fixture f;
        float x[N];
        start(&f, threads);
        fill(x, N);
        for (int round = 1; round <= 300; round++) {
            int64_t n = 1 + round * 37 % N;
            assert_int_equal(gf_exec_size(f.exec, "n", n, &f.diags), GF_OK);
            gf_exec_input(f.exec, "x", x);
            assert_int_equal(gf_exec_run(f.exec, &f.diags), GF_OK);
            const float *y = gf_exec_output(f.exec, "y");
            for (int64_t i = 0; i < n; i++)
                assert_true(y[i] == 10 + x[i]);
            assert_true(gf_store_find(&f.store, "s")->data[3] == (float)round);
        }
        stop(&f);
    }
}

/* y[0] of another exec of the program over the store. */
static float run_another(Fixture *f)
{
    GfExec *exec;
    float x = 1;

    assert_int_equal(gf_exec_new(&(GfDevice){.pool = f->pool}, &f->program, &f->store, NULL, &exec, &f->diags), GF_OK);
    assert_int_equal(gf_exec_size(exec, "n", 1, &f->diags), GF_OK);
    gf_exec_input(exec, "x", &x);
    assert_int_equal(gf_exec_run(exec, &f->diags), GF_OK);
    float y = gf_exec_scalar(exec, "y");
    gf_exec_free(exec);
    return y;
}

static void shares_what_is_packed(void **state)
{
    Fixture f;

    (void)state;
    start(&f, 2);
    gf_store_find(&f.store, "w")->data[0] = 3;
    assert_true(run_another(&f) == 11); /* packed before */
    assert_int_equal(f.store.packed_count, 1);
    f.kernels[1].structure = "pack otherwise";
    assert_true(run_another(&f) == 31);
    f.program.prepared_size = 128; /* panels of another size */
    assert_true(run_another(&f) == 31);
    assert_int_equal(f.store.packed_count, 3);
    stop(&f);
}

/* The file of a weight need not stay in memory when steps read only what was packed of it. */
static void releases_what_only_packing_reads(void **state)
{
    static const int64_t shape[] = {4};
    static const float values[] = {1, 1, 1, 2};
    const GfStTensor w = {.name = "w", .dtype = GF_ST_F32, .rank = 1, .shape = shape, .data = values};
    char path[64];
    Fixture f;

    (void)state;
    snprintf(path, sizeof path, "/tmp/graft-test-exec-%ld.safetensors", (long)getpid());
    for (int reads = 0; reads < 2; reads++) {
        describe(&f);
        assert_int_equal(gf_safetensors_write(path, &w, 1, NULL, 0, &f.diags), GF_OK);
        f.count_buffers[0] = reads ? of_w : of_state;
        start_program(&f, 2, path);
        assert_non_null(gf_store_find(&f.store, "w")->mapped);
        assert_int_equal(gf_store_find(&f.store, "w")->released, !reads);
        assert_true(run_another(&f) == 11);
        assert_true(gf_store_find(&f.store, "s")->data[3] == (reads ? 3 : 1)); /* a step read w[3] = 2 */
        stop(&f);
    }
    unlink(path);
}

static void packs_nothing_that_is_written(void **state)
{
    Fixture f;
    GfExec *exec;

    (void)state;
    start(&f, 2);
    gf_store_find(&f.store, "w")->updated = true;
    assert_int_equal(gf_exec_new(&(GfDevice){.pool = f.pool}, &f.program, &f.store, NULL, &exec, &f.diags),
                     GF_ERR_TENSOR);
    assert_non_null(strstr(f.diags.last->message, "'w' is packed by one program and written by another"));
    stop(&f);
}

static void refuses_what_does_not_fit(void **state)
{
    Fixture f;

    (void)state;
    start(&f, 2);
    assert_int_equal(gf_exec_size(f.exec, "n", N + 1, &f.diags), GF_ERR_VALUE);
    assert_non_null(strstr(f.diags.last->message, "planned for 1 to 1000"));
    assert_int_equal(gf_exec_size(f.exec, "n", 0, &f.diags), GF_ERR_VALUE);
    assert_int_equal(gf_exec_run(f.exec, &f.diags), GF_ERR_VALUE);
    assert_non_null(strstr(f.diags.last->message, "'n' has not been bound"));
    assert_int_equal(gf_exec_size(f.exec, "n", 3, &f.diags), GF_OK);
    assert_int_equal(gf_exec_run(f.exec, &f.diags), GF_ERR_VALUE);
    assert_non_null(strstr(f.diags.last->message, "'x' has not been bound"));
    assert_null(gf_exec_output(f.exec, "z"));
    assert_int_equal(gf_exec_output_count(f.exec, "z"), 0);
    assert_int_equal(gf_exec_output_count(f.exec, "y"), 3);
    assert_true(isnan(gf_exec_scalar(f.exec, "z")));
    stop(&f);
}

static void refuses_a_store_that_lacks_a_tensor(void **state)
{
    Fixture f;
    GfStore empty;
    GfExec *exec;

    (void)state;
    start(&f, 1);
    gf_store_init(&empty, NULL);
    assert_int_equal(gf_exec_new(&(GfDevice){.pool = f.pool}, &f.program, &empty, NULL, &exec, &f.diags),
                     GF_ERR_TENSOR);
    assert_null(exec);
    stop(&f);
}

/* ---- the pool ---- */

/* Each task adds one to its own counter. */
static void tick(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                 void *scratch)
{
    int *counters = b[0];
    (void)sizes;
    (void)scalars;
    (void)scratch;
    for (int64_t i = begin; i < end; i++)
        counters[i]++;
}

static void every_task_runs_once(void **state)
{
    enum { MOST = 777, ROUNDS = 2000 };
    static int counters[MOST];
    void *buffers[] = {counters};
    GfDiags diags;
    GfPool *pool;
    int64_t expected = 0, sum = 0;

    (void)state;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_pool_new(4, NULL, &pool, &diags), GF_OK);
    assert_int_equal(gf_pool_threads(pool), 4);
    for (int64_t i = 0; i < ROUNDS; i++) {
        GfPoolJob job = {.kernel = tick, .buffers = buffers, .tasks = i * 31 % MOST};
        gf_pool_run(pool, &job);
        expected += job.tasks;
    }
    for (int i = 0; i < MOST; i++)
        sum += counters[i];
    assert_int_equal(sum, expected);
    gf_pool_free(pool);
    gf_diags_free(&diags);
}

static void refuses_a_number_of_threads(void **state)
{
    GfDiags diags;
    GfPool *pool;
    uint32_t threads;

    (void)state;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_pool_new(0, NULL, &pool, &diags), GF_ERR_VALUE);
    assert_int_equal(gf_pool_new(GF_THREADS_MAX + 1, NULL, &pool, &diags), GF_ERR_VALUE);
    setenv("GRAFT_THREADS", "3", 1);
    assert_int_equal(gf_pool_default_threads(&threads, &diags), GF_OK);
    assert_int_equal(threads, 3);
    setenv("GRAFT_THREADS", "3x", 1);
    assert_int_equal(gf_pool_default_threads(&threads, &diags), GF_ERR_VALUE);
    unsetenv("GRAFT_THREADS");
    assert_int_equal(gf_pool_default_threads(&threads, &diags), GF_OK);
    assert_in_range(threads, 1, GF_THREADS_MAX);
    gf_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_on_any_number_of_threads),
        cmocka_unit_test(shares_what_is_packed),
        cmocka_unit_test(releases_what_only_packing_reads),
        cmocka_unit_test(packs_nothing_that_is_written),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(refuses_a_store_that_lacks_a_tensor),
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(refuses_a_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
