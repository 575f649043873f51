/* stream.c -- see stream.h.  Source of the gzip format: RFC 1952; zlib does the work. */
#include "runtime/data/stream.h"

#include "runtime/data/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define ZLIB_CONST /* next_in is not written to */
#include <zlib.h>

enum { BUFFER = 64 * 1024, GZIP_ONLY = 15 + 16 };

struct GfInflater {
    z_stream z;
    bool between; /* at the end of a member: another one may follow */
};

/* ---- opening ---- */

GfStatus gf_stream_open(GfStream *s, const char *path, GfDiags *diags)
{
    bool own = strcmp(path, "-") != 0;

    *s = (GfStream){.name = own ? path : "stdin", .own = own};
    gf_arena_init(&s->arena, diags->arena.allocator);
    s->descriptor = own ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (s->descriptor < 0)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot open: %s", strerror(errno));
    s->buffer = gf_arena_alloc(&s->arena, BUFFER);
    if (s->buffer)
        return GF_OK;
    gf_stream_close(s);
    return gf_fail_memory(diags);
}

void gf_stream_close(GfStream *s)
{
    if (s->own && s->descriptor >= 0)
        close(s->descriptor);
    gf_arena_free(&s->arena); /* zlib's memory, too */
    *s = (GfStream){.descriptor = -1};
}

/* ---- the file's bytes ---- */

/* Add to the buffer, which has room. */
static GfStatus fill(GfStream *s, GfDiags *diags)
{
    ssize_t got;

    do
        got = read(s->descriptor, s->buffer + s->size, BUFFER - s->size);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return gf_fail(diags, (GfLoc){.file = s->name}, GF_ERR_IO, "cannot read: %s", strerror(errno));
    s->size += (size_t)got;
    s->ended = got == 0;
    return GF_OK;
}

/* At least `count` bytes in the buffer, but at the end. */
static GfStatus want(GfStream *s, size_t count, GfDiags *diags)
{
    if (s->size - s->at >= count)
        return GF_OK;
    memmove(s->buffer, s->buffer + s->at, s->size - s->at);
    s->size -= s->at;
    s->at = 0;
    while (!s->ended && s->size < count)
        GF_TRY(fill(s, diags));
    return GF_OK;
}

/* ---- gzip ---- */

static voidpf arena_alloc(voidpf arena, uInt items, uInt size)
{
    return gf_arena_array(arena, items, size);
}

static void arena_release(voidpf arena, voidpf memory)
{
    (void)arena;
    (void)memory;
}

static bool is_named_gzip(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, ".gz") == 0;
}

/* The first two bytes say what the file is; a terminal may have sent but one. */
static GfStatus begin(GfStream *s, GfDiags *diags)
{
    GF_TRY(want(s, 1, diags));
    if (s->size && s->buffer[0] == 0x1f)
        GF_TRY(want(s, 2, diags));
    s->begun = true;
    if (!gf_gzip_is(s->buffer + s->at, s->size - s->at)) {
        if (is_named_gzip(s->name))
            return gf_fail(diags, (GfLoc){.file = s->name}, GF_ERR_DATA, "is not a gzip file, though its name says so");
        return GF_OK;
    }
    s->inflater = GF_NEW(&s->arena, GfInflater);
    if (!s->inflater)
        return gf_fail_memory(diags);
    s->inflater->z = (z_stream){.zalloc = arena_alloc, .zfree = arena_release, .opaque = &s->arena};
    return inflateInit2(&s->inflater->z, GZIP_ONLY) == Z_OK ? GF_OK : gf_fail_memory(diags);
}

static GfStatus fail_gzip(const GfStream *s, const char *what, GfDiags *diags)
{
    return gf_fail(diags, (GfLoc){.file = s->name}, GF_ERR_DATA, "the gzip file %s", what);
}

/* At the end of a member: the end of the file, or the next member. */
static GfStatus next_member(GfStream *s, GfDiags *diags)
{
    GF_TRY(want(s, 2, diags));
    if (s->at == s->size)
        return GF_OK;
    if (!gf_gzip_is(s->buffer + s->at, s->size - s->at))
        return fail_gzip(s, "is followed by something else", diags);
    inflateReset(&s->inflater->z);
    s->inflater->between = false;
    return GF_OK;
}

/* Expand what is in the buffer, some. */
static GfStatus inflate_some(GfStream *s, char *to, size_t room, size_t *got, GfDiags *diags)
{
    z_stream *z = &s->inflater->z;

    GF_TRY(want(s, 1, diags));
    size_t given = s->size - s->at;
    z->next_in = (const unsigned char *)s->buffer + s->at;
    z->avail_in = (uInt)given;
    z->next_out = (unsigned char *)to;
    z->avail_out = (uInt)room;
    int result = inflate(z, Z_NO_FLUSH);
    s->at += given - z->avail_in;
    *got = room - z->avail_out;
    if (result == Z_STREAM_END)
        s->inflater->between = true;
    else if (result == Z_MEM_ERROR)
        return gf_fail_memory(diags);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return fail_gzip(s, "is damaged", diags);
    else if (given == 0 && *got == 0)
        return fail_gzip(s, "is cut off", diags);
    return GF_OK;
}

static GfStatus read_gzip(GfStream *s, char *to, size_t room, size_t *got, GfDiags *diags)
{
    enum { ROOM_MAX = 1 << 30 };

    while (*got == 0) {
        if (s->inflater->between)
            GF_TRY(next_member(s, diags));
        if (s->inflater->between)
            return GF_OK;
        GF_TRY(inflate_some(s, to, room < ROOM_MAX ? room : ROOM_MAX, got, diags));
    }
    return GF_OK;
}

/* ---- reading ---- */

GfStatus gf_stream_read(GfStream *s, char *to, size_t room, size_t *got, GfDiags *diags)
{
    *got = 0;
    if (!s->begun)
        GF_TRY(begin(s, diags));
    if (s->inflater)
        return read_gzip(s, to, room, got, diags);
    GF_TRY(want(s, 1, diags));
    *got = s->size - s->at < room ? s->size - s->at : room;
    memcpy(to, s->buffer + s->at, *got);
    s->at += *got;
    return GF_OK;
}

bool gf_stream_would_wait(const GfStream *s)
{
    struct pollfd other = {.fd = s->descriptor, .events = POLLIN};

    return s->at == s->size && !s->ended && poll(&other, 1, 0) == 0;
}
