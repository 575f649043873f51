/* nvrtc_find.h -- where libnvrtc lies. */
#ifndef GF_CODEGEN_CUDA_NVRTC_FIND_H
#define GF_CODEGEN_CUDA_NVRTC_FIND_H

/* Open the library `named`, or, where that is NULL or "", the first that is found:
 *
 *   by the loader's own search
 *   in a CUDA toolkit: CUDA_HOME, CUDA_PATH, /usr/local/cuda*, /opt/cuda
 *   in the PyPI package nvidia-cuda-nvrtc, which comes with PyTorch: in VIRTUAL_ENV,
 *   CONDA_PREFIX, beside the python3 on PATH, in ~/.local
 *
 * A handle of dlopen, never to be unloaded: what its C++ runtime allocates would be
 * lost.  NULL: there is none. */
void *nvrtc_find(const char *named);

#endif
