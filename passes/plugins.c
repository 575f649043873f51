/* plugins.c -- passes from shared objects, and the table of all passes.
 *
 * A shared object gives away pointers, and a wrong pointer cannot be told from a
 * right one; all else that is wrong with it is found here, before any list of
 * passes is parsed:
 *
 *   1. dlopen with all symbols bound: one that graft does not have is an error now
 *   2. its entry, its GF_PASS_ABI, its digest of ops and structs
 *   3. each row: name, function, needs, options, counters, and no name twice
 *
 * The rows are copied; their strings stay in the object, which stays open.
 * Tests: tests/plugin/.
 */
#include "passes/graft_pass.h"
#include "passes/passes.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASSES_MAX = 256, NAME_MAX_LENGTH = 63 };

/* ---- the table of graft's own --------------------------------------------------- */

static const GfPassRow rows[GF_PASS_COUNT] = {
#define GF_PASS(id, text, function, needs, changes, options, counters, meaning)                                        \
    [GF_PASS_##id] = {{text, needs, changes, options, counters, meaning}, gf_pass_##function},
#include "passes/passes.def"
};

const GfPassInfo *gf_pass_info(GfPassId id)
{
    return &rows[id].info;
}

GfPassFn gf_pass_function(GfPassId id)
{
    return rows[id].run;
}

/* ---- all of them ------------------------------------------------------------------ */

size_t gf_pass_count(const GfPlugins *plugins)
{
    return GF_PASS_COUNT + (plugins ? plugins->pass_count : 0);
}

const GfPassRow *gf_pass_at(const GfPlugins *plugins, size_t i)
{
    return i < GF_PASS_COUNT ? &rows[i] : &plugins->passes[i - GF_PASS_COUNT]->row;
}

const GfPassRow *gf_pass_named(const GfPlugins *plugins, const char *text)
{
    for (size_t i = 0; i < gf_pass_count(plugins); i++) {
        const GfPassRow *row = gf_pass_at(plugins, i);
        if (strcmp(row->info.text, text) == 0)
            return row;
    }
    return NULL;
}

const char *gf_pass_origin(const GfPlugins *plugins, const GfPassInfo *info)
{
    for (size_t i = 0; plugins && i < plugins->pass_count; i++) {
        if (&plugins->passes[i]->row.info == info)
            return plugins->passes[i]->path;
    }
    return NULL;
}

const char *gf_pass_closest(const GfPlugins *plugins, const char *text, GfArena *arena)
{
    size_t count = gf_pass_count(plugins);
    const char **names = GF_NEW_ARRAY(arena, const char *, count);

    for (size_t i = 0; names && i < count; i++)
        names[i] = gf_pass_at(plugins, i)->info.text;
    return names ? gf_closest(text, names, count) : NULL;
}

/* ---- what a row may say ------------------------------------------------------------- */

/* The object that is being loaded. */
typedef struct Loading {
    GfPlugins *plugins;
    const char *path; /* as given, in the plugins' arena */
    GfDiags *diags;
} Loading;

#define FAIL_OBJECT(l, status, ...) gf_fail((l)->diags, (GfLoc){.file = (l)->path}, status, __VA_ARGS__)

static bool is_pass_name(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");

    return length && length <= NAME_MAX_LENGTH && !text[length] && text[0] >= 'a' && text[0] <= 'z';
}

static bool is_key(const char *text, size_t length)
{
    return length && length < sizeof((GfAttrSpec *)0)->key &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/* The default of an option; `text` ends at a blank. */
static bool is_default(char kind, const char *text, size_t length)
{
    char copy[sizeof((GfAttrSpec *)0)->string], *end = copy;

    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (kind == 's')
        return true;
    if (kind == 'f')
        return isfinite(strtod(copy, &end)) && end != copy && !*end;
    errno = 0;
    strtoll(copy, &end, 10);
    return end != copy && !*end && !errno;
}

/* One entry "r:i=8" of `length` bytes. */
static bool is_option(const char *entry, size_t length)
{
    size_t key = strcspn(entry, ": ");
    char kind = length > key + 1 ? entry[key + 1] : '\0';

    if (!is_key(entry, key) || !kind || !strchr("ifs", kind))
        return false;
    if (length == key + 2)
        return true;
    return entry[key + 2] == '=' && is_default(kind, entry + key + 3, length - key - 3);
}

static size_t next_word(const char **at)
{
    *at += strspn(*at, " ");
    return strcspn(*at, " ");
}

static GfStatus check_options(const Loading *l, const GfPassInfo *info)
{
    GfAttrSpec spec, first;
    const char *cursor;

    for (const char *p = info->options; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        size_t length = next_word(&p);
        if (length && !is_option(p, length))
            return FAIL_OBJECT(l, GF_ERR_PASS, "'%s': '%.*s' is no option: \"r:i=8 name:s= rate:f\" is a list of three",
                               info->text, (int)(length < 60 ? length : 60), p);
    }
    for (cursor = info->options; gf_schema_next(&cursor, &spec);) {
        const char *rest = cursor;
        while (gf_schema_next(&rest, &first)) {
            if (strcmp(first.key, spec.key) == 0)
                return FAIL_OBJECT(l, GF_ERR_PASS, "'%s' has the option '%s' twice", info->text, spec.key);
        }
    }
    return GF_OK;
}

static GfStatus check_counters(const Loading *l, const GfPassInfo *info)
{
    int count = 0;

    for (const char *p = info->counters; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        size_t length = next_word(&p);
        if (length && !is_key(p, length))
            return FAIL_OBJECT(l, GF_ERR_PASS, "'%s': '%.*s' is no name of a counter", info->text,
                               (int)(length < 60 ? length : 60), p);
        count += length > 0;
    }
    if (count <= GF_MAX_COUNTERS)
        return GF_OK;
    return FAIL_OBJECT(l, GF_ERR_PASS, "'%s' has %d counters; there can be %d", info->text, count, GF_MAX_COUNTERS);
}

static GfStatus check_name(const Loading *l, uint32_t index, const char *name)
{
    if (!name || !is_pass_name(name))
        return FAIL_OBJECT(l, GF_ERR_PASS, "pass %u has no name such as 'count-linears': %s%.60s", index,
                           name ? "it is called " : "it is NULL", name ? name : "");
    const GfPassRow *taken = gf_pass_named(l->plugins, name);
    if (!taken)
        return GF_OK;
    const char *origin = gf_pass_origin(l->plugins, &taken->info);
    return FAIL_OBJECT(l, GF_ERR_PASS, "there is a pass '%s' already, in %s", name, origin ? origin : "graft itself");
}

static GfStatus check_row(const Loading *l, uint32_t index, const GfPassRow *row)
{
    const uint32_t known = GF_NEEDS_LOSS | GF_NEEDS_FORWARD | GF_NEEDS_GRADS | GF_NEEDS_UNFUSED | GF_NEEDS_FUSED;

    GF_TRY(check_name(l, index, row->info.text));
    if (!row->run)
        return FAIL_OBJECT(l, GF_ERR_PASS, "'%s' has no function", row->info.text);
    if (row->info.needs & ~known)
        return FAIL_OBJECT(l, GF_ERR_PASS, "'%s' needs what graft does not know: %#x", row->info.text,
                           row->info.needs & ~known);
    if (row->info.changes & ~(uint32_t)GF_CHANGES_VALUES)
        return FAIL_OBJECT(l, GF_ERR_PASS, "'%s' changes what graft does not know: %#x", row->info.text,
                           row->info.changes);
    GF_TRY(check_options(l, &row->info));
    return check_counters(l, &row->info);
}

/* ---- loading -------------------------------------------------------------------------- */

/* Room in `list` for one more. */
#define GROW(l, list, count, room)                                                                                     \
    ((list) = gf_arena_grow(&(l)->plugins->arena, (list), (count), &(room), sizeof *(list)))

static GfStatus add_row(const Loading *l, uint32_t index, const GfPassRow *row)
{
    GfPlugins *plugins = l->plugins;
    GfLoadedPass *pass = GF_NEW(&plugins->arena, GfLoadedPass);

    if (!pass || !GROW(l, plugins->passes, plugins->pass_count, plugins->pass_room))
        return gf_fail_memory(l->diags);
    *pass = (GfLoadedPass){.row = *row, .path = l->path};
    GfPassInfo *info = &pass->row.info;
    info->options = info->options ? info->options : "";
    info->counters = info->counters ? info->counters : "";
    info->meaning = info->meaning ? info->meaning : "";
    GF_TRY(check_row(l, index, &pass->row));
    plugins->passes[plugins->pass_count++] = pass;
    return GF_OK;
}

static GfStatus add_object(const Loading *l, const GfPassObject *object)
{
    if (!object)
        return FAIL_OBJECT(l, GF_ERR_PASS, "its function %s returns NULL", GF_PASS_ENTRY);
    if (object->abi != GF_PASS_ABI || object->layout != gf_pass_layout()) {
        bool same = object->abi == GF_PASS_ABI; /* then the rest is where it should be */
        FAIL_OBJECT(l, GF_ERR_PASS, "made for another graft%s%.20s, this is %s", same ? ": " : "",
                    same && object->version ? object->version : "", GRAFT_VERSION);
        gf_note(l->diags, "compile it anew with the graft_pass.h that was installed with this command");
        return GF_ERR_PASS;
    }
    if (!object->passes || !object->count || object->count > PASSES_MAX)
        return FAIL_OBJECT(l, GF_ERR_PASS, "a shared object holds 1 to %d passes, this one says %u", PASSES_MAX,
                           object->passes ? object->count : 0);
    for (uint32_t i = 0; i < object->count; i++)
        GF_TRY(add_row(l, i, &object->passes[i]));
    return GF_OK;
}

/* dlopen looks for names without a slash in other folders. */
static const char *path_of_file(GfArena *arena, const char *path)
{
    return strchr(path, '/') ? gf_arena_strdup(arena, path) : gf_arena_printf(arena, "./%s", path);
}

/* "./mine.so: undefined symbol: gf_foo": the path is told already. */
static const char *loader_message(const Loading *l, const char *message)
{
    size_t length = strlen(l->path);
    bool named = message && strncmp(message, l->path, length) == 0 && message[length] == ':';

    return named ? message + length + 1 + (message[length + 1] == ' ') : message ? message : "it cannot be loaded";
}

static GfStatus open_object(const Loading *l, void **handle)
{
    if (access(l->path, R_OK) != 0)
        return FAIL_OBJECT(l, GF_ERR_IO, "the passes cannot be read: %s", strerror(errno));
    *handle = dlopen(l->path, RTLD_NOW | RTLD_LOCAL);
    if (*handle)
        return GF_OK;
    FAIL_OBJECT(l, GF_ERR_IO, "the passes cannot be loaded: %s", loader_message(l, dlerror()));
    gf_note(l->diags, "a pass can call what graft_pass.h declares; `cc -shared -fPIC` makes a shared object");
    return GF_ERR_IO;
}

static GfStatus find_entry(const Loading *l, void *handle, GfPassEntryFn *entry)
{
    void *symbol = dlsym(handle, GF_PASS_ENTRY);

    memcpy(entry, &symbol, sizeof symbol); /* a function pointer, as POSIX wants it */
    if (symbol)
        return GF_OK;
    FAIL_OBJECT(l, GF_ERR_PASS, "it offers no passes: there is no function %s", GF_PASS_ENTRY);
    gf_note(l->diags, "GF_EXPORT_PASSES of graft_pass.h makes it");
    return GF_ERR_PASS;
}

GfStatus gf_plugins_load(GfPlugins *plugins, const char *path, GfDiags *diags)
{
    Loading l = {.plugins = plugins, .path = path_of_file(&plugins->arena, path), .diags = diags};
    GfPassEntryFn entry;
    void *handle = NULL;

    if (!l.path || !GROW(&l, plugins->handles, plugins->handle_count, plugins->handle_room))
        return gf_fail_memory(diags);
    GF_TRY(open_object(&l, &handle));
    plugins->handles[plugins->handle_count++] = handle;
    GF_TRY(find_entry(&l, handle, &entry));
    return add_object(&l, entry());
}

void gf_plugins_init(GfPlugins *plugins, const GfAllocator *allocator)
{
    *plugins = (GfPlugins){0};
    gf_arena_init(&plugins->arena, allocator);
}

void gf_plugins_close(GfPlugins *plugins)
{
    for (size_t i = 0; i < plugins->handle_count; i++)
        dlclose(plugins->handles[i]);
    gf_arena_free(&plugins->arena);
}
