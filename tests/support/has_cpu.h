/* has_cpu.h -- for tests that train: without the cpu back end they are skipped. */
#ifndef GF_TESTS_SUPPORT_HAS_CPU_H
#define GF_TESTS_SUPPORT_HAS_CPU_H

#include "codegen/codegen.h"

enum { TEST_SKIPPED = 77 }; /* what ctest takes for it */

static inline bool has_cpu(void)
{
    const GfBackend *backend;
    GfDiags unseen;

    gf_diags_init(&unseen, NULL);
    bool has = gf_backend_find("cpu", &backend, &unseen) == GF_OK;
    gf_diags_free(&unseen);
    return has;
}

#endif
