/* weights.c -- see weights.h. */
#include "runtime/io/weights.h"

#include "frontend/graph/path.h"

#include <string.h>

/* An index and its shards while they are opened. */
typedef struct Index {
    GfWeights *weights;
    GfJson doc;
    const cJSON *map;
    const char *names[GF_SHARDS_MAX]; /* of the shards, in the order of weights->files */
    size_t count;
    GfDiags *diags;
} Index;

const GfStTensor *gf_weights_find(const GfWeights *w, const char *name)
{
    const GfStTensor *found = NULL;

    for (size_t i = 0; i < w->count && !found; i++)
        found = gf_safetensors_find(&w->files[i], name);
    return found;
}

const GfSafetensors *gf_weights_file(const GfWeights *w, const GfStTensor *tensor)
{
    for (size_t i = 0; i < w->count; i++)
        if (tensor >= w->files[i].tensors && tensor < w->files[i].tensors + w->files[i].count)
            return &w->files[i];
    return NULL;
}

/* ---- the index ---- */

static GfStatus read_map(Index *x)
{
    const cJSON *object;

    GF_TRY(gf_json_as_object(&x->doc, x->doc.root, "an index of safetensors", &object, x->diags));
    GF_TRY(gf_json_get_object(&x->doc, object, "weight_map", GF_REQUIRED, &x->map, x->diags));
    if (x->map->child)
        return GF_OK;
    return gf_fail(x->diags, gf_json_loc(&x->doc, x->map), GF_ERR_VALUE, "'weight_map' lists no tensor");
}

/* Nothing that could lead out of the folder. */
static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\");
}

/* The position of a shard among those seen so far; x->count when it is new. */
static size_t position(const Index *x, const char *name)
{
    size_t i = x->count;

    while (i > 0 && strcmp(x->names[i - 1], name) != 0) /* tensors of a shard mostly stand together */
        i--;
    return i > 0 ? i - 1 : x->count;
}

static GfStatus add_shard(Index *x, const cJSON *entry)
{
    GfLoc loc = gf_json_loc(&x->doc, entry);
    const char *name = NULL;

    GF_TRY(gf_json_as_string(&x->doc, entry, "the file of a tensor", &name, x->diags));
    if (!is_plain(name)) {
        gf_fail(x->diags, loc, GF_ERR_NAME, "'%s' is no plain file name", name);
        gf_note(x->diags, "a shard stands in the folder of its index, \"model-00001-of-00002.safetensors\"");
        return GF_ERR_NAME;
    }
    if (position(x, name) < x->count)
        return GF_OK;
    if (x->count == GF_SHARDS_MAX)
        return gf_fail(x->diags, loc, GF_ERR_VALUE, "more than %d shards", GF_SHARDS_MAX);
    x->names[x->count++] = name;
    return GF_OK;
}

static GfStatus list_shards(Index *x)
{
    for (const cJSON *entry = x->map->child; entry; entry = entry->next)
        GF_TRY(add_shard(x, entry));
    return GF_OK;
}

static GfStatus open_shards(Index *x)
{
    GfWeights *w = x->weights;
    const char *folder = gf_path_folder(&w->arena, w->path);

    w->files = GF_NEW_ARRAY(&w->arena, GfSafetensors, x->count);
    if (!w->files || !folder)
        return gf_fail_memory(x->diags);
    for (size_t i = 0; i < x->count; i++) {
        const char *path = gf_path_join(&w->arena, folder, x->names[i]);
        if (!path)
            return gf_fail_memory(x->diags);
        GF_TRY(gf_safetensors_open(&w->files[i], path, x->diags));
        w->count++;
    }
    return GF_OK;
}

/* ---- index and shards agree ---- */

static GfStatus check_entry(const Index *x, const cJSON *entry)
{
    const GfSafetensors *file = &x->weights->files[position(x, entry->valuestring)];

    if (gf_safetensors_find(file, entry->string))
        return GF_OK;
    return gf_fail(x->diags, gf_json_key_loc(&x->doc, entry), GF_ERR_TENSOR, "'%s' has no tensor '%s'",
                   entry->valuestring, entry->string);
}

