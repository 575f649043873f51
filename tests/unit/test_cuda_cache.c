/* test_cuda_cache.c -- compiled kernels on disk: served whole or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "codegen/cuda/cache.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/graft-cache-XXXXXX";

static NvrtcJob job_of(const char *source)
{
    return (NvrtcJob){.name = "k0", .source = source, .architecture = "sm_80"};
}

static NvrtcJob compiled(const char *source)
{
    static char image[] = "machine\0code", log[] = "Used 9 registers";
    NvrtcJob job = job_of(source);

    job.image = image;
    job.image_size = sizeof image;
    job.log = log;
    return job;
}

static bool is_served(const char *key, const char *source)
{
    NvrtcJob job = job_of(source), want = compiled(source);
    bool served = cache_load(folder, key, &job);

    if (served) {
        assert_int_equal(job.image_size, want.image_size);
        assert_memory_equal(job.image, want.image, want.image_size);
        assert_string_equal(job.log, want.log);
    } else {
        assert_null(job.image);
        assert_null(job.log);
    }
    free(job.image);
    free(job.log);
    return served;
}

/* The path of the only file in the folder. */
static void only_entry(char path[512])
{
    DIR *d = opendir(folder);
    int count = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, 512, "%s/%.255s", folder, e->d_name);
        count++;
    }
    closedir(d);
    assert_int_equal(count, 1);
}

static void store(const char *key, const char *source)
{
    NvrtcJob job = compiled(source);
    cache_store(folder, key, &job);
}

static void what_was_stored_is_served(void **state)
{
    (void)state;
    assert_false(is_served("sm_80", "source"));
    store("sm_80", "source");
    assert_true(is_served("sm_80", "source"));
    assert_false(is_served("sm_90a", "source"));
    assert_false(is_served("sm_80", "sourcf"));
}

/* One bit of any byte, and every shorter length. */
static void damage_is_noticed(void **state)
{
    char path[512], data[1024];

    (void)state;
    store("sm_80", "source");
    only_entry(path);
    FILE *f = fopen(path, "rb");
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    for (size_t i = 0; i < 2 * size; i++) {
        size_t length = i < size ? size : i - size;
        f = fopen(path, "wb");
        data[i % size] ^= i < size ? 4 : 0;
        fwrite(data, 1, length, f);
        data[i % size] ^= i < size ? 4 : 0;
        fclose(f);
        assert_false(is_served("sm_80", "source"));
    }
    store("sm_80", "source");
    assert_true(is_served("sm_80", "source"));
    only_entry(path);
    unlink(path);
}

/* An entry under the name of another source, as after a collision. */
static void other_sources_are_not_served(void **state)
{
    char first[512], second[512];

    (void)state;
    store("sm_80", "one");
    only_entry(first);
    snprintf(second, sizeof second, "%.400s.kept", first);
    rename(first, second);
    store("sm_80", "two");
    rename(second, first);
    assert_true(is_served("sm_80", "one"));
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%.255s", folder, e->d_name);
        if (e->d_name[0] != '.' && strcmp(path, first) != 0)
            rename(first, path);
    }
    closedir(d);
    assert_false(is_served("sm_80", "two"));
    only_entry(first);
    unlink(first);
}

static void folders_that_cannot_be_written_cost_nothing(void **state)
{
    NvrtcJob job = compiled("source");

    (void)state;
    cache_store("/proc/no-such-folder", "sm_80", &job);
    cache_store(NULL, "sm_80", &job);
    assert_false(cache_load(NULL, "sm_80", &job));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_stored_is_served),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(other_sources_are_not_served),
        cmocka_unit_test(folders_that_cannot_be_written_cost_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
