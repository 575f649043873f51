/* folder.h -- making folders. */
#ifndef GF_RUNTIME_IO_FOLDER_H
#define GF_RUNTIME_IO_FOLDER_H

#include "ir/diag.h"

/* Make a folder and those above it, as far as they are missing.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_make(const char *path, GfLoc loc, GfDiags *diags);

/* The same, and write a file to it and remove it again.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_probe(const char *path, GfLoc loc, GfDiags *diags);

#endif
