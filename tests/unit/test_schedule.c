/* test_schedule.c -- learning rates against golden.json of the reference, bit for bit. */
#include "runtime/train/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct Golden {
    GfSchedule schedule;
    size_t count;
    double rates[20];
} Golden;

/* What transformers.get_scheduler (5.24) gives: its Trainer's rates. */
static const Golden golden[] = {
    {{GF_SCHEDULE_LINEAR, 1e-3, 0, 20},
     20,
     {0.001,
      0.00095,
      0.0009000000000000001,
      0.00085,
      0.0008,
      0.00075,
      0.0007,
      0.0006500000000000001,
      0.0006,
      0.00055,
      0.0005,
      0.00045000000000000004,
      0.0004,
      0.00035,
      0.0003,
      0.00025,
      0.0002,
      0.00015,
      0.0001,
      5e-05}},
    {{GF_SCHEDULE_COSINE, 1e-3, 3, 10},
     10,
     {0.0, 0.0003333333333333333, 0.0006666666666666666, 0.001, 0.0009504844339512095, 0.0008117449009293668,
      0.0006112604669781572, 0.00038873953302184284, 0.00018825509907063325, 4.9515566048790485e-05}},
    {{GF_SCHEDULE_CONSTANT_WITH_WARMUP, 1e-3, 4, 5}, 5, {0.0, 0.00025, 0.0005, 0.00075, 0.001}},
    {{GF_SCHEDULE_LINEAR, 2e-3, 7, 20},
     20,
     {0.0,
      0.0002857142857142857,
      0.0005714285714285714,
      0.0008571428571428571,
      0.0011428571428571427,
      0.0014285714285714286,
      0.0017142857142857142,
      0.002,
      0.0018461538461538463,
      0.0016923076923076924,
      0.0015384615384615387,
      0.0013846153846153845,
      0.0012307692307692308,
      0.0010769230769230769,
      0.0009230769230769232,
      0.0007692307692307693,
      0.0006153846153846154,
      0.0004615384615384616,
      0.0003076923076923077,
      0.00015384615384615385}},
};

enum { GOLDEN_COUNT = sizeof golden / sizeof *golden };

static bool rates_match(const GfSchedule *schedule, const double *rates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double rate = gf_schedule_rate(schedule, (int64_t)i);
        if (memcmp(&rate, &rates[i], sizeof rate) != 0)
            return false;
    }
    return true;
}

static void rates_are_the_reference_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        assert_true(rates_match(&golden[i].schedule, golden[i].rates, golden[i].count));
}

/* Planted errors of the kinds one makes: one step off, one warm-up step off, no warm-up. */
static void wrong_rates_are_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        const Golden *g = &golden[i];
        GfSchedule wrong = g->schedule;
        double last = g->rates[g->count - 1], rates[20];
        assert_false(rates_match(&g->schedule, g->rates + 1, g->count - 1));
        memcpy(rates, g->rates, sizeof rates);
        rates[g->count - 1] = last * (1 + 0x1p-52);
        assert_false(rates_match(&g->schedule, rates, g->count));
        wrong.warmup += 1;
        assert_false(rates_match(&wrong, g->rates, g->count));
        wrong.warmup = 0;
        wrong.kind = GF_SCHEDULE_CONSTANT;
        assert_false(rates_match(&wrong, g->rates, g->count));
    }
}

static void another_curve_is_noticed(void **state)
{
    GfSchedule linear = golden[0].schedule, cosine = golden[1].schedule;

    (void)state;
    linear.kind = GF_SCHEDULE_COSINE;
    cosine.kind = GF_SCHEDULE_LINEAR;
    assert_false(rates_match(&linear, golden[0].rates, golden[0].count));
    assert_false(rates_match(&cosine, golden[1].rates, golden[1].count));
}

static void linear_takes_warmup(void **state)
{
    GfSchedule s = {GF_SCHEDULE_LINEAR, 2, 2, 6};

    (void)state;
    assert_true(rates_match(&s, (const double[]){0, 1, 2, 1.5, 1, 0.5, 0, 0}, 8));
}

static void constant_takes_warmup(void **state)
{
    GfSchedule s = {GF_SCHEDULE_CONSTANT, 0.5, 2, 6};

    (void)state;
    assert_true(rates_match(&s, (const double[]){0, 0.25, 0.5, 0.5}, 4));
    s.warmup = 0;
    assert_true(rates_match(&s, (const double[]){0.5, 0.5, 0.5}, 3));
}

static void ends_are_defined(void **state)
{
    GfSchedule s = {GF_SCHEDULE_COSINE, 1, 4, 4};

    (void)state;
    assert_true(gf_schedule_rate(&s, 3) == 0.75);
    assert_true(gf_schedule_rate(&s, 4) == 0);
    assert_true(gf_schedule_rate(&s, 100) == 0);
    s.warmup = 10; /* longer than the training */
    assert_true(gf_schedule_rate(&s, 5) == 0.5);
}

static void warmup_ratio_rounds_up(void **state)
{
    (void)state;
    assert_int_equal(gf_schedule_warmup(0, 0.1, 101), 11);
    assert_int_equal(gf_schedule_warmup(0, 0.1, 100), 10);
    assert_int_equal(gf_schedule_warmup(7, 0.1, 100), 7);
    assert_int_equal(gf_schedule_warmup(0.25, 0.1, 101), 26);
    assert_int_equal(gf_schedule_warmup(0, 0, 100), 0);
}

static void names_are_those_of_the_trainer(void **state)
{
    GfScheduleKind kind = GF_SCHEDULE_COUNT;
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    for (int i = 0; i < GF_SCHEDULE_COUNT; i++) {
        assert_int_equal(gf_schedule_kind(gf_schedule_text((GfScheduleKind)i), GF_NOWHERE, &kind, &diags), GF_OK);
        assert_int_equal(kind, i);
    }
    assert_int_equal(gf_schedule_kind("cosin", GF_NOWHERE, &kind, &diags), GF_ERR_VALUE);
    assert_string_equal(diags.last->note, "did you mean 'cosine'?");
    gf_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_the_reference_bits), cmocka_unit_test(wrong_rates_are_noticed),
        cmocka_unit_test(another_curve_is_noticed),     cmocka_unit_test(linear_takes_warmup),
        cmocka_unit_test(constant_takes_warmup),        cmocka_unit_test(ends_are_defined),
        cmocka_unit_test(warmup_ratio_rounds_up),       cmocka_unit_test(names_are_those_of_the_trainer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
