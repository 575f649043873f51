/* json_get.c -- typed getters of json.h: each says what was found and what would be right. */
#include "frontend/graph/json.h"

#include <math.h>
#include <string.h>

enum { FOUND_SIZE = 80 };

const char *gf_json_type_name(const cJSON *node)
{
    if (!node)
        return "nothing";
    if (cJSON_IsString(node))
        return "a string";
    if (cJSON_IsNumber(node))
        return "a number";
    if (cJSON_IsBool(node))
        return "true or false";
    if (cJSON_IsArray(node))
        return "an array";
    return cJSON_IsObject(node) ? "an object" : "null";
}

typedef struct Found {
    char text[FOUND_SIZE];
} Found;

/* The value as errors show it: "the string \"adamw\"", "the number 3", "an array". */
static Found describe(const cJSON *node)
{
    enum { SHOWN = 48 };
    Found found;

    if (cJSON_IsString(node) && strlen(node->valuestring) <= SHOWN)
        snprintf(found.text, sizeof found.text, "the string \"%.*s\"", SHOWN, node->valuestring);
    else if (cJSON_IsNumber(node))
        snprintf(found.text, sizeof found.text, "the number %.10g", node->valuedouble);
    else if (cJSON_IsBool(node))
        snprintf(found.text, sizeof found.text, "%s", cJSON_IsTrue(node) ? "true" : "false");
    else
        snprintf(found.text, sizeof found.text, "%s", gf_json_type_name(node));
    return found;
}

/* `what` NULL names the node by its key. */
static GfStatus wrong_value(const GfJson *doc, const cJSON *node, const char *what, const char *wanted, GfDiags *diags)
{
    GfLoc loc = gf_json_loc(doc, node);

    if (what)
        return gf_fail(diags, loc, GF_ERR_VALUE, "%s must be %s, found %s", what, wanted, describe(node).text);
    if (node && node->string)
        return gf_fail(diags, loc, GF_ERR_VALUE, "'%s' must be %s, found %s", node->string, wanted,
                       describe(node).text);
    return gf_fail(diags, loc, GF_ERR_VALUE, "expected %s, found %s", wanted, describe(node).text);
}

GfStatus gf_json_as_string(const GfJson *doc, const cJSON *node, const char *what, const char **out, GfDiags *diags)
{
    if (!cJSON_IsString(node))
        return wrong_value(doc, node, what, "a string", diags);
    *out = node->valuestring;
    return GF_OK;
}

GfStatus gf_json_as_number(const GfJson *doc, const cJSON *node, const char *what, double *out, GfDiags *diags)
{
    if (!cJSON_IsNumber(node))
        return wrong_value(doc, node, what, "a number", diags);
    *out = node->valuedouble;
    return GF_OK;
}

/* The tree holds doubles: from 2^53 on a whole number may not be the one written. */
GfStatus gf_json_as_int(const GfJson *doc, const cJSON *node, const char *what, int64_t *out, GfDiags *diags)
{
    if (!cJSON_IsNumber(node) || node->valuedouble != floor(node->valuedouble))
        return wrong_value(doc, node, what, "a whole number", diags);
    if (fabs(node->valuedouble) >= 9007199254740992.0)
        return wrong_value(doc, node, what, "a whole number below 2^53", diags);
    *out = (int64_t)node->valuedouble;
    return GF_OK;
}

GfStatus gf_json_as_bool(const GfJson *doc, const cJSON *node, const char *what, bool *out, GfDiags *diags)
{
    if (!cJSON_IsBool(node))
        return wrong_value(doc, node, what, "true or false", diags);
    *out = cJSON_IsTrue(node);
    return GF_OK;
}

GfStatus gf_json_as_object(const GfJson *doc, const cJSON *node, const char *what, const cJSON **out, GfDiags *diags)
{
    if (!cJSON_IsObject(node))
        return wrong_value(doc, node, what, "an object", diags);
    *out = node;
    return GF_OK;
}

GfStatus gf_json_as_array(const GfJson *doc, const cJSON *node, const char *what, const cJSON **out, GfDiags *diags)
{
    if (!cJSON_IsArray(node))
        return wrong_value(doc, node, what, "an array", diags);
    *out = node;
    return GF_OK;
}

