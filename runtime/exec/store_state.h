/* store_state.h -- what steps have written, to a file and back: with the parameters
 * that a checkpoint already had, all that training goes on from. */
#ifndef GF_RUNTIME_EXEC_STORE_STATE_H
#define GF_RUNTIME_EXEC_STORE_STATE_H

#include "runtime/exec/store.h"

/* Write the states, and, `with_params`, the parameters that some step writes, as F32. */
GfStatus gf_store_save_state(GfStore *store, const char *path, bool with_params, GfDiags *diags);

/* Copy the parameters that some step writes; the copy is gf_memory_unmap's to free.
 * Errors: GF_ERR_MEMORY, GF_ERR_DEVICE. */
GfStatus gf_store_copy_params(GfStore *store, GfMemory *copy, GfDiags *diags);

/* As before the first step, on the device too: these parameters, and all states zero.
 * Errors: GF_ERR_DEVICE. */
GfStatus gf_store_start_over(GfStore *store, const GfMemory *copy, GfDiags *diags);

typedef enum GfStoreLoad {
    GF_LOAD_ALL,   /* every tensor that a step writes */
    GF_LOAD_PARAMS /* parameters of these alone */
} GfStoreLoad;

/* Read tensors that a step writes, each from the first of `paths` that has it, and
 * give them to the device.  Bits are those that were saved.
 * Errors: those of the files; GF_ERR_TENSOR one that none of them has, or of another shape. */
GfStatus gf_store_load_state(GfStore *store, const char *const *paths, size_t count, GfStoreLoad what, GfDiags *diags);

#endif
