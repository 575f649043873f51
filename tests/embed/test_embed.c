/* test_embed.c -- runtime/graft.h as a program sees it; linked to libgraft.so alone. */
#include "runtime/graft.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEMO GRAFT_SOURCE_DIR "/models/jobs/demo.json"

enum { SETTINGS = 8, CLASSES = 6, TEXTS = 40, PATH = 256 };

typedef struct Fixture {
    char folder[64];
    char output[PATH];
    graft_setting settings[SETTINGS];
    graft_job_options options;
    graft_job *job;
} Fixture;

static graft_error error;

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != GRAFT_OK)                                                                                        \
            fail_msg("%s", error.text);                                                                                \
    } while (0)

/* The call fails with this code, and says so. */
#define FAILS(number, words, call)                                                                                     \
    do {                                                                                                               \
        assert_int_equal((call), number);                                                                              \
        assert_int_equal(error.code, number);                                                                          \
        if (!strstr(error.text, words))                                                                                \
            fail_msg("'%s' is not in: %s", words, error.text);                                                         \
    } while (0)

static const char *in_folder(const Fixture *f, const char *name, char path[PATH])
{
    snprintf(path, PATH, "%s/%s", f->folder, name);
    return path;
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    strcpy(f->folder, "/tmp/graft-test-embed-XXXXXX");
    if (!mkdtemp(f->folder))
        return 1;
    in_folder(f, "out", f->output);
    f->settings[0] = (graft_setting){"data.generate.train", "256"};
    f->settings[1] = (graft_setting){"data.generate.validation", "32"};
    f->settings[2] = (graft_setting){"data.generate.test", "32"};
    f->settings[3] = (graft_setting){"training.output_dir", f->output};
    f->settings[4] = (graft_setting){"variants", "classifier,lora"};
    f->settings[5] = (graft_setting){"training.max_steps", "8"};
    f->options = (graft_job_options){.settings = f->settings, .setting_count = 6, .device = "cpu", .threads = 2};
    OK(graft_job_open(&f->job, DEMO, &f->options, &error));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char command[PATH];

    graft_job_close(f->job);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int code = system(command);
    free(f);
    return code;
}

static void steps(graft_trainer *trainer, int count, double *losses)
{
    for (int i = 0; i < count; i++) {
        graft_step step;
        OK(graft_trainer_step(trainer, &step, &error));
        losses[i] = step.loss;
    }
}

static void a_job_tells_what_it_holds(void **state)
{
    const Fixture *f = *state;

    assert_string_equal(graft_version(), GRAFT_VERSION);
    assert_int_equal(graft_job_variant_count(f->job), 2);
    assert_string_equal(graft_job_variant_name(f->job, 0), "classifier");
    assert_string_equal(graft_job_variant_name(f->job, 1), "lora");
    assert_null(graft_job_variant_name(f->job, 2));
    assert_int_equal(graft_job_class_count(f->job), CLASSES);
    assert_non_null(graft_job_class_name(f->job, CLASSES - 1));
    assert_null(graft_job_class_name(f->job, CLASSES));
    assert_int_not_equal(access(f->output, F_OK), 0); /* nothing is written by opening */
}

/* Stepping with a checkpoint in the midst gives the same bits as stepping through. */
static void stepping_and_resuming(void **state)
{
    const Fixture *f = *state;
    double whole[8], half[8];
    graft_trainer *a, *b;
    graft_scores of_a, of_b;
    char run[PATH], checkpoint[PATH];

    in_folder(f, "run", run);
    in_folder(f, "run/checkpoint-4", checkpoint);
    OK(graft_trainer_open(&a, f->job, 1, &error));
    assert_false(graft_trainer_is_done(a));
    steps(a, 4, whole);
    OK(graft_trainer_checkpoint(a, run, &error));
    steps(a, 4, whole + 4);
    assert_true(graft_trainer_is_done(a));
    FAILS(103, "all 8 steps are done", graft_trainer_step(a, NULL, &error));

    OK(graft_trainer_open(&b, f->job, 1, &error));
    OK(graft_trainer_resume(b, checkpoint, &error));
    steps(b, 4, half + 4);
    assert_memory_equal(whole + 4, half + 4, 4 * sizeof *whole);
    assert_true(whole[7] != whole[3]);
    OK(graft_trainer_evaluate(a, GRAFT_TEST, &of_a, &error));
    OK(graft_trainer_evaluate(b, GRAFT_TEST, &of_b, &error));
    assert_true(of_a.loss == of_b.loss);
    assert_int_equal(of_a.examples, 32);
    assert_true(graft_scores_metric(&of_a, "accuracy") >= 0);
    assert_true(isnan(graft_scores_metric(&of_a, "pearson")));
    OK(graft_trainer_evaluate(a, GRAFT_TRAIN, &of_a, &error));
    assert_int_equal(of_a.examples, 256);
    FAILS(103, "no such data", graft_trainer_evaluate(a, (graft_split)7, &of_a, &error));
    FAILS(2, "nowhere", graft_trainer_resume(b, "/nowhere/checkpoint-4", &error));
    graft_trainer_close(a);
    graft_trainer_close(b);
}

