/* fuzz_texts.c -- runtime/data/texts.h: lines and JSON Lines, compressed or not, a window at a time.
 *
 * Every window gives the same texts, before the same error in the same place.
 */
#include "runtime/data/texts.h"
#include "runtime/data/unicode.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* The reader's buffer of a megabyte goes from one reading to the next: fresh pages would take
 * most of the time.  Everything else, and a buffer that grows, is a block of its own. */
static struct {
    void *block;
    size_t size;
    bool out;
} buffer;

static void *get(void *self, size_t size)
{
    enum { LARGE = 1024 * 1024 };

    (void)self;
    if (size < LARGE || buffer.out || (buffer.block && buffer.size != size))
        return aligned_alloc(64, (size + 63) / 64 * 64);
    if (!buffer.block)
        buffer.block = aligned_alloc(64, (size + 63) / 64 * 64);
    buffer.size = size;
    buffer.out = buffer.block != NULL;
    return buffer.block;
}

static void release(void *self, void *memory)
{
    (void)self;
    if (buffer.out && memory == buffer.block)
        buffer.out = false;
    else
        free(memory);
}

static const GfAllocator allocator = {get, release, NULL};

/* What was read, and how it ended. */
typedef struct Outcome {
    GfText text; /* each text with its length before it */
    size_t count;
    GfStatus status;
    uint32_t line, column; /* of the error */
} Outcome;

static void add(Outcome *o, const char *text, size_t length)
{
    FUZZ_CHECK(text && gf_utf8_check(text, length) == length && !memchr(text, '\0', length));
    gf_text_add(&o->text, "%zu:", length);
    gf_text_add_bytes(&o->text, text, length);
}

static void add_window(Outcome *o, const GfTexts *t)
{
    FUZZ_CHECK(t->count <= t->window);
    for (size_t i = 0; i < t->count; i++) {
        add(o, t->items[i].text, t->items[i].length);
        FUZZ_CHECK(t->format.pairs == (t->items[i].pair != NULL));
        if (t->format.pairs)
            add(o, t->items[i].pair, t->items[i].pair_length);
    }
    o->count += t->count;
}

static Outcome read_all(const char *path, const GfTextsFormat *format, size_t window, GfArena *arena)
{
    Outcome o = {.text = {.arena = arena}};
    GfDiags diags;
    GfTexts t;

    gf_diags_init(&diags, &allocator);
    FUZZ_CHECK(gf_texts_open(&t, path, format, window, &diags) == GF_OK);
    do {
        o.status = gf_texts_next(&t, &diags);
        add_window(&o, &t);
    } while (o.status == GF_OK && t.count);
    gf_texts_close(&t);
    fuzz_check_diags(o.status, &diags); /* and that it needs nothing of what was closed */
    if (o.status != GF_OK) {
        o.line = diags.first->loc.line;
        o.column = diags.first->loc.column;
    }
    gf_diags_free(&diags);
    return o;
}

static void check_same(const Outcome *a, const Outcome *b)
{
    FUZZ_CHECK(a->status == b->status && a->line == b->line && a->column == b->column);
    FUZZ_CHECK(a->count == b->count && a->text.length == b->text.length);
    FUZZ_CHECK(!a->text.length || memcmp(gf_text_str(&a->text), gf_text_str(&b->text), a->text.length) == 0);
}

/* A damaged gzip file is noticed when a window asks for the damaged part: a wide one asks
 * before it has looked at the lines, which may have errors of their own. */
static void read_as(const char *path, const GfTextsFormat *format, bool compressed)
{
    static const size_t windows[] = {1, 2, 3};
    GfArena arena;

    gf_arena_init(&arena, NULL);
    Outcome whole = read_all(path, format, 4096, &arena);
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        Outcome parts = read_all(path, format, windows[i], &arena);
        if (!compressed || whole.status == GF_OK)
            check_same(&whole, &parts);
    }
    gf_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const GfTextsFormat formats[] = {{0},
                                            {.pairs = true},
                                            {.jsonl = true, .text = "text"},
                                            {.jsonl = true, .pairs = true, .text = "text", .text_pair = "b"}};
    bool compressed = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    int file = memfd_create("texts", MFD_CLOEXEC);
    char path[64];

    FUZZ_CHECK(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        read_as(path, &formats[i], compressed);
    close(file);
    return 0;
}
