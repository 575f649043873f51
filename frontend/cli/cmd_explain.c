/* cmd_explain.c -- `graft explain`: what an error code means and what helps. */
#include "frontend/cli/cli.h"
#include "frontend/cli/describe.h"
#include "frontend/cli/options.h"

#include <stdlib.h>
#include <string.h>

static const GfCommandSpec spec = {
    .name = "explain",
    .arguments = "CODE|PASS|OP",
    .about = "Explains an error code (GF0203), a pass or an op.",
    .least = 1,
    .most = 1,
};

/* One text a row of GF_STATUS_TABLE: a status without one does not compile.
 * First an example as it is printed, then what to do. */
static const char text_OK[] = "No error has this code.\n";
static const char text_ERR_MEMORY[] =
    "  graft: error GF0001: out of memory\n\n"
    "An allocation failed; nothing was written.  Smaller batches (per_device_train_batch_size)\n"
    "need a smaller arena; 'graft compile --stats' says how large it is.\n";
static const char text_ERR_IO[] =
    "  train.txt: error GF0002: cannot open: No such file or directory\n\n"
    "The operating system refused; its reason stands at the end.  Relative paths in a job are\n"
    "relative to the file that holds them.\n";
static const char text_ERR_USAGE[] = "  graft: error GF0003: 'graft opt' has no option '--pases'\n"
                                     "    note: did you mean '--passes'?\n\n"
                                     "'graft COMMAND --help' lists what a command takes.  The exit code is 2.\n";
static const char text_ERR_SYNTAX[] =
    "  step.gir:4:22: error GF0101: expected ':' and the type of the result, found the end of the line\n"
    "    4 |   %2 = gather %1, %ids\n"
    "      |                       ^\n\n"
    "The text cannot be read at this place: JSON, text IR, or bytes that are not UTF-8.\n";
static const char text_ERR_KEY[] = "  lora.json:3:3: error GF0102: unknown key 'trian'\n"
                                   "    note: did you mean 'train'?\n\n"
                                   "A key of a model, variant or job is not known, is missing, or stands twice.\n";
static const char text_ERR_VALUE[] =
    "  job.json:9:24: error GF0103: 'learning_rate' must be a number, found a string\n\n"
    "A value has the wrong type or lies outside of what is possible.\n";
static const char text_ERR_NAME[] = "  bert.json:14:30: error GF0104: 'hidden' is not defined\n\n"
                                    "A name is used before it is defined, is defined twice, or refers to itself.\n";
static const char text_ERR_VERIFY[] =
    "  step.gir:9:3: error GF0201: '%w' has a second 'update'\n\n"
    "The graph breaks an invariant; ir/ir.h lists them.  From text IR that is a mistake in the\n"
    "text; after a pass it is a bug in graft: 'graft opt --print-after=all' shows which.\n";
static const char text_ERR_OP[] =
    "  step.gir:5:8: error GF0202: 'matmull' is no op\n"
    "    note: did you mean 'matmul'?\n\n"
    "The op is not known, or has the wrong number of operands, an unknown attribute, or lacks\n"
    "one.  'graft ops NAME' says what it takes.\n";
static const char text_ERR_SHAPE[] =
    "  bert.json:14:5: error GF0203: 'matmul' needs equal inner sizes, got f32[tokens,768] and f32[3072,768]\n"
    "    note: transpose_b = 1 reads the second as f32[768,3072]\n\n"
    "Sizes or dtypes do not fit together.  A dimension is a constant or a symbol (tokens, seqs);\n"
    "two symbols are equal only if they are the same symbol.\n";
static const char text_ERR_PASS[] =
    "  --passes:1:1: error GF0301: 'adamw' needs gradients that nothing has used yet\n"
    "    note: 'autodiff' makes them\n\n"
    "The list of passes is malformed, names an unknown pass or option, or a pass stands where\n"
    "it cannot run.  'graft passes NAME' says what a pass needs.\n";
