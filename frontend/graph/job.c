/* job.c -- see job.h. */
#include "frontend/graph/job.h"

#include "frontend/graph/job_data.h"
#include "frontend/graph/job_grid.h"
#include "frontend/graph/job_pack.h"
#include "frontend/graph/kind.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- which variants ---- */

/* An item of the job's own list, or a name or file from --set. */
typedef struct Wanted {
    const cJSON *node; /* where it stands, for errors */
    const char *path;
    const cJSON *training; /* of the item, or NULL */
} Wanted;

typedef struct Selection {
    GfJob *job;
    GfDiags *diags;
    Wanted *own; /* the job's list before --set */
    size_t own_count;
    Wanted *wanted;
    size_t count, capacity;
} Selection;

static GfStatus read_item(Selection *s, const cJSON *node, Wanted *item)
{
    static const char *const keys[] = {"file", "training"};
    GfJob *job = s->job;
    const cJSON *file = node;

    *item = (Wanted){.node = node};
    if (cJSON_IsObject(node)) {
        const char *text = NULL;
        GF_TRY(gf_json_check_keys(&job->doc, node, keys, COUNT(keys), "a variant of a job", s->diags));
        GF_TRY(gf_json_get_string(&job->doc, node, "file", GF_REQUIRED, &text, s->diags));
        GF_TRY(gf_json_get_object(&job->doc, node, "training", GF_OPTIONAL, &item->training, s->diags));
        file = gf_json_find(&job->doc, node, "file");
    } else if (!cJSON_IsString(node)) {
        return gf_fail(s->diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE,
                       "a variant is a file name or {\"file\": ..., \"training\": ...}, found %s",
                       gf_json_type_name(node));
    }
    item->path = gf_path_of(&job->arena, &job->doc, file);
    return item->path ? GF_OK : gf_fail_memory(s->diags);
}

/* The job's own list, `node` being its array or absent. */
static GfStatus read_own(Selection *s, const cJSON *node)
{
    GfJob *job = s->job;
    int size = cJSON_IsArray(node) ? cJSON_GetArraySize(node) : 0;

    if (node && !cJSON_IsArray(node))
        return gf_fail(s->diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE, "'variants' must be an array, found %s",
                       gf_json_type_name(node));
    if (size > GF_JOB_VARIANTS_MAX)
        return gf_fail(s->diags, gf_json_loc(&job->doc, node), GF_ERR_VALUE, "at most %d variants, found %d",
                       GF_JOB_VARIANTS_MAX, size);
    s->own = GF_NEW_ARRAY(&job->arena, Wanted, (size_t)size + 1);
    if (!s->own)
        return gf_fail_memory(s->diags);
    for (const cJSON *item = size ? node->child : NULL; item; item = item->next)
        GF_TRY(read_item(s, item, &s->own[s->own_count++]));
    return GF_OK;
}

static GfStatus add_wanted(Selection *s, Wanted wanted)
{
    if (s->count == GF_JOB_VARIANTS_MAX)
        return gf_fail(s->diags, gf_json_loc(&s->job->doc, wanted.node), GF_ERR_VALUE, "more than %d variants",
                       GF_JOB_VARIANTS_MAX);
    s->wanted = gf_arena_grow(&s->job->arena, s->wanted, s->count, &s->capacity, sizeof *s->wanted);
    if (!s->wanted)
        return gf_fail_memory(s->diags);
    s->wanted[s->count++] = wanted;
    return GF_OK;
}

/* A file that is not there is an error of the job. */
static GfStatus open_variant(const GfJob *job, GfVariant *variant, const Wanted *wanted, GfDiags *diags)
{
    const cJSON *file = gf_json_find(&job->doc, wanted->node, "file");
    const GfJobText *text = gf_job_pack_find(job->pack, wanted->path);

    if (text)
        return gf_variant_load_text(variant, text->shown, text->text, strlen(text->text), diags);
    GF_TRY(gf_job_check_file(job, file ? file : wanted->node, wanted->path, diags));
    return gf_variant_load(variant, wanted->path, NULL, 0, diags);
}

/* A variant is known by the key "variant" of its file and by the file's own name. */
static GfStatus is_called(Selection *s, const Wanted *item, const char *name, bool *yes)
{
    GfVariant variant;
    const char *stem = gf_path_stem(&s->job->arena, item->path);

    if (!stem)
        return gf_fail_memory(s->diags);
    *yes = strcmp(stem, name) == 0;
    if (*yes)
        return GF_OK;
    GF_TRY(open_variant(s->job, &variant, item, s->diags));
    *yes = strcmp(variant.name, name) == 0;
    gf_variant_close(&variant);
    return GF_OK;
}

