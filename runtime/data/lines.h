/* lines.h -- a text file in memory, line by line, with places for errors.
 *
 * Shared by the vocabulary and the data sets.  A byte order mark at the start
 * and a carriage return at the end of a line are no part of any line.
 */
#ifndef GF_RUNTIME_DATA_LINES_H
#define GF_RUNTIME_DATA_LINES_H

#include "ir/diag.h"

/* A walk over the lines of `data`.  Start with gf_lines_open or gf_lines_read. */
typedef struct GfLines {
    const char *file; /* borrowed, the name in errors */
    const char *data; /* borrowed, NUL-terminated, after the byte order mark */
    size_t size;      /* of data */
    size_t next;      /* offset of the next line */
    uint32_t number;  /* of the current line, from 1; 0 before the first */
    const char *text; /* the current line, not terminated */
    size_t length;    /* of the current line */
} GfLines;

/* Walk over `size` bytes that are followed by a NUL; they may hold NULs themselves. */
void gf_lines_open(GfLines *lines, const char *file, const char *data, size_t size);

/* Add a whole file to `text`, also what comes through a pipe.  Errors: GF_ERR_IO, GF_ERR_MEMORY. */
GfStatus gf_text_read(GfText *text, const char *path, GfDiags *diags);

/* Read the whole file at `path` into `arena` and walk over it.
 * Errors: GF_ERR_IO, GF_ERR_MEMORY. */
GfStatus gf_lines_read(GfLines *lines, GfArena *arena, const char *path, GfDiags *diags);

/* Step to the next line; false at the end.  Empty lines at the end of the file do not count. */
bool gf_lines_next(GfLines *lines);

/* How many lines gf_lines_next will give from the start. */
size_t gf_lines_count(const GfLines *lines);

/* The place of byte `offset` of the current line. */
GfLoc gf_lines_loc(const GfLines *lines, size_t offset);

/* Reject the current line with `status` if it holds a NUL or is not UTF-8. */
GfStatus gf_lines_check(const GfLines *lines, GfStatus status, GfDiags *diags);

#endif
