/* predict_output.h -- where the lines of `graft predict` go.
 *
 * A file has its name when all answers are in it: until then it is FILE.partial, which
 * stays when something goes wrong, and in which every line is whole.
 */
#ifndef GF_FRONTEND_CLI_PREDICT_OUTPUT_H
#define GF_FRONTEND_CLI_PREDICT_OUTPUT_H

#include "runtime/data/texts.h"

typedef struct GfPredictOutput {
    const char *name;    /* in errors: the path, or "stdout" */
    const char *partial; /* what the file is called until it is whole; NULL: it is no regular file */
    int descriptor;
    bool own;
} GfPredictOutput;

/* Open a file, or for "-" standard output.
 *
 *   input  what is read: it must not be the file that is written
 *
 * On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_predict_output_open(GfPredictOutput *output, GfArena *arena, const char *path, const GfTexts *input,
                                GfDiags *diags);

/* Write whole lines at once.  Errors: GF_ERR_IO. */
GfStatus gf_predict_output_write(GfPredictOutput *output, const GfText *lines, GfDiags *diags);

/* `whole`: that was all.  Errors: GF_ERR_IO what was written has not reached the file. */
GfStatus gf_predict_output_close(GfPredictOutput *output, bool whole, GfDiags *diags);

#endif
