/* reference.c -- `reference DIR`: the compiled step against reference values.
 *
 * DIR is laid out as shared/reference/tiny-bert.  Every run of golden.json is made
 * twice: once for one step, with gradients as outputs, and once for all steps
 * with the program that training uses.  Compared are, relative to the norm of the
 * reference: logits and gradients of the first step (1e-5), final tensors (2e-5),
 * every loss (2e-6) and gradient norm (1e-5), every learning rate (equal).
 *
 * The gradient of a key's bias is zero in exact arithmetic: what is left of it is
 * held against the gradient of the key's weight, and AdamW, which turns any noise
 * into steps of the learning rate, may have moved it by as much.
 *
 * Sizes must be equal, and every trainable tensor must have its reference.
 *
 *   --plant ERROR   commit an error on purpose; the test must then fail:
 *                   swapped-row, missing-scale, schedule, short-logits, short-gradient, unchecked
 *   --run NAME      this run of golden.json alone
 *   --first         the first step alone: logits and gradients
 *   --device NAME   cpu (the default), cuda, cuda:N
 *   --model FILE    instead of the source tree's models/bert.json
 *   --emulate-cuda  the kernels of the cuda target, run on the host (tests/cuda);
 *                   GRAFT_CUDA_FEATURES counts
 *   --bf16          products of factors rounded to bf16, where the target has them:
 *                   all but the final tensors, against looser bounds (see ROUNDED)
 *   --without LIST  these passes left out of the step, as `graft train --without` has it
 *   --with LIST     these put in
 *   --verbose       report what passes too
 *
 * Exit: 0 all passed, 1 something failed, 2 could not be run.
 */
#include "compare.h"
#include "golden.h"
#include "runtime/train/corpus.h"
#include "runtime/train/recipe_passes.h"
#include "runtime/train/trainer.h"
#include "tests/cuda/emulate_program.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOGITS 1e-5
#define GRADIENTS 1e-5
#define FINALS 2e-5
#define LOSSES 2e-6
#define NORMS 1e-5
#define RATES 4e-15 /* the reference has 1 - x where the Trainer, and graft, have one quotient */

/* Factors have an error of 2^-9 instead of 2^-24, which partly averages out. */
#define ROUNDED 8192

typedef enum Plant {
    PLANT_NOTHING,
    PLANT_SWAPPED_ROW,
    PLANT_MISSING_SCALE,
    PLANT_SCHEDULE,
    PLANT_SHORT_LOGITS,
    PLANT_SHORT_GRADIENT,
    PLANT_UNCHECKED,
    PLANT_COUNT
} Plant;

static GfStatus compile_emulated(const GfGraph *g, const GfCompileOptions *options, const GfAllocator *allocator,
                                 GfProgram **out, GfDiags *diags)
{
    const GfCompileOptions text = {.features = options->features, .target = "cuda:sm_90a", .form = "cuda"};

    GF_TRY(gf_backend_cuda.compile(g, &text, allocator, out, diags));
    GfStatus status = emulate_program(*out, false, diags); /* the store lies in a file's pages */
    if (status != GF_OK) {
        gf_program_free(*out);
        *out = NULL;
    }
    return status;
}

static const GfBackend emulated_cuda = {.name = "cuda", .target = &gf_target_cuda, .compile = compile_emulated};

static const char *const plant_names[PLANT_COUNT] = {
    "", "swapped-row", "missing-scale", "schedule", "short-logits", "short-gradient", "unchecked"};

typedef struct Test {
    GfArena arena;
    Golden golden;
    GfModel model;
    GfDataset data;
    size_t batch_size;
    const GfBackend *backend;
    GfDevice device;
    const char *device_name, *model_file, *without, *with;
    Plant plant;
    bool emulated, bf16, first;
    double loose;     /* by what bounds are widened */
    const char *only; /* the run to make; NULL: all */
    Tally tally;
    GfDiags *diags;
} Test;

/* One run of golden.json, made runnable. */
typedef struct Run {
    Test *test;
    const GoldenRun *golden;
    GfArena arena;
    GfVariant variant;
    GfTraining training;
    GfSteps steps;
    GfTrainer trainer;
} Run;

/* ---- what is common to all runs ---- */

