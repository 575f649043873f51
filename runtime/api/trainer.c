/* trainer.c -- a variant of a job, step by step: see runtime/graft.h. */
#include "runtime/api/api.h"
#include "runtime/train/checkpoint.h"

#include <stdlib.h>

struct graft_trainer {
    graft_job *job;
    const GfJobVariant *variant;
    GfArena arena; /* of buffers */
    GfSteps steps;
    GfTrainer trainer;
    GfHistory history;
    GfEvaluator evaluators[GF_SPLIT_COUNT];
    bool evaluates[GF_SPLIT_COUNT]; /* which of them are there */
};

/* ---- opening ---- */

static GfStatus open_trainer(graft_trainer *t, size_t variant, GfDiags *diags)
{
    GfSession *s = &t->job->session;

    gf_arena_init(&t->arena, NULL);
    t->variant = gf_api_variant(t->job, variant, diags);
    if (!t->variant)
        return GF_ERR_NAME;
    GF_TRY(gf_session_compile(s, t->variant, &t->steps, diags));
    GfTrainerOptions options = {.name = t->variant->name,
                                .training = &t->variant->training,
                                .steps = &t->steps,
                                .train = gf_session_split(s, GF_SPLIT_TRAIN),
                                .fixed_batch = s->corpus.fixed_batch,
                                .validation = gf_session_split(s, GF_SPLIT_VALIDATION),
                                .step_by_step = true};
    GF_TRY(gf_trainer_init(&t->trainer, &t->arena, &options, diags));
    gf_history_init(&t->history, &t->arena, &t->variant->training, t->trainer.batcher.batches);
    return t->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

int graft_trainer_open(graft_trainer **trainer, graft_job *job, size_t variant, graft_error *error)
{
    graft_trainer *t = calloc(1, sizeof *t);
    API_DIAGS(diags);

    *trainer = NULL;
    if (t)
        t->job = job;
    GfStatus status = t ? open_trainer(t, variant, &diags) : gf_fail_memory(&diags);
    if (status == GF_OK)
        *trainer = t;
    int code = gf_api_end(status, &diags, error); /* before what the diagnostics show goes */
    if (status != GF_OK)
        graft_trainer_close(t);
    return code;
}

void graft_trainer_close(graft_trainer *t)
{
    if (!t)
        return;
    gf_steps_free(&t->steps);
    gf_arena_free(&t->arena);
    free(t);
}

void graft_trainer_parameters(const graft_trainer *t, int64_t *trainable, int64_t *all)
{
    *trainable = t->steps.params.trainable;
    *all = t->steps.params.all;
}

/* ---- steps ---- */

bool graft_trainer_is_done(const graft_trainer *t)
{
    return t->trainer.state.step >= t->trainer.max_steps;
}

static GfStatus step(graft_trainer *t, graft_step *out, GfDiags *diags)
{
    GfStepReport report;

    if (graft_trainer_is_done(t))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "%s: all %lld steps are done", t->variant->name,
                       (long long)t->trainer.max_steps);
    GF_TRY(gf_trainer_step(&t->trainer, &report, diags));
    gf_history_step(&t->history, &report);
    if (out)
        *out = gf_api_step(&report);
    return t->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

int graft_trainer_step(graft_trainer *t, graft_step *out, graft_error *error)
{
    API_DIAGS(diags);
    return gf_api_end(step(t, out, &diags), &diags, error);
}

/* ---- evaluating ---- */

_Static_assert((int)GRAFT_TRAIN == GF_SPLIT_TRAIN && (int)GRAFT_VALIDATION == GF_SPLIT_VALIDATION &&
                   (int)GRAFT_TEST == GF_SPLIT_TEST,
               "graft_split is GfSplit");

static GfStatus find_data(graft_trainer *t, graft_split split, const GfDataset **data, GfDiags *diags)
{
    bool known = split == GRAFT_TRAIN || split == GRAFT_VALIDATION || split == GRAFT_TEST;
    GfLoc loc = {.file = t->job->job.path};

    *data = known ? gf_session_split(&t->job->session, (GfSplit)split) : NULL;
    if (!*data)
        return gf_fail(diags, loc, GF_ERR_VALUE, "the job has no %s data", known ? gf_split_names[split] : "such");
    if (t->steps.evaluate.exec)
        return GF_OK;
    gf_fail(diags, loc, GF_ERR_VALUE, "the job has nothing to evaluate on, so no evaluation was compiled");
    gf_note(diags, "data.validation, data.validation_share or data.test asks for it");
    return GF_ERR_VALUE;
}

/* Evaluation is planned for the longest texts of validation and test: where those of the
 * training data are longer, a batch has fewer of them. */
static size_t batch_size(const graft_trainer *t, const GfDataset *data)
{
    GfPlanLimits limits = gf_limits_of_data(&t->job->session.corpus, &t->variant->training);
    size_t size = (size_t)limits.evaluate.seqs;

    while (size > 1 && gf_dataset_max_tokens(data, size) > (size_t)limits.evaluate.tokens)
        size--;
    return size;
}

/* Of the memory for what a frozen part gives, what is not yet given away. */
static int64_t budget_left(const graft_trainer *t)
{
    int64_t left = gf_hoist_budget(&t->variant->training) - t->trainer.hoist.bytes;

    for (int i = 0; i < GF_SPLIT_COUNT; i++)
        left -= t->evaluators[i].hoist.bytes;
    return left;
}

static GfStatus open_evaluator(graft_trainer *t, graft_split split, const GfDataset *data, GfDiags *diags)
{
    GfEvaluator *ev = &t->evaluators[split];

    GF_TRY(gf_evaluator_init(ev, &t->arena, data, batch_size(t, data), diags));
    GF_TRY(gf_evaluator_hoist(ev, &t->arena, &t->steps, budget_left(t), diags));
    t->evaluates[split] = true;
    return GF_OK;
}

static GfStatus evaluate(graft_trainer *t, graft_split split, graft_scores *out, GfDiags *diags)
{
    const GfDataset *data;
    GfEvaluation evaluation;

    GF_TRY(find_data(t, split, &data, diags));
    if (!t->evaluates[split])
        GF_TRY(open_evaluator(t, split, data, diags));
    GF_TRY(gf_evaluate(&t->evaluators[split], t->steps.evaluate.exec, &evaluation, diags));
    *out = gf_api_scores(&evaluation);
    return GF_OK;
}

int graft_trainer_evaluate(graft_trainer *t, graft_split split, graft_scores *scores, graft_error *error)
{
    API_DIAGS(diags);
    return gf_api_end(evaluate(t, split, scores, &diags), &diags, error);
}

/* ---- saving ---- */

static GfRunSave describe(graft_trainer *t)
{
    return gf_session_describe(&t->job->session, t->variant, &t->steps, &t->history, &t->trainer);
}

int graft_trainer_save(graft_trainer *t, const char *folder, graft_error *error)
{
    GfRunSave what = describe(t);
    API_DIAGS(diags);
    return gf_api_end(gf_run_save(folder, &what, &diags), &diags, error);
}

int graft_trainer_checkpoint(graft_trainer *t, const char *folder, graft_error *error)
{
    GfRunSave what = describe(t);
    API_DIAGS(diags);
    return gf_api_end(gf_checkpoint_write(folder, &what, &diags), &diags, error);
}

int graft_trainer_resume(graft_trainer *t, const char *checkpoint, graft_error *error)
{
    API_DIAGS(diags);
    return gf_api_end(gf_checkpoint_load(checkpoint, &t->steps.store, &t->trainer, &t->history, &diags), &diags, error);
}
