/* session_run.c -- a variant's run from compiling to results; see session.h. */
#include "runtime/io/folder.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/event_log.h"
#include "runtime/train/results.h"
#include "runtime/train/session.h"

#include <string.h>

/* One variant's run, with what only it needs. */
typedef struct Run {
    GfSession *session;
    const GfJobVariant *variant;
    const GfSessionEvents *events;
    GfArena arena; /* of buffers */
    GfSteps steps;
    GfTrainer trainer;
    GfHistory history;
    GfEventLog log;
    GfRunSave save;
    GfVariantResult *result;
    GfDiags *diags;
} Run;

const GfDataset *gf_session_split(const GfSession *s, GfSplit split)
{
    return s->corpus.splits[split].examples ? &s->corpus.splits[split] : NULL;
}

GfStatus gf_session_compile(const GfSession *s, const GfJobVariant *variant, GfSteps *steps, GfDiags *diags)
{
    const GfTraining *t = &variant->training;
    GfStoreSource source = gf_session_source(s, t);
    GfPlanLimits limits = gf_limits_of_data(&s->corpus, t);
    GfStepsOptions options = {.model = &s->model,
                              .variant = &variant->variant,
                              .training = t,
                              .weighted = variant->weighted,
                              .hoist = true,
                              .backend = s->backend,
                              .device = &s->device,
                              .source = &source,
                              .train = limits.train,
                              .evaluate = limits.evaluate};

    if (s->options.file) {
        const GfJobFileVariant *compiled;
        GF_TRY(gf_job_file_find(s->options.file, variant, &compiled, diags));
        options.programs = &compiled->programs;
    }
    return gf_steps_new(steps, &options, diags);
}

/* ---- events: into the history, and on to the listener ---- */

static void on_step(void *self, const GfStepReport *report)
{
    Run *run = self;
    const GfTrainEvents *next = &run->events->train;

    gf_history_step(&run->history, report);
    if (next->step)
        next->step(next->self, report);
}

static void on_epoch(void *self, const GfEpochReport *report)
{
    Run *run = self;
    const GfTrainEvents *next = &run->events->train;

    gf_history_epoch(&run->history, report);
    if (next->epoch)
        next->epoch(next->self, report);
}

static GfStatus on_save(void *self, GfDiags *diags)
{
    Run *run = self;
    int64_t step = run->trainer.state.step;
    const char *folder = gf_checkpoint_path(&run->arena, run->result->folder, step);

    if (!folder)
        return gf_fail_memory(diags);
    GF_TRY(gf_checkpoint_write(run->result->folder, &run->save, diags));
    if (run->events->checkpoint)
        run->events->checkpoint(run->events->self, folder, step);
    return GF_OK;
}

static void on_entry(void *self, const GfLogEntry *entry)
{
    Run *run = self;
    const GfLogListener *next = &run->events->log;

    gf_event_log_entry(&run->log, entry);
    if (next->entry)
        next->entry(next->self, entry);
}

static void start_history(Run *run)
{
    gf_history_init(&run->history, &run->arena, &run->variant->training, run->trainer.batcher.batches);
    run->history.listener = (GfLogListener){.self = run, .entry = on_entry};
}

/* Once it is known where the training begins. */
static GfStatus start_event_log(Run *run)
{
    const GfTraining *t = &run->variant->training;
    bool goes_on = run->session->options.begin == GF_BEGIN_RESUME;
    const char *folder = NULL;

    if (t->tensorboard)
        GF_TRY(gf_event_log_folder(&folder, &run->arena, t, run->variant->name, goes_on, run->diags));
    return gf_event_log_open(&run->log, folder, t, run->trainer.state.step, run->diags);
}

/* ---- going on ---- */

static const char *path_in(Run *run, const char *name)
{
    return gf_path_join(&run->arena, run->result->folder, name);
}

