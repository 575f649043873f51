/* opaque.c -- kernels of one op: sums over everything, and scatter_add.
 *
 * The order of additions is fixed by the op and the number of threads.
 */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"
#include "codegen/lower.h"

#include <inttypes.h>

enum { SUM_THREADS = 1024, PART_THREADS = 256, SCATTER_ROWS = 16, SCATTER_COLUMNS = 128 };

static const GfWork one_task = {.dim = {{GF_CONSTANT, 1}, {GF_CONSTANT, 1}}, .unit = {1, 1}};

static const char *elements_of(CudaEmit *e, const GfType *type)
{
    GfText text = {.arena = e->arena};

    gf_text_add(&text, "1ll");
    for (uint32_t i = 0; i < type->rank; i++)
        gf_text_add(&text, " * %s", cuda_dim(e, type->dims[i]));
    return gf_text_str(&text);
}

/* ---- sum, mean --------------------------------------------------------------------- */

static GfStatus sum_all(CudaEmit *e, const GfNode *n, bool mean)
{
    const GfValue *x = gf_operand(n, 0);

    e->threads = SUM_THREADS;
    e->work = one_task;
    GF_TRY(cuda_begin(e));
    cuda_line(e, "if (task > 0)");
    cuda_line(e, "    return;");
    cuda_line(e, "const long long elements = %s;", elements_of(e, &x->type));
    cuda_line(e, "const double sum = gf_sum_of<%u>(%s, 0, elements);", e->threads, cuda_pointer(e, x));
    cuda_line(e, "if (threadIdx.x == 0)");
    cuda_line(e, "    %s[0] = (float)%s;", cuda_pointer(e, &n->results[0]), mean ? "(sum / (double)elements)" : "sum");
    cuda_end(e);
    return GF_OK;
}

static GfStatus sum_kernel(CudaEmit *e, const GfNode *n)
{
    return sum_all(e, n, false);
}

static GfStatus mean_kernel(CudaEmit *e, const GfNode *n)
{
    return sum_all(e, n, true);
}

const CudaOp cuda_sum = {.kernel = sum_kernel};
const CudaOp cuda_mean = {.kernel = mean_kernel};

/* ---- the gradient norm ---------------------------------------------------------------- */

static GfStatus sum_squares_kernel(CudaEmit *e, const GfNode *n)
{
    e->threads = PART_THREADS;
    e->batched = true;
    e->extra_scalars = GF_SIZED_SCALARS;
    GF_TRY(cuda_begin(e));
    cuda_line(e, "if (task >= extra2)");
    cuda_line(e, "    return;");
    cuda_begin_sized(e);
    cuda_line(e, "const long long slice = (elements + extra2 - 1) / extra2;");
    cuda_line(e, "const long long from = gf_least(task * slice, elements), to = gf_least(from + slice, elements);");
    cuda_line(e, "const double sum = gf_sum_squares_of<%u>(%s, from, to);", e->threads,
              cuda_pointer(e, gf_operand(n, 0)));
    cuda_line(e, "if (threadIdx.x == 0)");
    cuda_line(e, "    %s[task] = (float)sum;", cuda_pointer(e, &n->results[0]));
    cuda_end(e);
    return GF_OK;
}

const CudaOp cuda_sum_squares = {.kernel = sum_squares_kernel};

static GfStatus global_norm_kernel(CudaEmit *e, const GfNode *n)
{
    e->threads = PART_THREADS;
    e->work = one_task;
    GF_TRY(cuda_begin(e));
    cuda_line(e, "if (task > 0)");
    cuda_line(e, "    return;");
    cuda_line(e, "double sum = 0.0;");
    for (uint32_t i = 0; i < n->operand_count; i++)
        cuda_line(e, "sum += gf_part_of<%u>(%s, %s);", e->threads, cuda_pointer(e, gf_operand(n, i)),
                  elements_of(e, &gf_operand(n, i)->type));
    cuda_line(e, "sum = gf_block_sum<%u>(sum);", e->threads);
    cuda_line(e, "if (threadIdx.x == 0)");
    cuda_line(e, "    %s[0] = (float)sqrt(sum);", cuda_pointer(e, &n->results[0]));
    cuda_end(e);
    return GF_OK;
}

const CudaOp cuda_global_norm = {.kernel = global_norm_kernel};

/* ---- scatter_add: a block owns some rows and columns of the result ---------------------- */

/* Rows that are addressed: a vector has one element a row. */
static CudaShape addressed(const GfType *type)
{
    CudaShape s = cuda_shape(type);
    return type->rank == 1 ? (CudaShape){s.cols, gf_dim_const(1)} : s;
}

static GfStatus scatter_add_kernel(CudaEmit *e, const GfNode *n)
{
    CudaShape table = addressed(&n->results[0].type), x = addressed(&gf_operand(n, 0)->type);

    e->threads = SCATTER_COLUMNS;
    e->work = (GfWork){.dim = {table.rows, table.cols}, .unit = {SCATTER_ROWS, SCATTER_COLUMNS}};
    GF_TRY(cuda_begin(e));
    cuda_line(e, "gf_scatter_add<%d, %d>(%s, %s, %s, %s, %s, %s, task);", SCATTER_ROWS, SCATTER_COLUMNS,
              cuda_pointer(e, gf_operand(n, 0)), cuda_pointer(e, gf_operand(n, 1)), cuda_pointer(e, &n->results[0]),
              cuda_dim(e, x.rows), cuda_dim(e, table.rows), cuda_dim(e, table.cols));
    cuda_end(e);
    return GF_OK;
}

const CudaOp cuda_scatter_add = {.kernel = scatter_add_kernel};
