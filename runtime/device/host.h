/* host.h -- the machine in words, for those who read a result later. */
#ifndef GF_RUNTIME_DEVICE_HOST_H
#define GF_RUNTIME_DEVICE_HOST_H

#include "ir/arena.h"

/* Strings in the arena given to gf_host_describe, never NULL. */
typedef struct GfHost {
    const char *cpu;    /* "AMD EPYC 9B14"; where the kernel names none, the architecture */
    const char *system; /* "Debian GNU/Linux 12 (bookworm), Linux 6.1.0 x86_64" */
    int64_t processors; /* online */
    int64_t memory;     /* bytes; 0: unknown */
} GfHost;

/* What cannot be found out is "unknown".  When memory runs out the arena tells. */
GfHost gf_host_describe(GfArena *arena);

#endif
