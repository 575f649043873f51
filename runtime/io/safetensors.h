/* safetensors.h -- tensors in files, as Hugging Face stores them.
 *
 *   u64 little-endian N, at most 100 MB
 *   N bytes of JSON: {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
 *                     "__metadata__": {"format": "pt"}}
 *   data: row-major, little-endian, without holes or overlaps
 *
 * A file is mapped, so that what is never read costs nothing; all of its header is
 * checked before anything is handed out.
 * Source: https://github.com/huggingface/safetensors, "Format" and safetensors/src/tensor.rs.
 */
#ifndef GF_RUNTIME_IO_SAFETENSORS_H
#define GF_RUNTIME_IO_SAFETENSORS_H

#include "frontend/graph/json.h"
#include "runtime/io/file.h"

/* X(name, bytes).  All can be listed, copied and written; only the floating-point
 * ones of at least 16 bits can be read as numbers. */
#define GF_ST_DTYPE_TABLE(X)                                                                                           \
    X(F32, 4)                                                                                                          \
    X(F64, 8)                                                                                                          \
    X(F16, 2)                                                                                                          \
    X(BF16, 2)                                                                                                         \
    X(I64, 8)                                                                                                          \
    X(I32, 4)                                                                                                          \
    X(I16, 2)                                                                                                          \
    X(I8, 1)                                                                                                           \
    X(U64, 8)                                                                                                          \
    X(U32, 4)                                                                                                          \
    X(U16, 2)                                                                                                          \
    X(U8, 1)                                                                                                           \
    X(F8_E4M3, 1)                                                                                                      \
    X(F8_E5M2, 1)                                                                                                      \
    X(BOOL, 1)

typedef enum GfStDType {
#define X(name, bytes) GF_ST_##name,
    GF_ST_DTYPE_TABLE(X)
#undef X
        GF_ST_DTYPE_COUNT
} GfStDType;

const char *gf_st_dtype_name(GfStDType dtype);
size_t gf_st_dtype_size(GfStDType dtype);

typedef struct GfStTensor {
    const char *name;
    GfStDType dtype;
    size_t rank;
    const int64_t *shape; /* `rank` sizes, each >= 0; their product is `count` */
    size_t count;
    size_t size;      /* in bytes */
    const void *data; /* in a file of unusual padding not aligned: read it with memcpy */
} GfStTensor;

typedef struct GfStMeta {
    const char *key;
    const char *value;
} GfStMeta;

typedef struct GfSafetensors {
    const char *path;
    const GfStTensor *tensors; /* in the header's order */
    size_t count;
    const GfStMeta *metadata;
    size_t metadata_count;
    const GfStTensor *const *by_name; /* sorted */
    GfArena arena;                    /* of all the above */
    GfJson header;                    /* of the names */
    GfFileMap map;
} GfSafetensors;

/* Map and check a file.  On error nothing needs closing (closing is harmless).
 * Errors: GF_ERR_IO; GF_ERR_FORMAT damaged, cut short or no safetensors file;
 * GF_ERR_SYNTAX, GF_ERR_KEY, GF_ERR_VALUE a header that is not the JSON it should be. */
GfStatus gf_safetensors_open(GfSafetensors *file, const char *path, GfDiags *diags);
void gf_safetensors_close(GfSafetensors *file);

/* The tensor of this name, or NULL.  O(log count). */
const GfStTensor *gf_safetensors_find(const GfSafetensors *file, const char *name);

/* The tensor of this name and shape.  Errors: GF_ERR_TENSOR. */
GfStatus gf_safetensors_expect(const GfSafetensors *file, const char *name, const int64_t *shape, size_t rank,
                               const GfStTensor **out, GfDiags *diags);

/* All `count` elements of a tensor of dtype F32, F16, BF16 or F64.  Narrowing from
 * F64 rounds to nearest.  Errors: GF_ERR_TENSOR another dtype. */
GfStatus gf_safetensors_read_f32(const GfSafetensors *file, const GfStTensor *tensor, float *out, GfDiags *diags);
GfStatus gf_safetensors_read_f64(const GfSafetensors *file, const GfStTensor *tensor, double *out, GfDiags *diags);

/* A tensor has been copied: let its pages go. */
void gf_safetensors_release(const GfSafetensors *file, const GfStTensor *tensor);

/* Write tensors in the order given; `count` and `size` of each are computed here.
 * The metadata gets "format": "pt" first, without which transformers refuses a file.
 * On error the file that was there before is there still.
 * Errors: GF_ERR_IO, GF_ERR_MEMORY, GF_ERR_NAME a name twice or reserved,
 * GF_ERR_TENSOR a shape that is negative or too large. */
GfStatus gf_safetensors_write(const char *path, const GfStTensor *tensors, size_t count, const GfStMeta *metadata,
                              size_t metadata_count, GfDiags *diags);

/* Where the values of tensors without data come from: `fill` writes all `size`
 * bytes of tensor `index` to `out`. */
typedef struct GfStSource {
    GfStatus (*fill)(void *self, size_t index, void *out, GfDiags *diags);
    void *self;
} GfStSource;

/* The same, one tensor in memory at a time.  Errors also: those of `fill`. */
GfStatus gf_safetensors_write_from(const char *path, const GfStTensor *tensors, size_t count, const GfStSource *source,
                                   GfDiags *diags);

#endif
