/* test_event_log.c -- the log of a training in TensorBoard's files: where they go,
 * under which tags, and what an error costs. */
#include "runtime/io/file.h"
#include "runtime/io/folder.h"
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

static const char *folder_of(Fixture *f, bool goes_on)
{
    const char *folder;

    assert_int_equal(gf_event_log_folder(&folder, &f->arena, &f->training, "lora", goes_on, &f->diags), GF_OK);
    return folder;
}

static void names_the_folder_as_the_trainer_does(void **state)
{
    Fixture *f = *state;

    f->training.output_dir = "out";
    const char *folder = folder_of(f, false);
    assert_true(strncmp(folder, "out/lora/runs/", 14) == 0);
    assert_true(strspn(folder + 14 + 3, "0123456789_-") >= 12); /* month, then 02_14-03-59_, then the host */
    f->training.logging_dir = "logs";
    assert_string_equal(folder_of(f, false), "logs/lora");
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

    assert_int_equal(gf_event_log_open(&log, f->folder, &f->training, 0, &f->diags), GF_OK);
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

static void write_file(Fixture *f, const char *name)
{
    const char *path = gf_path_join(&f->arena, f->folder, name), *slash = strrchr(path, '/');
    const char *folder = gf_arena_strndup(&f->arena, path, (size_t)(slash - path));

    assert_int_equal(gf_folder_make(folder, GF_NOWHERE, &f->diags), GF_OK);
    assert_int_equal(gf_file_write_atomic(path, "", 0, &f->diags), GF_OK);
}

/* By the time in the files' names: months do not sort, and copies have new dates. */
static void goes_on_in_the_newest_folder(void **state)
{
    Fixture *f = *state;

    f->training.output_dir = f->folder;
    assert_null(strstr(folder_of(f, true), "Feb01")); /* there is none yet */
    write_file(f, "lora/runs/Feb01_09-00-00_host/events.out.tfevents.1700000002.host.1.0");
    write_file(f, "lora/runs/Jan31_09-00-00_host/events.out.tfevents.1700000001.host.1.0");
    write_file(f, "lora/runs/Mar01_09-00-00_host/other.9999999999");
    write_file(f, "lora/runs/a file");
    assert_non_null(strstr(folder_of(f, true), "/lora/runs/Feb01_09-00-00_host"));
    assert_null(strstr(folder_of(f, false), "Feb01"));
}

/* The second file sorts behind the first, although both are of one second, and begins
 * with the step that it takes over from. */
static void a_further_file_takes_over(void **state)
{
    Fixture *f = *state;
    GfText want = {.arena = &f->arena}, version = {.arena = &f->arena};
    enum { HEAD = 12 + 9 };
    GfEventLog first, second;
    size_t length;
    char *data;

    assert_int_equal(gf_event_log_open(&first, f->folder, &f->training, 0, &f->diags), GF_OK);
    assert_int_equal(gf_event_log_open(&second, f->folder, &f->training, 12, &f->diags), GF_OK);
    assert_true(strcmp(second.events.path, first.events.path) > 0);
    assert_int_equal(gf_file_read(&f->arena, second.events.path, &data, &length, &f->diags), GF_OK);
    gf_tfevents_add_version(&version, 0);
    gf_tfevents_add_restart(&want, 0, 13);
    assert_memory_equal(data + version.length + HEAD, want.data + HEAD, want.length - HEAD - 4);
    assert_int_equal(want.data[HEAD + 1], 13);
    assert_int_equal(gf_event_log_close(&first), GF_OK);
    assert_int_equal(gf_event_log_close(&second), GF_OK);
}

/* The first error stays, nothing is written after it, and closing tells it once. */
static void keeps_the_first_error(void **state)
{
    Fixture *f = *state;
    GfEventLog log;

    assert_int_equal(gf_event_log_open(&log, f->folder, &f->training, 0, &f->diags), GF_OK);
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

    assert_int_equal(gf_event_log_open(&log, NULL, &f->training, 0, &f->diags), GF_OK);
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
        TEST(goes_on_in_the_newest_folder),
        TEST(a_further_file_takes_over),
        TEST(keeps_the_first_error),
        TEST(is_silent_when_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
