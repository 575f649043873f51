/* adapter.c -- see adapter.h. */
#include "runtime/io/adapter.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char key_prefix[] = "base_model.model.", weight_ending[] = ".weight";
static const char a_ending[] = ".lora_A", b_ending[] = ".lora_B";

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

static bool is_lora(const char *name)
{
    return ends_with(name, a_ending) || ends_with(name, b_ending);
}

const char *gf_adapter_key(GfArena *arena, const char *name)
{
    return gf_arena_printf(arena, "%s%s%s", key_prefix, name, is_lora(name) ? weight_ending : "");
}

const GfStTensor *gf_adapter_find(const GfAdapter *adapter, GfArena *scratch, const char *name)
{
    const char *key = gf_adapter_key(scratch, name);
    return key ? gf_safetensors_find(&adapter->file, key) : NULL;
}

/* ---- the settings ---- */

/* Settings that say nothing of what the adapter computes. */
static bool is_harmless(const char *key)
{
    static const char *const keys[] = {"peft_type",         "task_type",
                                       "auto_mapping",      "peft_version",
                                       "revision",          "base_model_name_or_path",
                                       "inference_mode",    "r",
                                       "target_modules",    "lora_alpha",
                                       "lora_dropout",      "use_rslora",
                                       "modules_to_save",   "megatron_core",
                                       "init_lora_weights", "bias",
                                       "qalora_group_size"};

    for (size_t i = 0; i < COUNT(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* null, false, 0, "", [] and {}: what a setting is while nobody uses it. */
static bool is_unused(const cJSON *value)
{
    return cJSON_IsNull(value) || cJSON_IsFalse(value) || (cJSON_IsNumber(value) && value->valuedouble == 0) ||
           (cJSON_IsString(value) && !*value->valuestring) ||
           ((cJSON_IsArray(value) || cJSON_IsObject(value)) && !value->child);
}

/* Settings that nobody here knows may change what the adapter computes. */
static GfStatus check_unknown(const GfAdapter *a, GfDiags *diags)
{
    for (const cJSON *entry = a->config.root->child; entry; entry = entry->next) {
        if (is_harmless(entry->string) || is_unused(entry))
            continue;
        gf_fail(diags, gf_json_key_loc(&a->config, entry), GF_ERR_VALUE, "the setting '%s' is not supported",
                entry->string);
        gf_note(diags, "graft reads plain LoRA: r, lora_alpha, lora_dropout, use_rslora, target_modules, "
                       "modules_to_save");
        return GF_ERR_VALUE;
    }
    return GF_OK;
}

/* A text setting is one of `allowed`, or, when there is no `need` of it, absent. */
static GfStatus check_word(const GfAdapter *a, const char *key, GfJsonNeed need, const char *const *allowed,
                           size_t count, GfDiags *diags)
{
    const char *word = NULL;

    GF_TRY(gf_json_get_string(&a->config, a->config.root, key, need, &word, diags));
    for (size_t i = 0; word && i < count; i++)
        if (strcmp(word, allowed[i]) == 0)
            return GF_OK;
    if (!word)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&a->config, gf_json_find(&a->config, a->config.root, key)), GF_ERR_VALUE,
                   "'%s' is \"%s\"; only \"%s\" is supported", key, word, allowed[0]);
}

/* Other ways to begin than these take something away from the base's weights. */
static GfStatus check_init(const GfAdapter *a, GfDiags *diags)
{
    const cJSON *node = gf_json_find(&a->config, a->config.root, "init_lora_weights");

    if (!cJSON_IsString(node) || !strcmp(node->valuestring, "gaussian") || !strcmp(node->valuestring, "orthogonal"))
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&a->config, node), GF_ERR_VALUE,
                   "init_lora_weights \"%s\" changes the base model, which is not supported", node->valuestring);
}

static GfStatus check_settings(const GfAdapter *a, GfDiags *diags)
{
    static const char *const types[] = {"LORA"}, *const tasks[] = {"SEQ_CLS"}, *const biases[] = {"none"};

    GF_TRY(check_word(a, "peft_type", GF_REQUIRED, types, COUNT(types), diags));
    GF_TRY(check_word(a, "task_type", GF_OPTIONAL, tasks, COUNT(tasks), diags));
    GF_TRY(check_word(a, "bias", GF_OPTIONAL, biases, COUNT(biases), diags));
    GF_TRY(check_init(a, diags));
    return check_unknown(a, diags);
}

