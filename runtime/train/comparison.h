/* comparison.h -- the closing table of a job, for files and terminals.
 *
 * Where runs differ in their seeds alone, a table with their mean and sample standard
 * deviation stands before that of the runs:
 *
 *   variant  runs  ...            accuracy
 *   lora        3  ...  0.9225 +- 0.0012
 */
#ifndef GF_RUNTIME_TRAIN_COMPARISON_H
#define GF_RUNTIME_TRAIN_COMPARISON_H

#include "runtime/train/session.h"

typedef struct GfComparison {
    const GfSession *session;
    const GfVariantResult *results; /* [count], of the first variants of the job, in its order */
    size_t count;
} GfComparison;

/* The table as lines of text, columns aligned. */
void gf_comparison_text(const GfComparison *comparison, GfText *out);
void gf_comparison_markdown(const GfComparison *comparison, GfText *out);
void gf_comparison_json(const GfComparison *comparison, GfText *out);

/* Write comparison.md and comparison.json to the job's output folder. */
GfStatus gf_comparison_write(const GfComparison *comparison, GfDiags *diags);

/* "109,486,854" */
void gf_add_count(GfText *text, int64_t count);

#endif
