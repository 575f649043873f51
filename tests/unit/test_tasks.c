/* test_tasks.c -- jobs of each problem_type from files to results: what the labels
 * are, the loss that the model chooses, the figures that come out, weights of classes. */
#include "runtime/io/file.h"
#include "runtime/train/session.h"
#include "tests/support/has_cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL(name) GRAFT_SOURCE_DIR "/models/" name ".json"
#define FULL GRAFT_SOURCE_DIR "/models/variants/full.json"

enum { EXAMPLES = 24, STEPS = 6 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[64];
    GfJob job;
    GfSession session;
    GfVariantResult result;
    double losses[STEPS];
    int steps;
} Fixture;

static const char *in_folder(Fixture *f, const char *name)
{
    const char *path = gf_path_join(&f->arena, f->folder, name);
    assert_non_null(path);
    return path;
}

static void put(Fixture *f, const char *name, const char *text)
{
    assert_int_equal(gf_file_write_atomic(in_folder(f, name), text, strlen(text), &f->diags), GF_OK);
}

/* Texts of 1 to 4 of the words a b c, each with what `label` says of it. */
static void put_examples(Fixture *f, const char *name, const char *head, void (*label)(GfText *t, const char *words))
{
    GfText text = {.arena = &f->arena};

    gf_text_add(&text, "%s", head);
    for (int i = 0; i < EXAMPLES; i++) {
        char words[8] = "";
        for (int k = 0; k <= i % 4; k++)
            words[k] = (char)('a' + (i * 7 + k * (i + 1)) % 3);
        label(&text, words);
    }
    put(f, name, gf_text_str(&text));
}

static void add_words(GfText *t, const char *words)
{
    for (size_t i = 0; words[i]; i++)
        gf_text_add(t, "%s%c", i ? " " : "", words[i]);
}

static int count_of(const char *words, char c)
{
    int count = 0;

    for (; *words; words++)
        count += *words == c;
    return count;
}

static void add_value(GfText *t, const char *words)
{
    add_words(t, words);
    gf_text_add(t, ",%.1f\n", count_of(words, 'a') - 0.5 * count_of(words, 'b'));
}

static void add_class(GfText *t, const char *words)
{
    add_words(t, words);
    gf_text_add(t, ",%s\n", count_of(words, 'a') ? "has" : "not");
}

