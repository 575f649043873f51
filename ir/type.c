/* type.c -- dims, types and dtypes; see ir.h. */
#include "ir/ir.h"

GfDim gf_dim_const(int64_t size)
{
    return (GfDim){.symbol = GF_CONSTANT, .size = size};
}

GfDim gf_dim_symbol(int32_t symbol)
{
    return (GfDim){.symbol = symbol, .size = 0};
}

bool gf_dim_eq(GfDim a, GfDim b)
{
    return a.symbol == b.symbol && (a.symbol != GF_CONSTANT || a.size == b.size);
}

bool gf_dim_is(GfDim a, int64_t size)
{
    return a.symbol == GF_CONSTANT && a.size == size;
}

bool gf_type_eq(const GfType *a, const GfType *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (!gf_dim_eq(a->dims[i], b->dims[i]))
            return false;
    }
    return true;
}

GfType gf_type_scalar(GfDType dtype)
{
    return (GfType){.dtype = dtype};
}

GfType gf_type_vector(GfDType dtype, GfDim n)
{
    return (GfType){.dtype = dtype, .rank = 1, .dims = {n}};
}

GfType gf_type_matrix(GfDType dtype, GfDim n, GfDim m)
{
    return (GfType){.dtype = dtype, .rank = 2, .dims = {n, m}};
}

size_t gf_dtype_size(GfDType dtype)
{
    return dtype == GF_BF16 ? 2 : 4;
}

const char *gf_dtype_text(GfDType dtype)
{
    static const char *const text[GF_DTYPE_COUNT] = {[GF_F32] = "f32", [GF_BF16] = "bf16", [GF_I32] = "i32"};
    return text[dtype];
}

int64_t gf_dim_value(GfDim dim, const int64_t *sizes)
{
    if (dim.symbol == GF_CONSTANT)
        return dim.size;
    return sizes ? sizes[dim.symbol] : -1;
}

int64_t gf_type_elements(const GfType *type, const int64_t *sizes)
{
    int64_t count = 1;

    for (uint32_t i = 0; i < type->rank; i++) {
        int64_t size = gf_dim_value(type->dims[i], sizes);
        if (size < 0 || __builtin_mul_overflow(count, size, &count))
            return -1;
    }
    return count;
}

/* Dim `i` of `type` seen with `rank` dims: missing ones on the left are 1. */
static GfDim padded_dim(const GfType *type, uint32_t rank, uint32_t i)
{
    uint32_t missing = rank - type->rank;
    return i < missing ? gf_dim_const(1) : type->dims[i - missing];
}

bool gf_broadcast(const GfType *a, const GfType *b, GfType *out)
{
    GfType result = {.dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank};

    for (uint32_t i = 0; i < result.rank; i++) {
        GfDim x = padded_dim(a, result.rank, i), y = padded_dim(b, result.rank, i);
        if (!gf_dim_eq(x, y) && !gf_dim_is(x, 1) && !gf_dim_is(y, 1))
            return false;
        result.dims[i] = gf_dim_is(x, 1) ? y : x;
    }
    *out = result;
    return true;
}

/* The product of two dims, where it is a dim: of constants, or by 1. */
static bool dim_product(GfDim a, GfDim b, GfDim *out)
{
    if (gf_dim_is(a, 1) || gf_dim_is(b, 1)) {
        *out = gf_dim_is(a, 1) ? b : a;
        return true;
    }
    *out = gf_dim_const(0);
    return a.symbol == GF_CONSTANT && b.symbol == GF_CONSTANT && !__builtin_mul_overflow(a.size, b.size, &out->size);
}

bool gf_as_matrix(const GfType *type, GfDim *n, GfDim *m)
{
    *n = gf_dim_const(1);
    *m = type->rank ? type->dims[type->rank - 1] : gf_dim_const(1);
    for (uint32_t i = 0; i + 1 < type->rank; i++) {
        if (!dim_product(*n, type->dims[i], n))
            return false;
    }
    return true;
}
