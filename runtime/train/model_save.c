/* model_save.c -- see model_save.h. */
#include "runtime/train/model_save.h"

#include "runtime/io/folder.h"
#include "runtime/io/pretrained.h"
#include "runtime/train/model_values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char a_ending[] = ".lora_A", b_ending[] = ".lora_B";

/* Names, each once. */
typedef struct Words {
    const char **items;
    size_t count;
} Words;

typedef struct Save {
    const GfModelSave *what;
    const char *folder;
    GfArena *scratch;
    GfDiags *diags;
    bool adapter; /* else a model */
    bool own_base;
    Words saved; /* modules that an adapter brings whole */
} Save;

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

static bool is_lora(const GfStoreTensor *t)
{
    return ends_with(t->name, a_ending) || ends_with(t->name, b_ending);
}

/* "a.query" for "a.query.weight". */
static const char *module_of(GfArena *arena, const char *name)
{
    const char *dot = strrchr(name, '.');
    return gf_arena_strndup(arena, name, dot ? (size_t)(dot - name) : strlen(name));
}

/* The adapter's half beside a parameter's module, or NULL. */
static const GfStoreTensor *find_half(const Save *s, const char *module, const char *ending)
{
    const char *name = module ? gf_arena_printf(s->scratch, "%s%s", module, ending) : NULL;
    return name ? gf_store_find(s->what->store, name) : NULL;
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

static const char *dtype_word(GfStDType dtype)
{
    return dtype == GF_ST_F16 ? "float16" : dtype == GF_ST_BF16 ? "bfloat16" : "float32";
}

static GfStatus write_config(Save *s, const char *folder)
{
    GfHfConfigSave extra = {.architecture = s->what->model->name,
                            .labels = s->what->labels,
                            .label_count = s->what->label_count,
                            .problem_type = s->what->problem_type,
                            .dtype = dtype_word(s->what->dtype)};
    const char *path = gf_path_join(s->scratch, folder, "config.json");
    GfJson doc;

    GF_TRY(read_base(s, &doc));
    GfStatus status = lay_over(s, &doc);
    if (status == GF_OK)
        status = path ? gf_hf_config_write(path, &doc, &extra, s->diags) : gf_fail_memory(s->diags);
    gf_json_close(&doc);
    return status;
}

/* ---- a model ---- */

/* Every parameter but the adapters' own, which are added to theirs when `merge` says so. */
static GfStatus write_model(Save *s, const char *folder, bool merge)
{
    const GfStore *store = s->what->store;
    const GfLora *l = &s->what->variant->lora;
    GfSavedTensor *list = GF_NEW_ARRAY(s->scratch, GfSavedTensor, store->count + 1);
    const char *path = gf_path_join(s->scratch, folder, "model.safetensors");
    double scale = l->r ? l->alpha / (l->use_rslora ? sqrt((double)l->r) : (double)l->r) : 0;
    size_t count = 0;

    for (size_t i = 0; i < store->count && list; i++) {
        const GfStoreTensor *t = &store->tensors[i];
        if (t->kind != GF_TENSOR_PARAM || is_lora(t))
            continue;
        const char *module = merge && ends_with(t->name, ".weight") ? module_of(s->scratch, t->name) : NULL;
        list[count++] = (GfSavedTensor){t->name, t, find_half(s, module, a_ending), find_half(s, module, b_ending)};
    }
    if (s->scratch->failed)
        return gf_fail_memory(s->diags);
    GF_TRY(gf_model_values_write(path, list, count, s->what->dtype, scale, s->diags));
    return write_config(s, folder);
}

/* ---- what an adapter brings ---- */

static bool has_word(const Words *w, const char *word)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->items[i], word) == 0)
            return true;
    return false;
}

/* A parameter that trains, that an adapter brought before, or that the base cannot provide. */
static bool is_brought(const Save *s, const GfStoreTensor *t)
{
    if (t->kind != GF_TENSOR_PARAM || is_lora(t))
        return false;
    return !t->frozen || t->adapted || (!s->own_base && t->fresh);
}

/* modules_to_save names by endings, without regard to dots: "classifier" is "pre_classifier" too. */
static bool is_named(const Words *saved, size_t count, const char *module)
{
    for (size_t i = 0; i < count; i++)
        if (ends_with(module, saved->items[i]))
            return true;
    return false;
}

