/* table_separated.c -- csv and tsv.
 *
 *   file  = row { line-break row }
 *   row   = field { delimiter field }
 *   field = '"' { any byte but '"', or '""' } '"'
 *         | { any byte but delimiter, line break and '"' }
 *
 * Every row has as many fields as the first.  Without quoting, '"' is a byte
 * like any other and a field cannot hold delimiters or line breaks.
 * Source: RFC 4180.
 */
#include "runtime/data/table_reader.h"

#include <string.h>

enum { FIELDS_MAX = 4096 };

typedef struct Separated {
    GfTableReader *r;
    size_t at;         /* of the next byte */
    uint32_t line;     /* of that byte, from 1 */
    size_t line_begin; /* where this line begins */
    char delimiter;
    bool quoting;
    const char **names; /* of the first row's fields */
    size_t count, capacity;
} Separated;

static GfLoc place(const Separated *s, size_t offset)
{
    return gf_table_place(s->r, s->line, s->line_begin, offset);
}

static void begin_line(Separated *s, size_t at)
{
    s->line++;
    s->line_begin = at;
}

/* ---- fields ---- */

static GfStatus fail_quote(const Separated *s, const char *message)
{
    gf_fail(s->r->diags, place(s, s->at), GF_ERR_DATA, "%s", message);
    gf_note(s->r->diags, "a field with quotes stands in quotes, with each quote in it doubled; "
                         "\"quoting\": false takes quotes as plain text");
    return GF_ERR_DATA;
}

static GfStatus read_plain(Separated *s, GfCell *cell)
{
    const char *data = s->r->data;
    size_t begin = s->at, size = s->r->size;

    for (; s->at < size && data[s->at] != s->delimiter && data[s->at] != '\n'; s->at++)
        if (data[s->at] == '"' && s->quoting)
            return fail_quote(s, "a quote inside of a field that does not begin with one");
    bool returned = s->at > begin && data[s->at - 1] == '\r' && (s->at == size || data[s->at] == '\n');
    cell->text = data + begin;
    cell->length = s->at - begin - returned;
    return GF_OK;
}

/* Step over the inside of a quoted field, to its closing quote. */
static GfStatus find_close(Separated *s, bool *doubled)
{
    const GfLoc open = place(s, s->at);
    const char *data = s->r->data;

    for (s->at++; s->at < s->r->size; s->at++) {
        if (data[s->at] == '\n')
            begin_line(s, s->at + 1);
        if (data[s->at] != '"')
            continue;
        if (data[s->at + 1] != '"')
            return GF_OK;
        *doubled = true;
        s->at++;
    }
    gf_fail(s->r->diags, open, GF_ERR_DATA, "the quote that opens here is never closed");
    gf_note(s->r->diags, "\"quoting\": false takes quotes as plain text");
    return GF_ERR_DATA;
}

/* Make one quote of two. */
static GfStatus undouble(Separated *s, GfCell *cell)
{
    char *to = gf_table_room(s->r);
    size_t length = 0;

    if (!to)
        return gf_fail_memory(s->r->diags);
    for (size_t i = 0; i < cell->length; i++) {
        to[length++] = cell->text[i];
        if (cell->text[i] == '"')
            i++;
    }
    s->r->decoded_size += length;
    *cell = (GfCell){.text = to, .length = length, .line = cell->line, .column = cell->column};
    return GF_OK;
}

static GfStatus read_quoted(Separated *s, GfCell *cell)
{
    const char *data = s->r->data;
    size_t begin = s->at + 1;
    bool doubled = false;

    GF_TRY(find_close(s, &doubled));
    cell->text = data + begin;
    cell->length = s->at - begin;
    s->at++;
    if (data[s->at] == '\r' && (s->at + 1 == s->r->size || data[s->at + 1] == '\n'))
        s->at++;
    if (s->at < s->r->size && data[s->at] != s->delimiter && data[s->at] != '\n')
        return fail_quote(s, "text after the quote that closes a field");
    return doubled ? undouble(s, cell) : GF_OK;
}

