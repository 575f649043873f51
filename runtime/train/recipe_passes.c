/* recipe_passes.c -- see recipe_passes.h. */
#include "runtime/train/recipe_passes.h"

#include <string.h>

/* What is kept is what the variant or training itself is, not how well it runs. */
static const GfRecipePass table[] = {
    {GF_PASS_WEIGH_LOSS, "it is part of the loss", false},
    {GF_PASS_FREEZE, "it says what trains", false},
    {GF_PASS_ATTACH_LORA, "it adds what trains", false},
    {GF_PASS_NARROW_ROWS, NULL, false},
    {GF_PASS_INFERENCE, "it says what has no dropout", false},
    {GF_PASS_KEEP_OUTPUTS, "it says what is computed", false},
    {GF_PASS_MERGE_LORA, NULL, true},
    {GF_PASS_AUTODIFF, "it makes the gradients", false},
    {GF_PASS_PRUNE_FROZEN, NULL, false},
    {GF_PASS_ACCUMULATE, "it is part of the step", false},
    {GF_PASS_ADAMW, "it is the optimizer", false},
    {GF_PASS_HOIST_FROZEN, NULL, false},
    {GF_PASS_DECOMPOSE, NULL, true},
    {GF_PASS_PRECISION, NULL, false},
    {GF_PASS_FOLD, NULL, false},
    {GF_PASS_CSE, NULL, false},
    {GF_PASS_DCE, NULL, false},
    {GF_PASS_ORDER_LORA, NULL, true},
    {GF_PASS_FUSE_LORA, NULL, false},
    {GF_PASS_FUSE_DOWN, NULL, true},
    {GF_PASS_FUSE_UP_GRAD, NULL, true},
    {GF_PASS_MERGE_MATMULS, NULL, true},
    {GF_PASS_FUSE, NULL, false},
    {GF_PASS_JOIN_LAUNCHES, NULL, false},
    {GF_PASS_PLAN_MEMORY, "it says where every value lies", false},
};

enum { TABLE_COUNT = sizeof table / sizeof *table };

static const GfRecipePass *row_of(GfPassId pass)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (table[i].pass == pass)
            return &table[i];
    }
    return NULL;
}

const GfRecipePass *gf_recipe_pass(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(gf_pass_info(table[i].pass)->text, name) == 0)
            return &table[i];
    }
    return NULL;
}

/* ---- lists of names ---- */

/* The next word of the list, from `*at` on; its length is 0 at the end. */
static const char *next_word(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, ", \t");

    *length = strcspn(word, ", \t");
    *at = word + *length;
    return word;
}

bool gf_recipe_names(const char *list, const char *pass)
{
    size_t length, wanted = strlen(pass);
    const char *word;

    while (word = next_word(&list, &length), length) {
        if (length == wanted && memcmp(word, pass, length) == 0)
            return true;
    }
    return false;
}

bool gf_recipe_runs(const GfTraining *t, GfPassId pass)
{
    const char *name = gf_pass_info(pass)->text;
    const GfRecipePass *row = row_of(pass);

    if (row && row->kept)
        return true;
    return !gf_recipe_names(t->without_passes, name) && (!row || !row->extra || gf_recipe_names(t->with_passes, name));
}

/* ---- checking ---- */

static void note_choice(bool extra, GfDiags *diags)
{
    GfText list = {.arena = &diags->arena};

    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!table[i].kept && table[i].extra == extra)
            gf_text_add(&list, "%s%s", list.length ? ", " : "", gf_pass_info(table[i].pass)->text);
    }
    gf_note(diags, extra ? "those that can be put in: %s" : "those that can be left out: %s", gf_text_str(&list));
}

static GfStatus fail_unknown(const char *name, const char *key, bool extra, GfLoc loc, GfDiags *diags)
{
    gf_fail(diags, loc, GF_ERR_PASS, "%s: there is no pass '%s'", key, name);
    const char *close = gf_pass_closest(NULL, name, &diags->arena);
    if (close)
        gf_note(diags, "did you mean '%s'?", close);
    else
        note_choice(extra, diags);
    return GF_ERR_PASS;
}

static GfStatus check_without(const char *name, const char *key, GfLoc loc, GfDiags *diags)
{
    const GfRecipePass *row = gf_recipe_pass(name);

    if (!gf_pass_named(NULL, name))
        return fail_unknown(name, key, false, loc, diags);
    if (row && !row->kept)
        return GF_OK;
    if (row)
        gf_fail(diags, loc, GF_ERR_PASS, "%s: '%s' cannot be left out: %s", key, name, row->kept);
    else
        gf_fail(diags, loc, GF_ERR_PASS, "%s: training does not use '%s'", key, name);
    note_choice(false, diags);
    return GF_ERR_PASS;
}

/* One that runs anyway is no mistake. */
static GfStatus check_with(const char *name, const char *key, GfLoc loc, GfDiags *diags)
{
    if (!gf_pass_named(NULL, name))
        return fail_unknown(name, key, true, loc, diags);
    if (gf_recipe_pass(name))
        return GF_OK;
    gf_fail(diags, loc, GF_ERR_PASS, "%s: training has no place for '%s'", key, name);
    note_choice(true, diags);
    return GF_ERR_PASS;
}

static GfStatus check_list(const char *list, const char *key, GfLoc loc, GfDiags *diags,
                           GfStatus (*check)(const char *name, const char *key, GfLoc loc, GfDiags *diags))
{
    size_t length;
    const char *word;

    while (word = next_word(&list, &length), length) {
        const char *name = gf_arena_strndup(&diags->arena, word, length);
        if (!name)
            return gf_fail_memory(diags);
        GF_TRY(check(name, key, loc, diags));
    }
    return GF_OK;
}

GfStatus gf_recipe_check_without(const char *list, const char *key, GfLoc loc, GfDiags *diags)
{
    return check_list(list, key, loc, diags, check_without);
}

GfStatus gf_recipe_check_with(const char *list, const char *key, GfLoc loc, GfDiags *diags)
{
    return check_list(list, key, loc, diags, check_with);
}
