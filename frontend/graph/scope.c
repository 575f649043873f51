/* scope.c -- see scope.h. */
#include "frontend/graph/scope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static GfBinding *find_binding(const GfScope *scope, const char *name)
{
    for (size_t i = 0; i < scope->value_count; i++) {
        if (strcmp(scope->values[i].name, name) == 0)
            return &scope->values[i];
    }
    return NULL;
}

GfStatus gf_scope_bind(GfScope *scope, const cJSON *node, const char *name, GfValue *value, bool fixed)
{
    GfBinding *old = find_binding(scope, name);

    if (old && (old->fixed || fixed))
        return gf_fail(scope->diags, gf_json_loc(scope->doc, node), GF_ERR_NAME,
                       "'%s' is a parameter of this block: no other value can have its name", name);
    if (!old) {
        scope->values = (GfBinding *)gf_arena_grow(scope->arena, scope->values, scope->value_count,
                                                   &scope->value_capacity, sizeof *scope->values);
        if (!scope->values)
            return gf_fail_memory(scope->diags);
        old = &scope->values[scope->value_count++];
    }
    *old = (GfBinding){.name = name, .value = value, .fixed = fixed};
    return GF_OK;
}

static size_t list_names(const GfScope *scope, const char **names)
{
    for (size_t i = 0; i < scope->value_count; i++)
        names[i] = scope->values[i].name;
    return scope->value_count;
}

static void note_closest_value(const GfScope *scope, const char *name)
{
    size_t room = scope->value_count + (scope->inputs ? scope->inputs->value_count : 0);
    const char **names = GF_NEW_ARRAY(scope->arena, const char *, room + 1);

    if (!names)
        return;
    size_t count = list_names(scope, names);
    if (scope->inputs)
        count += list_names(scope->inputs, names + count);
    const char *close = gf_closest(name, names, count);
    if (close)
        gf_note(scope->diags, "did you mean '%s'?", close);
    else
        gf_note(scope->diags,
                "a block sees what it takes, its params, what its statements gave so far, and the inputs");
}

GfStatus gf_scope_value(const GfScope *scope, const cJSON *node, const char *name, GfValue **value)
{
    const GfBinding *found = find_binding(scope, name);

    if (!found && scope->inputs)
        found = find_binding(scope->inputs, name);
    if (found) {
        *value = found->value;
        return GF_OK;
    }
    GfStatus status =
        gf_fail(scope->diags, gf_json_loc(scope->doc, node), GF_ERR_NAME, "the value '%s' is not defined here", name);
    note_closest_value(scope, name);
    return status;
}

/* ---- numbers ---- */

static bool find_size(const GfScope *scope, const char *name, double *number)
{
    for (size_t i = 0; i < scope->size_count; i++) {
        if (strcmp(scope->sizes[i].name, name) == 0) {
            *number = (double)scope->sizes[i].value;
            return true;
        }
    }
    return false;
}

static GfStatus unknown_number(const GfScope *scope, const cJSON *node, const char *name)
{
    const char *names[GF_NAMES_MAX + GF_CONFIG_KEYS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < scope->size_count; i++)
        names[count++] = scope->sizes[i].name;
    for (size_t i = 0; i < scope->config->count; i++)
        names[count++] = scope->config->keys[i];
    GfStatus status =
        gf_fail(scope->diags, gf_json_loc(scope->doc, node), GF_ERR_NAME, "there is no size or config key '%s'", name);
    const char *close = gf_closest(name, names, count);
    if (close)
        gf_note(scope->diags, "did you mean '%s'?", close);
    return status;
}

GfStatus gf_scope_named_number(const GfScope *scope, const cJSON *node, const char *name, double *number, GfLoc *loc)
{
    *loc = gf_json_loc(scope->doc, node);
    if (find_size(scope, name, number))
        return GF_OK;
    const GfConfigValue *value = gf_config_find(scope->config, name);
    if (!value)
        return unknown_number(scope, node, name);
    if (value->kind != GF_CONFIG_NUMBER && value->kind != GF_CONFIG_BOOL)
        return gf_fail(scope->diags, value->loc, GF_ERR_VALUE, "config key '%s' is used as a number, it holds %s", name,
                       value->kind == GF_CONFIG_NULL ? "null" : "a string");
    *number = value->number;
    *loc = value->loc;
    return GF_OK;
}

