/* job_compile.c -- see job_compile.h. */
#include "runtime/train/job_compile.h"

#include "runtime/train/job_model.h"

#include <string.h>

typedef struct Compile {
    GfJobFile *file;
    const GfJob *job;
    GfHfConfig config;
    GfModel model;
    GfCorpus corpus;
    bool has_corpus;
    const GfBackend *backend;
    GfDiags *diags;
} Compile;

/* ---- what batches are planned for ---- */

static GfStatus open_corpus(Compile *c, GfDiags *diags)
{
    GfStatus status = gf_job_open_corpus(c->job, &c->config, &c->corpus, diags);

    c->has_corpus = status == GF_OK;
    return status;
}

static GfStatus load_corpus(Compile *c, GfDiags *diags)
{
    GfModelLimits limits = gf_model_limits(c->model.graph);
    const char *tokenizer;
    GfStatus status = gf_job_find_tokenizer(c->job, &c->file->arena, &tokenizer, diags);

    if (status == GF_OK)
        status = gf_job_load_corpus(c->job, &c->config, &c->corpus, tokenizer, &limits, diags);
    if (status != GF_OK)
        gf_corpus_close(&c->corpus);
    c->has_corpus = status == GF_OK;
    return status;
}

static GfStatus without_error(Compile *c, GfStatus (*step)(Compile *c, GfDiags *diags))
{
    GfDiags unseen;

    gf_diags_init(&unseen, c->file->arena.allocator);
    GfStatus status = step(c, &unseen);
    gf_diags_free(&unseen);
    return status;
}

/* A file that is not here is no error, one that is wrong is. */
static GfStatus open_data(Compile *c)
{
    GfStatus status = without_error(c, open_corpus);

    if (status == GF_OK || (status == GF_ERR_IO && c->job->data.label_count))
        return GF_OK;
    status = open_corpus(c, c->diags); /* again, to say what is wrong */
    if (status == GF_ERR_IO)
        gf_note(c->diags, "the job names no \"labels\": the data tells what they are");
    return status;
}

static GfStatus load_data(Compile *c)
{
    GfStatus status = c->has_corpus ? without_error(c, load_corpus) : GF_OK;

    if (status == GF_OK || status == GF_ERR_IO)
        return GF_OK;
    GF_TRY(open_corpus(c, c->diags));
    return load_corpus(c, c->diags);
}

/* Those of the data, or what is known of them without it. */
static GfStatus find_labels(const Compile *c, GfLabels *labels)
{
    const GfJobData *data = &c->job->data;

    *labels = c->corpus.labels;
    if (c->has_corpus)
        return GF_OK;
    *labels = (GfLabels){.names = data->labels, .count = data->label_count};
    return gf_job_problem(c->job, &c->config, &labels->problem, c->diags);
}

static GfStatus fail_length(const Compile *c)
{
    const GfJson *doc = &c->job->doc;

    gf_fail(c->diags, gf_json_loc(doc, gf_json_find(doc, doc->root, "data")), GF_ERR_VALUE,
            "the data is not here, and nothing says how long its texts may be");
    gf_note(c->diags, "--set data.max_length=N, or --set data.dir=DIR for where it is");
    return GF_ERR_VALUE;
}

static GfStatus plan(const Compile *c, const GfTraining *training, GfPlanLimits *limits)
{
    int64_t length = c->job->data.max_length, positions = gf_model_limits(c->model.graph).positions;

    if (c->has_corpus) {
        *limits = gf_limits_of_data(&c->corpus, training);
        return GF_OK;
    }
    if (length == 0 || (positions && length > positions))
        length = positions;
    if (length == 0 || c->job->data.batches)
        return fail_length(c);
    *limits = gf_limits_of_job(c->job, training, length);
    return GF_OK;
}

/* ---- variants ---- */

static void widen(GfBatchLimits *to, GfBatchLimits by)
{
    to->tokens = by.tokens > to->tokens ? by.tokens : to->tokens;
    to->seqs = by.seqs > to->seqs ? by.seqs : to->seqs;
}

