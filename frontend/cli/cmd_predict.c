/* cmd_predict.c -- `graft predict`: what a trained model says of texts. */
#include "frontend/cli/cli.h"
#include "frontend/cli/options.h"
#include "frontend/cli/predict_output.h"
#include "frontend/cli/predict_print.h"
#include "frontend/cli/train_options.h"

#include <signal.h>
#include <string.h>

static const GfOptionSpec option_list[] = {
    {"input", "FILE", "the texts; -: standard input (default)"},
    {"output", "FILE", "where the answers go; -: standard output (default)"},
    {"format", "NAME", "of the input: lines or jsonl (default: jsonl where the file's name ends in it, else lines)"},
    {"pairs", NULL, "pairs of texts (default: as in the job that trained the model)"},
    {"text-column", "NAME", "jsonl: the key of the text (default: the job's, else text)"},
    {"pair-column", "NAME", "jsonl: the key of the second text (default: the job's, else text_pair)"},
    {"top", "K", "only the K best classes, the best first (default: all, in the model's order)"},
    {"logits", NULL, "add the logits, in the model's order"},
    {"plain", NULL, "for reading: class and probability with a tab between them, no JSON"},
    {"batch-size", "N", "texts a batch at most (default: 32)"},
    {"device", "NAME", "cpu, cuda or cuda:N (default: GRAFT_DEVICE, a CUDA device if there is one, else cpu)"},
    {"threads", "N", "threads of the CPU (default: GRAFT_THREADS, or one a processor)"},
    {"base", "DIR", "the base of an adapter (default: the folder that the adapter names)"},
    {"model", "FILE", "the model file (default: the run's own, or graft's for the model_type)"},
};

static const GfCommandSpec spec = {
    .name = "predict",
    .arguments = "RUN_DIR",
    .about = "Asks a model that `graft train`, transformers or peft has saved about texts.",
    .more = "RUN_DIR is any folder that `graft eval` opens.  Input of any length is read in bounded memory and\n"
            "run in batches of like length; the answers come in the order of the texts, one line each:\n"
            "\n"
            "  {\"label\": \"joy\", \"score\": 0.98, \"scores\": {\"sadness\": 0.01, \"joy\": 0.98, ...}}\n"
            "  {\"labels\": [\"toxic\"], \"scores\": {\"toxic\": 0.9, ...}}    several labels: those above 1/2\n"
            "  {\"value\": 3.5}, {\"values\": {\"a\": 3.5, ...}}             regression\n"
            "\n"
            "lines: a text a line, as it stands (labels in it would be read as words); of pairs, two with one tab\n"
            "between them.  An empty line is an empty text.  jsonl: an object a line; other keys are passed over.\n"
            "Either may be compressed by gzip.  Answers are written some thousand texts at a time, and earlier\n"
            "at the end of the input and whenever it makes wait: a program at the other end of a pipe may ask,\n"
            "read the answer, and ask again.\n"
            "What cannot be read is an error with its line, and exit status 1; the lines before it are answered.\n"
            "--output writes FILE.partial, which becomes FILE when all is answered.\n",
    .least = 1,
    .most = 1,
    .options = option_list,
    .option_count = sizeof option_list / sizeof *option_list,
};

typedef struct Predict {
    const GfOptions *options;
    GfPredictForm form;
    size_t batch_size;
    GfDevice device;
    GfPredictor predictor;
    GfTexts texts;
    GfPredictOutput output;
    float *logits; /* of a window, in the command's arena */
    size_t answered;
    GfDiags *diags;
} Predict;

static const char *value_or(const GfOptions *o, const char *key, const char *otherwise)
{
    const char *value = gf_options_value(o, key);
    return value ? value : otherwise;
}

/* ---- options ---- */

static GfStatus parse_numbers(Predict *p)
{
    const GfOptions *o = p->options;

    p->batch_size = GF_PREDICT_BATCH_SIZE;
    p->form.logits = gf_options_has(o, "logits");
    p->form.plain = gf_options_has(o, "plain");
    GF_TRY(gf_options_number(o, "batch-size", 1, GF_PREDICT_BATCH_SIZE_MAX, &p->batch_size, p->diags));
    GF_TRY(gf_options_number(o, "top", 1, GF_LABELS_MAX, &p->form.top, p->diags));
    if (p->form.plain && p->form.logits)
        return gf_fail(p->diags, GF_NOWHERE, GF_ERR_USAGE, "--plain and --logits exclude each other");
    return GF_OK;
}

static GfStatus parse_format(const GfOptions *o, bool *jsonl, GfDiags *diags)
{
    const char *name = gf_options_value(o, "format");
    GfDataKind kind = gf_data_kind_of(GF_DATA_BY_NAME, value_or(o, "input", "-"));

    *jsonl = name ? strcmp(name, "jsonl") == 0 : kind == GF_DATA_JSONL;
    if (name && !*jsonl && strcmp(name, "lines") != 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--format is lines or jsonl, got '%s'", name);
    if (name || *jsonl || kind == GF_DATA_TEXT)
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = gf_options_value(o, "input")}, GF_ERR_USAGE,
            "texts are read as lines or JSON Lines, not as a table");
    gf_note(diags, "--format lines takes each line of it as a text");
    return GF_ERR_USAGE;
}

