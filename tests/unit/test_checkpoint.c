/* test_checkpoint.c -- checkpoints: what damage is noticed, what is offered instead,
 * what of another job is refused, and what a killed process leaves. */
#include "runtime/io/file.h"
#include "runtime/io/folder.h"
#include "runtime/io/seal.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/session.h"
#include "runtime/train/train_state.h"
#include "tests/support/has_cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEMO GRAFT_SOURCE_DIR "/models/jobs/demo.json"

enum { SETS = 12 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[64];
    GfSet sets[SETS];
    size_t set_count;
    GfJob job;
    GfSession session;
} Fixture;

static const char *in(Fixture *f, const char *name)
{
    const char *path = gf_arena_printf(&f->arena, "%s/%s", f->folder, name);
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
    strcpy(f->folder, "/tmp/graft-test-checkpoint-XXXXXX");
    if (!mkdtemp(f->folder))
        return 1;
    set(f, "device", "cpu");
    set(f, "training.output_dir", f->folder);
    set(f, "variants", "lora-all");
    set(f, "data.generate.train", "64");
    set(f, "data.generate.validation", "32");
    set(f, "data.generate.test", "32");
    set(f, "config.num_hidden_layers", "1");
    set(f, "training.num_train_epochs", "3");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_folder_remove(f->folder, &f->diags);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
    free(f);
    return 0;
}

/* Train the job with these options; GF_ERR_... of opening or of training. */
static GfStatus train(Fixture *f, const GfSessionOptions *options, GfVariantResult *result)
{
    assert_int_equal(gf_job_load(&f->job, DEMO, f->sets, f->set_count, &f->diags), GF_OK);
    GfStatus status = gf_session_open(&f->session, &f->job, options, &f->diags);
    if (status == GF_OK) {
        status = gf_session_train(&f->session, 0, NULL, result, &f->diags);
        gf_session_close(&f->session);
    }
    gf_job_close(&f->job);
    return status;
}

static void make_run(Fixture *f)
{
    GfVariantResult result;

    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1}, &result), GF_OK);
    assert_int_equal(result.train.step, 6);
}

static GfStatus resume(Fixture *f, const char *checkpoint, GfVariantResult *result)
{
    GfSessionOptions options = {.threads = 1, .begin = GF_BEGIN_RESUME, .checkpoint = checkpoint};
    return train(f, &options, result);
}

static bool has_diag(const Fixture *f, const char *text)
{
    for (const GfDiag *d = f->diags.first; d; d = d->next)
        if (strstr(d->message, text) || (d->note && strstr(d->note, text)))
            return true;
    return false;
}

static void overwrite(Fixture *f, const char *path, const char *data, size_t length)
{
    assert_int_equal(gf_file_write_atomic(path, data, length, &f->diags), GF_OK);
}

static void read_file(Fixture *f, const char *path, char **data, size_t *length)
{
    assert_int_equal(gf_file_read(&f->arena, path, data, length, &f->diags), GF_OK);
}

/* ---- damage ---- */

static void a_flipped_bit_is_damage(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;
    char *data;
    size_t length;

    make_run(f);
    const char *path = in(f, "lora/checkpoint-6/optimizer.safetensors");
    read_file(f, path, &data, &length);
    data[length - 3] ^= 1;
    overwrite(f, path, data, length);
    assert_int_equal(unlink(in(f, "lora/results.json")), 0);
    assert_int_equal(resume(f, NULL, &result), GF_ERR_FORMAT);
    assert_true(has_diag(f, "damaged: checksum"));
    assert_true(has_diag(f, "lora/checkpoint-4")); /* the one before it is offered */
    assert_int_equal(resume(f, in(f, "lora/checkpoint-4"), &result), GF_OK);
    assert_int_equal(result.resumed_step, 4);
    assert_int_equal(result.train.step, 6);
    assert_int_equal(gf_checkpoint_check(in(f, "lora/checkpoint-6"), &f->diags), GF_OK); /* written anew */
}

