/* test_metrics.c -- scores against exact fractions worked out from scikit-learn's definitions. */
#include "runtime/train/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { EXAMPLES_MAX = 12 };

typedef struct Case {
    size_t classes;
    size_t count;
    int truth[EXAMPLES_MAX];
    int predicted[EXAMPLES_MAX];
    GfScores wanted;
    double macro_f1; /* the unweighted mean, as a planted wrong answer */
} Case;

static const Case cases[] = {
    {3, 5, {0, 1, 2, 2, 1}, {0, 1, 1, 2, 1}, {4.0 / 5, 59.0 / 75, 13.0 / 15, 4.0 / 5}, 37.0 / 45},
    {6,
     12,
     {0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 1, 0},
     {0, 1, 1, 1, 0, 1, 3, 4, 4, 3, 1, 0},
     {7.0 / 12, 19.0 / 36, 59.0 / 120, 7.0 / 12},
     5.0 / 12},
    {4, 4, {0, 0, 1, 3}, {2, 2, 2, 2}, {0, 0, 0, 0}, 0.25},
    {2, 3, {1, 1, 1}, {1, 1, 1}, {1, 1, 1, 1}, 0.5},
};

enum { CASE_COUNT = sizeof cases / sizeof *cases };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfMetrics metrics;
} Fixture;

static void open_fixture(Fixture *f, size_t classes)
{
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    assert_int_equal(gf_metrics_init(&f->metrics, &f->arena, classes, &f->diags), GF_OK);
}

static void close_fixture(Fixture *f)
{
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
}

static GfScores score(const Case *c, const int *truth, const int *predicted)
{
    Fixture f;

    open_fixture(&f, c->classes);
    for (size_t i = 0; i < c->count; i++)
        assert_int_equal(gf_metrics_add(&f.metrics, truth[i], predicted[i], &f.diags), GF_OK);
    GfScores scores = gf_metrics_scores(&f.metrics);
    close_fixture(&f);
    return scores;
}

/* Sums of a few terms in [0, 1]: a few roundings of 2^-53. */
static bool close_to(double a, double b)
{
    return fabs(a - b) <= 4 * 0x1p-53;
}

static bool scores_match(GfScores a, GfScores b)
{
    return close_to(a.accuracy, b.accuracy) && close_to(a.f1, b.f1) && close_to(a.precision, b.precision) &&
           close_to(a.recall, b.recall);
}

static void scores_are_scikit_learns(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        assert_true(scores_match(score(&cases[i], cases[i].truth, cases[i].predicted), cases[i].wanted));
}

/* Planted errors: truth and prediction exchanged; precision and recall exchanged; macro for weighted. */
static void wrong_scores_are_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        GfScores macro = cases[i].wanted;
        macro.f1 = cases[i].macro_f1;
        assert_false(scores_match(score(&cases[i], cases[i].truth, cases[i].predicted), macro));
    }
    for (size_t i = 0; i < 2; i++) { /* the others are symmetric */
        GfScores turned = cases[i].wanted;
        turned.precision = cases[i].wanted.recall;
        turned.recall = cases[i].wanted.precision;
        assert_false(scores_match(score(&cases[i], cases[i].predicted, cases[i].truth), cases[i].wanted));
        assert_false(scores_match(score(&cases[i], cases[i].truth, cases[i].predicted), turned));
    }
}

/* Class 1 of the first case: it is the truth twice, predicted three times, right twice. */
static void tells_one_class(void **state)
{
    const Case *c = &cases[0];
    Fixture f;

    (void)state;
    open_fixture(&f, c->classes);
    for (size_t i = 0; i < c->count; i++)
        assert_int_equal(gf_metrics_add(&f.metrics, c->truth[i], c->predicted[i], &f.diags), GF_OK);
    GfClassScores scores = gf_metrics_class(&f.metrics, 1);
    assert_int_equal(scores.support, 2);
    assert_true(close_to(scores.precision, 2.0 / 3) && close_to(scores.recall, 1) && close_to(scores.f1, 4.0 / 5));
    close_fixture(&f);
}

static void reset_forgets(void **state)
{
    Fixture f;

    (void)state;
    open_fixture(&f, 2);
    assert_int_equal(gf_metrics_add(&f.metrics, 0, 1, &f.diags), GF_OK);
    gf_metrics_reset(&f.metrics);
    assert_int_equal(gf_metrics_add(&f.metrics, 1, 1, &f.diags), GF_OK);
    assert_true(scores_match(gf_metrics_scores(&f.metrics), (GfScores){1, 1, 1, 1}));
    close_fixture(&f);
}

static void classes_out_of_range_are_refused(void **state)
{
    static const int64_t wrong[][2] = {{3, 0}, {0, 3}, {-1, 0}, {0, -1}, {INT64_MAX, 0}, {0, INT64_MIN}};
    Fixture f;

    (void)state;
    open_fixture(&f, 3);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(gf_metrics_add(&f.metrics, wrong[i][0], wrong[i][1], &f.diags), GF_ERR_LABEL);
    assert_int_equal(f.metrics.total, 0);
    assert_true(scores_match(gf_metrics_scores(&f.metrics), (GfScores){0, 0, 0, 0}));
    close_fixture(&f);
}

static void sizes_are_checked(void **state)
{
    Fixture f;

    (void)state;
    open_fixture(&f, 1);
    assert_int_equal(gf_metrics_init(&f.metrics, &f.arena, 0, &f.diags), GF_ERR_VALUE);
    assert_int_equal(gf_metrics_init(&f.metrics, &f.arena, SIZE_MAX / 2, &f.diags), GF_ERR_MEMORY);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_scikit_learns),
        cmocka_unit_test(wrong_scores_are_noticed),
        cmocka_unit_test(tells_one_class),
        cmocka_unit_test(reset_forgets),
        cmocka_unit_test(classes_out_of_range_are_refused),
        cmocka_unit_test(sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
