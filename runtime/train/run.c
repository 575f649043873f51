/* run.c -- reading the folder of a trained model; see run.h. */
#include "runtime/train/run.h"

#include "runtime/data/generate.h"
#include "runtime/data/holdout.h"

#include <string.h>

static const char *path_in(GfRun *r, const char *folder, const char *name)
{
    return gf_path_join(&r->arena, folder, name);
}

static GfStatus check_folder(GfRun *r, const char *folder, const char **record, GfDiags *diags)
{
    *record = path_in(r, folder, "graft.json");
    if (!*record)
        return gf_fail_memory(diags);
    if (gf_file_exists(*record))
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO, "%s",
            gf_file_exists(folder) ? "the folder has no graft.json" : "the folder does not exist");
    gf_note(diags, "`graft train` writes such a folder for each variant: output_dir/<variant>");
    return GF_ERR_IO;
}

static GfStatus read_model(GfRun *r, const char *folder, GfDiags *diags)
{
    const char *config = path_in(r, folder, "config.json"), *model = path_in(r, folder, "graft-model.json");
    const char *variant = path_in(r, folder, "graft-variant.json");

    r->weights = path_in(r, folder, "model.safetensors");
    if (r->arena.failed)
        return gf_fail_memory(diags);
    GF_TRY(gf_hf_config_read(&r->config, config, diags));
    if (r->config.label_count == 0)
        return gf_fail(diags, (GfLoc){.file = config}, GF_ERR_KEY, "has no classes (id2label)");
    GfConfigSource source = {.doc = &r->config.doc, .object = r->config.doc.root, .foreign = true};
    GfModelOptions options = {.sources = &source, .source_count = 1, .num_labels = (int64_t)r->config.label_count};
    GF_TRY(gf_model_load(&r->model, model, &options, diags));
    return gf_variant_load(&r->variant, variant, NULL, 0, diags);
}

/* A text is no longer than the model has positions for. */
static GfStatus read_max_length(GfRun *r, const GfModelLimits *limits, GfDiags *diags)
{
    const int64_t most = limits->positions;
    int64_t length = most;

    GF_TRY(gf_json_get_int_in(&r->doc, r->doc.root, "max_length", GF_OPTIONAL, 0, 1 << 20, &length, diags));
    if (most && (length == 0 || length > most))
        return gf_fail(diags, gf_json_loc(&r->doc, gf_json_find(&r->doc, r->doc.root, "max_length")), GF_ERR_VALUE,
                       "max_length is %lld, but the model has %lld positions", (long long)length, (long long)most);
    r->max_length = (size_t)length;
    return GF_OK;
}

/* How the data was written, and what its labels are. */
static GfStatus read_data(GfRun *r, GfDiags *diags)
{
    const cJSON *data = NULL;

    r->labels = (GfLabels){.names = r->config.labels, .count = r->config.label_count};
    if (r->labels.count == 1) /* as transformers has it */
        r->labels.problem = GF_PROBLEM_REGRESSION;
    GF_TRY(gf_problem_read(&r->labels.problem, &r->config.doc, r->config.doc.root, diags));
    GF_TRY(gf_json_get_object(&r->doc, r->doc.root, "data", GF_OPTIONAL, &data, diags));
    GF_TRY(gf_data_format_read(&r->format, &r->doc, data, diags));
    GF_TRY(gf_problem_read(&r->labels.problem, &r->doc, data, diags));
    GF_TRY(gf_json_get_number_in(&r->doc, data, "validation_share", GF_OPTIONAL, 0, 1, &r->validation_share, diags));
    return gf_json_get_int_in(&r->doc, data, "seed", GF_OPTIONAL, 0, UINT32_MAX, &r->seed, diags);
}

static GfStatus open(GfRun *r, const char *folder, GfDiags *diags)
{
    const char *record;
    GfTokenizerFile vocab;

    GF_TRY(check_folder(r, folder, &record, diags));
    GF_TRY(gf_json_read_file(&r->doc, record, diags));
    GF_TRY(read_model(r, folder, diags));
    GF_TRY(read_data(r, diags));
    r->limits = gf_model_limits(r->model.graph);
    GF_TRY(read_max_length(r, &r->limits, diags));
    GF_TRY(gf_tokenizer_open(&r->tokenizer, folder, &r->arena, &vocab, diags));
    r->has_tokenizer = true;
    return gf_limits_check_vocab(&r->limits, &r->tokenizer, vocab.path, diags);
}

