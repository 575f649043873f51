/* time_cuda.h -- what one launch takes on a CUDA device. */
#ifndef GF_RUNTIME_EXEC_TIME_CUDA_H
#define GF_RUNTIME_EXEC_TIME_CUDA_H

#include "runtime/exec/kernels_cuda.h"

/* Seconds of one launch among others like it: of a CUDA graph that repeats it, as a
 * step is a graph of launches, the least of a few runs over the repetitions.  So it
 * has what follows a launch in a step, and finds in the caches what it left there.
 *
 *   sizes  the grid is for these: the actual ones or more
 *
 * Errors: GF_ERR_DEVICE. */
GfStatus gf_cuda_time_launch(const GfCudaKernels *kernels, const GfCudaLaunch *launch, const int64_t *sizes,
                             double *seconds, GfDiags *diags);

#endif
