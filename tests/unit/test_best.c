/* test_best.c -- the best model and early stopping, against what transformers 5.24's
 * Trainer does with the same metrics (tests/compat/best_peer.py makes the table):
 * the best model, early stopping, and the checkpoints that are kept. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/train/best.h"
#include "runtime/train/checkpoint.h"

enum { EVALUATIONS = 8 };

typedef struct Case {
    const char *name;
    bool greater;
    int64_t patience;
    double threshold;
    double metrics[EVALUATIONS]; /* of steps 1, 2, ...; NAN: no more */
    int64_t best;                /* step */
    int64_t stop;                /* step at which training stops; 0: never */
    int64_t limit;               /* save_total_limit */
    int64_t kept[EVALUATIONS];   /* steps of the checkpoints at the end; 0: no more */
} Case;

static const Case cases[] = {
#include "tests/unit/best_cases.h"
};

static void the_trainer_s_choices(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = &cases[i];
        GfTraining t = gf_training_defaults;
        GfBest best = {0};
        int64_t step = 0, stop = 0;

        t.greater_is_better = c->greater ? GF_MAYBE_YES : GF_MAYBE_NO;
        t.early_stopping_patience = c->patience;
        t.early_stopping_threshold = c->threshold;
        while (step < EVALUATIONS && !isnan(c->metrics[step]) && !stop) {
            gf_best_update(&best, &t, step + 1, c->metrics[step]);
            step++;
            stop = best.stop ? step : 0;
        }
        if (best.step != c->best || stop != c->stop)
            fail_msg("%s: best %lld for %lld, stop %lld for %lld", c->name, (long long)best.step, (long long)c->best,
                     (long long)stop, (long long)c->stop);
    }
}

/* Saves after each evaluation, as the Trainer does; what is kept at the end. */
static size_t rotate_all(const Case *c, const GfTraining *t, int64_t *steps)
{
    GfBest best = {0};
    size_t count = 0;

    for (int64_t step = 1; step <= EVALUATIONS && !isnan(c->metrics[step - 1]) && !best.stop; step++) {
        gf_best_update(&best, t, step, c->metrics[step - 1]);
        steps[count++] = step;
        size_t left = 0;
        bool keep[EVALUATIONS];
        gf_checkpoint_rotation(steps, count, c->limit, step, best.step, keep);
        for (size_t i = 0; i < count; i++)
            if (keep[i])
                steps[left++] = steps[i];
        count = left;
    }
    return count;
}

static void the_trainer_s_checkpoints(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = &cases[i];
        GfTraining t = gf_training_defaults;
        int64_t steps[EVALUATIONS] = {0};

        t.greater_is_better = c->greater ? GF_MAYBE_YES : GF_MAYBE_NO;
        t.early_stopping_patience = c->patience;
        t.early_stopping_threshold = c->threshold;
        size_t count = rotate_all(c, &t, steps), expected = 0;
        while (expected < EVALUATIONS && c->kept[expected])
            expected++;
        if (count != expected || memcmp(steps, c->kept, count * sizeof *steps) != 0)
            fail_msg("%s, limit %lld: other checkpoints are kept", c->name, (long long)c->limit);
    }
}

static void what_is_not_a_number_is_never_better(void **state)
{
    GfTraining t = gf_training_defaults;
    GfBest best = {0};

    (void)state;
    t.greater_is_better = GF_MAYBE_YES;
    assert_false(gf_best_update(&best, &t, 1, NAN));
    assert_false(best.found);
    assert_true(gf_best_update(&best, &t, 2, -1));
    assert_false(gf_best_update(&best, &t, 3, NAN));
    assert_int_equal(best.step, 2);
}

static void the_metric_by_its_name(void **state)
{
    const GfEvaluation e = {
        .loss = 0.7,
        .scores.values = {
            [GF_METRIC_ACCURACY] = 0.1, [GF_METRIC_F1] = 0.2, [GF_METRIC_RECALL] = 0.4, [GF_METRIC_PEARSON] = 0.5}};
    GfTraining t = gf_training_defaults;

    (void)state;
    t.metric_for_best_model = "eval_loss";
    assert_true(gf_best_metric(&t, &e) == 0.7);
    t.metric_for_best_model = "f1";
    assert_true(gf_best_metric(&t, &e) == 0.2);
    t.metric_for_best_model = "eval_recall";
    assert_true(gf_best_metric(&t, &e) == 0.4);
    t.metric_for_best_model = "pearson";
    assert_true(gf_best_metric(&t, &e) == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trainer_s_choices),
        cmocka_unit_test(the_trainer_s_checkpoints),
        cmocka_unit_test(what_is_not_a_number_is_never_better),
        cmocka_unit_test(the_metric_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
