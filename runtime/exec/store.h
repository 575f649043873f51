/* store.h -- the tensors that outlive a step: parameters and states, by name.
 *
 * Several programs (a training step, its accumulating form, evaluation) declare
 * what they need; a name they share is one tensor.  Then the store is filled:
 * parameters from a checkpoint or by their initializers, states with zeros.
 */
#ifndef GF_RUNTIME_EXEC_STORE_H
#define GF_RUNTIME_EXEC_STORE_H

#include "codegen/codegen.h"
#include "frontend/graph/model.h"
#include "runtime/device/memory.h"
#include "runtime/io/adapter.h"
#include "runtime/io/weights.h"

typedef struct GfStoreTensor {
    const char *name;
    uint64_t hash;     /* of name */
    GfTensorKind kind; /* GF_TENSOR_PARAM or GF_TENSOR_STATE */
    GfType type;       /* f32, constant sizes */
    int64_t count;
    const char *init;
    double std;
    bool frozen;              /* in every program that declares it */
    bool updated;             /* some program writes it */
    bool fresh;               /* a parameter that was initialized, not loaded */
    bool adapted;             /* a parameter that came from an adapter */
    const GfStTensor *mapped; /* lies in the checkpoint's pages, which nobody writes; else NULL */
    bool released;            /* those pages went: what was packed of it is read in its place */
    float *data;              /* NULL until the store is filled; of programs on a device: see gf_store_pull */
} GfStoreTensor;

/* What a program has made of a frozen parameter once and for all: panels that
 * its kernels read.  Programs over one store share it. */
typedef struct GfPacked {
    const char *tensor;    /* name of the parameter */
    const char *structure; /* of the kernel that packs */
    int64_t bytes;
    void *data; /* in one of the store's blocks */
} GfPacked;

typedef struct GfStore GfStore;

/* The tensors' copies on a device, made by the first program there; see exec.h. */
typedef struct GfStoreMirror {
    void *self; /* NULL: programs use the tensors where they are */
    GfStatus (*pull)(void *self, GfStore *store, GfDiags *diags);
    GfStatus (*push)(void *self, const GfStore *store, GfDiags *diags);
    void (*release)(void *self);
} GfStoreMirror;

struct GfStore {
    GfArena arena;
    GfStoreTensor *tensors; /* in order of declaration */
    size_t count, capacity;
    GfMemory memory;   /* of all tensors that are not mapped */
    GfWeights weights; /* open while tensors lie in it */
    size_t fresh_count;
    GfPacked *packed;
    size_t packed_count, packed_capacity;
    GfMemory *blocks; /* of what is packed */
    size_t block_count, block_capacity;
    GfStoreMirror mirror;
};

/* Where parameters come from.  All is borrowed for the call. */
typedef struct GfStoreSource {
    const char *checkpoint;   /* for gf_weights_open; NULL: every parameter is initialized */
    const GfAdapter *adapter; /* what it has goes before the checkpoint's; NULL: none */
    const char *prefix;       /* that names in the file may lack: "bert."; "" for none */
    const GfRename *renames;  /* old endings of names */
    size_t rename_count;
    const char *fresh; /* patterns of names that the file may lack, and adapters (*.lora_A, *.lora_B); NULL: none */
    uint64_t seed;     /* of initializers */
} GfStoreSource;

void gf_store_init(GfStore *store, const GfAllocator *allocator);
void gf_store_free(GfStore *store);

/* Declare the params and states of a program.  Before gf_store_fill.
 * Errors: GF_ERR_TENSOR a name of another shape, a type that is not f32 of
 * constant sizes, an unknown initializer. */
GfStatus gf_store_declare(GfStore *store, const GfProgram *program, GfDiags *diags);

/* The params of a graph, for those who only want their values. */
GfStatus gf_store_declare_params(GfStore *store, const GfGraph *graph, GfDiags *diags);

/* Allocate all tensors and give them values.  Once.  F16, BF16, F64 become f32;
 * F32 parameters that no program writes stay in the file's pages.
 * Errors: GF_ERR_TENSOR a parameter that the checkpoint lacks, or of another
 * shape or dtype; a tensor of the adapter that is no parameter's; what
 * gf_weights_open reports. */
GfStatus gf_store_fill(GfStore *store, const GfStoreSource *source, GfDiags *diags);

GfStoreTensor *gf_store_find(const GfStore *store, const char *name); /* or NULL */

/* Add what was initialized and not loaded, as patterns: "bert.pooler.dense.*, *.lora_A". */
void gf_store_list_fresh(const GfStore *store, GfText *text);

/* Nobody reads the tensor for a while: give back pages that the file has anyway. */
void gf_store_release(const GfStore *store, const GfStoreTensor *tensor);

/* Memory that lives as long as the store; NULL for 0 bytes. */
GfStatus gf_store_block(GfStore *store, int64_t bytes, const char *what, void **out, GfDiags *diags);

/* What has been packed with this tensor, structure and size; or NULL. */
void *gf_store_find_packed(const GfStore *store, const GfPacked *wanted);
GfStatus gf_store_add_packed(GfStore *store, const GfPacked *packed, GfDiags *diags);

/* Programs on a device work on copies of the tensors.  Bring what they have updated
 * back to `data`; give them what has changed there.  Nothing to do on the CPU.
 * Errors: GF_ERR_DEVICE. */
GfStatus gf_store_pull(GfStore *store, GfDiags *diags);
GfStatus gf_store_push(const GfStore *store, GfDiags *diags);

#endif
