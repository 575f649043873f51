/* pass_switches.c -- see pass_switches.h. */
#include "frontend/cli/pass_switches.h"

#include "runtime/train/recipe_passes.h"

static const struct {
    const char *key, *shown, *path;
    GfStatus (*check)(const char *list, const char *key, GfLoc loc, GfDiags *diags);
} switches[GF_PASS_SWITCH_COUNT] = {
    {"without", "--without", "training.without_passes", gf_recipe_check_without},
    {"with", "--with", "training.with_passes", gf_recipe_check_with},
};

/* All values of a repeated option as one list. */
static const char *joined(const GfOptions *o, const char *key, GfArena *arena)
{
    GfText list = {.arena = arena};
    const char *value;

    for (size_t i = 0; (value = gf_options_nth(o, key, i)); i++)
        gf_text_add(&list, "%s%s", i ? "," : "", value);
    return gf_text_str(&list);
}

GfStatus gf_pass_switches(const GfOptions *o, GfArena *arena, GfSet sets[GF_PASS_SWITCH_COUNT], size_t *count,
                          GfDiags *diags)
{
    *count = 0;
    for (size_t i = 0; i < GF_PASS_SWITCH_COUNT; i++) {
        if (!gf_options_has(o, switches[i].key))
            continue;
        const char *list = joined(o, switches[i].key, arena);
        if (arena->failed)
            return gf_fail_memory(diags);
        GF_TRY(switches[i].check(list, switches[i].shown, GF_NOWHERE, diags));
        sets[(*count)++] = (GfSet){switches[i].path, list};
    }
    return GF_OK;
}
