/* session.c -- see session.h. */
#include "runtime/train/session.h"

#include "runtime/io/folder.h"
#include "runtime/train/event_log.h"
#include "runtime/train/results.h"
#include "runtime/train/run.h"

#include <string.h>

/* ---- opening ---- */

static GfStatus find_weights(GfSession *s, GfDiags *diags)
{
    const char *folder = s->job->checkpoint;

    s->weights = gf_path_join(&s->arena, folder, "model.safetensors");
    if (!s->weights)
        return gf_fail_memory(diags);
    if (gf_file_exists(s->weights))
        return GF_OK;
    const cJSON *node = gf_json_find(&s->job->doc, s->job->doc.root, "checkpoint");
    gf_fail(diags, gf_json_loc(&s->job->doc, node), GF_ERR_IO, "the checkpoint '%s' %s", folder,
            gf_file_exists(folder) ? "has no model.safetensors" : "does not exist");
    gf_note(diags, "a checkpoint is a folder with config.json, model.safetensors and vocab.txt; "
                   "--set checkpoint=DIR names another one");
    return GF_ERR_IO;
}

static GfStatus open_checkpoint(GfSession *s, GfDiags *diags)
{
    if (!s->job->checkpoint)
        return GF_OK;
    GF_TRY(find_weights(s, diags));
    const char *path = gf_path_join(&s->arena, s->job->checkpoint, "config.json");
    return path ? gf_hf_config_read(&s->config, path, diags) : gf_fail_memory(diags);
}

static GfStatus load_model(GfSession *s, GfDiags *diags)
{
    GfConfigSource sources[2];
    GfModelOptions options = {.sources = sources, .num_labels = (int64_t)s->job->data.label_count};

    if (s->job->checkpoint)
        sources[options.source_count++] =
            (GfConfigSource){.doc = &s->config.doc, .object = s->config.doc.root, .foreign = true};
    sources[options.source_count++] = (GfConfigSource){.doc = &s->job->doc, .object = s->job->config};
    GF_TRY(gf_model_load(&s->model, s->job->model, &options, diags));
    s->limits = gf_model_limits(s->model.graph);
    return GF_OK;
}

static GfStatus check_variants(const GfSession *s, GfDiags *diags)
{
    for (size_t i = 0; i < s->job->variant_count; i++)
        GF_TRY(gf_recipe_check(&s->job->variants[i].variant, s->model.graph, diags));
    return GF_OK;
}

/* ---- output folders ---- */

/* Whether `text` was read from a `key` of `training`; then where. */
static bool is_from(const GfJson *doc, const cJSON *training, const char *key, const char *text, GfLoc *loc)
{
    const cJSON *node = gf_json_find(doc, training, key);

    if (!node || node->valuestring != text)
        return false;
    *loc = gf_json_loc(doc, node);
    return true;
}

/* Where a folder was given: the string is that of its document. */
static GfLoc folder_loc(const GfJob *job, const GfVariant *variant, const char *key, const char *text)
{
    const cJSON *items = gf_json_find(&job->doc, job->doc.root, "variants");
    GfLoc loc = gf_json_loc(&job->doc, job->doc.root);

    if (is_from(&job->sets, gf_json_find(&job->sets, job->sets.root, "training"), key, text, &loc) ||
        is_from(&job->doc, gf_json_find(&job->doc, job->doc.root, "training"), key, text, &loc) ||
        (variant && is_from(&variant->doc, variant->training, key, text, &loc)))
        return loc;
    for (const cJSON *item = cJSON_IsArray(items) ? items->child : NULL; item; item = item->next)
        if (is_from(&job->doc, gf_json_find(&job->doc, item, "training"), key, text, &loc))
            break;
    return loc;
}

static GfStatus probe_output(GfSession *s, const GfJobVariant *v, const char *folder, GfDiags *diags)
{
    GfLoc loc = folder_loc(s->job, v ? &v->variant : NULL, "output_dir", folder);

    if (!*folder)
        return gf_fail(diags, loc, GF_ERR_VALUE, "output_dir is empty: name a folder for what is trained");
    const char *path = v ? gf_path_join(&s->arena, folder, v->variant.name) : folder;
    return path ? gf_folder_probe(path, loc, diags) : gf_fail_memory(diags);
}

/* Where TensorBoard's files go, if not below the output folder. */
static GfStatus probe_logging(GfSession *s, const GfJobVariant *v, GfDiags *diags)
{
    const char *folder = v->training.logging_dir;

    if (!v->training.tensorboard || !*folder)
        return GF_OK;
    const char *path = gf_path_join(&s->arena, folder, v->variant.name);
    return path ? gf_folder_probe(path, folder_loc(s->job, &v->variant, "logging_dir", folder), diags)
                : gf_fail_memory(diags);
}

