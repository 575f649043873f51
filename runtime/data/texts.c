/* texts.c -- see texts.h. */
#include "runtime/data/texts.h"

#include "runtime/data/table_reader.h"
#include "runtime/data/unicode.h"

#include <string.h>

enum { BUFFER = 1024 * 1024 };

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* ---- opening ---- */

/* A larger buffer, with what the old one held. */
static GfStatus grow(GfTexts *t, size_t room, GfDiags *diags)
{
    GfArena arena;

    gf_arena_init(&arena, t->buffers.allocator);
    char *larger = gf_arena_alloc(&arena, room + 1); /* a NUL ends what is read as JSON */
    if (!larger)
        return gf_fail_memory(diags);
    if (t->size)
        memcpy(larger, t->buffer, t->size);
    gf_arena_free(&t->buffers);
    t->buffers = arena;
    t->buffer = larger;
    t->room = room;
    return GF_OK;
}

GfStatus gf_texts_open(GfTexts *t, const char *path, const GfTextsFormat *format, size_t window, GfDiags *diags)
{
    *t = (GfTexts){.format = *format, .window = window, .line = 1};
    gf_arena_init(&t->arena, diags->arena.allocator);
    gf_arena_init(&t->buffers, diags->arena.allocator);
    GF_TRY(gf_stream_open(&t->stream, path, diags));
    GfStatus status = grow(t, BUFFER, diags);
    if (status != GF_OK)
        gf_texts_close(t);
    return status;
}

void gf_texts_close(GfTexts *t)
{
    gf_stream_close(&t->stream);
    gf_arena_free(&t->arena);
    gf_arena_free(&t->buffers);
    *t = (GfTexts){.stream = {.descriptor = -1}};
}

/* ---- reading lines ---- */

/* Lines that are whole in the buffer, up to the window. */
typedef struct Found {
    size_t lines, end; /* end: behind the last one's line break */
    size_t seen;       /* bytes looked at */
} Found;

/* What may yet turn out to be a byte order mark is not looked at: it would move away. */
static void find_lines(const GfTexts *t, Found *f)
{
    const char *end;

    while (t->begun && f->lines < t->window && (end = memchr(t->buffer + f->seen, '\n', t->size - f->seen))) {
        f->seen = f->end = (size_t)(end - t->buffer) + 1;
        f->lines++;
    }
    if (t->begun && f->lines < t->window)
        f->seen = t->size;
}

static GfLoc place(const GfTexts *t, uint32_t line, size_t offset)
{
    return (GfLoc){.file = t->stream.name, .line = line, .column = (uint32_t)(offset + 1)};
}

/* As soon as it is clear whether there is one. */
static void skip_mark(GfTexts *t)
{
    size_t length = strlen(byte_order_mark);
    bool like = memcmp(t->buffer, byte_order_mark, t->size < length ? t->size : length) == 0;

    if (like && t->size < length && !t->ended)
        return;
    t->begun = true;
    if (!like || t->size < length)
        return;
    t->size -= length;
    memmove(t->buffer, t->buffer + length, t->size);
}

static GfStatus read_some(GfTexts *t, GfDiags *diags)
{
    size_t got;

    if (t->size == GF_TEXTS_LINE_MAX)
        return gf_fail(diags, place(t, t->line, 0), GF_ERR_DATA, "a line of more than %d bytes", GF_TEXTS_LINE_MAX);
    if (t->size == t->room)
        GF_TRY(grow(t, t->room * 2, diags));
    GF_TRY(gf_stream_read(&t->stream, t->buffer + t->size, t->room - t->size, &got, diags));
    t->size += got;
    t->ended = got == 0;
    if (!t->begun)
        skip_mark(t);
    return GF_OK;
}

static bool is_enough(const GfTexts *t, const Found *f)
{
    if (t->ended || f->lines == t->window)
        return true;
    return t->begun && f->lines > 0 && (t->size == t->room || gf_stream_would_wait(&t->stream));
}

