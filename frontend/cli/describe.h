/* describe.h -- the rows of the op, pass and status tables in words, for
 * `graft ops`, `graft passes` and `graft explain`.
 */
#ifndef GF_FRONTEND_CLI_DESCRIBE_H
#define GF_FRONTEND_CLI_DESCRIBE_H

#include "passes/passes.h"

#include <stdio.h>

void gf_describe_op(GfOp op, FILE *out);
void gf_describe_pass(const GfPassInfo *info, const char *origin, FILE *out); /* origin NULL: graft's own */

/* "p:f=0 key:i" as lines: name, type, default; nothing for "". */
void gf_describe_schema(const char *schema, const char *title, FILE *out);

/* Fail because `word` is none of `count` names, with the closest of them. */
GfStatus gf_fail_unknown(GfDiags *diags, const char *word, const char *what, const char *const *names, size_t count);

#endif
