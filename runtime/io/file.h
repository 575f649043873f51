/* file.h -- whole files in, whole files out.
 *
 * A file is replaced all at once or not at all: it is written under another name
 * in the same folder, brought to the disk and renamed.  An error, a full disk or a
 * killed process leave the old file as it was.
 */
#ifndef GF_RUNTIME_IO_FILE_H
#define GF_RUNTIME_IO_FILE_H

#include "ir/diag.h"

/* The content of a file in `arena`, with a NUL after its end.  Errors: GF_ERR_IO, GF_ERR_MEMORY. */
GfStatus gf_file_read(GfArena *arena, const char *path, char **data, size_t *length, GfDiags *diags);

GfStatus gf_file_write_atomic(const char *path, const void *data, size_t length, GfDiags *diags);

/* `name` in `folder`, in `arena`; `name` alone when it is absolute or `folder` is "". */
char *gf_path_join(GfArena *arena, const char *folder, const char *name);

/* Whether something can be reached under this name. */
bool gf_file_exists(const char *path);

/* A regular file mapped for reading.  It must not be truncated while it is mapped. */
typedef struct GfFileMap {
    const unsigned char *data; /* not NULL, even for an empty file */
    size_t size;
} GfFileMap;

GfStatus gf_file_map(GfFileMap *map, const char *path, GfDiags *diags);
void gf_file_unmap(GfFileMap *map);

/* Let the pages that lie wholly in [begin, begin + size) go; they are read again when needed. */
void gf_file_release(const GfFileMap *map, size_t begin, size_t size);

/* A file on its way.  After an error the next calls do nothing, so that only
 * gf_file_commit need be checked:
 *
 *   GfFileWriter w;
 *   gf_file_begin(&w, path, diags);
 *   gf_file_add(&w, head, head_size);
 *   gf_file_add(&w, body, body_size);
 *   return gf_file_commit(&w);
 */
typedef struct GfFileWriter {
    GfArena arena; /* of `path` and `temporary` */
    const char *path;
    const char *temporary;
    int descriptor; /* -1: none */
    GfStatus status;
    GfDiags *diags;
} GfFileWriter;

GfStatus gf_file_begin(GfFileWriter *writer, const char *path, GfDiags *diags);
GfStatus gf_file_add(GfFileWriter *writer, const void *data, size_t length);

/* Make the new file the file, or, after an error, return that error.  Always call it
 * or gf_file_abandon, which removes what was written; then `writer` holds nothing. */
GfStatus gf_file_commit(GfFileWriter *writer);
void gf_file_abandon(GfFileWriter *writer);

#endif