/* Lines from the buffer's begin on: at least one, but at the end. */
static GfStatus find(GfTexts *t, Found *f, GfDiags *diags)
{
    *f = (Found){0};
    find_lines(t, f);
    while (!is_enough(t, f)) {
        GF_TRY(read_some(t, diags));
        find_lines(t, f);
    }
    if (t->ended && f->lines < t->window && f->end < t->size) { /* a last line without its break */
        f->lines++;
        f->end = t->size;
    }
    return GF_OK;
}

/* ---- lines ---- */

/* The part of a line before its break. */
static size_t length_of(const char *line, size_t size)
{
    const char *end = memchr(line, '\n', size);
    size_t length = end ? (size_t)(end - line) : size;

    return length && line[length - 1] == '\r' ? length - 1 : length;
}

static GfStatus split_pair(const GfTexts *t, uint32_t line, GfAsked *item, GfDiags *diags)
{
    const char *tab = memchr(item->text, '\t', item->length);
    size_t first = tab ? (size_t)(tab - item->text) : item->length;

    if (!tab)
        return gf_fail(diags, place(t, line, first), GF_ERR_DATA,
                       "the line has no tab, where one must stand between the two texts");
    item->pair = tab + 1;
    item->pair_length = item->length - first - 1;
    item->length = first;
    tab = memchr(item->pair, '\t', item->pair_length);
    if (!tab)
        return GF_OK;
    return gf_fail(diags, place(t, line, (size_t)(tab - item->text)), GF_ERR_DATA,
                   "a second tab; one stands between the two texts");
}

static GfStatus read_lines(GfTexts *t, GfAsked *items, size_t size, GfDiags *diags)
{
    for (size_t at = 0; at < size; t->count++) {
        const char *end = memchr(t->buffer + at, '\n', size - at);
        GfAsked *item = &items[t->count];
        *item = (GfAsked){.text = t->buffer + at, .length = length_of(t->buffer + at, size - at)};
        if (t->format.pairs)
            GF_TRY(split_pair(t, t->line + (uint32_t)t->count, item, diags));
        at = end ? (size_t)(end - t->buffer) + 1 : size;
    }
    return GF_OK;
}

/* ---- JSON Lines ---- */

static void take_rows(GfTexts *t, GfAsked *items, const GfTable *table)
{
    for (; t->count < table->count; t->count++) {
        const GfCell *text = &table->rows[t->count].cells[GF_TABLE_TEXT];
        const GfCell *pair = &table->rows[t->count].cells[GF_TABLE_PAIR];
        items[t->count] = (GfAsked){.text = text->text, .length = text->length};
        if (!t->format.pairs)
            continue;
        items[t->count].pair = pair->text;
        items[t->count].pair_length = pair->length;
    }
}

static GfStatus read_objects(GfTexts *t, GfAsked *items, size_t begin, size_t size, uint32_t line, GfDiags *diags)
{
    const char *const keys[GF_TABLE_COLUMNS] = {
        [GF_TABLE_TEXT] = t->format.text, [GF_TABLE_PAIR] = t->format.pairs ? t->format.text_pair : NULL};
    GfTable table = {.file = t->stream.name};
    GfTableReader reader = {.table = &table,
                            .arena = &t->arena,
                            .file = t->stream.name,
                            .data = t->buffer + begin,
                            .size = size - begin,
                            .diags = diags};

    GfStatus status = gf_table_read_jsonl_part(&reader, keys, line);
    if (status != GF_OK && diags->last)
        diags->last->loc.source = NULL; /* the buffer will not stay */
    take_rows(t, items, &table);
    return status;
}

/* Bytes of the empty lines at the begin, `count` of them. */
static size_t leading_breaks(const char *data, size_t size, uint32_t *count)
{
    size_t at = 0;

    for (*count = 0; at < size && length_of(data + at, size - at) == 0; ++*count)
        at += data[at] == '\r' && at + 1 < size ? 2 : 1;
    return at;
}

