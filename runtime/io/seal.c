/* seal.c -- see seal.h. */
#include "runtime/io/seal.h"

#include "frontend/graph/json.h"
#include "runtime/io/file.h"
#include "runtime/io/folder.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char seal_name[] = "checksums.json";

enum { CHUNK_MAX = 1 << 30 };

static uint32_t checksum(const GfFileMap *map)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t at = 0; at < map->size;) {
        size_t length = map->size - at < CHUNK_MAX ? map->size - at : CHUNK_MAX;
        crc = crc32(crc, map->data + at, (uInt)length);
        at += length;
    }
    return (uint32_t)crc;
}

/* ---- writing ---- */

static GfStatus add_file(GfText *text, const char *folder, const char *name, bool first, GfDiags *diags)
{
    const char *path = gf_path_join(text->arena, folder, name);
    GfFileMap map;

    if (!path)
        return gf_fail_memory(diags);
    GF_TRY(gf_file_map(&map, path, diags));
    gf_text_add(text, first ? "\n    " : ",\n    ");
    gf_json_quote(text, name);
    gf_text_add(text, ": {\"bytes\": %zu, \"crc32\": \"%08x\"}", map.size, (unsigned)checksum(&map));
    gf_file_unmap(&map);
    return GF_OK;
}

/* The files in `folder`/`inside` ("" or "base/"), and in the folders there. */
static GfStatus add_files(GfText *text, const char *folder, const char *inside, bool *first, GfDiags *diags)
{
    const char *path = gf_path_join(text->arena, folder, inside);
    GfFolder list;

    GF_TRY(path ? gf_folder_list(&list, text->arena, path, diags) : gf_fail_memory(diags));
    for (size_t i = 0; i < list.count; i++) {
        const char *name = gf_arena_printf(text->arena, "%s%s", inside, list.names[i]);
        const char *below = gf_arena_printf(text->arena, "%s/", name ? name : "");
        const char *full = name ? gf_path_join(text->arena, folder, name) : NULL;
        if (text->arena->failed)
            return gf_fail_memory(diags);
        if (strcmp(name, seal_name) == 0)
            continue;
        if (gf_folder_exists(full)) {
            GF_TRY(add_files(text, folder, below, first, diags));
            continue;
        }
        GF_TRY(add_file(text, folder, name, *first, diags));
        *first = false;
    }
    return GF_OK;
}

static GfStatus write_in(GfArena *scratch, const char *folder, GfDiags *diags)
{
    const char *path = gf_path_join(scratch, folder, seal_name);
    GfText text = {.arena = scratch};
    bool first = true;

    gf_text_add(&text, "{\n  \"files\": {");
    GF_TRY(add_files(&text, folder, "", &first, diags));
    gf_text_add(&text, "\n  }\n}\n");
    if (scratch->failed)
        return gf_fail_memory(diags);
    return gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
}

GfStatus gf_seal_write(const char *folder, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = write_in(&scratch, folder, diags);
    gf_arena_free(&scratch);
    return status;
}

/* ---- checking ---- */

/* A file that is there but not mapped as it should be says why itself. */
static GfStatus check_content(const char *path, int64_t bytes, const char *crc, GfDiags *diags)
{
    char found[9];
    GfFileMap map;

    if (!gf_file_exists(path))
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_FORMAT, "damaged: the file is missing");
    GF_TRY(gf_file_map(&map, path, diags));
    snprintf(found, sizeof found, "%08x", (unsigned)checksum(&map));
    size_t size = map.size;
    gf_file_unmap(&map);
    if ((int64_t)size != bytes)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_FORMAT, "damaged: %zu bytes, %lld were written", size,
                       (long long)bytes);
    if (strcmp(found, crc) == 0)
        return GF_OK;
    return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_FORMAT, "damaged: checksum %s, %s was written", found, crc);
}

/* A path that stays in the folder: "config.json", "base/config.json". */
static bool stays_inside(const char *name)
{
    for (const char *part = name;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || part[0] == '.')
            return false;
        part += length;
        if (!*part)
            return true;
    }
}

static GfStatus check_file(const GfJson *doc, const cJSON *item, const char *folder, GfArena *scratch, GfDiags *diags)
{
    const char *crc = NULL, *path = gf_path_join(scratch, folder, item->string);
    int64_t bytes = 0;

    if (!stays_inside(item->string))
        return gf_fail(diags, gf_json_key_loc(doc, item), GF_ERR_VALUE, "'%s' is no name of a file in this folder",
                       item->string);
    GF_TRY(gf_json_get_int_in(doc, item, "bytes", GF_REQUIRED, 0, INT64_MAX, &bytes, diags));
    GF_TRY(gf_json_get_string(doc, item, "crc32", GF_REQUIRED, &crc, diags));
    return path ? check_content(path, bytes, crc, diags) : gf_fail_memory(diags);
}

static GfStatus check_in(GfJson *doc, GfArena *scratch, const char *folder, GfDiags *diags)
{
    const char *path = gf_path_join(scratch, folder, seal_name);
    const cJSON *files = NULL;

    if (!path)
        return gf_fail_memory(diags);
    GF_TRY(gf_json_read_file(doc, path, diags));
    GF_TRY(gf_json_get_object(doc, doc->root, "files", GF_REQUIRED, &files, diags));
    for (const cJSON *item = files->child; item; item = item->next)
        GF_TRY(check_file(doc, item, folder, scratch, diags));
    return GF_OK;
}

GfStatus gf_seal_check(const char *folder, GfDiags *diags)
{
    GfJson doc = {0};
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = check_in(&doc, &scratch, folder, diags);
    gf_json_close(&doc);
    gf_arena_free(&scratch);
    return status;
}
