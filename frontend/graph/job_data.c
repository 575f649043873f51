/* job_data.c -- see job_data.h. */
#include "frontend/graph/job_data.h"

#include "frontend/graph/job_pack.h"

#include <errno.h>
#include <float.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

GfStatus gf_job_path(GfJob *job, const cJSON *object, const char *key, GfJsonNeed need, const char *folder,
                     const char **path, GfDiags *diags)
{
    const char *text = NULL;
    const cJSON *node = gf_json_find(&job->doc, object, key);

    GF_TRY(gf_json_get_string(&job->doc, object, key, need, &text, diags));
    if (!text)
        return GF_OK;
    if (!*text)
        return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE, "'%s' is empty", key);
    bool plain = !*folder || gf_is_set_node(&job->doc, node);
    *path = plain ? gf_path_of(&job->arena, &job->doc, node) : gf_path_in(&job->arena, folder, text);
    return *path ? GF_OK : gf_fail_memory(diags);
}

GfStatus gf_job_check_file(const GfJob *job, const cJSON *node, const char *path, GfDiags *diags)
{
    if (access(path, R_OK) == 0)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_IO, "'%s' cannot be opened: %s", path, strerror(errno));
}

static GfStatus check_key(const GfJob *job, const cJSON *object, const char *key, const char *path, GfDiags *diags)
{
    return path ? gf_job_check_file(job, gf_json_find(&job->doc, object, key), path, diags) : GF_OK;
}

GfStatus gf_job_check_files(const GfJob *job, GfDiags *diags)
{
    const cJSON *root = job->doc.root, *data = gf_json_find(&job->doc, root, "data");

    if (!gf_job_pack_find(job->pack, job->model))
        GF_TRY(check_key(job, root, "model", job->model, diags));
    GF_TRY(check_key(job, root, "tokenizer", job->tokenizer, diags));
    GF_TRY(check_key(job, data, "batches", job->data.batches, diags));
    GF_TRY(check_key(job, data, "train", job->data.train, diags));
    GF_TRY(check_key(job, data, "validation", job->data.validation, diags));
    return check_key(job, data, "test", job->data.test, diags);
}

/* ---- files ---- */

static GfStatus read_files(GfJob *job, const cJSON *data, GfDiags *diags)
{
    const char *folder = "";

    GF_TRY(gf_job_path(job, data, "dir", GF_OPTIONAL, "", &folder, diags));
    GF_TRY(gf_job_path(job, data, "batches", GF_OPTIONAL, folder, &job->data.batches, diags));
    GfJsonNeed train = job->data.batches ? GF_OPTIONAL : GF_REQUIRED;
    GF_TRY(gf_job_path(job, data, "train", train, folder, &job->data.train, diags));
    GF_TRY(gf_job_path(job, data, "validation", GF_OPTIONAL, folder, &job->data.validation, diags));
    return gf_job_path(job, data, "test", GF_OPTIONAL, folder, &job->data.test, diags);
}

/* A part of the training data is set aside where no file is given. */
static GfStatus read_share(GfJob *job, const cJSON *data, GfDiags *diags)
{
    const cJSON *node = gf_json_find(&job->doc, data, "validation_share");
    double share = 0;

    GF_TRY(gf_json_get_number(&job->doc, data, "validation_share", GF_OPTIONAL, &share, diags));
    if (!node || cJSON_IsNull(node))
        return GF_OK;
    if (job->data.validation || job->data.batches)
        return gf_fail(diags, gf_json_key_loc(&job->doc, node), GF_ERR_KEY,
                       "'%s' and 'validation_share' exclude each other",
                       job->data.validation ? "validation" : "batches");
    if (!(share > 0 && share < 1))
        return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE,
                       "'validation_share' must be above 0 and below 1, found %g", share);
    job->data.validation_share = share;
    return GF_OK;
}

/* ---- generated text ---- */

