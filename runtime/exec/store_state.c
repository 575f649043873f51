/* store_state.c -- see store_state.h. */
#include "runtime/exec/store_state.h"

#include <string.h>

enum { FILES_MAX = 4 };

static bool is_saved(const GfStoreTensor *t, bool with_params)
{
    return t->kind == GF_TENSOR_STATE || (with_params && t->updated);
}

static bool is_loaded(const GfStoreTensor *t, GfStoreLoad what)
{
    return t->kind == GF_TENSOR_STATE ? what == GF_LOAD_ALL : t->updated;
}

static int64_t *shape_of(const GfType *type, GfArena *arena)
{
    int64_t *shape = GF_NEW_ARRAY(arena, int64_t, GF_MAX_RANK);

    for (uint32_t i = 0; i < type->rank && shape; i++)
        shape[i] = type->dims[i].size;
    return shape;
}

GfStatus gf_store_save_state(GfStore *s, const char *path, bool with_params, GfDiags *diags)
{
    GfArena scratch;
    size_t count = 0;

    GF_TRY(gf_store_pull(s, diags));
    gf_arena_init(&scratch, s->arena.allocator);
    GfStTensor *list = GF_NEW_ARRAY(&scratch, GfStTensor, s->count + 1);
    for (size_t i = 0; i < s->count && list; i++) {
        const GfStoreTensor *t = &s->tensors[i];
        if (is_saved(t, with_params))
            list[count++] = (GfStTensor){.name = t->name,
                                         .dtype = GF_ST_F32,
                                         .rank = t->type.rank,
                                         .shape = shape_of(&t->type, &scratch),
                                         .data = t->data};
    }
    GfStatus status = scratch.failed ? gf_fail_memory(diags) : gf_safetensors_write(path, list, count, NULL, 0, diags);
    gf_arena_free(&scratch);
    return status;
}

/* ---- a training that begins again ---- */

static bool is_trained(const GfStoreTensor *t)
{
    return t->kind == GF_TENSOR_PARAM && t->updated;
}

static size_t bytes_of(const GfStoreTensor *t)
{
    return (size_t)t->count * sizeof *t->data;
}

GfStatus gf_store_copy_params(GfStore *s, GfMemory *copy, GfDiags *diags)
{
    size_t size = 0, at = 0;

    GF_TRY(gf_store_pull(s, diags));
    for (size_t i = 0; i < s->count; i++)
        size += is_trained(&s->tensors[i]) ? bytes_of(&s->tensors[i]) : 0;
    GF_TRY(gf_memory_map(copy, (int64_t)size, "a copy of the parameters", diags));
    for (size_t i = 0; i < s->count; i++) {
        if (!is_trained(&s->tensors[i]))
            continue;
        memcpy((char *)copy->data + at, s->tensors[i].data, bytes_of(&s->tensors[i]));
        at += bytes_of(&s->tensors[i]);
    }
    return GF_OK;
}

GfStatus gf_store_start_over(GfStore *s, const GfMemory *copy, GfDiags *diags)
{
    const char *from = copy->data;

    for (size_t i = 0; i < s->count; i++) {
        const GfStoreTensor *t = &s->tensors[i];
        if (t->kind == GF_TENSOR_STATE)
            memset(t->data, 0, bytes_of(t));
        if (!is_trained(t))
            continue;
        memcpy(t->data, from, bytes_of(t));
        from += bytes_of(t);
    }
    return gf_store_push(s, diags);
}

/* ---- loading ---- */

typedef struct Files {
    GfSafetensors files[FILES_MAX];
    size_t count;
} Files;

static GfStatus open_all(Files *f, const char *const *paths, size_t count, GfDiags *diags)
{
    for (; f->count < count && f->count < FILES_MAX; f->count++)
        GF_TRY(gf_safetensors_open(&f->files[f->count], paths[f->count], diags));
    return GF_OK;
}

static const GfSafetensors *find_file(const Files *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (gf_safetensors_find(&f->files[i], name))
            return &f->files[i];
    return NULL;
}

static GfStatus load_one(const Files *f, const GfStoreTensor *t, GfDiags *diags)
{
    const GfSafetensors *file = find_file(f, t->name);
    int64_t shape[GF_MAX_RANK];
    const GfStTensor *found;

    if (!file)
        return gf_fail(diags, (GfLoc){.file = f->files[0].path}, GF_ERR_TENSOR,
                       "'%s', which the training writes, is not here: the checkpoint is of another job", t->name);
    for (uint32_t i = 0; i < t->type.rank; i++)
        shape[i] = t->type.dims[i].size;
    GF_TRY(gf_safetensors_expect(file, t->name, shape, t->type.rank, &found, diags));
    return gf_safetensors_read_f32(file, found, t->data, diags);
}

static GfStatus load_all(const Files *f, GfStore *s, GfStoreLoad what, GfDiags *diags)
{
    for (size_t i = 0; i < s->count; i++)
        if (is_loaded(&s->tensors[i], what))
            GF_TRY(load_one(f, &s->tensors[i], diags));
    return gf_store_push(s, diags);
}

GfStatus gf_store_load_state(GfStore *s, const char *const *paths, size_t count, GfStoreLoad what, GfDiags *diags)
{
    Files files = {.count = 0};

    GF_TRY(gf_store_pull(s, diags)); /* what is not loaded goes back as it was */
    GfStatus status = open_all(&files, paths, count, diags);
    if (status == GF_OK)
        status = load_all(&files, s, what, diags);
    for (size_t i = 0; i < files.count; i++)
        gf_safetensors_close(&files.files[i]);
    return status;
}
