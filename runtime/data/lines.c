/* lines.c -- see lines.h. */
#include "runtime/data/lines.h"

#include "runtime/data/unicode.h"

#include <errno.h>
#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

void gf_lines_open(GfLines *lines, const char *file, const char *data, size_t size)
{
    size_t skip = strlen(byte_order_mark);

    if (size < skip || memcmp(data, byte_order_mark, skip) != 0)
        skip = 0;
    while (size > skip && (data[size - 1] == '\n' || data[size - 1] == '\r'))
        size--;
    *lines = (GfLines){.file = file, .data = data + skip, .size = size - skip};
}

/* Read to the end rather than ask for the size, so that pipes work too. */
static GfStatus read_all(FILE *in, const char *path, GfText *text, GfDiags *diags)
{
    char buffer[16 * 1024];
    size_t got;

    while ((got = fread(buffer, 1, sizeof buffer, in)) > 0)
        gf_text_add_bytes(text, buffer, got);
    if (ferror(in))
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot read: %s", strerror(errno));
    return text->arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_text_read(GfText *text, const char *path, GfDiags *diags)
{
    FILE *in = fopen(path, "rb");

    if (!in)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_IO, "cannot open: %s", strerror(errno));
    GfStatus status = read_all(in, path, text, diags);
    fclose(in);
    return status;
}

GfStatus gf_lines_read(GfLines *lines, GfArena *arena, const char *path, GfDiags *diags)
{
    GfText text = {.arena = arena};

    GF_TRY(gf_text_read(&text, path, diags));
    gf_lines_open(lines, path, gf_text_str(&text), text.length);
    return GF_OK;
}

bool gf_lines_next(GfLines *lines)
{
    if (lines->next >= lines->size)
        return false;
    lines->text = lines->data + lines->next;
    size_t rest = lines->size - lines->next;
    const char *end = memchr(lines->text, '\n', rest);
    lines->length = end ? (size_t)(end - lines->text) : rest;
    lines->next += lines->length + 1;
    lines->number++;
    if (lines->length && lines->text[lines->length - 1] == '\r')
        lines->length--;
    return true;
}

size_t gf_lines_count(const GfLines *lines)
{
    size_t count = lines->size ? 1 : 0;

    for (size_t i = 0; i < lines->size; i++)
        count += lines->data[i] == '\n';
    return count;
}

GfLoc gf_lines_loc(const GfLines *lines, size_t offset)
{
    return (GfLoc){
        .file = lines->file,
        .source = lines->data,
        .line = lines->number,
        .column = (uint32_t)(offset + 1),
    };
}

GfStatus gf_lines_check(const GfLines *lines, GfStatus status, GfDiags *diags)
{
    const char *nul = lines->length ? memchr(lines->text, '\0', lines->length) : NULL;
    if (nul)
        return gf_fail(diags, gf_lines_loc(lines, (size_t)(nul - lines->text)), status,
                       "a NUL byte in the text; is this a text file?");
    size_t bad = gf_utf8_check(lines->text, lines->length);
    if (bad == lines->length)
        return GF_OK;
    gf_fail(diags, gf_lines_loc(lines, bad), status, "byte 0x%02x is not UTF-8", (unsigned char)lines->text[bad]);
    gf_note(diags, "the file must be UTF-8; for a Latin-1 file, 'iconv -f LATIN1 -t UTF-8' converts it");
    return status;
}
