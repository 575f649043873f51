/* cpu_level.c -- see cpu_level.h.
 * Source: System V ABI, AMD64 Architecture Processor Supplement, 3.1.1. */
#include "codegen/cpu_level.h"

#include <stddef.h>
#include <string.h>

/* X(level, feature): what a level adds to the one before; those that compilers use. */
#define FEATURE_TABLE(X)                                                                                               \
    X(0, "sse2")                                                                                                       \
    X(1, "popcnt")                                                                                                     \
    X(1, "sse3")                                                                                                       \
    X(1, "ssse3")                                                                                                      \
    X(1, "sse4.1")                                                                                                     \
    X(1, "sse4.2")                                                                                                     \
    X(2, "avx")                                                                                                        \
    X(2, "avx2")                                                                                                       \
    X(2, "bmi")                                                                                                        \
    X(2, "bmi2")                                                                                                       \
    X(2, "fma")                                                                                                        \
    X(3, "avx512f")                                                                                                    \
    X(3, "avx512bw")                                                                                                   \
    X(3, "avx512cd")                                                                                                   \
    X(3, "avx512dq")                                                                                                   \
    X(3, "avx512vl")

static const char *const levels[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};

enum { LEVEL_COUNT = sizeof levels / sizeof *levels };

static int level_of(const char *text)
{
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (strcmp(levels[i], text) == 0)
            return i;
    return -1;
}

#if defined(__x86_64__)
/* The builtin takes literals only. */
static const char *lacking(int level)
{
    __builtin_cpu_init();
#define X(of, feature)                                                                                                 \
    if ((of) <= level && !__builtin_cpu_supports(feature))                                                             \
        return feature;
    FEATURE_TABLE(X)
#undef X
    return NULL;
}
#else
static const char *lacking(int level)
{
    (void)level;
    return levels[0];
}
#endif

const char *cpu_level_host(void)
{
    for (int i = LEVEL_COUNT; i-- > 0;)
        if (!lacking(i))
            return levels[i];
    return NULL;
}

bool cpu_level_is_known(const char *level)
{
    return level_of(level) >= 0;
}

const char *cpu_level_lacks(const char *level)
{
    return lacking(level_of(level));
}
