/* table_text.c -- `text;label` lines: the label is what follows the last semicolon. */
#include "runtime/data/lines.h"
#include "runtime/data/table_reader.h"

#include <string.h>

enum { PARTS = 2 };

/* The two parts of the current line. */
static GfStatus split(GfTableReader *r, const GfLines *lines, GfCell parts[PARTS])
{
    const char *last = lines->length ? memrchr(lines->text, ';', lines->length) : NULL;

    if (!last) {
        gf_fail(r->diags, gf_lines_loc(lines, lines->length), GF_ERR_DATA, "the line has no semicolon");
        gf_note(r->diags, "a line is 'text;label'");
        return GF_ERR_DATA;
    }
    size_t at = (size_t)(last - lines->text);
    parts[0] = (GfCell){.text = lines->text, .length = at, .line = lines->number, .column = 1};
    parts[1] = (GfCell){
        .text = last + 1, .length = lines->length - at - 1, .line = lines->number, .column = (uint32_t)(at + 2)};
    return GF_OK;
}

/* Without names of the job's own, the header must be the usual one. */
static bool is_header(const GfTableReader *r, const GfLines *lines)
{
    static const char *const usual[] = {"text;label_name", "text;label"};

    if (gf_column_given(&r->format->text) || gf_column_given(&r->format->label))
        return true;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (lines->length == strlen(usual[i]) && memcmp(lines->text, usual[i], lines->length) == 0)
            return true;
    return false;
}

static GfStatus read_header(GfTableReader *r, GfLines *lines)
{
    GfCell parts[PARTS];
    const char *names[PARTS] = {"text", "label"};

    if (r->format->headless)
        return gf_table_find_columns(r, names, PARTS, (GfLoc){.file = r->file, .line = 1, .column = 1});
    gf_lines_next(lines);
    if (!is_header(r, lines)) {
        gf_fail(r->diags, gf_lines_loc(lines, 0), GF_ERR_DATA, "the header is missing");
        gf_note(r->diags, "the first line must be 'text;label_name'; \"header\": false reads a file without one");
        return GF_ERR_DATA;
    }
    GF_TRY(split(r, lines, parts));
    for (int i = 0; i < PARTS; i++)
        names[i] = gf_arena_strndup(r->arena, parts[i].text, parts[i].length);
    if (r->arena->failed)
        return gf_fail_memory(r->diags);
    return gf_table_find_columns(r, names, PARTS, gf_lines_loc(lines, 0));
}

GfStatus gf_table_read_text(GfTableReader *r)
{
    GfLines lines;
    GfCell parts[PARTS];

    gf_lines_open(&lines, r->file, r->data, r->size);
    GF_TRY(read_header(r, &lines));
    while (gf_lines_next(&lines)) {
        GF_TRY(split(r, &lines, parts));
        GfRow row = {0};
        for (int i = 0; i < GF_TABLE_COLUMNS; i++)
            if (r->columns[i] >= 0)
                row.cells[i] = parts[r->columns[i]];
        GF_TRY(gf_table_add_row(r, &row));
    }
    if (r->table->count == 0)
        return gf_fail(r->diags, gf_lines_loc(&lines, lines.length), GF_ERR_DATA, "no examples after the header");
    return GF_OK;
}