/* Read a field and what ends it; *more: another one follows in this row. */
static GfStatus read_field(Separated *s, GfCell *cell, bool *more)
{
    const char *data = s->r->data;

    *cell = (GfCell){.line = s->line, .column = (uint32_t)(s->at - s->line_begin + 1)};
    if (s->quoting && s->at < s->r->size && data[s->at] == '"')
        GF_TRY(read_quoted(s, cell));
    else
        GF_TRY(read_plain(s, cell));
    *more = s->at < s->r->size && data[s->at] == s->delimiter;
    if (!*more)
        begin_line(s, s->at + 1);
    s->at++;
    return GF_OK;
}

/* ---- rows ---- */

static GfStatus add_name(Separated *s, const GfCell *cell)
{
    const char **names = gf_arena_grow(s->r->arena, s->names, s->count, &s->capacity, sizeof *names);

    if (!names)
        return gf_fail_memory(s->r->diags);
    if (s->count == FIELDS_MAX)
        return gf_fail(s->r->diags, gf_table_loc(s->r->table, cell), GF_ERR_DATA, "more than %d columns", FIELDS_MAX);
    s->names = names;
    s->names[s->count] = gf_arena_strndup(s->r->arena, cell->text, cell->length);
    if (!s->names[s->count])
        return gf_fail_memory(s->r->diags);
    for (size_t i = 0; i < s->count && !s->r->format->headless; i++)
        if (strcmp(s->names[i], s->names[s->count]) == 0)
            return gf_fail(s->r->diags, gf_table_loc(s->r->table, cell), GF_ERR_DATA, "two columns are named '%s'",
                           s->names[i]);
    s->count++;
    return GF_OK;
}

/* The first row tells how many fields there are, and, as a header, their names. */
static GfStatus read_header(Separated *s)
{
    GfCell cell;

    for (bool more = true; more;) {
        GF_TRY(read_field(s, &cell, &more));
        GF_TRY(add_name(s, &cell));
    }
    GF_TRY(gf_table_find_columns(s->r, s->names, s->count,
                                 (GfLoc){.file = s->r->file, .source = s->r->data, .line = 1, .column = 1}));
    if (s->r->format->headless) {
        s->at = s->line_begin = 0;
        s->line = 1;
    }
    return GF_OK;
}

static GfStatus fail_count(const Separated *s, uint32_t line, size_t count)
{
    gf_fail(s->r->diags, (GfLoc){.file = s->r->file, .source = s->r->data, .line = line, .column = 1}, GF_ERR_DATA,
            "the row that begins here has %zu field%s, the first row %zu", count, count == 1 ? "" : "s", s->count);
    if (s->quoting)
        gf_note(s->r->diags, "a field that holds the delimiter or a line break stands in double quotes");
    return GF_ERR_DATA;
}

static GfStatus read_row(Separated *s)
{
    uint32_t line = s->line;
    size_t count = 0;
    GfRow row = {0};
    GfCell cell;

    for (bool more = true; more; count++) {
        GF_TRY(read_field(s, &cell, &more));
        for (int i = 0; i < GF_TABLE_COLUMNS; i++)
            if (s->r->columns[i] == (int64_t)count)
                row.cells[i] = cell;
    }
    return count == s->count ? gf_table_add_row(s->r, &row) : fail_count(s, line, count);
}

GfStatus gf_table_read_separated(GfTableReader *r)
{
    char usual = r->kind == GF_DATA_TSV ? '\t' : ',';
    Separated s = {.r = r,
                   .line = 1,
                   .delimiter = r->format->delimiter ? r->format->delimiter : usual,
                   .quoting = !r->format->plain_quotes};

    GF_TRY(read_header(&s));
    while (s.at < r->size)
        GF_TRY(read_row(&s));
    if (r->table->count == 0)
        return gf_fail(r->diags, (GfLoc){.file = r->file, .source = r->data, .line = 1, .column = 1}, GF_ERR_DATA,
                       "no examples after the header");
    return GF_OK;
}