static GfStatus reject_files(const GfJob *job, const cJSON *data, GfDiags *diags)
{
    static const char *const files[] = {"dir",         "train",     "validation",      "test",
                                        "batches",     "format",    "columns",         "header",
                                        "quoting",     "delimiter", "label_separator", "validation_share",
                                        "problem_type"};

    for (size_t i = 0; i < COUNT(files); i++) {
        const cJSON *node = gf_json_find(&job->doc, data, files[i]);
        if (node)
            return gf_fail(diags, gf_json_key_loc(&job->doc, node), GF_ERR_KEY,
                           "'%s' says where data is, \"generate\" that it is made: only one of them", files[i]);
    }
    return GF_OK;
}

static GfStatus read_generate(GfJob *job, const cJSON *generate, int64_t *labels, GfDiags *diags)
{
    static const char *const keys[] = {"seed", "train", "validation", "test", "labels"};
    GfJobGenerate *g = &job->data.generate;
    const GfJson *doc = &job->doc;
    const int64_t most = 1000000;

    *g = (GfJobGenerate){.given = true, .seed = 1, .train = 2000, .validation = 400, .test = 400};
    GF_TRY(gf_json_check_keys(doc, generate, keys, COUNT(keys), "generate", diags));
    GF_TRY(gf_json_get_int_in(doc, generate, "seed", GF_OPTIONAL, 0, UINT32_MAX, &g->seed, diags));
    GF_TRY(gf_json_get_int_in(doc, generate, "train", GF_OPTIONAL, 1, most, &g->train, diags));
    GF_TRY(gf_json_get_int_in(doc, generate, "validation", GF_OPTIONAL, 1, most, &g->validation, diags));
    GF_TRY(gf_json_get_int_in(doc, generate, "test", GF_OPTIONAL, 1, most, &g->test, diags));
    return gf_json_get_int_in(doc, generate, "labels", GF_OPTIONAL, 2, 64, labels, diags);
}

/* Names for labels that are only counted. */
static GfStatus name_labels(GfJob *job, int64_t count, GfDiags *diags)
{
    job->data.labels = GF_NEW_ARRAY(&job->arena, const char *, (size_t)count);
    if (!job->data.labels)
        return gf_fail_memory(diags);
    for (int64_t i = 0; i < count; i++)
        job->data.labels[i] = gf_arena_printf(&job->arena, "class-%lld", (long long)i);
    job->data.label_count = (size_t)count;
    return GF_OK;
}

/* ---- labels ---- */

static GfStatus add_label(GfJob *job, const cJSON *node, GfDiags *diags)
{
    const char *name = NULL;

    GF_TRY(gf_json_as_string(&job->doc, node, "a label", &name, diags));
    bool lines = job->data.generate.given || job->data.format.kind == GF_DATA_TEXT;
    if (!*name || strpbrk(name, lines ? "\r\n;" : "\r\n"))
        return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE, "a label is a text without line breaks%s",
                       lines ? " and semicolons" : "");
    for (size_t i = 0; i < job->data.label_count; i++) {
        if (strcmp(job->data.labels[i], name) == 0)
            return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_NAME, "the label '%s' stands twice", name);
    }
    job->data.labels[job->data.label_count++] = name;
    return GF_OK;
}

static GfStatus read_labels(GfJob *job, const cJSON *data, GfDiags *diags)
{
    const cJSON *list = NULL;

    GF_TRY(gf_json_get_array(&job->doc, data, "labels", job->data.batches ? GF_REQUIRED : GF_OPTIONAL, &list, diags));
    if (!list)
        return GF_OK;
    int size = cJSON_GetArraySize(list), least = job->data.problem == GF_PROBLEM_SINGLE_LABEL ? 2 : 1;
    if (size < least || size > GF_JOB_LABELS_MAX)
        return gf_fail(diags, gf_json_loc(&job->doc, list), GF_ERR_VALUE, "from %d to %d labels, found %d", least,
                       GF_JOB_LABELS_MAX, size);
    job->data.labels = GF_NEW_ARRAY(&job->arena, const char *, (size_t)size);
    if (!job->data.labels)
        return gf_fail_memory(diags);
    for (const cJSON *item = list->child; item; item = item->next)
        GF_TRY(add_label(job, item, diags));
    return GF_OK;
}

