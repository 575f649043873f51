/* safetensors.c -- see safetensors.h. */
#include "runtime/io/safetensors.h"

#include "runtime/io/convert.h"

#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are read and written as they lie in memory: little-endian"
#endif

enum { LENGTH_SIZE = 8, HEADER_MAX = 100000000, ALIGNMENT = 8 };

static const char metadata_key[] = "__metadata__";

typedef struct DTypeInfo {
    const char *name;
    size_t size;
} DTypeInfo;

static const DTypeInfo dtypes[GF_ST_DTYPE_COUNT] = {
#define X(name, bytes) [GF_ST_##name] = {#name, bytes},
    GF_ST_DTYPE_TABLE(X)
#undef X
};

const char *gf_st_dtype_name(GfStDType dtype)
{
    return dtypes[dtype].name;
}

size_t gf_st_dtype_size(GfStDType dtype)
{
    return dtypes[dtype].size;
}

/* A product of sizes; false when it overflows. */
static bool multiply(size_t a, size_t b, size_t *out)
{
    *out = a * b;
    return a == 0 || *out / a == b;
}

/* Fill in count and size from dtype and shape; false when they overflow or a size is negative. */
static bool measure(GfStTensor *t)
{
    t->count = 1;
    for (size_t i = 0; i < t->rank; i++) {
        if (t->shape[i] < 0 || !multiply(t->count, (size_t)t->shape[i], &t->count))
            return false;
    }
    return multiply(t->count, dtypes[t->dtype].size, &t->size);
}

static int compare_names(const void *a, const void *b)
{
    const GfStTensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Pointers to all tensors, sorted; NULL when memory ran out. */
static const GfStTensor **sorted(GfArena *arena, const GfStTensor *tensors, size_t count,
                                 int (*compare)(const void *, const void *))
{
    const GfStTensor **list = GF_NEW_ARRAY(arena, const GfStTensor *, count);

    for (size_t i = 0; list && i < count; i++)
        list[i] = &tensors[i];
    if (list && count > 0)
        qsort(list, count, sizeof *list, compare);
    return list;
}

/* "[2, 3]" in `arena`. */
static const char *shape_text(GfArena *arena, const int64_t *shape, size_t rank)
{
    GfText text = {.arena = arena};

    gf_text_add(&text, "[");
    for (size_t i = 0; i < rank; i++)
        gf_text_add(&text, "%s%lld", i ? ", " : "", (long long)shape[i]);
    gf_text_add(&text, "]");
    return gf_text_str(&text);
}

/* ---- reading the header ---- */

typedef struct Reader {
    GfSafetensors *file;
    const unsigned char *data; /* the byte after the header */
    size_t data_size;
    GfDiags *diags;
} Reader;

static GfLoc file_loc(const GfSafetensors *file)
{
    return (GfLoc){.file = file->path};
}

static GfLoc header_loc(const Reader *r, const cJSON *node)
{
    return gf_json_loc(&r->file->header, node);
}

static uint64_t little_endian(const unsigned char *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

/* The header's length, checked against the file's. */
static GfStatus check_lengths(const Reader *r, size_t *length)
{
    const GfFileMap *map = &r->file->map;
    GfLoc loc = file_loc(r->file);

    if (map->size < LENGTH_SIZE)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "cut short: %zu bytes, not even the 8 of the header's length",
                       map->size);
    uint64_t wanted = little_endian(map->data);
    if (wanted > HEADER_MAX)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT,
                       "not a safetensors file: a header of %llu bytes, where at most 100,000,000 are allowed",
                       (unsigned long long)wanted);
    if (wanted > map->size - LENGTH_SIZE)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "cut short: a header of %llu bytes in a file of %zu",
                       (unsigned long long)wanted, map->size);
    if (wanted == 0 || map->data[LENGTH_SIZE] != '{')
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "not a safetensors file: its header does not begin with '{'");
    *length = (size_t)wanted;
    return GF_OK;
}

