/* folder.h -- folders: made, listed, renamed, removed, and written all at once. */
#ifndef GF_RUNTIME_IO_FOLDER_H
#define GF_RUNTIME_IO_FOLDER_H

#include "ir/diag.h"

/* Make a folder and those above it, as far as they are missing.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_make(const char *path, GfLoc loc, GfDiags *diags);

/* The same, and write a file to it and remove it again.
 * Errors, at `loc`: GF_ERR_IO. */
GfStatus gf_folder_probe(const char *path, GfLoc loc, GfDiags *diags);

/* Whether there is a folder under this name, or a link to one. */
bool gf_folder_exists(const char *path);

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

/* A folder on its way: written under another name beside its own, brought to the
 * disk, renamed.  An error or a killed process leave what was there as it was.
 *
 *   GfFolderWriter w;
 *   GF_TRY(gf_folder_begin(&w, path, overwrite, diags));
 *   status = ... files in w.temporary ...
 *   return gf_folder_end(&w, status);
 */
typedef struct GfFolderWriter {
    GfArena arena; /* of the paths */
    const char *path, *temporary;
    bool replaces; /* there is a folder at `path` */
    GfDiags *diags;
} GfFolderWriter;

/* overwrite: a folder that stands at `path` may be replaced, if it is empty or a
 * model's: plain files, one of them config.json or adapter_config.json, and perhaps
 * a folder `base` of such files.  On error nothing needs ending.
 * Errors, at `path`: GF_ERR_IO it exists, or cannot be written. */
GfStatus gf_folder_begin(GfFolderWriter *writer, const char *path, bool overwrite, GfDiags *diags);

/* With GF_OK make the new folder the folder, else remove it; returns the status,
 * or the error that came of it.  Then `writer` holds nothing. */
GfStatus gf_folder_end(GfFolderWriter *writer, GfStatus status);

#endif