static GfStatus read_generated(GfJob *job, const cJSON *data, const cJSON *generate, GfDiags *diags)
{
    const cJSON *named = gf_json_find(&job->doc, data, "labels"),
                *counted = gf_json_find(&job->doc, generate, "labels");
    int64_t labels = 6;

    job->data.problem = GF_PROBLEM_SINGLE_LABEL;
    GF_TRY(reject_files(job, data, diags));
    GF_TRY(read_generate(job, generate, &labels, diags));
    if (!named)
        return name_labels(job, labels, diags);
    GF_TRY(read_labels(job, data, diags));
    if (!counted || (size_t)labels == job->data.label_count)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&job->doc, counted), GF_ERR_VALUE, "%lld labels here, %zu names in \"labels\"",
                   (long long)labels, job->data.label_count);
}

/* ---- class weights ---- */

static GfStatus fail_weights(const GfJob *job, const cJSON *node, GfDiags *diags)
{
    return gf_fail(diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE,
                   "'class_weights' must be \"balanced\", a list of numbers or an object of numbers by class");
}

/* What can be checked before the classes are known. */
static GfStatus read_weights(GfJob *job, const cJSON *data, GfDiags *diags)
{
    const cJSON *node = gf_json_find(&job->doc, data, "class_weights");
    double weight;

    if (!node || cJSON_IsNull(node))
        return GF_OK;
    job->data.class_weights = node;
    if (cJSON_IsString(node))
        return strcmp(node->valuestring, "balanced") == 0 ? GF_OK : fail_weights(job, node, diags);
    if (!cJSON_IsArray(node) && !cJSON_IsObject(node))
        return fail_weights(job, node, diags);
    for (const cJSON *item = node->child; item; item = item->next) {
        GF_TRY(gf_json_as_number(&job->doc, item, "a class weight", &weight, diags));
        if (!(weight >= 0 && weight <= FLT_MAX))
            return gf_fail(diags, gf_json_loc(&job->doc, item), GF_ERR_VALUE,
                           "a class weight must not be negative, found %g", weight);
    }
    return GF_OK;
}

/* ---- all ---- */

/* Tokenized batches come with the numbers of single labels. */
static GfStatus check_batches(GfJob *job, const cJSON *data, GfDiags *diags)
{
    if (!job->data.batches)
        return GF_OK;
    if (job->data.problem == GF_PROBLEM_DERIVED)
        job->data.problem = GF_PROBLEM_SINGLE_LABEL;
    if (job->data.problem == GF_PROBLEM_SINGLE_LABEL)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&job->doc, gf_json_find(&job->doc, data, "problem_type")), GF_ERR_VALUE,
                   "'batches' hold single labels, not those of a %s", gf_problem_names[job->data.problem]);
}

static GfStatus read_given(GfJob *job, const cJSON *data, GfDiags *diags)
{
    GF_TRY(gf_data_format_read(&job->data.format, &job->doc, data, diags));
    GF_TRY(gf_problem_read(&job->data.problem, &job->doc, data, diags));
    GF_TRY(read_files(job, data, diags));
    GF_TRY(check_batches(job, data, diags));
    GF_TRY(read_share(job, data, diags));
    return read_labels(job, data, diags);
}

GfStatus gf_job_read_data(GfJob *job, GfDiags *diags)
{
    static const char *const keys[] = {"dir",        "train",       "validation", "test",          "validation_share",
                                       "batches",    "generate",    "format",     "columns",       "header",
                                       "quoting",    "delimiter",   "labels",     "class_weights", "label_separator",
                                       "max_length", "problem_type"};
    const cJSON *data = NULL, *generate = NULL;

    job->data.format = gf_data_format_defaults;
    job->data.problem = GF_PROBLEM_DERIVED;
    GF_TRY(gf_json_get_object(&job->doc, job->doc.root, "data", GF_REQUIRED, &data, diags));
    GF_TRY(gf_json_check_keys(&job->doc, data, keys, COUNT(keys), "data", diags));
    GF_TRY(gf_json_get_int_in(&job->doc, data, "max_length", GF_OPTIONAL, 2, 1 << 20, &job->data.max_length, diags));
    GF_TRY(gf_json_get_object(&job->doc, data, "generate", GF_OPTIONAL, &generate, diags));
    GF_TRY(generate ? read_generated(job, data, generate, diags) : read_given(job, data, diags));
    return read_weights(job, data, diags);
}