static GfStatus read_settings(GfAdapter *a, GfDiags *diags)
{
    const GfJson *doc = &a->config;
    const cJSON *root;
    GfLora *l = &a->lora;

    GF_TRY(gf_json_as_object(doc, doc->root, "an adapter_config.json", &root, diags));
    GF_TRY(check_settings(a, diags));
    *l = (GfLora){.alpha = 8};
    GF_TRY(gf_json_get_string(doc, root, "base_model_name_or_path", GF_OPTIONAL, &a->base, diags));
    GF_TRY(gf_json_get_int_in(doc, root, "r", GF_REQUIRED, 1, 4096, &l->r, diags));
    GF_TRY(gf_json_get_number_in(doc, root, "lora_alpha", GF_REQUIRED, 0, 1e6, &l->alpha, diags));
    GF_TRY(gf_json_get_number_in(doc, root, "lora_dropout", GF_OPTIONAL, 0, 0.999, &l->dropout, diags));
    GF_TRY(gf_json_get_bool(doc, root, "use_rslora", GF_OPTIONAL, &l->use_rslora, diags));
    if (l->alpha > 0)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, root, "lora_alpha")), GF_ERR_VALUE,
                   "'lora_alpha' must be greater than 0");
}

/* ---- the tensors ---- */

static GfLoc file_loc(const GfAdapter *a)
{
    return (GfLoc){.file = a->file.path};
}

/* graft's name of a tensor, in `arena`; NULL for a name that is none of PEFT's LoRA. */
static const char *plain_name(GfArena *arena, const char *key)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t prefix = strlen(key_prefix);

    if (strncmp(key, key_prefix, prefix) != 0 || key[strspn(key, allowed)])
        return NULL;
    size_t length = strlen(key + prefix);
    char *name = gf_arena_strdup(arena, key + prefix);
    if (!name || !strstr(name, ".lora_"))
        return name;
    if (ends_with(name, weight_ending))
        name[length - strlen(weight_ending)] = '\0';
    return is_lora(name) ? name : NULL;
}

/* "a.query" for "a.query.lora_A" and "a.query.weight". */
static const char *module_of(GfArena *arena, const char *name)
{
    const char *dot = strrchr(name, '.');
    return gf_arena_strndup(arena, name, dot ? (size_t)(dot - name) : strlen(name));
}

static GfStatus check_pair(const GfAdapter *a, GfArena *scratch, const char *name, const GfStTensor *t, GfDiags *diags)
{
    bool is_a = ends_with(name, a_ending);
    const char *twin =
        gf_arena_printf(scratch, "%.*s%s", (int)(strlen(name) - strlen(a_ending)), name, is_a ? b_ending : a_ending);

    if (!twin)
        return gf_fail_memory(diags);
    if (!gf_adapter_find(a, scratch, twin))
        return gf_fail(diags, file_loc(a), GF_ERR_TENSOR, "has tensor '%s', but no '%s'", t->name,
                       gf_adapter_key(scratch, twin));
    if (t->rank == 2 && t->shape[is_a ? 0 : 1] == a->lora.r)
        return GF_OK;
    return gf_fail(diags, file_loc(a), GF_ERR_TENSOR, "tensor '%s' is not of rank %lld, which r is in %s", t->name,
                   (long long)a->lora.r, GF_ADAPTER_CONFIG);
}

/* ---- as a variant ---- */

/* Names, each once, in order of appearance. */
typedef struct Words {
    const char **items;
    size_t count;
} Words;

static bool has_word(const Words *w, const char *word)
{
    for (size_t i = w->count; i > 0; i--)
        if (strcmp(w->items[i - 1], word) == 0)
            return true;
    return false;
}

static void add_word(Words *w, const char *word)
{
    if (!has_word(w, word))
        w->items[w->count++] = word;
}

