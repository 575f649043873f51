/* exec.h -- running a program on a device.
 *
 *   gf_exec_new(...)                 memory, pointers; frozen weights packed
 *   gf_exec_size(e, "tokens", 357)   sizes of this step
 *   gf_exec_input(e, "ids", ids)     copied
 *   gf_exec_run(e)
 *   gf_exec_wait(e)
 *   gf_exec_output(e, "loss")
 *
 * The CPU is done when gf_exec_run returns, and nothing is allocated from the
 * first run on.  A CUDA device works on meanwhile: the next run may be bound and
 * put in before the first is waited for, so that the device never waits.
 */
#ifndef GF_RUNTIME_EXEC_EXEC_H
#define GF_RUNTIME_EXEC_EXEC_H

#include "runtime/device/device.h"
#include "runtime/exec/store.h"

typedef struct GfExec GfExec;

/* Make `program` runnable on `device` over the tensors of `store`, which has been
 * filled; program, store, and what the device is made of are borrowed and outlive
 * the GfExec.
 *
 *   cpu   runs the program's `prepare` launches, but for weights that another
 *         program over the store has packed in the same way: those are shared, and
 *         live as long as the store
 *   cuda  loads the kernels; the first program over a store copies its tensors to
 *         the device, where they live as long as the store: see gf_store_pull
 *
 * Errors: GF_ERR_MEMORY; GF_ERR_TENSOR a tensor that the store lacks, or one that
 * is packed here and written elsewhere; GF_ERR_DEVICE. */
GfStatus gf_exec_new(const GfDevice *device, const GfProgram *program, GfStore *store, const GfAllocator *allocator,
                     GfExec **out, GfDiags *diags);
void gf_exec_free(GfExec *exec);

/* Bind a symbol for the next runs; one that the program does not have is ignored.
 * Errors: GF_ERR_VALUE not in [1, the maximum that the plan holds for]. */
GfStatus gf_exec_size(GfExec *exec, const char *symbol, int64_t size, GfDiags *diags);

/* Copy the elements of an input, as many as its type has with the sizes bound;
 * after gf_exec_size.  One that the program does not have is ignored. */
void gf_exec_input(GfExec *exec, const char *name, const void *data);

/* Begin a step: launches, then copies of what could not be updated in place.
 * Inputs and sizes may be bound anew as soon as it returns.
 * Errors: GF_ERR_VALUE a symbol or an input was never bound; GF_ERR_DEVICE. */
GfStatus gf_exec_run(GfExec *exec, GfDiags *diags);

/* Whether one more run may be begun before the outputs of the one before are read. */
bool gf_exec_is_asynchronous(const GfExec *exec);

/* Until the first of the runs that were not waited for is done; outputs are its own then.
 * Errors: GF_ERR_DEVICE. */
GfStatus gf_exec_wait(GfExec *exec, GfDiags *diags);

/* An output of the run that was waited for, until the next wait: elements of its
 * type; NULL when the program has no such output, or the device failed.  Where
 * two runs were begun, one of more than a megabyte is not to be had any more. */
const void *gf_exec_output(GfExec *exec, const char *name);
int64_t gf_exec_output_count(const GfExec *exec, const char *name); /* with the sizes bound; 0 when there is none */
float gf_exec_scalar(GfExec *exec, const char *name);               /* f32[]; NAN when there is none */

/* For measurements: the seconds that each of the program's batches takes on a CUDA device
 * with the sizes and inputs bound.  Every one is repeated for itself: what the tensors
 * hold afterwards is good for nothing.
 * Errors: GF_ERR_VALUE as for gf_exec_run, or the CPU; GF_ERR_DEVICE. */
GfStatus gf_exec_time_batches(GfExec *exec, double *seconds, GfDiags *diags);

#endif
