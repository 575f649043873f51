/* test_hopper_kernels.c -- the cuda target's feature "wgmma": tiles of
 * device/hopper.cuh against the evaluator, every size of tile; and errors that the
 * emulation must notice.  Runs with GRAFT_TEST_TARGET=cuda:sm_90a.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/numeric/kernel_case.h"
#include "tests/numeric/planted.h"

#include "passes/passes.h"
#include "tests/support/eval_run.h"

#include <math.h>

#define ROUND "{round = \"bf16\"}"
#define X "%x = input : f32[tokens,$k]\n"

static void check(const char *features, const char *lines, int64_t m, int64_t k, const char *passes, int64_t tokens)
{
    const KernelSizes size = {tokens, 1, NULL};

    assert_int_equal(setenv("GRAFT_CUDA_FEATURES", features, 1), 0);
    kernel_check(&(KernelCase){.lines = lines,
                               .m = m,
                               .k = k,
                               .passes = passes,
                               .tolerance = 8 * EPS * sqrt((double)(k > tokens ? k : tokens)),
                               .sizes = &size,
                               .size_count = 1});
    unsetenv("GRAFT_CUDA_FEATURES");
}

/* The inner dim contiguous in both factors, in one, in none; edges in all dims, and
 * more tiles along the inner dim than stages. */
static void every_size_of_tile_agrees(void **state)
{
    static const struct {
        const char *features;
        int64_t tokens;
    } sizes[] = {{"wgmma:128x128", 140}, {"wgmma:128x96", 131}, {"wgmma:128x64", 129},
                 {"wgmma:64x128", 70},   {"wgmma:64x96", 71},   {"wgmma:64x64", 72}};
    static const char lines[] =
        X "%w = param \"w\" : f32[$m,$k]\n%b = param \"b\" : f32[$m]\n%u = param \"u\" : f32[$k,$m]\n"
          "%d = input : f32[tokens,$m]\n"
          "%h = linear %x, %w, %b " ROUND " : f32[tokens,$m]\n%y = gelu %h : f32[tokens,$m]\n"
          "%z = matmul %x, %u " ROUND " : f32[tokens,$m]\n"
          "%dw = matmul %d, %x {transpose_a = 1, round = \"bf16\"} : f32[$m,$k]\nreturn y = %y, z = %z, dw = %dw\n";

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check(sizes[i].features, lines, 100, 264, NULL, sizes[i].tokens);
}

/* Lines that begin anywhere; a factor that is computed on the way; blocks that share
 * a tile; two products in one, the second of rank 8. */
static void every_way_of_a_factor_agrees(void **state)
{
    (void)state;
    check("wgmma",
          X "%w = param \"w\" : f32[$m,$k]\n%v = param \"v\" : f32[20,$k]\n"
            "%y = linear %x, %w " ROUND " : f32[tokens,$m]\n%g = gelu %x : f32[tokens,$k]\n"
            "%z = linear %g, %v " ROUND " : f32[tokens,20]\nreturn y = %y, z = %z\n",
          37, 75, NULL, 70);
    check("wgmma",
          X "%w = param \"w\" : f32[$m,$k]\n%b = param \"b\" : f32[$m]\n%t = input : f32[tokens,8]\n"
            "%B = param \"B\" : f32[$m,8]\n%1 = linear %x, %w, %b " ROUND " : f32[tokens,$m]\n"
            "%2 = linear %t, %B " ROUND " : f32[tokens,$m]\n%y = add %1, %2 : f32[tokens,$m]\nreturn y = %y\n",
          40, 1032, "fuse-lora,fuse", 70);
}

/* ---- which kernels take it ----------------------------------------------------------------- */

static const char product[] = "graph @t(tokens) {\n%x = input : f32[tokens,456]\n%w = param \"w\" : f32[96,456]\n"
                              "%y = linear %x, %w {round = \"bf16\"} : f32[tokens,96]\nreturn y = %y\n}\n";