static void add_labels(GfText *t, const char *words)
{
    const char *separator = "";

    gf_text_add(t, "{\"text\": \"");
    add_words(t, words);
    gf_text_add(t, "\", \"label\": [");
    for (char c = 'a'; c <= 'c'; c++) {
        if (!count_of(words, c))
            continue;
        gf_text_add(t, "%s\"has-%c\"", separator, c);
        separator = ", ";
    }
    gf_text_add(t, "]}\n");
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-tasks-XXXXXX");
    if (!mkdtemp(f->folder))
        return 1;
    put(f, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n");
    put_examples(f, "values.csv", "text,label\n", add_value);
    put_examples(f, "classes.csv", "text,label\n", add_class);
    put_examples(f, "labels.jsonl", "", add_labels);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char command[128];

    gf_session_close(&f->session);
    gf_job_close(&f->job);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int status = system(command);
    free(f);
    return status;
}

/* ---- running a job ---- */

static void on_step(void *self, const GfStepReport *r)
{
    Fixture *f = self;

    assert_true(f->steps < STEPS);
    f->losses[f->steps++] = r->loss;
}

static GfStatus open_job(Fixture *f, const char *data, const char *training, const char *more)
{
    const char *text = gf_arena_printf(
        &f->arena,
        "{\"model\": \"" MODEL(
            "bert") "\", \"tokenizer\": \"vocab.txt\", \"config\": {\"vocab_size\": 8, "
                    "\"max_position_embeddings\": 8, \"hidden_size\": 16, \"num_hidden_layers\": 1, "
                    "\"num_attention_heads\": 2, "
                    "\"intermediate_size\": 16, \"initializer_range\": 0.2, \"hidden_dropout_prob\": 0, "
                    "\"attention_probs_dropout_prob\": 0},\n\"data\": {%s},\n\"variants\": [\"" FULL
                    "\"],\n\"training\": "
                    "{\"output_dir\": \"%s/out\", \"max_steps\": %d, \"learning_rate\": 0.01, \"eval_strategy\": "
                    "\"no\", "
                    "\"save_strategy\": \"no\"%s}%s}",
        data, f->folder, STEPS, training, more);

    gf_session_close(&f->session);
    gf_job_close(&f->job);
    put(f, "job.json", text);
    GF_TRY(gf_job_load(&f->job, in_folder(f, "job.json"), NULL, 0, &f->diags));
    GfSessionOptions options = {.threads = 1, .begin = GF_BEGIN_OVERWRITE};
    return gf_session_open(&f->session, &f->job, &options, &f->diags);
}

static void check_ok(Fixture *f, GfStatus status)
{
    if (status != GF_OK)
        gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

static const GfEvaluation *train(Fixture *f, const char *data, const char *training)
{
    GfSessionEvents events = {.train = {.self = f, .step = on_step}};

    f->steps = 0;
    check_ok(f, open_job(f, data, training, ""));
    check_ok(f, gf_session_train(&f->session, 0, &events, &f->result, &f->diags));
    assert_int_equal(f->steps, STEPS);
    assert_true(f->result.evaluated);
    return &f->result.evaluation;
}

/* ---- problems ---- */

/* The program's mean squared error over batches is the evaluator's over all values. */
static void values_are_learned(void **state)
{
    Fixture *f = *state;
    const GfEvaluation *e = train(f, "\"train\": \"values.csv\", \"test\": \"values.csv\"",
                                  ", \"per_device_train_batch_size\": 24, \"per_device_eval_batch_size\": 7");

    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_REGRESSION);
    assert_true(f->losses[STEPS - 1] < 0.8 * f->losses[0]);
    assert_true(fabs(e->scores.values[GF_METRIC_MSE] - e->loss) < 1e-5 * e->loss);
    assert_true(e->scores.values[GF_METRIC_PEARSON] > 0.3);
    assert_non_null(gf_find_name(f->session.model.graph, "targets"));
    assert_null(gf_find_name(f->session.model.graph, "labels"));
}

/* The first loss of logits near 0 is near ln 2, the mean over all classes. */
static void several_labels_are_learned(void **state)
{
    Fixture *f = *state;
    const GfEvaluation *e =
        train(f, "\"train\": \"labels.jsonl\", \"test\": \"labels.jsonl\"", ", \"per_device_train_batch_size\": 24");

    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_MULTI_LABEL);
    assert_true(fabs(f->losses[0] - 0.6931) < 0.3 && f->losses[STEPS - 1] < f->losses[0] - 0.02);
    assert_true(e->scores.values[GF_METRIC_F1_MICRO] > 0.5 && e->scores.values[GF_METRIC_MSE] == 0);
    assert_true(f->result.metrics.counts && !f->result.metrics.matrix);
}

/* Three micro-batches are one batch of all, in every step, with weights and without. */
static void weights_do_not_depend_on_micro_batches(void **state)
{
    static const char weighed[] = "\"train\": \"classes.csv\", \"test\": \"classes.csv\", \"class_weights\": "
                                  "{\"has\": 1, \"not\": 6}";
    Fixture *f = *state;
    double whole[STEPS], worst = 0, apart = 0;

    train(f, weighed, ", \"per_device_train_batch_size\": 24");
    memcpy(whole, f->losses, sizeof whole);
    double evaluated = f->result.evaluation.loss;
    train(f, weighed,
          ", \"per_device_train_batch_size\": 10, \"gradient_accumulation_steps\": 3, "
          "\"per_device_eval_batch_size\": 5");
    for (int i = 0; i < STEPS; i++)
        worst = fmax(worst, fabs(f->losses[i] - whole[i]) / whole[i]);
    assert_true(worst < 1e-5);
    assert_true(fabs(f->result.evaluation.loss - evaluated) < 1e-5 * evaluated);
    train(f, "\"train\": \"classes.csv\", \"test\": \"classes.csv\"", ", \"per_device_train_batch_size\": 24");
    for (int i = 0; i < STEPS; i++) /* planted: without weights it is another training */
        apart = fmax(apart, fabs(f->losses[i] - whole[i]) / whole[i]);
    assert_true(apart > 1e-2);
    assert_null(gf_find_name(f->session.model.graph, "targets"));
}