/* The checkpoint to go on from; NULL: none, the training begins. */
static GfStatus find_checkpoint(Run *run, const char **out)
{
    const GfSession *s = run->session;
    int64_t *steps;
    size_t count;

    *out = NULL;
    if (s->options.begin != GF_BEGIN_RESUME)
        return GF_OK;
    if (s->resumed >= 0 && run->variant == &s->job->variants[s->resumed]) {
        *out = s->options.checkpoint;
        return GF_OK;
    }
    GF_TRY(gf_checkpoint_list(run->result->folder, &run->arena, &steps, &count, run->diags));
    if (count)
        *out = gf_checkpoint_path(&run->arena, run->result->folder, steps[count - 1]);
    return run->arena.failed ? gf_fail_memory(run->diags) : GF_OK;
}

static GfStatus resume(Run *run)
{
    const char *checkpoint;

    GF_TRY(find_checkpoint(run, &checkpoint));
    if (!checkpoint)
        return GF_OK;
    GF_TRY(gf_checkpoint_load(checkpoint, &run->steps.store, &run->trainer, &run->history, run->diags));
    run->result->resumed_step = run->trainer.state.step;
    return GF_OK;
}

/* The results of a run that was finished before count; when it begins anew, or goes on
 * from a checkpoint of old, they go: they would stand for another model. */
static GfStatus look_back(Run *run)
{
    const GfSession *s = run->session;
    bool chosen = s->resumed >= 0 && run->variant == &s->job->variants[s->resumed];
    const char *results = path_in(run, "results.json");

    if (!results)
        return gf_fail_memory(run->diags);
    if (s->options.begin == GF_BEGIN_RESUME && !chosen && gf_file_exists(results)) {
        run->result->finished_before = true;
        return gf_results_read(results, run->result, run->diags);
    }
    if (s->options.dry_run)
        return GF_OK;
    GF_TRY(gf_folder_remove(results, run->diags));
    if (s->options.begin == GF_BEGIN_OVERWRITE)
        return gf_checkpoint_remove_all(run->result->folder, run->diags);
    return gf_checkpoint_sweep(run->result->folder, run->diags);
}

/* ---- training ---- */

GfRunSave gf_session_describe(GfSession *s, const GfJobVariant *variant, GfSteps *steps, GfHistory *history,
                              GfTrainer *trainer)
{
    return (GfRunSave){.job = s->job,
                       .variant = &variant->variant,
                       .model = &s->model,
                       .config = s->job->checkpoint ? &s->config : NULL,
                       .base = s->pretrained.base,
                       .corpus = &s->corpus,
                       .store = &steps->store,
                       .history = history,
                       .trainer = trainer};
}

/* The model of the last step makes way for the best one. */
static GfStatus load_best(Run *run)
{
    const GfTrainState *s = &run->trainer.state;

    if (!run->variant->training.load_best_model_at_end || !s->best_saved || s->best_saved == s->step)
        return GF_OK;
    const char *best = gf_checkpoint_path(&run->arena, run->result->folder, s->best_saved);
    return best ? gf_checkpoint_load_params(best, &run->steps.store, run->diags) : gf_fail_memory(run->diags);
}

static GfStatus train(Run *run)
{
    const GfSession *s = run->session;
    GfTrainEvents events = {.self = run, .step = on_step, .epoch = on_epoch, .save = on_save};
    GfTrainerOptions options = {.name = run->variant->name,
                                .training = &run->variant->training,
                                .steps = &run->steps,
                                .train = gf_session_split(s, GF_SPLIT_TRAIN),
                                .fixed_batch = s->corpus.fixed_batch,
                                .validation = gf_session_split(s, GF_SPLIT_VALIDATION),
                                .events = &events,
                                .interrupt = s->options.interrupt};

    GF_TRY(gf_trainer_init(&run->trainer, &run->arena, &options, run->diags));
    if (s->options.estimate || s->options.dry_run)
        GF_TRY(gf_estimate(&run->result->estimate, &run->trainer, run->diags));
    start_history(run);
    run->save = gf_session_describe(run->session, run->variant, &run->steps, &run->history, &run->trainer);
    GF_TRY(resume(run));
    GF_TRY(s->options.dry_run ? GF_OK : start_event_log(run));
    if (run->events->begin)
        run->events->begin(run->events->self, run->variant, &run->trainer, &run->result->estimate);
    if (s->options.dry_run)
        return GF_OK;
    GF_TRY(gf_trainer_run(&run->trainer, run->diags));
    run->result->train = run->trainer.state;
    run->result->interrupted = run->trainer.interrupted;
    if (run->trainer.interrupted)
        return GF_OK;
    gf_history_end(&run->history, &run->trainer);
    return load_best(run);
}

