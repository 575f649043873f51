/* session.c -- see session.h. */
#include "runtime/train/session.h"

#include "runtime/io/folder.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/job_model.h"
#include "runtime/train/session_file.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static GfStatus open_pretrained(GfSession *s, GfDiags *diags)
{
    const GfJob *job = s->job;
    GfLoc loc = gf_json_loc(&job->doc, gf_json_find(&job->doc, job->doc.root, "checkpoint"));

    if (!job->checkpoint)
        return GF_OK;
    GF_TRY(gf_pretrained_open(&s->pretrained, job->checkpoint, job->base, loc, diags));
    return gf_hf_config_read(&s->config, s->pretrained.config, diags);
}

/* A variant that starts from an adapter goes on with it. */
static GfStatus check_adapter(const GfSession *s, GfDiags *diags)
{
    for (size_t i = 0; i < s->job->variant_count && s->pretrained.has_adapter; i++)
        GF_TRY(gf_adapter_check_variant(&s->pretrained.adapter, &s->job->variants[i].variant, diags));
    return GF_OK;
}

static GfStatus load_model(GfSession *s, GfDiags *diags)
{
    GF_TRY(gf_job_load_model(s->job, &s->corpus.labels, &s->config, &s->model, diags));
    s->limits = gf_model_limits(s->model.graph);
    return s->options.file ? gf_job_file_check_model(s->options.file, &s->model, diags) : GF_OK;
}

/* Each run's best model is found by a figure that its evaluations have. */
static GfStatus check_metrics(const GfSession *s, GfDiags *diags)
{
    for (size_t i = 0; i < s->job->variant_count; i++) {
        const GfVariant *v = &s->job->variants[i].variant;
        const char *metric = s->job->variants[i].training.metric_for_best_model;
        GF_TRY(gf_metric_check(metric, s->corpus.labels.problem,
                               gf_job_word_loc(s->job, v, "metric_for_best_model", metric), diags));
    }
    return GF_OK;
}

/* ---- output folders ---- */

static GfStatus probe_output(GfSession *s, const GfJobVariant *v, const char *folder, GfDiags *diags)
{
    GfLoc loc = gf_job_word_loc(s->job, v ? &v->variant : NULL, "output_dir", folder);

    if (!*folder)
        return gf_fail(diags, loc, GF_ERR_VALUE, "output_dir is empty: name a folder for what is trained");
    const char *path = v ? gf_path_join(&s->arena, folder, v->name) : folder;
    return path ? gf_folder_probe(path, loc, diags) : gf_fail_memory(diags);
}

/* Where TensorBoard's files go, if not below the output folder. */
static GfStatus probe_logging(GfSession *s, const GfJobVariant *v, GfDiags *diags)
{
    const char *folder = v->training.logging_dir;

    if (!v->training.tensorboard || !*folder)
        return GF_OK;
    const char *path = gf_path_join(&s->arena, folder, v->name);
    return path ? gf_folder_probe(path, gf_job_word_loc(s->job, &v->variant, "logging_dir", folder), diags)
                : gf_fail_memory(diags);
}

/* ---- what an earlier run has left ---- */

static GfStatus fail_overwrite(const char *folder, bool finished, int64_t step, GfDiags *diags)
{
    if (finished)
        gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO, "a finished run is here and would be overwritten");
    else
        gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO,
                "an unfinished run is here, saved after step %lld, and would be overwritten", (long long)step);
    gf_note(diags, "%s--overwrite begins anew; --set training.output_dir=DIR names another folder",
            finished ? "" : "--resume goes on with it; ");
    return GF_ERR_IO;
}

/* Nothing that was trained is lost unless somebody says so. */
static GfStatus check_earlier(GfSession *s, const GfJobVariant *v, GfDiags *diags)
{
    const char *folder = gf_path_join(&s->arena, v->training.output_dir, v->name);
    const char *results = folder ? gf_path_join(&s->arena, folder, "results.json") : NULL;
    int64_t *steps;
    size_t count;

    if (!results)
        return gf_fail_memory(diags);
    if (s->options.begin != GF_BEGIN_NEW)
        return GF_OK;
    if (gf_file_exists(results))
        return fail_overwrite(folder, true, 0, diags);
    GF_TRY(gf_checkpoint_list(folder, &s->arena, &steps, &count, diags));
    return count ? fail_overwrite(folder, false, steps[count - 1], diags) : GF_OK;
}