static GfStatus parse_header(Reader *r)
{
    GfSafetensors *f = r->file;
    size_t length = 0;

    GF_TRY(check_lengths(r, &length));
    const char *name = gf_arena_printf(&f->arena, "%s (header)", f->path);
    if (!name)
        return gf_fail_memory(r->diags);
    r->data = f->map.data + LENGTH_SIZE + length;
    r->data_size = f->map.size - LENGTH_SIZE - length;
    return gf_json_read_text(&f->header, name, (const char *)f->map.data + LENGTH_SIZE, length, r->diags);
}

static GfStatus read_metadata(Reader *r, const cJSON *node)
{
    GfSafetensors *f = r->file;
    const cJSON *object;

    GF_TRY(gf_json_as_object(&f->header, node, NULL, &object, r->diags));
    GfStMeta *list = GF_NEW_ARRAY(&f->arena, GfStMeta, (size_t)cJSON_GetArraySize(object));
    if (!list)
        return gf_fail_memory(r->diags);
    for (const cJSON *child = object->child; child; child = child->next) {
        GfStMeta *meta = &list[f->metadata_count];
        meta->key = child->string;
        GF_TRY(gf_json_as_string(&f->header, child, NULL, &meta->value, r->diags));
        f->metadata_count++;
    }
    f->metadata = list;
    return GF_OK;
}

static GfStatus read_dtype(const Reader *r, const cJSON *entry, GfStTensor *t)
{
    const char *name = NULL;

    GF_TRY(gf_json_get_string(&r->file->header, entry, "dtype", GF_REQUIRED, &name, r->diags));
    for (int i = 0; i < GF_ST_DTYPE_COUNT; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            t->dtype = (GfStDType)i;
            return GF_OK;
        }
    }
    return gf_fail(r->diags, header_loc(r, gf_json_find(&r->file->header, entry, "dtype")), GF_ERR_FORMAT,
                   "tensor '%s' has the unknown dtype '%s'", t->name, name);
}

/* The `count` whole numbers of an array, none negative. */
static GfStatus read_sizes(const Reader *r, const cJSON *array, const char *what, int64_t *out)
{
    for (const cJSON *item = array->child; item; item = item->next, out++) {
        GF_TRY(gf_json_as_int(&r->file->header, item, what, out, r->diags));
        if (*out < 0)
            return gf_fail(r->diags, header_loc(r, item), GF_ERR_VALUE, "%s must not be negative, found %lld", what,
                           (long long)*out);
    }
    return GF_OK;
}

static GfStatus read_shape(const Reader *r, const cJSON *entry, GfStTensor *t)
{
    const cJSON *array = NULL;

    GF_TRY(gf_json_get_array(&r->file->header, entry, "shape", GF_REQUIRED, &array, r->diags));
    t->rank = (size_t)cJSON_GetArraySize(array);
    int64_t *shape = GF_NEW_ARRAY(&r->file->arena, int64_t, t->rank);
    if (!shape)
        return gf_fail_memory(r->diags);
    t->shape = shape;
    GF_TRY(read_sizes(r, array, "an item of 'shape'", shape));
    if (!measure(t))
        return gf_fail(r->diags, header_loc(r, array), GF_ERR_FORMAT, "the size of tensor '%s' overflows", t->name);
    return GF_OK;
}

static GfStatus read_offsets(const Reader *r, const cJSON *entry, GfStTensor *t)
{
    const cJSON *array = NULL;
    int64_t at[2];

    GF_TRY(gf_json_get_array(&r->file->header, entry, "data_offsets", GF_REQUIRED, &array, r->diags));
    GfLoc loc = header_loc(r, array);
    if (cJSON_GetArraySize(array) != 2)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "'data_offsets' must have 2 items, found %d",
                       cJSON_GetArraySize(array));
    GF_TRY(read_sizes(r, array, "an item of 'data_offsets'", at));
    if (at[0] > at[1])
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "tensor '%s' ends before it begins", t->name);
    if ((uint64_t)at[1] > r->data_size)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT,
                       "tensor '%s' ends at byte %lld of the data, of which there are %zu: the file is cut short",
                       t->name, (long long)at[1], r->data_size);
    if ((uint64_t)(at[1] - at[0]) != t->size)
        return gf_fail(r->diags, loc, GF_ERR_FORMAT, "tensor '%s' has %lld bytes, but its dtype and shape make %zu",
                       t->name, (long long)(at[1] - at[0]), t->size);
    t->data = r->data + at[0];
    return GF_OK;
}

