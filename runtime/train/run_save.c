/* run_save.c -- writing the folder of a trained model; see run.h. */
#include "runtime/io/folder.h"
#include "runtime/train/model_save.h"
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

/* ---- weights ---- */

static GfStatus write_model(Save *s)
{
    const GfRunSave *what = s->what;
    GfModelSave model = {.model = what->model,
                         .variant = what->variant,
                         .config = what->config,
                         .labels = what->corpus->labels.names,
                         .label_count = what->corpus->labels.count,
                         .problem_type = gf_problem_names[what->corpus->labels.problem],
                         .store = what->store,
                         .base = what->base,
                         .home = what->home,
                         .dtype = GF_ST_F32};

    return gf_model_save(s->folder, &model, s->diags);
}

/* ---- tokenizer ---- */

static bool has_input(const GfGraph *g, const char *name)
{
    const GfNode *n = gf_find_name(g, name);
    return n && n->op == GF_OP_INPUT;
}

/* DistilBERT takes no token types, and transformers passes on what the tokenizer makes. */
static GfStatus write_tokenizer(Save *s)
{
    const GfCorpus *c = s->what->corpus;
    GfText text = {.arena = s->scratch};

    if (!c->has_tokenizer)
        return GF_OK;
    gf_tokenizer_config_print(&text, &c->tokenizer, c->max_length, has_input(s->what->model->graph, "types"));
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

    if (s->scratch->failed)
        return gf_fail_memory(s->diags);
    GF_TRY(gf_folder_make(s->folder, (GfLoc){.file = s->folder}, s->diags));
    GF_TRY(write_model(s));
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