/* The member in *node, NULL if it is optional and absent. */
static GfStatus member(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const cJSON **node,
                       GfDiags *diags)
{
    *node = NULL;
    if (object && !cJSON_IsObject(object))
        return wrong_value(doc, object, NULL, "an object", diags);
    const cJSON *found = gf_json_find(doc, object, key);
    if (!found && need == GF_REQUIRED)
        return gf_fail(diags, gf_json_loc(doc, object), GF_ERR_KEY, "key '%s' is missing here", key);
    if (found && (need == GF_REQUIRED || !cJSON_IsNull(found)))
        *node = found;
    return GF_OK;
}

GfStatus gf_json_get_string(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const char **out,
                            GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_string(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_get_number(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, double *out,
                            GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_number(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_get_int(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, int64_t *out,
                         GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_int(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_get_bool(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, bool *out,
                          GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_bool(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_get_object(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const cJSON **out,
                            GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_object(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_get_array(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, const cJSON **out,
                           GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_array(doc, node, NULL, out, diags) : GF_OK;
}

GfStatus gf_json_as_int_in(const GfJson *doc, const cJSON *node, const char *what, int64_t lowest, int64_t highest,
                           int64_t *out, GfDiags *diags)
{
    int64_t value = 0;

    GF_TRY(gf_json_as_int(doc, node, NULL, &value, diags));
    if (value < lowest || value > highest)
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "'%s' must be from %lld to %lld, found %lld", what,
                       (long long)lowest, (long long)highest, (long long)value);
    *out = value;
    return GF_OK;
}

GfStatus gf_json_as_number_in(const GfJson *doc, const cJSON *node, const char *what, double lowest, double highest,
                              double *out, GfDiags *diags)
{
    double value = 0;

    GF_TRY(gf_json_as_number(doc, node, NULL, &value, diags));
    if (!(value >= lowest && value <= highest))
        return gf_fail(diags, gf_json_loc(doc, node), GF_ERR_VALUE, "'%s' must be from %g to %g, found %g", what,
                       lowest, highest, value);
    *out = value;
    return GF_OK;
}

GfStatus gf_json_get_int_in(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, int64_t lowest,
                            int64_t highest, int64_t *out, GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_int_in(doc, node, key, lowest, highest, out, diags) : GF_OK;
}

GfStatus gf_json_get_number_in(const GfJson *doc, const cJSON *object, const char *key, GfJsonNeed need, double lowest,
                               double highest, double *out, GfDiags *diags)
{
    const cJSON *node;
    GF_TRY(member(doc, object, key, need, &node, diags));
    return node ? gf_json_as_number_in(doc, node, key, lowest, highest, out, diags) : GF_OK;
}

/* ---- keys ---- */

static bool is_among(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static void note_right_keys(const char *word, const char *const *allowed, size_t count, GfDiags *diags)
{
    if (!diags)
        return;
    const char *close = gf_closest(word, allowed, count);
    if (close) {
        gf_note(diags, "did you mean '%s'?", close);
        return;
    }
    GfText list = {.arena = &diags->arena};
    for (size_t i = 0; i < count; i++)
        gf_text_add(&list, "%s%s", i ? ", " : "", allowed[i]);
    gf_note(diags, "the keys here are: %s", gf_text_str(&list));
}

GfStatus gf_json_check_keys(const GfJson *doc, const cJSON *object, const char *const *allowed, size_t count,
                            const char *what, GfDiags *diags)
{
    GfStatus status = GF_OK;

    if (!object)
        return GF_OK;
    if (!cJSON_IsObject(object))
        return wrong_value(doc, object, what, "an object", diags);
    for (const cJSON *child = object->child; child; child = child->next) {
        if (is_among(child->string, allowed, count))
            continue;
        status = gf_fail(diags, gf_json_key_loc(doc, child), GF_ERR_KEY, "unknown key '%s' in %s", child->string, what);
        note_right_keys(child->string, allowed, count, diags);
    }
    return status;
}
