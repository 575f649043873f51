/* test_tfevents.c -- TensorBoard's event files, byte for byte. */
#include "runtime/io/crc32c.h"
#include "runtime/io/file.h"
#include "runtime/io/tfevents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Written by TensorBoard 2.21's RecordWriter from its own Event messages. */
static const char version_bytes[] =
    "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22\x09\x00\x00\x20\x44\x24\xe7\xd9\x41\x1a\x0d\x62\x72\x61\x69"
    "\x6e\x2e\x45\x76\x65\x6e\x74\x3a\x32\x41\xd8\x5d\x60";
static const char scalars_bytes[] =
    "\x31\x00\x00\x00\x00\x00\x00\x00\x9d\x83\x83\xe9\x09\x00\x00\x20\x44\x24\xe7\xd9\x41\x10\xac\x02\x2a\x23\x0a"
    "\x11\x0a\x0a\x74\x72\x61\x69\x6e\x2f\x6c\x6f\x73\x73\x15\x00\x00\x00\x3f\x0a\x0e\x0a\x07\x65\x76\x61\x6c\x2f"
    "\x66\x31\x15\x00\x00\xa0\xbf\x9c\xb5\xfd\x38";
static const char text_bytes[] =
    "\x3a\x00\x00\x00\x00\x00\x00\x00\x12\x95\xea\xe2\x09\x00\x00\x00\x00\x00\x00\x00\x40\x10\x01\x2a\x2d\x0a\x2b"
    "\x0a\x11\x61\x72\x67\x73\x2f\x74\x65\x78\x74\x5f\x73\x75\x6d\x6d\x61\x72\x79\x42\x0c\x08\x07\x12\x04\x12\x02"
    "\x08\x01\x42\x02\x7b\x7d\x4a\x08\x0a\x06\x0a\x04\x74\x65\x78\x74\x09\x4b\xd3\xe5";

static const GfTfScalar scalars[] = {{"train/loss", 0.5}, {"eval/f1", -1.25}};
#define WALL_TIME 1738314000.5

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    char folder[64];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->folder, "/tmp/graft-test-events-XXXXXX");
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

/* RFC 3720, appendix B.4. */
static void sums_the_vectors_of_the_rfc(void **state)
{
    unsigned char up[32], down[32], zeros[32] = {0}, ones[32];

    (void)state;
    for (int i = 0; i < 32; i++) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
        ones[i] = 0xff;
    }
    assert_int_equal(gf_crc32c(zeros, 32), 0x8a9136aa);
    assert_int_equal(gf_crc32c(ones, 32), 0x62a8ab43);
    assert_int_equal(gf_crc32c(up, 32), 0x46dd794e);
    assert_int_equal(gf_crc32c(down, 32), 0x113fdb5c);
    assert_int_equal(gf_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(gf_crc32c("", 0), 0);
}

static void check_bytes(const GfText *text, const char *bytes, size_t size)
{
    assert_int_equal(text->length, size - 1);
    assert_memory_equal(text->data, bytes, size - 1);
}

static void encodes_as_tensorboard_does(void **state)
{
    Fixture *f = *state;
    GfText version = {.arena = &f->arena}, values = {.arena = &f->arena}, text = {.arena = &f->arena};

    gf_tfevents_add_version(&version, WALL_TIME);
    gf_tfevents_add_scalars(&values, WALL_TIME, 300, scalars, 2);
    gf_tfevents_add_text(&text, 2, 1, "args/text_summary", "{}");
    check_bytes(&version, version_bytes, sizeof version_bytes);
    check_bytes(&values, scalars_bytes, sizeof scalars_bytes);
    check_bytes(&text, text_bytes, sizeof text_bytes);
}

/* A length of more than seven bits, and a step of more than 32. */
static void writes_long_numbers(void **state)
{
    Fixture *f = *state;
    GfText record = {.arena = &f->arena};
    char tag[200];

    memset(tag, 'x', sizeof tag);
    tag[sizeof tag - 1] = '\0';
    gf_tfevents_add_scalars(&record, 0, (int64_t)1 << 35, &(GfTfScalar){tag, 1}, 1);
    /* length, crc; 9 bytes of time; the step; the summary's length; the value's; the tag's */
    const char *step = record.data + 12 + 9;
    assert_memory_equal(step, "\x10\x80\x80\x80\x80\x80\x01", 7);
    assert_memory_equal(step + 7, "\x2a\xd2\x01\x0a\xcf\x01\x0a\xc7\x01xxx", 12);
}

/* Each event is in the file when the call returns: a reader may follow it. */
static void flushes_each_event(void **state)
{
    Fixture *f = *state;
    const char *folder = gf_path_join(&f->arena, f->folder, "a/b");
    GfTfEvents events;
    size_t before, after;
    char *data;

    assert_int_equal(gf_tfevents_open(&events, folder, &f->diags), GF_OK);
    assert_non_null(strstr(events.path, "a/b/events.out.tfevents."));
    assert_int_equal(gf_file_read(&f->arena, events.path, &data, &before, &f->diags), GF_OK);
    assert_int_equal(before, sizeof version_bytes - 1);
    assert_int_equal(gf_tfevents_scalars(&events, WALL_TIME, 300, scalars, 2, &f->diags), GF_OK);
    assert_int_equal(gf_file_read(&f->arena, events.path, &data, &after, &f->diags), GF_OK);
    assert_int_equal(after, before + sizeof scalars_bytes - 1);
    assert_memory_equal(data + before, scalars_bytes, sizeof scalars_bytes - 1);
    assert_int_equal(gf_tfevents_close(&events, &f->diags), GF_OK);
}

static void gives_each_writer_its_own_file(void **state)
{
    Fixture *f = *state;
    GfTfEvents a, b;

    assert_int_equal(gf_tfevents_open(&a, f->folder, &f->diags), GF_OK);
    assert_int_equal(gf_tfevents_open(&b, f->folder, &f->diags), GF_OK);
    assert_string_not_equal(a.path, b.path);
    assert_int_equal(gf_tfevents_close(&a, &f->diags), GF_OK);
    assert_int_equal(gf_tfevents_close(&b, &f->diags), GF_OK);
}

static void an_error_names_the_file(void **state)
{
    Fixture *f = *state;
    const char *file = gf_path_join(&f->arena, f->folder, "file");
    GfTfEvents events;

    assert_int_equal(gf_file_write_atomic(file, "", 0, &f->diags), GF_OK);
    assert_int_equal(gf_tfevents_open(&events, file, &f->diags), GF_ERR_IO);
    assert_string_equal(f->diags.last->loc.file, file);

    assert_int_equal(gf_tfevents_open(&events, f->folder, &f->diags), GF_OK);
    const char *path = gf_arena_strdup(&f->arena, events.path);
    close(events.descriptor); /* as good as a full disk */
    assert_int_equal(gf_tfevents_scalars(&events, 0, 1, scalars, 1, &f->diags), GF_ERR_IO);
    assert_string_equal(f->diags.last->loc.file, path);
    assert_non_null(strstr(f->diags.last->message, "cannot be written"));
    assert_int_equal(gf_tfevents_close(&events, &f->diags), GF_ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_the_vectors_of_the_rfc),
        TEST(encodes_as_tensorboard_does),
        TEST(writes_long_numbers),
        TEST(flushes_each_event),
        TEST(gives_each_writer_its_own_file),
        TEST(an_error_names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
