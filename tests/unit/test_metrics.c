/* test_metrics.c -- scores against exact fractions worked out from scikit-learn's definitions. */
#include "runtime/train/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { EXAMPLES_MAX = 12 };

#define SCORES(...)                                                                                                    \
    {                                                                                                                  \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

typedef struct Case {
    size_t classes;
    size_t count;
    int truth[EXAMPLES_MAX];
    int predicted[EXAMPLES_MAX];
    GfScores wanted; /* accuracy, f1, f1_macro, f1_micro, precision, recall */
    double wrong_f1; /* a mean over all classes alike, also those that nobody has seen; planted */
} Case;

static const Case cases[] = {
    {3,
     5,
     {0, 1, 2, 2, 1},
     {0, 1, 1, 2, 1},
     SCORES(4.0 / 5, 59.0 / 75, 37.0 / 45, 4.0 / 5, 13.0 / 15, 4.0 / 5),
     37.0 / 45},
    {6,
     12,
     {0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 1, 0},
     {0, 1, 1, 1, 0, 1, 3, 4, 4, 3, 1, 0},
     SCORES(7.0 / 12, 19.0 / 36, 5.0 / 12, 7.0 / 12, 59.0 / 120, 7.0 / 12),
     5.0 / 12},
    {4, 4, {0, 0, 1, 3}, {2, 2, 2, 2}, SCORES(0), 0.25},
    {2, 3, {1, 1, 1}, {1, 1, 1}, SCORES(1, 1, 1, 1, 1, 1), 0.5},
};

enum { CASE_COUNT = sizeof cases / sizeof *cases };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfMetrics metrics;
} Fixture;

static void open_of(Fixture *f, GfProblem problem, size_t classes)
{
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    assert_int_equal(gf_metrics_init(&f->metrics, &f->arena, problem, classes, EXAMPLES_MAX, &f->diags), GF_OK);
}

