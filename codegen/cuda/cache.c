/* cache.c -- see cache.h. */
#include "codegen/cuda/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

typedef enum Part { PART_KEY, PART_SOURCE, PART_LOG, PART_IMAGE, PART_COUNT } Part;

/* What a file begins with; the parts follow in order. */
typedef struct Header {
    char magic[8];
    uint64_t size[PART_COUNT];
    uint64_t checksum; /* of the parts */
} Header;

static const char magic[8] = "gfcubin1";

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash(uint64_t h, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
    return h;
}

static const uint64_t hash_begin = 0xcbf29ce484222325u;

static bool entry_path(const char *folder, const char *key, const NvrtcJob *job, char path[PATH_ROOM])
{
    uint64_t h = hash(hash(hash_begin, key, strlen(key)), job->source, strlen(job->source));
    int length = snprintf(path, PATH_ROOM, "%s/%016llx.cubin", folder, (unsigned long long)h);

    return length > 0 && length < PATH_ROOM - 32;
}

/* ---- the folder ---------------------------------------------------------------------- */

static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
}

const char *cache_folder(GfArena *arena)
{
    const char *named = getenv("GRAFT_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *folder = NULL;

    if (named)
        folder = *named ? gf_arena_strdup(arena, named) : NULL;
    else if (xdg && *xdg)
        folder = gf_arena_printf(arena, "%s/graft", xdg);
    else if (home && *home)
        folder = gf_arena_printf(arena, "%s/.cache/graft", home);
    if (folder)
        make_folders(folder);
    return folder;
}

/* ---- reading --------------------------------------------------------------------------- */

static char *read_all(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *data = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 ? malloc((size_t)st.st_size) : NULL;
    size_t done = 0;

    while (data && done < (size_t)st.st_size) {
        ssize_t got = read(fd, data + done, (size_t)st.st_size - done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    *size = done;
    return data;
}

static bool is_whole(const char *data, size_t size, Header *h)
{
    uint64_t left;

    if (size < sizeof *h)
        return false;
    memcpy(h, data, sizeof *h);
    left = size - sizeof *h;
    for (int i = 0; i < PART_COUNT; i++) {
        if (h->size[i] > left)
            return false;
        left -= h->size[i];
    }
    return left == 0 && memcmp(h->magic, magic, sizeof magic) == 0 &&
           hash(hash_begin, data + sizeof *h, size - sizeof *h) == h->checksum;
}

static bool is_text(const char *part, uint64_t size, const char *text)
{
    return size == strlen(text) && memcmp(part, text, size) == 0;
}

/* A copy with an end. */
static char *copy_part(const char *part, uint64_t size)
{
    char *copy = malloc(size + 1);

    if (copy) {
        memcpy(copy, part, size);
        copy[size] = '\0';
    }
    return copy;
}

static bool take_entry(const char *data, size_t size, const char *key, NvrtcJob *job)
{
    const char *part[PART_COUNT];
    Header h;

    if (!is_whole(data, size, &h))
        return false;
    part[0] = data + sizeof h;
    for (int i = 1; i < PART_COUNT; i++)
        part[i] = part[i - 1] + h.size[i - 1];
    if (!is_text(part[PART_KEY], h.size[PART_KEY], key) ||
        !is_text(part[PART_SOURCE], h.size[PART_SOURCE], job->source))
        return false;
    job->log = copy_part(part[PART_LOG], h.size[PART_LOG]);
    job->image = copy_part(part[PART_IMAGE], h.size[PART_IMAGE]);
    job->image_size = h.size[PART_IMAGE];
    return job->log && job->image;
}

bool cache_load(const char *folder, const char *key, NvrtcJob *job)
{
    char path[PATH_ROOM];
    size_t size;

    if (!folder || !entry_path(folder, key, job, path))
        return false;
    char *data = read_all(path, &size);
    bool found = data && take_entry(data, size, key, job);
    free(data);
    if (!found) {
        free(job->log);
        free(job->image);
        job->log = job->image = NULL;
    }
    return found;
}

/* ---- writing ---------------------------------------------------------------------------- */

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

static bool write_entry(int fd, const char *const *part, const Header *h)
{
    bool good = write_all(fd, (const char *)h, sizeof *h);

    for (int i = 0; i < PART_COUNT; i++)
        good = good && write_all(fd, part[i], h->size[i]);
    return good && fsync(fd) == 0;
}

void cache_store(const char *folder, const char *key, const NvrtcJob *job)
{
    const char *part[PART_COUNT] = {key, job->source, job->log ? job->log : "", job->image};
    char path[PATH_ROOM], temporary[PATH_ROOM + 16];
    Header h = {.checksum = hash_begin};

    if (!folder || !entry_path(folder, key, job, path))
        return;
    memcpy(h.magic, magic, sizeof magic);
    for (int i = 0; i < PART_COUNT; i++) {
        h.size[i] = i == PART_IMAGE ? job->image_size : strlen(part[i]);
        h.checksum = hash(h.checksum, part[i], h.size[i]);
    }
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return;
    bool good = write_entry(fd, part, &h);
    if (close(fd) != 0 || !good || rename(temporary, path) != 0)
        unlink(temporary);
}
