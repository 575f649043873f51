/* diag.c -- see diag.h. */
#include "ir/diag.h"

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

enum { LINE_SHOWN = 160 };

static void print_source_line(const GfDiag *d, FILE *out)
{
    const char *line = d->loc.source;
    size_t length = strlen(line), begin = 0, column = d->loc.column ? d->loc.column - 1 : 0;

    if (column > length)
        column = length;
    if (column > LINE_SHOWN / 2 && length > LINE_SHOWN)
        begin = column - LINE_SHOWN / 2;
    size_t shown = length - begin < LINE_SHOWN ? length - begin : LINE_SHOWN;
    fprintf(out, "%5u | ", d->loc.line);
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)line[begin + i];
        fputc(c < 0x20 || c == 0x7f ? ' ' : c, out);
    }
    fprintf(out, "\n      | %*s^\n", (int)(column - begin), "");
}

void gf_diags_print(const GfDiags *diags, FILE *out)
{
    for (const GfDiag *d = diags->first; d; d = d->next) {
        if (d->loc.file && d->loc.line)
            fprintf(out, "%s:%u:%u: ", d->loc.file, d->loc.line, d->loc.column);
        else
            fprintf(out, "%s: ", d->loc.file ? d->loc.file : "graft");
        fprintf(out, "error GF%04d: %s\n", (int)d->status, d->message);
        if (d->loc.source && d->loc.line)
            print_source_line(d, out);
        if (d->note)
            fprintf(out, "  note: %s\n", d->note);
    }
}

const char *gf_status_meaning(GfStatus status)
{
    switch (status) {
#define X(id, number, meaning)                                                                                        \
    case GF_##id:                                                                                                     \
        return meaning;
        GF_STATUS_TABLE(X)
#undef X
    }
    return "unknown status";
}
