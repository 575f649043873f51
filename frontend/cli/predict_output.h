/* predict_output.h -- where the lines of `graft predict` go: whole ones alone stay in a
 * file of its own, whatever happens.
 */
#ifndef GF_FRONTEND_CLI_PREDICT_OUTPUT_H
#define GF_FRONTEND_CLI_PREDICT_OUTPUT_H

#include "runtime/data/texts.h"

typedef struct GfPredictOutput {
    const char *name; /* in errors: the path, or "stdout" */
    int descriptor;
    bool own;
} GfPredictOutput;

/* Open a file, or for "-" standard output.
 *
 *   input  what is read: it must not be the file that is written
 *
 * On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_predict_output_open(GfPredictOutput *output, const char *path, const GfTexts *input, GfDiags *diags);

/* Write whole lines at once.  Errors: GF_ERR_IO. */
GfStatus gf_predict_output_write(GfPredictOutput *output, const GfText *lines, GfDiags *diags);

/* Errors: GF_ERR_IO what was written has not reached the file. */
GfStatus gf_predict_output_close(GfPredictOutput *output, GfDiags *diags);

#endif
