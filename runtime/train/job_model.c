/* job_model.c -- see job_model.h. */
#include "runtime/train/job_model.h"

#include "frontend/graph/job_pack.h"
#include "runtime/io/file.h"
#include "runtime/io/pretrained.h"
#include "runtime/train/recipe.h"
#include "runtime/train/recipe_passes.h"

#include <stdio.h>
#include <string.h>

static GfStatus open_pretrained(const GfJob *job, GfPretrained *pretrained, GfDiags *diags)
{
    GfLoc loc = gf_json_loc(&job->doc, gf_json_find(&job->doc, job->doc.root, "checkpoint"));
    return gf_pretrained_open(pretrained, job->checkpoint, job->base, loc, diags);
}

/* Whether the checkpoint's folder is an adapter's and has no file of this name: its base has it. */
static GfStatus is_elsewhere(const GfJob *job, GfArena *arena, const char *name, bool *yes, GfDiags *diags)
{
    const char *path = gf_path_join(arena, job->checkpoint, name);
    const char *adapter = gf_path_join(arena, job->checkpoint, GF_ADAPTER_CONFIG);

    if (!path || !adapter)
        return gf_fail_memory(diags);
    *yes = !gf_file_exists(path) && gf_file_exists(adapter);
    return GF_OK;
}

static GfStatus read_base_config(const GfJob *job, GfHfConfig *config, GfDiags *diags)
{
    GfPretrained pretrained;

    GF_TRY(open_pretrained(job, &pretrained, diags));
    GfStatus status = gf_hf_config_read(config, pretrained.config, diags);
    gf_pretrained_close(&pretrained);
    return status;
}

GfStatus gf_job_read_config(const GfJob *job, GfArena *arena, GfHfConfig *config, GfDiags *diags)
{
    bool elsewhere = false;

    if (!job->checkpoint)
        return GF_OK;
    GF_TRY(is_elsewhere(job, arena, "config.json", &elsewhere, diags));
    if (elsewhere)
        return read_base_config(job, config, diags);
    const char *path = gf_path_join(arena, job->checkpoint, "config.json");
    return path ? gf_hf_config_read(config, path, diags) : gf_fail_memory(diags);
}