/* On the test split, or, where there is none, on the validation split. */
static GfStatus evaluate(Run *run)
{
    GfVariantResult *r = run->result;
    const GfDataset *test = gf_session_split(run->session, GF_SPLIT_TEST);
    const GfDataset *data = test ? test : gf_session_split(run->session, GF_SPLIT_VALIDATION);
    GfEvaluator evaluator;

    if (!data)
        return GF_OK;
    r->evaluated = true;
    r->split = test ? GF_SPLIT_TEST : GF_SPLIT_VALIDATION;
    GF_TRY(gf_evaluator_init(&evaluator, &run->arena, data, (size_t)run->variant->training.per_device_eval_batch_size,
                             run->diags));
    GF_TRY(gf_evaluator_hoist(&evaluator, &run->arena, &run->steps, 0, run->diags)); /* once: nothing is kept */
    GfStatus status = gf_evaluate(&evaluator, run->steps.evaluate.exec, &r->evaluation, run->diags);
    if (status != GF_OK)
        gf_note(run->diags, "%s, after step %lld, on the %s split", r->name, (long long)r->train.step,
                gf_split_names[r->split]);
    if (status != GF_OK)
        return status;
    return gf_metrics_keep(&r->metrics, &run->session->arena, &evaluator.metrics, run->diags);
}

static GfStatus save(Run *run)
{
    GF_TRY(gf_run_save(run->result->folder, &run->save, run->diags));
    if (run->events->saved)
        run->events->saved(run->events->self, run->result);
    return GF_OK;
}

/* Saved first: what comes after may fail.  The results last: with them the run is finished. */
static GfStatus finish(Run *run)
{
    GfVariantResult *r = run->result;

    GF_TRY(save(run));
    GF_TRY(evaluate(run));
    r->finished = time(NULL);
    return gf_results_write(run->session, run->variant, r, run->diags);
}

static GfStatus run_variant(Run *run)
{
    GfVariantResult *r = run->result;

    r->folder = gf_path_join(&run->session->arena, run->variant->training.output_dir, r->name);
    if (!r->folder)
        return gf_fail_memory(run->diags);
    GF_TRY(look_back(run));
    if (r->finished_before)
        return GF_OK;
    GF_TRY(gf_session_compile(run->session, run->variant, &run->steps, run->diags));
    r->params = run->steps.params;
    r->compile_seconds = run->steps.compile_seconds;
    GF_TRY(train(run));
    r->epochs = (double)r->train.epoch + (double)r->train.position / (double)run->trainer.batcher.batches;
    return r->interrupted || run->session->options.dry_run ? GF_OK : finish(run);
}

GfStatus gf_session_train(GfSession *s, size_t index, const GfSessionEvents *events, GfVariantResult *result,
                          GfDiags *diags)
{
    static const GfSessionEvents silent = {0};
    Run run = {.session = s,
               .variant = &s->job->variants[index],
               .events = events ? events : &silent,
               .result = result,
               .diags = diags};

    *result = (GfVariantResult){.name = run.variant->name, .started = time(NULL)};
    gf_arena_init(&run.arena, s->arena.allocator);
    GfStatus status = run_variant(&run);
    GfStatus logged = gf_event_log_close(&run.log);
    gf_steps_free(&run.steps);
    gf_arena_free(&run.arena);
    return status == GF_OK ? logged : status;
}
