/* table.c -- see table.h; one file a format: table_text.c, table_separated.c, table_jsonl.c. */
#include "runtime/data/table.h"

#include "runtime/data/gzip.h"
#include "runtime/data/lines.h"
#include "runtime/data/table_reader.h"
#include "runtime/data/unicode.h"

#include <string.h>

/* ---- columns ---- */

enum { USUAL = 3 };

static const struct {
    const char *key;          /* in "columns" */
    const char *usual[USUAL]; /* names that need not be given */
} wanted[GF_TABLE_COLUMNS] = {
    [GF_TABLE_TEXT] = {"text", {"text"}},
    [GF_TABLE_PAIR] = {"text_pair", {NULL}},
    [GF_TABLE_LABEL] = {"label", {"label", "label_name", "labels"}},
};

static int64_t find_name(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int64_t)i;
    return -1;
}

void gf_table_note_columns(GfTableReader *r, const char *name, const char *const *names, size_t count)
{
    GfText list = {.arena = &r->diags->arena};
    const char *close = gf_closest(name, names, count);

    for (size_t i = 0; i < count; i++)
        gf_text_add(&list, "%s%s", i ? ", " : "", names[i]);
    if (close)
        gf_note(r->diags, "did you mean '%s'? the columns are %s", close, gf_text_str(&list));
    else
        gf_note(r->diags, "the columns are %s; \"columns\": {\"%s\": ...} names the right one", gf_text_str(&list),
                name);
}

static GfStatus fail_column(GfTableReader *r, int which, const char *name, const char *const *names, size_t count,
                            GfLoc loc)
{
    gf_fail(r->diags, loc, GF_ERR_DATA, "the file has no column '%s'", name ? name : wanted[which].key);
    gf_table_note_columns(r, name ? name : wanted[which].key, names, count);
    return GF_ERR_DATA;
}

static GfStatus find_usual(GfTableReader *r, int which, const char *const *names, size_t count, GfLoc loc)
{
    if (r->format->headless)
        r->columns[which] = which == GF_TABLE_TEXT ? 0 : (int64_t)count - 1;
    for (int i = 0; i < USUAL && wanted[which].usual[i] && r->columns[which] < 0; i++)
        r->columns[which] = find_name(wanted[which].usual[i], names, count);
    return r->columns[which] >= 0 ? GF_OK : fail_column(r, which, NULL, names, count, loc);
}

static GfStatus find_column(GfTableReader *r, int which, const GfColumn *column, const char *const *names, size_t count,
                            GfLoc loc)
{
    r->columns[which] = -1;
    if (!gf_column_given(column))
        return which == GF_TABLE_PAIR ? GF_OK : find_usual(r, which, names, count, loc);
    if (column->name && r->format->headless)
        return gf_fail(r->diags, loc, GF_ERR_DATA, "without a header the column '%s' must be given as a number",
                       column->name);
    r->columns[which] = column->name ? find_name(column->name, names, count) : column->number;
    if (column->name && r->columns[which] < 0)
        return fail_column(r, which, column->name, names, count, loc);
    if (r->columns[which] < (int64_t)count)
        return GF_OK;
    return gf_fail(r->diags, loc, GF_ERR_DATA, "the file has %zu columns, none of number %lld (they count from 0)",
                   count, (long long)r->columns[which]);
}

GfStatus gf_table_find_columns(GfTableReader *r, const char *const *names, size_t count, GfLoc loc)
{
    const GfDataFormat *f = r->format;

    GF_TRY(find_column(r, GF_TABLE_TEXT, &f->text, names, count, loc));
    GF_TRY(find_column(r, GF_TABLE_PAIR, &f->text_pair, names, count, loc));
    GF_TRY(find_column(r, GF_TABLE_LABEL, &f->label, names, count, loc));
    r->table->has_pair = r->columns[GF_TABLE_PAIR] >= 0;
    if (r->columns[GF_TABLE_TEXT] != r->columns[GF_TABLE_LABEL])
        return GF_OK;
    return gf_fail(r->diags, loc, GF_ERR_DATA, "text and label are the same column, number %lld of %zu",
                   (long long)r->columns[GF_TABLE_TEXT], count);
}

/* ---- shared ---- */

GfStatus gf_table_add_row(GfTableReader *r, const GfRow *row)
{
    GfTable *t = r->table;
    GfRow *rows = gf_arena_grow(r->arena, t->rows, t->count, &r->capacity, sizeof *rows);

    if (!rows)
        return gf_fail_memory(r->diags);
    t->rows = rows;
    t->rows[t->count++] = *row;
    return GF_OK;
}

char *gf_table_room(GfTableReader *r)
{
    if (!r->decoded)
        r->decoded = gf_arena_alloc(r->arena, r->size + 1);
    return r->decoded ? r->decoded + r->decoded_size : NULL;
}