/* The first of a list of config keys that is not null. */
static GfStatus first_number(const GfScope *scope, const cJSON *list, double *number, GfLoc *loc)
{
    GfNames names;

    GF_TRY(gf_names_read(&names, scope->arena, scope->doc, list, scope->diags));
    for (size_t i = 0; i < names.count; i++) {
        const GfConfigValue *value = gf_config_find(scope->config, names.items[i]);
        if (!value || value->kind != GF_CONFIG_NULL)
            return gf_scope_named_number(scope, names.nodes[i], names.items[i], number, loc);
    }
    return gf_fail(scope->diags, gf_json_loc(scope->doc, list), GF_ERR_VALUE, "every config key of this list is null");
}

GfStatus gf_scope_number(const GfScope *scope, const cJSON *node, double *number, GfLoc *loc)
{
    *loc = gf_json_loc(scope->doc, node);
    if (cJSON_IsArray(node))
        return first_number(scope, node, number, loc);
    if (cJSON_IsString(node))
        return gf_scope_named_number(scope, node, node->valuestring, number, loc);
    *number = cJSON_IsNumber(node) ? node->valuedouble : cJSON_IsTrue(node);
    if (cJSON_IsNumber(node) || cJSON_IsBool(node))
        return GF_OK;
    return gf_fail(scope->diags, *loc, GF_ERR_VALUE, "expected a number or the name of a config key, found %s",
                   gf_json_type_name(node));
}

GfStatus gf_scope_whole(const GfScope *scope, double number, GfLoc loc, const char *what, int64_t lowest,
                        int64_t highest, int64_t *out)
{
    if (number == floor(number) && number >= (double)lowest && number <= (double)highest) {
        *out = (int64_t)number;
        return GF_OK;
    }
    return gf_fail(scope->diags, loc, GF_ERR_VALUE, "%s must be a whole number from %lld to %lld, found %.10g", what,
                   (long long)lowest, (long long)highest, number);
}

static GfStatus as_size(const GfScope *scope, double number, GfLoc loc, const char *name, int64_t *size)
{
    char what[GF_WORD_MAX + 16];

    snprintf(what, sizeof what, name ? "the size '%.60s'" : "a size", name);
    return gf_scope_whole(scope, number, loc, what, 1, INT32_MAX, size);
}

GfStatus gf_scope_size(const GfScope *scope, const cJSON *node, int64_t *size)
{
    double number;
    GfLoc loc;

    GF_TRY(gf_scope_number(scope, node, &number, &loc));
    return as_size(scope, number, loc, cJSON_IsString(node) ? node->valuestring : NULL, size);
}

/* ---- types ---- */

static GfStatus dim_of(const GfScope *scope, const cJSON *node, const char *word, GfDim *dim)
{
    double number;
    int64_t size = 0;
    char *end;
    GfLoc loc = gf_json_loc(scope->doc, node);

    if (word[0] >= '0' && word[0] <= '9') {
        number = strtod(word, &end);
        if (*end)
            return gf_fail(scope->diags, loc, GF_ERR_VALUE, "'%s' is not a size", word);
    } else {
        GF_TRY(gf_scope_named_number(scope, node, word, &number, &loc));
    }
    GF_TRY(as_size(scope, number, loc, word, &size));
    *dim = gf_dim_const(size);
    return GF_OK;
}

GfStatus gf_scope_type(const GfScope *scope, const cJSON *node, const GfTypeText *text, GfType *type)
{
    *type = (GfType){.dtype = text->dtype, .rank = text->rank};
    for (uint32_t i = 0; i < text->rank; i++)
        GF_TRY(dim_of(scope, node, text->dims[i], &type->dims[i]));
    return GF_OK;
}
