/* cmd_eval.c -- `graft eval`: a trained model on data. */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "frontend/cli/train_options.h"
#include "runtime/train/history.h"
#include "runtime/train/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_SIZE = 32, BATCH_SIZE_MAX = 65536 };

static const GfOptionSpec option_list[] = {
    {"data", "FILE", "a file written as the job's, or .csv, .tsv, .jsonl (default: the job's own data)"},
    {"split", "NAME", "which part of the job's own data: train, validation or test (default: test)"},
    {"batch-size", "N", "examples a batch (default: 32)"},
    {"device", "NAME", "cpu, cuda or cuda:N (default: GRAFT_DEVICE, a CUDA device if there is one, else cpu)"},
    {"threads", "N", "threads of the CPU (default: GRAFT_THREADS, or one a processor)"},
};

static const GfCommandSpec spec = {
    .name = "eval",
    .arguments = "RUN_DIR",
    .about = "Evaluates a model that `graft train` has saved.",
    .more = "RUN_DIR is output_dir/<variant> of a job.  Precision, recall and F1 are weighted by class.\n",
    .least = 1,
    .most = 1,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

typedef struct Eval {
    const GfOptions *options;
    GfArena *arena;
    GfRun run;
    GfDataset data;
    size_t batch_size;
    GfDevice device;
    GfSteps steps;
    GfDiags *diags;
} Eval;

static GfStatus parse_split(const char *text, GfSplit *split, GfDiags *diags)
{
    for (*split = 0; *split < GF_SPLIT_COUNT; ++*split)
        if (!strcmp(text, gf_split_names[*split]))
            return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "unknown split '%s'", text);
    gf_note(diags, "train, validation or test");
    return GF_ERR_USAGE;
}

static GfStatus load_data(Eval *e)
{
    const char *file = gf_options_value(e->options, "data"), *name = gf_options_value(e->options, "split");
    GfSplit split = GF_SPLIT_TEST;

    if (file && name)
        return gf_fail(e->diags, GF_NOWHERE, GF_ERR_USAGE, "--data and --split exclude each other");
    if (file)
        return gf_run_file(&e->run, file, &e->data, e->diags);
    if (name)
        GF_TRY(parse_split(name, &split, e->diags));
    return gf_run_split(&e->run, split, &e->data, e->diags);
}

static GfStatus parse_batch_size(Eval *e)
{
    const char *text = gf_options_value(e->options, "batch-size");
    char *end;

    e->batch_size = BATCH_SIZE;
    if (!text)
        return GF_OK;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > BATCH_SIZE_MAX)
        return gf_fail(e->diags, GF_NOWHERE, GF_ERR_USAGE, "--batch-size needs a number from 1 to %d, got '%s'",
                       BATCH_SIZE_MAX, text);
    e->batch_size = (size_t)value;
    return GF_OK;
}

static GfStatus open_device(Eval *e)
{
    uint32_t threads;

    GF_TRY(gf_train_threads(e->options, &threads, e->diags));
    return gf_device_open(&e->device, gf_options_value(e->options, "device"), threads, NULL, e->diags);
}

static GfStatus compile(Eval *e)
{
    const GfModel *m = &e->run.model;
    GfStoreSource source = {
        .checkpoint = e->run.weights, .prefix = m->prefix, .renames = m->renames, .rename_count = m->rename_count};
    GfStepsOptions options = {
        .model = m,
        .variant = &e->run.variant,
        .device = &e->device,
        .source = &source,
        .evaluate = {.tokens = (int64_t)gf_dataset_max_tokens(&e->data, e->batch_size),
                     .seqs = (int64_t)(e->batch_size < e->data.examples ? e->batch_size : e->data.examples)}};

    GF_TRY(gf_backend_find(e->device.target, &options.backend, e->diags));
    return gf_steps_new(&e->steps, &options, e->diags);
}

static GfStatus evaluate(Eval *e)
{
    GfEvaluator evaluator;
    GfEvaluation result;
    GfText text = {.arena = e->arena};

    GF_TRY(gf_evaluator_init(&evaluator, e->arena, &e->data, e->batch_size, e->diags));
    GfStatus status = gf_evaluate(&evaluator, e->steps.evaluate.exec, &result, e->diags);
    if (status != GF_OK) {
        gf_note(e->diags, "variant %s, in %s", e->run.variant.name, e->options->arguments[0]);
        return status;
    }
    gf_evaluation_print(&text, &result, ",\n ");
    printf("{%s}\n", gf_text_str(&text));
    return GF_OK;
}

static GfStatus run_eval(Eval *e)
{
    GF_TRY(parse_batch_size(e));
    GF_TRY(open_device(e));
    GF_TRY(gf_run_open(&e->run, e->options->arguments[0], e->diags));
    GF_TRY(load_data(e));
    GF_TRY(compile(e));
    return evaluate(e);
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfArena arena;
    Eval e = {.options = o, .arena = &arena, .diags = diags};

    gf_arena_init(&arena, NULL);
    GfStatus status = run_eval(&e);
    gf_steps_free(&e.steps);
    gf_run_close(&e.run);
    gf_device_close(&e.device);
    gf_arena_free(&arena);
    return status;
}

int gf_cmd_eval(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