GfStatus gf_run_open(GfRun *r, const char *folder, GfDiags *diags)
{
    *r = (GfRun){0};
    gf_arena_init(&r->arena, diags->arena.allocator);
    GfStatus status = open(r, folder, diags);
    if (status != GF_OK)
        gf_run_close(r);
    return status;
}

void gf_run_close(GfRun *r)
{
    if (r->has_tokenizer)
        gf_tokenizer_free(&r->tokenizer);
    gf_variant_close(&r->variant);
    gf_model_close(&r->model);
    gf_hf_config_close(&r->config);
    gf_json_close(&r->doc);
    gf_arena_free(&r->arena);
    *r = (GfRun){0};
}

/* ---- data ---- */

static GfDatasetOptions options_of(const GfRun *r)
{
    return (GfDatasetOptions){
        .tokenizer = &r->tokenizer, .max_length = r->max_length, .labels = r->labels, .format = &r->format};
}

/* The loss weighs classes as it did in training. */
static GfStatus finish(GfRun *r, GfDataset *d, GfDiags *diags)
{
    const cJSON *weights = gf_json_find(&r->doc, r->doc.root, "class_weights");

    GF_TRY(gf_class_weights(&d->class_weights, &r->arena, &r->doc, weights, &r->labels, d, diags));
    return gf_limits_check_dataset(&r->limits, d, gf_json_loc(&r->doc, r->doc.root), diags);
}

GfStatus gf_run_file(GfRun *r, const char *path, GfDataset *dataset, GfDiags *diags)
{
    GfDatasetOptions options = options_of(r);

    GF_TRY(gf_dataset_read(dataset, &r->arena, path, &options, diags));
    return finish(r, dataset, diags);
}

/* The part of the training file that was kept, or set aside. */
static GfStatus part(GfRun *r, const char *path, GfSplit split, GfDataset *dataset, GfDiags *diags)
{
    GfDatasetOptions options = options_of(r);
    GfHoldout parts;
    GfTable table;

    GF_TRY(gf_table_read(&table, &r->arena, path, &r->format, diags));
    GF_TRY(gf_holdout(&parts, &r->arena, table.count, r->validation_share, (uint64_t)r->seed, (GfLoc){.file = path},
                      diags));
    bool held = split == GF_SPLIT_VALIDATION;
    GF_TRY(gf_dataset_from_table(dataset, &r->arena, &table, held ? parts.held : parts.kept,
                                 held ? parts.held_count : parts.kept_count, &options, diags));
    return finish(r, dataset, diags);
}

static GfStatus generate(GfRun *r, const cJSON *from, GfSplit split, GfDataset *dataset, GfDiags *diags)
{
    GfDatasetOptions options = options_of(r);
    GfText text = {.arena = &r->arena};
    int64_t seed, count;

    GF_TRY(gf_json_get_int_in(&r->doc, from, "seed", GF_REQUIRED, 0, UINT32_MAX, &seed, diags));
    GF_TRY(gf_json_get_int_in(&r->doc, from, gf_split_names[split], GF_REQUIRED, 1, 1000000, &count, diags));
    GfGenerateOptions how = {.seed = (uint64_t)seed,
                             .split = split,
                             .examples = (size_t)count,
                             .classes = r->labels.names,
                             .class_count = r->labels.count};
    GF_TRY(gf_generate_texts(&how, &text, diags));
    return gf_dataset_parse(dataset, &r->arena, "generated text", gf_text_str(&text), text.length, &options, diags);
}

GfStatus gf_run_split(GfRun *r, GfSplit split, GfDataset *dataset, GfDiags *diags)
{
    const cJSON *from = NULL, *data = NULL;
    const char *path = NULL;

    GF_TRY(gf_json_get_object(&r->doc, r->doc.root, "generate", GF_OPTIONAL, &from, diags));
    if (from)
        return generate(r, from, split, dataset, diags);
    GF_TRY(gf_json_get_object(&r->doc, r->doc.root, "data", GF_OPTIONAL, &data, diags));
    bool divided = r->validation_share > 0 && split != GF_SPLIT_TEST;
    GF_TRY(
        gf_json_get_string(&r->doc, data, gf_split_names[divided ? GF_SPLIT_TRAIN : split], GF_OPTIONAL, &path, diags));
    if (path)
        return divided ? part(r, path, split, dataset, diags) : gf_run_file(r, path, dataset, diags);
    gf_fail(diags, gf_json_loc(&r->doc, data), GF_ERR_VALUE, "the job had no %s split", gf_split_names[split]);
    gf_note(diags, "--data FILE evaluates any file of labelled texts");
    return GF_ERR_VALUE;
}
