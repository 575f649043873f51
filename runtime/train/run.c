/* run.c -- reading the folder of a trained model; see run.h. */
#include "runtime/train/run.h"

#include "frontend/graph/builtin.h"
#include "runtime/data/generate.h"
#include "runtime/data/holdout.h"

#include <string.h>

static const char *path_in(GfRun *r, const char *folder, const char *name)
{
    return gf_path_join(&r->arena, folder, name);
}

/* The folder's record, or, where transformers or peft wrote it, its config. */
static GfStatus read_record(GfRun *r, const char *folder, GfDiags *diags)
{
    const char *record = path_in(r, folder, "graft.json");

    if (!record)
        return gf_fail_memory(diags);
    r->own = gf_file_exists(record);
    return r->own ? gf_json_read_file(&r->doc, record, diags) : GF_OK;
}

static GfStatus check_folder(GfRun *r, const char *folder, GfDiags *diags)
{
    const char *config = path_in(r, folder, "config.json"), *adapter = path_in(r, folder, GF_ADAPTER_CONFIG);

    if (r->arena.failed)
        return gf_fail_memory(diags);
    if (r->own || gf_file_exists(config) || gf_file_exists(adapter))
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = folder}, GF_ERR_IO, "%s",
            gf_file_exists(folder) ? "the folder has no graft.json, config.json or " GF_ADAPTER_CONFIG
                                   : "the folder does not exist");
    gf_note(diags, "`graft train` writes such a folder for each variant: output_dir/<variant>");
    return GF_ERR_IO;
}

/* ---- model ---- */

static GfStatus load_model(GfRun *r, const char *file, size_t labels, GfDiags *diags)
{
    const GfJson *config = &r->config.doc;
    GfConfigSource source = {.doc = config, .object = config->root, .foreign = true};
    GfModelOptions options = {.sources = &source, .source_count = 1, .num_labels = (int64_t)labels};
    const cJSON *type = gf_json_find(config, config->root, "model_type");

    if (!file && r->own)
        file = path_in(r, r->pretrained.folder, "graft-model.json");
    if (r->arena.failed)
        return gf_fail_memory(diags);
    return file ? gf_model_load(&r->model, file, &options, diags)
                : gf_builtin_load(&r->model, r->config.model_type, gf_json_loc(config, type), &options, diags);
}

/* The name of the weight whose product the logits are; NULL: they are none. */
static const char *head_of(const GfGraph *g)
{
    const GfNode *ret = gf_graph_return(g);

    for (uint32_t i = 0; i < ret->operand_count; i++) {
        const GfNode *n = gf_operand(ret, i)->node;
        if (strcmp(ret->outputs[i], "logits") == 0 && n->op == GF_OP_LINEAR)
            return gf_operand(n, 1)->node->label;
    }
    return NULL;
}

/* An adapter brings the classifier that its base does not know of: its rows are the classes. */
static size_t count_classes(GfRun *r)
{
    const char *head = r->pretrained.has_adapter ? head_of(r->model.graph) : NULL;
    const GfStTensor *t = head ? gf_adapter_find(&r->pretrained.adapter, &r->arena, head) : NULL;

    if (t && t->rank == 2 && t->shape[0] > 0 && t->shape[0] <= GF_JOB_LABELS_MAX)
        return (size_t)t->shape[0];
    return (size_t)gf_config_i(&r->model.config, "num_labels", 0);
}

static GfStatus name_classes(GfRun *r, GfDiags *diags)
{
    const char **labels = GF_NEW_ARRAY(&r->arena, const char *, r->labels.count + 1);

    for (size_t i = 0; i < r->labels.count && labels; i++)
        labels[i] = gf_arena_printf(&r->arena, "LABEL_%zu", i);
    r->labels.names = labels;
    return r->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* What config.json names, or LABEL_0, LABEL_1 ... as transformers does. */
static GfStatus read_model(GfRun *r, const GfRunOptions *o, GfDiags *diags)
{
    const char *path = r->pretrained.config;

    GF_TRY(gf_hf_config_read(&r->config, path, diags));
    if (r->own && r->config.label_count == 0)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_KEY, "has no classes (id2label)");
    GF_TRY(load_model(r, o->model, r->config.label_count, diags));
    r->labels = (GfLabels){.names = r->config.labels, .count = count_classes(r)};
    if (r->labels.count == r->config.label_count)
        return GF_OK;
    gf_model_close(&r->model);
    GF_TRY(load_model(r, o->model, r->labels.count, diags));
    return name_classes(r, diags);
}

