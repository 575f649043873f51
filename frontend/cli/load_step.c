/* load_step.c -- see load_step.h. */
#include "frontend/cli/load_step.h"

#include "frontend/cli/pass_switches.h"
#include "runtime/io/file.h"

#include <string.h>

static bool starts_with(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

/* ---- --set ---- */

static GfStatus read_switches(GfLoadedStep *step, const GfOptions *options, GfArena *arena, GfDiags *diags)
{
    GfSet sets[GF_PASS_SWITCH_COUNT];
    size_t count;

    GF_TRY(gf_pass_switches(options, arena, sets, &count, diags));
    for (size_t i = 0; i < count; i++)
        GF_TRY(gf_json_set(&step->sets, sets[i].path, sets[i].value, diags));
    return GF_OK;
}

/* Lay the settings out as {"config": {...}, "training": {...}, "lora": {...}}. */
static GfStatus read_sets(GfLoadedStep *step, const GfOptions *options, GfArena *arena, GfDiags *diags)
{
    const char *text;

    GF_TRY(gf_json_read_text(&step->sets, "--set", "{}", 2, diags));
    for (size_t i = 0; (text = gf_options_nth(options, "set", i)); i++) {
        GfSet set;
        GF_TRY(gf_set_parse(&set, arena, text, diags));
        bool whole =
            starts_with(set.path, "config.") || starts_with(set.path, "training.") || starts_with(set.path, "lora.");
        const char *path = whole ? set.path : gf_arena_printf(arena, "config.%s", set.path);
        if (!path)
            return gf_fail_memory(diags);
        GF_TRY(gf_json_set(&step->sets, path, set.value, diags));
    }
    return read_switches(step, options, arena, diags);
}

static const cJSON *set_section(const GfLoadedStep *step, const char *key)
{
    return gf_json_find(&step->sets, step->sets.root, key);
}

/* ---- model ---- */

static GfStatus read_config(GfLoadedStep *step, const char *path, GfArena *arena, GfDiags *diags)
{
    const char *inside = gf_path_join(arena, path, "config.json");

    if (!inside)
        return gf_fail_memory(diags);
    step->config_path = gf_file_exists(inside) ? inside : path;
    return gf_json_read_file(&step->config, step->config_path, diags);
}

static GfStatus load_model(GfLoadedStep *step, const char *path, const GfOptions *options, GfArena *arena,
                           GfDiags *diags)
{
    const char *config = gf_options_value(options, "config");

    if (config)
        GF_TRY(read_config(step, config, arena, diags));
    if (config && !cJSON_IsObject(step->config.root))
        return gf_fail(diags, gf_json_loc(&step->config, step->config.root), GF_ERR_VALUE,
                       "a config.json is an object, found %s", gf_json_type_name(step->config.root));
    const GfConfigSource sources[] = {
        {.doc = &step->config, .object = step->config.root, .foreign = true},
        {.doc = &step->sets, .object = set_section(step, "config")},
    };
    GfModelOptions model_options = {.sources = sources, .source_count = 2};
    return gf_model_load(&step->model, path, &model_options, diags);
}

/* ---- variant and training ---- */

/* The settings of adapters, for the variant's own document. */
static GfStatus lora_sets(const GfOptions *options, GfArena *arena, GfSet **sets, size_t *count, GfDiags *diags)
{
    const char *text;
    size_t capacity = 0;

    for (size_t i = 0; (text = gf_options_nth(options, "set", i)); i++) {
        if (!starts_with(text, "lora."))
            continue;
        *sets = gf_arena_grow(arena, *sets, *count, &capacity, sizeof **sets);
        if (!*sets)
            return gf_fail_memory(diags);
        GF_TRY(gf_set_parse(&(*sets)[(*count)++], arena, text, diags));
    }
    return GF_OK;
}

static GfStatus load_variant(GfLoadedStep *step, const GfOptions *options, GfArena *arena, GfDiags *diags)
{
    const char *path = gf_options_value(options, "variant");
    const cJSON *lora = set_section(step, "lora");
    GfSet *sets = NULL;
    size_t count = 0;

    if (!path && lora)
        return gf_fail(diags, gf_json_loc(&step->sets, lora), GF_ERR_USAGE, "lora is set, but --variant names no file");
    if (!path)
        return GF_OK;
    GF_TRY(lora_sets(options, arena, &sets, &count, diags));
    GF_TRY(gf_variant_load(&step->variant, path, sets, count, diags));
    step->has_variant = true;
    return GF_OK;
}

static GfStatus read_training(GfLoadedStep *step, GfDiags *diags)
{
    const cJSON *sets = set_section(step, "training");

    step->training = gf_training_defaults;
    if (step->has_variant)
        GF_TRY(gf_training_read(&step->training, &step->variant.doc, step->variant.training, diags));
    GF_TRY(gf_training_read(&step->training, &step->sets, sets, diags));
    return gf_training_finish(&step->training, gf_json_loc(&step->sets, sets), diags);
}

GfStatus gf_step_load(GfLoadedStep *step, const char *path, const GfOptions *options, GfArena *arena, GfDiags *diags)
{
    *step = (GfLoadedStep){0};
    GF_TRY(read_sets(step, options, arena, diags));
    GF_TRY(load_model(step, path, options, arena, diags));
    GF_TRY(load_variant(step, options, arena, diags));
    return read_training(step, diags);
}

void gf_step_close(GfLoadedStep *step)
{
    gf_model_close(&step->model);
    if (step->has_variant)
        gf_variant_close(&step->variant);
    gf_json_close(&step->config);
    gf_json_close(&step->sets);
}
