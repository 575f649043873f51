/* emulate_program.h -- for tests: run the kernels of a cuda program on the host.
 *
 * The kernels' text is compiled by a host C++ compiler behind emulate.h, and every
 * kernel becomes one that a cpu device can run. `aligned`: tensors begin at
 * multiples of 16 bytes, as on a device; kernels that count on it are checked. */
#ifndef GF_TESTS_CUDA_EMULATE_PROGRAM_H
#define GF_TESTS_CUDA_EMULATE_PROGRAM_H

#include "codegen/codegen.h"

/* Errors: GF_ERR_COMPILE. */
GfStatus emulate_program(GfProgram *program, bool aligned, GfDiags *diags);

/* The same with the first occurrence of `text` taken out of the device headers: a
 * planted error.  Errors also: GF_ERR_NAME it does not occur. */
GfStatus emulate_program_without(GfProgram *program, const char *text, GfDiags *diags);

/* Tasks [begin, end), counted over `count` launches that run as one, whose records
 * (GfBlockKernel) stand one behind the other. */
typedef void (*EmulatedBatch)(const void *records, int count, const int64_t *sizes, int64_t begin, int64_t end);

/* That of a batched kernel of an emulated program; NULL: it has none. */
EmulatedBatch emulated_batch(const GfProgram *program, uint32_t kernel);

#endif
