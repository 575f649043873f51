/* cmd_opt.c -- `graft opt`: text IR in, passes over it, text IR out.
 *
 *   $ graft opt step.gir --passes=cse,dce --print-after=changed --stats
 *
 * Without passes the text comes out as it went in, byte for byte, once it has
 * been parsed and verified.
 */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "frontend/cli/pass_options.h"
#include "frontend/cli/pass_stats.h"
#include "runtime/io/file.h"

#include <errno.h>
#include <string.h>

static const GfOptionSpec options[] = {
    {"passes", "LIST", "run these, in order: \"cse,dce{params=1}\""},
    {"load-pass", "FILE.so", "passes of a shared object, too; may be repeated"},
    {"check-each", NULL, "evaluate a small instance of the graph before and after each pass: same values?"},
    {"print-after", "NAME|all|changed", "print the graph after a pass, after each, or after each that changed it"},
    {"stats", NULL, "print what each pass counted, nodes before and after, and time"},
};

static const GfCommandSpec spec = {
    .name = "opt",
    .arguments = "FILE.gir|-",
    .about = "Runs passes over text IR; the result goes to standard output, all else to standard error.",
    .more = "'graft passes' lists the passes.  Without passes the text stays as it is.\n",
    .least = 1,
    .most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* ---- the text in -------------------------------------------------------------------- */

enum { CHUNK = 1 << 16 };

static GfStatus read_stdin(GfText *text, GfDiags *diags)
{
    char chunk[CHUNK];
    size_t got;

    while ((got = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        gf_text_add_bytes(text, chunk, got);
    if (ferror(stdin))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_IO, "cannot read standard input: %s", strerror(errno));
    return text->arena->failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus read_input(const char *path, GfText *text, GfDiags *diags)
{
    if (strcmp(path, "-") == 0)
        return read_stdin(text, diags);
    return gf_file_read(text->arena, path, &text->data, &text->length, diags);
}

/* ---- printing after passes ------------------------------------------------------------ */

typedef struct After {
    const char *which; /* NAME, "all" or "changed" */
} After;

static void print_after(void *self, const GfPassReport *report, const GfGraph *g)
{
    const After *after = self;
    bool wanted = strcmp(after->which, "all") == 0 || (strcmp(after->which, "changed") == 0 && report->changed) ||
                  strcmp(after->which, report->info->text) == 0;
    GfArena arena;

    if (!wanted)
        return;
    gf_arena_init(&arena, NULL);
    GfText text = {.arena = &arena};
    gf_graph_print(g, &text);
    fprintf(stderr, "// after %s%s\n%s", report->text, report->changed ? "" : " (no change)", gf_text_str(&text));
    gf_arena_free(&arena);
}

static GfStatus check_name(const char *which, const GfPlugins *plugins, GfArena *arena, GfDiags *diags)
{
    if (strcmp(which, "all") == 0 || strcmp(which, "changed") == 0 || gf_pass_named(plugins, which))
        return GF_OK;
    GfStatus status = gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--print-after: '%s' is no pass", which);
    const char *close = gf_pass_closest(plugins, which, arena);
    gf_note(diags, "%s%s%s", close ? "did you mean '" : "'graft passes' lists them; 'all' and 'changed' work too",
            close ? close : "", close ? "'?" : "");
    return status;
}

/* A pass that does not run would print nothing. */
static GfStatus check_runs(const char *which, const char *passes, const GfPlugins *plugins, GfArena *arena,
                           GfDiags *diags)
{
    const GfPassInfo **run;
    size_t count;
    GfText names = {.arena = arena};

    GF_TRY(gf_pipeline_passes(passes, plugins, arena, &run, &count, diags));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(run[i]->text, which) == 0)
            return GF_OK;
        gf_text_add(&names, "%s%s", i ? ", " : "", run[i]->text);
    }
    gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--print-after: '%s' does not run", which);
    gf_note(diags, count ? "the passes that run: %s" : "no pass runs without --passes=LIST%s", gf_text_str(&names));
    return GF_ERR_USAGE;
}

static GfStatus check_print_after(const char *which, const char *passes, const GfPlugins *plugins, GfArena *arena,
                                  GfDiags *diags)
{
    GF_TRY(check_name(which, plugins, arena, diags));
    if (strcmp(which, "all") == 0 || strcmp(which, "changed") == 0)
        return GF_OK;
    return check_runs(which, passes, plugins, arena, diags);
}

/* ---- the command -------------------------------------------------------------------------- */

static GfStatus transform(GfGraph *g, const GfOptions *o, const GfPlugins *plugins, const GfText *input, GfDiags *diags)
{
    const char *passes = gf_options_value(o, "passes");
    After after = {.which = gf_options_value(o, "print-after")};
    GfPipelineOptions pipeline = {.plugins = plugins,
                                  .check_values = gf_options_has(o, "check-each"),
                                  .after = after.which ? print_after : NULL,
                                  .self = &after};
    GfPassReport *reports = NULL;
    size_t count = 0;
    GfText output = {.arena = input->arena};

    if (after.which)
        GF_TRY(check_print_after(after.which, passes ? passes : "", plugins, input->arena, diags));
    GF_TRY(gf_pipeline_run(g, passes ? passes : "", &pipeline, input->arena, &reports, &count, diags));
    if (gf_options_has(o, "stats"))
        gf_print_pass_stats(reports, count, input->arena, stderr);
    if (count)
        gf_graph_print(g, &output);
    else
        output = *input;
    if (output.arena->failed)
        return gf_fail_memory(diags);
    fwrite(gf_text_str(&output), 1, output.length, stdout);
    return GF_OK;
}

static GfStatus run_with(const GfOptions *o, GfPlugins *plugins, GfArena *arena, GfDiags *diags)
{
    const char *path = o->arguments[0];
    GfText input = {.arena = arena};
    GfGraph *g;

    GF_TRY(gf_load_passes(o, plugins, diags));
    GF_TRY(read_input(path, &input, diags));
    GF_TRY(gf_graph_parse(strcmp(path, "-") == 0 ? "stdin" : path, gf_text_str(&input), input.length, NULL, &g, diags));
    GfStatus status = transform(g, o, plugins, &input, diags);
    gf_graph_free(g);
    return status;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfArena arena;
    GfPlugins plugins;

    gf_arena_init(&arena, NULL);
    gf_plugins_init(&plugins, NULL);
    GfStatus status = run_with(o, &plugins, &arena, diags);
    gf_plugins_close(&plugins);
    gf_arena_free(&arena);
    return status;
}

int gf_cmd_opt(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
