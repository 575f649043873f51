/* test_folder.c -- folders that come into being all at once, and what they may replace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/files.h"

static int set_up(void **state)
{
    TestFolder *f = calloc(1, sizeof *f);

    *state = f;
    return test_folder_open(f) ? 0 : -1;
}

static int tear_down(void **state)
{
    test_folder_close(*state);
    free(*state);
    return 0;
}

static size_t count_in(TestFolder *f, const char *folder)
{
    GfFolder list;

    assert_int_equal(gf_folder_list(&list, &f->arena, test_path(f, folder), &f->diags), GF_OK);
    return list.count;
}

static GfStatus write_new(TestFolder *f, const char *name, bool overwrite, GfStatus inside)
{
    GfFolderWriter w;

    GF_TRY(gf_folder_begin(&w, test_path(f, name), overwrite, &f->diags));
    const char *path = gf_path_join(&f->arena, w.temporary, "new");
    assert_int_equal(gf_file_write_atomic(path, "new", 3, &f->diags), GF_OK);
    return gf_folder_end(&w, inside);
}

static void put_old(TestFolder *f, const char *folder, const char *file)
{
    assert_int_equal(gf_folder_make(test_path(f, folder), GF_NOWHERE, &f->diags), GF_OK);
    if (*file)
        test_put_text(f, gf_path_join(&f->arena, folder, file), "old");
}

static void a_new_folder_appears_whole(void **state)
{
    TestFolder *f = *state;

    assert_int_equal(write_new(f, "a/b/out/", false, GF_OK), GF_OK);
    assert_true(gf_file_exists(test_path(f, "a/b/out/new")));
    assert_int_equal(count_in(f, "a/b"), 1);
}

static void an_error_leaves_nothing(void **state)
{
    TestFolder *f = *state;

    assert_int_equal(write_new(f, "out", false, GF_ERR_TENSOR), GF_ERR_TENSOR);
    assert_int_equal(count_in(f, "."), 0);
    put_old(f, "out", "config.json");
    assert_int_equal(write_new(f, "out", true, GF_ERR_TENSOR), GF_ERR_TENSOR);
    assert_true(gf_file_exists(test_path(f, "out/config.json")));
    assert_int_equal(count_in(f, "."), 1);
}

static void models_are_replaced_if_asked(void **state)
{
    static const char *const old[] = {"", "config.json", "adapter_config.json"};
    TestFolder *f = *state;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gf_folder_remove(test_path(f, "out"), &f->diags), GF_OK);
        put_old(f, "out", old[i]);
        test_check_error(&f->diags, write_new(f, "out", false, GF_OK), GF_ERR_IO, "the folder exists");
        assert_int_equal(write_new(f, "out", true, GF_OK), GF_OK);
        assert_int_equal(count_in(f, "out"), 1);
        assert_true(gf_file_exists(test_path(f, "out/new")));
        assert_int_equal(count_in(f, "."), 1);
    }
    put_old(f, "out", "config.json");
    put_old(f, "out/base", "config.json");
    assert_int_equal(write_new(f, "out", true, GF_OK), GF_OK);
    assert_int_equal(count_in(f, "out"), 1);
}

static void other_folders_are_kept(void **state)
{
    TestFolder *f = *state;

    put_old(f, "home", "letter.txt");
    test_check_error(&f->diags, write_new(f, "home", true, GF_OK), GF_ERR_IO, "holds no model");
    put_old(f, "run", "config.json");
    put_old(f, "run/checkpoint-5", "");
    test_check_error(&f->diags, write_new(f, "run", true, GF_OK), GF_ERR_IO, "checkpoint-5', so it is not replaced");
    put_old(f, "deep", "config.json");
    put_old(f, "deep/base/base", "");
    test_check_error(&f->diags, write_new(f, "deep", true, GF_OK), GF_ERR_IO, "base/base', so it is not replaced");
    test_put_text(f, "file", "old");
    test_check_error(&f->diags, write_new(f, "file", true, GF_OK), GF_ERR_IO, "exists and is not a folder");
    assert_int_equal(symlink("run", test_path(f, "link")), 0);
    test_check_error(&f->diags, write_new(f, "link", true, GF_OK), GF_ERR_IO, "exists and is not a folder");
    test_check_error(&f->diags, write_new(f, "file/out", false, GF_OK), GF_ERR_IO, "cannot be written");
    assert_true(gf_file_exists(test_path(f, "home/letter.txt")));
    assert_true(gf_file_exists(test_path(f, "run/checkpoint-5")));
    assert_int_equal(count_in(f, "."), 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_folder_appears_whole),
        TEST(an_error_leaves_nothing),
        TEST(models_are_replaced_if_asked),
        TEST(other_folders_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
