/* host_compiler.h -- a test tool: C++ text to a shared object, by the host's compiler. */
#ifndef GF_TESTS_CUDA_HOST_COMPILER_H
#define GF_TESTS_CUDA_HOST_COMPILER_H

#include <stdbool.h>
#include <stddef.h>

/* Files of one compilation, in a temporary folder of its own. */
typedef struct HostBuild {
    char folder[96];
    char source[112], library[112], log[112]; /* paths */
} HostBuild;

/* False: there is no room for temporary files. */
bool host_build_begin(HostBuild *build);

/* Compile `source`, which the caller has written, to `library`; the compiler's words go to `log`. */
bool host_build_run(const HostBuild *build);

void host_build_end(const HostBuild *build);

/* All bytes of a file and a 0 behind them, from malloc; NULL: it cannot be read. */
char *host_read_file(const char *path, size_t *size);

#endif
