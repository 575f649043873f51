/* model.c -- see model.h. */
#include "frontend/graph/model.h"

#include "frontend/graph/elaborate.h"
#include "frontend/graph/model_check.h"
#include "frontend/graph/semantics.h"
#include "frontend/graph/words.h"

#include <string.h>

/* ---- what a config.json must say ---- */

static bool same_value(const cJSON *a, const cJSON *b)
{
    if (cJSON_IsString(a) && cJSON_IsString(b))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsNumber(a) && cJSON_IsNumber(b))
        return a->valuedouble == b->valuedouble;
    return (cJSON_IsBool(a) && cJSON_IsBool(b) && cJSON_IsTrue(a) == cJSON_IsTrue(b)) ||
           (cJSON_IsNull(a) && cJSON_IsNull(b));
}

static const char *show_value(GfArena *arena, const GfJson *doc, const cJSON *node)
{
    GfText text = {.arena = arena};
    gf_json_print(&text, doc, node, 0);
    return gf_text_str(&text);
}

static GfStatus check_model_type(GfModel *m, const GfConfigSource *source, GfDiags *diags)
{
    const cJSON *node = gf_json_find(source->doc, source->object, "model_type");

    if (!node || !*m->model_type || (cJSON_IsString(node) && strcmp(node->valuestring, m->model_type) == 0))
        return GF_OK;
    return gf_fail(diags, gf_json_loc(source->doc, node), GF_ERR_VALUE,
                   "this is the config of a %s model, but %s describes a \"%s\" model",
                   cJSON_IsString(node) ? show_value(&m->arena, source->doc, node) : "nameless",
                   gf_json_loc(&m->doc, m->doc.root).file, m->model_type);
}

/* Keys that change what the model computes and that the file cannot express. */
static GfStatus check_requires(GfModel *m, const GfConfigSource *source, GfDiags *diags)
{
    const cJSON *requires = NULL;

    GF_TRY(gf_json_get_object(&m->doc, m->doc.root, "requires", GF_OPTIONAL, &requires, diags));
    for (const cJSON *want = requires ? requires->child : NULL; want; want = want->next) {
        const cJSON *found = gf_json_find(source->doc, source->object, want->string);
        if (found && !same_value(found, want))
            return gf_fail(diags, gf_json_loc(source->doc, found), GF_ERR_VALUE,
                           "'%s' is %s here, the model in %s only knows %s", want->string,
                           show_value(&m->arena, source->doc, found), gf_json_loc(&m->doc, m->doc.root).file,
                           show_value(&m->arena, &m->doc, want));
    }
    return GF_OK;
}

/* Hugging Face writes the names of the labels, not their number. */
static void count_labels(GfModel *m, const GfConfigSource *source)
{
    const cJSON *names = gf_json_find(source->doc, source->object, "id2label");
    GfConfigValue *labels = gf_config_find(&m->config, "num_labels");

    if (!labels || !cJSON_IsObject(names) || !names->child || gf_json_find(source->doc, source->object, "num_labels"))
        return;
    labels->kind = GF_CONFIG_NUMBER;
    labels->number = cJSON_GetArraySize(names);
    labels->loc = gf_json_loc(source->doc, names);
}

/* ---- config ---- */

static GfStatus merge_source(GfModel *m, const GfConfigSource *source, GfDiags *diags)
{
    if (source->foreign && source->object) {
        GF_TRY(check_model_type(m, source, diags));
        GF_TRY(check_requires(m, source, diags));
        count_labels(m, source);
    }
    return gf_config_merge(&m->config, &m->arena, source, diags);
}

static GfStatus set_num_labels(GfModel *m, int64_t num_labels, GfDiags *diags)
{
    GfConfigValue *labels = gf_config_find(&m->config, "num_labels");

    if (!labels)
        return gf_fail(diags, gf_json_loc(&m->doc, gf_json_find(&m->doc, m->doc.root, "config")), GF_ERR_KEY,
                       "the config has no key 'num_labels' to set to %lld", (long long)num_labels);
    labels->kind = GF_CONFIG_NUMBER;
    labels->number = (double)num_labels;
    return GF_OK;
}

/* One label is a value to learn, several are classes: as transformers has it where nobody says. */
static void settle_problem(GfModel *m, const char *stated)
{
    GfConfigValue *problem = gf_config_find(&m->config, "problem_type");

    if (!problem || (!stated && problem->kind == GF_CONFIG_STRING))
        return;
    bool one = gf_config_i(&m->config, "num_labels", 0) == 1;
    problem->kind = GF_CONFIG_STRING;
    problem->text = stated ? stated : one ? "regression" : "single_label_classification";
}

