/* hf_config.c -- see hf_config.h. */
#include "runtime/io/hf_config.h"

#include "runtime/io/file.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 1 << 20, INDENT = 2 };

/* ---- classes ---- */

typedef struct LabelReader {
    GfHfConfig *config;
    const char **labels; /* NULL where no name is known yet */
    GfDiags *diags;
} LabelReader;

static const cJSON *root_key(const GfHfConfig *config, const char *key)
{
    const cJSON *node = gf_json_find(&config->doc, config->doc.root, key);

    return cJSON_IsNull(node) ? NULL : node;
}

/* The class number that a key of id2label spells: decimal, without signs or needless zeros. */
static bool class_number(const char *text, size_t count, size_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9' || (text[0] == '0' && text[1]))
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    *out = (size_t)number;
    return *end == '\0' && number < count;
}

/* {"0": "sadness", "1": "joy"}: with n entries and no duplicate keys, every number
 * below n stands there. */
static GfStatus read_id2label(LabelReader *r, const cJSON *table)
{
    const GfJson *doc = &r->config->doc;
    size_t number = 0;

    for (const cJSON *entry = table->child; entry; entry = entry->next) {
        if (!class_number(entry->string, r->config->label_count, &number))
            return gf_fail(r->diags, gf_json_key_loc(doc, entry), GF_ERR_LABEL,
                           "'id2label' has %zu entries, so its keys must be \"0\" to \"%zu\"; found \"%s\"",
                           r->config->label_count, r->config->label_count - 1, entry->string);
        GF_TRY(gf_json_as_string(doc, entry, NULL, &r->labels[number], r->diags));
    }
    return GF_OK;
}

/* {"sadness": 0, "joy": 1}: against what id2label said, if there was one. */
static GfStatus read_label2id(LabelReader *r, const cJSON *table)
{
    const GfJson *doc = &r->config->doc;
    int64_t number = 0;

    for (const cJSON *entry = table->child; entry; entry = entry->next) {
        GF_TRY(gf_json_as_int(doc, entry, NULL, &number, r->diags));
        GfLoc loc = gf_json_loc(doc, entry);
        if (number < 0 || (uint64_t)number >= r->config->label_count)
            return gf_fail(r->diags, loc, GF_ERR_LABEL, "class '%s' has number %lld, but there are %zu classes",
                           entry->string, (long long)number, r->config->label_count);
        const char **label = &r->labels[number];
        if (*label && strcmp(*label, entry->string) != 0)
            return gf_fail(r->diags, loc, GF_ERR_LABEL, "class %lld is '%s' here, but '%s' elsewhere",
                           (long long)number, entry->string, *label);
        *label = entry->string;
    }
    return GF_OK;
}

static GfStatus name_by_number(LabelReader *r)
{
    for (size_t i = 0; i < r->config->label_count; i++) {
        r->labels[i] = gf_arena_printf(&r->config->doc.arena, "LABEL_%zu", i);
        if (!r->labels[i])
            return gf_fail_memory(r->diags);
    }
    return GF_OK;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No class name twice. */
static GfStatus check_distinct(GfArena *arena, GfLoc loc, const char *const *labels, size_t count, GfDiags *diags)
{
    const char **list = GF_NEW_ARRAY(arena, const char *, count);

    if (!list)
        return gf_fail_memory(diags);
    if (count == 0)
        return GF_OK;
    memcpy(list, labels, count * sizeof *list);
    qsort(list, count, sizeof *list, compare_strings);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(list[i - 1], list[i]) == 0)
            return gf_fail(diags, loc, GF_ERR_LABEL, "two classes are named '%s'", list[i]);
    }
    return GF_OK;
}

