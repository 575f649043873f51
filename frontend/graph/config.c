/* config.c -- see config.h. */
#include "frontend/graph/config.h"

#include <math.h>
#include <string.h>

static const char *kind_name(GfConfigKind kind)
{
    switch (kind) {
    case GF_CONFIG_NUMBER:
        return "a number";
    case GF_CONFIG_STRING:
        return "a string";
    case GF_CONFIG_BOOL:
        return "true or false";
    case GF_CONFIG_NULL:
        break;
    }
    return "a number, a string or null";
}

static bool kind_of(const cJSON *node, GfConfigKind *kind)
{
    if (cJSON_IsNumber(node))
        *kind = GF_CONFIG_NUMBER;
    else if (cJSON_IsString(node))
        *kind = GF_CONFIG_STRING;
    else if (cJSON_IsBool(node))
        *kind = GF_CONFIG_BOOL;
    else if (cJSON_IsNull(node))
        *kind = GF_CONFIG_NULL;
    else
        return false;
    return true;
}

static GfStatus set(GfConfigValue *value, GfArena *arena, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    if (!kind_of(node, &value->kind))
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "config key '%s' holds one value, found %s",
                       value->key, gf_json_type_name(node));
    value->number = value->kind == GF_CONFIG_NUMBER ? node->valuedouble : cJSON_IsTrue(node);
    value->text = value->kind == GF_CONFIG_STRING ? gf_arena_strdup(arena, node->valuestring) : NULL;
    value->loc = gf_json_loc(doc, node);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_config_read(GfConfig *config, GfArena *arena, const GfJson *doc, const cJSON *defaults, GfDiags *diags)
{
    size_t room = defaults ? (size_t)cJSON_GetArraySize(defaults) : 0;

    if (room > GF_CONFIG_KEYS_MAX)
        return gf_fail(diags, gf_json_loc(doc, defaults), GF_ERR_VALUE, "a config has at most %d keys, found %zu",
                       GF_CONFIG_KEYS_MAX, room);
    config->count = 0;
    config->values = GF_NEW_ARRAY(arena, GfConfigValue, room + 1);
    config->keys = GF_NEW_ARRAY(arena, const char *, room + 1);
    if (!config->values || !config->keys)
        return gf_fail_memory(diags);
    for (const cJSON *node = room ? defaults->child : NULL; node; node = node->next) {
        GfConfigValue *value = &config->values[config->count];
        value->key = config->keys[config->count++] = gf_arena_strdup(arena, node->string);
        GF_TRY(set(value, arena, doc, node, diags));
        value->example = value->kind;
    }
    return GF_OK;
}

static GfStatus check_kind(const GfConfigValue *value, const GfJson *doc, const cJSON *node, GfDiags *diags)
{
    bool nullable = value->example == GF_CONFIG_NULL;
    GfConfigKind kind;

    if (kind_of(node, &kind) && (kind == value->example || (nullable && kind != GF_CONFIG_BOOL)))
        return GF_OK;
    GfStatus status = gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "config key '%s' must be %s, found %s",
                              value->key, kind_name(value->example), gf_json_type_name(node));
    if (value->example == GF_CONFIG_STRING && value->text)
        gf_note(diags, "for example \"%s\"", value->text);
    else if (value->example == GF_CONFIG_NUMBER)
        gf_note(diags, "for example %g", value->number);
    return status;
}

GfStatus gf_config_merge(GfConfig *config, GfArena *arena, const GfConfigSource *source, GfDiags *diags)
{
    if (!source->object)
        return GF_OK;
    if (!cJSON_IsObject(source->object))
        return gf_fail(diags, gf_json_loc(source->doc, source->object), GF_ERR_VALUE,
                       "config values must be an object, found %s", gf_json_type_name(source->object));
    if (!source->foreign)
        GF_TRY(
            gf_json_check_keys(source->doc, source->object, config->keys, config->count, "the model's config", diags));
    for (const cJSON *node = source->object->child; node; node = node->next) {
        GfConfigValue *value = gf_config_find(config, node->string);
        if (!value)
            continue;
        GF_TRY(check_kind(value, source->doc, node, diags));
        GF_TRY(set(value, arena, source->doc, node, diags));
    }
    return GF_OK;
}

GfConfigValue *gf_config_find(const GfConfig *config, const char *key)
{
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->values[i].key, key) == 0)
            return &config->values[i];
    }
    return NULL;
}

void gf_config_add_value(GfText *text, const GfConfigValue *v)
{
    switch (v->kind) {
    case GF_CONFIG_NULL:
        gf_text_add(text, "null");
        break;
    case GF_CONFIG_NUMBER:
        gf_json_add_number(text, v->number);
        break;
    case GF_CONFIG_STRING:
        gf_json_quote(text, v->text);
        break;
    case GF_CONFIG_BOOL:
        gf_text_add(text, v->number != 0 ? "true" : "false");
        break;
    }
}

int64_t gf_config_i(const GfConfig *config, const char *key, int64_t fallback)
{
    double value = gf_config_f(config, key, NAN);
    return fabs(value) < 9007199254740992.0 ? (int64_t)value : fallback;
}

double gf_config_f(const GfConfig *config, const char *key, double fallback)
{
    const GfConfigValue *value = gf_config_find(config, key);
    return value && (value->kind == GF_CONFIG_NUMBER || value->kind == GF_CONFIG_BOOL) ? value->number : fallback;
}

const char *gf_config_s(const GfConfig *config, const char *key, const char *fallback)
{
    const GfConfigValue *value = gf_config_find(config, key);
    return value && value->kind == GF_CONFIG_STRING ? value->text : fallback;
}