/* Of which variant options.checkpoint is: the one whose folder it is in. */
static GfStatus find_resumed(GfSession *s, GfDiags *diags)
{
    const char *checkpoint = s->options.checkpoint;
    char *given = checkpoint ? realpath(checkpoint, NULL) : NULL;
    char *slash = given ? strrchr(given, '/') : NULL;

    s->resumed = -1;
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < s->job->variant_count; i++) {
        const GfJobVariant *v = &s->job->variants[i];
        const char *folder = gf_path_join(&s->arena, v->training.output_dir, v->name);
        char *real = folder ? realpath(folder, NULL) : NULL;
        if (real && strcmp(real, given) == 0)
            s->resumed = (int)i;
        free(real);
    }
    free(given);
    if (!checkpoint || s->resumed >= 0)
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = checkpoint}, GF_ERR_IO, "this is no checkpoint of a variant of the job");
    gf_note(diags, "they are in output_dir/<variant>/checkpoint-<step>; --resume alone takes the newest");
    return GF_ERR_IO;
}

GfStatus gf_session_claim(GfSession *s, size_t index, GfDiags *diags)
{
    const GfJobVariant *v = &s->job->variants[index];

    GF_TRY(probe_output(s, v, v->training.output_dir, diags));
    GF_TRY(probe_logging(s, v, diags));
    GF_TRY(check_earlier(s, v, diags));
    return find_resumed(s, diags);
}

/* Before hours of training, not after them. */
static GfStatus claim_all(GfSession *s, GfDiags *diags)
{
    GF_TRY(probe_output(s, NULL, s->job->training.output_dir, diags));
    for (size_t i = 0; i < s->job->variant_count; i++)
        GF_TRY(gf_session_claim(s, i, diags));
    return GF_OK;
}

/* ---- all ---- */

/* The device, and what compiles for it. */
static GfStatus open_device(GfSession *s, GfDiags *diags)
{
    uint32_t threads = s->options.threads;

    if (threads == 0)
        threads = (uint32_t)s->job->threads;
    if (s->options.file)
        return gf_session_open_file(s, threads, diags);
    GF_TRY(gf_device_open(&s->device, s->job->device, threads, s->arena.allocator, diags));
    GfStatus status = gf_backend_find(s->device.target, &s->backend, diags);
    if (status != GF_OK && !s->job->device)
        gf_note(diags, "nor can a CUDA device be used; --device cuda says why");
    return status;
}

static GfStatus open(GfSession *s, GfDiags *diags)
{
    GF_TRY(open_pretrained(s, diags));
    GF_TRY(gf_job_check_files(s->job, diags));
    GF_TRY(gf_job_open_corpus(s->job, &s->config, &s->corpus, diags));
    GF_TRY(load_model(s, diags));
    GF_TRY(check_metrics(s, diags));
    GF_TRY(check_adapter(s, diags));
    GF_TRY(gf_job_load_corpus(s->job, &s->config, &s->corpus, s->pretrained.tokenizer, &s->limits, diags));
    GF_TRY(s->options.dry_run ? find_resumed(s, diags) : claim_all(s, diags));
    return open_device(s, diags);
}

GfStatus gf_session_open(GfSession *s, const GfJob *job, const GfSessionOptions *options, GfDiags *diags)
{
    *s = (GfSession){.job = job, .options = options ? *options : (GfSessionOptions){0}};
    gf_arena_init(&s->arena, diags->arena.allocator);
    GfStatus status = open(s, diags);
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
    gf_pretrained_close(&s->pretrained);
    gf_arena_free(&s->arena);
    *s = (GfSession){0};
}

/* ---- what variants are made from ---- */

GfStoreSource gf_session_source(const GfSession *s, const GfTraining *training)
{
    return (GfStoreSource){.checkpoint = s->pretrained.weights,
                           .adapter = s->pretrained.has_adapter ? &s->pretrained.adapter : NULL,
                           .prefix = s->model.prefix,
                           .renames = s->model.renames,
                           .rename_count = s->model.rename_count,
                           .fresh = s->model.fresh,
                           .seed = (uint64_t)training->seed};
}
