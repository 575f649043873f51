/* cmd_passes.c -- `graft passes`: the pass table, or one row of it in words. */
#include "frontend/cli/cli.h"
#include "frontend/cli/describe.h"
#include "frontend/cli/options.h"
#include "frontend/cli/pass_options.h"
#include "runtime/train/recipe_passes.h"

static const GfOptionSpec options[] = {
    GF_LOAD_PASS_OPTION,
};

static const GfCommandSpec spec = {
    .name = "passes",
    .arguments = "[NAME]",
    .about = "Lists the passes with what they need, their options and counters, or describes one.",
    .most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* The words of `needs`, in the order of a pipeline. */
static void print_needs(uint32_t needs)
{
    static const char *const words[] = {"loss", "forward", "grads", "unfused", "fused"};

    printf("%-14s  needs", "");
    for (int i = 0; i < 5; i++) {
        if (needs & (1u << i))
            printf(" %s", words[i]);
    }
    puts(needs ? "" : " nothing");
}

/* What training makes of the pass. */
static void print_place(const char *name)
{
    const GfRecipePass *place = gf_recipe_pass(name);

    if (place && place->kept)
        printf("%-14s  training needs it: %s\n", "", place->kept);
    else if (place)
        printf("%-14s  %s: --with%s=%s\n", "", place->extra ? "training can use it" : "training can do without it",
               place->extra ? "" : "out", name);
}

static void print_row(const GfPassInfo *info)
{
    printf("%-14s  %s\n", info->text, info->meaning);
    print_needs(info->needs);
    if (info->changes & GF_CHANGES_VALUES)
        printf("%-14s  changes values by design\n", "");
    if (*info->options)
        printf("%-14s  options {%s}\n", "", info->options);
    printf("%-14s  counts %s\n", "", *info->counters ? info->counters : "nothing");
    print_place(info->text);
}

static void print_table(const GfPlugins *plugins)
{
    for (size_t i = 0; i < gf_pass_count(plugins); i++) {
        const GfPassInfo *info = &gf_pass_at(plugins, i)->info;
        const char *origin = gf_pass_origin(plugins, info);
        print_row(info);
        if (origin)
            printf("%-14s  from %s\n", "", origin);
    }
    puts("\nIn braces: options with their types (i integer, f number, s string) and defaults.");
}

static GfStatus describe(const GfPlugins *plugins, const char *name, GfDiags *diags)
{
    const GfPassRow *row = gf_pass_named(plugins, name);
    GfArena arena;

    if (row) {
        gf_describe_pass(&row->info, gf_pass_origin(plugins, &row->info), stdout);
        return GF_OK;
    }
    gf_arena_init(&arena, NULL);
    GfStatus status = gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'%s' is no pass; 'graft passes' lists them", name);
    const char *close = gf_pass_closest(plugins, name, &arena);
    if (close)
        gf_note(diags, "did you mean '%s'?", close);
    gf_arena_free(&arena);
    return status;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfPlugins plugins;

    gf_plugins_init(&plugins, NULL);
    GfStatus status = gf_load_passes(o, &plugins, diags);
    if (status == GF_OK && o->argument_count)
        status = describe(&plugins, o->arguments[0], diags);
    else if (status == GF_OK)
        print_table(&plugins);
    fflush(stdout);
    gf_plugins_close(&plugins);
    return status;
}

int gf_cmd_passes(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
