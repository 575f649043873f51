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

/* ---- planted errors ---------------------------------------------------------------------- */

/* The norm of y = x w' of 70 x 64 x 96 in the emulation without `text`. */
static double run_without(const char *text)
{
    static const char graph[] = "graph @t(tokens) {\n%x = input : f32[tokens,64]\n%w = param \"w\" : f32[96,64]\n"
                                "%h = linear %x, %w : f32[tokens,96]\n%y = softmax %h : f32[tokens,96]\n"
                                "return y = %y\n}\n";
    GfPipelineOptions options = {.target = &gf_target_cuda};
    const int64_t sizes[] = {70};
    GfProgram *program;
    ProgramRun run;
    GfArena arena;
    Run r;

    run_parse(&r, graph);
    gf_arena_init(&arena, NULL);
    assert_int_equal(gf_pipeline_run(r.g, "fuse,plan-memory{tokens=70}", &options, &arena, NULL, NULL, &r.diags),
                     GF_OK);
    assert_int_equal(gf_backend_cuda.compile(r.g, &(GfCompileOptions){.form = "cuda"}, NULL, &program, &r.diags),
                     GF_OK);
    assert_int_equal(text ? emulate_program_without(program, text, &r.diags) : emulate_program(program, true, &r.diags),
                     GF_OK);
    program_run_open(&run, program, sizes);
    for (int i = 0; i < 70 * 64; i++)
        ((float *)program_run_tensor(&run, "x"))[i] = (float)(i % 13 - 6) / 7;
    for (int i = 0; i < 96 * 64; i++)
        ((float *)program_run_tensor(&run, "w"))[i] = (float)(i % 11 - 5) / 9;
    program_run_step(&run, (TaskOrder){0});
    double sum = 0;
    for (int i = 0; i < 70 * 96; i++)
        sum += (double)program_run_output(&run, "y")[i] * (double)program_run_output(&run, "y")[i];
    program_run_close(&run);
    gf_program_free(program);
    gf_arena_free(&arena);
    run_free(&r);
    return sqrt(sum);
}

static void missing_barriers_are_noticed(void **state)
{
    static const char *const planted[] = {
        "__syncthreads(); // tile t is there, and tile t - 1 has been read", /* tile.cuh */
        "gf_copy_wait<GF_STAGES - 2>();",                                    /* tile.cuh */
    };
    double right = run_without(NULL);

    (void)state;
    assert_true(right > 0 && isfinite(right));
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        double wrong = run_without(planted[i]);
        if (fabs(wrong - right) <= 1e-6 * right)
            fail_msg("without '%s' the result is the same", planted[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounded_products_agree),
        cmocka_unit_test(shared_tiles_agree),
        cmocka_unit_test(missing_barriers_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