/* The number of classes, on which every table that is there must agree. */
static GfStatus count_labels(LabelReader *r, const cJSON *id2label, const cJSON *label2id)
{
    GfHfConfig *c = r->config;
    const cJSON *table = id2label ? id2label : label2id;
    int64_t count = table ? cJSON_GetArraySize(table) : 0, stated = count;

    GF_TRY(gf_json_get_int_in(&c->doc, c->doc.root, "num_labels", GF_OPTIONAL, 1, LABELS_MAX, &stated, r->diags));
    if (table && stated != count)
        return gf_fail(r->diags, gf_json_loc(&c->doc, table), GF_ERR_LABEL,
                       "'%s' has %lld entries, but 'num_labels' is %lld", table->string, (long long)count,
                       (long long)stated);
    if (id2label && label2id && cJSON_GetArraySize(label2id) != count)
        return gf_fail(r->diags, gf_json_loc(&c->doc, label2id), GF_ERR_LABEL,
                       "'label2id' has %d entries, but 'id2label' has %lld", cJSON_GetArraySize(label2id),
                       (long long)count);
    c->label_count = (size_t)stated;
    return GF_OK;
}

static GfStatus read_tables(LabelReader *r, const cJSON *id2label, const cJSON *label2id)
{
    GfHfConfig *c = r->config;

    if (!id2label && !label2id)
        return name_by_number(r);
    if (id2label)
        GF_TRY(read_id2label(r, id2label));
    if (label2id)
        GF_TRY(read_label2id(r, label2id));
    GfLoc loc = gf_json_loc(&c->doc, id2label ? id2label : label2id);
    for (size_t i = 0; i < c->label_count; i++) {
        if (!r->labels[i])
            return gf_fail(r->diags, loc, GF_ERR_LABEL, "no class has the number %zu", i);
    }
    return check_distinct(&c->doc.arena, loc, r->labels, c->label_count, r->diags);
}

static GfStatus read_labels(GfHfConfig *config, GfDiags *diags)
{
    LabelReader r = {.config = config, .diags = diags};
    const cJSON *id2label = root_key(config, "id2label"), *label2id = root_key(config, "label2id");

    if (id2label)
        GF_TRY(gf_json_as_object(&config->doc, id2label, NULL, &id2label, diags));
    if (label2id)
        GF_TRY(gf_json_as_object(&config->doc, label2id, NULL, &label2id, diags));
    GF_TRY(count_labels(&r, id2label, label2id));
    r.labels = GF_NEW_ARRAY(&config->doc.arena, const char *, config->label_count);
    if (!r.labels)
        return gf_fail_memory(diags);
    config->labels = r.labels;
    return read_tables(&r, id2label, label2id);
}

/* ---- reading ---- */

static GfStatus read_root(GfHfConfig *config, GfDiags *diags)
{
    const cJSON *object;

    GF_TRY(gf_json_as_object(&config->doc, config->doc.root, "a config.json", &object, diags));
    GF_TRY(gf_json_get_string(&config->doc, object, "model_type", GF_OPTIONAL, &config->model_type, diags));
    return read_labels(config, diags);
}

GfStatus gf_hf_config_read(GfHfConfig *config, const char *path, GfDiags *diags)
{
    *config = (GfHfConfig){.model_type = ""};
    GF_TRY(gf_json_read_file(&config->doc, path, diags));
    GfStatus status = read_root(config, diags);
    if (status != GF_OK)
        gf_hf_config_close(config);
    return status;
}

void gf_hf_config_close(GfHfConfig *config)
{
    gf_json_close(&config->doc);
    config->labels = NULL;
    config->label_count = 0;
    config->model_type = "";
}

GfStatus gf_hf_config_int(const GfHfConfig *config, const char *key, int64_t lowest, int64_t highest, int64_t *out,
                          GfDiags *diags)
{
    return gf_json_get_int_in(&config->doc, config->doc.root, key, GF_REQUIRED, lowest, highest, out, diags);
}

GfStatus gf_hf_config_number(const GfHfConfig *config, const char *key, double fallback, double *out, GfDiags *diags)
{
    *out = fallback;
    return gf_json_get_number(&config->doc, config->doc.root, key, GF_OPTIONAL, out, diags);
}

int64_t gf_hf_config_label(const GfHfConfig *config, const char *name)
{
    for (size_t i = 0; i < config->label_count; i++) {
        if (strcmp(config->labels[i], name) == 0)
            return (int64_t)i;
    }
    return -1;
}

/* ---- writing ---- */

