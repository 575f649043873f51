/* emulate_program.h -- for tests: run the kernels of a cuda program on the host.
 *
 * The kernels' text is compiled by a host C++ compiler behind emulate.h, and every
 * kernel becomes one that a cpu device can run. */
#ifndef GF_TESTS_CUDA_EMULATE_PROGRAM_H
#define GF_TESTS_CUDA_EMULATE_PROGRAM_H

#include "codegen/codegen.h"

/* Errors: GF_ERR_COMPILE, with the compiler's command. */
GfStatus emulate_program(GfProgram *program, GfDiags *diags);

#endif
