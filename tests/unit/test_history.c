/* test_history.c -- what enters the log of a training, and when. */
#include "runtime/train/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCHES = 4, LOGS_MAX = 16 };

/* Ten steps at losses 1, 2, ... 10, four an epoch; the last epoch is cut short.
 * The steps that are logged, and the means since the one before, as transformers'
 * DefaultFlowCallback and Trainer have them. */
static const struct Case {
    GfStrategy strategy;
    double every; /* below 1: a share of the steps, rounded up */
    bool first;
    int count;
    int64_t steps[LOGS_MAX];
    double losses[LOGS_MAX];
} cases[] = {
    {GF_STRATEGY_NO, 3, false, 0, {0}, {0}},
    {GF_STRATEGY_NO, 3, true, 1, {1}, {1}},
    {GF_STRATEGY_STEPS, 3, false, 3, {3, 6, 9}, {2, 5, 8}},
    {GF_STRATEGY_STEPS, 3, true, 4, {1, 3, 6, 9}, {1, 2.5, 5, 8}},
    {GF_STRATEGY_STEPS, 1, true, 10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
    {GF_STRATEGY_STEPS, 0.21, false, 3, {3, 6, 9}, {2, 5, 8}},
    {GF_STRATEGY_STEPS, 0.5, false, 2, {5, 10}, {3, 8}},
    {GF_STRATEGY_STEPS, 11, false, 0, {0}, {0}},
    {GF_STRATEGY_EPOCH, 3, false, 3, {4, 8, 10}, {2.5, 6.5, 9.5}},
    {GF_STRATEGY_EPOCH, 3, true, 4, {1, 4, 8, 10}, {1, 3, 6.5, 9.5}},
};

typedef struct Fixture {
    GfArena arena;
    GfTraining training;
    GfHistory history;
    GfLogEntry heard[LOGS_MAX];
    size_t heard_count;
} Fixture;

static void hear(void *self, const GfLogEntry *entry)
{
    Fixture *f = self;

    assert_true(f->heard_count < LOGS_MAX);
    f->heard[f->heard_count++] = *entry;
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    f->training = gf_training_defaults;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_arena_free(&f->arena);
    free(f);
    return 0;
}

static void begin(Fixture *f)
{
    gf_history_init(&f->history, &f->arena, &f->training, BATCHES);
    f->history.listener = (GfLogListener){.self = f, .entry = hear};
    f->heard_count = 0;
}

static void run_steps(Fixture *f, int64_t count)
{
    for (int64_t i = 1; i <= count; i++)
        gf_history_step(&f->history, &(GfStepReport){.step = i,
                                                     .max_steps = count,
                                                     .epoch = (double)i / BATCHES,
                                                     .loss = (double)i,
                                                     .grad_norm = (double)i + 0.5,
                                                     .learning_rate = 1e-3 * (double)i});
}

static double value_of(const GfLogEntry *e, const char *key)
{
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->values[i].key, key) == 0)
            return e->values[i].value;
    fail_msg("no '%s' in the entry", key);
    return 0;
}

static void check_case(Fixture *f, const struct Case *c)
{
    f->training.logging_strategy = c->strategy;
    f->training.logging_steps = c->every;
    f->training.logging_first_step = c->first;
    begin(f);
    run_steps(f, 10);
    assert_int_equal(f->history.count, c->count);
    for (int i = 0; i < c->count; i++) {
        const GfLogEntry *e = &f->history.entries[i];
        assert_int_equal(e->step, c->steps[i]);
        assert_true(e->kind == GF_LOG_STEP);
        assert_true(fabs(value_of(e, "loss") - c->losses[i]) < 1e-12);
        assert_true(value_of(e, "grad_norm") == (double)e->step + 0.5);
        assert_true(value_of(e, "learning_rate") == 1e-3 * (double)e->step);
        assert_true(e->epoch == (double)e->step / BATCHES);
    }
}

static void logs_when_the_trainer_does(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(*state, &cases[i]);
}

