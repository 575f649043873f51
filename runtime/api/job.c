/* job.c -- jobs of runtime/graft.h: a job, its session, whole runs. */
#include "runtime/api/api.h"
#include "runtime/train/job_compile.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static GfStatus copy_settings(const graft_job_options *options, GfArena *arena, GfSet **sets, GfDiags *diags)
{
    *sets = GF_NEW_ARRAY(arena, GfSet, options->setting_count + 1);
    if (!*sets)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < options->setting_count; i++) {
        const graft_setting *s = &options->settings[i];
        if (!s->key || !s->value)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "setting %zu has no %s", i, s->key ? "value" : "key");
        (*sets)[i] = (GfSet){s->key, s->value};
    }
    return GF_OK;
}

/* The job lives as long as its strings: those of the settings are copied into its own document. */
static GfStatus load(graft_job *j, const char *path, const graft_job_options *options, GfArena *scratch, GfDiags *diags)
{
    GfSet *sets;

    GF_TRY(copy_settings(options, scratch, &sets, diags));
    if (!gf_job_file_is_meant(path))
        return gf_job_load(&j->job, path, sets, options->setting_count, diags);
    GF_TRY(gf_job_file_open(&j->file, path, diags));
    return gf_job_file_job(&j->file, sets, options->setting_count, &j->job, diags);
}

/* As a dry run: output folders are left alone until a run claims its own. */
static GfStatus open_session(graft_job *j, const graft_job_options *options, GfDiags *diags)
{
    GfSessionOptions how = {.threads = options->threads, .dry_run = true, .file = j->file.path ? &j->file : NULL};

    if (options->device) {
        j->job.device = gf_arena_strdup(&j->job.arena, options->device);
        if (!j->job.device)
            return gf_fail_memory(diags);
    }
    return gf_session_open(&j->session, &j->job, &how, diags);
}

static const graft_job_options default_options = {0};

static GfStatus open_job(graft_job *j, const char *path, const graft_job_options *options, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, NULL);
    GfStatus status = load(j, path, options, &scratch, diags);
    gf_arena_free(&scratch);
    return status == GF_OK ? open_session(j, options, diags) : status;
}

int graft_job_open(graft_job **job, const char *path, const graft_job_options *options, graft_error *error)
{
    graft_job *j = calloc(1, sizeof *j);
    API_DIAGS(diags);

    *job = NULL;
    GfStatus status = j ? open_job(j, path, options ? options : &default_options, &diags) : gf_fail_memory(&diags);
    if (status == GF_OK)
        *job = j;
    int code = gf_api_end(status, &diags, error); /* before the texts that the diagnostics show go */
    if (status != GF_OK)
        graft_job_close(j);
    return code;
}

void graft_job_close(graft_job *j)
{
    if (!j)
        return;
    gf_session_close(&j->session);
    gf_job_close(&j->job);
    gf_job_file_close(&j->file);
    free(j);
}

/* ---- what it holds ---- */

size_t graft_job_variant_count(const graft_job *job)
{
    return job->job.variant_count;
}

const char *graft_job_variant_name(const graft_job *job, size_t variant)
{
    return variant < job->job.variant_count ? job->job.variants[variant].name : NULL;
}

size_t graft_job_class_count(const graft_job *job)
{
    const GfLabels *labels = &job->session.corpus.labels;
    return labels->problem == GF_PROBLEM_REGRESSION ? 0 : labels->count;
}

const char *graft_job_class_name(const graft_job *job, size_t label)
{
    return label < graft_job_class_count(job) ? job->session.corpus.labels.names[label] : NULL;
}

const GfJobVariant *gf_api_variant(const graft_job *job, size_t index, GfDiags *diags)
{
    if (index < job->job.variant_count)
        return &job->job.variants[index];
    gf_fail(diags, (GfLoc){.file = job->job.path}, GF_ERR_NAME, "there is no variant %zu: the job has %zu", index,
            job->job.variant_count);
    return NULL;
}

/* ---- compiling to a file ---- */

static GfStatus compile(const char *path, const graft_job_options *options, const char *target, const char *output,
                        graft_job *j, GfArena *scratch, GfDiags *diags)
{
    GfSet *sets;
    bool planned_by_data;

    GF_TRY(copy_settings(options, scratch, &sets, diags));
    GF_TRY(gf_job_load(&j->job, path, sets, options->setting_count, diags));
    GF_TRY(gf_job_compile(&j->file, &j->job, target, &planned_by_data, diags));
    return gf_job_file_write(&j->file, output, diags);
}

int graft_compile(const char *path, const graft_job_options *options, const char *target, const char *output,
                  graft_error *error)
{
    graft_job j = {0};
    GfArena scratch;
    API_DIAGS(diags);

    gf_arena_init(&scratch, NULL);
    GfStatus status = compile(path, options ? options : &default_options, target, output, &j, &scratch, &diags);
    int code = gf_api_end(status, &diags, error);
    gf_job_file_close(&j.file);
    gf_job_close(&j.job);
    gf_arena_free(&scratch);
    return code;
}

/* ---- whole runs ---- */

static void on_step(void *self, const GfStepReport *report)
{
    const graft_train_options *o = self;
    graft_step step = gf_api_step(report);

    if (o->on_step)
        o->on_step(o->self, &step);
}

static void on_epoch(void *self, const GfEpochReport *report)
{
    const graft_train_options *o = self;
    graft_scores scores = gf_api_scores(&report->evaluation);

    if (o->on_epoch)
        o->on_epoch(o->self, report->epoch, report->train_loss, report->evaluated ? &scores : NULL);
}

static GfStatus train(graft_job *j, size_t variant, graft_train_options *o, graft_result *out, GfDiags *diags)
{
    GfSession *s = &j->session;
    GfSessionEvents events = {.train = {.self = o, .step = on_step, .epoch = on_epoch}};
    GfVariantResult r;

    if (!gf_api_variant(j, variant, diags))
        return GF_ERR_NAME;
    s->options.begin = (GfBegin)o->begin;
    s->options.checkpoint = o->checkpoint;
    s->options.interrupt = o->interrupt;
    s->options.dry_run = false;
    GF_TRY(gf_session_claim(s, variant, diags));
    GF_TRY(gf_session_train(s, variant, &events, &r, diags));
    *out = (graft_result){.folder = r.folder,
                          .steps = r.train.step,
                          .epochs = r.epochs,
                          .train_loss = r.train.step ? r.train.total_loss / (double)r.train.step : 0,
                          .interrupted = r.interrupted,
                          .evaluated = r.evaluated};
    if (r.evaluated)
        out->scores = gf_api_scores(&r.evaluation);
    return GF_OK;
}

_Static_assert((int)GRAFT_BEGIN_NEW == GF_BEGIN_NEW && (int)GRAFT_BEGIN_OVERWRITE == GF_BEGIN_OVERWRITE &&
                   (int)GRAFT_BEGIN_RESUME == GF_BEGIN_RESUME,
               "graft_begin is GfBegin");

int graft_job_train(graft_job *job, size_t variant, const graft_train_options *options, graft_result *result,
                    graft_error *error)
{
    graft_train_options own = options ? *options : (graft_train_options){0};
    graft_result unused;
    API_DIAGS(diags);

    GfStatus status = train(job, variant, &own, result ? result : &unused, &diags);
    return gf_api_end(status, &diags, error);
}
