/* threads.c -- `threads [STEPS] [--without LIST] [--with LIST]`: one thread and two give
 * the same bits after 50 steps, or so many, with passes switched as `graft train` has it.
 *
 * Trains each variant of models/jobs/demo.json with dropout, and compares every
 * parameter, every moment and every loss.
 *
 * Exit: 0 equal, 1 not, 2 could not be run.
 */
#include "runtime/train/corpus.h"
#include "runtime/train/recipe_passes.h"
#include "runtime/train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1000 };

typedef struct Made {
    GfArena arena;
    GfDevice device;
    GfSteps steps;
    float losses[MAX_STEPS];
} Made;

typedef struct Test {
    GfJob job;
    GfModel model;
    GfCorpus corpus;
    const GfBackend *backend;
    GfDiags *diags;
    const char *without, *with;
    int steps;
    size_t compared, different;
} Test;

static GfStatus open_test(Test *t)
{
    char steps[16];
    const GfSet sets[] = {{"config.hidden_dropout_prob", "0.1"},
                          {"config.attention_probs_dropout_prob", "0.1"},
                          {"training.max_steps", steps},
                          {"training.without_passes", t->without},
                          {"training.with_passes", t->with}};
    GfConfigSource source;
    GfModelOptions options = {.sources = &source, .source_count = 1};

    snprintf(steps, sizeof steps, "%d", t->steps);
    GF_TRY(gf_job_load(&t->job, GRAFT_SOURCE_DIR "/models/jobs/demo.json", sets, sizeof sets / sizeof *sets, t->diags));
    source = (GfConfigSource){.doc = &t->job.doc, .object = t->job.config};
    GF_TRY(gf_recipe_check_without(t->without, "--without", GF_NOWHERE, t->diags));
    GF_TRY(gf_recipe_check_with(t->with, "--with", GF_NOWHERE, t->diags));
    GF_TRY(gf_corpus_open(&t->corpus, &t->job, t->job.data.problem, NULL, t->diags));
    options.num_labels = (int64_t)t->corpus.labels.count;
    GF_TRY(gf_model_load(&t->model, t->job.model, &options, t->diags));
    GfModelLimits limits = gf_model_limits(t->model.graph);
    GF_TRY(gf_corpus_load(&t->corpus, NULL, &limits, t->diags));
    return gf_backend_find("cpu", &t->backend, t->diags);
}

static GfStatus make_steps(Test *t, const GfJobVariant *variant, Made *m)
{
    const GfDataset *data = &t->corpus.splits[GF_SPLIT_TRAIN];
    size_t batch = (size_t)variant->training.per_device_train_batch_size;
    GfStoreSource source = {.prefix = "", .fresh = "*", .seed = 42};
    GfStepsOptions options = {.model = &t->model,
                              .variant = &variant->variant,
                              .training = &variant->training,
                              .backend = t->backend,
                              .device = &m->device,
                              .source = &source,
                              .train = {(int64_t)gf_dataset_max_tokens(data, batch), (int64_t)batch}};

    return gf_steps_new(&m->steps, &options, t->diags);
}

static GfStatus train(Test *t, const GfJobVariant *variant, uint32_t threads, Made *m)
{
    GfTrainerOptions options = {
        .training = &variant->training, .steps = &m->steps, .train = &t->corpus.splits[GF_SPLIT_TRAIN]};
    GfTrainer trainer;

    gf_arena_init(&m->arena, NULL);
    GF_TRY(gf_device_open(&m->device, "cpu", threads, NULL, t->diags));
    GF_TRY(make_steps(t, variant, m));
    GF_TRY(gf_trainer_init(&trainer, &m->arena, &options, t->diags));
    for (int i = 0; i < t->steps; i++) {
        GfStepReport report;
        GF_TRY(gf_trainer_step(&trainer, &report, t->diags));
        m->losses[i] = (float)report.loss;
    }
    return GF_OK;
}

static void free_made(Made *m)
{
    gf_steps_free(&m->steps);
    gf_device_close(&m->device);
    gf_arena_free(&m->arena);
}

static void compare(Test *t, const char *what, const float *a, const float *b, size_t count)
{
    t->compared++;
    if (memcmp(a, b, count * sizeof *a) == 0)
        return;
    t->different++;
    printf("FAILED %s\n", what);
}

static void compare_made(Test *t, const Made *one, const Made *two)
{
    compare(t, "losses", one->losses, two->losses, (size_t)t->steps);
    for (size_t i = 0; i < one->steps.store.count; i++) {
        const GfStoreTensor *a = &one->steps.store.tensors[i];
        const GfStoreTensor *b = gf_store_find(&two->steps.store, a->name);
        compare(t, a->name, a->data, b->data, (size_t)a->count);
    }
}

static GfStatus test_variant(Test *t, const GfJobVariant *variant)
{
    Made one = {0}, two = {0};

    GfStatus status = train(t, variant, 1, &one);
    if (status == GF_OK)
        status = train(t, variant, 2, &two);
    if (status == GF_OK)
        compare_made(t, &one, &two);
    printf("%s: loss %.6f, then %.6f\n", variant->variant.name, (double)one.losses[0],
           (double)one.losses[t->steps - 1]);
    free_made(&one);
    free_made(&two);
    return status;
}

static GfStatus run(Test *t)
{
    GF_TRY(open_test(t));
    for (size_t i = 0; i < t->job.variant_count; i++)
        GF_TRY(test_variant(t, &t->job.variants[i]));
    return GF_OK;
}

static bool parse_arguments(int argc, char **argv, Test *t)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--without") == 0 && i + 1 < argc)
            t->without = argv[++i];
        else if (strcmp(argv[i], "--with") == 0 && i + 1 < argc)
            t->with = argv[++i];
        else
            t->steps = atoi(argv[i]);
    }
    return t->steps >= 1 && t->steps <= MAX_STEPS;
}

int main(int argc, char **argv)
{
    GfDiags diags;
    Test t = {.diags = &diags, .without = "", .with = "", .steps = 50};

    if (!parse_arguments(argc, argv, &t)) {
        fputs("usage: threads [STEPS] [--without LIST] [--with LIST]\n", stderr);
        return 2;
    }
    gf_diags_init(&diags, NULL);
    GfStatus status = run(&t);
    gf_diags_print(&diags, stderr);
    gf_corpus_close(&t.corpus);
    gf_model_close(&t.model);
    gf_job_close(&t.job);
    gf_diags_free(&diags);
    printf("%zu equal, %zu different\n", t.compared - t.different, t.different);
    return status != GF_OK ? 2 : t.different || !t.compared ? 1 : 0;
}
