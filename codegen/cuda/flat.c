/* flat.c -- kernels over all elements of one type, in any order: optimizer
 * updates, scalar arithmetic, sums of gradients.
 *
 * The text does not know the shape: one kernel serves parameters of all sizes,
 * and launches of it that do not wait for each other run as one (a batch).
 */
#include "codegen/cuda/emit.h"

enum { THREADS = 256, TASK = 4096 };

GfStatus cuda_flat_launch(const GfRegion *r, int64_t scalars[CUDA_FLAT_SCALARS], GfWork *work, GfDiags *diags)
{
    int32_t symbol = GF_CONSTANT;
    int64_t unit = 1;

    for (uint32_t i = 0; i < r->type.rank; i++) {
        GfDim d = r->type.dims[i];
        if (d.symbol == GF_CONSTANT)
            unit *= d.size;
        else if (symbol == GF_CONSTANT)
            symbol = d.symbol;
        else
            return gf_fail(diags, r->nodes[0]->loc, GF_ERR_COMPILE,
                           "'%s' over a type with two symbolic dims is not supported by the cuda target",
                           gf_op_text(r->nodes[0]->op));
    }
    int64_t units = TASK / unit > 0 ? TASK / unit : 1;
    scalars[0] = symbol == GF_CONSTANT ? -1 : symbol;
    scalars[1] = unit;
    scalars[2] = symbol == GF_CONSTANT ? TASK : units * unit;
    *work = (GfWork){.dim = {symbol == GF_CONSTANT ? gf_dim_const(unit) : gf_dim_symbol(symbol), gf_dim_const(1)},
                     .unit = {symbol == GF_CONSTANT ? TASK : units, 1}};
    return GF_OK;
}

GfStatus cuda_emit_flat(CudaEmit *e)
{
    e->threads = THREADS;
    e->batched = true;
    e->extra_scalars = CUDA_FLAT_SCALARS;
    e->flat = true;
    GF_TRY(cuda_begin(e));
    cuda_line(e, "const long long elements = extra0 < 0 ? extra1 : sizes[extra0] * extra1;");
    cuda_line(e, "const long long end = gf_least((task + 1) * extra2, elements);");
    cuda_open(e, "for (long long i = task * extra2 + threadIdx.x; i < end; i += %d)", THREADS);
    cuda_store_outputs(e);
    cuda_close(e, "");
    cuda_end(e);
    return GF_OK;
}