static bool is_path(const char *name)
{
    size_t length = strlen(name);
    return strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".json") == 0);
}

static GfStatus fail_selection(Selection *s, const cJSON *node, const char *name)
{
    const char *names[GF_JOB_VARIANTS_MAX];

    for (size_t i = 0; i < s->own_count; i++)
        names[i] = gf_path_stem(&s->job->arena, s->own[i].path);
    GfStatus status = gf_fail(s->diags, gf_json_loc(&s->job->doc, node), GF_ERR_NAME,
                              "the job has no variant '%s', and it is no file", name);
    const char *close = gf_closest(name, names, s->own_count);
    if (close)
        gf_note(s->diags, "did you mean '%s'?", close);
    return status;
}

/* A name of the own list, or a file. */
static GfStatus select_one(Selection *s, const cJSON *node, const char *name)
{
    bool called = false;

    for (size_t i = 0; i < s->own_count; i++) {
        GF_TRY(is_called(s, &s->own[i], name, &called));
        if (called)
            return add_wanted(s, s->own[i]);
    }
    return is_path(name) ? add_wanted(s, (Wanted){.node = node, .path = name}) : fail_selection(s, node, name);
}

/* "full,lora" */
static GfStatus select_words(Selection *s, const cJSON *node)
{
    for (const char *word = node->valuestring;;) {
        size_t length = strcspn(word, ",");
        const char *name = gf_arena_strndup(&s->job->arena, word, length);
        if (!name)
            return gf_fail_memory(s->diags);
        GF_TRY(select_one(s, node, name));
        if (!word[length])
            return GF_OK;
        word += length + 1;
    }
}

/* What --set says of the variants: a text, or a list of texts and objects. */
static GfStatus select_set(Selection *s, const cJSON *node)
{
    Wanted item;

    if (cJSON_IsString(node))
        return select_words(s, node);
    for (const cJSON *c = cJSON_IsArray(node) ? node->child : node; c; c = c == node ? NULL : c->next) {
        if (cJSON_IsString(c)) {
            GF_TRY(select_one(s, c, c->valuestring));
            continue;
        }
        GF_TRY(read_item(s, c, &item));
        GF_TRY(add_wanted(s, item));
    }
    return GF_OK;
}

static GfStatus select_variants(Selection *s, const cJSON *own)
{
    const cJSON *now = gf_json_find(&s->job->doc, s->job->doc.root, "variants");

    GF_TRY(read_own(s, own));
    if (now != own)
        return select_set(s, now);
    s->wanted = s->own;
    s->count = s->own_count;
    return GF_OK;
}

/* ---- loading variants ---- */

/* Where a variant's training arguments are given; the last one counts. */
enum { SOURCES = 4 };

static void list_sources(const GfJob *job, const GfVariant *variant, const Wanted *wanted, GfTrainingSource *sources)
{
    sources[0] = (GfTrainingSource){&job->doc, gf_json_find(&job->doc, job->doc.root, "training")};
    sources[1] = (GfTrainingSource){&variant->doc, variant->training};
    sources[2] = (GfTrainingSource){&job->doc, wanted->training};
    sources[3] = (GfTrainingSource){&job->sets, gf_json_find(&job->sets, job->sets.root, "training")};
}

static GfStatus check_name(const GfJob *job, const GfJobVariant *to, const Wanted *wanted, GfDiags *diags)
{
    for (const GfJobVariant *v = job->variants; v < to; v++) {
        if (strcmp(v->name, to->name) == 0)
            return gf_fail(diags, gf_json_loc(&job->doc, wanted->node), GF_ERR_NAME,
                           "two variants are called '%s'; their results would share a folder", v->name);
    }
    return GF_OK;
}

static GfStatus find_grid(GfJob *job, const GfTrainingSource *sources, GfGrid *grid, GfDiags *diags)
{
    const cJSON *seeds = gf_json_find(&job->doc, job->doc.root, "seeds");
    return gf_grid_find(grid, &job->arena, sources, SOURCES, &job->doc, seeds, diags);
}