GfStatus gf_job_find_tokenizer(const GfJob *job, GfArena *arena, const char **folder, GfDiags *diags)
{
    GfPretrained pretrained;
    bool elsewhere = false, also = false;

    *folder = job->checkpoint;
    if (!job->checkpoint)
        return GF_OK;
    GF_TRY(is_elsewhere(job, arena, "tokenizer.json", &elsewhere, diags));
    GF_TRY(is_elsewhere(job, arena, "vocab.txt", &also, diags));
    if (!elsewhere || !also)
        return GF_OK;
    GF_TRY(open_pretrained(job, &pretrained, diags));
    *folder = gf_arena_strdup(arena, pretrained.tokenizer);
    gf_pretrained_close(&pretrained);
    return *folder ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_job_problem(const GfJob *job, const GfHfConfig *config, GfProblem *problem, GfDiags *diags)
{
    *problem = job->data.problem;
    if (*problem != GF_PROBLEM_DERIVED || !job->checkpoint)
        return GF_OK;
    if (config->label_count == 1 && job->data.label_count == 0)
        *problem = GF_PROBLEM_REGRESSION;
    return gf_problem_read(problem, &config->doc, config->doc.root, diags);
}

/* Labels that do not fit: where it was said what they are, if not in the job. */
static void note_source(const GfJob *job, GfProblem problem, GfStatus status, GfDiags *diags)
{
    bool by_checkpoint = problem != GF_PROBLEM_DERIVED && job->data.problem == GF_PROBLEM_DERIVED;

    if (by_checkpoint && (status == GF_ERR_DATA || status == GF_ERR_LABEL) && diags->last && !diags->last->note)
        gf_note(diags, "the checkpoint's config.json is for %s; \"problem_type\" in \"data\" chooses another",
                gf_problem_names[problem]);
}

/* The checkpoint's classes, where somebody has named them: LABEL_0, LABEL_1 ... are no names. */
static GfLabels known_classes(const GfJob *job, const GfHfConfig *config)
{
    GfLabels known = {0};
    char unnamed[32];

    for (size_t i = 0; job->checkpoint && i < config->label_count; i++) {
        snprintf(unnamed, sizeof unnamed, "LABEL_%zu", i);
        if (strcmp(config->labels[i], unnamed) != 0)
            known = (GfLabels){.names = config->labels, .count = config->label_count};
    }
    return known;
}

GfStatus gf_job_open_corpus(const GfJob *job, const GfHfConfig *config, GfCorpus *corpus, GfDiags *diags)
{
    GfProblem problem;

    GF_TRY(gf_job_problem(job, config, &problem, diags));
    GfLabels known = known_classes(job, config);
    GfStatus status = gf_corpus_open(corpus, job, problem, &known, diags);
    note_source(job, problem, status, diags);
    return status;
}

GfStatus gf_job_load_corpus(const GfJob *job, const GfHfConfig *config, GfCorpus *corpus, const char *tokenizer,
                            const GfModelLimits *limits, GfDiags *diags)
{
    GfProblem problem;

    GF_TRY(gf_job_problem(job, config, &problem, diags));
    GfStatus status = gf_corpus_load(corpus, tokenizer, limits, diags);
    note_source(job, problem, status, diags);
    return status;
}

static GfStatus load(const GfJob *job, const GfModelOptions *options, GfModel *model, GfDiags *diags)
{
    const GfJobText *text = gf_job_pack_find(job->pack, job->model);

    return text ? gf_model_load_text(model, text->shown, text->text, strlen(text->text), options, diags)
                : gf_model_load(model, job->model, options, diags);
}

/* Whether `text` was read from a `key` of `training`; then where. */
static bool is_from(const GfJson *doc, const cJSON *training, const char *key, const char *text, GfLoc *loc)
{
    const cJSON *node = gf_json_find(doc, training, key);

    if (!node || node->valuestring != text)
        return false;
    *loc = gf_json_loc(doc, node);
    return true;
}

GfLoc gf_job_word_loc(const GfJob *job, const GfVariant *variant, const char *key, const char *text)
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

/* The passes that a run switches are such as can be. */
static GfStatus check_switches(const GfJob *job, const GfJobVariant *run, GfDiags *diags)
{
    const char *without = run->training.without_passes, *with = run->training.with_passes;

    GF_TRY(gf_recipe_check_without(without, "without_passes",
                                   gf_job_word_loc(job, &run->variant, "without_passes", without), diags));
    return gf_recipe_check_with(with, "with_passes", gf_job_word_loc(job, &run->variant, "with_passes", with), diags);
}

static GfStatus check_run(const GfJob *job, const GfJobVariant *run, const GfGraph *forward, GfDiags *diags)
{
    GF_TRY(gf_recipe_check(&run->variant, forward, diags));
    return check_switches(job, run, diags);
}

GfStatus gf_job_load_model(const GfJob *job, const GfLabels *labels, const GfHfConfig *config, GfModel *model,
                           GfDiags *diags)
{
    GfConfigSource sources[2];
    GfModelOptions options = {.sources = sources, .num_labels = (int64_t)labels->count};

    if (labels->problem != GF_PROBLEM_DERIVED)
        options.problem_type = gf_problem_names[labels->problem];
    if (job->checkpoint)
        sources[options.source_count++] =
            (GfConfigSource){.doc = &config->doc, .object = config->doc.root, .foreign = true};
    sources[options.source_count++] = (GfConfigSource){.doc = &job->doc, .object = job->config};
    GF_TRY(load(job, &options, model, diags));
    GfStatus status = GF_OK;
    for (size_t i = 0; status == GF_OK && i < job->variant_count; i++)
        status = check_run(job, &job->variants[i], model->graph, diags);
    if (status != GF_OK)
        gf_model_close(model);
    return status;
}
