/* test_session.c -- a job at work: what is refused before a training, and what
 * outlives one that fails. */
#include "runtime/data/generate.h"
#include "runtime/io/file.h"
#include "runtime/train/session.h"
#include "tests/support/has_cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEMO GRAFT_SOURCE_DIR "/models/jobs/demo.json"
#define VARIANT(name) GRAFT_SOURCE_DIR "/models/variants/" name ".json"

enum { SETS = 8 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[64]; /* everything is below it */
    GfSet sets[SETS];
    size_t set_count;
    GfJob job;
    GfSession session;
} Fixture;

static const char *in_folder(Fixture *f, const char *name)
{
    const char *path = gf_path_join(&f->arena, f->folder, name);
    assert_non_null(path);
    return path;
}

static void set(Fixture *f, const char *key, const char *value)
{
    assert_true(f->set_count < SETS);
    f->sets[f->set_count++] = (GfSet){key, value};
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-session-XXXXXX");
    if (!mkdtemp(f->folder))
        return 1;
    set(f, "training.output_dir", in_folder(f, "out"));
    set(f, "training.max_steps", "1");
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
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int status = system(command);
    free(f);
    return status;
}

static GfStatus open_job(Fixture *f, const char *path)
{
    GF_TRY(gf_job_load(&f->job, path, f->sets, f->set_count, &f->diags));
    return gf_session_open(&f->session, &f->job, &(GfSessionOptions){.threads = 2}, &f->diags);
}