/* One run of a variant: a setting and a seed. */
static GfStatus load_run(GfJob *job, const Wanted *wanted, size_t run, GfDiags *diags)
{
    GfTrainingSource sources[SOURCES];
    GfGrid grid;
    GfJobVariant *to = &job->variants[job->variant_count];
    const char *setting, *seed;

    GF_TRY(open_variant(job, &to->variant, wanted, diags));
    job->variant_count++;
    to->own_training = wanted->training;
    to->item = wanted->node;
    to->weighted = job->data.class_weights != NULL;
    to->training = gf_training_defaults;
    list_sources(job, &to->variant, wanted, sources);
    for (size_t i = 0; i < SOURCES; i++)
        GF_TRY(gf_training_read_single(&to->training, sources[i].doc, sources[i].object, diags));
    GF_TRY(find_grid(job, sources, &grid, diags));
    GF_TRY(gf_grid_apply(&grid, run, &to->training, &job->arena, &setting, &seed, diags));
    to->group = gf_arena_printf(&job->arena, "%s%s", to->variant.name, setting);
    to->name = to->group ? gf_arena_printf(&job->arena, "%s%s", to->group, seed) : NULL;
    if (!to->name)
        return gf_fail_memory(diags);
    GF_TRY(check_name(job, to, wanted, diags));
    return gf_training_finish(&to->training, gf_json_loc(&job->doc, wanted->node), diags);
}

static GfStatus reserve_runs(GfJob *job, size_t more, GfDiags *diags)
{
    size_t count = job->variant_count + more;
    GfJobVariant *list = GF_NEW_ARRAY(&job->arena, GfJobVariant, count + 1);

    if (!list)
        return gf_fail_memory(diags);
    if (job->variant_count)
        memcpy(list, job->variants, job->variant_count * sizeof *list);
    job->variants = list;
    return GF_OK;
}

static GfStatus count_runs(GfJob *job, const Wanted *wanted, size_t *runs, GfDiags *diags)
{
    GfTrainingSource sources[SOURCES];
    GfVariant variant;
    GfGrid grid;

    GF_TRY(open_variant(job, &variant, wanted, diags));
    list_sources(job, &variant, wanted, sources);
    GfStatus status = find_grid(job, sources, &grid, diags);
    *runs = grid.runs;
    gf_variant_close(&variant);
    return status;
}

static GfStatus load_variant(GfJob *job, const Wanted *wanted, GfDiags *diags)
{
    size_t runs;

    GF_TRY(count_runs(job, wanted, &runs, diags));
    GF_TRY(reserve_runs(job, runs, diags));
    for (size_t run = 0; run < runs; run++)
        GF_TRY(load_run(job, wanted, run, diags));
    return GF_OK;
}

static GfStatus load_variants(GfJob *job, const cJSON *own, GfDiags *diags)
{
    Selection s = {.job = job, .diags = diags};

    GF_TRY(select_variants(&s, own));
    for (size_t i = 0; i < s.count; i++)
        GF_TRY(load_variant(job, &s.wanted[i], diags));
    if (s.count)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&job->doc, job->doc.root), GF_ERR_KEY, "the job has no variants");
}

/* ---- the job ---- */

static GfStatus check_keys(const GfJob *job, GfDiags *diags)
{
    static const char *const keys[] = {"job",  "about",    "model",    "checkpoint", "base",   "tokenizer", "config",
                                       "data", "variants", "training", "seeds",      "device", "threads"};

    GF_TRY(gf_kind_check(&job->doc, GF_KIND_JOB, diags));
    if (!gf_json_find(&job->doc, job->doc.root, "model") && !gf_json_find(&job->doc, job->doc.root, "data"))
        return gf_fail(diags, gf_json_loc(&job->doc, job->doc.root), GF_ERR_KEY,
                       "this is no job: neither key 'model' nor key 'data' is here");
    return gf_json_check_keys(&job->doc, job->doc.root, keys, COUNT(keys), "a job", diags);
}

static GfStatus read_words(GfJob *job, GfDiags *diags)
{
    const GfJson *doc = &job->doc;
    const cJSON *root = doc->root;

    GF_TRY(gf_json_get_string(doc, root, "job", GF_OPTIONAL, &job->name, diags));
    GF_TRY(gf_json_get_string(doc, root, "about", GF_OPTIONAL, &job->about, diags));
    GF_TRY(gf_json_get_string(doc, root, "device", GF_OPTIONAL, &job->device, diags));
    GF_TRY(gf_json_get_int_in(doc, root, "threads", GF_OPTIONAL, 0, 1024, &job->threads, diags));
    GF_TRY(gf_job_path(job, root, "model", GF_REQUIRED, "", &job->model, diags));
    GF_TRY(gf_job_path(job, root, "checkpoint", GF_OPTIONAL, "", &job->checkpoint, diags));
    GF_TRY(gf_job_path(job, root, "base", GF_OPTIONAL, "", &job->base, diags));
    return gf_job_path(job, root, "tokenizer", GF_OPTIONAL, "", &job->tokenizer, diags);
}