typedef struct ConfigWriter {
    GfText text;
    const GfHfConfigSave *save;
    bool more; /* a key stands before */
} ConfigWriter;

static void begin_key(ConfigWriter *w, const char *key)
{
    gf_text_add(&w->text, "%s\n%*s", w->more ? "," : "{", INDENT, "");
    gf_json_quote(&w->text, key);
    gf_text_add(&w->text, ": ");
    w->more = true;
}

static void add_string(ConfigWriter *w, const char *key, const char *value)
{
    begin_key(w, key);
    gf_json_quote(&w->text, value);
}

static void add_architectures(ConfigWriter *w)
{
    begin_key(w, "architectures");
    gf_text_add(&w->text, "[\n%*s", 2 * INDENT, "");
    gf_json_quote(&w->text, w->save->architecture ? w->save->architecture : "BertForSequenceClassification");
    gf_text_add(&w->text, "\n%*s]", INDENT, "");
}

static void add_id2label(ConfigWriter *w)
{
    begin_key(w, "id2label");
    for (size_t i = 0; i < w->save->label_count; i++) {
        gf_text_add(&w->text, "%s\n%*s\"%zu\": ", i ? "," : "{", 2 * INDENT, "", i);
        gf_json_quote(&w->text, w->save->labels[i]);
    }
    gf_text_add(&w->text, "\n%*s}", INDENT, "");
}

static void add_label2id(ConfigWriter *w)
{
    begin_key(w, "label2id");
    for (size_t i = 0; i < w->save->label_count; i++) {
        gf_text_add(&w->text, "%s\n%*s", i ? "," : "{", 2 * INDENT, "");
        gf_json_quote(&w->text, w->save->labels[i]);
        gf_text_add(&w->text, ": %zu", i);
    }
    gf_text_add(&w->text, "\n%*s}", INDENT, "");
}

/* Keys that the saved model states itself.  num_labels follows from id2label, and a
 * contrary one makes transformers throw the names away; dtype is what newer versions
 * call torch_dtype, which all read. */
static bool is_replaced(const char *key)
{
    static const char *const keys[] = {"architectures", "id2label", "label2id",   "num_labels",
                                       "problem_type",  "dtype",    "torch_dtype"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

static void add_base(ConfigWriter *w, const GfJson *base)
{
    for (const cJSON *entry = base->root->child; entry; entry = entry->next) {
        if (is_replaced(entry->string))
            continue;
        begin_key(w, entry->string);
        gf_json_print(&w->text, base, entry, INDENT);
    }
}

static void add_config(ConfigWriter *w, const GfJson *base)
{
    const char *problem = w->save->problem_type, *dtype = w->save->dtype;

    add_architectures(w);
    if (base)
        add_base(w, base);
    else
        add_string(w, "model_type", "bert");
    add_string(w, "torch_dtype", dtype ? dtype : "float32");
    if (w->save->label_count > 0) {
        add_id2label(w);
        add_label2id(w);
    }
    add_string(w, "problem_type", problem ? problem : "single_label_classification");
    gf_text_add(&w->text, "\n}\n");
}

static GfStatus write_in(GfArena *arena, const char *path, const GfJson *base, const GfHfConfigSave *save,
                         GfDiags *diags)
{
    ConfigWriter w = {.text = {.arena = arena}, .save = save};
    GfLoc loc = {.file = path};

    GF_TRY(check_distinct(arena, loc, save->labels, save->label_count, diags));
    if (base && !cJSON_IsObject(base->root))
        return gf_fail(diags, gf_json_loc(base, base->root), GF_ERR_VALUE, "a config.json must be an object, found %s",
                       gf_json_type_name(base->root));
    add_config(&w, base);
    return arena->failed ? gf_fail_memory(diags)
                         : gf_file_write_atomic(path, gf_text_str(&w.text), w.text.length, diags);
}

GfStatus gf_hf_config_write(const char *path, const GfJson *base, const GfHfConfigSave *save, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfStatus status = write_in(&scratch, path, base, save, diags);
    gf_arena_free(&scratch);
    return status;
}
