/* kernel_entry.h -- how an emulated kernel is called; C and C++.  Part of the test
 * tools of this folder: emulate.h makes entries, fake_cuda.c calls them. */
#ifndef GF_TESTS_CUDA_KERNEL_ENTRY_H
#define GF_TESTS_CUDA_KERNEL_ENTRY_H

typedef struct GfKernelEntry {
    unsigned parameter_count;
    const unsigned *parameter_bytes; /* of each parameter */
    unsigned threads;                /* the most of a block */
    /* All blocks of a grid, in order; `shared` bytes of dynamic shared memory. */
    void (*run)(void *const *parameters, unsigned blocks, unsigned threads, unsigned shared);
} GfKernelEntry;

/* What follows the shared object in a fake cubin. */
typedef struct GfFakeCubin {
    char magic[16]; /* GF_FAKE_CUBIN */
    char architecture[16];
    char kernel[224]; /* its name; in the object the entry is GF_FAKE_ENTRY */
} GfFakeCubin;

#define GF_FAKE_CUBIN "graft fake cubin"
#define GF_FAKE_ENTRY "gf_kernel_entry"

#endif