/* Asked in one call or one by one, in this order or the reverse: the same answers. */
static void predictions_do_not_depend_on_company(void **state)
{
    const Fixture *f = *state;
    static char words[TEXTS][128];
    static float together[TEXTS * CLASSES], alone[CLASSES], probabilities[TEXTS * CLASSES];
    graft_text texts[TEXTS];
    graft_trainer *trainer;
    graft_model *model;
    double losses[8];
    char folder[PATH];

    in_folder(f, "model", folder);
    OK(graft_trainer_open(&trainer, f->job, 1, &error));
    steps(trainer, 8, losses);
    OK(graft_trainer_save(trainer, folder, &error));
    graft_trainer_close(trainer);

    OK(graft_model_open(&model, folder, &(graft_model_options){.device = "cpu", .batch_size = 7}, &error));
    assert_int_equal(graft_model_problem(model), GRAFT_SINGLE_LABEL);
    assert_int_equal(graft_model_output_count(model), CLASSES);
    assert_string_equal(graft_model_output_name(model, 0), graft_job_class_name(f->job, 0));
    assert_null(graft_model_output_name(model, CLASSES));
    for (int i = 0; i < TEXTS; i++) {
        words[i][0] = '\0';
        for (int k = 0; k < i % 11; k++)
            strcat(words[i], k % 2 ? "abc " : "x ");
        texts[i] = (graft_text){words[i], NULL};
    }
    OK(graft_model_predict(model, texts, TEXTS, together, probabilities, &error));
    for (int i = 0; i < TEXTS; i++) {
        double sum = 0;
        OK(graft_model_predict(model, &texts[i], 1, alone, NULL, &error));
        for (int k = 0; k < CLASSES; k++) {
            assert_true(fabsf(alone[k] - together[i * CLASSES + k]) <= 1e-6F * (1 + fabsf(alone[k])));
            sum += (double)probabilities[i * CLASSES + k];
        }
        assert_true(fabs(sum - 1) < 1e-6);
    }
    assert_true(together[0] != together[CLASSES]); /* another text, another logit */
    FAILS(103, "NULL", graft_model_predict(model, &(graft_text){NULL, NULL}, 1, alone, NULL, &error));
    OK(graft_model_predict(model, texts, 0, together, NULL, &error));
    graft_model_close(model);
}

typedef struct Seen {
    int steps, epochs, evaluations;
} Seen;

static void on_step(void *self, const graft_step *step)
{
    Seen *seen = self;
    assert_int_equal(step->step, ++seen->steps);
}

static void on_epoch(void *self, double epoch, double train_loss, const graft_scores *scores)
{
    Seen *seen = self;
    assert_true(epoch > 0 && train_loss > 0);
    seen->epochs++;
    seen->evaluations += scores != NULL;
}

