/* cmd_export.c -- `graft export`: a trained model for transformers and peft. */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "runtime/train/export.h"

#include <string.h>

static const GfOptionSpec option_list[] = {
    {"o", "DIR", "the folder to write; required"},
    {"merge", NULL, "add the adapters to their weights: a model that needs neither peft nor a base"},
    {"dtype", "NAME", "of the weights: f32, bf16 or f16 (default: f32)"},
    {"overwrite", NULL, "replace DIR if it holds a model"},
    {"base", "DIR", "the base of an adapter (default: the folder that the adapter names)"},
    {"model", "FILE", "the model file (default: the run's own, or graft's for the model_type)"},
};

static const GfCommandSpec spec = {
    .name = "export",
    .arguments = "RUN_DIR",
    .about = "Writes a trained model as transformers (from_pretrained) and peft (PeftModel) read it.",
    .more = "RUN_DIR is output_dir/<variant> of a job, or a folder that transformers or peft has written.\n"
            "A merged weight is W + scale * B A: products and sum in double, rounded once to the dtype, to the\n"
            "nearest, ties to even.  The base may be f16 or bf16; the result is not rounded to that first.\n"
            "DIR appears whole or not at all.\n",
    .least = 1,
    .most = 1,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

static GfStatus parse_dtype(const GfOptions *o, GfStDType *dtype, GfDiags *diags)
{
    static const struct {
        const char *name;
        GfStDType dtype;
    } dtypes[] = {{"f32", GF_ST_F32}, {"bf16", GF_ST_BF16}, {"f16", GF_ST_F16}};
    const char *text = gf_options_value(o, "dtype");

    *dtype = GF_ST_F32;
    for (size_t i = 0; text && i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            *dtype = dtypes[i].dtype;
            return GF_OK;
        }
    }
    return text ? gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--dtype is f32, bf16 or f16, got '%s'", text) : GF_OK;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfExportOptions options = {.merge = gf_options_has(o, "merge"), .overwrite = gf_options_has(o, "overwrite")};
    GfRunOptions how = {.base = gf_options_value(o, "base"), .model = gf_options_value(o, "model")};
    const char *folder = gf_options_value(o, "o");
    GfRun model;

    if (!folder)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "-o DIR is missing: the folder to write");
    GF_TRY(parse_dtype(o, &options.dtype, diags));
    GF_TRY(gf_run_open(&model, o->arguments[0], &how, diags));
    GfStatus status = gf_export(&model, folder, &options, diags);
    if (status == GF_OK)
        printf("%s: %s, %zu classes%s\n", folder, model.model.name, model.labels.count,
               options.merge            ? ", adapters merged"
               : model.variant.has_lora ? ", an adapter"
                                        : "");
    gf_run_close(&model);
    return status;
}

int gf_cmd_export(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