static void check_ok(Fixture *f, GfStatus status)
{
    if (status != GF_OK)
        gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

/* The last error's text, note included, has `text`. */
static void check_error(const Fixture *f, const char *text)
{
    const GfDiag *d = f->diags.last;

    assert_non_null(d);
    if (!strstr(d->message, text) && !(d->note && strstr(d->note, text)))
        fail_msg("'%s' is not in '%s', '%s'", text, d->message, d->note ? d->note : "");
}

/* ---- before a training ---- */

static void refuses_a_variant_of_another_model(void **state)
{
    Fixture *f = *state;

    set(f, "variants", VARIANT("full") "," VARIANT("distilbert-lora"));
    assert_int_equal(open_job(f, DEMO), GF_ERR_NAME);
    check_error(f, "of the model is called");
    assert_non_null(strstr(f->diags.last->loc.file, "distilbert-lora.json"));
    assert_false(gf_file_exists(in_folder(f, "out")));
}

static void refuses_an_empty_output_folder(void **state)
{
    Fixture *f = *state;

    set(f, "training.output_dir", "");
    assert_int_equal(open_job(f, DEMO), GF_ERR_VALUE);
    check_error(f, "output_dir is empty");
    assert_non_null(strstr(f->diags.last->loc.file, "--set training.output_dir="));
}

static void refuses_an_output_folder_below_a_file(void **state)
{
    Fixture *f = *state;

    check_ok(f, gf_file_write_atomic(in_folder(f, "out"), "", 0, &f->diags));
    assert_int_equal(open_job(f, DEMO), GF_ERR_IO);
    check_error(f, "there is a file of that name");
    assert_non_null(strstr(f->diags.last->loc.file, "--set training.output_dir="));
}

static void refuses_a_logging_folder_below_a_file(void **state)
{
    Fixture *f = *state;

    check_ok(f, gf_file_write_atomic(in_folder(f, "logs"), "", 0, &f->diags));
    set(f, "training.report_to", "tensorboard");
    set(f, "training.logging_dir", in_folder(f, "logs"));
    assert_int_equal(open_job(f, DEMO), GF_ERR_IO);
    check_error(f, "there is a file of that name");
    assert_non_null(strstr(f->diags.last->loc.file, "--set training.logging_dir="));
}

static void finds_the_key_of_a_variant(void **state)
{
    Fixture *f = *state;
    const char *job =
        "{\"model\": \"" GRAFT_SOURCE_DIR "/models/bert.json\",\n"
        "\"config\": {\"vocab_size\": 512, \"hidden_size\": 64, \"num_attention_heads\": 4},\n"
        "\"data\": {\"generate\": {\"seed\": 7, \"train\": 8, \"validation\": 8, \"test\": 8},\n"
        "\"labels\": [\"a\", \"b\"]},\n"
        "\"variants\": [{\"file\": \"" VARIANT("full") "\",\n"
                                                       "\"training\": {\"output_dir\": \"/proc/none\"}}]}";

    check_ok(f, gf_file_write_atomic(in_folder(f, "job.json"), job, strlen(job), &f->diags));
    f->set_count = 0;
    set(f, "training.logging_dir", "x");
    assert_int_equal(chdir(f->folder), 0); /* the job's own output_dir is relative */
    assert_int_equal(open_job(f, "job.json"), GF_ERR_IO);
    assert_int_equal(f->diags.last->loc.line, 6);
}

static void leaves_nothing_but_folders(void **state)
{
    Fixture *f = *state;

    check_ok(f, open_job(f, DEMO));
    assert_true(gf_file_exists(in_folder(f, "out/full")));
    assert_int_equal(rmdir(in_folder(f, "out/full")), 0);
}

/* ---- numbers that are none ---- */

/* Without epsilon a gradient of zero, which unused words have, divides zero by zero. */
static void spoil(Fixture *f)
{
    set(f, "training.adam_epsilon", "0");
    set(f, "variants", "full");
}

static GfStatus train(Fixture *f, const GfSessionEvents *events, GfVariantResult *result)
{
    check_ok(f, open_job(f, DEMO));
    return gf_session_train(&f->session, 0, events, result, &f->diags);
}

static void a_loss_must_be_finite(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    spoil(f);
    set(f, "training.max_steps", "2");
    set(f, "training.eval_strategy", "no");
    assert_int_equal(train(f, NULL, &result), GF_ERR_VALUE);
    check_error(f, "full, step 2: the loss is");
    assert_false(gf_file_exists(in_folder(f, "out/full/graft.json")));
}

static void a_loss_on_the_validation_split_must_be_finite(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    spoil(f);
    assert_int_equal(train(f, NULL, &result), GF_ERR_VALUE);
    check_error(f, "the evaluation failed");
    check_error(f, "full, after step 1, on the validation split");
}

static void a_model_is_saved_before_it_is_tested(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    spoil(f);
    set(f, "training.eval_strategy", "no");
    assert_int_equal(train(f, NULL, &result), GF_ERR_VALUE);
    check_error(f, "full, after step 1, on the test split");
    assert_true(gf_file_exists(in_folder(f, "out/full/graft.json")));
}

/* ---- files that go away ---- */

static void write_text(Fixture *f, const char *name, const GfText *text)
{
    check_ok(f, gf_file_write_atomic(in_folder(f, name), text->data, text->length, &f->diags));
}

static void write_data(Fixture *f)
{
    static const char *const classes[] = {"a", "b"};
    GfText texts = {.arena = &f->arena}, vocab = {.arena = &f->arena}, job = {.arena = &f->arena};
    GfGenerateOptions how = {.seed = 7, .examples = 8, .classes = classes, .class_count = 2};

    check_ok(f, gf_generate_texts(&how, &texts, &f->diags));
    check_ok(f, gf_generate_vocab(2, &vocab, &f->diags));
    gf_text_add(&job, "{\"model\": \"" GRAFT_SOURCE_DIR "/models/bert.json\", \"tokenizer\": \"vocab.txt\",\n"
                      "\"config\": {\"vocab_size\": 1024, \"hidden_size\": 64, \"num_attention_heads\": 4,\n"
                      "\"num_hidden_layers\": 1, \"intermediate_size\": 64},\n"
                      "\"data\": {\"train\": \"train.txt\", \"labels\": [\"a\", \"b\"]},\n"
                      "\"variants\": [\"" VARIANT("classifier") "\"]}");
    write_text(f, "train.txt", &texts);
    write_text(f, "vocab.txt", &vocab);
    write_text(f, "job.json", &job);
}

static void remove_data(void *self, const GfJobVariant *variant, const GfTrainer *trainer, const GfEstimate *estimate)
{
    Fixture *f = self;

    (void)variant;
    (void)trainer;
    (void)estimate;
    assert_int_equal(unlink(in_folder(f, "train.txt")), 0);
    assert_int_equal(unlink(in_folder(f, "vocab.txt")), 0);
}

static void saves_although_the_data_are_gone(void **state)
{
    Fixture *f = *state;
    GfSessionEvents events = {.self = f, .begin = remove_data};
    GfVariantResult result;
    size_t length;
    char *record;

    write_data(f);
    check_ok(f, open_job(f, in_folder(f, "job.json")));
    check_ok(f, gf_session_train(&f->session, 0, &events, &result, &f->diags));
    assert_true(gf_file_exists(in_folder(f, "out/classifier/vocab.txt")));
    check_ok(f, gf_file_read(&f->arena, in_folder(f, "out/classifier/graft.json"), &record, &length, &f->diags));
    assert_non_null(strstr(record, "/train.txt\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_a_variant_of_another_model),
        TEST(refuses_an_empty_output_folder),
        TEST(refuses_an_output_folder_below_a_file),
        TEST(refuses_a_logging_folder_below_a_file),
        TEST(finds_the_key_of_a_variant),
        TEST(leaves_nothing_but_folders),
        TEST(a_loss_must_be_finite),
        TEST(a_loss_on_the_validation_split_must_be_finite),
        TEST(a_model_is_saved_before_it_is_tested),
        TEST(saves_although_the_data_are_gone),
    };
    return !has_cpu() ? TEST_SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
