/* folder.c -- see folder.h. */
#include "runtime/io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* ---- listing ---- */

bool gf_folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_name(GfFolder *f, GfArena *arena, const char *name)
{
    if (!strcmp(name, ".") || !strcmp(name, ".."))
        return true;
    f->names = gf_arena_grow(arena, f->names, f->count, &f->capacity, sizeof *f->names);
    if (!f->names)
        return false;
    f->names[f->count++] = gf_arena_strdup(arena, name);
    return !arena->failed;
}

GfStatus gf_folder_list(GfFolder *f, GfArena *arena, const char *path, GfDiags *diags)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool whole = true;

    *f = (GfFolder){0};
    if (!dir)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be read: %s", strerror(errno));
    errno = 0;
    while (whole && (entry = readdir(dir)))
        whole = add_name(f, arena, entry->d_name);
    int error = errno;
    closedir(dir);
    if (!whole)
        return gf_fail_memory(diags);
    if (error)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be read: %s", strerror(error));
    if (f->count)
        qsort(f->names, f->count, sizeof *f->names, compare);
    return GF_OK;
}

/* ---- renaming and removing ---- */

GfStatus gf_folder_sync(const char *path, GfDiags *diags)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be opened: %s", strerror(errno));
    /* EINVAL: a file system that has nothing to bring to a disk. */
    int error = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
    close(descriptor);
    if (!error)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be brought to the disk: %s",
                   strerror(error));
}

/* The folder that something is in, in `arena`. */
static const char *parent_of(GfArena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return slash == path ? "/" : gf_arena_strndup(arena, path, (size_t)(slash - path));
}

static GfStatus sync_parent(const char *path, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    const char *parent = parent_of(&scratch, path);
    GfStatus status = parent ? gf_folder_sync(parent, diags) : gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_folder_rename(const char *from, const char *to, GfDiags *diags)
{
    if (rename(from, to) != 0)
        return gf_fail(diags, (GfLoc){.file = to}, GF_ERR_IO, "'%s' cannot be renamed so: %s", from, strerror(errno));
    return sync_parent(to, diags);
}

static GfStatus remove_all(const char *path, GfArena *scratch, GfDiags *diags)
{
    struct stat st;
    GfFolder list;

    if (lstat(path, &st) != 0) {
        if (errno == ENOENT)
            return GF_OK;
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be removed: %s", strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        if (unlink(path) == 0)
            return GF_OK;
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot be removed: %s", strerror(errno));
    }
    GF_TRY(gf_folder_list(&list, scratch, path, diags));
    for (size_t i = 0; i < list.count; i++) {
        const char *inside = gf_arena_printf(scratch, "%s/%s", path, list.names[i]);
        GF_TRY(inside ? remove_all(inside, scratch, diags) : gf_fail_memory(diags));
    }
    if (rmdir(path) == 0)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "the folder cannot be removed: %s", strerror(errno));
}

GfStatus gf_folder_remove(const char *path, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = remove_all(path, &scratch, diags);
    gf_arena_free(&scratch);
    return status;
}