static GfStatus list_adapted(GfAdapter *a, Words *adapted, GfDiags *diags)
{
    for (size_t i = 0; i < a->file.count; i++) {
        const GfStTensor *t = &a->file.tensors[i];
        const char *name = plain_name(&a->arena, t->name);
        const char *module = name ? module_of(&a->arena, name) : NULL;
        if (a->arena.failed)
            return gf_fail_memory(diags);
        if (!module)
            return gf_fail(diags, file_loc(a), GF_ERR_NAME, "'%s' is no tensor of a LoRA adapter", t->name);
        if (!is_lora(name))
            continue;
        GF_TRY(check_pair(a, &a->arena, name, t, diags));
        add_word(adapted, module);
    }
    if (adapted->count)
        return GF_OK;
    return gf_fail(diags, file_loc(a), GF_ERR_TENSOR, "has no tensor '...lora_A.weight'");
}

/* As peft has it: the module's path is the target or ends in it after a dot. */
static bool is_target(const char *module, const char *target)
{
    size_t n = strlen(module), m = strlen(target);
    return n == m ? !strcmp(module, target) : m && n > m && module[n - m - 1] == '.' && ends_with(module, target);
}

static bool is_used(const Words *adapted, const char *target)
{
    for (size_t i = 0; i < adapted->count; i++)
        if (is_target(adapted->items[i], target))
            return true;
    return false;
}

/* Of a list, the targets that the file has modules for; of an expression, those modules. */
static GfStatus read_targets(GfAdapter *a, const Words *adapted, Words *targets, GfDiags *diags)
{
    const cJSON *list = gf_json_find(&a->config, a->config.root, "target_modules");
    const char *word = NULL;

    if (cJSON_IsString(list)) {
        *targets = *adapted;
        return GF_OK;
    }
    GF_TRY(gf_json_get_array(&a->config, a->config.root, "target_modules", GF_REQUIRED, &list, diags));
    targets->items = GF_NEW_ARRAY(&a->arena, const char *, (size_t)cJSON_GetArraySize(list) + 1);
    if (!targets->items)
        return gf_fail_memory(diags);
    for (const cJSON *item = list->child; item; item = item->next) {
        GF_TRY(gf_json_as_string(&a->config, item, "a target", &word, diags));
        if (is_used(adapted, word))
            add_word(targets, word);
    }
    if (targets->count)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&a->config, list), GF_ERR_VALUE, "no target has tensors in %s", GF_ADAPTER_FILE);
}

/* Nothing but the adapters trains: what else they bring is found by its name. */
static void write_variant(GfAdapter *a, GfText *text, const Words *targets)
{
    gf_text_add(text, "{\n  \"variant\": \"lora\",\n  \"freeze\": [\"*\"],\n  \"lora\": {\"targets\": [");
    for (size_t i = 0; i < targets->count; i++)
        gf_text_add(text, "%s\"%s\"", i ? ", " : "", targets->items[i]);
    gf_text_add(text, "], \"r\": %lld, \"alpha\": ", (long long)a->lora.r);
    gf_json_add_number(text, a->lora.alpha);
    gf_text_add(text, ", \"dropout\": ");
    gf_json_add_number(text, a->lora.dropout);
    gf_text_add(text, ", \"use_rslora\": %s}\n}\n", a->lora.use_rslora ? "true" : "false");
}

static const char *join(GfArena *arena, const Words *words)
{
    GfText text = {.arena = arena};

    for (size_t i = 0; i < words->count; i++)
        gf_text_add(&text, "%s%s", i ? " " : "", words->items[i]);
    return gf_text_str(&text);
}

