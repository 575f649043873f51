/* planted.c -- see planted.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/cuda/emulate_program.h"
#include "tests/numeric/planted.h"

#include "passes/passes.h"
#include "tests/support/eval_run.h"
#include "tests/support/program_run.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Small fractions that no permutation leaves in place. */
static void fill(const ProgramRun *run, const char *name, int period)
{
    uint32_t index;
    const GfTensorDecl *decl = gf_program_tensor(run->program, name, &index);
    float *data = program_run_tensor(run, name);
    int64_t count = gf_type_elements(&decl->type, run->sizes);

    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(i % period - period / 2) / (float)(period / 2 + 1);
}

static double norm_of_output(const ProgramRun *run)
{
    const GfOutput *y = gf_program_output(run->program, "y");
    int64_t count = gf_type_elements(&y->type, run->sizes);
    const float *data = program_run_output(run, "y");
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += (double)data[i] * (double)data[i];
    return sqrt(sum);
}

/* The norm of y in the emulation without `text`; NULL: with all of it. */
static double run_without(const char *graph, const GfCompileOptions *options, const char *text)
{
    GfPipelineOptions pipeline = {.target = &gf_target_cuda};
    const int64_t sizes[] = {70};
    GfProgram *program;
    ProgramRun run;
    GfArena arena;
    Run r;

    run_parse(&r, graph);
    gf_arena_init(&arena, NULL);
    assert_int_equal(gf_pipeline_run(r.g, "fuse,plan-memory{tokens=70}", &pipeline, &arena, NULL, NULL, &r.diags),
                     GF_OK);
    assert_int_equal(gf_backend_cuda.compile(r.g, options, NULL, &program, &r.diags), GF_OK);
    assert_int_equal(text ? emulate_program_without(program, text, &r.diags) : emulate_program(program, true, &r.diags),
                     GF_OK);
    program_run_open(&run, program, sizes);
    fill(&run, "x", 13);
    fill(&run, "w", 11);
    program_run_step(&run, (TaskOrder){0});
    double norm = norm_of_output(&run);
    program_run_close(&run);
    gf_program_free(program);
    gf_arena_free(&arena);
    run_free(&r);
    return norm;
}

/* The same by a child: where the emulation sees the error itself it ends the
 * process, and what comes back is no number. */
static double run_in_child(const char *graph, const GfCompileOptions *options, const char *text)
{
    double norm = NAN;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        norm = run_without(graph, options, text);
        _exit(write(ends[1], &norm, sizeof norm) == sizeof norm ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &norm, sizeof norm) != sizeof norm)
        norm = NAN;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return norm;
}

void planted_errors_show(const char *graph, const GfCompileOptions *options, const char *const *texts, size_t count)
{
    double right = run_without(graph, options, NULL);

    assert_true(right > 0 && isfinite(right));
    for (size_t i = 0; i < count; i++) {
        double wrong = run_in_child(graph, options, texts[i]);
        if (fabs(wrong - right) <= 1e-6 * right)
            fail_msg("without '%s' the result is the same", texts[i]);
    }
}