static GfStatus load_model(Test *t)
{
    static const char no_dropout[] =
        "{\"hidden_dropout_prob\": 0, \"attention_probs_dropout_prob\": 0, \"classifier_dropout\": 0}";
    GfJson none;
    GfConfigSource sources[] = {{.doc = &t->golden.config.doc, .object = t->golden.config.doc.root, .foreign = true},
                                {.doc = &none}};
    GfModelOptions options = {
        .sources = sources, .source_count = 2, .num_labels = (int64_t)t->golden.config.label_count};

    GF_TRY(gf_json_read_text(&none, "no dropout", no_dropout, sizeof no_dropout - 1, t->diags));
    sources[1].object = none.root;
    GfStatus status = gf_model_load(&t->model, t->model_file, &options, t->diags);
    gf_json_close(&none);
    return status;
}

static GfStatus open_test(Test *t, const char *folder)
{
    GF_TRY(gf_recipe_check_without(t->without, "--without", GF_NOWHERE, t->diags));
    GF_TRY(gf_recipe_check_with(t->with, "--with", GF_NOWHERE, t->diags));
    GF_TRY(golden_open(&t->golden, folder, t->diags));
    GF_TRY(load_model(t));
    GfModelLimits limits = gf_model_limits(t->model.graph);
    GF_TRY(gf_batches_read(&t->data, &t->batch_size, &t->arena, t->golden.batches, t->golden.config.label_count,
                           &limits, t->diags));
    GF_TRY(gf_device_open(&t->device, t->device_name, 0, NULL, t->diags));
    t->backend = &emulated_cuda;
    return t->emulated ? GF_OK : gf_backend_find(t->device.target, &t->backend, t->diags);
}

static void close_test(Test *t)
{
    gf_device_close(&t->device);
    gf_model_close(&t->model);
    golden_close(&t->golden);
    gf_arena_free(&t->arena);
}

/* ---- making a run ---- */

static GfStatus load_variant(Run *r)
{
    const Golden *g = &r->test->golden;
    double alpha = r->test->plant == PLANT_MISSING_SCALE ? (double)g->rank : g->alpha;
    GfText text = {.arena = &r->arena};

    gf_text_add(&text, "{\"variant\": \"%s\"", r->golden->variant);
    if (strcmp(r->golden->variant, "full") != 0)
        gf_text_add(&text, ", \"freeze\": [\"*\"], \"train\": [\"classifier.*\"]");
    if (strcmp(r->golden->variant, "lora") == 0)
        gf_text_add(&text, ", \"lora\": {\"targets\": %s, \"r\": %lld, \"alpha\": %.17g}", g->targets,
                    (long long)g->rank, alpha);
    gf_text_add(&text, "}");
    return gf_variant_load_text(&r->variant, r->golden->name, gf_text_str(&text), text.length, r->test->diags);
}

static void set_training(Run *r)
{
    const GoldenRun *g = r->golden;

    r->training = gf_training_defaults;
    r->training.learning_rate = r->test->golden.learning_rate;
    r->training.lr_scheduler_type = g->lr_scheduler_type;
    r->training.warmup_steps = (double)g->warmup_steps;
    r->training.weight_decay = g->weight_decay;
    r->training.max_grad_norm = g->max_grad_norm;
    r->training.gradient_accumulation_steps = g->gradient_accumulation_steps;
    r->training.max_steps = (int64_t)g->steps;
    r->training.bf16 = r->test->bf16;
    r->training.without_passes = r->test->without;
    r->training.with_passes = r->test->with;
}

static GfStatus load_adapter(Run *r)
{
    const GfSafetensors *file = &r->test->golden.adapter;

    if (!r->variant.has_lora)
        return GF_OK;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = golden_name(&r->arena, file->tensors[i].name);
        GfStoreTensor *to = name ? gf_store_find(&r->steps.store, name) : NULL;
        if (!to || (size_t)to->count != file->tensors[i].count)
            return gf_fail(r->test->diags, (GfLoc){.file = file->path}, GF_ERR_TENSOR,
                           "the step has no parameter for '%s', or one of another size", file->tensors[i].name);
        GF_TRY(gf_safetensors_read_f32(file, &file->tensors[i], to->data, r->test->diags));
    }
    return GF_OK;
}