static GfStatus check_tensor(const Index *x, size_t shard, const GfStTensor *t)
{
    const cJSON *entry = gf_json_find(&x->doc, x->map, t->name);

    if (!entry)
        return gf_fail(x->diags, gf_json_loc(&x->doc, x->map), GF_ERR_TENSOR,
                       "'%s' has a tensor '%s', which 'weight_map' does not list", x->names[shard], t->name);
    if (position(x, entry->valuestring) != shard)
        return gf_fail(x->diags, gf_json_loc(&x->doc, entry), GF_ERR_NAME, "tensor '%s' is in '%s' and in '%s'",
                       t->name, entry->valuestring, x->names[shard]);
    return GF_OK;
}

/* Every name of the index is in its shard, every tensor of a shard in the index. */
static GfStatus check_names(const Index *x)
{
    for (const cJSON *entry = x->map->child; entry; entry = entry->next)
        GF_TRY(check_entry(x, entry));
    for (size_t i = 0; i < x->count; i++)
        for (size_t k = 0; k < x->weights->files[i].count; k++)
            GF_TRY(check_tensor(x, i, &x->weights->files[i].tensors[k]));
    return GF_OK;
}

/* Loosely: shards may hold more, such as a wider dtype. */
static GfStatus check_total(const Index *x)
{
    const cJSON *metadata = NULL;
    double stated = 0, found = 0;

    GF_TRY(gf_json_get_object(&x->doc, x->doc.root, "metadata", GF_OPTIONAL, &metadata, x->diags));
    GF_TRY(gf_json_get_number(&x->doc, metadata, "total_size", GF_OPTIONAL, &stated, x->diags));
    for (size_t i = 0; i < x->count; i++)
        for (size_t k = 0; k < x->weights->files[i].count; k++)
            found += (double)x->weights->files[i].tensors[k].size;
    if (stated <= found)
        return GF_OK;
    return gf_fail(x->diags, gf_json_loc(&x->doc, gf_json_find(&x->doc, metadata, "total_size")), GF_ERR_FORMAT,
                   "'total_size' is %.0f, but the shards hold %.0f bytes", stated, found);
}

static GfStatus read_index(Index *x)
{
    GF_TRY(read_map(x));
    GF_TRY(list_shards(x));
    GF_TRY(open_shards(x));
    GF_TRY(check_names(x));
    return check_total(x);
}

static GfStatus open_index(GfWeights *w, GfDiags *diags)
{
    Index *x = GF_NEW(&w->arena, Index);

    if (!x)
        return gf_fail_memory(diags);
    x->weights = w;
    x->diags = diags;
    GF_TRY(gf_json_read_file(&x->doc, w->path, diags));
    GfStatus status = read_index(x);
    gf_json_close(&x->doc);
    return status;
}

/* ---- opening ---- */

static GfStatus open_file(GfWeights *w, GfDiags *diags)
{
    w->files = GF_NEW(&w->arena, GfSafetensors);
    if (!w->files)
        return gf_fail_memory(diags);
    GF_TRY(gf_safetensors_open(w->files, w->path, diags));
    w->count = 1;
    return GF_OK;
}

static bool is_index(const char *path)
{
    size_t length = strlen(path);
    return length >= 5 && strcmp(path + length - 5, ".json") == 0;
}

GfStatus gf_weights_open(GfWeights *w, const char *path, GfDiags *diags)
{
    *w = (GfWeights){0};
    gf_arena_init(&w->arena, diags ? diags->arena.allocator : NULL);
    w->path = gf_arena_strdup(&w->arena, path);
    GfStatus status = !w->path ? gf_fail_memory(diags) : is_index(path) ? open_index(w, diags) : open_file(w, diags);
    if (status != GF_OK)
        gf_weights_close(w);
    return status;
}

void gf_weights_close(GfWeights *w)
{
    for (size_t i = 0; i < w->count; i++)
        gf_safetensors_close(&w->files[i]);
    gf_arena_free(&w->arena);
    *w = (GfWeights){0};
}