/* Before hours of training, not after them. */
static GfStatus probe_outputs(GfSession *s, GfDiags *diags)
{
    GF_TRY(probe_output(s, NULL, s->job->training.output_dir, diags));
    for (size_t i = 0; i < s->job->variant_count; i++) {
        GF_TRY(probe_output(s, &s->job->variants[i], s->job->variants[i].training.output_dir, diags));
        GF_TRY(probe_logging(s, &s->job->variants[i], diags));
    }
    return GF_OK;
}

/* ---- all ---- */

/* The device, and what compiles for it. */
static GfStatus open_device(GfSession *s, uint32_t threads, GfDiags *diags)
{
    if (threads == 0)
        threads = (uint32_t)s->job->threads;
    GF_TRY(gf_device_open(&s->device, s->job->device, threads, s->arena.allocator, diags));
    GfStatus status = gf_backend_find(s->device.target, &s->backend, diags);
    if (status != GF_OK && !s->job->device)
        gf_note(diags, "nor can a CUDA device be used; --device cuda says why");
    return status;
}

static GfStatus open(GfSession *s, uint32_t threads, GfDiags *diags)
{
    GF_TRY(open_checkpoint(s, diags));
    GF_TRY(gf_job_check_files(s->job, diags));
    GF_TRY(load_model(s, diags));
    GF_TRY(check_variants(s, diags));
    GF_TRY(gf_corpus_load(&s->corpus, s->job, &s->limits, diags));
    GF_TRY(probe_outputs(s, diags));
    return open_device(s, threads, diags);
}

GfStatus gf_session_open(GfSession *s, const GfJob *job, uint32_t threads, GfDiags *diags)
{
    *s = (GfSession){.job = job};
    gf_arena_init(&s->arena, diags->arena.allocator);
    GfStatus status = open(s, threads, diags);
    if (status != GF_OK)
        gf_session_close(s);
    return status;
}

void gf_session_close(GfSession *s)
{
    gf_device_close(&s->device);
    gf_corpus_close(&s->corpus);
    gf_model_close(&s->model);
    gf_hf_config_close(&s->config);
    gf_arena_free(&s->arena);
    *s = (GfSession){0};
}

/* ---- a variant ---- */

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
    GfVariantResult *result;
    GfDiags *diags;
} Run;

static const GfDataset *split_of(const GfSession *s, GfSplit split)
{
    return s->corpus.splits[split].examples ? &s->corpus.splits[split] : NULL;
}

static void widen(GfBatchLimits *limits, const GfDataset *data, size_t batch_size)
{
    if (!data)
        return;
    int64_t tokens = (int64_t)gf_dataset_max_tokens(data, batch_size);
    int64_t seqs = (int64_t)(batch_size < data->examples ? batch_size : data->examples);
    limits->tokens = tokens > limits->tokens ? tokens : limits->tokens;
    limits->seqs = seqs > limits->seqs ? seqs : limits->seqs;
}

static GfStoreSource source_of(const GfSession *s, const GfTraining *training)
{
    return (GfStoreSource){.checkpoint = s->weights,
                           .prefix = s->model.prefix,
                           .renames = s->model.renames,
                           .rename_count = s->model.rename_count,
                           .fresh = s->model.fresh,
                           .seed = (uint64_t)training->seed};
}