static void open_fixture(Fixture *f, size_t classes)
{
    open_of(f, GF_PROBLEM_SINGLE_LABEL, classes);
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
    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (!close_to(a.values[m], b.values[m]))
            return false;
    }
    return true;
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
        macro.values[GF_METRIC_F1] = cases[i].wrong_f1;
        assert_false(scores_match(score(&cases[i], cases[i].truth, cases[i].predicted), macro));
    }
    for (size_t i = 0; i < 2; i++) { /* the others are symmetric */
        GfScores turned = cases[i].wanted;
        turned.values[GF_METRIC_PRECISION] = cases[i].wanted.values[GF_METRIC_RECALL];
        turned.values[GF_METRIC_RECALL] = cases[i].wanted.values[GF_METRIC_PRECISION];
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

/* ---- several labels ---- */

/* Class by class: is 3, 1, 0; said 2, 2, 1; hit 2, 1, 0: f1 4/5, 2/3, 0.  Three of four are right in all. */
static const float targets[][3] = {{1, 0, 0}, {1, 1, 0}, {1, 0, 0}, {0, 0, 0}};
static const float logits[][3] = {{0.5f, -1, -2}, {3, 0.1f, -1}, {0, 1, 0.25f}, {-1, -1, -1}};

static GfScores score_rows(GfProblem problem, size_t columns, const float *is, const float *said, size_t rows)
{
    Fixture f;

    open_of(&f, problem, columns);
    for (int again = 0; again < 2; again++) { /* a second evaluation must not see the first */
        gf_metrics_reset(&f.metrics);
        for (size_t i = 0; i < rows; i++)
            gf_metrics_add_row(&f.metrics, is + columns * i, said + columns * i);
    }
    GfScores scores = gf_metrics_scores(&f.metrics);
    close_fixture(&f);
    return scores;
}

static void several_labels_are_scikit_learns(void **state)
{
    const GfScores want = SCORES(3.0 / 4, (3 * 4.0 / 5 + 2.0 / 3) / 4, (4.0 / 5 + 2.0 / 3) / 3, 6.0 / 9,
                                 (3 * 1 + 1.0 / 2) / 4, (3 * 2.0 / 3 + 1) / 4);

    (void)state;
    GfScores got = score_rows(GF_PROBLEM_MULTI_LABEL, 3, targets[0], logits[0], 4);
    assert_true(scores_match(got, want));
    GfScores turned = want; /* planted: probabilities of exactly 1/2 count as predicted */
    turned.values[GF_METRIC_F1_MICRO] = 8.0 / 10;
    assert_false(scores_match(got, turned));
    assert_true(scores_match(score_rows(GF_PROBLEM_MULTI_LABEL, 3, targets[3], logits[3], 1),
                             (GfScores)SCORES(1))); /* nothing is true, nothing predicted */
}

/* ---- values ---- */

/* Ranks of the truth 1 2.5 2.5 4, of the predictions 2 1 3.5 3.5. */
static void values_are_scipys(void **state)
{
    static const float is[] = {1, 2, 2, 5}, said[] = {1, 0, 4, 4};
    const GfScores want = {
        .values = {
            [GF_METRIC_MSE] = 9.0 / 4, [GF_METRIC_PEARSON] = 6.5 / sqrt(9 * 12.75), [GF_METRIC_SPEARMAN] = 2.25 / 4.5}};

    (void)state;
    GfScores got = score_rows(GF_PROBLEM_REGRESSION, 1, is, said, 4);
    assert_true(scores_match(got, want));
    GfScores turned = want; /* planted: ties in the order of their places */
    turned.values[GF_METRIC_SPEARMAN] = 0.6;
    assert_false(scores_match(got, turned));
}

/* Two values an example: errors over all, correlations of each, the second turned round. */
static void several_values_are_averaged(void **state)
{
    static const float is[] = {1, 1, 2, 2, 4, 4}, said[] = {2, -1, 3, -2, 5, -4};
    const GfScores want = {.values = {[GF_METRIC_MSE] = (1 + (4 + 16 + 64) / 3.0) / 2}};

    (void)state;
    assert_true(scores_match(score_rows(GF_PROBLEM_REGRESSION, 2, is, said, 3), want));
}

static void constant_values_have_no_correlation(void **state)
{
    static const float is[] = {1, 2, 3}, said[] = {0.1f, 0.1f, 0.1f};

    (void)state;
    GfScores got = score_rows(GF_PROBLEM_REGRESSION, 1, is, said, 3);
    assert_true(isnan(got.values[GF_METRIC_PEARSON]) && isnan(got.values[GF_METRIC_SPEARMAN]));
    assert_true(got.values[GF_METRIC_MSE] > 0);
}

/* ---- names ---- */

static void each_problem_has_its_metrics(void **state)
{
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_metric_check("eval_f1_macro", GF_PROBLEM_MULTI_LABEL, GF_NOWHERE, &diags), GF_OK);
    assert_int_equal(gf_metric_check("loss", GF_PROBLEM_REGRESSION, GF_NOWHERE, &diags), GF_OK);
    assert_int_equal(gf_metric_check("eval_mse", GF_PROBLEM_DERIVED, GF_NOWHERE, &diags), GF_OK);
    assert_int_equal(gf_metric_check("eval_mse", GF_PROBLEM_SINGLE_LABEL, GF_NOWHERE, &diags), GF_ERR_VALUE);
    assert_string_equal(diags.last->message, "there is no metric 'eval_mse' of a single_label_classification");
    assert_int_equal(gf_metric_check("pearso", GF_PROBLEM_REGRESSION, GF_NOWHERE, &diags), GF_ERR_VALUE);
    assert_string_equal(diags.last->note, "did you mean 'eval_pearson'?");
    assert_true(gf_metric_grows("eval_spearman") && !gf_metric_grows("eval_mse") && !gf_metric_grows("loss"));
    gf_diags_free(&diags);
}

static void reset_forgets(void **state)
{
    Fixture f;

    (void)state;
    open_fixture(&f, 2);
    assert_int_equal(gf_metrics_add(&f.metrics, 0, 1, &f.diags), GF_OK);
    gf_metrics_reset(&f.metrics);
    assert_int_equal(gf_metrics_add(&f.metrics, 1, 1, &f.diags), GF_OK);
    assert_true(scores_match(gf_metrics_scores(&f.metrics), (GfScores)SCORES(1, 1, 1, 1, 1, 1)));
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
    assert_true(scores_match(gf_metrics_scores(&f.metrics), (GfScores){0}));
    close_fixture(&f);
}

static void sizes_are_checked(void **state)
{
    Fixture f;

    (void)state;
    open_fixture(&f, 1);
    assert_int_equal(gf_metrics_init(&f.metrics, &f.arena, GF_PROBLEM_SINGLE_LABEL, 0, 1, &f.diags), GF_ERR_VALUE);
    assert_int_equal(gf_metrics_init(&f.metrics, &f.arena, GF_PROBLEM_SINGLE_LABEL, SIZE_MAX / 2, 1, &f.diags),
                     GF_ERR_MEMORY);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_scikit_learns),
        cmocka_unit_test(wrong_scores_are_noticed),
        cmocka_unit_test(tells_one_class),
        cmocka_unit_test(several_labels_are_scikit_learns),
        cmocka_unit_test(values_are_scipys),
        cmocka_unit_test(several_values_are_averaged),
        cmocka_unit_test(constant_values_have_no_correlation),
        cmocka_unit_test(each_problem_has_its_metrics),
        cmocka_unit_test(reset_forgets),
        cmocka_unit_test(classes_out_of_range_are_refused),
        cmocka_unit_test(sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