static const GfEvaluation evaluation = {
    .loss = 0.25, .scores = {{0.5, 0.375, 0.3125, 0.5, 0.625, 0.5}}, .examples = 8, .batches = 2, .seconds = 4};

static void tells_listeners_what_it_keeps(void **state)
{
    Fixture *f = *state;
    GfTrainer trainer = {.state = {.step = 4, .position = 4, .total_loss = 10, .examples = 32, .seconds = 2}};

    f->training.logging_strategy = GF_STRATEGY_EPOCH;
    begin(f);
    run_steps(f, 4);
    gf_history_epoch(&f->history, &(GfEpochReport){.epoch = 1, .step = 4}); /* without an evaluation: nothing */
    gf_history_epoch(&f->history, &(GfEpochReport){.epoch = 1, .step = 4, .evaluated = true, .evaluation = evaluation});
    gf_history_end(&f->history, &trainer);
    assert_int_equal(f->history.count, 3);
    assert_int_equal(f->heard_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const GfLogEntry *kept = &f->history.entries[i], *heard = &f->heard[i];
        assert_true(kept->kind == heard->kind && kept->step == heard->step && kept->count == heard->count);
        assert_true(kept->values[0].value == heard->values[0].value);
    }
    assert_true(f->heard[1].kind == GF_LOG_EVALUATION && f->heard[2].kind == GF_LOG_END);
}

static void writes_the_words_of_the_trainer(void **state)
{
    Fixture *f = *state;
    GfTrainer trainer = {.state = {.step = 4, .position = 4, .total_loss = 10, .examples = 32, .seconds = 2}};
    GfText text = {.arena = &f->arena};

    begin(f);
    run_steps(f, 4);
    gf_history_epoch(&f->history, &(GfEpochReport){.epoch = 1, .step = 4, .evaluated = true, .evaluation = evaluation});
    gf_history_end(&f->history, &trainer);
    for (size_t i = 0; i < f->history.count; i++) {
        gf_log_entry_print(&text, &f->history.entries[i]);
        gf_text_add(&text, "\n");
    }
    assert_string_equal(gf_text_str(&text),
                        "\"epoch\": 1, \"step\": 4, \"loss\": 2.5, \"grad_norm\": 4.5, \"learning_rate\": 0.004\n"
                        "\"epoch\": 1, \"step\": 4, \"eval_loss\": 0.25, \"eval_accuracy\": 0.5, \"eval_f1\": 0.375, "
                        "\"eval_f1_macro\": 0.3125, \"eval_f1_micro\": 0.5, \"eval_precision\": 0.625, "
                        "\"eval_recall\": 0.5, \"eval_runtime\": 4, \"eval_samples_per_second\": 2, "
                        "\"eval_steps_per_second\": 0.5\n"
                        "\"epoch\": 1, \"step\": 4, \"train_runtime\": 2, \"train_samples_per_second\": 16, "
                        "\"train_steps_per_second\": 2, \"train_loss\": 2.5\n");
}

/* Of a regression: its own figures, "null" for one that is undefined. */
static void writes_what_the_problem_has(void **state)
{
    Fixture *f = *state;
    GfEvaluation e = {.problem = GF_PROBLEM_REGRESSION,
                      .loss = 0.25,
                      .scores.values = {[GF_METRIC_MSE] = 0.25, [GF_METRIC_PEARSON] = 0.5, [GF_METRIC_SPEARMAN] = NAN},
                      .examples = 8,
                      .batches = 2,
                      .seconds = 4};
    GfText text = {.arena = &f->arena};

    gf_evaluation_print(&text, &e, ", ");
    assert_string_equal(gf_text_str(&text),
                        "\"eval_loss\": 0.25, \"eval_mse\": 0.25, \"eval_pearson\": 0.5, \"eval_spearman\": null, "
                        "\"eval_runtime\": 4, \"eval_samples_per_second\": 2, \"eval_steps_per_second\": 0.5");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(logs_when_the_trainer_does),
        TEST(tells_listeners_what_it_keeps),
        TEST(writes_the_words_of_the_trainer),
        TEST(writes_what_the_problem_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
