/* flat.c -- kernels over all elements of one type, in any order: optimizer
 * updates, scalar arithmetic, sums of gradients.
 *
 * The text does not know the shape: one kernel serves parameters of all sizes,
 * and launches of it that do not wait for each other run as one (a batch).
 */
#include "codegen/cuda/emit.h"

enum { THREADS = 256, TASK = 4096 };

/* scalars {symbol or -1, elements a unit of it} of a type. */
static GfStatus set_extent(const GfRegion *r, const GfType *type, int64_t scalars[2], GfDiags *diags)
{
    int32_t symbol = GF_CONSTANT;
    int64_t unit = 1;

    for (uint32_t i = 0; i < type->rank; i++) {
        GfDim d = type->dims[i];
        if (d.symbol == GF_CONSTANT)
            unit *= d.size;
        else if (symbol == GF_CONSTANT)
            symbol = d.symbol;
        else
            return gf_fail(diags, r->nodes[0]->loc, GF_ERR_COMPILE,
                           "'%s' over a type with two symbolic dims is not supported by the cuda target",
                           gf_op_text(r->nodes[0]->op));
    }
    scalars[0] = symbol == GF_CONSTANT ? -1 : symbol;
    scalars[1] = unit;
    return GF_OK;
}

GfStatus cuda_sized_launch(const GfRegion *r, int64_t scalars[CUDA_SIZED_SCALARS], GfWork *work, GfDiags *diags)
{
    bool squares = r->kind == GF_REGION_OPAQUE; /* of the two whose kernels do not know their sizes */

    GF_TRY(set_extent(r, squares ? &r->inputs[0]->type : &r->type, scalars, diags));
    if (squares) {
        scalars[2] = gf_attr_i(r->nodes[0], "parts");
        *work = (GfWork){.dim = {gf_dim_const(scalars[2]), gf_dim_const(1)}, .unit = {1, 1}};
        return GF_OK;
    }
    int64_t unit = scalars[1], units = TASK / unit > 0 ? TASK / unit : 1;
    bool constant = scalars[0] < 0;
    scalars[2] = constant ? TASK : units * unit;
    *work = (GfWork){.dim = {constant ? gf_dim_const(unit) : gf_dim_symbol((int32_t)scalars[0]), gf_dim_const(1)},
                     .unit = {constant ? TASK : units, 1}};
    return GF_OK;
}

void cuda_begin_sized(CudaEmit *e)
{
    cuda_line(e, "const long long elements = extra0 < 0 ? extra1 : sizes[extra0] * extra1;");
}

GfStatus cuda_emit_flat(CudaEmit *e)
{
    e->threads = THREADS;
    e->batched = true;
    e->extra_scalars = CUDA_SIZED_SCALARS;
    e->flat = true;
    GF_TRY(cuda_begin(e));
    cuda_begin_sized(e);
    cuda_line(e, "const long long end = gf_least((task + 1) * extra2, elements);");
    cuda_open(e, "for (long long i = task * extra2 + threadIdx.x; i < end; i += %d)", THREADS);
    cuda_store_outputs(e);
    cuda_close(e, "");
    cuda_end(e);
    return GF_OK;
}