/* Runs that differ in nothing compiled are one variant, planned for the largest batches. */
static GfStatus add_run(Compile *c, const GfJobVariant *run, const GfJobVariant **runs)
{
    GfJobFile *f = c->file;
    const GfJobFileVariant *found;
    GfPlanLimits limits;

    GF_TRY(plan(c, &run->training, &limits));
    GF_TRY(gf_job_file_find(f, run, &found, c->diags));
    size_t at = found ? (size_t)(found - f->variants) : f->variant_count;
    GfJobFileVariant *v = &f->variants[at];
    widen(&v->limits.train, limits.train);
    widen(&v->limits.evaluate, limits.evaluate);
    if (found)
        return GF_OK;
    runs[at] = run;
    v->name = gf_arena_strdup(&f->arena, run->variant.name);
    GF_TRY(gf_job_file_passes(run, &f->arena, v->passes, c->diags));
    f->variant_count++;
    return GF_OK;
}

/* What is kept in a file: code that needs no linking, or cubins. */
static const char *form_of(const char *target)
{
    return strncmp(target, "cpu", 3) == 0 ? "code" : "cubin";
}

static GfStatus compile_variant(Compile *c, const GfJobVariant *run, GfJobFileVariant *v)
{
    GfStepsOptions options = {.model = &c->model,
                              .variant = &run->variant,
                              .training = &run->training,
                              .weighted = run->weighted,
                              .hoist = true,
                              .backend = c->backend,
                              .train = v->limits.train,
                              .evaluate = v->limits.evaluate};
    const char *target = c->file->target;

    return gf_programs_compile(&v->programs, &options, &(GfCompileOptions){.target = target, .form = form_of(target)},
                               c->diags);
}

static GfStatus compile_variants(Compile *c)
{
    GfJobFile *f = c->file;
    const GfJobVariant **runs = GF_NEW_ARRAY(&f->arena, const GfJobVariant *, c->job->variant_count);

    f->variants = GF_NEW_ARRAY(&f->arena, GfJobFileVariant, c->job->variant_count);
    if (!f->variants || !runs)
        return gf_fail_memory(c->diags);
    for (size_t i = 0; i < c->job->variant_count; i++)
        GF_TRY(add_run(c, &c->job->variants[i], runs));
    for (size_t i = 0; i < f->variant_count; i++)
        GF_TRY(compile_variant(c, runs[i], &f->variants[i]));
    return GF_OK;
}

/* ---- the file ---- */

static const char *config_text(GfArena *arena, const GfConfig *config)
{
    GfText text = {.arena = arena};

    gf_text_add(&text, "{");
    for (size_t i = 0; i < config->count; i++) {
        gf_text_add(&text, "%s", i ? ", " : "");
        gf_json_quote(&text, config->values[i].key);
        gf_text_add(&text, ": ");
        gf_config_add_value(&text, &config->values[i]);
    }
    gf_text_add(&text, "}");
    return gf_text_str(&text);
}

static GfStatus compile(Compile *c)
{
    GfJobFile *f = c->file;
    GfLabels labels;

    GF_TRY(gf_backend_find(f->target, &c->backend, c->diags));
    GF_TRY(gf_job_read_config(c->job, &f->arena, &c->config, c->diags));
    GF_TRY(open_data(c));
    GF_TRY(find_labels(c, &labels));
    GF_TRY(gf_job_load_model(c->job, &labels, &c->config, &c->model, c->diags));
    GF_TRY(load_data(c));
    GF_TRY(compile_variants(c));
    f->target = gf_arena_strdup(&f->arena, f->variants[0].programs.of[GF_STEP_UPDATE]->target);
    f->config = config_text(&f->arena, &c->model.config);
    const char *model = gf_arena_strdup(&f->arena, gf_json_text(&c->model.doc, c->model.doc.root));
    if (f->arena.failed)
        return gf_fail_memory(c->diags);
    return gf_job_pack(&f->pack, &f->arena, c->job, model, f->target, c->diags);
}

GfStatus gf_job_compile(GfJobFile *file, const GfJob *job, const char *target, bool *planned_by_data, GfDiags *diags)
{
    Compile c = {.file = file, .job = job, .diags = diags};

    *file = (GfJobFile){.target = target};
    gf_arena_init(&file->arena, diags->arena.allocator);
    GfStatus status = compile(&c);
    *planned_by_data = c.has_corpus;
    if (c.has_corpus)
        gf_corpus_close(&c.corpus);
    gf_model_close(&c.model);
    gf_hf_config_close(&c.config);
    if (status != GF_OK)
        gf_job_file_close(file);
    return status;
}
