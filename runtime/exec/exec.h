/* exec.h -- running a program on the CPU.
 *
 *   gf_exec_new(...)                 memory, pointers; frozen weights packed
 *   gf_exec_size(e, "tokens", 357)   sizes of this step
 *   gf_exec_input(e, "ids", ids)     copied
 *   gf_exec_run(e)
 *   gf_exec_output(e, "loss")
 *
 * Nothing is allocated from the first run on.
 */
#ifndef GF_RUNTIME_EXEC_EXEC_H
#define GF_RUNTIME_EXEC_EXEC_H

#include "runtime/device/cpu_threads.h"
#include "runtime/exec/store.h"

typedef struct GfExec GfExec;

/* Make `program` runnable on `pool` over the tensors of `store`, which has been
 * filled; all three are borrowed and outlive the GfExec.  Runs the program's
 * `prepare` launches, but for weights that another program over the store has
 * packed in the same way: those are shared, and live as long as the store.
 * Errors: GF_ERR_MEMORY; GF_ERR_TENSOR a tensor that the store lacks, or one that
 * is packed here and written elsewhere. */
GfStatus gf_exec_new(GfPool *pool, const GfProgram *program, GfStore *store, const GfAllocator *allocator, GfExec **out,
                     GfDiags *diags);
void gf_exec_free(GfExec *exec);

/* Bind a symbol for the next runs; one that the program does not have is ignored.
 * Errors: GF_ERR_VALUE not in [1, the maximum that the plan holds for]. */
GfStatus gf_exec_size(GfExec *exec, const char *symbol, int64_t size, GfDiags *diags);

/* Copy the elements of an input, as many as its type has with the sizes bound;
 * after gf_exec_size.  One that the program does not have is ignored. */
void gf_exec_input(GfExec *exec, const char *name, const void *data);

/* Run a step: launches, then copies of what could not be updated in place.
 * Errors: GF_ERR_VALUE a symbol or an input was never bound. */
GfStatus gf_exec_run(GfExec *exec, GfDiags *diags);

/* An output of the last run, until the next: elements of its type; NULL when
 * the program has no such output. */
const void *gf_exec_output(const GfExec *exec, const char *name);
int64_t gf_exec_output_count(const GfExec *exec, const char *name); /* of these elements; 0 when there is none */
float gf_exec_scalar(const GfExec *exec, const char *name);         /* f32[]; NAN when there is none */

#endif
