/* diag.c -- see diag.h. */
#include "ir/diag.h"

#include "ir/lex.h"

#include <string.h>

void gf_diags_init(GfDiags *diags, const GfAllocator *allocator)
{
    *diags = (GfDiags){0};
    gf_arena_init(&diags->arena, allocator);
}

void gf_diags_free(GfDiags *diags)
{
    gf_arena_free(&diags->arena);
    diags->first = diags->last = NULL;
    diags->count = 0;
}

GfStatus gf_fail_memory(GfDiags *diags)
{
    if (diags && !diags->first) {
        diags->memory = (GfDiag){.status = GF_ERR_MEMORY, .message = "out of memory"};
        diags->first = diags->last = &diags->memory;
        diags->count = 1;
    }
    return GF_ERR_MEMORY;
}

GfStatus gf_fail(GfDiags *diags, GfLoc loc, GfStatus status, const char *format, ...)
{
    if (!diags)
        return status;
    GfDiag *d = GF_NEW(&diags->arena, GfDiag);
    if (!d)
        return gf_fail_memory(diags);
    *d = (GfDiag){.status = status, .loc = loc};
    d->loc.origin = NULL;
    if (loc.file)
        d->loc.file = gf_arena_strdup(&diags->arena, loc.file);
    if (loc.source && loc.line) {
        /* The source may die before the diagnostics: keep a copy of the line. */
        const char *begin = loc.source;
        for (uint32_t line = 1; line < loc.line && begin; line++) {
            begin = strchr(begin, '\n');
            begin = begin ? begin + 1 : NULL;
        }
        d->loc.source = begin ? gf_arena_strndup(&diags->arena, begin, strcspn(begin, "\r\n")) : NULL;
    }
    va_list args;
    va_start(args, format);
    d->message = gf_arena_vprintf(&diags->arena, format, args);
    va_end(args);
    if (!d->message)
        d->message = "out of memory";
    if (diags->last)
        diags->last->next = d;
    else
        diags->first = d;
    diags->last = d;
    diags->count++;
    return status;
}

void gf_note(GfDiags *diags, const char *format, ...)
{
    if (!diags || !diags->last || diags->last == &diags->memory)
        return;
    va_list args;
    va_start(args, format);
    diags->last->note = gf_arena_vprintf(&diags->arena, format, args);
    va_end(args);
}

GfLoc gf_loc_at(const char *file, const char *source, size_t offset)
{
    GfLoc loc = {.file = file, .source = source, .line = 1, .column = 1};
    for (size_t i = 0; source && i < offset && source[i]; i++) {
        loc.column++;
        if (source[i] == '\n') {
            loc.line++;
            loc.column = 1;
        }
    }
    return loc;
}

enum { WORD_MAX = 64 };

/* Levenshtein distance, one row at a time; words longer than WORD_MAX are far. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[WORD_MAX + 1];

    if (la > WORD_MAX || lb > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
        }
    }
    return row[lb];
}

const char *gf_closest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance <= limit) {
            limit = distance ? distance - 1 : 0;
            best = candidates[i];
            if (distance == 0)
                break;
        }
    }
    return best;
}

/* ---- printing ------------------------------------------------------------------ */

enum { LINE_SHOWN = 160 };

/* Bytes of the character at `text`, which ends with a NUL; 0 when it is none
 * that a terminal should get: a control character (C0, DEL, C1) or not UTF-8. */
static size_t shown_bytes(const char *text)
{
    size_t length = gf_utf8_length(text, strnlen(text, 4));
    unsigned char first = (unsigned char)text[0], second = (unsigned char)(length > 1 ? text[1] : 0);
    bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);

    return control ? 0 : length;
}

/* Text from files and command lines: "\x1b" for what could steer the terminal
 * or pass for another error.  Tabs do no harm. */
static void print_safe(const char *text, FILE *out)
{
    while (*text) {
        size_t length = *text == '\t' ? 1 : shown_bytes(text);
        if (length)
            fwrite(text, 1, length, out);
        else
            fprintf(out, "\\x%02x", (unsigned char)*text);
        text += length ? length : 1;
    }
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Characters between two places of a line: where carets go. */
static int count_characters(const char *begin, const char *end)
{
    int count = 0;

    for (; begin < end; count++) {
        size_t length = shown_bytes(begin);
        begin += length ? length : 1;
    }
    return count;
}

/* One line of a source: a blank for a control character, '?' for a byte that is
 * not UTF-8. */
static void print_line_part(const char *begin, const char *end, FILE *out)
{
    while (begin < end) {
        size_t length = shown_bytes(begin);
        if (length)
            fwrite(begin, 1, length, out);
        else
            fputc((unsigned char)*begin < 0x80 ? ' ' : '?', out);
        begin += length ? length : 1;
    }
}

static void print_source_line(const GfDiag *d, FILE *out)
{
    const char *line = d->loc.source;
    size_t length = strlen(line), begin = 0, column = d->loc.column ? d->loc.column - 1 : 0;

    if (column > length)
        column = length;
    if (column > LINE_SHOWN / 2 && length > LINE_SHOWN)
        begin = column - LINE_SHOWN / 2;
    size_t end = length - begin < LINE_SHOWN ? length : begin + LINE_SHOWN;
    while (begin && begin < column && continues(line[begin]))
        begin++;
    while (end < length && end > column && continues(line[end]))
        end--;
    fprintf(out, "%5u | ", d->loc.line);
    print_line_part(line + begin, line + end, out);
    fprintf(out, "\n      | %*s^\n", count_characters(line + begin, line + column), "");
}

static void print_place(const GfLoc *loc, FILE *out)
{
    print_safe(loc->file ? loc->file : "graft", out);
    if (loc->file && loc->line)
        fprintf(out, ":%u:%u", loc->line, loc->column);
    fputs(": ", out);
}

void gf_diags_print(const GfDiags *diags, FILE *out)
{
    for (const GfDiag *d = diags->first; d; d = d->next) {
        print_place(&d->loc, out);
        fprintf(out, "error GF%04d: ", (int)d->status);
        print_safe(d->message, out);
        fputc('\n', out);
        if (d->loc.source && d->loc.line)
            print_source_line(d, out);
        if (!d->note)
            continue;
        fputs("  note: ", out);
        print_safe(d->note, out);
        fputc('\n', out);
    }
}

const char *gf_status_meaning(GfStatus status)
{
    switch (status) {
#define X(id, number, meaning)                                                                                         \
    case GF_##id:                                                                                                      \
        return meaning;
        GF_STATUS_TABLE(X)
#undef X
    }
    return "unknown status";
}
