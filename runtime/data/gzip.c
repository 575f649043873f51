/* gzip.c -- see gzip.h.  Source: RFC 1952; zlib does the work. */
#include "runtime/data/gzip.h"

#define ZLIB_CONST /* next_in is not written to */
#include <zlib.h>

enum { CHUNK = 64 * 1024, GZIP_ONLY = 15 + 16, FEED_MAX = 1 << 30 };

typedef struct Expander {
    z_stream z;
    GfText *text;
    const char *name;
    size_t rest; /* bytes of the file that zlib has not been shown */
    unsigned char buffer[CHUNK];
    GfDiags *diags;
} Expander;

bool gf_gzip_is(const char *bytes, size_t size)
{
    return size >= 2 && (unsigned char)bytes[0] == 0x1f && (unsigned char)bytes[1] == 0x8b;
}

/* zlib's memory comes from an arena, and goes with it. */
static voidpf arena_alloc(voidpf arena, uInt items, uInt size)
{
    return gf_arena_array(arena, items, size);
}

static void arena_release(voidpf arena, voidpf memory)
{
    (void)arena;
    (void)memory;
}

static size_t left(const Expander *e)
{
    return e->rest + e->z.avail_in;
}

static void feed(Expander *e)
{
    if (e->z.avail_in)
        return;
    e->z.avail_in = (uInt)(e->rest < FEED_MAX ? e->rest : FEED_MAX);
    e->rest -= e->z.avail_in;
}

static GfStatus fail(const Expander *e, const char *what)
{
    return gf_fail(e->diags, (GfLoc){.file = e->name}, GF_ERR_DATA, "the gzip file is %s, after %zu bytes of text",
                   what, e->text->length);
}

/* One member, to its end. */
static GfStatus expand_member(Expander *e)
{
    int result = Z_OK;

    while (result == Z_OK) {
        feed(e);
        e->z.next_out = e->buffer;
        e->z.avail_out = sizeof e->buffer;
        bool last = left(e) == 0;
        result = inflate(&e->z, Z_NO_FLUSH);
        gf_text_add_bytes(e->text, (char *)e->buffer, sizeof e->buffer - e->z.avail_out);
        if (e->text->arena->failed || result == Z_MEM_ERROR)
            return gf_fail_memory(e->diags);
        if (result == Z_BUF_ERROR || (result == Z_OK && last && e->z.avail_out))
            return fail(e, "cut off");
    }
    return result == Z_STREAM_END ? GF_OK : fail(e, "damaged");
}

static GfStatus expand_all(Expander *e)
{
    for (;;) {
        GF_TRY(expand_member(e));
        feed(e);
        if (e->z.avail_in == 0)
            return GF_OK;
        if (!gf_gzip_is((const char *)e->z.next_in, e->z.avail_in))
            return gf_fail(e->diags, (GfLoc){.file = e->name}, GF_ERR_DATA,
                           "the gzip file ends %zu bytes before the file does", left(e));
        inflateReset(&e->z);
    }
}

GfStatus gf_gzip_expand(GfText *text, const char *name, const char *bytes, size_t size, GfDiags *diags)
{
    GfArena arena;
    gf_arena_init(&arena, text->arena->allocator);
    Expander *e = GF_NEW(&arena, Expander);

    if (!e)
        return gf_fail_memory(diags);
    *e = (Expander){.text = text, .name = name, .rest = size, .diags = diags};
    e->z.next_in = (const unsigned char *)bytes;
    e->z.zalloc = arena_alloc;
    e->z.zfree = arena_release;
    e->z.opaque = &arena;
    GfStatus status = inflateInit2(&e->z, GZIP_ONLY) == Z_OK ? expand_all(e) : gf_fail_memory(diags);
    gf_arena_free(&arena);
    return status;
}