static GfStatus read_config(GfModel *m, const GfModelOptions *options, GfDiags *diags)
{
    const cJSON *defaults = NULL;

    GF_TRY(gf_json_get_object(&m->doc, m->doc.root, "config", GF_OPTIONAL, &defaults, diags));
    GF_TRY(gf_config_read(&m->config, &m->arena, &m->doc, defaults, diags));
    for (size_t i = 0; options && i < options->source_count; i++)
        GF_TRY(merge_source(m, &options->sources[i], diags));
    if (options && options->num_labels > 0)
        GF_TRY(set_num_labels(m, options->num_labels, diags));
    settle_problem(m, options ? options->problem_type : NULL);
    return GF_OK;
}

/* The sources may die after loading: their texts are no longer there to be shown. */
static void forget_sources(GfModel *m)
{
    for (size_t i = 0; i < m->config.count; i++)
        m->config.values[i].loc = GF_NOWHERE;
}

/* ---- the rest of the file ---- */

static GfStatus read_renames(GfModel *m, GfDiags *diags)
{
    const cJSON *renames = NULL;

    GF_TRY(gf_json_get_object(&m->doc, m->doc.root, "renames", GF_OPTIONAL, &renames, diags));
    GfRename *list = GF_NEW_ARRAY(&m->arena, GfRename, renames ? (size_t)cJSON_GetArraySize(renames) + 1 : 1);
    if (!list)
        return gf_fail_memory(diags);
    for (const cJSON *node = renames ? renames->child : NULL; node; node = node->next) {
        GfRename *r = &list[m->rename_count++];
        r->from = node->string;
        GF_TRY(gf_json_as_string(&m->doc, node, "a new name", &r->to, diags));
    }
    m->renames = list;
    return GF_OK;
}

static GfStatus read_words(GfModel *m, GfDiags *diags)
{
    const cJSON *root = m->doc.root;

    m->about = m->model_type = m->prefix = "";
    GF_TRY(gf_json_get_string(&m->doc, root, "model", GF_REQUIRED, &m->name, diags));
    GF_TRY(gf_json_get_string(&m->doc, root, "about", GF_OPTIONAL, &m->about, diags));
    GF_TRY(gf_json_get_string(&m->doc, root, "model_type", GF_OPTIONAL, &m->model_type, diags));
    GF_TRY(gf_json_get_string(&m->doc, root, "prefix", GF_OPTIONAL, &m->prefix, diags));
    GF_TRY(gf_patterns_read(&m->fresh, &m->arena, &m->doc, gf_json_find(&m->doc, root, "fresh"), diags));
    return read_renames(m, diags);
}

/* Only the file itself: no sizes, no config. */
static GfStatus check_file(const GfModel *m, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, m->arena.allocator);
    GfStatus status = gf_model_check(&m->doc, &scratch, diags);
    gf_arena_free(&scratch);
    return status;
}

static GfStatus build(GfModel *m, const GfModelOptions *options, GfDiags *diags)
{
    GF_TRY(check_file(m, diags));
    GF_TRY(read_words(m, diags));
    GF_TRY(read_config(m, options, diags));
    m->graph = gf_graph_new("forward", m->arena.allocator);
    if (!m->graph)
        return gf_fail_memory(diags);
    GF_TRY(gf_model_elaborate(m, diags));
    GF_TRY(gf_semantics_check_fresh(m, diags));
    forget_sources(m);
    return m->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus finish(GfModel *m, GfStatus status, const GfModelOptions *options, GfDiags *diags)
{
    if (status == GF_OK)
        status = build(m, options, diags);
    if (status != GF_OK)
        gf_model_close(m);
    return status;
}

static void open_model(GfModel *m, GfDiags *diags)
{
    *m = (GfModel){0};
    gf_arena_init(&m->arena, diags ? diags->arena.allocator : NULL);
}

GfStatus gf_model_load(GfModel *model, const char *path, const GfModelOptions *options, GfDiags *diags)
{
    open_model(model, diags);
    return finish(model, gf_json_read_file(&model->doc, path, diags), options, diags);
}

GfStatus gf_model_load_text(GfModel *model, const char *name, const char *text, size_t length,
                            const GfModelOptions *options, GfDiags *diags)
{
    open_model(model, diags);
    return finish(model, gf_json_read_text(&model->doc, name, text, length, diags), options, diags);
}

void gf_model_close(GfModel *model)
{
    gf_graph_free(model->graph);
    gf_json_close(&model->doc);
    gf_arena_free(&model->arena);
    *model = (GfModel){0};
}

GfParamCount gf_count_params(const GfGraph *g)
{
    GfParamCount count = {0};

    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op != GF_OP_PARAM)
            continue;
        int64_t elements = gf_type_elements(&n->results[0].type, NULL);
        count.all += elements;
        count.trainable += n->frozen ? 0 : elements;
    }
    return count;
}
