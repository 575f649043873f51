/* folder_writer.c -- folders that come into being all at once; see folder.h. */
#include "runtime/io/folder.h"

#include "runtime/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_TRIES = 100, MODE = 0777 };

static const char subfolder[] = "base";

static GfStatus fail_errno(GfFolderWriter *w, const char *path, const char *what)
{
    return gf_fail(w->diags, (GfLoc){.file = path}, GF_ERR_IO, "%s: %s", what, strerror(errno));
}

/* ---- what may be replaced ---- */

static bool holds(GfFolderWriter *w, const char *name)
{
    const char *path = gf_path_join(&w->arena, w->path, name);
    return path && gf_file_exists(path);
}

/* `inside` the folder ("" or "base") no folder but `allowed`. */
static GfStatus check_plain(GfFolderWriter *w, const char *inside, const char *allowed)
{
    const char *folder = *inside ? gf_path_join(&w->arena, w->path, inside) : w->path;
    GfFolder list;

    GF_TRY(folder ? gf_folder_list(&list, &w->arena, folder, w->diags) : gf_fail_memory(w->diags));
    for (size_t i = 0; i < list.count; i++) {
        const char *path = gf_path_join(&w->arena, folder, list.names[i]);
        if (!path)
            return gf_fail_memory(w->diags);
        if (gf_folder_exists(path) && strcmp(list.names[i], allowed) != 0)
            return gf_fail(w->diags, (GfLoc){.file = w->path}, GF_ERR_IO,
                           "holds the folder '%s', so it is not replaced", path);
    }
    return GF_OK;
}

/* Nothing is lost that is no model. */
static GfStatus check_replaced(GfFolderWriter *w)
{
    GfFolder list;

    GF_TRY(gf_folder_list(&list, &w->arena, w->path, w->diags));
    w->replaces = true;
    if (list.count && !holds(w, "config.json") && !holds(w, "adapter_config.json"))
        return gf_fail(w->diags, (GfLoc){.file = w->path}, GF_ERR_IO,
                       "holds no model: neither config.json nor adapter_config.json, so it is not replaced");
    GF_TRY(check_plain(w, "", subfolder));
    return holds(w, subfolder) ? check_plain(w, subfolder, "") : GF_OK;
}

static GfStatus check_place(GfFolderWriter *w, bool overwrite)
{
    struct stat st;

    if (lstat(w->path, &st) != 0)
        return errno == ENOENT ? GF_OK : fail_errno(w, w->path, "cannot be written");
    if (!S_ISDIR(st.st_mode))
        return gf_fail(w->diags, (GfLoc){.file = w->path}, GF_ERR_IO, "exists and is not a folder");
    if (overwrite)
        return check_replaced(w);
    gf_fail(w->diags, (GfLoc){.file = w->path}, GF_ERR_IO, "the folder exists");
    gf_note(w->diags, "--overwrite replaces it");
    return GF_ERR_IO;
}

/* ---- beginning ---- */

/* Without slashes at the end. */
static GfStatus set_path(GfFolderWriter *w, const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    w->path = gf_arena_strndup(&w->arena, path, length);
    if (!w->path)
        return gf_fail_memory(w->diags);
    return length ? GF_OK : gf_fail(w->diags, GF_NOWHERE, GF_ERR_IO, "the folder's name is empty");
}

/* The folder of the folder; "." when it has none. */
static const char *parent_of(GfFolderWriter *w)
{
    const char *slash = strrchr(w->path, '/');
    return slash ? gf_arena_strndup(&w->arena, w->path, slash > w->path ? (size_t)(slash - w->path) : 1) : ".";
}

/* A name beside `path` that nobody has. */
static GfStatus make_temporary(GfFolderWriter *w)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        const char *name = gf_arena_printf(&w->arena, "%s.%ld-%d.tmp", w->path, (long)getpid(), i);
        if (!name)
            return gf_fail_memory(w->diags);
        if (mkdir(name, MODE) == 0) {
            w->temporary = name;
            return GF_OK;
        }
        if (errno != EEXIST)
            break;
    }
    return fail_errno(w, w->path, "cannot be written");
}

static GfStatus begin(GfFolderWriter *w, const char *path, bool overwrite)
{
    GF_TRY(set_path(w, path));
    GF_TRY(check_place(w, overwrite));
    const char *parent = parent_of(w);
    if (!parent)
        return gf_fail_memory(w->diags);
    GF_TRY(gf_folder_make(parent, (GfLoc){.file = w->path}, w->diags));
    return make_temporary(w);
}

GfStatus gf_folder_begin(GfFolderWriter *w, const char *path, bool overwrite, GfDiags *diags)
{
    *w = (GfFolderWriter){.diags = diags};
    gf_arena_init(&w->arena, diags->arena.allocator);
    GfStatus status = begin(w, path, overwrite);
    if (status != GF_OK)
        gf_arena_free(&w->arena);
    return status;
}

/* ---- ending ---- */

/* Where the file system cannot exchange two names: for a moment neither is there. */
static int exchange_slowly(GfFolderWriter *w)
{
    const char *aside = gf_arena_printf(&w->arena, "%s.old", w->temporary);

    if (!aside || rename(w->path, aside) != 0)
        return -1;
    if (rename(w->temporary, w->path) == 0)
        return rename(aside, w->temporary);
    int error = errno;
    (void)!rename(aside, w->path);
    errno = error;
    return -1;
}

/* Afterwards what was at `path` is at `temporary`. */
static int exchange(GfFolderWriter *w)
{
    if (renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path, RENAME_EXCHANGE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? exchange_slowly(w) : -1;
}

static GfStatus publish(GfFolderWriter *w)
{
    const char *parent = parent_of(w);

    if (!parent)
        return gf_fail_memory(w->diags);
    GF_TRY(gf_folder_sync(w->temporary, w->diags));
    if ((w->replaces ? exchange(w) : rename(w->temporary, w->path)) != 0)
        return fail_errno(w, w->path, "cannot be written");
    if (!w->replaces)
        w->temporary = NULL;
    return gf_folder_sync(parent, w->diags);
}

GfStatus gf_folder_end(GfFolderWriter *w, GfStatus status)
{
    if (status == GF_OK)
        status = publish(w);
    GfStatus removed = w->temporary ? gf_folder_remove(w->temporary, w->diags) : GF_OK;
    gf_arena_free(&w->arena);
    *w = (GfFolderWriter){0};
    return status != GF_OK ? status : removed;
}
