/* texts.h -- texts without labels, a window at a time: input of any length in bounded memory.
 *
 *   lines  one text a line; of pairs, two with a tab between them.  An empty line is
 *          an empty text, and so is the empty second text of "a<tab>"
 *   jsonl  one object a line, texts by their keys; what else it holds is passed over
 *
 * From a file or standard input, compressed by gzip or not.  A byte order mark and
 * carriage returns at the ends of lines are no part of the texts.
 *
 *   gf_texts_open(&t, "-", &format, 4096, diags)
 *   do {
 *       status = gf_texts_next(&t, diags);
 *       use(t.items, t.count);              also after an error: what stood before it
 *   } while (status == GF_OK && t.count);
 *   gf_texts_close(&t)
 */
#ifndef GF_RUNTIME_DATA_TEXTS_H
#define GF_RUNTIME_DATA_TEXTS_H

#include "runtime/data/stream.h"

/* A text, or two; bytes of UTF-8, not terminated. */
typedef struct GfAsked {
    const char *text, *pair; /* pair NULL: one text */
    size_t length, pair_length;
} GfAsked;

enum { GF_TEXTS_LINE_MAX = 16 * 1024 * 1024 }; /* bytes of a line */

typedef struct GfTextsFormat {
    bool jsonl;
    bool pairs;
    const char *text, *text_pair; /* keys of jsonl */
} GfTextsFormat;

/* Open with gf_texts_open; read items and count. */
typedef struct GfTexts {
    GfStream stream;
    GfTextsFormat format;
    size_t window;
    const GfAsked *items; /* [count] of this window, valid until the next */
    size_t count;

    GfArena arena;   /* of the window: items and what escapes stand for */
    GfArena buffers; /* of buffer */
    char *buffer;    /* bytes read; those before `taken` belong to the window */
    size_t size, room, taken;
    uint32_t line;       /* that the first byte behind `taken` is of, from 1 */
    uint32_t empty_line; /* jsonl: the first of the empty lines before it; 0: none */
    bool begun, ended;
} GfTexts;

/* Open a file, or for "-" standard input; strings are borrowed.
 *
 *   window  lines at most, at least 1
 *
 * On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_texts_open(GfTexts *texts, const char *path, const GfTextsFormat *format, size_t window, GfDiags *diags);
void gf_texts_close(GfTexts *texts);

/* The next window: fewer than `window` lines at the end, where the buffer is full, and
 * where standard input would make wait.  None at the end: count is 0.
 * Errors, each with file, line and column: GF_ERR_IO; GF_ERR_DATA a NUL, bytes that are
 * not UTF-8, a line longer than GF_TEXTS_LINE_MAX, a pair without its tab or with more than
 * one, no JSON object, a key that is absent or no string; GF_ERR_SYNTAX. */
GfStatus gf_texts_next(GfTexts *texts, GfDiags *diags);

#endif
