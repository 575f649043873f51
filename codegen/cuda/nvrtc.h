/* nvrtc.h -- NVRTC, opened at run time: CUDA C text to PTX or machine code.
 * Needs neither a GPU nor a driver. */
#ifndef GF_CODEGEN_CUDA_NVRTC_H
#define GF_CODEGEN_CUDA_NVRTC_H

#include "codegen/codegen.h"

typedef void *NvrtcProgram;

typedef struct Nvrtc {
    void *handle;
    int major, minor; /* version */
    int (*version)(int *major, int *minor);
    int (*create)(NvrtcProgram *program, const char *source, const char *name, int headers, const char *const *texts,
                  const char *const *names);
    int (*compile)(NvrtcProgram program, int count, const char *const *options);
    int (*log_size)(NvrtcProgram program, size_t *size);
    int (*log)(NvrtcProgram program, char *log);
    int (*cubin_size)(NvrtcProgram program, size_t *size);
    int (*cubin)(NvrtcProgram program, char *cubin);
    int (*ptx_size)(NvrtcProgram program, size_t *size);
    int (*ptx)(NvrtcProgram program, char *ptx);
    int (*destroy)(NvrtcProgram *program);
} Nvrtc;

/* The library that GRAFT_NVRTC names, else one that is found (nvrtc_find.h).
 * Errors: GF_ERR_TARGET none, too old, or without the functions. */
GfStatus nvrtc_open(Nvrtc *n, GfDiags *diags);
void nvrtc_close(Nvrtc *n);

/* One kernel to compile; thread-safe over different jobs. */
typedef struct NvrtcJob {
    const char *name, *source;
    const char *architecture; /* "sm_90a" */
    bool ptx;                 /* else machine code */
    /* results: from malloc, of the caller */
    char *image, *log;
    size_t image_size;
    bool failed, no_memory;
} NvrtcJob;

void nvrtc_compile(const Nvrtc *n, NvrtcJob *job);

/* What ptxas says in the log of the kernel: registers of a thread, bytes of
 * static shared memory, bytes spilled. */
void nvrtc_read_usage(const char *log, GfBlockKernel *kernel);

#endif
