/* test_comparison.c -- the closing table: runs that differ in their seeds alone become a
 * mean and a deviation, whoever trained them; others stay as they are. */
#include "runtime/train/comparison.h"
#include "runtime/train/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUNS = 5 };

/* Two items of a list of variants: lora with three seeds and, at other rates, two settings. */
typedef struct Fixture {
    GfArena arena;
    GfJobVariant variants[RUNS];
    GfVariantResult results[RUNS];
    GfJob job;
    GfSession session;
    GfComparison comparison;
} Fixture;

static const cJSON items[2];

static void set_run(Fixture *f, size_t i, size_t item, const char *group, const char *name, double accuracy)
{
    f->variants[i] = (GfJobVariant){.name = name, .group = group, .item = &items[item]};
    f->results[i] = (GfVariantResult){.name = name, .epochs = 2, .evaluated = true, .split = GF_SPLIT_TEST};
    f->results[i].params = (GfParamCount){.trainable = 390, .all = 1000};
    f->results[i].train = (GfTrainState){.step = 4, .total_loss = 2, .seconds = 2, .examples = 64};
    f->results[i].evaluation.problem = GF_PROBLEM_SINGLE_LABEL;
    f->results[i].evaluation.loss = 1 - accuracy;
    f->results[i].evaluation.scores.values[GF_METRIC_ACCURACY] = accuracy;
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    set_run(f, 0, 0, "lora", "lora-seed=1", 0.5);
    set_run(f, 1, 0, "lora", "lora-seed=2", 0.25);
    set_run(f, 2, 0, "lora", "lora-seed=3", 0.75);
    set_run(f, 3, 1, "full-learning_rate=0.1", "full-learning_rate=0.1", 0.625);
    set_run(f, 4, 1, "full-learning_rate=0.2", "full-learning_rate=0.2", 0.375);
    f->job = (GfJob){.name = "demo", .variants = f->variants, .variant_count = RUNS};
    f->session = (GfSession){.job = &f->job, .device = {.text = "cpu", .target = "cpu"}};
    f->session.corpus.labels.problem = GF_PROBLEM_SINGLE_LABEL;
    f->comparison = (GfComparison){.session = &f->session, .results = f->results, .count = RUNS};
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

static const char *print(Fixture *f, void (*how)(const GfComparison *, GfText *))
{
    GfText text = {.arena = &f->arena};

    how(&f->comparison, &text);
    assert_false(f->arena.failed);
    return gf_text_str(&text);
}

static size_t count_of(const char *page, const char *text)
{
    size_t n = 0;
    for (const char *p = page; (p = strstr(p, text)); p += strlen(text))
        n++;
    return n;
}

static void check_has(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("'%s' is not in\n%s", text, page);
}

/* ---- numbers ---- */

static bool is_close(double a, double b)
{
    return fabs(a - b) <= 4e-16 * fabs(b);
}

/* 2, 4, 4, 4, 5, 5, 7, 9: the squared differences from 5 are 32 in all.  With n and not
 * n - 1 the deviation would be 2, which must not pass. */
static void deviates_as_a_sample_does(void **state)
{
    static const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    GfSpread s = {0};

    (void)state;
    assert_true(isnan(gf_spread_mean(&s)));
    for (size_t i = 0; i < 8; i++)
        gf_spread_add(&s, values[i]);
    assert_true(is_close(gf_spread_mean(&s), 5));
    assert_true(is_close(gf_spread_deviation(&s), sqrt(32.0 / 7)));
    assert_false(is_close(gf_spread_deviation(&s), 2));
}

static void one_value_does_not_deviate(void **state)
{
    GfSpread s = {0};

    (void)state;
    gf_spread_add(&s, 0.1);
    assert_true(gf_spread_mean(&s) == 0.1); /* exactly: tables of single runs show it */
    assert_true(isnan(gf_spread_deviation(&s)));
    gf_spread_add(&s, NAN);
    assert_true(isnan(gf_spread_mean(&s)));
    assert_true(isnan(gf_spread_deviation(&s)));
}

static bool are_alike(const void *self, size_t a, size_t b)
{
    const char *kinds = self;
    return kinds[a] == kinds[b];
}

static void groups_are_in_the_order_of_their_first_runs(void **state)
{
    Fixture *f = *state;
    GfRunGroups g = gf_run_groups(&f->arena, 5, are_alike, "babca");

    assert_int_equal(g.count, 3);
    assert_true(g.several);
    assert_int_equal(g.list[0].count, 2);
    assert_int_equal(g.list[0].runs[1], 2);
    assert_int_equal(g.list[1].runs[1], 4);
    assert_int_equal(g.list[2].count, 1);
    g = gf_run_groups(&f->arena, 5, NULL, NULL);
    assert_int_equal(g.count, 5);
    assert_false(g.several);
}

/* ---- tables ---- */

static void seeds_become_one_row(void **state)
{
    Fixture *f = *state;
    const char *page = print(f, gf_comparison_markdown);

    check_has(page, "| variant | runs | trainable |");
    check_has(page, "| lora | 3 | 390 | 1,000 | 2 ± 0 | 2.0 ± 0.0 | 32 ± 0 | 0.5000 ± 0.2500 |");
    check_has(page, "| 0.5000 ± 0.2500 |\n"); /* the loss */
    check_has(page, "| full-learning_rate=0.1 | 1 | 390 | 1,000 | 2 | 2.0 | 32 | 0.6250 |");
    check_has(page, "| lora-seed=2 | 390 | 1,000 | 2 | 2.0 | 32 | 0.2500 |"); /* still listed */
    assert_int_equal(count_of(page, "| --- |"), 2);
    page = print(f, gf_comparison_text);
    check_has(page, "0.5000 +- 0.2500");
    check_has(page, "\nlora-seed=3 ");
    f->results[2].evaluation.scores.values[GF_METRIC_ACCURACY] = 0.7; /* the table is of these figures */
    assert_null(strstr(print(f, gf_comparison_text), "0.5000 +- 0.2500  0.0000"));
}

/* Whether it was trained now or in an earlier session. */
static void finished_runs_count(void **state)
{
    Fixture *f = *state;

    f->results[0].finished_before = true;
    f->results[1].resumed_step = 2;
    check_has(print(f, gf_comparison_markdown), "| lora | 3 |");
    f->comparison.count = 2; /* the third is not yet done */
    check_has(print(f, gf_comparison_markdown),
              "| lora | 2 | 390 | 1,000 | 2 ± 0 | 2.0 ± 0.0 | 32 ± 0 | 0.3750 ± 0.1768 |");
}

/* A mean over some of the runs would be of others than the row says. */
static void what_one_does_not_know_none_does(void **state)
{
    Fixture *f = *state;

    f->results[1].evaluated = false;
    check_has(print(f, gf_comparison_markdown), "| lora | 3 | 390 | 1,000 | 2 ± 0 | 2.0 ± 0.0 | 32 ± 0 | - | - |");
}

static void without_seeds_nothing_is_gathered(void **state)
{
    Fixture *f = *state;

    f->variants[0].group = "lora-r=4";
    f->variants[2].item = &items[1]; /* of the same name, but another item of the list */
    const char *page = print(f, gf_comparison_markdown);
    assert_int_equal(count_of(page, "| --- |"), 1);
    assert_null(strstr(page, "±"));
    assert_null(strstr(print(f, gf_comparison_text), "+-"));
    assert_null(strstr(print(f, gf_comparison_json), "groups"));
    check_has(print(f, gf_comparison_text), "variant                 trainable    all  epochs  seconds  examples/s  ");
}

static void json_has_the_groups(void **state)
{
    Fixture *f = *state;
    const char *text = print(f, gf_comparison_json);
    cJSON *doc = cJSON_Parse(text);
    const cJSON *groups = cJSON_GetObjectItem(doc, "groups"), *g = cJSON_GetArrayItem(groups, 0);
    const cJSON *mean = cJSON_GetObjectItem(g, "mean"), *std = cJSON_GetObjectItem(g, "std");

    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(doc, "variants")), RUNS);
    assert_int_equal(cJSON_GetArraySize(groups), 1);
    assert_string_equal(cJSON_GetObjectItem(g, "group")->valuestring, "lora");
    assert_int_equal(cJSON_GetObjectItem(g, "n")->valueint, 3);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(g, "variants")), 3);
    assert_true(is_close(cJSON_GetObjectItem(mean, "eval_accuracy")->valuedouble, 0.5));
    assert_true(is_close(cJSON_GetObjectItem(std, "eval_accuracy")->valuedouble, 0.25));
    assert_false(is_close(cJSON_GetObjectItem(std, "eval_accuracy")->valuedouble, sqrt(0.125 / 3)));
    assert_true(is_close(cJSON_GetObjectItem(mean, "train_loss")->valuedouble, 0.5));
    assert_true(cJSON_GetObjectItem(std, "steps")->valuedouble == 0);
    cJSON_Delete(doc);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deviates_as_a_sample_does),
        TEST(one_value_does_not_deviate),
        TEST(groups_are_in_the_order_of_their_first_runs),
        TEST(seeds_become_one_row),
        TEST(finished_runs_count),
        TEST(what_one_does_not_know_none_does),
        TEST(without_seeds_nothing_is_gathered),
        TEST(json_has_the_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
