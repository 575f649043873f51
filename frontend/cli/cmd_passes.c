/* cmd_passes.c -- `graft passes`: the pass table, or one row of it in words. */
#include "frontend/cli/cli.h"
#include "frontend/cli/describe.h"
#include "frontend/cli/options.h"

static const GfCommandSpec spec = {
    .name = "passes",
    .arguments = "[NAME]",
    .about = "Lists the passes with what they need, their options and counters, or describes one.",
    .most = 1,
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

static void print_table(void)
{
    for (int i = 0; i < GF_PASS_COUNT; i++) {
        const GfPassInfo *info = gf_pass_info((GfPassId)i);
        printf("%-14s  %s\n", info->text, info->meaning);
        print_needs(info->needs);
        if (*info->options)
            printf("%-14s  options {%s}\n", "", info->options);
        printf("%-14s  counts %s\n", "", info->counters);
    }
    puts("\nIn braces: options with their types (i integer, f number, s string) and defaults.");
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    const char *names[GF_PASS_COUNT];
    GfPassId id;

    if (!o->argument_count) {
        print_table();
        return GF_OK;
    }
    if (gf_pass_find(o->arguments[0], &id)) {
        gf_describe_pass(id, stdout);
        return GF_OK;
    }
    for (int i = 0; i < GF_PASS_COUNT; i++)
        names[i] = gf_pass_info((GfPassId)i)->text;
    return gf_fail_unknown(diags, o->arguments[0], "pass; 'graft passes' lists them", names, GF_PASS_COUNT);
}

int gf_cmd_passes(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
