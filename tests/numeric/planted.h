/* planted.h -- errors planted in the device headers, which the emulation must show. */
#ifndef GF_TESTS_NUMERIC_PLANTED_H
#define GF_TESTS_NUMERIC_PLANTED_H

#include "codegen/codegen.h"

/* Fails the test unless each text, taken out of the device headers, changes the
 * norm of output y of `graph` (inputs x and w of float, `tokens` 70).  The kernels'
 * text is compiled with `options`. */
void planted_errors_show(const char *graph, const GfCompileOptions *options, const char *const *texts, size_t count);

#endif