static const char text_ERR_TARGET[] =
    "  graft: error GF0401: the target 'cuda' is not in this build; 'cpu' is\n\n"
    "The target is not known, was left out of this build, or cannot do what the graph asks.\n";
static const char text_ERR_COMPILE[] =
    "  graft: error GF0402: LLVM refuses the module: ...\n\n"
    "Code generation failed.  That is a bug in graft, or a libLLVM that does not fit;\n"
    "'graft compile --emit llvm' writes what was generated.\n";
static const char text_ERR_DEVICE[] =
    "  graft: error GF0501: a thread could not be started: Resource temporarily unavailable\n\n"
    "A device failed.  What ran on it is lost; checkpoints that were saved are complete.\n";
static const char text_ERR_FORMAT[] =
    "  model.safetensors: error GF0601: tensor 'bert.pooler.dense.bias' ends at byte 9000, the file at 8192\n\n"
    "A checkpoint is truncated, damaged or of another format.  Nothing of it was used.\n";
static const char text_ERR_TENSOR[] =
    "  model.safetensors: error GF0602: 'classifier.weight' is f32[2,768], the model needs f32[6,768]\n\n"
    "The checkpoint lacks a tensor of the model or holds it with another shape or dtype.\n"
    "'graft inspect FILE' lists what a checkpoint holds.\n";
static const char text_ERR_DATA[] = "  train.txt:17:1: error GF0701: the line has no ';'\n\n"
                                    "A data file is empty, or a line is not as \"format\" in the job says.\n";
static const char text_ERR_LABEL[] = "  train.txt:17:20: error GF0702: 'angry' is no label\n"
                                     "    note: did you mean 'anger'?\n\n"
                                     "A label is not among \"labels\" in the job.\n";
static const char text_ERR_TOKENIZER[] = "  vocab.txt: error GF0703: the special token '[CLS]' is missing\n\n"
                                         "The vocabulary is damaged, or is not one of a WordPiece tokenizer.\n";

typedef struct Explanation {
    int number;
    const char *name, *meaning, *text;
} Explanation;

static const Explanation explanations[] = {
#define X(id, number, meaning) {number, "GF_" #id, meaning, text_##id},
    GF_STATUS_TABLE(X)
#undef X
};

/* "GF0203", "gf203" or "203"; -1 when it is no code. */
static int code_number(const char *word)
{
    if ((word[0] | 32) == 'g' && (word[1] | 32) == 'f')
        word += 2;
    size_t length = strlen(word);
    return length && length <= 4 && strspn(word, "0123456789") == length ? atoi(word) : -1;
}

static bool explain_code(const char *word)
{
    int number = code_number(word);

    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++) {
        const Explanation *e = &explanations[i];
        if (e->number != number)
            continue;
        printf("GF%04d (%s): %s\n\n%s", e->number, e->name, e->meaning, e->text);
        return true;
    }
    return false;
}

static GfStatus fail_word(const char *word, GfDiags *diags)
{
    const char *names[GF_OP_COUNT + GF_PASS_COUNT];

    for (int i = 0; i < GF_OP_COUNT; i++)
        names[i] = gf_op_text((GfOp)i);
    for (int i = 0; i < GF_PASS_COUNT; i++)
        names[GF_OP_COUNT + i] = gf_pass_info((GfPassId)i)->text;
    return gf_fail_unknown(diags, word, "error code, pass or op", names, GF_OP_COUNT + GF_PASS_COUNT);
}

/* `adamw` is a pass and an op: both are told. */
static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    const char *word = o->arguments[0];
    const GfPassRow *pass = gf_pass_named(NULL, word);
    GfOp op;

    if (explain_code(word))
        return GF_OK;
    bool is_pass = pass != NULL, is_op = gf_op_find(word, &op);
    if (is_pass)
        gf_describe_pass(&pass->info, NULL, stdout);
    if (is_pass && is_op)
        putchar('\n');
    if (is_op)
        gf_describe_op(op, stdout);
    return is_pass || is_op ? GF_OK : fail_word(word, diags);
}

int gf_cmd_explain(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
