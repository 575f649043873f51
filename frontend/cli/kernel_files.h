/* kernel_files.h -- the kernels of a program as files. */
#ifndef GF_FRONTEND_CLI_KERNEL_FILES_H
#define GF_FRONTEND_CLI_KERNEL_FILES_H

#include "codegen/codegen.h"

/* Write NAME.cu, NAME.ptx or NAME.cubin (`form` "cuda", "ptx", "cubin") of every
 * kernel and kernels.json to `folder`, which exists, and add a table to `table`.
 * kernels.json: target, and of each kernel its name, file, threads, splits, bytes of
 * shared memory, launches a step, nodes and structure; of a cubin also
 * registers (of a thread) and spills (bytes).
 * Errors: GF_ERR_IO. */
GfStatus gf_write_kernels(const GfProgram *program, const char *form, const char *folder, GfText *table,
                          GfDiags *diags);

#endif
