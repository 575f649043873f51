/* flat.c -- kernels over all elements of one type, in any order: optimizer
 * updates, scalar arithmetic, sums of gradients.
 *
 * The text does not know the shape: one kernel serves parameters of all sizes,
 * and launches of it that do not wait for each other run as one (a batch).
 */
#include "codegen/cuda/emit.h"
#include "codegen/lower.h"

enum { THREADS = 256 };

void cuda_begin_sized(CudaEmit *e)
{
    cuda_line(e, "const long long elements = extra0 < 0 ? extra1 : sizes[extra0] * extra1;");
}

GfStatus cuda_emit_flat(CudaEmit *e)
{
    e->threads = THREADS;
    e->batched = true;
    e->extra_scalars = GF_SIZED_SCALARS;
    e->flat = true;
    GF_TRY(cuda_begin(e));
    cuda_begin_sized(e);
    cuda_line(e, "const long long end = gf_least((task + 1) * extra2, elements);");
    cuda_open(e, "for (long long i = task * extra2 + threadIdx.x; i < end; i += %d)", THREADS);
    cuda_store(e, e->r->outputs, e->r->output_count);
    cuda_close(e, "");
    cuda_end(e);
    return GF_OK;
}
