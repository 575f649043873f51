/* pass_options.c -- see pass_options.h. */
#include "frontend/cli/pass_options.h"

#include "runtime/train/recipe.h"

#include <string.h>

GfStatus gf_load_passes(const GfOptions *options, GfPlugins *plugins, GfDiags *diags)
{
    const char *path;

    for (size_t i = 0; (path = gf_options_nth(options, "load-pass", i)); i++)
        GF_TRY(gf_plugins_load(plugins, path, diags));
    return GF_OK;
}

/* ---- pipelines by name ------------------------------------------------------------------ */

static const struct Named {
    const char *name;
    const char *(*list)(const GfRecipe *recipe, GfArena *arena);
} pipelines[] = {
    {"@train", gf_recipe_train},
    {"@accumulate", gf_recipe_accumulate},
    {"@evaluate", gf_recipe_eval},
};

/* The pipeline that `at` begins with the name of, and nothing longer. */
static const struct Named *find_named(const char *at)
{
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) {
        size_t length = strlen(pipelines[i].name);
        if (strncmp(at, pipelines[i].name, length) == 0 && strchr(", \t\r\n", at[length]))
            return &pipelines[i];
    }
    return NULL;
}

/* Switches are about pipelines of training. */
static GfStatus fail_switch(const GfOptions *o, GfDiags *diags)
{
    return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE,
                   "--%s is about @train, @accumulate and @evaluate, and --passes has "
                   "none of them",
                   gf_options_has(o, "without") ? "without" : "with");
}

/* The training arguments that the switches set. */
static GfStatus read_switches(const GfOptions *o, GfTraining *training, GfArena *arena, GfDiags *diags)
{
    GfSet sets[GF_PASS_SWITCH_COUNT];
    size_t count;

    *training = gf_training_defaults;
    GF_TRY(gf_pass_switches(o, arena, sets, &count, diags));
    for (size_t i = 0; i < count; i++) {
        bool without = strcmp(sets[i].path, "training.without_passes") == 0;
        *(without ? &training->without_passes : &training->with_passes) = sets[i].value;
    }
    return GF_OK;
}

/* `list` with names replaced; *found: there was one. */
static const char *expand(const char *list, const GfTraining *training, GfArena *arena, bool *found)
{
    GfRecipe plain = {.training = training};
    GfText text = {.arena = arena};
    bool quoted = false;

    for (const char *p = list; *p; p++) {
        const struct Named *named = quoted ? NULL : find_named(p);
        quoted ^= *p == '"';
        if (named) {
            const char *expanded = named->list(&plain, arena);
            gf_text_add(&text, "%s", expanded ? expanded : "");
            p += strlen(named->name) - 1;
            *found = true;
        } else {
            gf_text_add_bytes(&text, p, 1);
        }
    }
    return gf_text_str(&text);
}

GfStatus gf_expand_passes(const GfOptions *o, GfArena *arena, const char **list, GfDiags *diags)
{
    bool found = false, switched = gf_options_has(o, "without") || gf_options_has(o, "with");
    const char *passes = gf_options_value(o, "passes");
    GfTraining training;

    *list = NULL;
    if (!passes)
        return GF_OK;
    GF_TRY(read_switches(o, &training, arena, diags));
    *list = expand(passes, &training, arena, &found);
    if (arena->failed)
        return gf_fail_memory(diags);
    return found || !switched ? GF_OK : fail_switch(o, diags);
}

/* ---- printing between passes -------------------------------------------------------------- */

static bool is_asked(const GfOptions *o, const char *key, const char *word)
{
    const char *value;

    for (size_t i = 0; (value = gf_options_nth(o, key, i)); i++) {
        if (strcmp(value, word) == 0)
            return true;
    }
    return false;
}

static void print_graph(const char *title, const char *pass, const char *remark, const GfGraph *g)
{
    GfArena arena;
    GfText text = {.arena = &arena};

    gf_arena_init(&arena, NULL);
    gf_graph_print(g, &text);
    fprintf(stderr, "// %s %s%s\n%s", title, pass, remark, gf_text_str(&text));
    gf_arena_free(&arena);
}

static void print_before(void *self, const char *text, const GfPassInfo *info, const GfGraph *g)
{
    if (is_asked(self, "print-before", "all") || is_asked(self, "print-before", info->text))
        print_graph("before", text, "", g);
}

