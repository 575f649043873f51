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
    GF_PASS_OPTIONS,
    {"stats", "[markdown]", "print what each pass did: counters, FLOPs, bytes, planned memory, time"},
    {"tokens", "N", "of --stats: for batches of N tokens (default: what the graph is planned for, or 1024)"},
    {"seqs", "N", "of --stats: in N sequences (default: what the graph is planned for, or 32)"},
    {"o", "FILE", "write to a file instead of standard output"},
};

static const GfCommandSpec spec = {
    .name = "opt",
    .arguments = "FILE.gir|-",
    .about = "Runs passes over text IR; the result goes to standard output, all else to standard error.",
    .more = "'graft passes' lists the passes.  Without passes the text stays as it is.  @train, @accumulate\n"
            "and @evaluate stand for the passes that `graft train` runs, behind those of the variant;\n"
            "--without and --with switch passes of these:\n"
            "--passes='attach-lora{targets=query},@train'.\n",
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

/* ---- the command -------------------------------------------------------------------------- */

static GfStatus write_output(const GfOptions *o, const GfText *output, GfDiags *diags)
{
    const char *path = gf_options_value(o, "o");

    if (output->arena->failed)
        return gf_fail_memory(diags);
    if (path)
        return gf_file_write_atomic(path, gf_text_str(output), output->length, diags);
    fwrite(gf_text_str(output), 1, output->length, stdout);
    return GF_OK;
}

static GfStatus transform(GfGraph *g, const GfOptions *o, const GfPlugins *plugins, const GfText *input, GfDiags *diags)
{
    const char *list;
    GfPipelineOptions pipeline = {.plugins = plugins};
    GfPassReport *reports = NULL;
    size_t count = 0;
    GfText output = {.arena = input->arena};

    GF_TRY(gf_expand_passes(o, input->arena, &list, diags));
    list = list ? list : "";
    if (gf_options_has(o, "stats"))
        GF_TRY(gf_stats_sizes(o, g, &pipeline.tokens, &pipeline.seqs, diags));
    GF_TRY(gf_pass_options_read(o, list, &pipeline, input->arena, diags));
    GF_TRY(gf_pipeline_run(g, list, &pipeline, input->arena, &reports, &count, diags));
    if (gf_options_has(o, "stats"))
        gf_print_pass_stats(
            &(GfPassStats){reports, count, pipeline.tokens, pipeline.seqs, gf_options_value(o, "stats")}, input->arena,
            stderr);
    if (gf_options_has(o, "time-passes"))
        gf_print_pass_times(reports, count, stderr);
    if (count)
        gf_graph_print(g, &output);
    else
        output = *input;
    return write_output(o, &output, diags);
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
    GfPlugins plugins;

    gf_plugins_init(&plugins, NULL);
    GfStatus status = run_with(o, &plugins, o->arena, diags);
    gf_plugins_close(&plugins);
    return status;
}

int gf_cmd_opt(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
