/* files.h -- for tests: a folder of one's own, with files in it. */
#ifndef GF_TESTS_SUPPORT_FILES_H
#define GF_TESTS_SUPPORT_FILES_H

#include "runtime/io/folder.h"
#include "runtime/io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A folder below /tmp, where mkdtemp makes it. */
typedef struct TestFolder {
    GfArena arena; /* of the paths handed out */
    GfDiags diags;
    char path[32];
} TestFolder;

static inline bool test_folder_open(TestFolder *f)
{
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    strcpy(f->path, "/tmp/graft-test-XXXXXX");
    return mkdtemp(f->path) != NULL;
}

static inline void test_folder_close(TestFolder *f)
{
    gf_folder_remove(f->path, &f->diags);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
}

static inline const char *test_path(TestFolder *f, const char *name)
{
    return gf_path_join(&f->arena, f->path, name);
}

/* Not with the writers under test. */
static inline void test_put(TestFolder *f, const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(test_path(f, name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void test_put_text(TestFolder *f, const char *name, const char *text)
{
    test_put(f, name, text, strlen(text));
}

/* Numbers 1, 2, 3 ... as an f32 tensor, in `f`'s arena. */
static inline GfStTensor test_tensor(TestFolder *f, const char *name, int64_t rows, int64_t columns)
{
    int64_t *shape = GF_NEW_ARRAY(&f->arena, int64_t, 2);
    float *values = GF_NEW_ARRAY(&f->arena, float, (size_t)(rows * columns));

    assert_non_null(values);
    shape[0] = rows;
    shape[1] = columns;
    for (int64_t i = 0; i < rows * columns; i++)
        values[i] = (float)(i + 1);
    return (GfStTensor){.name = name, .dtype = GF_ST_F32, .rank = 2, .shape = shape, .data = values};
}

/* The last error is of this status, knows its file, and says `part`. */
static inline void test_check_error(const GfDiags *diags, GfStatus got, GfStatus want, const char *part)
{
    if (got != want)
        gf_diags_print(diags, stderr);
    assert_int_equal(got, want);
    assert_non_null(diags->last);
    assert_int_equal(diags->last->status, want);
    assert_non_null(diags->last->loc.file);
    if (!strstr(diags->last->message, part))
        fail_msg("'%s' does not say '%s'", diags->last->message, part);
}

#endif
