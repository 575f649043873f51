/* fail_io.c -- a test tool, for LD_PRELOAD: the Nth write, fsync, rename or mkdir of the
 * process fails.
 *
 *   FAIL_IO_AT=N         which one, from 1; 0 or absent: none
 *   FAIL_IO_ERROR=28     errno: ENOSPC (28) is the default, EIO is 5
 *   FAIL_IO_COUNT=FILE   at exit, write how many there were
 *
 * A failing write writes half of what it was asked for first, as a disk does that
 * fills up. What goes to stdout and stderr is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static long number_of(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

static bool is_due(void)
{
    return atomic_fetch_add(&calls, 1) + 1 == number_of("FAIL_IO_AT", 0);
}

static int fail(void)
{
    errno = (int)number_of("FAIL_IO_ERROR", ENOSPC);
    return -1;
}

/* The function of that name behind this one. */
static void next(const char *name, void *function, size_t size)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(function, &symbol, size);
}

ssize_t write(int descriptor, const void *data, size_t length)
{
    ssize_t (*real)(int, const void *, size_t);

    next("write", &real, sizeof real);
    if (descriptor <= STDERR_FILENO || !is_due())
        return real(descriptor, data, length);
    if (length > 1)
        real(descriptor, data, length / 2);
    return fail();
}

int fsync(int descriptor)
{
    int (*real)(int);

    next("fsync", &real, sizeof real);
    return is_due() ? fail() : real(descriptor);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *);

    next("rename", &real, sizeof real);
    return is_due() ? fail() : real(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t);

    next("mkdir", &real, sizeof real);
    return is_due() ? fail() : real(path, mode);
}

__attribute__((destructor)) static void write_count(void)
{
    const char *path = getenv("FAIL_IO_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%ld\n", atomic_load(&calls));
    fclose(f);
}