/* Without the empty lines at the end of the lines data[begin..size), the first of which is not empty. */
static size_t without_empty_end(const char *data, size_t begin, size_t size)
{
    for (size_t end = size;;) {
        const char *before = memrchr(data + begin, '\n', end - begin - 1);
        size_t last = before ? (size_t)(before - data) + 1 : begin;
        if (length_of(data + last, end - last))
            return end;
        end = last;
    }
}

/* Empty lines may stand at the end of the file alone: an error when something follows. */
static GfStatus read_jsonl(GfTexts *t, GfAsked *items, size_t size, GfDiags *diags)
{
    uint32_t empty, line = t->line;
    size_t begin = leading_breaks(t->buffer, size, &empty);

    if (empty && !t->empty_line)
        t->empty_line = line;
    if (begin == size)
        return GF_OK;
    if (t->empty_line)
        return gf_fail(diags, place(t, t->empty_line, 0), GF_ERR_DATA, "an empty line, where a JSON object must stand");
    size_t end = without_empty_end(t->buffer, begin, size);
    GF_TRY(read_objects(t, items, begin, end, line, diags));
    if (end < size)
        t->empty_line = line + (uint32_t)t->count;
    return GF_OK;
}

/* ---- windows ---- */

/* Bytes from the begin on that are whole lines of text; the rest begins with a line that is none. */
static size_t good_bytes(const GfTexts *t, size_t size, size_t *bad)
{
    const char *nul = memchr(t->buffer, '\0', size);
    size_t good = nul ? (size_t)(nul - t->buffer) : size, wrong = gf_utf8_check(t->buffer, good);

    *bad = wrong;
    if (wrong == size)
        return size;
    const char *before = wrong ? memrchr(t->buffer, '\n', wrong) : NULL;
    return before ? (size_t)(before - t->buffer) + 1 : 0;
}

static GfStatus fail_byte(const GfTexts *t, size_t good, size_t bad, GfDiags *diags)
{
    uint32_t line = t->line;

    for (size_t i = 0; i < good; i++)
        line += t->buffer[i] == '\n';
    if (!t->buffer[bad])
        return gf_fail(diags, place(t, line, bad - good), GF_ERR_DATA, "a NUL byte in the text; is this a text file?");
    gf_fail(diags, place(t, line, bad - good), GF_ERR_DATA, "byte 0x%02x is not UTF-8", (unsigned char)t->buffer[bad]);
    gf_note(diags, "the input must be UTF-8; for Latin-1, 'iconv -f LATIN1 -t UTF-8' converts it");
    return GF_ERR_DATA;
}

static GfStatus read_window(GfTexts *t, const Found *f, GfDiags *diags)
{
    GfAsked *items = GF_NEW_ARRAY(&t->arena, GfAsked, f->lines + 1);
    size_t bad, good = good_bytes(t, f->end, &bad);

    if (!items)
        return gf_fail_memory(diags);
    t->items = items;
    t->buffer[t->size] = '\0';
    GF_TRY(t->format.jsonl ? read_jsonl(t, items, good, diags) : read_lines(t, items, good, diags));
    return good == f->end ? GF_OK : fail_byte(t, good, bad, diags);
}

/* What the window before has used makes room. */
static void forget(GfTexts *t)
{
    for (size_t i = 0; i < t->taken; i++)
        t->line += t->buffer[i] == '\n';
    t->size -= t->taken;
    memmove(t->buffer, t->buffer + t->taken, t->size);
    t->taken = 0;
    t->count = 0;
    t->items = NULL;
    gf_arena_free(&t->arena);
}

GfStatus gf_texts_next(GfTexts *t, GfDiags *diags)
{
    GfStatus status, read;
    Found f;

    do { /* a window of empty lines of JSON has no texts */
        forget(t);
        read = find(t, &f, diags);
        t->taken = f.end;
        status = read_window(t, &f, diags); /* lines that came before what could not be read */
    } while (t->count == 0 && f.lines && status == GF_OK && read == GF_OK);
    return read == GF_OK ? status : read;
}
