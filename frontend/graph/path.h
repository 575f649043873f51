/* path.h -- file names inside JSON files. */
#ifndef GF_FRONTEND_GRAPH_PATH_H
#define GF_FRONTEND_GRAPH_PATH_H

#include "frontend/graph/json.h"

/* The folder of a path with its last slash; "" when it has none.  In `arena`. */
const char *gf_path_folder(GfArena *arena, const char *path);

/* `path` as it stands in `folder` (with its slash), unless it is absolute.  In `arena`. */
const char *gf_path_in(GfArena *arena, const char *folder, const char *path);

/* The path that a string node holds: relative to the file that holds it, or to
 * the working directory when it comes from `--set`.  In `arena`. */
const char *gf_path_of(GfArena *arena, const GfJson *doc, const cJSON *node);

/* Whether a node comes from the command line. */
bool gf_is_set_node(const GfJson *doc, const cJSON *node);

/* "lora" for "models/variants/lora.json".  In `arena`. */
const char *gf_path_stem(GfArena *arena, const char *path);

/* One `--set path=value`. */
typedef struct GfSet {
    const char *path, *value;
} GfSet;

/* Take "path=value" apart.  The strings live in `arena`.  Errors: GF_ERR_USAGE. */
GfStatus gf_set_parse(GfSet *set, GfArena *arena, const char *text, GfDiags *diags);

#endif