static GfStatus compile(Run *run)
{
    const GfSession *s = run->session;
    const GfTraining *t = &run->variant->training;
    GfStoreSource source = source_of(s, t);
    GfStepsOptions options = {.model = &s->model,
                              .variant = &run->variant->variant,
                              .training = t,
                              .backend = s->backend,
                              .device = &s->device,
                              .source = &source};

    widen(&options.train, split_of(s, GF_SPLIT_TRAIN), gf_train_batch_size(t, s->corpus.fixed_batch));
    widen(&options.evaluate, split_of(s, GF_SPLIT_VALIDATION), (size_t)t->per_device_eval_batch_size);
    widen(&options.evaluate, split_of(s, GF_SPLIT_TEST), (size_t)t->per_device_eval_batch_size);
    return gf_steps_new(&run->steps, &options, run->diags);
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

static void on_entry(void *self, const GfLogEntry *entry)
{
    Run *run = self;
    const GfLogListener *next = &run->events->log;

    gf_event_log_entry(&run->log, entry);
    if (next->entry)
        next->entry(next->self, entry);
}

static GfStatus start_logs(Run *run)
{
    const GfTraining *t = &run->variant->training;
    const char *folder = t->tensorboard ? gf_event_log_folder(&run->arena, t, run->variant->variant.name) : NULL;

    gf_history_init(&run->history, &run->arena, t, run->trainer.batcher.batches);
    run->history.listener = (GfLogListener){.self = run, .entry = on_entry};
    if (run->arena.failed)
        return gf_fail_memory(run->diags);
    return gf_event_log_open(&run->log, folder, t, run->diags);
}

static GfStatus train(Run *run)
{
    const GfSession *s = run->session;
    GfTrainEvents events = {.self = run, .step = on_step, .epoch = on_epoch};
    GfTrainerOptions options = {.name = run->variant->variant.name,
                                .training = &run->variant->training,
                                .steps = &run->steps,
                                .train = split_of(s, GF_SPLIT_TRAIN),
                                .fixed_batch = s->corpus.fixed_batch,
                                .validation = split_of(s, GF_SPLIT_VALIDATION),
                                .events = &events};

    GF_TRY(gf_trainer_init(&run->trainer, &run->arena, &options, run->diags));
    GF_TRY(start_logs(run));
    if (run->events->begin)
        run->events->begin(run->events->self, run->variant, &run->trainer);
    GF_TRY(gf_trainer_run(&run->trainer, run->diags));
    gf_history_end(&run->history, &run->trainer);
    return GF_OK;
}

/* The evaluator goes with the run, the result stays with the session. */
static GfStatus keep_metrics(Run *run, const GfMetrics *metrics)
{
    GfMetrics *kept = &run->result->metrics;

    GF_TRY(gf_metrics_init(kept, &run->session->arena, metrics->classes, run->diags));
    memcpy(kept->matrix, metrics->matrix, metrics->classes * metrics->classes * sizeof *kept->matrix);
    kept->total = metrics->total;
    return GF_OK;
}

/* On the test split, or, where there is none, on the validation split. */
static GfStatus evaluate(Run *run)
{
    GfVariantResult *r = run->result;
    const GfDataset *test = split_of(run->session, GF_SPLIT_TEST);
    const GfDataset *data = test ? test : split_of(run->session, GF_SPLIT_VALIDATION);
    GfEvaluator evaluator;

    if (!data)
        return GF_OK;
    r->evaluated = true;
    r->split = test ? GF_SPLIT_TEST : GF_SPLIT_VALIDATION;
    GF_TRY(gf_evaluator_init(&evaluator, &run->arena, data, (size_t)run->variant->training.per_device_eval_batch_size,
                             run->diags));
    GfStatus status = gf_evaluate(&evaluator, run->steps.evaluate.exec, &r->evaluation, run->diags);
    if (status != GF_OK)
        gf_note(run->diags, "%s, after step %lld, on the %s split", r->name, (long long)r->train.step,
                gf_split_names[r->split]);
    return status == GF_OK ? keep_metrics(run, &evaluator.metrics) : status;
}

static GfStatus save(Run *run)
{
    GfSession *s = run->session;
    GfVariantResult *r = run->result;
    GfRunSave what = {.job = s->job,
                      .variant = &run->variant->variant,
                      .model = &s->model,
                      .config = s->job->checkpoint ? &s->config : NULL,
                      .corpus = &s->corpus,
                      .store = &run->steps.store,
                      .history = &run->history,
                      .trainer = &run->trainer};

    r->folder = gf_path_join(&s->arena, run->variant->training.output_dir, r->name);
    if (!r->folder)
        return gf_fail_memory(run->diags);
    GF_TRY(gf_run_save(r->folder, &what, run->diags));
    if (run->events->saved)
        run->events->saved(run->events->self, r);
    return GF_OK;
}

/* results.json of an earlier training must not stay beside the new model, so it is
 * written before the evaluation too, which may fail. */
static GfStatus write_results(Run *run)
{
    run->result->finished = time(NULL);
    return gf_results_write(run->session, run->variant, run->result, run->diags);
}

static GfStatus run_variant(Run *run)
{
    GfVariantResult *r = run->result;

    GF_TRY(compile(run));
    r->params = run->steps.params;
    r->compile_seconds = run->steps.compile_seconds;
    GF_TRY(train(run));
    r->train = run->trainer.state;
    r->epochs = (double)r->train.epoch + (double)r->train.position / (double)run->trainer.batcher.batches;
    GF_TRY(save(run)); /* first: what comes after may fail */
    GF_TRY(write_results(run));
    GF_TRY(evaluate(run));
    return r->evaluated ? write_results(run) : GF_OK;
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

    *result = (GfVariantResult){.name = run.variant->variant.name, .started = time(NULL)};
    gf_arena_init(&run.arena, s->arena.allocator);
    GfStatus status = run_variant(&run);
    GfStatus logged = gf_event_log_close(&run.log);
    gf_steps_free(&run.steps);
    gf_arena_free(&run.arena);
    return status == GF_OK ? logged : status;
}
