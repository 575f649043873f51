/* golden.h -- golden tests: text IR in, passes, text IR out.
 *
 * A file holds one case or several, divided by lines `// -----`.  A case is
 *
 *   // what it shows
 *   // passes: cse,dce             none: only parsing and printing
 *   // counters: merged=1          or cse.merged=1; summed over the passes
 *   // target: joins launches     with this ability; the default has none
 *   // sizes: tokens=7 seqs=3      the default; other symbols are 5
 *   graph @before(...) {
 *   ...
 *   }
 *   // expect:
 *   graph @after(...) {
 *   ...
 *   }
 *
 * Without `expect:` the graph must come out as it went in.  Checked are the text,
 * the counters, that each text is what printing its graph gives (the first only
 * if there are passes), and that the evaluator gives the same outputs, gradients
 * and updates before and after (ir/same.h), unless passes.def says of a pass that it
 * changes values.
 *
 * A case that must fail has `// error: GF0203 part of the message` behind the
 * line of the error, `// error at 7: ...` in the header when no comment can stand
 * on line 7, or `// error: ...` in the header for errors without a place in the
 * text, as in the list of passes.
 */
#ifndef GF_TESTS_GOLDEN_GOLDEN_H
#define GF_TESTS_GOLDEN_GOLDEN_H

#include "passes/passes.h"

typedef struct GoldenCase {
    const char *file;
    uint32_t line;        /* of the case in the file, from 1 */
    const char *passes;   /* "" when none */
    const char *counters; /* "" when none */
    const char *sizes;    /* "" when none */
    bool joins_launches;
    const char *input;  /* the text of the graph */
    const char *padded; /* the same after as many newlines as there are lines before it */
    const char *expect; /* NULL: as the input */
    bool must_fail;
    uint32_t error_line; /* 0: no place in the text */
    const char *error_code, *error_text;
} GoldenCase;

/* The cases of a file's text, in `arena`; NULL when memory ran out. */
GoldenCase *golden_split(GfArena *arena, const char *file, const char *text, size_t *count);

/* Those of a file; NULL, too, when it cannot be read. */
GoldenCase *golden_read(GfArena *arena, const char *path, size_t *count);

/* gf_same_values; false with a message on stdout when something differs. */
bool golden_same_values(const GoldenCase *c, const GfGraph *before, const GfGraph *after);

/* Says which case failed and why, on stdout; always false. */
bool golden_fail(const GoldenCase *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
