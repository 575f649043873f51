/* path.c -- see path.h. */
#include "frontend/graph/path.h"

#include <string.h>

const char *gf_path_folder(GfArena *arena, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? gf_arena_strndup(arena, path, (size_t)(slash - path) + 1) : "";
}

const char *gf_path_in(GfArena *arena, const char *folder, const char *path)
{
    if (path[0] == '/' || !folder || !*folder)
        return gf_arena_strdup(arena, path);
    return gf_arena_printf(arena, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", path);
}

bool gf_is_set_node(const GfJson *doc, const cJSON *node)
{
    const char *file = gf_json_loc(doc, node).file;
    return file && strncmp(file, "--set ", 6) == 0;
}

const char *gf_path_of(GfArena *arena, const GfJson *doc, const cJSON *node)
{
    const char *folder = gf_is_set_node(doc, node) ? "" : gf_path_folder(arena, gf_json_loc(doc, node).file);
    return gf_path_in(arena, folder, node->valuestring);
}

const char *gf_path_stem(GfArena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return dot && dot > name ? gf_arena_strndup(arena, name, (size_t)(dot - name)) : gf_arena_strdup(arena, name);
}

GfStatus gf_set_parse(GfSet *set, GfArena *arena, const char *text, GfDiags *diags)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--set takes key=value, found '%s'", text);
    set->path = gf_arena_strndup(arena, text, (size_t)(equals - text));
    set->value = gf_arena_strdup(arena, equals + 1);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}
