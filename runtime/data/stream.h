/* stream.h -- the bytes of a file or of standard input, one piece after the other.
 *
 * What begins as a gzip file does is expanded on the way; no UTF-8 text begins so.
 */
#ifndef GF_RUNTIME_DATA_STREAM_H
#define GF_RUNTIME_DATA_STREAM_H

#include "ir/diag.h"

typedef struct GfInflater GfInflater;

typedef struct GfStream {
    const char *name; /* in errors: the path, or "stdin" */
    int descriptor;
    bool own;             /* the descriptor is closed with the stream */
    bool ended;           /* of the file */
    char *buffer;         /* bytes of the file that nobody has taken */
    size_t at, size;      /* of the buffer: what is taken, and what is there */
    GfInflater *inflater; /* NULL: the file is no gzip file, or nothing was read yet */
    bool begun;
    GfArena arena;
} GfStream;

/* Open a file, or for "-" standard input.  On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_stream_open(GfStream *stream, const char *path, GfDiags *diags);
void gf_stream_close(GfStream *stream);

/* The next bytes: at most `room`, at least 1 but at the end, where *got is 0.
 * Errors: GF_ERR_IO; GF_ERR_DATA a gzip file that is damaged, cut off, or followed by something else. */
GfStatus gf_stream_read(GfStream *stream, char *to, size_t room, size_t *got, GfDiags *diags);

/* Whether gf_stream_read would have to wait for whoever writes the other end. */
bool gf_stream_would_wait(const GfStream *stream);

#endif
