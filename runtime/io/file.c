/* file.c -- see file.h. */
#define _DEFAULT_SOURCE /* madvise; includes POSIX */

#include "runtime/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_TRIES = 100, WRITE_MAX = 1 << 30, MODE = 0666 };

static GfStatus fail_errno(GfDiags *diags, const char *path, const char *what)
{
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "%s: %s", what, strerror(errno));
}

/* ---- reading ---- */

/* The size of the regular file that stands open; -1 after an error. */
static off_t regular_size(int descriptor, const char *path, GfDiags *diags)
{
    struct stat st;

    if (fstat(descriptor, &st) != 0) {
        fail_errno(diags, path, "cannot be read");
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "is not a regular file");
        return -1;
    }
    return st.st_size;
}

static GfStatus map_open_file(GfFileMap *map, int descriptor, const char *path, GfDiags *diags)
{
    off_t size = regular_size(descriptor, path, diags);

    if (size < 0)
        return GF_ERR_IO;
    *map = (GfFileMap){.data = (const unsigned char *)"", .size = (size_t)size};
    if (size == 0)
        return GF_OK; /* which mmap refuses */
    void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
        map->size = 0;
        return fail_errno(diags, path, "cannot be mapped");
    }
    map->data = data;
    return GF_OK;
}

GfStatus gf_file_map(GfFileMap *map, const char *path, GfDiags *diags)
{
    *map = (GfFileMap){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_errno(diags, path, "cannot be opened");
    GfStatus status = map_open_file(map, descriptor, path, diags);
    close(descriptor); /* the mapping stays */
    return status;
}

void gf_file_unmap(GfFileMap *map)
{
    if (map->size)
        munmap((void *)map->data, map->size);
    *map = (GfFileMap){0};
}

void gf_file_release(const GfFileMap *map, size_t begin, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (begin + page - 1) / page * page, end = (begin + size) / page * page;

    if (first < end && end <= map->size)
        madvise((void *)(map->data + first), end - first, MADV_DONTNEED);
}

GfStatus gf_file_read(GfArena *arena, const char *path, char **data, size_t *length, GfDiags *diags)
{
    GfFileMap map;

    GF_TRY(gf_file_map(&map, path, diags));
    *length = map.size;
    *data = gf_arena_strndup(arena, (const char *)map.data, map.size);
    gf_file_unmap(&map);
    return *data ? GF_OK : gf_fail_memory(diags);
}

bool gf_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *gf_path_join(GfArena *arena, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length > 0 && folder[length - 1] == '/';

    if (length == 0 || name[0] == '/')
        return gf_arena_strdup(arena, name);
    return gf_arena_printf(arena, "%s%s%s", folder, slash ? "" : "/", name);
}

/* ---- writing ---- */

static GfStatus writer_error(GfFileWriter *w, const char *what)
{
    w->status = fail_errno(w->diags, w->path, what);
    return w->status;
}

/* A name beside `path` that no other writer has: process and number, and O_EXCL
 * against what a killed process of the same number left. */
static int create_temporary(GfFileWriter *w)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        w->temporary = gf_arena_printf(&w->arena, "%s.%ld-%d.tmp", w->path, (long)getpid(), i);
        if (!w->temporary) {
            errno = ENOMEM;
            return -1;
        }
        int descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
        if (descriptor >= 0 || errno != EEXIST)
            return descriptor;
    }
    return -1;
}

GfStatus gf_file_begin(GfFileWriter *writer, const char *path, GfDiags *diags)
{
    struct stat st;

    *writer = (GfFileWriter){.descriptor = -1, .diags = diags};
    gf_arena_init(&writer->arena, diags ? diags->arena.allocator : NULL);
    writer->path = gf_arena_strdup(&writer->arena, path);
    if (!writer->path)
        return writer->status = gf_fail_memory(diags);
    /* A rename would put a file in the place of /dev/null. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return writer->status = gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "exists and is not a regular file");
    writer->descriptor = create_temporary(writer);
    if (writer->descriptor >= 0)
        return GF_OK;
    writer->temporary = NULL; /* the last name tried is another's */
    return writer_error(writer, "cannot be written");
}

GfStatus gf_file_add(GfFileWriter *writer, const void *data, size_t length)
{
    const char *bytes = data;

    while (writer->status == GF_OK && length > 0) {
        ssize_t written = write(writer->descriptor, bytes, length < WRITE_MAX ? length : WRITE_MAX);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return writer_error(writer, "cannot be written");
        bytes += written;
        length -= (size_t)written;
    }
    return writer->status;
}

/* The rename itself is on the disk once the folder is. */
static GfStatus sync_folder(GfFileWriter *w)
{
    const char *slash = strrchr(w->path, '/');
    const char *folder = slash ? gf_arena_strndup(&w->arena, w->path, (size_t)(slash - w->path) + 1) : ".";
    if (!folder)
        return w->status = gf_fail_memory(w->diags);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return writer_error(w, "its folder cannot be opened");
    /* EINVAL: a file system that has nothing to bring to a disk. */
    if (fsync(descriptor) != 0 && errno != EINVAL)
        writer_error(w, "its folder cannot be synchronised");
    close(descriptor);
    return w->status;
}

static GfStatus close_descriptor(GfFileWriter *w)
{
    int descriptor = w->descriptor;

    w->descriptor = -1;
    return close(descriptor) == 0 ? GF_OK : writer_error(w, "cannot be written");
}

static GfStatus finish(GfFileWriter *w)
{
    GF_TRY(w->status);
    if (fsync(w->descriptor) != 0 && errno != EINVAL)
        return writer_error(w, "cannot be brought to the disk");
    GF_TRY(close_descriptor(w));
    if (rename(w->temporary, w->path) != 0)
        return writer_error(w, "cannot be replaced");
    w->temporary = NULL;
    return sync_folder(w);
}

GfStatus gf_file_commit(GfFileWriter *writer)
{
    GfStatus status = finish(writer);

    gf_file_abandon(writer);
    return status;
}

void gf_file_abandon(GfFileWriter *writer)
{
    if (writer->descriptor >= 0)
        close(writer->descriptor);
    if (writer->temporary)
        unlink(writer->temporary);
    gf_arena_free(&writer->arena);
    writer->descriptor = -1;
    writer->temporary = NULL;
    writer->path = NULL;
}

GfStatus gf_file_write_atomic(const char *path, const void *data, size_t length, GfDiags *diags)
{
    GfFileWriter writer;

    gf_file_begin(&writer, path, diags);
    gf_file_add(&writer, data, length);
    return gf_file_commit(&writer);
}
