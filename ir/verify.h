/* verify.h -- what the checks of the verifier share. */
#ifndef GF_IR_VERIFY_H
#define GF_IR_VERIFY_H

#include "ir/ir.h"

typedef struct GfVerifier {
    const GfGraph *g;
    GfArena *scratch;
    GfDiags *diags;
    const GfNode **by_id; /* filled by the first check: nodes of the graph */
} GfVerifier;

#define GF_FAIL_VERIFY(v, n, ...) gf_fail((v)->diags, (n)->loc, GF_ERR_VERIFY, __VA_ARGS__)

/* "%12 = gather" or "update", for messages; in scratch. */
const char *gf_verify_show(GfVerifier *v, const GfNode *n);

/* Invariants 10 and 11; the graph keeps the others. */
GfStatus gf_verify_kernels(GfVerifier *v);
GfStatus gf_verify_memory(GfVerifier *v);

#endif
