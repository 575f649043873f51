/* table_reader.h -- what the readers of table.h and texts.h share (used by these only). */
#ifndef GF_RUNTIME_DATA_TABLE_READER_H
#define GF_RUNTIME_DATA_TABLE_READER_H

#include "runtime/data/table.h"

typedef struct GfTableReader {
    GfTable *table;
    GfArena *arena; /* of the table */
    const GfDataFormat *format;
    GfDataKind kind;
    const char *file;
    const char *data; /* UTF-8 without NULs, after the byte order mark, ended by a NUL */
    size_t size;      /* without the line breaks at the end */
    char *decoded;    /* room for what escapes stand for: no longer than the file */
    size_t decoded_size;
    size_t capacity;                   /* of table->rows */
    int64_t columns[GF_TABLE_COLUMNS]; /* number of the column in the file; -1: none */
    GfDiags *diags;
} GfTableReader;

/* One reader a format: add all rows. */
GfStatus gf_table_read_text(GfTableReader *reader);
GfStatus gf_table_read_separated(GfTableReader *reader);
GfStatus gf_table_read_jsonl(GfTableReader *reader);

/* JSON Lines that are a part of a file, which begins at its line `line`: add the rows with
 * these keys, NULL for columns that are not wanted.  On an error the rows before it are there. */
GfStatus gf_table_read_jsonl_part(GfTableReader *reader, const char *const keys[GF_TABLE_COLUMNS], uint32_t line);

/* Find the wanted columns among `count` names, none for a file without header;
 * `loc` is the header's place.  Errors: GF_ERR_DATA. */
GfStatus gf_table_find_columns(GfTableReader *reader, const char *const *names, size_t count, GfLoc loc);

/* What an unknown column is told, after its error. */
void gf_table_note_columns(GfTableReader *reader, const char *wanted, const char *const *names, size_t count);

/* Errors: GF_ERR_MEMORY. */
GfStatus gf_table_add_row(GfTableReader *reader, const GfRow *row);

/* Room for `length` decoded bytes, to be given up by gf_table_keep; NULL when memory ran out. */
char *gf_table_room(GfTableReader *reader);

/* The place of byte `offset` of the data in a line that begins at `line_begin`. */
GfLoc gf_table_place(const GfTableReader *reader, uint32_t line, size_t line_begin, size_t offset);

#endif
