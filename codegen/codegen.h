/* codegen.h -- from a fused, planned graph to a program, and the interface of
 * a back end.
 *
 * gf_schedule cuts the graph into regions, one a kernel launch; a back end
 * turns every region of new structure into a kernel and the graph into a
 * GfProgram: plain data that a device (runtime/device) can run.
 */
#ifndef GF_CODEGEN_CODEGEN_H
#define GF_CODEGEN_CODEGEN_H

#include "ir/ir.h"
#include "ir/target.h"

/* ---- regions (codegen/schedule.c) ----------------------------------------- */

typedef enum GfRegionKind {
    GF_REGION_TILE,   /* matrix products [rows, cols] with a head, prologues and an elementwise epilogue */
    GF_REGION_ROW,    /* rows [rows, cols], whole rows at hand: elementwise and GF_CLASS_ROW ops */
    GF_REGION_FLAT,   /* elementwise; every operand is a scalar or has the elements of the domain */
    GF_REGION_COLSUM, /* sums over rows [rows, cols] -> [cols], with an elementwise prologue */
    GF_REGION_OPAQUE  /* one op with a kernel of its own */
} GfRegionKind;

/* One kernel launch: nodes in order, what they read from memory and write to it. */
typedef struct GfRegion {
    GfRegionKind kind;
    GfNode **nodes;
    uint32_t node_count;
    GfValue **inputs; /* read from memory: defined outside of the region */
    uint32_t input_count;
    GfValue **outputs; /* written to memory: used outside of the region */
    uint32_t output_count;
    GfDim rows, cols; /* the domain; FLAT: [1, elements], which may be a product of dims: see `type` */
    GfType type;      /* FLAT: the type whose elements are walked */
    /* Canonical text: regions of equal structure share a kernel.  Inputs and
     * outputs are numbered, keys of random ops left out (they are scalars). */
    const char *structure;
    const GfNode **random; /* nodes with a key, in order: the launch's scalars */
    uint32_t random_count;
} GfRegion;

/* Cut `g` (fused) into regions in an order that respects all uses.  In `arena`. */
GfStatus gf_schedule(const GfGraph *g, GfArena *arena, GfRegion **regions, uint32_t *count, GfDiags *diags);

typedef struct GfLaunchBatch GfLaunchBatch;

/* Batches of the regions in order: neighbours of equal structure of which none reads or
 * writes memory that another writes.  Inputs and outputs are planned.  In `arena`. */
GfStatus gf_batch_regions(const GfGraph *g, const GfRegion *regions, uint32_t count, GfArena *arena,
                          GfLaunchBatch **batches, uint32_t *batch_count, GfDiags *diags);

/* ---- programs ------------------------------------------------------------- */

typedef enum GfTensorKind { GF_TENSOR_INPUT, GF_TENSOR_PARAM, GF_TENSOR_STATE } GfTensorKind;

/* A tensor that the runtime provides. */
typedef struct GfTensorDecl {
    GfTensorKind kind;
    const char *name; /* of the input, or the checkpoint name */
    GfType type;
    bool frozen;
    bool updated;     /* the program writes it */
    const char *init; /* "normal", "zeros", "ones", "kaiming_uniform", or "" */
    double std;
} GfTensorDecl;

typedef enum GfBufferKind {
    GF_BUFFER_TENSOR,  /* tensors[index] */
    GF_BUFFER_ARENA,   /* arena + offset */
    GF_BUFFER_PREPARED /* prepared memory + offset: written once by `prepare` */
} GfBufferKind;

typedef struct GfBuffer {
    GfBufferKind kind;
    uint32_t index;
    int64_t offset;
} GfBuffer;

/* Tasks of a launch: product of ceil(dim / unit) over two dims. */
typedef struct GfWork {
    GfDim dim[2];
    int64_t unit[2];
} GfWork;

int64_t gf_work_tasks(const GfWork *work, const int64_t *sizes);

typedef struct GfLaunch {
    uint32_t kernel;
    GfBuffer *buffers; /* inputs, then outputs, then what the back end adds */
    uint32_t buffer_count;
    int64_t *scalars; /* keys of random ops, then what the back end adds */
    uint32_t scalar_count;
    GfWork work;
} GfLaunch;

/* Neighbouring launches of one kernel that do not wait for each other: a device
 * with block kernels runs them as one. */
struct GfLaunchBatch {
    uint32_t first, count; /* launches; count > 1 only of a batched kernel */
};

/* A CPU kernel runs tasks [begin, end) of a launch.  `sizes` are the symbols;
 * `scratch` is memory of the calling thread, 64-byte aligned. */
typedef void (*GfCpuKernel)(void *const *buffers, const int64_t *sizes, const int64_t *scalars, int64_t begin,
                            int64_t end, void *scratch);

/* A kernel of a device with blocks of threads.  Task t of a launch is block t, or the
 * blocks t * splits + part where several share a task.
 *
 *   plain    NAME(buffers..., scalars..., const long long *sizes): 8 bytes each
 *   batched  NAME(const record *batch, int count, const long long *sizes):
 *            a record is {buffers..., scalars..., first}, 8 bytes each, `first`
 *            the first block of its launch at the largest sizes, ascending from 0; a
 *            launch that stands alone is a batch of one.  Where it has more, all have
 *            one work or all have constant work: the grid is the sum of their blocks.
 *
 * Blocks past the tasks of the actual sizes do nothing: a grid may be larger. */
