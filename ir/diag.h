/* diag.h -- status codes and located diagnostics.
 *
 * Library code never prints, exits or aborts: a function that can fail returns
 * a GfStatus and adds a diagnostic, which says where (file, line, column), what
 * was found and what would be right.  The command prints them:
 *
 *   bert.json:14:5: error GF0203: 'matmul' needs equal inner sizes, got ...
 *     14 |     {"op": "matmul", "in": ["x", "w1"], "out": "h"}
 *        |     ^
 *     note: ...
 */
#ifndef GF_IR_DIAG_H
#define GF_IR_DIAG_H

#include "ir/arena.h"

#include <stdio.h>

/* Status codes.  X(id, number, meaning): GF_ERR_SHAPE prints as GF0203. */
#define GF_STATUS_TABLE(X)                                                                                             \
    X(OK, 0, "success")                                                                                                \
    X(ERR_MEMORY, 1, "out of memory")                                                                                  \
    X(ERR_IO, 2, "a file cannot be opened, read or written")                                                           \
    X(ERR_USAGE, 3, "the command line is not understood")                                                              \
    X(ERR_SYNTAX, 101, "text that is not JSON, not text IR, not UTF-8")                                                \
    X(ERR_KEY, 102, "a key that is not known, is missing or stands twice")                                             \
    X(ERR_VALUE, 103, "a value of the wrong type or out of range")                                                     \
    X(ERR_NAME, 104, "a name that is not defined, is defined twice or refers to itself")                               \
    X(ERR_VERIFY, 201, "a graph that breaks an invariant of the IR")                                                   \
    X(ERR_OP, 202, "an op that is not known, or used with wrong operands or attributes")                               \
    X(ERR_SHAPE, 203, "shapes or dtypes that do not fit")                                                              \
    X(ERR_PASS, 301, "a pass that is not known, or cannot run here")                                                   \
    X(ERR_TARGET, 401, "a target that is not known, not built in or not able to do this")                              \
    X(ERR_COMPILE, 402, "code generation failed")                                                                      \
    X(ERR_DEVICE, 501, "a device failed; what runs on it is unusable")                                                 \
    X(ERR_FORMAT, 601, "a checkpoint or other binary file is damaged or foreign")                                      \
    X(ERR_TENSOR, 602, "a tensor is missing, or has another shape or dtype")                                           \
    X(ERR_DATA, 701, "a data file is empty or a line of it is malformed")                                              \
    X(ERR_LABEL, 702, "a label that is not among the classes")                                                         \
    X(ERR_TOKENIZER, 703, "a vocabulary is damaged or lacks a special token")

typedef enum GfStatus {
#define X(id, number, meaning) GF_##id = number,
    GF_STATUS_TABLE(X)
#undef X
} GfStatus;

/* A place in a file.  line and column count from 1; 0 means unknown.
 * `source` is the whole text of the file if it is at hand (borrowed, lives as
 * long as the diagnostics), else NULL.  `origin` is for nodes: what the text IR
 * says in a comment of where the node comes from, "bert.json:31"; NULL: file and
 * line are that, "": nothing is. */
typedef struct GfLoc {
    const char *file;
    const char *source;
    uint32_t line;
    uint32_t column;
    const char *origin;
} GfLoc;

typedef struct GfDiag {
    struct GfDiag *next;
    GfStatus status;
    GfLoc loc;
    const char *message;
    const char *note; /* NULL or what would be right */
} GfDiag;

/* The list of diagnostics, in order.  All strings live in its arena. */
typedef struct GfDiags {
    GfArena arena;
    GfDiag *first;
    GfDiag *last;
    size_t count;
    GfDiag memory; /* what gf_fail_memory reports, since nothing can be allocated then */
} GfDiags;

void gf_diags_init(GfDiags *diags, const GfAllocator *allocator);
void gf_diags_free(GfDiags *diags);

#define GF_NOWHERE ((GfLoc){0})

/* Add an error and return `status`, so that `return gf_fail(...)` reads well. */
GfStatus gf_fail(GfDiags *diags, GfLoc loc, GfStatus status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Attach a note to the last error. */
void gf_note(GfDiags *diags, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, without allocating. */
GfStatus gf_fail_memory(GfDiags *diags);

/* Line and column (from 1) of byte `offset` in `source`; columns count bytes. */
GfLoc gf_loc_at(const char *file, const char *source, size_t offset);

/* The closest of `count` candidates to `word` by edit distance, or NULL when
 * none is close: for "did you mean". */
const char *gf_closest(const char *word, const char *const *candidates, size_t count);

/* Write the diagnostics as the user sees them, source lines and carets included. */
void gf_diags_print(const GfDiags *diags, FILE *out);

const char *gf_status_meaning(GfStatus status);

#define GF_TRY(expression)                                                                                             \
    do {                                                                                                               \
        GfStatus gf_try_status = (expression);                                                                         \
        if (gf_try_status != GF_OK)                                                                                    \
            return gf_try_status;                                                                                      \
    } while (0)

#endif