static GfStatus read_tensor(const Reader *r, const cJSON *entry, GfStTensor *t)
{
    const cJSON *object;

    t->name = entry->string;
    GF_TRY(gf_json_as_object(&r->file->header, entry, NULL, &object, r->diags));
    GF_TRY(read_dtype(r, object, t));
    GF_TRY(read_shape(r, object, t));
    return read_offsets(r, object, t);
}

static GfStatus read_entries(Reader *r)
{
    GfSafetensors *f = r->file;
    const cJSON *root = f->header.root;
    GfStTensor *list = GF_NEW_ARRAY(&f->arena, GfStTensor, (size_t)cJSON_GetArraySize(root));

    if (!list)
        return gf_fail_memory(r->diags);
    f->tensors = list;
    for (const cJSON *entry = root->child; entry; entry = entry->next) {
        if (strcmp(entry->string, metadata_key) == 0)
            GF_TRY(read_metadata(r, entry));
        else
            GF_TRY(read_tensor(r, entry, &list[f->count++]));
    }
    f->by_name = sorted(&f->arena, f->tensors, f->count, compare_names);
    return f->by_name ? GF_OK : gf_fail_memory(r->diags);
}

/* By where they begin; an empty tensor before the one that begins where it stands. */
static int compare_places(const void *a, const void *b)
{
    const GfStTensor *x = *(const GfStTensor *const *)a, *y = *(const GfStTensor *const *)b;
    const unsigned char *begin_x = x->data, *begin_y = y->data;

    if (begin_x != begin_y)
        return begin_x < begin_y ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

/* Each tensor begins where the one before ends, the last one ends with the file. */
static GfStatus check_coverage(Reader *r)
{
    GfSafetensors *f = r->file;
    const GfStTensor **list = sorted(&f->arena, f->tensors, f->count, compare_places);
    size_t end = 0;

    if (!list)
        return gf_fail_memory(r->diags);
    for (size_t i = 0; i < f->count; i++) {
        size_t begin = (size_t)((const unsigned char *)list[i]->data - r->data);
        if (begin < end)
            return gf_fail(r->diags, file_loc(f), GF_ERR_FORMAT, "tensors '%s' and '%s' overlap", list[i - 1]->name,
                           list[i]->name);
        if (begin > end)
            return gf_fail(r->diags, file_loc(f), GF_ERR_FORMAT, "a hole of %zu bytes before tensor '%s'", begin - end,
                           list[i]->name);
        end = begin + list[i]->size;
    }
    if (end != r->data_size)
        return gf_fail(r->diags, file_loc(f), GF_ERR_FORMAT, "%zu bytes after the last tensor", r->data_size - end);
    return GF_OK;
}

static GfStatus open_checked(Reader *r, const char *path)
{
    GfSafetensors *f = r->file;

    f->path = gf_arena_strdup(&f->arena, path);
    if (!f->path)
        return gf_fail_memory(r->diags);
    GF_TRY(gf_file_map(&f->map, path, r->diags));
    GF_TRY(parse_header(r));
    GF_TRY(read_entries(r));
    return check_coverage(r);
}

GfStatus gf_safetensors_open(GfSafetensors *file, const char *path, GfDiags *diags)
{
    Reader r = {.file = file, .diags = diags};

    *file = (GfSafetensors){0};
    gf_arena_init(&file->arena, diags ? diags->arena.allocator : NULL);
    GfStatus status = open_checked(&r, path);
    if (status != GF_OK)
        gf_safetensors_close(file);
    return status;
}

void gf_safetensors_close(GfSafetensors *file)
{
    gf_json_close(&file->header);
    gf_file_unmap(&file->map);
    gf_arena_free(&file->arena);
    *file = (GfSafetensors){0};
}

/* ---- looking up ---- */

const GfStTensor *gf_safetensors_find(const GfSafetensors *file, const char *name)
{
    size_t low = 0, high = file->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, file->by_name[middle]->name);
        if (order == 0)
            return file->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static GfStatus wrong_shape(const GfSafetensors *file, const GfStTensor *t, const int64_t *shape, size_t rank,
                            GfDiags *diags)
{
    if (!diags)
        return GF_ERR_TENSOR;
    return gf_fail(diags, file_loc(file), GF_ERR_TENSOR, "tensor '%s' has shape %s, expected %s", t->name,
                   shape_text(&diags->arena, t->shape, t->rank), shape_text(&diags->arena, shape, rank));
}

GfStatus gf_safetensors_expect(const GfSafetensors *file, const char *name, const int64_t *shape, size_t rank,
                               const GfStTensor **out, GfDiags *diags)
{
    const GfStTensor *t = gf_safetensors_find(file, name);

    if (!t)
        return gf_fail(diags, file_loc(file), GF_ERR_TENSOR, "has no tensor '%s'", name);
    if (t->rank != rank || (rank && memcmp(t->shape, shape, rank * sizeof *shape) != 0))
        return wrong_shape(file, t, shape, rank, diags);
    *out = t;
    return GF_OK;
}

void gf_safetensors_release(const GfSafetensors *file, const GfStTensor *tensor)
{
    gf_file_release(&file->map, (size_t)((const unsigned char *)tensor->data - file->map.data), tensor->size);
}

/* ---- converting ---- */

static GfStatus check_float(const GfSafetensors *file, const GfStTensor *t, GfDiags *diags)
{
    if (t->dtype == GF_ST_F32 || t->dtype == GF_ST_F16 || t->dtype == GF_ST_BF16 || t->dtype == GF_ST_F64)
        return GF_OK;
    return gf_fail(diags, file_loc(file), GF_ERR_TENSOR, "tensor '%s' has dtype %s, expected F32, F16, BF16 or F64",
                   t->name, dtypes[t->dtype].name);
}

GfStatus gf_safetensors_read_f32(const GfSafetensors *file, const GfStTensor *tensor, float *out, GfDiags *diags)
{
    const unsigned char *p = tensor->data;

    GF_TRY(check_float(file, tensor, diags));
    if (tensor->dtype == GF_ST_F32) {
        memcpy(out, p, tensor->size);
        return GF_OK;
    }
    for (size_t i = 0, step = dtypes[tensor->dtype].size; i < tensor->count; i++)
        out[i] = (float)gf_st_load(tensor->dtype, p + i * step);
    return GF_OK;
}

GfStatus gf_safetensors_read_f64(const GfSafetensors *file, const GfStTensor *tensor, double *out, GfDiags *diags)
{
    const unsigned char *p = tensor->data;

    GF_TRY(check_float(file, tensor, diags));
    for (size_t i = 0, step = dtypes[tensor->dtype].size; i < tensor->count; i++)
        out[i] = gf_st_load(tensor->dtype, p + i * step);
    return GF_OK;
}

/* ---- writing ---- */

static void add_metadata(GfText *text, const GfStMeta *metadata, size_t count)
{
    gf_text_add(text, "{\"%s\":{\"format\":\"pt\"", metadata_key);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(metadata[i].key, "format") == 0)
            continue;
        gf_text_add(text, ",");
        gf_json_quote(text, metadata[i].key);
        gf_text_add(text, ":");
        gf_json_quote(text, metadata[i].value);
    }
    gf_text_add(text, "}");
}

