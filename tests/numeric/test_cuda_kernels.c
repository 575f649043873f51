/* test_cuda_kernels.c -- what only the cuda target has: products of rounded
 * factors, blocks that share a tile; and errors that the emulation must notice.
 * Runs with GRAFT_TEST_TARGET=cuda:sm_80.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/cuda/emulate_program.h"
#include "tests/numeric/kernel_case.h"
#include "tests/numeric/planted.h"

#include "passes/passes.h"
#include "tests/support/eval_run.h"
#include "tests/support/program_run.h"

#include <math.h>

#define X "%x = input : f32[tokens,$k]\n"

static const KernelSizes ragged[] = {{1, 1, NULL}, {15, 1, NULL}, {64, 1, NULL}, {70, 1, NULL}};

static void check(const char *lines, int64_t m, int64_t k)
{
    kernel_check(&(KernelCase){
        .lines = lines, .m = m, .k = k, .tolerance = 8 * EPS * sqrt((double)k), .sizes = ragged, .size_count = 4});
}

static void rounded_products_agree(void **state)
{
    static const char *const cases[] = {
        X "%w = param \"w\" : f32[$m,$k]\n%b = param \"b\" : f32[$m]\n"
          "%y = linear %x, %w, %b {round = \"bf16\"} : f32[tokens,$m]\nreturn y = %y\n",
        X "%w = param \"w\" : f32[$m,$k]\n%y = linear %x, %w {round = \"tf32\"} : f32[tokens,$m]\nreturn y = %y\n",
        X "%w = param \"w\" : f32[$k,$m]\n%y = matmul %x, %w {round = \"bf16\"} : f32[tokens,$m]\nreturn y = %y\n",
        X "%w = param \"w\" : f32[$k,$m]\n%y = matmul %x, %w {round = \"tf32\"} : f32[tokens,$m]\nreturn y = %y\n",
        X "%d = input : f32[tokens,$m]\n%y = matmul %d, %x {transpose_a = 1, round = \"bf16\"} : f32[$m,$k]\n"
          "return y = %y\n",
        X "%d = input : f32[tokens,$m]\n%y = matmul %d, %x {transpose_a = 1, round = \"tf32\"} : f32[$m,$k]\n"
          "return y = %y\n",
    };
    static const int64_t sizes[][2] = {{6, 33}, {16, 8}, {72, 64}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i], sizes[i % 3][0], sizes[i % 3][1]);
}

/* Inner dims so long that several blocks share a tile; two products in one kernel. */
static void shared_tiles_agree(void **state)
{
    (void)state;
    check(X "%w = param \"w\" : f32[$m,$k]\n%b = param \"b\" : f32[$m]\n"
            "%h = linear %x, %w, %b : f32[tokens,$m]\n%y = gelu %h : f32[tokens,$m]\nreturn y = %y\n",
          20, 1030);
    check(X "%w = param \"w\" : f32[$m,$k]\n%v = param \"v\" : f32[$m,$k]\n"
            "%h = linear %x, %w : f32[tokens,$m]\n%g = linear %x, %v : f32[tokens,$m]\n"
            "%y = add %h, %g : f32[tokens,$m]\nreturn y = %y\n",
          12, 800);
}

static GfProgram *compile_planned(Run *r, const char *graph, const char *passes)
{
    GfPipelineOptions options = {.target = &gf_target_cuda};
    GfProgram *program;

    run_parse(r, graph);
    run_check(r, gf_pipeline_run(r->g, passes, &options, NULL, NULL, NULL, &r->diags), "passes");
    run_check(r, gf_backend_cuda.compile(r->g, &(GfCompileOptions){.form = "cuda"}, NULL, &program, &r->diags),
              "compile");
    run_check(r, emulate_program(program, true, &r->diags), "emulate");
    return program;
}

/* All of w are 2^-10 and all of x are 1: so is every y, whatever the order of the sum. */
static void run_ones(const ProgramRun *run, int64_t tokens)
{
    float *y = program_run_at(run, gf_program_output(run->program, "y")->buffer);

    memset(y, 0xff, (size_t)tokens * 64 * 4);
    program_run_launches(run, (TaskOrder){0});
    for (int64_t i = 0; i < tokens * 64; i++)
        assert_true(y[i] == 1.0f);
}

/* One run behind the other in the same memory, of more tiles and of fewer: what blocks
 * leave in their scratch is nothing to the next run. */
static void shared_tiles_agree_at_each_size(void **state)
{
    static const char graph[] = "graph @t(tokens) {\n%x = input : f32[tokens,1024]\n%w = param \"w\" : f32[64,1024]\n"
                                "%y = linear %x, %w : f32[tokens,64]\nreturn y = %y\n}\n";
    static const int64_t tokens[] = {70, 200, 64, 130, 200};
    ProgramRun run;
    Run r;
    GfProgram *program = compile_planned(&r, graph, "fuse,plan-memory{tokens=200}");

    (void)state;
    assert_true(program->kernels[0].block.splits > 1);
    program_run_open(&run, program, (int64_t[GF_MAX_SYMBOLS]){200});
    memset(run.arena.data, 0, (size_t)run.arena.size);
    for (int i = 0; i < 200 * 1024; i++)
        ((float *)program_run_tensor(&run, "x"))[i] = 1;
    for (int i = 0; i < 64 * 1024; i++)
        ((float *)program_run_tensor(&run, "w"))[i] = 1.0f / 1024;
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        run.sizes[0] = tokens[i];
        run_ones(&run, tokens[i]);
    }
    program_run_close(&run);
    gf_program_free(program);
    run_free(&r);
}

/* ---- launches that run as one ------------------------------------------------------------- */