/* ---- what the checkpoint says ---- */

/* A folder that is a checkpoint as far as it is read before a training. */
static void put_checkpoint(Fixture *f, const char *config)
{
    assert_int_equal(system(gf_arena_printf(&f->arena, "mkdir -p '%s/init'", f->folder)), 0);
    put(f, "init/config.json", config);
    put(f, "init/model.safetensors", "");
    put(f, "init/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n");
}

static const GfDiag *last_error(const Fixture *f)
{
    assert_non_null(f->diags.last);
    return f->diags.last;
}

static void the_checkpoint_says_what_the_job_does_not(void **state)
{
    static const char whole[] = "text,label\na,0\nb,1\nc,2\n", checkpoint[] = ", \"checkpoint\": \"init\"";
    Fixture *f = *state;

    put(f, "whole.csv", whole);
    check_ok(f, open_job(f, "\"train\": \"whole.csv\"", "", ""));
    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_SINGLE_LABEL);
    put_checkpoint(f, "{\"model_type\": \"bert\", \"num_labels\": 1}");
    check_ok(f, open_job(f, "\"train\": \"whole.csv\"", "", checkpoint));
    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_REGRESSION);
    put_checkpoint(f, "{\"model_type\": \"bert\", \"problem_type\": \"multi_label_classification\"}");
    check_ok(f, open_job(f, "\"train\": \"whole.csv\"", "", checkpoint));
    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_MULTI_LABEL);
    check_ok(f, open_job(f, "\"train\": \"whole.csv\", \"problem_type\": \"regression\"", "", checkpoint));
    assert_int_equal(f->session.corpus.labels.problem, GF_PROBLEM_REGRESSION);
}

static void a_checkpoint_that_does_not_fit_is_named(void **state)
{
    Fixture *f = *state;

    put_checkpoint(f, "{\"model_type\": \"bert\", \"problem_type\": \"regression\"}");
    assert_int_equal(open_job(f, "\"train\": \"classes.csv\"", "", ", \"checkpoint\": \"init\""), GF_ERR_DATA);
    assert_non_null(strstr(last_error(f)->note, "the checkpoint's config.json is for regression"));
    put_checkpoint(f, "{\"model_type\": \"bert\", \"problem_type\": \"regresion\"}");
    assert_int_equal(open_job(f, "\"train\": \"classes.csv\"", "", ", \"checkpoint\": \"init\""), GF_ERR_VALUE);
    assert_non_null(strstr(last_error(f)->loc.file, "init/config.json"));
}

/* ---- the best model ---- */

static void the_metric_must_be_one_of_the_problem(void **state)
{
    Fixture *f = *state;

    assert_int_equal(open_job(f, "\"train\": \"values.csv\"", ",\n\"metric_for_best_model\": \"eval_f1\"", ""),
                     GF_ERR_VALUE);
    assert_string_equal(last_error(f)->message, "there is no metric 'eval_f1' of a regression");
    assert_int_equal(last_error(f)->loc.line, 5);
    check_ok(f, open_job(f, "\"train\": \"values.csv\"", ", \"metric_for_best_model\": \"mse\"", ""));
    assert_int_equal(f->job.training.greater_is_better, GF_MAYBE_NO);
    check_ok(f, open_job(f, "\"train\": \"values.csv\"", ", \"metric_for_best_model\": \"spearman\"", ""));
    assert_int_equal(f->job.training.greater_is_better, GF_MAYBE_YES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_learned),
        TEST(several_labels_are_learned),
        TEST(weights_do_not_depend_on_micro_batches),
        TEST(the_checkpoint_says_what_the_job_does_not),
        TEST(a_checkpoint_that_does_not_fit_is_named),
        TEST(the_metric_must_be_one_of_the_problem),
    };
    return has_cpu() ? cmocka_run_group_tests(tests, NULL, NULL) : TEST_SKIPPED;
}