static GfStatus compile(Run *r, bool return_gradients)
{
    Test *t = r->test;
    GfStoreSource source = {.checkpoint = t->golden.model,
                            .prefix = t->model.prefix,
                            .renames = t->model.renames,
                            .rename_count = t->model.rename_count,
                            .fresh = ""};
    GfStepsOptions options = {
        .model = &t->model,
        .variant = &r->variant,
        .training = &r->training,
        .backend = t->backend,
        .device = &t->device,
        .source = &source,
        .train = {(int64_t)gf_dataset_max_tokens(&t->data, t->batch_size), (int64_t)t->batch_size},
        .return_gradients = return_gradients};
    GfTrainerOptions trainer = {
        .training = &r->training, .steps = &r->steps, .train = &t->data, .fixed_batch = t->batch_size};

    GF_TRY(gf_steps_new(&r->steps, &options, t->diags));
    GF_TRY(load_adapter(r));
    GF_TRY(gf_store_push(&r->steps.store, t->diags));
    return gf_trainer_init(&r->trainer, &r->arena, &trainer, t->diags);
}

/* ---- comparing ---- */

static const char *describe(Run *r, const char *what, const char *name)
{
    const char *text = gf_arena_printf(&r->arena, "%s of %s", what, name);
    return text ? text : what;
}

static bool is_key_bias(const char *name)
{
    size_t length = strlen(name);
    return length > 8 && strcmp(name + length - 8, "key.bias") == 0;
}

/* The reference's gradient of the weight beside a bias. */
static double weight_norm(Run *r, const char *bias)
{
    const char *name = gf_arena_printf(&r->arena, "%.*sweight", (int)(strlen(bias) - 4), bias);
    const GfStTensor *weight = name ? gf_safetensors_find(&r->golden->gradients, name) : NULL;
    double *values = weight ? GF_NEW_ARRAY(&r->arena, double, weight->count + 1) : NULL;

    if (!values || gf_safetensors_read_f64(&r->golden->gradients, weight, values, r->test->diags) != GF_OK)
        return 0;
    return norm_of(values, weight->count);
}

static double rate_sum(const GoldenRun *g)
{
    double sum = 0;

    for (size_t i = 0; i < g->steps; i++)
        sum += g->learning_rate[i];
    return sum;
}

/* The error that --plant swapped-row asks for: the first two rows of a gradient. */
static float *swap_rows(Run *r, const float *values, const GfStTensor *t)
{
    size_t row = t->count / (size_t)t->shape[0];
    float *copy = GF_NEW_ARRAY(&r->arena, float, t->count);

    if (!copy)
        return NULL;
    memcpy(copy, values, t->count * sizeof *copy);
    memcpy(copy, values + row, row * sizeof *copy);
    memcpy(copy + row, values, row * sizeof *copy);
    return copy;
}

static GfStatus read_reference(Run *r, const GfSafetensors *file, size_t i, double **out)
{
    *out = GF_NEW_ARRAY(&r->arena, double, file->tensors[i].count + 1);
    if (!*out)
        return gf_fail_memory(r->test->diags);
    return gf_safetensors_read_f64(file, &file->tensors[i], *out, r->test->diags);
}

/* Elements of an output; one less where an error is planted. */
static size_t output_count(const Run *r, const char *output, Plant plant)
{
    int64_t count = output ? gf_exec_output_count(r->steps.update.exec, output) : 0;
    return (size_t)(r->test->plant == plant && count ? count - 1 : count);
}

/* Equal, or the tensor fails and is not read. */
static bool check_count(Run *r, const char *what, size_t count, size_t reference)
{
    if (count == reference && count > 0)
        return true;
    const char *text = gf_arena_printf(&r->arena, "%s: %zu elements for %zu", what, count, reference);
    tally_check(&r->test->tally, text ? text : what, INFINITY, 0);
    return false;
}

/* Whether a file of the reference has the tensor that the graph calls `name`. */
static bool has_reference(Run *r, const GfSafetensors *file, const char *name)
{
    size_t first = r->test->plant == PLANT_UNCHECKED; /* then the first one is overlooked */

    for (size_t i = first; i < file->count; i++) {
        const char *theirs = golden_name(&r->arena, file->tensors[i].name);
        if (theirs && strcmp(theirs, name) == 0)
            return true;
    }
    return false;
}

