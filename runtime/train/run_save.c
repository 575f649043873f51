/* run_save.c -- writing the folder of a trained model; see run.h. */
#include "runtime/io/folder.h"
#include "runtime/train/run.h"
#include "runtime/train/train_state.h"

#include <stdlib.h>
#include <string.h>

#ifndef GRAFT_VERSION
#define GRAFT_VERSION "unknown"
#endif

typedef struct Save {
    const GfRunSave *what;
    const char *folder;
    GfArena *scratch;
    GfDiags *diags;
} Save;

static GfStatus write_text(Save *s, const char *name, const GfText *text)
{
    const char *path = gf_path_join(s->scratch, s->folder, name);

    if (s->scratch->failed)
        return gf_fail_memory(s->diags);
    return gf_file_write_atomic(path, gf_text_str(text), text->length, s->diags);
}

static GfStatus write_tree(Save *s, const char *name, const GfJson *doc)
{
    GfText text = {.arena = s->scratch};

    gf_json_print(&text, doc, doc->root, 0);
    gf_text_add(&text, "\n");
    return write_text(s, name, &text);
}

/* ---- config.json ---- */

/* Lay the model's sizes and choices over what the checkpoint's config.json said. */
static GfStatus lay_over(Save *s, GfJson *doc)
{
    const GfConfig *config = &s->what->model->config;

    for (size_t i = 0; i < config->count; i++) {
        GfText text = {.arena = s->scratch};
        gf_config_add_value(&text, &config->values[i]);
        GF_TRY(gf_json_set(doc, config->keys[i], gf_text_str(&text), s->diags));
    }
    return GF_OK;
}

static GfStatus read_base(Save *s, GfJson *doc)
{
    GfText text = {.arena = s->scratch};

    if (s->what->config) {
        gf_json_print(&text, &s->what->config->doc, s->what->config->doc.root, 0);
    } else {
        gf_text_add(&text, "{\"model_type\": ");
        gf_json_quote(&text, s->what->model->model_type);
        gf_text_add(&text, "}");
    }
    return gf_json_read_text(doc, "config.json", gf_text_str(&text), text.length, s->diags);
}

static GfStatus write_config(Save *s)
{
    const GfLabels *labels = &s->what->corpus->labels;
    GfHfConfigSave extra = {.architecture = s->what->model->name,
                            .labels = labels->names,
                            .label_count = labels->count,
                            .problem_type = gf_problem_names[labels->problem]};
    const char *path = gf_path_join(s->scratch, s->folder, "config.json");
    GfJson doc;

    GF_TRY(read_base(s, &doc));
    GfStatus status = lay_over(s, &doc);
    if (status == GF_OK)
        status = path ? gf_hf_config_write(path, &doc, &extra, s->diags) : gf_fail_memory(s->diags);
    gf_json_close(&doc);
    return status;
}

/* ---- tokenizer ---- */

static GfStatus write_tokenizer(Save *s)
{
    const GfCorpus *c = s->what->corpus;
    GfText text = {.arena = s->scratch};

    if (!c->has_tokenizer)
        return GF_OK;
    gf_tokenizer_config_print(&text, &c->tokenizer, c->max_length);
    GF_TRY(write_text(s, "tokenizer_config.json", &text));
    return write_text(s, c->vocab.json ? "tokenizer.json" : "vocab.txt", &c->vocab.text);
}

/* ---- graft.json ---- */

static void add_files(Save *s, GfText *text)
{
    for (GfSplit i = 0; i < GF_SPLIT_COUNT; i++) {
        if (!s->what->corpus->files[i])
            continue;
        gf_text_add(text, ", \"%s\": ", gf_split_names[i]);
        gf_json_quote(text, s->what->corpus->files[i]);
    }
}

static void add_data(Save *s, GfText *text)
{
    const GfJobData *d = &s->what->job->data;
    const GfJobGenerate *g = &d->generate;

    if (g->given) {
        gf_text_add(text, ",\n  \"generate\": {\"seed\": %lld, \"train\": %lld, \"validation\": %lld, \"test\": %lld}",
                    (long long)g->seed, (long long)g->train, (long long)g->validation, (long long)g->test);
        return;
    }
    gf_text_add(text, ",\n  \"data\": {\"problem_type\": \"%s\"", gf_problem_names[s->what->corpus->labels.problem]);
    gf_data_format_print(text, &d->format);
    add_files(s, text);
    if (d->validation_share > 0) {
        gf_text_add(text, ", \"validation_share\": ");
        gf_json_add_number(text, d->validation_share);
        gf_text_add(text, ", \"seed\": %llu", (unsigned long long)s->what->corpus->seed);
    }
    gf_text_add(text, "}");
}

static void add_weights(Save *s, GfText *text)
{
    const GfCorpus *c = s->what->corpus;

    if (!c->class_weights)
        return;
    gf_text_add(text, ",\n  \"class_weights\": [");
    for (size_t i = 0; i < c->labels.count; i++) {
        gf_text_add(text, i ? ", " : "");
        gf_json_add_number(text, c->class_weights[i]);
    }
    gf_text_add(text, "]");
}

static GfStatus write_record(Save *s)
{
    GfText text = {.arena = s->scratch};

    gf_text_add(&text, "{\n  \"graft\": \"%s\",\n  \"job\": ", GRAFT_VERSION);
    gf_json_quote(&text, s->what->job->name);
    gf_text_add(&text, ",\n  \"variant\": ");
    gf_json_quote(&text, s->what->variant->name);
    gf_text_add(&text, ",\n  \"max_length\": %zu", s->what->corpus->max_length);
    add_data(s, &text);
    add_weights(s, &text);
    gf_text_add(&text, "\n}\n");
    return write_text(s, "graft.json", &text);
}

/* ---- all ---- */

static GfStatus save(Save *s)
{
    const char *weights = gf_path_join(s->scratch, s->folder, "model.safetensors");

    if (s->scratch->failed)
        return gf_fail_memory(s->diags);
    GF_TRY(gf_folder_make(s->folder, (GfLoc){.file = s->folder}, s->diags));
    GF_TRY(gf_store_save(s->what->store, weights, s->diags));
    GF_TRY(write_config(s));
    GF_TRY(write_tokenizer(s));
    GF_TRY(gf_train_state_write(s->folder, s->what->trainer, s->what->history, s->diags));
    GF_TRY(write_tree(s, "graft-model.json", &s->what->model->doc));
    GF_TRY(write_tree(s, "graft-variant.json", &s->what->variant->doc));
    return write_record(s); /* last: its presence says that the rest is there */
}

GfStatus gf_run_save(const char *folder, const GfRunSave *what, GfDiags *diags)
{
    GfArena scratch;
    Save s = {.what = what, .folder = folder, .scratch = &scratch, .diags = diags};

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = save(&s);
    gf_arena_free(&scratch);
    return status;
}