static void check_joined(const char *lines, int64_t m, int64_t k, uint32_t launches)
{
    kernel_check(&(KernelCase){.lines = lines,
                               .m = m,
                               .k = k,
                               .launches = launches,
                               .tolerance = 8 * EPS * sqrt((double)k),
                               .sizes = ragged,
                               .size_count = 4});
}

#define PROJECTION(y, key)                                                                                             \
    "%w" y " = param \"w" y "\" : f32[$m,$k]\n%d" y " = dropout %x, %rng {p = 0.1, key = " key                         \
    "} : f32[tokens,$k]\n%" y " = linear %d" y ", %w" y " : f32[tokens,$m]\n"

/* Three of each: prologues with keys of their own, blocks that share a tile, rows, sums over rows. */
static void joined_launches_agree(void **state)
{
    (void)state;
    check_joined("%rng = input : i32[4]\n" X PROJECTION("a", "1") PROJECTION("b", "2")
                     PROJECTION("c", "3") "return a = %a, b = %b, c = %c\n",
                 8, 1030, 1);
    check_joined(X "%w = param \"w\" : f32[$m,$k]\n%v = param \"v\" : f32[$m,$k]\n%u = param \"u\" : f32[$m,$k]\n"
                   "%a = linear %x, %w : f32[tokens,$m]\n%p = softmax %a : f32[tokens,$m]\n"
                   "%b = linear %x, %v : f32[tokens,$m]\n%q = softmax %b : f32[tokens,$m]\n"
                   "%c = linear %x, %u : f32[tokens,$m]\n%r = softmax %c : f32[tokens,$m]\n"
                   "%sp = sum_rows %p : f32[$m]\n%sq = sum_rows %q : f32[$m]\n%sr = sum_rows %r : f32[$m]\n"
                   "return a = %a, b = %b, c = %c, p = %p, q = %q, r = %r, sp = %sp, sq = %sq, sr = %sr\n",
                 40, 70, 3);
}

/* Of different sizes: states that gradients are added to. */
static void joined_sizes_agree(void **state)
{
    (void)state;
    check_joined("%p = param \"p\" : f32[9]\n%q = param \"q\" : f32[$m,$k]\n%r = param \"r\" : f32[5,1000]\n"
                 "%s = state \"s\" : f32[9]\n%t = state \"t\" : f32[$m,$k]\n%u = state \"u\" : f32[5,1000]\n"
                 "%a = add %s, %p : f32[9]\n%b = add %t, %q : f32[$m,$k]\n%c = add %u, %r : f32[5,1000]\n"
                 "update %s = %a\nupdate %t = %b\nupdate %u = %c\n%y = mean %p : f32[]\nreturn y = %y\n",
                 90, 100, 2);
}

/* ---- planted errors ---------------------------------------------------------------------- */

/* y = s + p + q by two launches of one kernel, the second of which reads the first's result. */
static GfProgram *compile_chain(Run *r)
{
    static const char graph[] = "graph @t() {\n%s = param \"s\" : f32[8]\n%p = param \"p\" : f32[8]\n"
                                "%q = param \"q\" : f32[8]\n%a = add %s, %p : f32[8] @k0\n"
                                "%y = add %a, %q : f32[8] @k1\nreturn a = %a, y = %y\n}\n";
    return compile_planned(r, graph, "join-launches,plan-memory");
}

/* Runs of the chain, of those with 16 orders of its blocks, that give 1 + 2 + 4. */
static int right_runs(const GfProgram *program)
{
    int right = 0;

    for (uint32_t order = 0; order < 16; order++) {
        ProgramRun run;
        program_run_open(&run, program, (int64_t[GF_MAX_SYMBOLS]){0});
        run.batch = emulated_batch;
        for (int i = 0; i < 8; i++) {
            ((float *)program_run_tensor(&run, "s"))[i] = 1;
            ((float *)program_run_tensor(&run, "p"))[i] = 2;
            ((float *)program_run_tensor(&run, "q"))[i] = 4;
        }
        program_run_step(&run, (TaskOrder){1, order});
        right += program_run_output(&run, "y")[7] == 7;
        program_run_close(&run);
    }
    return right;
}

static void launches_wrongly_joined_are_noticed(void **state)
{
    Run r;
    GfProgram *program = compile_chain(&r);

    (void)state;
    assert_int_equal(program->batch_count, 2);
    assert_int_equal(right_runs(program), 16);
    program->batches[0].count = 2;
    program->batch_count = 1;
    int right = right_runs(program);
    assert_true(right > 0 && right < 16);
    gf_program_free(program);
    run_free(&r);
}

static void missing_barriers_are_noticed(void **state)
{
    static const char graph[] = "graph @t(tokens) {\n%x = input : f32[tokens,64]\n%w = param \"w\" : f32[96,64]\n"
                                "%h = linear %x, %w : f32[tokens,96]\n%y = softmax %h : f32[tokens,96]\n"
                                "return y = %y\n}\n";
    static const char *const planted[] = {
        "__syncthreads(); // the next tile is there, and this one has been read", /* tile.cuh */
        "__syncthreads(); // the first tile is there",                            /* tile.cuh */
    };
    const GfCompileOptions options = {.features = "", .form = "cuda"};

    (void)state;
    planted_errors_show(graph, &options, planted, sizeof planted / sizeof *planted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounded_products_agree),
        cmocka_unit_test(shared_tiles_agree),
        cmocka_unit_test(shared_tiles_agree_at_each_size),
        cmocka_unit_test(joined_launches_agree),
        cmocka_unit_test(joined_sizes_agree),
        cmocka_unit_test(launches_wrongly_joined_are_noticed),
        cmocka_unit_test(missing_barriers_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
