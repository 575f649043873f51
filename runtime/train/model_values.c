/* model_values.c -- see model_values.h. */
#include "runtime/train/model_values.h"

#include "runtime/io/convert.h"

#include <math.h>

typedef struct Writer {
    const char *path;
    const GfSavedTensor *tensors;
    GfStDType dtype;
    double scale;
    double *row; /* as long as the longest */
} Writer;

static int64_t row_length(const GfStoreTensor *t)
{
    return t->type.rank ? t->type.dims[t->type.rank - 1].size : 1;
}

/* Row `m` of a tensor in w->row, with the low-rank product added. */
static void make_row(const Writer *w, const GfSavedTensor *t, int64_t m)
{
    const int64_t columns = row_length(t->values), rank = t->b ? row_length(t->b) : 0;
    const float *values = t->values->data + m * columns;

    for (int64_t k = 0; k < columns; k++)
        w->row[k] = 0;
    for (int64_t r = 0; r < rank; r++) {
        const double factor = t->b->data[m * rank + r];
        const float *a = t->a->data + r * columns;
        for (int64_t k = 0; k < columns; k++)
            w->row[k] += factor * a[k];
    }
    for (int64_t k = 0; k < columns; k++)
        w->row[k] = values[k] + w->scale * w->row[k];
}

/* False when a finite number became infinite. */
static bool round_row(const Writer *w, int64_t columns, unsigned char *out)
{
    const size_t size = gf_st_dtype_size(w->dtype);

    for (int64_t k = 0; k < columns; k++) {
        gf_st_round(w->dtype, w->row[k], out + (size_t)k * size);
        if (isfinite(w->row[k]) && !isfinite(gf_st_load(w->dtype, out + (size_t)k * size)))
            return false;
    }
    return true;
}

static GfStatus fill(void *self, size_t index, void *out, GfDiags *diags)
{
    const Writer *w = self;
    const GfSavedTensor *t = &w->tensors[index];
    const int64_t columns = row_length(t->values);
    unsigned char *bytes = out;

    for (int64_t m = 0; m < t->values->count / columns; m++) {
        make_row(w, t, m);
        if (!round_row(w, columns, bytes))
            return gf_fail(diags, (GfLoc){.file = w->path}, GF_ERR_VALUE, "tensor '%s' has a number too large for %s",
                           t->name, gf_st_dtype_name(w->dtype));
        bytes += (size_t)columns * gf_st_dtype_size(w->dtype);
    }
    return GF_OK;
}

/* What need not be changed is written from where it lies. */
static GfStTensor describe(GfArena *arena, const GfSavedTensor *t, GfStDType dtype)
{
    const GfType *type = &t->values->type;
    int64_t *shape = GF_NEW_ARRAY(arena, int64_t, GF_MAX_RANK);

    for (uint32_t k = 0; k < type->rank && shape; k++)
        shape[k] = type->dims[k].size;
    return (GfStTensor){.name = t->name,
                        .dtype = dtype,
                        .rank = type->rank,
                        .shape = shape,
                        .data = t->a || dtype != GF_ST_F32 ? NULL : t->values->data};
}

static GfStatus write_in(GfArena *scratch, Writer *w, size_t count, GfDiags *diags)
{
    GfStTensor *list = GF_NEW_ARRAY(scratch, GfStTensor, count + 1);
    int64_t longest = 1;

    for (size_t i = 0; i < count && list; i++) {
        list[i] = describe(scratch, &w->tensors[i], w->dtype);
        longest = row_length(w->tensors[i].values) > longest ? row_length(w->tensors[i].values) : longest;
    }
    w->row = GF_NEW_ARRAY(scratch, double, (size_t)longest);
    if (scratch->failed)
        return gf_fail_memory(diags);
    return gf_safetensors_write_from(w->path, list, count, &(GfStSource){.fill = fill, .self = w}, diags);
}

GfStatus gf_model_values_write(const char *path, const GfSavedTensor *tensors, size_t count, GfStDType dtype,
                               double scale, GfDiags *diags)
{
    Writer w = {.path = path, .tensors = tensors, .dtype = dtype, .scale = scale};
    GfArena scratch;

    gf_arena_init(&scratch, diags ? diags->arena.allocator : NULL);
    GfStatus status = write_in(&scratch, &w, count, diags);
    gf_arena_free(&scratch);
    return status;
}
