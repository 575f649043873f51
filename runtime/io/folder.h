/* folder.h -- making folders. */
#ifndef GF_RUNTIME_IO_FOLDER_H
#define GF_RUNTIME_IO_FOLDER_H

#include "ir/diag.h"

/* Make a folder and those above it, as far as they are missing.  Errors: GF_ERR_IO. */
GfStatus gf_folder_make(const char *path, GfDiags *diags);

#endif
