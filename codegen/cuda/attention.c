/* attention.c -- attention over packed sequences: the call of the device header. */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"
#include "codegen/lower.h"

enum { THREADS = 128, TILE = 32, TURNS = 2 }; /* as in device/attention.cuh */
enum { LARGEST_HEAD = 128 };

static GfStatus head_size(CudaEmit *e, const GfNode *n, uint32_t q, int64_t *size)
{
    int64_t heads = gf_attr_i(n, "heads");
    GfDim width = cuda_shape(&gf_operand(n, q)->type).cols;

    *size = width.symbol == GF_CONSTANT ? width.size / heads : 0;
    if (*size < 1 || *size > LARGEST_HEAD)
        return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "heads of %lld columns: the cuda target takes 1 to %d",
                       (long long)*size, LARGEST_HEAD);
    return GF_OK;
}

/* `blocks` for each head of each sequence; `tiles` of rows of the head and two of scores. */
static void divide(CudaEmit *e, const GfNode *n, uint32_t starts, int64_t size, int tiles, int blocks)
{
    int64_t line = ((size + 3) / 4 | 1) * 4;

    e->threads = THREADS;
    e->shared = (uint32_t)(tiles * TILE * line + 2 * TILE * (TILE + 4)) * 4;
    e->work = (GfWork){.dim = {gf_operand(n, starts)->type.dims[0], gf_dim_const(blocks * gf_attr_i(n, "heads"))},
                       .unit = {1, 1}};
}

/* The pointer of a result, or nullptr when nobody reads it. */
static const char *result_pointer(CudaEmit *e, const GfNode *n, uint32_t i)
{
    return gf_region_is_output(e->r, &n->results[i]) ? cuda_pointer(e, &n->results[i]) : "nullptr";
}

static const char *dropout_args(CudaEmit *e, const GfNode *n)
{
    return cuda_text(e, "gf_seed0, %.17g", gf_attr_f(n, "p"));
}

static const char *frame_args(CudaEmit *e, const GfNode *n, uint32_t starts)
{
    return cuda_text(e, "%s, %s, %s, %lld, task", cuda_pointer(e, gf_operand(n, starts)),
                     cuda_pointer(e, gf_operand(n, starts + 1)), cuda_dim(e, gf_operand(n, starts)->type.dims[0]),
                     (long long)gf_attr_i(n, "heads"));
}

/* Template arguments behind the head's size: with dropout; first queries only. */
static const char *kinds(const GfNode *n)
{
    bool drops = gf_attr_f(n, "p") > 0;

    if (gf_attr_i(n, "first"))
        return drops ? "true, true" : "false, true";
    return drops ? "true, false" : "false, false";
}

static GfStatus attention_kernel(CudaEmit *e, const GfNode *n)
{
    int64_t size;

    GF_TRY(head_size(e, n, 0, &size));
    divide(e, n, 3, size, 3, TURNS);
    GF_TRY(cuda_begin(e));
    cuda_line(e, "gf_attention<%lld, %s>(%s, %s, %s, %s, %s,", (long long)size, kinds(n),
              cuda_pointer(e, gf_operand(n, 0)), cuda_pointer(e, gf_operand(n, 1)), cuda_pointer(e, gf_operand(n, 2)),
              result_pointer(e, n, 0), result_pointer(e, n, 1));
    cuda_line(e, "    %s, %s);", frame_args(e, n, 3), dropout_args(e, n));
    cuda_end(e);
    return GF_OK;
}

const CudaOp cuda_attention = {.kernel = attention_kernel};

static GfStatus attention_grad_kernel(CudaEmit *e, const GfNode *n)
{
    int64_t size;

    GF_TRY(head_size(e, n, 1, &size));
    divide(e, n, 6, size, 4, 2 * TURNS);
    GF_TRY(cuda_begin(e));
    cuda_line(e, "gf_attention_grad<%lld, %s>(%s, %s, %s, %s, %s, %s, %s, %s, %s,", (long long)size, kinds(n),
              cuda_pointer(e, gf_operand(n, 0)), cuda_pointer(e, gf_operand(n, 1)), cuda_pointer(e, gf_operand(n, 2)),
              cuda_pointer(e, gf_operand(n, 3)), cuda_pointer(e, gf_operand(n, 4)), cuda_pointer(e, gf_operand(n, 5)),
              result_pointer(e, n, 0), result_pointer(e, n, 1), result_pointer(e, n, 2));
    cuda_line(e, "    %s, %s);", frame_args(e, n, 6), dropout_args(e, n));
    cuda_end(e);
    return GF_OK;
}

const CudaOp cuda_attention_grad = {.kernel = attention_grad_kernel};
