/* folder.c -- see folder.h. */
#include "runtime/io/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0777 };

static GfStatus make_one(const char *path, GfLoc loc, GfDiags *diags)
{
    struct stat st;

    if (mkdir(path, MODE) == 0)
        return GF_OK;
    bool exists = errno == EEXIST;
    if (exists && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return GF_OK;
    return gf_fail(diags, loc, GF_ERR_IO, "the folder '%s' cannot be made: %s", path,
                   exists ? "there is a file of that name" : strerror(errno));
}

static GfStatus make_all(char *path, GfLoc loc, GfDiags *diags)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        GF_TRY(make_one(path, loc, diags));
        *slash = '/';
    }
    return make_one(path, loc, diags);
}

GfStatus gf_folder_make(const char *path, GfLoc loc, GfDiags *diags)
{
    GfArena scratch;

    if (!*path)
        return GF_OK;
    gf_arena_init(&scratch, diags->arena.allocator);
    char *copy = gf_arena_strdup(&scratch, path);
    GfStatus status = copy ? make_all(copy, loc, diags) : gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}

/* 0, or why no file can be written. */
static int try_file(char *pattern)
{
    int file = mkstemp(pattern), error = 0;

    if (file < 0)
        return errno;
    if (write(file, "", 1) != 1)
        error = errno ? errno : ENOSPC;
    close(file);
    unlink(pattern);
    return error;
}

static GfStatus probe(const char *path, GfArena *scratch, GfLoc loc, GfDiags *diags)
{
    char *pattern = gf_arena_printf(scratch, "%s/.probe-XXXXXX", *path ? path : ".");

    if (!pattern)
        return gf_fail_memory(diags);
    int error = try_file(pattern);
    if (!error)
        return GF_OK;
    return gf_fail(diags, loc, GF_ERR_IO, "no file can be written to the folder '%s': %s", path, strerror(error));
}

GfStatus gf_folder_probe(const char *path, GfLoc loc, GfDiags *diags)
{
    GfArena scratch;

    GF_TRY(gf_folder_make(path, loc, diags));
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = probe(path, &scratch, loc, diags);
    gf_arena_free(&scratch);
    return status;
}
