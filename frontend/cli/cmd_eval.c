/* cmd_eval.c -- `graft eval`: a trained model on data. */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "frontend/cli/train_options.h"
#include "runtime/io/file.h"
#include "runtime/train/history.h"
#include "runtime/train/run.h"

#include <string.h>

enum { BATCH_SIZE = 32, BATCH_SIZE_MAX = 65536 };

static const GfOptionSpec option_list[] = {
    {"data", "FILE", "a file written as the job's, or .csv, .tsv, .jsonl (default: the job's own data)"},
    {"split", "NAME", "which part of the job's own data: train, validation or test (default: test)"},
    {"batch-size", "N", "examples a batch (default: 32)"},
    {"device", "NAME", "cpu, cuda or cuda:N (default: GRAFT_DEVICE, a CUDA device if there is one, else cpu)"},
    {"threads", "N", "threads of the CPU (default: GRAFT_THREADS, or one a processor)"},
    {"logits", "FILE", "write label and logits of every example, a JSON line each"},
    {"base", "DIR", "the base of an adapter (default: the folder that the adapter names)"},
    {"model", "FILE", "the model file (default: the run's own, or graft's for the model_type)"},
};

static const GfCommandSpec spec = {
    .name = "eval",
    .arguments = "RUN_DIR",
    .about = "Evaluates a model that `graft train`, transformers or peft has saved.",
    .more = "RUN_DIR is output_dir/<variant> of a job, or a folder that save_pretrained has written: a model\n"
            "(config.json, model.safetensors or shards with an index) or a LoRA adapter (adapter_config.json,\n"
            "adapter_model.safetensors), with a vocabulary; such a one needs --data.  Classes without names are\n"
            "LABEL_0, LABEL_1, ...\n"
            "Of classes: accuracy, F1 weighted by class, over classes\n"
            "(macro) and over labels (micro), precision and recall weighted by class; of several labels an\n"
            "example, those with a probability above 1/2 are predicted, and accuracy asks for all to be right.\n"
            "Of values: mean squared error, Pearson's and Spearman's correlation.\n",
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

static GfStatus open_device(Eval *e)
{
    uint32_t threads;

    GF_TRY(gf_train_threads(e->options, &threads, e->diags));
    return gf_device_open(&e->device, gf_options_value(e->options, "device"), threads, NULL, e->diags);
}

static GfStatus compile(Eval *e)
{
    GfStoreSource source = gf_run_source(&e->run);
    GfStepsOptions options = {
        .model = &e->run.model,
        .variant = &e->run.variant,
        .weighted = e->data.class_weights != NULL,
        .device = &e->device,
        .source = &source,
        .evaluate = {.tokens = (int64_t)gf_dataset_max_tokens(&e->data, e->batch_size),
                     .seqs = (int64_t)(e->batch_size < e->data.examples ? e->batch_size : e->data.examples)}};

    GF_TRY(gf_backend_find(e->device.target, &options.backend, e->diags));
    return gf_steps_new(&e->steps, &options, e->diags);
}

/* {"label": 3, "logits": [-0.5, ...]}: nine digits tell every f32 from every other. */
static GfStatus add_logits(void *self, const GfEvaluated *batch, const float *logits, size_t classes, GfDiags *diags)
{
    GfFileWriter *file = self;
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, NULL);
    for (int32_t i = 0; i < batch->seqs; i++) {
        gf_text_add(&text, "{\"label\": %d, \"logits\": [", batch->labels[i]);
        for (size_t k = 0; k < classes; k++)
            gf_text_add(&text, "%s%.9g", k ? ", " : "", (double)*logits++);
        gf_text_add(&text, "]}\n");
    }
    GfStatus status = scratch.failed ? gf_fail_memory(diags) : gf_file_add(file, gf_text_str(&text), text.length);
    gf_arena_free(&scratch);
    return status;
}

static GfStatus run_all(Eval *e, GfEvaluator *evaluator, GfEvaluation *result)
{
    const char *path = gf_options_value(e->options, "logits");
    GfFileWriter file;

    if (!path)
        return gf_evaluate(evaluator, e->steps.evaluate.exec, result, e->diags);
    GfStatus status = gf_file_begin(&file, path, e->diags);
    evaluator->hook = (GfLogitsHook){.take = add_logits, .self = &file};
    if (status == GF_OK)
        status = gf_evaluate(evaluator, e->steps.evaluate.exec, result, e->diags);
    if (status == GF_OK)
        return gf_file_commit(&file);
    gf_file_abandon(&file);
    return status;
}

static GfStatus evaluate(Eval *e)
{
    GfEvaluator evaluator;
    GfEvaluation result;
    GfText text = {.arena = e->arena};

    GF_TRY(gf_evaluator_init(&evaluator, e->arena, &e->data, e->batch_size, e->diags));
    GfStatus status = run_all(e, &evaluator, &result);
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
    GfRunOptions options = {.base = gf_options_value(e->options, "base"),
                            .model = gf_options_value(e->options, "model")};

    e->batch_size = BATCH_SIZE;
    GF_TRY(gf_options_number(e->options, "batch-size", 1, BATCH_SIZE_MAX, &e->batch_size, e->diags));
    GF_TRY(open_device(e));
    GF_TRY(gf_run_open(&e->run, e->options->arguments[0], &options, e->diags));
    GF_TRY(load_data(e));
    GF_TRY(compile(e));
    return evaluate(e);
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    Eval e = {.options = o, .arena = o->arena, .diags = diags};

    GfStatus status = run_eval(&e);
    gf_steps_free(&e.steps);
    gf_run_close(&e.run);
    gf_device_close(&e.device);
    return status;
}

int gf_cmd_eval(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
