/* exec_device.h -- what a GfExec does by its device; for exec.c, exec_cpu.c and
 * exec_cuda.c alone. */
#ifndef GF_RUNTIME_EXEC_EXEC_DEVICE_H
#define GF_RUNTIME_EXEC_EXEC_DEVICE_H

#include "runtime/exec/exec.h"

typedef struct GfExecDevice {
    bool asynchronous; /* `run` returns before the run is done */
    /* Memory, pointers, kernels; `release` follows on error, too. */
    GfStatus (*make)(GfExec *e, GfDiags *diags);
    GfStatus (*run)(GfExec *e, GfDiags *diags); /* all is bound; inputs lie in `inputs` */
    GfStatus (*wait)(GfExec *e, GfDiags *diags);
    const void *(*output)(GfExec *e, uint32_t index); /* NULL: it cannot be had */
    /* NULL: it does not measure; all is bound. */
    GfStatus (*time_batches)(GfExec *e, double *seconds, GfDiags *diags);
    void (*release)(GfExec *e);
} GfExecDevice;

extern const GfExecDevice gf_exec_cpu, gf_exec_cuda;

struct GfExec {
    GfArena arena;
    GfPool *pool;
    struct GfCuda *cuda;
    const GfProgram *program;
    GfStore *store;
    const GfExecDevice *device;
    GfMemory inputs;
    int64_t *input_at;             /* by index in the program: where an input lies in `inputs` */
    bool *bound;                   /* by index: inputs that have been given */
    int64_t sizes[GF_MAX_SYMBOLS]; /* 0: not bound */
    void *self;                    /* of the device's */
};

/* Bytes of a type with these sizes; -1: they overflow. */
int64_t gf_exec_bytes(const GfType *type, const int64_t *sizes);

int64_t gf_exec_round_up(int64_t bytes, int64_t unit);

/* The store's tensor of a declaration.
 * Errors: GF_ERR_TENSOR there is none of the type, or one that must not be written. */
GfStatus gf_exec_find_tensor(const GfExec *e, const GfTensorDecl *decl, GfStoreTensor **out, GfDiags *diags);

#endif
