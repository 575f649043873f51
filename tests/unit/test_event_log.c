/* test_event_log.c -- the log of a training in TensorBoard's files: where they go,
 * under which tags, and what an error costs. */
#include "runtime/io/file.h"
#include "runtime/train/event_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfTraining training;
    char folder[64];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    f->training = gf_training_defaults;
    strcpy(f->folder, "/tmp/graft-test-log-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
    free(f);
    return system(command);
}

static const GfLogEntry entry = {.kind = GF_LOG_STEP,
                                 .step = 3,
                                 .epoch = 0.5,
                                 .values = {{"loss", 1}, {"eval_f1", 2}, {"train_loss", 3}},
                                 .count = 3};

static void names_the_folder_as_the_trainer_does(void **state)
{
    Fixture *f = *state;

    f->training.output_dir = "out";
    const char *folder = gf_event_log_folder(&f->arena, &f->training, "lora");
    assert_true(strncmp(folder, "out/lora/runs/", 14) == 0);
    assert_true(strspn(folder + 14 + 3, "0123456789_-") >= 12); /* month, then 02_14-03-59_, then the host */
    f->training.logging_dir = "logs";
    assert_string_equal(gf_event_log_folder(&f->arena, &f->training, "lora"), "logs/lora");
}

static void writes_the_tags_of_the_trainer(void **state)
{
    Fixture *f = *state;
    GfText want = {.arena = &f->arena};
    const GfTfScalar scalars[] = {{"train/loss", 1}, {"eval/f1", 2}, {"train/train_loss", 3}, {"train/epoch", 0.5}};
    enum { HEAD = 12 + 9 }; /* length, crc and time, which differs */
    GfEventLog log;
    size_t before, after;
    char *data;

    assert_int_equal(gf_event_log_open(&log, f->folder, &f->training, &f->diags), GF_OK);
    const char *path = gf_arena_strdup(&f->arena, log.events.path);
    assert_int_equal(gf_file_read(&f->arena, path, &data, &before, &f->diags), GF_OK);
    assert_non_null(memmem(data, before, "args/text_summary", 17));
    gf_event_log_entry(&log, &entry);
    assert_int_equal(gf_event_log_close(&log), GF_OK);
    assert_int_equal(gf_file_read(&f->arena, path, &data, &after, &f->diags), GF_OK);
    gf_tfevents_add_scalars(&want, 0, 3, scalars, 4);
    assert_int_equal(after - before, want.length);
    assert_memory_equal(data + before + HEAD, want.data + HEAD, want.length - HEAD - 4);
}

/* The first error stays, nothing is written after it, and closing tells it once. */
static void keeps_the_first_error(void **state)
{
    Fixture *f = *state;
    GfEventLog log;

    assert_int_equal(gf_event_log_open(&log, f->folder, &f->training, &f->diags), GF_OK);
    close(log.events.descriptor); /* as good as a full disk */
    gf_event_log_entry(&log, &entry);
    gf_event_log_entry(&log, &entry);
    log.events.descriptor = dup(STDERR_FILENO); /* that closing finds nothing new */
    assert_int_equal(gf_event_log_close(&log), GF_ERR_IO);
    assert_int_equal(f->diags.count, 1);
    assert_non_null(strstr(f->diags.last->loc.file, "events.out.tfevents."));
}

static void is_silent_when_not_wanted(void **state)
{
    Fixture *f = *state;
    GfEventLog log;

    assert_int_equal(gf_event_log_open(&log, NULL, &f->training, &f->diags), GF_OK);
    gf_event_log_entry(&log, &entry);
    assert_int_equal(gf_event_log_close(&log), GF_OK);
    assert_int_equal(gf_event_log_close(&log), GF_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_the_folder_as_the_trainer_does),
        TEST(writes_the_tags_of_the_trainer),
        TEST(keeps_the_first_error),
        TEST(is_silent_when_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
