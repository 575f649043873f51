/* graft_pass.h -- the one header for passes of your own.
 *
 *   #include <graft_pass.h>
 *
 *   static GfStatus run(GfPassCtx *cx, GfGraph *g)
 *   {
 *       GF_EACH_NODE (n, g)
 *           cx->counts[0] += n->op == GF_OP_LINEAR;
 *       return GF_OK;
 *   }
 *
 *   static const GfPassRow rows[] = {
 *       {{.text = "count-linears", .counters = "linears", .meaning = "counts the linears"}, run},
 *   };
 *   GF_EXPORT_PASSES(rows)
 *
 *   $ cc -shared -fPIC -Wall mine.c -o mine.so
 *   $ graft opt step.gir --load-pass ./mine.so --passes=count-linears --stats
 *
 * passes/WRITING.md is the guide.
 *
 * A pass outside of graft is written as one inside: it sees the same structs and
 * calls the same functions, which the command `graft` exports.  What this header
 * declares is what is exported (passes/flatten.cmake reads it), no more.  A table
 * of function pointers would keep a pass running over changes of the structs, but
 * make it another language than the passes that it is copied from; so structs are
 * public, and a shared object that was built against others is refused when it is
 * loaded, by the number GF_PASS_ABI and by a digest of ops and layouts.
 *
 * In the source tree this file names the headers that it consists of; the
 * installed one is the whole in one file.
 */
#ifndef GRAFT_PASS_H
#define GRAFT_PASS_H

#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/ir.h"
#include "ir/kernel.h"
#include "ir/match.h"
#include "ir/target.h"
#include "passes/declare.h"
#include "passes/pass.h"

enum { GF_PASS_ABI = 1 }; /* counts what gf_pass_layout cannot see: changes of meaning */

/* What a shared object tells of itself.  `abi` stays first, whatever comes. */
typedef struct GfPassObject {
    uint32_t abi;
    uint32_t count;      /* passes */
    uint64_t layout;     /* gf_pass_layout() of the header that it was built with */
    const char *version; /* of that graft */
    const GfPassRow *passes;
} GfPassObject;

static inline uint64_t gf_pass_digest(uint64_t digest, const void *bytes, size_t count)
{
    const unsigned char *p = (const unsigned char *)bytes;

    for (size_t i = 0; i < count; i++)
        digest = (digest ^ p[i]) * 1099511628211u; /* FNV-1a */
    return digest;
}

/* Digest of what header and command must agree on: the ops in their order and the
 * sizes of the structs. */
static inline uint64_t gf_pass_layout(void)
{
    static const char ops[] =
#define GF_OP(id, text, least, most, results, attrs, ...) text "(" attrs ")"
#include "ir/ops.def"
        ;
    const uint64_t sizes[] = {sizeof(GfGraph),  sizeof(GfNode),      sizeof(GfValue),   sizeof(GfAttr),
                              sizeof(GfType),   sizeof(GfUse),       sizeof(GfLoc),     sizeof(GfDiags),
                              sizeof(GfArena),  sizeof(GfText),      sizeof(GfPassCtx), sizeof(GfPassRow),
                              sizeof(GfTarget), sizeof(GfKernelForm)};
    uint64_t digest = gf_pass_digest(14695981039346656037u, ops, sizeof ops);

    return gf_pass_digest(digest, sizes, sizeof sizes);
}

/* The function that `graft --load-pass` looks for. */
#define GF_PASS_ENTRY "graft_pass_object"
typedef const GfPassObject *(*GfPassEntryFn)(void);

/* Once in a shared object: offers the passes of an array of GfPassRow. */
#define GF_EXPORT_PASSES(rows)                                                                                         \
    __attribute__((visibility("default"))) const GfPassObject *graft_pass_object(void);                                \
    const GfPassObject *graft_pass_object(void)                                                                        \
    {                                                                                                                  \
        static GfPassObject object;                                                                                    \
        object.abi = GF_PASS_ABI;                                                                                      \
        object.count = sizeof(rows) / sizeof *(rows);                                                                  \
        object.layout = gf_pass_layout();                                                                              \
        object.version = GRAFT_VERSION;                                                                                \
        object.passes = (rows);                                                                                        \
        return &object;                                                                                                \
    }

#endif