static void add_entry(GfText *text, const GfStTensor *t, size_t begin)
{
    gf_text_add(text, ",");
    gf_json_quote(text, t->name);
    gf_text_add(text, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[t->dtype].name);
    for (size_t i = 0; i < t->rank; i++)
        gf_text_add(text, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    gf_text_add(text, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->size);
}

/* Copies with count and size, checked, in `arena`. */
static GfStatus measure_all(GfArena *arena, const char *path, const GfStTensor *tensors, size_t count, GfStTensor **out,
                            GfDiags *diags)
{
    GfLoc loc = {.file = path};
    GfStTensor *list = GF_NEW_ARRAY(arena, GfStTensor, count);
    size_t total = 0;

    for (size_t i = 0; list && i < count; i++) {
        list[i] = tensors[i];
        if (strcmp(list[i].name, metadata_key) == 0)
            return gf_fail(diags, loc, GF_ERR_NAME, "no tensor can be named '%s'", metadata_key);
        if (!measure(&list[i]) || list[i].size > SIZE_MAX / 2 - total)
            return gf_fail(diags, loc, GF_ERR_TENSOR, "the size of tensor '%s' overflows", list[i].name);
        total += list[i].size;
    }
    *out = list;
    return list ? GF_OK : gf_fail_memory(diags);
}

static GfStatus check_names(GfArena *arena, const char *path, const GfStTensor *tensors, size_t count, GfDiags *diags)
{
    const GfStTensor **list = sorted(arena, tensors, count, compare_names);

    if (!list)
        return gf_fail_memory(diags);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(list[i - 1]->name, list[i]->name) == 0)
            return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_NAME, "two tensors named '%s'", list[i]->name);
    }
    return GF_OK;
}

