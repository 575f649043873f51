/* cpu_level.h -- levels of x86-64 (the psABI's: x86-64, -v2, -v3, -v4), asked of
 * the processor at hand; known without LLVM. */
#ifndef GF_CODEGEN_CPU_LEVEL_H
#define GF_CODEGEN_CPU_LEVEL_H

#include <stdbool.h>

/* The highest level whose features are all here, "x86-64-v3"; NULL: not an x86-64 processor. */
const char *cpu_level_host(void);

bool cpu_level_is_known(const char *level);

/* A feature of `level`, which is known, that is not here; NULL: all are. */
const char *cpu_level_lacks(const char *level);

#endif