static void files_that_are_missing_or_short_are_damage(void **state)
{
    Fixture *f = *state;
    char *data;
    size_t length;

    make_run(f);
    const char *path = in(f, "lora/checkpoint-2/config.json");
    read_file(f, path, &data, &length);
    overwrite(f, path, data, length - 1);
    assert_int_equal(gf_checkpoint_check(in(f, "lora/checkpoint-2"), &f->diags), GF_ERR_FORMAT);
    assert_true(has_diag(f, "bytes,"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gf_checkpoint_check(in(f, "lora/checkpoint-2"), &f->diags), GF_ERR_FORMAT);
    assert_true(has_diag(f, "missing"));
    assert_int_equal(gf_checkpoint_check(in(f, "lora/checkpoint-3"), &f->diags), GF_ERR_IO);
}

static void checksums_name_no_other_folder(void **state)
{
    static const char seal[] = "{\"files\": {\"../results.json\": {\"bytes\": 1, \"crc32\": \"00000000\"}}}";
    Fixture *f = *state;

    make_run(f);
    overwrite(f, in(f, "lora/checkpoint-2/checksums.json"), seal, sizeof seal - 1);
    assert_int_equal(gf_checkpoint_check(in(f, "lora/checkpoint-2"), &f->diags), GF_ERR_VALUE);
    assert_true(has_diag(f, "no name of a file in this folder"));
}

/* Every state that is cut short is an error, and none a crash. */
static void no_prefix_of_a_state_is_taken_for_one(void **state)
{
    Fixture *f = *state;
    GfTraining training = gf_training_defaults;
    GfDataset data = {.examples = 64};
    char *text;
    size_t length;

    make_run(f);
    const char *path = in(f, "lora/checkpoint-4/trainer_state.json");
    read_file(f, path, &text, &length);
    for (size_t cut = 0; cut <= length; cut += cut + 64 < length ? 37 : 1) {
        GfArena arena;
        GfDiags diags;
        GfHistory history;
        GfTrainer t = {.options = {.training = &training},
                       .batcher = {.dataset = &data, .batch_size = 32, .batches = 2},
                       .seed = 42,
                       .data_seed = 42};
        overwrite(f, path, text, cut);
        gf_arena_init(&arena, NULL);
        gf_diags_init(&diags, NULL);
        gf_history_init(&history, &arena, &training, 2);
        GfStatus status = gf_train_state_read(in(f, "lora/checkpoint-4"), &t, &history, &diags);
        if (cut + 1 >= length) /* all but the last line break */
            assert_int_equal(status, GF_OK);
        else
            assert_int_not_equal(status, GF_OK);
        assert_true(status == GF_OK ? t.state.step == 4 && history.count == 4 : diags.count == 1);
        gf_diags_free(&diags);
        gf_arena_free(&arena);
    }
}

/* ---- another job ---- */

static void another_seed_is_another_job(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    make_run(f);
    set(f, "training.seed", "7");
    assert_int_equal(resume(f, in(f, "lora/checkpoint-4"), &result), GF_ERR_VALUE);
    assert_true(has_diag(f, "of another job"));
}

static void a_checkpoint_elsewhere_is_none_of_the_job(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    make_run(f);
    assert_int_equal(resume(f, f->folder, &result), GF_ERR_IO);
    assert_true(has_diag(f, "no checkpoint of a variant of the job"));
}

/* ---- what is there already ---- */

static void a_finished_run_is_not_overwritten(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    make_run(f);
    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1}, &result), GF_ERR_IO);
    assert_true(has_diag(f, "a finished run is here"));
    assert_int_equal(unlink(in(f, "lora/results.json")), 0);
    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1}, &result), GF_ERR_IO);
    assert_true(has_diag(f, "saved after step 6"));
    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1, .begin = GF_BEGIN_OVERWRITE}, &result), GF_OK);
    assert_int_equal(result.resumed_step, 0);
}

static void a_finished_run_keeps_its_results(void **state)
{
    Fixture *f = *state;
    GfVariantResult first, again;

    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1}, &first), GF_OK);
    assert_int_equal(resume(f, NULL, &again), GF_OK);
    assert_true(again.finished_before && again.evaluated);
    assert_true(again.evaluation.loss == first.evaluation.loss);
    assert_int_equal(again.evaluation.examples, first.evaluation.examples);
    assert_int_equal(again.train.step, first.train.step);
    assert_int_equal(again.params.all, first.params.all);
}

/* A folder that was being written or removed is no checkpoint, and goes. */
static void what_a_killed_process_leaves_goes(void **state)
{
    Fixture *f = *state;
    GfVariantResult result;

    GfLoc nowhere = GF_NOWHERE;
    assert_int_equal(gf_folder_make(in(f, "lora/checkpoint-4.partial"), nowhere, &f->diags), GF_OK);
    assert_int_equal(gf_folder_make(in(f, "lora/checkpoint-2.removed"), nowhere, &f->diags), GF_OK);
    assert_int_equal(train(f, &(GfSessionOptions){.threads = 1, .begin = GF_BEGIN_RESUME}, &result), GF_OK);
    assert_int_equal(result.resumed_step, 0);
    assert_false(gf_file_exists(in(f, "lora/checkpoint-4.partial")));
    assert_false(gf_file_exists(in(f, "lora/checkpoint-2.removed")));
}

int main(void)
{
    if (!has_cpu())
        return TEST_SKIPPED;
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_flipped_bit_is_damage),           TEST(files_that_are_missing_or_short_are_damage),
        TEST(checksums_name_no_other_folder),    TEST(no_prefix_of_a_state_is_taken_for_one),
        TEST(another_seed_is_another_job),       TEST(a_checkpoint_elsewhere_is_none_of_the_job),
        TEST(a_finished_run_is_not_overwritten), TEST(a_finished_run_keeps_its_results),
        TEST(what_a_killed_process_leaves_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