/* The header's JSON, padded so that the data begins at a multiple of 8. */
static GfStatus make_header(GfText *text, const char *path, const GfStTensor *tensors, size_t count,
                            const GfStMeta *metadata, size_t metadata_count, GfDiags *diags)
{
    size_t begin = 0;

    add_metadata(text, metadata, metadata_count);
    for (size_t i = 0; i < count; i++) {
        add_entry(text, &tensors[i], begin);
        begin += tensors[i].size;
    }
    gf_text_add(text, "}");
    gf_text_add(text, "%*s", (int)((ALIGNMENT - text->length % ALIGNMENT) % ALIGNMENT), "");
    if (text->arena->failed)
        return gf_fail_memory(diags);
    if (text->length > HEADER_MAX)
        return gf_fail(diags, (GfLoc){.file = path}, GF_ERR_TENSOR, "a header of %zu bytes; at most 100,000,000 fit",
                       text->length);
    return GF_OK;
}

/* Tensors without data, one after the other, in a buffer as large as the largest. */
static GfStatus add_filled(GfFileWriter *w, GfArena *arena, const GfStTensor *tensors, size_t count,
                           const GfStSource *source, GfDiags *diags)
{
    size_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = !tensors[i].data && tensors[i].size > most ? tensors[i].size : most;
    void *buffer = gf_arena_alloc(arena, most + 1);
    if (!buffer)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < count; i++) {
        if (!tensors[i].data && tensors[i].size)
            GF_TRY(source->fill(source->self, i, buffer, diags));
        gf_file_add(w, tensors[i].data ? tensors[i].data : buffer, tensors[i].size);
    }
    return GF_OK;
}

static GfStatus write_file(GfArena *arena, const char *path, const GfText *header, const GfStTensor *tensors,
                           size_t count, const GfStSource *source, GfDiags *diags)
{
    uint64_t length = header->length;
    GfFileWriter w;

    gf_file_begin(&w, path, diags);
    gf_file_add(&w, &length, sizeof length);
    gf_file_add(&w, header->data, header->length);
    GfStatus status = add_filled(&w, arena, tensors, count, source, diags);
    if (status == GF_OK)
        return gf_file_commit(&w);
    gf_file_abandon(&w);
    return status;
}

static GfStatus write_in(GfArena *arena, const char *path, const GfStTensor *tensors, size_t count,
                         const GfStMeta *metadata, size_t metadata_count, const GfStSource *source, GfDiags *diags)
{
    GfText header = {.arena = arena};
    GfStTensor *list = NULL;

    GF_TRY(measure_all(arena, path, tensors, count, &list, diags));
    GF_TRY(check_names(arena, path, list, count, diags));
    GF_TRY(make_header(&header, path, list, count, metadata, metadata_count, diags));
    return write_file(arena, path, &header, list, count, source, diags);
}

GfStatus gf_safetensors_write_from(const char *path, const GfStTensor *tensors, size_t count, const GfStSource *source,
                                   GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfStatus status = write_in(&scratch, path, tensors, count, NULL, 0, source, diags);
    gf_arena_free(&scratch);
    return status;
}

GfStatus gf_safetensors_write(const char *path, const GfStTensor *tensors, size_t count, const GfStMeta *metadata,
                              size_t metadata_count, GfDiags *diags)
{
    GfArena scratch;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfStatus status = write_in(&scratch, path, tensors, count, metadata, metadata_count, NULL, diags);
    gf_arena_free(&scratch);
    return status;
}
