/* table.h -- files of examples as rows: a text, perhaps a second one, a label.
 *
 *   text;label   the label is what follows the last semicolon of a line
 *   csv, tsv     RFC 4180: fields in double quotes may hold delimiters, line
 *                breaks and, doubled, quotes
 *   jsonl        one JSON object a line
 *
 * Each may be compressed by gzip.  A byte order mark and carriage returns at the
 * ends of lines are no part of the data.  A file is taken whole or refused:
 * every error says file, line and column.
 */
#ifndef GF_RUNTIME_DATA_TABLE_H
#define GF_RUNTIME_DATA_TABLE_H

#include "frontend/graph/data_format.h"

/* A value: a slice of the file, or, where it was escaped, of the table's arena. */
typedef struct GfCell {
    const char *text; /* not terminated; holds no NUL but in a list */
    size_t length;
    uint32_t line, column; /* where it stands, from 1 */
    bool list;             /* of JSON Lines: its items, each followed by a NUL */
} GfCell;

enum { GF_TABLE_TEXT, GF_TABLE_PAIR, GF_TABLE_LABEL, GF_TABLE_COLUMNS };

typedef struct GfRow {
    GfCell cells[GF_TABLE_COLUMNS]; /* GF_TABLE_PAIR only with has_pair */
} GfRow;

typedef struct GfTable {
    const char *file;
    const char *source; /* the whole text, NUL-terminated, for places in errors */
    GfRow *rows;
    size_t count; /* of rows, at least 1 */
    bool has_pair;
} GfTable;

/* Read a file, compressed or not.  All of the table lives in `arena`.
 * Errors: GF_ERR_IO; GF_ERR_DATA, with its place: damaged or cut off, a NUL or
 * bytes that are not UTF-8, no header, no rows, a column that is absent or named
 * twice, a row of another length, quotes or JSON that do not close. */
GfStatus gf_table_read(GfTable *table, GfArena *arena, const char *path, const GfDataFormat *format, GfDiags *diags);

/* The same from `size` bytes in memory, followed by a NUL, which stay as they are
 * as long as the table is used; `name` tells the format where `format` does not. */
GfStatus gf_table_parse(GfTable *table, GfArena *arena, const char *name, const char *bytes, size_t size,
                        const GfDataFormat *format, GfDiags *diags);

/* Where a cell stands. */
GfLoc gf_table_loc(const GfTable *table, const GfCell *cell);

/* The items of a cell one by one: of a list, or of a text with `separator` between
 * them (NULL: the text itself is the one item).  Spaces around the items of a text
 * with separators are no part of them; an empty text has none.
 *
 *   size_t at = 0;
 *   for (GfCell item; gf_cell_next(cell, separator, &at, &item);)
 */
bool gf_cell_next(const GfCell *cell, const char *separator, size_t *at, GfCell *item);

#endif