static void check_references(Run *r, const GfSafetensors *file, const char *what)
{
    const GfStore *store = &r->steps.store;
    size_t trainable = 0;

    for (size_t i = 0; i < store->count; i++) {
        const GfStoreTensor *t = &store->tensors[i];
        if (t->kind != GF_TENSOR_PARAM || !t->updated)
            continue;
        trainable++;
        if (!has_reference(r, file, t->name))
            tally_check(&r->test->tally, describe(r, what, t->name), INFINITY, 0);
    }
    tally_number(&r->test->tally, what, 0, (double)file->count, (double)trainable, 0);
}

static GfStatus compare_gradient(Run *r, size_t i)
{
    const GfStTensor *t = &r->golden->gradients.tensors[i];
    const char *name = golden_name(&r->arena, t->name);
    const char *output = gf_arena_printf(&r->arena, "grad.%s", name);
    const float *values = gf_exec_output(r->steps.update.exec, output);
    const char *what = describe(r, "gradient", name);
    double *reference;

    if (!name || !output)
        return gf_fail_memory(r->test->diags);
    GF_TRY(read_reference(r, &r->golden->gradients, i, &reference));
    if (!check_count(r, what, output_count(r, output, PLANT_SHORT_GRADIENT), t->count))
        return GF_OK;
    if (r->test->plant == PLANT_SWAPPED_ROW && strcmp(name, "classifier.weight") == 0)
        values = swap_rows(r, values, t);
    if (!values)
        return gf_fail_memory(r->test->diags);
    if (is_key_bias(name))
        tally_check(&r->test->tally, what, distance_of(values, reference, t->count),
                    r->test->loose * GRADIENTS * weight_norm(r, t->name));
    else
        tally_tensor(&r->test->tally, what, values, reference, t->count, r->test->loose * GRADIENTS);
    return GF_OK;
}

static GfStatus compare_final(Run *r, size_t i)
{
    const GfStTensor *t = &r->golden->final.tensors[i];
    const char *name = golden_name(&r->arena, t->name);
    const GfStoreTensor *ours = name ? gf_store_find(&r->steps.store, name) : NULL;
    const char *what = describe(r, "final value", name);
    double *reference;

    GF_TRY(read_reference(r, &r->golden->final, i, &reference));
    if (!check_count(r, what, ours ? (size_t)ours->count : 0, t->count))
        return GF_OK;
    if (is_key_bias(name))
        tally_check(&r->test->tally, what, distance_of(ours->data, reference, t->count),
                    2 * rate_sum(r->golden) * sqrt((double)t->count));
    else
        tally_tensor(&r->test->tally, what, ours->data, reference, t->count, FINALS);
    return GF_OK;
}

static void compare_step(Run *r, size_t i, const GfStepReport *report)
{
    const GoldenRun *g = r->golden;
    Tally *tally = &r->test->tally;
    bool late = r->test->plant == PLANT_SCHEDULE;
    double rate = late ? gf_schedule_rate(&r->trainer.schedule, (int64_t)i + 1) : report->learning_rate;

    tally_number(tally, "loss", i, report->loss, g->loss[i], r->test->loose * LOSSES);
    tally_number(tally, "gradient norm", i, report->grad_norm, g->grad_norm[i], r->test->loose * NORMS);
    tally_number(tally, "learning rate", i, rate, g->learning_rate[i], RATES);
}

/* ---- the two makings of a run ---- */

static void compare_logits(Run *r)
{
    const float *logits = gf_exec_output(r->steps.update.exec, "logits");

    if (check_count(r, "logits", output_count(r, "logits", PLANT_SHORT_LOGITS), r->golden->logit_count))
        tally_tensor(&r->test->tally, "logits", logits, r->golden->logits, r->golden->logit_count,
                     r->test->loose * LOGITS);
}

static GfStatus first_step(Run *r)
{
    GF_TRY(compile(r, true));
    r->trainer.max_steps = 1; /* the outputs of this step are read, so none follows it */
    GF_TRY(gf_trainer_step(&r->trainer, NULL, r->test->diags));
    tally_number(&r->test->tally, "trainable parameters", 0, (double)r->steps.params.trainable,
                 (double)r->golden->trainable, 0);
    compare_logits(r);
    check_references(r, &r->golden->gradients, "gradient in the reference");
    for (size_t i = 0; i < r->golden->gradients.count; i++)
        GF_TRY(compare_gradient(r, i));
    return GF_OK;
}