static GfStatus read_variant(GfRun *r, GfDiags *diags)
{
    static const char frozen[] = "{\"variant\": \"full\", \"freeze\": [\"*\"]}";
    const char *adapted = r->pretrained.adapter.variant;

    if (r->own) {
        const char *path = path_in(r, r->pretrained.folder, "graft-variant.json");
        return path ? gf_variant_load(&r->variant, path, NULL, 0, diags) : gf_fail_memory(diags);
    }
    if (adapted)
        return gf_variant_load_text(&r->variant, GF_ADAPTER_CONFIG, adapted, strlen(adapted), diags);
    return gf_variant_load_text(&r->variant, "config.json", frozen, strlen(frozen), diags);
}

GfStoreSource gf_run_source(const GfRun *r)
{
    return (GfStoreSource){.checkpoint = r->pretrained.weights,
                           .adapter = r->pretrained.has_adapter ? &r->pretrained.adapter : NULL,
                           .prefix = r->model.prefix,
                           .renames = r->model.renames,
                           .rename_count = r->model.rename_count};
}

/* ---- opening ---- */

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

    if (r->labels.count == 1) /* as transformers has it */
        r->labels.problem = GF_PROBLEM_REGRESSION;
    GF_TRY(gf_problem_read(&r->labels.problem, &r->config.doc, r->config.doc.root, diags));
    GF_TRY(gf_json_get_object(&r->doc, r->doc.root, "data", GF_OPTIONAL, &data, diags));
    GF_TRY(gf_data_format_read(&r->format, &r->doc, data, diags));
    GF_TRY(gf_problem_read(&r->labels.problem, &r->doc, data, diags));
    GF_TRY(gf_json_get_number_in(&r->doc, data, "validation_share", GF_OPTIONAL, 0, 1, &r->validation_share, diags));
    return gf_json_get_int_in(&r->doc, data, "seed", GF_OPTIONAL, 0, UINT32_MAX, &r->seed, diags);
}

static GfStatus open(GfRun *r, const char *folder, const GfRunOptions *o, GfDiags *diags)
{
    GfTokenizerFile vocab;

    GF_TRY(read_record(r, folder, diags));
    GF_TRY(check_folder(r, folder, diags));
    GF_TRY(gf_pretrained_open(&r->pretrained, folder, o->base, (GfLoc){.file = folder}, diags));
    GF_TRY(read_model(r, o, diags));
    GF_TRY(read_variant(r, diags));
    GF_TRY(read_data(r, diags));
    r->limits = gf_model_limits(r->model.graph);
    GF_TRY(read_max_length(r, &r->limits, diags));
    GF_TRY(gf_tokenizer_open(&r->tokenizer, r->pretrained.tokenizer, &r->arena, &vocab, diags));
    r->has_tokenizer = true;
    return gf_limits_check_vocab(&r->limits, &r->tokenizer, vocab.path, diags);
}

GfStatus gf_run_open(GfRun *r, const char *folder, const GfRunOptions *options, GfDiags *diags)
{
    static const GfRunOptions none = {0};

    *r = (GfRun){0};
    gf_arena_init(&r->arena, diags->arena.allocator);
    GfStatus status = open(r, folder, options ? options : &none, diags);
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
    gf_pretrained_close(&r->pretrained);
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
    if (r->own)
        gf_fail(diags, gf_json_loc(&r->doc, data), GF_ERR_VALUE, "the job had no %s split", gf_split_names[split]);
    else
        gf_fail(diags, (GfLoc){.file = r->pretrained.folder}, GF_ERR_VALUE,
                "no graft.json says which data the model was trained beside");
    gf_note(diags, "--data FILE evaluates any file of labelled texts");
    return GF_ERR_VALUE;
}
