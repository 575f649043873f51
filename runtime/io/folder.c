/* folder.c -- see folder.h. */
#include "runtime/io/folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MODE = 0777 };

static GfStatus make_one(const char *path, GfDiags *diags)
{
    struct stat st;

    if (mkdir(path, MODE) == 0)
        return GF_OK;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be made: %s",
                   errno == EEXIST ? "there is a file of that name" : strerror(errno));
}

static GfStatus make_all(char *path, GfDiags *diags)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        GF_TRY(make_one(path, diags));
        *slash = '/';
    }
    return make_one(path, diags);
}

GfStatus gf_folder_make(const char *path, GfDiags *diags)
{
    GfArena scratch;

    if (!*path)
        return GF_OK;
    gf_arena_init(&scratch, diags->arena.allocator);
    char *copy = gf_arena_strdup(&scratch, path);
    GfStatus status = copy ? make_all(copy, diags) : gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}
