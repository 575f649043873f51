/* folder.h -- folders: made, listed, renamed, removed. */
#ifndef GF_RUNTIME_IO_FOLDER_H
#define GF_RUNTIME_IO_FOLDER_H

#include "ir/diag.h"

/* Make a folder and those above it, as far as they are missing.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_make(const char *path, GfLoc loc, GfDiags *diags);

/* The same, and write a file to it and remove it again.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_probe(const char *path, GfLoc loc, GfDiags *diags);

typedef struct GfFolder {
    const char **names; /* sorted by byte; without "." and ".." */
    size_t count, capacity;
} GfFolder;

/* What is in a folder, in `arena`.  Errors: GF_ERR_IO. */
GfStatus gf_folder_list(GfFolder *folder, GfArena *arena, const char *path, GfDiags *diags);

/* Rename, and bring the new name to the disk; both are in one folder, `to` does not
 * exist or is an empty folder.  Errors: GF_ERR_IO. */
GfStatus gf_folder_rename(const char *from, const char *to, GfDiags *diags);

/* Remove a folder and all in it; links are removed, not followed.  One that does
 * not exist is no error.  Errors: GF_ERR_IO. */
GfStatus gf_folder_remove(const char *path, GfDiags *diags);

/* Bring the names in a folder to the disk.  Errors: GF_ERR_IO. */
GfStatus gf_folder_sync(const char *path, GfDiags *diags);

#endif
