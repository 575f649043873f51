/* job_grid.c -- see job_grid.h. */
#include "frontend/graph/job_grid.h"

#include <string.h>

/* ---- finding ---- */

static GfStatus add_axis(GfGrid *g, const char *key, const GfJson *doc, const cJSON *values, GfDiags *diags)
{
    size_t count = (size_t)cJSON_GetArraySize(values);

    if (count == 0)
        return gf_fail(diags, gf_json_loc(doc, values), GF_ERR_VALUE, "the list of '%s' has no values", key);
    if (g->runs * count > GF_GRID_RUNS_MAX)
        return gf_fail(diags, gf_json_loc(doc, values), GF_ERR_VALUE,
                       "with this list the variant would have %zu runs; at most %d", g->runs * count, GF_GRID_RUNS_MAX);
    g->runs *= count;
    g->axes[g->axis_count++] = (GfGridAxis){.key = key, .doc = doc, .values = values, .count = count};
    return GF_OK;
}

/* Where an argument is given last; NULL: nowhere. */
static const cJSON *last_given(const GfTrainingSource *sources, size_t count, const char *key, const GfJson **doc)
{
    const cJSON *found = NULL;

    for (size_t i = 0; i < count; i++) {
        const cJSON *node = gf_json_find(sources[i].doc, sources[i].object, key);
        if (!node || cJSON_IsNull(node))
            continue;
        found = node;
        *doc = sources[i].doc;
    }
    return found;
}

static GfStatus add_lists(GfGrid *g, const GfTrainingSource *sources, size_t count, bool seeds, GfDiags *diags)
{
    const char *key;

    for (size_t i = 0; (key = gf_training_key(i)); i++) {
        const GfJson *doc = NULL;
        const cJSON *node = last_given(sources, count, key, &doc);
        if (!cJSON_IsArray(node) || (strcmp(key, "seed") == 0) != seeds)
            continue;
        GF_TRY(add_axis(g, key, doc, node, diags));
    }
    return GF_OK;
}

static GfStatus add_seeds(GfGrid *g, const GfTrainingSource *sources, size_t count, const GfJson *doc,
                          const cJSON *seeds, GfDiags *diags)
{
    size_t before = g->axis_count;

    GF_TRY(add_lists(g, sources, count, true, diags));
    if (!seeds)
        return GF_OK;
    GF_TRY(gf_json_as_array(doc, seeds, "'seeds'", &seeds, diags));
    if (g->axis_count > before)
        return gf_fail(diags, gf_json_loc(doc, seeds), GF_ERR_VALUE, "'seeds' and a list for 'seed' are given");
    return add_axis(g, "seed", doc, seeds, diags);
}

GfStatus gf_grid_find(GfGrid *g, GfArena *arena, const GfTrainingSource *sources, size_t count, const GfJson *seeds_doc,
                      const cJSON *seeds, GfDiags *diags)
{
    size_t keys = 0;

    while (gf_training_key(keys))
        keys++;
    *g = (GfGrid){.axes = GF_NEW_ARRAY(arena, GfGridAxis, keys + 1), .runs = 1};
    if (!g->axes)
        return gf_fail_memory(diags);
    GF_TRY(add_lists(g, sources, count, false, diags));
    return add_seeds(g, sources, count, seeds_doc, seeds, diags);
}

/* ---- applying ---- */

/* A value as a part of a folder's name. */
static void add_value(GfText *text, const char *key, const cJSON *value)
{
    gf_text_add(text, "-%s=", key);
    if (cJSON_IsNumber(value))
        gf_json_add_number(text, value->valuedouble);
    else if (cJSON_IsBool(value))
        gf_text_add(text, cJSON_IsTrue(value) ? "true" : "false");
    for (const char *c = cJSON_IsString(value) ? value->valuestring : ""; *c; c++)
        gf_text_add(text, "%c", *c == '/' ? '_' : *c);
}

static const cJSON *value_of(const GfGridAxis *axis, size_t *run)
{
    size_t index = *run % axis->count;

    *run /= axis->count;
    return cJSON_GetArrayItem(axis->values, (int)index);
}

GfStatus gf_grid_apply(const GfGrid *g, size_t run, GfTraining *training, GfArena *arena, const char **setting,
                       const char **seed, GfDiags *diags)
{
    const cJSON **values = GF_NEW_ARRAY(arena, const cJSON *, g->axis_count + 1);
    GfText settings = {.arena = arena}, seeds = {.arena = arena};

    if (!values)
        return gf_fail_memory(diags);
    for (size_t i = g->axis_count; i-- > 0;)
        values[i] = value_of(&g->axes[i], &run);
    for (size_t i = 0; i < g->axis_count; i++) {
        const GfGridAxis *axis = &g->axes[i];
        GF_TRY(gf_training_read_key(training, axis->key, axis->doc, values[i], diags));
        add_value(strcmp(axis->key, "seed") == 0 ? &seeds : &settings, axis->key, values[i]);
    }
    *setting = gf_text_str(&settings);
    *seed = gf_text_str(&seeds);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}