typedef struct GfBlockKernel {
    const void *image; /* machine code (a cubin); NULL: not of such a device */
    size_t image_size;
    const char *source; /* its text; may be NULL when it comes from a file */
    const char *origin; /* the nodes of the first launch that it was written for: "h.sum h.out" */
    uint32_t threads;   /* of a block */
    uint32_t shared;    /* bytes of dynamic shared memory */
    uint32_t splits;    /* at least 1 */
    bool batched;
    uint32_t registers, static_shared, spills; /* what the compiler says: a thread's; bytes; bytes */
} GfBlockKernel;

typedef struct GfKernel {
    const char *name;      /* "k3_linear_gelu" */
    const char *structure; /* see GfRegion */
    GfCpuKernel cpu;
    uint64_t code_at; /* cpu, of a program that has `code`: where in it the kernel begins */
    GfBlockKernel block;
} GfKernel;

typedef struct GfOutput {
    const char *name;
    GfType type;
    GfBuffer buffer;
} GfOutput;

/* After the launches of a step, copy `from` to tensor `to` (updates that could
 * not be done in place). */
typedef struct GfCopy {
    GfBuffer from;
    uint32_t to;
} GfCopy;

typedef struct GfProgram {
    GfArena arena; /* owns the program's data; kernels may live in `native` */
    const char *symbols[GF_MAX_SYMBOLS];
    uint32_t symbol_count;
    int64_t max_sizes[GF_MAX_SYMBOLS]; /* what the plan holds for */
    GfTensorDecl *tensors;
    uint32_t tensor_count;
    uint32_t *tensor_of; /* of the graph it is made from: node id of input, param, state -> tensor */
    GfKernel *kernels;
    uint32_t kernel_count;
    GfLaunch *prepare; /* once, when frozen params are bound */
    uint32_t prepare_count;
    GfLaunch *launches; /* every step */
    uint32_t launch_count;
    GfLaunchBatch *batches; /* of the launches, in order: what runs as one; of block kernels, else none */
    uint32_t batch_count;
    GfCopy *copies;
    uint32_t copy_count;
    GfOutput *outputs;
    uint32_t output_count;
    int64_t arena_size, prepared_size, scratch_size; /* bytes; scratch: per thread */
    const char *target;                              /* "cpu", "cpu:x86-64-v3", "cuda:sm_90a" */
    const void *code;                                /* cpu: position-independent machine code; NULL: none */
    size_t code_size;
    void *native; /* of the back end */
    void (*native_free)(void *native);
} GfProgram;

void gf_program_free(GfProgram *program);
const GfOutput *gf_program_output(const GfProgram *program, const char *name);                      /* or NULL */
const GfTensorDecl *gf_program_tensor(const GfProgram *program, const char *name, uint32_t *index); /* or NULL */

/* Tensors, outputs and updates of `g` (planned) into `program`.  For back ends. */
GfStatus gf_program_describe(GfProgram *program, const GfGraph *g, GfDiags *diags);

/* Where a value lives; the value must be planned or a tensor. */
GfBuffer gf_program_buffer(const GfProgram *program, const GfGraph *g, const GfValue *v);

/* ---- back ends ------------------------------------------------------------ */

typedef struct GfCompileOptions {
    const char *features; /* cpu: a processor, "x86-64-v3/16" with vectors of 16 floats; NULL: the host's.  cuda:
                             "wgmma"; NULL: GRAFT_CUDA_FEATURES's */
    const char *target;   /* as found: "cuda:sm_90a"; NULL: the back end's default */
    /* cuda: of the images of block kernels: "cuda" (only the text), "ptx" or "cubin"; NULL: "cubin".
     * cpu: NULL: kernels that run; "code": the program's `code`, see program_file.h. */
    const char *form;
    uint32_t threads; /* compile so many kernels at once; 0: as there are processors */
} GfCompileOptions;

typedef struct GfBackend {
    const char *name;
    const GfTarget *target;
    const char *emits; /* "llvm asm": forms that emit() can write */
    /* Whether it can compile here to machine code; NULL: it can.  Errors: GF_ERR_TARGET. */
    GfStatus (*check)(GfDiags *diags);
    GfStatus (*compile)(const GfGraph *g, const GfCompileOptions *options, const GfAllocator *allocator,
                        GfProgram **out, GfDiags *diags);
    GfStatus (*emit)(const GfGraph *g, const char *form, const GfCompileOptions *options, GfText *out, GfDiags *diags);
} GfBackend;

/* The back end of `target` ("cpu", "cuda:sm_90a").  Errors: GF_ERR_TARGET unknown, or not in
 * this build; the message says what is. */
GfStatus gf_backend_find(const char *target, const GfBackend **out, GfDiags *diags);

/* What the cpu target can do; known without loading the compiler. */
extern const GfTarget gf_target_cpu;
extern const GfTarget gf_target_cuda;
extern const GfBackend gf_backend_cuda;

#endif