/* A run as the command does it: the same folder, refused where one is, resumed, overwritten. */
static void whole_runs(void **state)
{
    const Fixture *f = *state;
    Seen seen = {0};
    graft_train_options how = {.self = &seen, .on_step = on_step, .on_epoch = on_epoch};
    graft_result first, again;

    OK(graft_job_train(f->job, 0, &how, &first, &error));
    assert_int_equal(first.steps, 8);
    assert_int_equal(seen.steps, 8);
    assert_true(seen.epochs >= 1 && seen.evaluations >= 1);
    assert_true(first.evaluated && first.scores.examples == 32 && !first.interrupted);
    assert_int_equal(access(first.folder, F_OK), 0);
    FAILS(2, "a finished run is here", graft_job_train(f->job, 0, NULL, &again, &error));
    how.begin = GRAFT_BEGIN_RESUME;
    OK(graft_job_train(f->job, 0, &how, &again, &error));
    assert_true(again.scores.loss == first.scores.loss);
    assert_int_equal(seen.steps, 8); /* nothing was done */
    seen = (Seen){0};
    how.begin = GRAFT_BEGIN_OVERWRITE;
    OK(graft_job_train(f->job, 0, &how, &again, &error));
    assert_int_equal(seen.steps, 8);
    assert_true(again.scores.loss == first.scores.loss);
}

static void a_compiled_job(void **state)
{
    const Fixture *f = *state;
    graft_job *job;
    graft_trainer *a, *b;
    double from_json[2], from_file[2];
    char path[PATH];

    in_folder(f, "demo.gfc", path);
    OK(graft_compile(DEMO, &f->options, "cpu", path, &error));
    OK(graft_job_open(&job, path, &(graft_job_options){.device = "cpu", .threads = 1}, &error));
    OK(graft_trainer_open(&a, f->job, 1, &error));
    OK(graft_trainer_open(&b, job, 1, &error));
    steps(a, 2, from_json);
    steps(b, 2, from_file);
    assert_memory_equal(from_json, from_file, sizeof from_json);
    graft_trainer_close(a);
    graft_trainer_close(b);
    graft_job_close(job);
    FAILS(401, "cpu:x86-64-v9", graft_compile(DEMO, &f->options, "cpu:x86-64-v9", path, &error));
}

/* A first line that does not fit loses its end, and no character is cut in two. */
static void an_error_that_is_too_long(void **state)
{
    enum { LONG = 6000 };
    const Fixture *f = *state;
    char key[LONG + 1];
    graft_setting setting = {key, "1"};
    graft_job *job = f->job;

    for (int shift = 0; shift < 2; shift++) {
        for (int i = 0; i < LONG; i++)
            key[i] = (i + shift) % 2 ? '\xa9' : '\xc3';
        memset(key, 'k', 2);
        key[LONG] = '\0';
        assert_int_equal(
            graft_job_open(&job, DEMO, &(graft_job_options){.settings = &setting, .setting_count = 1}, &error), 102);
        size_t length = strlen(error.text);
        assert_true(length > sizeof error.text - 4 && length < sizeof error.text);
        assert_int_equal(strncmp(error.text, "--set kk", 8), 0);
        assert_int_equal(error.text[length - 1], '\n');
        assert_true(error.text[length - 2] == '\xa9');
    }
}

static void what_is_refused(void **state)
{
    const Fixture *f = *state;
    graft_setting bad = {"training.learning_rat", "1"}, half = {"training.seed", NULL};
    graft_job *job = f->job;
    graft_trainer *trainer;
    graft_model *model;

    FAILS(2, "nowhere.json", graft_job_open(&job, "/nowhere.json", NULL, &error));
    assert_null(job);
    FAILS(102, "learning_rate",
          graft_job_open(&job, DEMO, &(graft_job_options){.settings = &bad, .setting_count = 1}, &error));
    FAILS(3, "has no value",
          graft_job_open(&job, DEMO, &(graft_job_options){.settings = &half, .setting_count = 1}, &error));
    assert_int_not_equal(graft_job_open(&job, "/nowhere.json", NULL, NULL), GRAFT_OK); /* nobody wants the words */
    FAILS(104, "there is no variant 2", graft_trainer_open(&trainer, f->job, 2, &error));
    assert_null(trainer);
    FAILS(104, "there is no variant 9", graft_job_train(f->job, 9, NULL, NULL, &error));
    FAILS(2, "nowhere", graft_model_open(&model, "/nowhere", NULL, &error));
    assert_null(model);
    graft_job_close(NULL);
    graft_trainer_close(NULL);
    graft_model_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_tells_what_it_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stepping_and_resuming, set_up, tear_down),
        cmocka_unit_test_setup_teardown(predictions_do_not_depend_on_company, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_compiled_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_that_is_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
