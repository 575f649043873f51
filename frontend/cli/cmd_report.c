/* cmd_report.c -- `graft report`: what trainings came to, as a page. */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "runtime/io/file.h"
#include "runtime/report/report.h"

static const GfOptionSpec option_list[] = {
    {"o", "FILE", "where to write the page (default: report.html in the first RUN)"},
};

static const GfCommandSpec spec = {
    .name = "report",
    .arguments = "RUN ...",
    .about = "Writes one HTML page about trained variants: scores, learning curves, confusion matrices, settings.",
    .more = "RUN is output_dir of a job (its variants are those of comparison.json) or output_dir/<variant>.\n"
            "Runs that differ in their seeds alone also give their mean and standard deviation.\n"
            "The page needs no other file and no network.\n",
    .least = 1,
    .most = 256,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

static GfStatus write_page(const GfOptions *o, GfReport *report, GfDiags *diags)
{
    const char *path = gf_options_value(o, "o");

    if (!path)
        path = gf_path_join(&report->arena, o->arguments[0], "report.html");
    if (!path)
        return gf_fail_memory(diags);
    GF_TRY(gf_report_write(report, path, diags));
    printf("%s  %zu run%s\n", path, report->count, report->count == 1 ? "" : "s");
    return GF_OK;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfReport report;

    GF_TRY(gf_report_open(&report, o->arguments, o->argument_count, diags));
    GfStatus status = write_page(o, &report, diags);
    gf_report_close(&report);
    return status;
}

int gf_cmd_report(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