static void print_after(void *self, const GfPassReport *report, const GfGraph *g)
{
    if (is_asked(self, "print-after", "all") || (is_asked(self, "print-after", "changed") && report->changed) ||
        is_asked(self, "print-after", report->info->text))
        print_graph("after", report->text, report->changed ? "" : " (no change)", g);
}

/* ---- what may be asked for ------------------------------------------------------------------ */

/* The passes that will run, and who checks that. */
typedef struct Check {
    const char *key; /* "print-after" */
    const GfPassInfo **run;
    size_t count;
    const GfPlugins *plugins;
    GfArena *arena;
    GfDiags *diags;
} Check;

static GfStatus fail_name(const Check *c, const char *which)
{
    GfStatus status = gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE, "--%s: '%s' is no pass", c->key, which);
    const char *close = gf_pass_closest(c->plugins, which, c->arena);

    if (close)
        gf_note(c->diags, "did you mean '%s'?", close);
    else
        gf_note(c->diags, "'graft passes' lists them; 'all'%s works too",
                strcmp(c->key, "print-after") == 0 ? " or 'changed'" : "");
    return status;
}

/* A pass that does not run would print nothing. */
static GfStatus check_word(const Check *c, const char *which)
{
    GfText names = {.arena = c->arena};

    if (strcmp(which, "all") == 0 || (strcmp(which, "changed") == 0 && strcmp(c->key, "print-after") == 0))
        return GF_OK;
    if (!gf_pass_named(c->plugins, which))
        return fail_name(c, which);
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->run[i]->text, which) == 0)
            return GF_OK;
        gf_text_add(&names, "%s%s", i ? ", " : "", c->run[i]->text);
    }
    gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE, "--%s: '%s' does not run", c->key, which);
    gf_note(c->diags, c->count ? "the passes that run: %s" : "no pass runs without --passes=LIST%s",
            gf_text_str(&names));
    return GF_ERR_USAGE;
}

static GfStatus check_words(const GfOptions *o, Check *c, const char *key)
{
    const char *value;

    c->key = key;
    for (size_t i = 0; (value = gf_options_nth(o, key, i)); i++)
        GF_TRY(check_word(c, value));
    return GF_OK;
}

GfStatus gf_pass_options_read(const GfOptions *options, const char *list, GfPipelineOptions *pipeline, GfArena *arena,
                              GfDiags *diags)
{
    Check c = {.plugins = pipeline->plugins, .arena = arena, .diags = diags};

    GF_TRY(gf_pipeline_passes(list, pipeline->plugins, arena, &c.run, &c.count, diags));
    GF_TRY(check_words(options, &c, "print-before"));
    GF_TRY(check_words(options, &c, "print-after"));
    pipeline->self = (void *)(uintptr_t)options; /* only read */
    pipeline->before = gf_options_has(options, "print-before") ? print_before : NULL;
    pipeline->after = gf_options_has(options, "print-after") ? print_after : NULL;
    pipeline->check_text = gf_options_has(options, "verify-each");
    pipeline->check_values = gf_options_has(options, "check-each");
    return GF_OK;
}

/* ---- times ------------------------------------------------------------------------------------ */

static void print_time(const char *name, double run, double verify, double check, double total, FILE *out)
{
    fprintf(out, "%-14s  %9.3f  %5.1f  %9.3f  %9.3f\n", name, run * 1e3, total > 0 ? 100 * run / total : 0,
            verify * 1e3, check * 1e3);
}

void gf_print_pass_times(const GfPassReport *reports, size_t count, FILE *out)
{
    double run = 0, verify = 0, check = 0;

    for (size_t i = 0; i < count; i++) {
        run += reports[i].seconds;
        verify += reports[i].verify_seconds;
        check += reports[i].check_seconds;
    }
    fprintf(out, "%-14s  %9s  %5s  %9s  %9s\n", "pass", "ms", "%", "verify ms", "check ms");
    for (size_t i = 0; i < count; i++)
        print_time(reports[i].info->text, reports[i].seconds, reports[i].verify_seconds, reports[i].check_seconds, run,
                   out);
    print_time("all", run, verify, check, run, out);
}