/* Modules with a parameter that must be brought; false: one of them is adapted itself. */
static bool list_saved(Save *s)
{
    const GfStore *store = s->what->store;
    bool all = true;

    s->saved.count = 0;
    for (size_t i = 0; i < store->count; i++) {
        const char *module = module_of(s->scratch, store->tensors[i].name);
        if (!module || !is_brought(s, &store->tensors[i]) || has_word(&s->saved, module))
            continue;
        if (find_half(s, module, a_ending))
            all = false;
        else
            s->saved.items[s->saved.count++] = module;
    }
    return all;
}

static void add_named(Save *s)
{
    const GfStore *store = s->what->store;
    size_t count = s->saved.count;

    for (size_t i = 0; i < store->count; i++) {
        const GfStoreTensor *t = &store->tensors[i];
        const char *module = module_of(s->scratch, t->name);
        if (module && t->kind == GF_TENSOR_PARAM && !is_lora(t) && !find_half(s, module, a_ending) &&
            is_named(&s->saved, count, module) && !has_word(&s->saved, module))
            s->saved.items[s->saved.count++] = module;
    }
}

static GfStatus real_path(Save *s, const char *folder, const char **out)
{
    char *full = realpath(folder, NULL);

    if (!full)
        return gf_fail(s->diags, (GfLoc){.file = folder}, GF_ERR_IO, "cannot be found: %s", strerror(errno));
    *out = gf_arena_strdup(s->scratch, full);
    free(full);
    return *out ? GF_OK : gf_fail_memory(s->diags);
}

/* There is no base, or it is the very folder that is written. */
static GfStatus lacks_base(Save *s, bool *yes)
{
    const char *base, *folder;

    *yes = !s->what->base;
    if (*yes)
        return GF_OK;
    GF_TRY(real_path(s, s->what->base, &base));
    GF_TRY(real_path(s, s->folder, &folder));
    *yes = strcmp(base, folder) == 0;
    return GF_OK;
}

static GfStatus plan_adapter(Save *s)
{
    s->saved.items = GF_NEW_ARRAY(s->scratch, const char *, s->what->store->count + 1);
    if (!s->saved.items)
        return gf_fail_memory(s->diags);
    GF_TRY(lacks_base(s, &s->own_base));
    if (!list_saved(s) && !s->own_base) {
        s->own_base = true;
        list_saved(s);
    }
    add_named(s);
    return s->scratch->failed ? gf_fail_memory(s->diags) : GF_OK;
}

/* ---- an adapter ---- */

static GfStatus write_adapter_file(Save *s)
{
    const GfStore *store = s->what->store;
    GfSavedTensor *list = GF_NEW_ARRAY(s->scratch, GfSavedTensor, store->count + 1);
    const char *path = gf_path_join(s->scratch, s->folder, GF_ADAPTER_FILE);
    size_t count = 0;

    for (size_t i = 0; i < store->count && list; i++) {
        const GfStoreTensor *t = &store->tensors[i];
        const char *module = module_of(s->scratch, t->name);
        if (t->kind != GF_TENSOR_PARAM || !module || !(is_lora(t) || has_word(&s->saved, module)))
            continue;
        list[count++] = (GfSavedTensor){.name = gf_adapter_key(s->scratch, t->name), .values = t};
    }
    if (s->scratch->failed)
        return gf_fail_memory(s->diags);
    return gf_model_values_write(path, list, count, s->what->dtype, 0, s->diags);
}

/* The variant's words, or, since peft knows no patterns there, the modules that they match. */
static GfStatus list_targets(Save *s, Words *targets)
{
    const GfStore *store = s->what->store;
    const char *words = s->what->variant->lora.targets;
    bool patterns = strpbrk(words, "*?") != NULL;

    targets->items = GF_NEW_ARRAY(s->scratch, const char *, store->count + strlen(words) + 1);
    for (size_t i = 0; i < store->count && patterns && targets->items; i++)
        if (ends_with(store->tensors[i].name, a_ending))
            targets->items[targets->count++] = module_of(s->scratch, store->tensors[i].name);
    for (; *words && !patterns && targets->items; words += strspn(words, " ")) {
        size_t length = strcspn(words, " ");
        targets->items[targets->count++] = gf_arena_strndup(s->scratch, words, length);
        words += length;
    }
    return s->scratch->failed ? gf_fail_memory(s->diags) : GF_OK;
}