static GfStatus describe(GfAdapter *a, GfDiags *diags)
{
    Words adapted = {.items = GF_NEW_ARRAY(&a->arena, const char *, a->file.count + 1)};
    Words targets = {0};
    GfText text = {.arena = &a->arena};

    if (a->arena.failed)
        return gf_fail_memory(diags);
    GF_TRY(list_adapted(a, &adapted, diags));
    GF_TRY(read_targets(a, &adapted, &targets, diags));
    a->lora.targets = join(&a->arena, &targets);
    write_variant(a, &text, &targets);
    a->variant = gf_text_str(&text);
    return a->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

/* ---- opening ---- */

static GfStatus open(GfAdapter *a, const char *folder, GfDiags *diags)
{
    const char *config = gf_path_join(&a->arena, folder, GF_ADAPTER_CONFIG);
    const char *file = gf_path_join(&a->arena, folder, GF_ADAPTER_FILE);

    if (a->arena.failed)
        return gf_fail_memory(diags);
    GF_TRY(gf_json_read_file(&a->config, config, diags));
    GF_TRY(read_settings(a, diags));
    GF_TRY(gf_safetensors_open(&a->file, file, diags));
    return describe(a, diags);
}

GfStatus gf_adapter_open(GfAdapter *adapter, const char *folder, GfDiags *diags)
{
    *adapter = (GfAdapter){0};
    gf_arena_init(&adapter->arena, diags ? diags->arena.allocator : NULL);
    GfStatus status = open(adapter, folder, diags);
    if (status != GF_OK)
        gf_adapter_close(adapter);
    return status;
}

void gf_adapter_close(GfAdapter *adapter)
{
    gf_safetensors_close(&adapter->file);
    gf_json_close(&adapter->config);
    gf_arena_free(&adapter->arena);
    *adapter = (GfAdapter){0};
}

/* ---- against a variant ---- */

static double scale_of(const GfLora *l)
{
    return l->alpha / (l->use_rslora ? sqrt((double)l->r) : (double)l->r);
}

GfStatus gf_adapter_check_variant(const GfAdapter *adapter, const GfVariant *v, GfDiags *diags)
{
    const GfLora *mine = &adapter->lora, *theirs = &v->lora;

    if (!v->has_lora) {
        gf_fail(diags, gf_json_loc(&v->doc, v->doc.root), GF_ERR_VALUE,
                "the checkpoint is an adapter, but this variant has no \"lora\"");
        gf_note(diags,
                "`graft export ADAPTER --merge -o DIR` makes a checkpoint of it that any variant can start from");
        return GF_ERR_VALUE;
    }
    if (mine->r == theirs->r && scale_of(mine) == scale_of(theirs))
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&v->doc, gf_json_find(&v->doc, v->doc.root, "lora")), GF_ERR_VALUE,
                   "the adapter has rank %lld and scale %g, this variant has rank %lld and scale %g",
                   (long long)mine->r, scale_of(mine), (long long)theirs->r, scale_of(theirs));
}

/* ---- writing ---- */

static void add_list(GfText *text, const char *key, const char *const *items, size_t count)
{
    gf_text_add(text, ",\n  \"%s\": %s", key, count ? "[" : "null");
    for (size_t i = 0; i < count; i++) {
        gf_text_add(text, "%s\n    ", i ? "," : "");
        gf_json_quote(text, items[i]);
    }
    gf_text_add(text, count ? "\n  ]" : "");
}

static void add_config(GfText *text, const GfAdapterSave *s)
{
    gf_text_add(text, "{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"SEQ_CLS\",\n  \"base_model_name_or_path\": ");
    gf_json_quote(text, s->base);
    gf_text_add(text, ",\n  \"r\": %lld,\n  \"lora_alpha\": ", (long long)s->lora->r);
    gf_json_add_number(text, s->lora->alpha);
    gf_text_add(text, ",\n  \"lora_dropout\": ");
    gf_json_add_number(text, s->lora->dropout);
    gf_text_add(text, ",\n  \"use_rslora\": %s", s->lora->use_rslora ? "true" : "false");
    add_list(text, "target_modules", s->targets, s->target_count);
    add_list(text, "modules_to_save", s->saved, s->saved_count);
    gf_text_add(text, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"use_dora\": false,\n"
                      "  \"init_lora_weights\": true,\n  \"inference_mode\": true\n}\n");
}

GfStatus gf_adapter_write_config(const char *path, const GfAdapterSave *save, GfDiags *diags)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    add_config(&text, save);
    GfStatus status =
        scratch.failed ? gf_fail_memory(diags) : gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
    gf_arena_free(&scratch);
    return status;
}
