/* pass.h -- what a pass is: its row and what it is given when it runs.
 *
 * Passes of graft have their rows in passes.def; those of a shared object bring
 * theirs along (graft_pass.h).  passes.h runs either.
 */
#ifndef GF_PASSES_PASS_H
#define GF_PASSES_PASS_H

#include "ir/ir.h"
#include "ir/kernel.h"
#include "ir/match.h"
#include "ir/target.h"

/* What must hold of a graph before a pass runs. */
enum {
    GF_NEEDS_NOTHING = 0,
    GF_NEEDS_LOSS = 1,    /* an output called "loss", f32[] */
    GF_NEEDS_FORWARD = 2, /* no grads, no updates yet */
    GF_NEEDS_GRADS = 4,   /* autodiff has run, adamw has not */
    GF_NEEDS_UNFUSED = 8, /* no node has a kernel */
    GF_NEEDS_FUSED = 16   /* every node that makes code has a kernel */
};

/* What a pass changes by design.  A pass that changes nothing may add to a graph, and take
 * away what is not an output, a gradient or an update; it may drop gradients. */
enum {
    GF_CHANGES_NOTHING = 0, /* outputs, gradients and updates have the values they had */
    GF_CHANGES_VALUES = 1   /* other values are what it is for: rounding, leaving dropout out */
};

typedef struct GfPassInfo {
    const char *text; /* "prune-frozen" */
    uint32_t needs, changes;
    const char *options;  /* "r:i=8 targets:s=query" as attributes in ops.def */
    const char *counters; /* "merged removed": names of cx->counts[0], [1] ... */
    const char *meaning;
} GfPassInfo;

enum { GF_MAX_COUNTERS = 6 };

/* Two nodes that a pass did not put into one kernel, and why. */
typedef struct GfApart {
    const GfNode *a, *b;
    GfRefusal why;
} GfApart;

/* Every such decision of a pipeline, in order, in `arena`: what `graft compile --why` asks. */
typedef struct GfRefusals {
    GfArena *arena;
    GfApart *list;
    size_t count, capacity;
} GfRefusals;

/* What a running pass is given. */
typedef struct GfPassCtx {
    const GfPassInfo *info;
    const GfTarget *target;
    GfDiags *diags;
    GfLoc loc;             /* of the pass in the list: for errors about its options */
    GfArena *scratch;      /* freed after the pass */
    const GfAttr *options; /* defaults filled in */
    uint32_t option_count;
    int64_t counts[GF_MAX_COUNTERS];
    GfRefusals *refusals;  /* passes that make kernels write down what they leave apart; NULL: they do not */
    GfNode *last_declared; /* passes/declare.c: what it declared last; stays in the graph during the pass */
} GfPassCtx;

/* Works on `g` in place.  Anything but GF_OK says why in cx->diags. */
typedef GfStatus (*GfPassFn)(GfPassCtx *cx, GfGraph *g);

typedef struct GfPassRow {
    GfPassInfo info;
    GfPassFn run;
} GfPassRow;

int64_t gf_option_i(const GfPassCtx *cx, const char *key);
double gf_option_f(const GfPassCtx *cx, const char *key);
const char *gf_option_s(const GfPassCtx *cx, const char *key); /* "" when not given */

#endif
