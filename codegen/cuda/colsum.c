/* colsum.c -- sums over rows, y[j] = sum_i x[i,j], with the elementwise values
 * that feed them.
 *
 * A block takes 32 columns; its 16 warps take every 16th row each, and their
 * sums are added in order of the warps: the same bits every time.
 */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"

enum { COLUMNS = 32, WARPS = 16 };

const CudaOp cuda_sum_rows = {0};

static GfStatus add_rows(CudaEmit *e, const char **sums)
{
    cuda_open(e, "for (int row = threadIdx.x / 32; col < %s && row < %s; row += %d)", cuda_dim(e, e->r->cols),
              cuda_dim(e, e->r->rows), WARPS);
    cuda_fresh(e);
    for (uint32_t i = 0; i < e->r->output_count; i++) {
        const char *x = cuda_operand(e, e->r->outputs[i]->node, 0);
        cuda_line(e, "%s += %s;", sums[i], x);
    }
    cuda_close(e, "");
    return GF_OK;
}

GfStatus cuda_emit_colsum(CudaEmit *e)
{
    const char **sums = GF_NEW_ARRAY(e->arena, const char *, e->r->output_count + 1);

    if (!sums)
        return gf_fail_memory(e->diags);
    e->threads = COLUMNS * WARPS;
    e->work = (GfWork){.dim = {e->r->cols, gf_dim_const(1)}, .unit = {COLUMNS, 1}};
    e->row = "row";
    e->col = "col";
    GF_TRY(cuda_begin(e));
    cuda_line(e, "const int col = task * %d + threadIdx.x %% 32;", COLUMNS);
    for (uint32_t i = 0; i < e->r->output_count; i++) {
        sums[i] = cuda_fresh_name(e, "sum");
        cuda_line(e, "float %s = 0.0f;", sums[i]);
    }
    GF_TRY(add_rows(e, sums));
    for (uint32_t i = 0; i < e->r->output_count; i++) {
        cuda_line(e, "%s = gf_column_sum<%d>(%s);", sums[i], WARPS, sums[i]);
        cuda_line(e, "if (threadIdx.x < 32 && col < %s)", cuda_dim(e, e->r->cols));
        cuda_line(e, "    %s[col] = %s;", cuda_pointer(e, e->r->outputs[i]), sums[i]);
    }
    cuda_end(e);
    return GF_OK;
}
