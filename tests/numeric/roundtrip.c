/* roundtrip.c -- what was trained is what was saved: a run's folder, read back,
 * evaluates to the very bits that its training ended with.
 *
 * Trains a few steps of each variant of models/jobs/demo.json into a folder of
 * its own and reads it as `graft eval` does.
 *
 * Exit: 0 equal, 1 not, 2 could not be run.
 */
#include "runtime/train/comparison.h"
#include "runtime/train/run.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 64 };

typedef struct Test {
    GfArena arena;
    GfJob job;
    GfSession session;
    GfDiags *diags;
    size_t passed, failed;
} Test;

static void check(Test *t, bool good, const char *variant, const char *what)
{
    if (good)
        t->passed++;
    else
        t->failed++;
    if (!good)
        printf("FAILED %s: %s\n", variant, what);
}

static GfStatus open_test(Test *t, const char *folder)
{
    const GfSet sets[] = {{"training.max_steps", "20"}, {"training.output_dir", folder}};
    const GfSessionOptions options = {.begin = GF_BEGIN_OVERWRITE}; /* what an earlier test has left */

    GF_TRY(gf_job_load(&t->job, GRAFT_SOURCE_DIR "/models/jobs/demo.json", sets, 2, t->diags));
    return gf_session_open(&t->session, &t->job, &options, t->diags);
}

/* Compile the saved graph and evaluate it, as the command does. */
static GfStatus evaluate_run(Test *t, GfRun *run, GfDataset *data, GfEvaluation *out)
{
    GfStoreSource source = gf_run_source(run);
    GfStepsOptions options = {.model = &run->model,
                              .variant = &run->variant,
                              .backend = t->session.backend,
                              .device = &t->session.device,
                              .source = &source,
                              .evaluate = {(int64_t)gf_dataset_max_tokens(data, BATCH), BATCH}};
    GfSteps steps;
    GfEvaluator evaluator;

    GF_TRY(gf_evaluator_init(&evaluator, &t->arena, data, BATCH, t->diags));
    GF_TRY(gf_steps_new(&steps, &options, t->diags));
    GfStatus status = gf_evaluate(&evaluator, steps.evaluate.exec, out, t->diags);
    gf_steps_free(&steps);
    return status;
}

static GfStatus read_back(Test *t, const char *folder, GfEvaluation *out)
{
    GfRun run;
    GfDataset data;

    GF_TRY(gf_run_open(&run, folder, NULL, t->diags));
    GfStatus status = gf_run_split(&run, GF_SPLIT_TEST, &data, t->diags);
    if (status == GF_OK)
        status = evaluate_run(t, &run, &data, out);
    gf_run_close(&run);
    return status;
}

static GfStatus test_variant(Test *t, size_t i)
{
    GfVariantResult result;
    GfEvaluation back;

    GF_TRY(gf_session_train(&t->session, i, NULL, &result, t->diags));
    GF_TRY(read_back(t, result.folder, &back));
    check(t, result.train.step == 20, result.name, "20 steps");
    check(t, result.evaluation.examples == back.examples, result.name, "the same examples");
    check(t, result.evaluation.loss == back.loss, result.name, "the same loss");
    check(t, memcmp(&result.evaluation.scores, &back.scores, sizeof back.scores) == 0, result.name, "the same scores");
    return GF_OK;
}

static GfStatus run(Test *t, const char *folder)
{
    GF_TRY(open_test(t, folder));
    for (size_t i = 0; i < t->job.variant_count; i++)
        GF_TRY(test_variant(t, i));
    return GF_OK;
}

int main(void)
{
    static const char folder[] = "roundtrip-results"; /* where the test runs: in the build folder */
    GfDiags diags;
    Test t = {.diags = &diags};

    gf_diags_init(&diags, NULL);
    gf_arena_init(&t.arena, NULL);
    GfStatus status = run(&t, folder);
    gf_diags_print(&diags, stderr);
    gf_session_close(&t.session);
    gf_job_close(&t.job);
    gf_arena_free(&t.arena);
    gf_diags_free(&diags);
    printf("%zu passed, %zu failed\n", t.passed, t.failed);
    return status != GF_OK ? 2 : t.failed || !t.passed ? 1 : 0;
}
