/* gzip.h -- compressed files, whole in memory.
 */
#ifndef GF_RUNTIME_DATA_GZIP_H
#define GF_RUNTIME_DATA_GZIP_H

#include "ir/diag.h"

/* Whether bytes begin as a gzip file does; no UTF-8 text begins so. */
bool gf_gzip_is(const char *bytes, size_t size);

/* Expand a gzip file of one or more members into `text`, in its arena.
 * `name` stands in errors.
 * Errors: GF_ERR_DATA damaged, cut off, or followed by something else; GF_ERR_MEMORY. */
GfStatus gf_gzip_expand(GfText *text, const char *name, const char *bytes, size_t size, GfDiags *diags);

#endif