/* The text of the kernels of `graph` has a tile of hopper.cuh; or what is wrong, in `error`. */
static bool takes_it(const char *graph, const GfCompileOptions *options, char error[256])
{
    GfPipelineOptions pipeline = {.target = &gf_target_cuda};
    GfProgram *program = NULL;
    bool taken = false;
    GfArena arena;
    Run r;

    run_parse(&r, graph);
    gf_arena_init(&arena, NULL);
    assert_int_equal(gf_pipeline_run(r.g, "fuse,plan-memory{tokens=70}", &pipeline, &arena, NULL, NULL, &r.diags),
                     GF_OK);
    *error = '\0';
    if (gf_backend_cuda.compile(r.g, options, NULL, &program, &r.diags) != GF_OK)
        snprintf(error, 256, "%s", r.diags.first->message);
    for (uint32_t i = 0; program && i < program->kernel_count; i++)
        taken = taken || strstr(program->kernels[i].block.source, "    GfHopperTile<64, 96, ");
    if (program)
        gf_program_free(program);
    gf_arena_free(&arena);
    run_free(&r);
    return taken;
}

static GfCompileOptions options_of(const char *features, const char *target)
{
    return (GfCompileOptions){.features = features, .target = target, .form = "cuda"};
}

static void it_is_off_unless_asked_for(void **state)
{
    static const char exact[] = "graph @t(tokens) {\n%x = input : f32[tokens,456]\n%w = param \"w\" : f32[96,456]\n"
                                "%y = linear %x, %w : f32[tokens,96]\nreturn y = %y\n}\n";
    GfCompileOptions off = options_of(NULL, "cuda:sm_90a"), on = options_of("wgmma:64x96", "cuda:sm_90a");
    char error[256];

    (void)state;
    unsetenv("GRAFT_CUDA_FEATURES");
    assert_false(takes_it(product, &off, error));
    assert_true(takes_it(product, &on, error));
    assert_false(takes_it(exact, &on, error));
    setenv("GRAFT_CUDA_FEATURES", "wgmma:64x96", 1);
    assert_true(takes_it(product, &off, error));
    GfCompileOptions none = options_of("", "cuda:sm_90a");
    assert_false(takes_it(product, &none, error));
    unsetenv("GRAFT_CUDA_FEATURES");
}

static void what_is_no_feature_is_said(void **state)
{
    static const char *const wrong[][3] = {
        {"wgmma", "cuda:sm_80", "wgmma, which is for cuda:sm_90a, not for 'cuda:sm_80'"},
        {"wgmma", "cuda:sm_100a", "which is for cuda:sm_90a"},
        {"wgmmaa", "cuda:sm_90a", "names 'wgmmaa', which is no feature"},
        {"wgmma:64x48", "cuda:sm_90a", "names 'wgmma:64x48'"},
        {"wgmma:64x64x", "cuda:sm_90a", "names 'wgmma:64x64x'"},
        {"wgmma,tma", "cuda:sm_90a", "names 'tma'"},
    };
    char error[256];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        GfCompileOptions options = options_of(wrong[i][0], wrong[i][1]);
        assert_false(takes_it(product, &options, error));
        if (!strstr(error, wrong[i][2]))
            fail_msg("'%s' for %s: '%s'", wrong[i][0], wrong[i][1], error);
    }
}

/* ---- planted errors ------------------------------------------------------------------------ */

static void planted_errors_are_noticed(void **state)
{
    static const char *const planted[] = {
        /* all of hopper.cuh */
        "gf_arrival_wait(a + GfStage<BM, DEEP_A, threads>::floats, turn / STAGES % 2);",
        "gf_wgmma_wait<elements>(c); // tile t - 1",
        "gf_async_fence(); // the tensor cores see tile t",
        "__syncthreads();  // so does every thread; its stage and tile t - 1 have been read",
        "gf_stage_end<Stage>(stage, there, across)",
        " ^ outer % 8",
    };
    GfCompileOptions options = options_of("wgmma:64x96", "cuda:sm_90a");

    (void)state;
    planted_errors_show(product, &options, planted, sizeof planted / sizeof *planted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_of_tile_agrees),  cmocka_unit_test(every_way_of_a_factor_agrees),
        cmocka_unit_test(it_is_off_unless_asked_for), cmocka_unit_test(what_is_no_feature_is_said),
        cmocka_unit_test(planted_errors_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