static GfStatus all_steps(Run *r)
{
    GfStepReport report;

    GF_TRY(compile(r, false));
    for (size_t i = 0; i < r->golden->steps; i++) {
        GF_TRY(gf_trainer_step(&r->trainer, &report, r->test->diags));
        compare_step(r, i, &report);
    }
    GF_TRY(gf_store_pull(&r->steps.store, r->test->diags));
    check_references(r, &r->golden->final, "final value in the reference");
    for (size_t i = 0; !r->test->bf16 && i < r->golden->final.count; i++)
        GF_TRY(compare_final(r, i));
    return GF_OK;
}

static GfStatus make_run(Test *t, const GoldenRun *golden, GfStatus (*body)(Run *))
{
    Run r = {.test = t, .golden = golden};

    gf_arena_init(&r.arena, NULL);
    t->tally.run = golden->name;
    set_training(&r);
    GfStatus status = load_variant(&r);
    if (status == GF_OK)
        status = body(&r);
    gf_steps_free(&r.steps);
    gf_variant_close(&r.variant);
    gf_arena_free(&r.arena);
    return status;
}

static GfStatus run_all(Test *t, const char *folder)
{
    GF_TRY(open_test(t, folder));
    for (size_t i = 0; i < t->golden.run_count; i++) {
        if (t->only && strcmp(t->only, t->golden.runs[i].name) != 0)
            continue;
        GF_TRY(make_run(t, &t->golden.runs[i], first_step));
        if (!t->first)
            GF_TRY(make_run(t, &t->golden.runs[i], all_steps));
    }
    return GF_OK;
}

/* ---- the command ---- */

static bool parse_plant(const char *text, Plant *plant)
{
    for (*plant = PLANT_SWAPPED_ROW; *plant < PLANT_COUNT; ++*plant)
        if (strcmp(text, plant_names[*plant]) == 0)
            return true;
    return false;
}

static bool parse_arguments(int argc, char **argv, Test *t, const char **folder)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            t->tally.verbose = true;
        else if (strcmp(argv[i], "--plant") == 0 && i + 1 < argc && parse_plant(argv[i + 1], &t->plant))
            i++;
        else if (strcmp(argv[i], "--emulate-cuda") == 0)
            t->emulated = true;
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            t->device_name = argv[++i];
        else if (strcmp(argv[i], "--bf16") == 0)
            t->bf16 = true;
        else if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            t->model_file = argv[++i];
        else if (strcmp(argv[i], "--first") == 0)
            t->first = true;
        else if (strcmp(argv[i], "--without") == 0 && i + 1 < argc)
            t->without = argv[++i];
        else if (strcmp(argv[i], "--with") == 0 && i + 1 < argc)
            t->with = argv[++i];
        else if (strcmp(argv[i], "--run") == 0 && i + 1 < argc)
            t->only = argv[++i];
        else if (argv[i][0] != '-' && !*folder)
            *folder = argv[i];
        else
            return false;
    }
    return *folder != NULL;
}

int main(int argc, char **argv)
{
    GfDiags diags;
    const char *folder = NULL;
    Test test = {.diags = &diags,
                 .device_name = "cpu",
                 .model_file = GRAFT_SOURCE_DIR "/models/bert.json",
                 .without = "",
                 .with = ""};

    if (!parse_arguments(argc, argv, &test, &folder)) {
        fputs("usage: reference DIR [--plant ERROR] [--run NAME] [--first] [--device NAME] [--model FILE] "
              "[--emulate-cuda] "
              "[--bf16] [--without LIST] [--with LIST] [--verbose]\n",
              stderr);
        return 2;
    }
    test.loose = test.bf16 ? ROUNDED : 1;
    gf_diags_init(&diags, NULL);
    gf_arena_init(&test.arena, NULL);
    GfStatus status = run_all(&test, folder);
    gf_diags_print(&diags, stderr);
    close_test(&test);
    gf_diags_free(&diags);
    printf("%zu passed, %zu failed\n", test.tally.passed, test.tally.failed);
    return status != GF_OK ? 2 : test.tally.failed || !test.tally.passed ? 1 : 0;
}