GfLoc gf_table_place(const GfTableReader *r, uint32_t line, size_t line_begin, size_t offset)
{
    return (GfLoc){.file = r->file, .source = r->data, .line = line, .column = (uint32_t)(offset - line_begin + 1)};
}

/* ---- all ---- */

static GfStatus check_bytes(GfTableReader *r)
{
    const char *nul = r->size ? memchr(r->data, '\0', r->size) : NULL;

    if (nul)
        return gf_fail(r->diags, gf_loc_at(r->file, r->data, (size_t)(nul - r->data)), GF_ERR_DATA,
                       "a NUL byte in the text; is this a text file?");
    size_t bad = gf_utf8_check(r->data, r->size);
    if (bad == r->size)
        return GF_OK;
    gf_fail(r->diags, gf_loc_at(r->file, r->data, bad), GF_ERR_DATA, "byte 0x%02x is not UTF-8",
            (unsigned char)r->data[bad]);
    gf_note(r->diags, "the file must be UTF-8; for a Latin-1 file, 'iconv -f LATIN1 -t UTF-8' converts it");
    return GF_ERR_DATA;
}

static GfStatus read_rows(GfTableReader *r)
{
    GF_TRY(check_bytes(r));
    if (r->size == 0)
        return gf_fail(r->diags, (GfLoc){.file = r->file, .line = 1, .column = 1}, GF_ERR_DATA, "the file is empty");
    switch (r->kind) {
    case GF_DATA_CSV:
    case GF_DATA_TSV:
        return gf_table_read_separated(r);
    case GF_DATA_JSONL:
        return gf_table_read_jsonl(r);
    default:
        return gf_table_read_text(r);
    }
}

static bool is_named_gzip(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, ".gz") == 0;
}

/* The text of a file that may be compressed. */
static GfStatus expand(const char *name, GfArena *arena, const char **bytes, size_t *size, GfDiags *diags)
{
    GfText text = {.arena = arena};

    if (!gf_gzip_is(*bytes, *size)) {
        if (is_named_gzip(name))
            return gf_fail(diags, (GfLoc){.file = name}, GF_ERR_DATA, "is not a gzip file, though its name says so");
        return GF_OK;
    }
    GF_TRY(gf_gzip_expand(&text, name, *bytes, *size, diags));
    *bytes = gf_text_str(&text);
    *size = text.length;
    return GF_OK;
}

GfStatus gf_table_parse(GfTable *table, GfArena *arena, const char *name, const char *bytes, size_t size,
                        const GfDataFormat *format, GfDiags *diags)
{
    GfLines lines;

    *table = (GfTable){0};
    GF_TRY(expand(name, arena, &bytes, &size, diags));
    gf_lines_open(&lines, name, bytes, size);
    GfTableReader reader = {.table = table,
                            .arena = arena,
                            .format = format,
                            .kind = gf_data_kind_of(format->kind, name),
                            .file = name,
                            .data = lines.data,
                            .size = lines.size,
                            .diags = diags};
    table->file = name;
    table->source = lines.data;
    return read_rows(&reader);
}

GfStatus gf_table_read(GfTable *table, GfArena *arena, const char *path, const GfDataFormat *format, GfDiags *diags)
{
    GfText text = {.arena = arena};

    *table = (GfTable){0};
    GF_TRY(gf_text_read(&text, path, diags));
    return gf_table_parse(table, arena, path, gf_text_str(&text), text.length, format, diags);
}

GfLoc gf_table_loc(const GfTable *table, const GfCell *cell)
{
    return (GfLoc){.file = table->file, .source = table->source, .line = cell->line, .column = cell->column};
}

/* ---- items ---- */

/* `cell` without the spaces at its ends. */
static GfCell trim(GfCell cell)
{
    for (; cell.length && *cell.text == ' '; cell.length--, cell.column++)
        cell.text++;
    while (cell.length && cell.text[cell.length - 1] == ' ')
        cell.length--;
    return cell;
}

static size_t find_text(const char *text, size_t length, const char *wanted_text)
{
    size_t size = strlen(wanted_text);
    const char *found = memmem(text, length, wanted_text, size);
    return found ? (size_t)(found - text) : length;
}

bool gf_cell_next(const GfCell *cell, const char *separator, size_t *at, GfCell *item)
{
    size_t rest = cell->length - (*at < cell->length ? *at : cell->length);

    if (*at > cell->length || (rest == 0 && (cell->list || (*at == 0 && separator))))
        return false;
    *item = (GfCell){.text = cell->text + *at, .length = rest, .line = cell->line, .column = cell->column};
    if (cell->list) {
        item->length = strlen(item->text);
        *at += item->length + 1;
        return true;
    }
    item->length = separator ? find_text(item->text, rest, separator) : rest;
    item->column += (uint32_t)*at;
    *at += item->length + (separator ? strlen(separator) : 1);
    if (separator)
        *item = trim(*item);
    return true;
}