static GfStatus read_config(GfJob *job, GfDiags *diags)
{
    GF_TRY(gf_json_get_object(&job->doc, job->doc.root, "config", GF_OPTIONAL, &job->config, diags));
    const cJSON *labels = gf_json_find(&job->doc, job->config, "num_labels");
    const cJSON *problem = gf_json_find(&job->doc, job->config, "problem_type");
    if (problem)
        return gf_fail(diags, gf_json_key_loc(&job->doc, problem), GF_ERR_KEY,
                       "problem_type says what the data's labels are: it stands in \"data\"");
    if (!labels)
        return GF_OK;
    return gf_fail(diags, gf_json_key_loc(&job->doc, labels), GF_ERR_KEY,
                   "num_labels is the number of the data's labels: leave it out here");
}

static GfStatus read_training(GfJob *job, GfDiags *diags)
{
    const cJSON *training = gf_json_find(&job->doc, job->doc.root, "training");

    job->training = gf_training_defaults;
    GF_TRY(gf_training_read_single(&job->training, &job->doc, training, diags));
    return gf_training_finish(&job->training, gf_json_loc(&job->doc, training), diags);
}

static GfStatus interpret(GfJob *job, const cJSON *own_variants, GfDiags *diags)
{
    GF_TRY(check_keys(job, diags));
    GF_TRY(read_words(job, diags));
    GF_TRY(read_config(job, diags));
    GF_TRY(gf_job_read_data(job, diags));
    GF_TRY(read_training(job, diags));
    GF_TRY(load_variants(job, own_variants, diags));
    return job->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- opening ---- */

/* Both over the job and by themselves: what --set says of training beats what a variant says.
 * In a pack are those that were given when it was made. */
static GfStatus apply_sets(GfJob *job, const GfSet *sets, size_t count, GfDiags *diags)
{
    const char *before = job->pack ? job->pack->sets : "{}";

    GF_TRY(gf_json_read_text(&job->sets, job->pack ? job->path : "--set", before, strlen(before), diags));
    for (size_t i = 0; i < count; i++) {
        GF_TRY(gf_json_set(&job->doc, sets[i].path, sets[i].value, diags));
        if (strncmp(sets[i].path, "training.", 9) == 0)
            GF_TRY(gf_json_set(&job->sets, sets[i].path, sets[i].value, diags));
    }
    return GF_OK;
}

static void open_job(GfJob *job, const char *path, GfDiags *diags)
{
    *job = (GfJob){.about = ""};
    gf_arena_init(&job->arena, diags ? diags->arena.allocator : NULL);
    job->path = gf_arena_strdup(&job->arena, path);
    job->name = gf_path_stem(&job->arena, path);
}

static GfStatus finish(GfJob *job, GfStatus status, const GfSet *sets, size_t set_count, GfDiags *diags)
{
    const cJSON *own = status == GF_OK ? gf_json_find(&job->doc, job->doc.root, "variants") : NULL;

    if (status == GF_OK && job->arena.failed)
        status = gf_fail_memory(diags);
    if (status == GF_OK)
        status = apply_sets(job, sets, set_count, diags);
    if (status == GF_OK)
        status = interpret(job, own, diags);
    if (status != GF_OK)
        gf_job_close(job);
    return status;
}

GfStatus gf_job_load(GfJob *job, const char *path, const GfSet *sets, size_t set_count, GfDiags *diags)
{
    open_job(job, path, diags);
    return finish(job, gf_json_read_file(&job->doc, path, diags), sets, set_count, diags);
}

GfStatus gf_job_load_text(GfJob *job, const char *name, const char *text, size_t length, const GfSet *sets,
                          size_t set_count, GfDiags *diags)
{
    open_job(job, name, diags);
    return finish(job, gf_json_read_text(&job->doc, name, text, length, diags), sets, set_count, diags);
}

GfStatus gf_job_load_pack(GfJob *job, const GfJobPack *pack, const GfSet *sets, size_t set_count, GfDiags *diags)
{
    open_job(job, pack->path, diags);
    job->pack = pack;
    return finish(job, gf_json_read_text(&job->doc, pack->path, pack->job, strlen(pack->job), diags), sets, set_count,
                  diags);
}

void gf_job_close(GfJob *job)
{
    for (size_t i = 0; i < job->variant_count; i++)
        gf_variant_close(&job->variants[i].variant);
    gf_json_close(&job->sets);
    gf_json_close(&job->doc);
    gf_arena_free(&job->arena);
    *job = (GfJob){0};
}