/* The absolute path of a folder that will be there. */
static GfStatus find_place(Save *s, const char *folder, const char **out)
{
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder, *parent = ".";

    if (slash)
        parent = slash > folder ? gf_arena_strndup(s->scratch, folder, (size_t)(slash - folder)) : "/";
    if (!parent)
        return gf_fail_memory(s->diags);
    GF_TRY(real_path(s, parent, &parent));
    *out = gf_path_join(s->scratch, parent, name);
    return *out ? GF_OK : gf_fail_memory(s->diags);
}

/* Absolute: peft would look for a relative path in the working directory. */
static GfStatus find_base(Save *s, const char **out)
{
    const char *home = NULL;

    if (!s->own_base)
        return real_path(s, s->what->base, out);
    GF_TRY(s->what->home ? find_place(s, s->what->home, &home) : real_path(s, s->folder, &home));
    *out = gf_path_join(s->scratch, home, GF_OWN_BASE);
    return *out ? GF_OK : gf_fail_memory(s->diags);
}

static GfStatus write_own_base(Save *s)
{
    const char *folder = gf_path_join(s->scratch, s->folder, GF_OWN_BASE);

    if (!folder)
        return gf_fail_memory(s->diags);
    GF_TRY(gf_folder_make(folder, (GfLoc){.file = folder}, s->diags));
    return write_model(s, folder, false);
}

static GfStatus write_adapter(Save *s)
{
    GfAdapterSave save = {.lora = &s->what->variant->lora};
    const char *path = gf_path_join(s->scratch, s->folder, GF_ADAPTER_CONFIG);
    Words targets = {0};

    GF_TRY(list_targets(s, &targets));
    if (s->own_base)
        GF_TRY(write_own_base(s));
    GF_TRY(find_base(s, &save.base));
    GF_TRY(write_adapter_file(s));
    save.targets = targets.items;
    save.target_count = targets.count;
    save.saved = s->saved.items;
    save.saved_count = s->saved.count;
    GF_TRY(write_config(s, s->folder));
    return gf_adapter_write_config(path, &save, s->diags);
}

/* ---- all ---- */

/* What an earlier model of another kind left, once this one is there: a folder is
 * read as one kind, and an adapter's own base before the one that it names. */
static GfStatus remove_others(Save *s)
{
    static const struct {
        const char *name;
        bool in_model, in_adapter, in_own_base;
    } files[] = {{"model.safetensors", true, false, false},
                 {"model.safetensors.index.json", false, false, false},
                 {GF_ADAPTER_CONFIG, false, true, true},
                 {GF_ADAPTER_FILE, false, true, true},
                 {GF_OWN_BASE "/config.json", false, false, true},
                 {GF_OWN_BASE "/model.safetensors", false, false, true},
                 {GF_OWN_BASE, false, false, true}};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bool keep = !s->adapter ? files[i].in_model : s->own_base ? files[i].in_own_base : files[i].in_adapter;
        const char *path = keep ? NULL : gf_path_join(s->scratch, s->folder, files[i].name);
        if (path && remove(path) != 0 && errno != ENOENT && errno != ENOTDIR && errno != ENOTEMPTY)
            return gf_fail(s->diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be removed: %s", strerror(errno));
    }
    return s->scratch->failed ? gf_fail_memory(s->diags) : GF_OK;
}

static GfStatus save(Save *s)
{
    s->adapter = s->what->variant->has_lora && !s->what->merge;
    GF_TRY(gf_store_pull(s->what->store, s->diags));
    if (s->adapter)
        GF_TRY(plan_adapter(s));
    GF_TRY(s->adapter ? write_adapter(s) : write_model(s, s->folder, s->what->merge));
    return remove_others(s);
}

GfStatus gf_model_save(const char *folder, const GfModelSave *what, GfDiags *diags)
{
    GfArena scratch;
    Save s = {.what = what, .folder = folder, .scratch = &scratch, .diags = diags};

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = save(&s);
    gf_arena_free(&scratch);
    return status;
}