static const char *name_of(const GfColumn *column, const char *otherwise)
{
    return column->name ? column->name : otherwise;
}

/* As the options say, or else as the job's files were written. */
static GfStatus choose_format(const Predict *p, bool jsonl, GfTextsFormat *f)
{
    const GfOptions *o = p->options;
    const GfDataFormat *job = &p->predictor.run.format;
    const char *keys[] = {"text-column", "pair-column"};

    *f = (GfTextsFormat){.jsonl = jsonl,
                         .pairs = gf_options_has(o, "pairs") || gf_options_has(o, "pair-column") ||
                                  gf_column_given(&job->text_pair),
                         .text = value_or(o, "text-column", name_of(&job->text, "text")),
                         .text_pair = value_or(o, "pair-column", name_of(&job->text_pair, "text_pair"))};
    for (size_t i = 0; i < 2; i++)
        if (!jsonl && gf_options_has(o, keys[i]))
            return gf_fail(p->diags, GF_NOWHERE, GF_ERR_USAGE,
                           "--%s is a key of JSON Lines, and the input is read as lines", keys[i]);
    return GF_OK;
}

/* ---- opening ---- */

static GfStatus open_model(Predict *p)
{
    const GfOptions *o = p->options;
    GfPredictorOptions options = {.device = &p->device,
                                  .run = {.base = gf_options_value(o, "base"), .model = gf_options_value(o, "model")},
                                  .batch_size = p->batch_size};
    uint32_t threads;

    GF_TRY(gf_train_threads(o, &threads, p->diags));
    GF_TRY(gf_device_open(&p->device, gf_options_value(o, "device"), threads, NULL, p->diags));
    GF_TRY(gf_predictor_open(&p->predictor, o->arguments[0], &options, p->diags));
    if (p->form.top && p->predictor.run.labels.problem == GF_PROBLEM_REGRESSION)
        return gf_fail(p->diags, GF_NOWHERE, GF_ERR_USAGE, "--top chooses among classes, and the model gives values");
    return GF_OK;
}

/* The output last: an error before it leaves the file that is there. */
static GfStatus open_all(Predict *p)
{
    const char *input = value_or(p->options, "input", "-");
    GfTextsFormat format;
    bool jsonl;

    GF_TRY(parse_numbers(p));
    GF_TRY(parse_format(p->options, &jsonl, p->diags));
    GF_TRY(open_model(p));
    GF_TRY(choose_format(p, jsonl, &format));
    GF_TRY(gf_texts_open(&p->texts, input, &format, gf_predictor_window(&p->predictor), p->diags));
    p->logits = GF_NEW_ARRAY(p->options->arena, float, p->texts.window * p->predictor.run.labels.count);
    if (!p->logits)
        return gf_fail_memory(p->diags);
    return gf_predict_output_open(&p->output, p->options->arena, value_or(p->options, "output", "-"), &p->texts,
                                  p->diags);
}

/* ---- answering ---- */

static GfStatus print_answers(Predict *p, GfArena *scratch)
{
    GfText lines = {.arena = scratch};

    GF_TRY(gf_predict_print(&lines, &p->predictor, &p->form, p->logits, p->texts.count, p->diags));
    return gf_predict_output_write(&p->output, &lines, p->diags);
}

static GfStatus answer(Predict *p)
{
    GfArena scratch;

    GF_TRY(gf_predictor_run(&p->predictor, p->texts.items, p->texts.count, p->logits, p->diags));
    gf_arena_init(&scratch, NULL);
    GfStatus status = print_answers(p, &scratch);
    gf_arena_free(&scratch);
    p->answered += p->texts.count;
    return status;
}

static GfStatus answer_all(Predict *p)
{
    GfStatus status;

    do {
        status = gf_texts_next(&p->texts, p->diags);
        if (p->texts.count)
            GF_TRY(answer(p));
    } while (status == GF_OK && p->texts.count);
    return status;
}

static GfStatus predict(Predict *p)
{
    GF_TRY(open_all(p));
    GfStatus status = answer_all(p);
    if (status != GF_OK && p->output.partial)
        gf_note(p->diags, "%zu text%s answered, in %s", p->answered, p->answered == 1 ? " was" : "s were",
                p->output.partial);
    else if (status != GF_OK)
        gf_note(p->diags, "%zu text%s answered", p->answered, p->answered == 1 ? " was" : "s were");
    GfStatus closed = gf_predict_output_close(&p->output, status == GF_OK, p->diags);
    return status == GF_OK ? closed : status;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    Predict p = {.options = o, .texts = {.stream = {.descriptor = -1}}, .diags = diags};

    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like any other */
    GfStatus status = predict(&p);
    gf_texts_close(&p.texts);
    gf_predictor_close(&p.predictor);
    gf_device_close(&p.device);
    return status;
}

int gf_cmd_predict(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
