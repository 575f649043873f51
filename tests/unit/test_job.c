/* test_job.c -- jobs: defaults, paths, variants, --set, and who wins. */
#include "frontend/graph/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef GRAFT_SOURCE_DIR
#define GRAFT_SOURCE_DIR "."
#endif
#define MODELS GRAFT_SOURCE_DIR "/models/"
#define EMOTION MODELS "jobs/emotion.json"
#define DEMO MODELS "jobs/demo.json"

typedef struct Fixture {
    GfDiags diags;
    GfJob job;
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_diags_init(&f->diags, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    gf_job_close(&f->job);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static void load(Fixture *f, const char *path, const GfSet *sets, size_t count)
{
    GfStatus status = gf_job_load(&f->job, path, sets, count, &f->diags);

    gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

static GfStatus try_set(Fixture *f, const char *path, const char *value)
{
    gf_job_close(&f->job);
    return gf_job_load(&f->job, EMOTION, &(GfSet){path, value}, 1, &f->diags);
}

static void the_notebooks_job_is_read(void **state)
{
    Fixture *f = *state;

    load(f, EMOTION, NULL, 0);
    const GfJob *job = &f->job;
    assert_string_equal(job->name, "emotion");
    assert_string_equal(job->model, MODELS "jobs/../bert.json");
    assert_string_equal(job->checkpoint, MODELS "jobs/bert-base-uncased");
    assert_null(job->tokenizer);
    assert_string_equal(job->data.test, MODELS "jobs/emotion/test.txt");
    assert_int_equal(job->data.label_count, 6);
    assert_string_equal(job->data.labels[5], "surprise");
    assert_false(job->data.generate.given);
    assert_int_equal(job->variant_count, 3);
    assert_string_equal(job->variants[1].variant.name, "classifier");
    assert_true(job->variants[2].variant.has_lora);
    assert_null(job->device);
}

static void training_arguments_have_their_defaults(void **state)
{
    Fixture *f = *state;

    load(f, EMOTION, NULL, 0);
    const GfTraining *t = &f->job.training;
    assert_int_equal(t->per_device_train_batch_size, 32);
    assert_int_equal(t->gradient_accumulation_steps, 1);
    assert_int_equal(t->seed, 42);
    assert_int_equal(t->early_stopping_patience, 3);
    assert_true(t->num_train_epochs == 50 && t->learning_rate == 5e-5 && t->weight_decay == 0);
    assert_true(t->adam_beta1 == 0.9 && t->adam_beta2 == 0.999 && t->adam_epsilon == 1e-8 && t->max_grad_norm == 1);
    assert_string_equal(t->lr_scheduler_type, "linear");
    assert_string_equal(t->output_dir, "results");
    assert_int_equal(t->eval_strategy, GF_STRATEGY_EPOCH);
    assert_int_equal(t->greater_is_better, GF_MAYBE_YES);
    assert_true(t->load_best_model_at_end && t->tensorboard && !t->bf16);
}

static void a_loss_is_better_when_smaller(void **state)
{
    Fixture *f = *state;

    assert_int_equal(try_set(f, "training.metric_for_best_model", "eval_loss"), GF_OK);
    assert_int_equal(f->job.training.greater_is_better, GF_MAYBE_NO);
}

static void settings_reach_every_key(void **state)
{
    Fixture *f = *state;
    const GfSet sets[] = {{"checkpoint", "my/minilm"},        {"data.dir", "corpus"},
                          {"training.num_train_epochs", "1"}, {"config.hidden_dropout_prob", "0"},
                          {"tokenizer", "/etc/vocab.txt"},    {"data.max_length", "128"}};

    load(f, EMOTION, sets, sizeof sets / sizeof *sets);
    assert_string_equal(f->job.checkpoint, "my/minilm");
    assert_string_equal(f->job.data.train, "corpus/train.txt");
    assert_string_equal(f->job.tokenizer, "/etc/vocab.txt");
    assert_int_equal(f->job.data.max_length, 128);
    assert_true(f->job.training.num_train_epochs == 1);
    for (size_t i = 0; i < f->job.variant_count; i++)
        assert_true(f->job.variants[i].training.num_train_epochs == 1);
    assert_non_null(f->job.config);
}

static void variants_are_chosen_by_name_or_file(void **state)
{
    Fixture *f = *state;

    assert_int_equal(try_set(f, "variants", "lora"), GF_OK);
    assert_int_equal(f->job.variant_count, 1);
    assert_string_equal(f->job.variants[0].variant.name, "lora");
    assert_int_equal(try_set(f, "variants", "lora,full"), GF_OK);
    assert_int_equal(f->job.variant_count, 2);
    assert_string_equal(f->job.variants[1].variant.name, "full");
    assert_int_equal(try_set(f, "variants", "[\"classifier\"]"), GF_OK);
    assert_string_equal(f->job.variants[0].variant.name, "classifier");
    assert_int_equal(try_set(f, "variants", MODELS "variants/distilbert-lora.json"), GF_OK);
    assert_string_equal(f->job.variants[0].variant.train, "pre_classifier.* classifier.*");
}

static void variants_that_are_not_there_are_refused(void **state)
{
    Fixture *f = *state;

    assert_int_equal(try_set(f, "variants", "lorra"), GF_ERR_NAME);
    assert_non_null(strstr(f->diags.last->message, "the job has no variant 'lorra'"));
    assert_non_null(strstr(f->diags.last->note, "did you mean 'lora'?"));
    assert_int_equal(try_set(f, "variants", "no/such.json"), GF_ERR_IO);
    assert_int_equal(try_set(f, "variants", "full,full"), GF_ERR_NAME);
    assert_int_equal(try_set(f, "variants", "3"), GF_ERR_VALUE);
    assert_int_equal(try_set(f, "training.seeed", "3"), GF_ERR_KEY);
    assert_string_equal(f->diags.last->loc.file, "--set training.seeed=3");
    assert_int_equal(try_set(f, "training.seed", "x"), GF_ERR_VALUE);
    assert_int_equal(try_set(f, "model.x", "3"), GF_ERR_VALUE);
}

/* Whole, or a share of all steps, as TrainingArguments and its Trainer take them. */
static void steps_may_be_a_share(void **state)
{
    Fixture *f = *state;

    assert_int_equal(try_set(f, "training.logging_steps", "0.1"), GF_OK);
    assert_true(f->job.training.logging_steps == 0.1);
    assert_int_equal(try_set(f, "training.warmup_steps", "0.05"), GF_OK);
    assert_int_equal(try_set(f, "training.eval_steps", "2.5"), GF_ERR_VALUE);
    assert_non_null(strstr(f->diags.last->message, "a whole number of steps or a share of them below 1, found 2.5"));
    assert_int_equal(try_set(f, "training.save_steps", "0"), GF_ERR_VALUE);
    assert_int_equal(try_set(f, "training.save_steps", "-1"), GF_ERR_VALUE);
    assert_int_equal(gf_training_steps(0.1, 101), 11);
    assert_int_equal(gf_training_steps(0.0001, 3), 1);
    assert_int_equal(gf_training_steps(1, 3), 1);
    assert_int_equal(gf_training_steps(500, 3), 500);
}

/* The best model needs every save to be evaluated. */
static void shares_divide_as_steps_do(void **state)
{
    static const struct {
        double save, eval;
        GfStatus status;
    } cases[] = {{0.3, 0.1, GF_OK},  {0.4, 0.2, GF_OK},         {0.3, 0.2, GF_ERR_VALUE},
                 {1000, 500, GF_OK}, {1000, 300, GF_ERR_VALUE}, {500, 0.1, GF_ERR_VALUE}};
    Fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        GfTraining t = gf_training_defaults;
        t.eval_strategy = t.save_strategy = GF_STRATEGY_STEPS;
        t.load_best_model_at_end = true;
        t.save_steps = cases[i].save;
        t.eval_steps = cases[i].eval;
        assert_int_equal(gf_training_finish(&t, GF_NOWHERE, &f->diags), cases[i].status);
    }
}

/* The job, the variant file, the variant in the job, --set: the last one wins. */
static void the_last_word_wins(void **state)
{
    Fixture *f = *state;
    const GfSet set = {"training.weight_decay", "0.5"};
    static const char job[] =
        "{\"model\": \"m\", \"data\": {\"generate\": {}}, \"training\": {\"weight_decay\": 0.1, \"learning_rate\": 1,"
        " \"seed\": 1}, \"variants\": [{\"file\": \"" MODELS "variants/lora.json\","
        " \"training\": {\"weight_decay\": 0.2, \"learning_rate\": 2}}, \"" MODELS "variants/full.json\"]}";

    assert_int_equal(gf_job_load_text(&f->job, "j.json", job, sizeof job - 1, &set, 1, &f->diags), GF_OK);
    const GfTraining *lora = &f->job.variants[0].training, *full = &f->job.variants[1].training;
    assert_true(lora->weight_decay == 0.5 && lora->learning_rate == 2 && lora->seed == 1);
    assert_true(full->weight_decay == 0.5 && full->learning_rate == 1 && full->seed == 1);
}

static void the_demo_makes_its_data(void **state)
{
    Fixture *f = *state;

    load(f, DEMO, NULL, 0);
    assert_null(f->job.checkpoint);
    assert_null(f->job.data.train);
    assert_true(f->job.data.generate.given);
    assert_true(f->job.data.generate.train > 0 && f->job.data.generate.test > 0);
    assert_true(f->job.data.label_count >= 2);
    assert_true(f->job.variants[2].training.learning_rate > f->job.variants[0].training.learning_rate);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_notebooks_job_is_read),
        TEST(training_arguments_have_their_defaults),
        TEST(a_loss_is_better_when_smaller),
        TEST(settings_reach_every_key),
        TEST(variants_are_chosen_by_name_or_file),
        TEST(variants_that_are_not_there_are_refused),
        TEST(steps_may_be_a_share),
        TEST(shares_divide_as_steps_do),
        TEST(the_last_word_wins),
        TEST(the_demo_makes_its_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
