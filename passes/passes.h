/* passes.h -- passes over graphs, and pipelines of them.
 *
 * A pass is one row of passes.def and one function.  The runner parses
 * "a,b{option=1,list=\"x y\"},c", checks what each pass needs, runs it,
 * verifies the graph after it and collects what it counted.
 */
#ifndef GF_PASSES_PASSES_H
#define GF_PASSES_PASSES_H

#include "ir/ir.h"
#include "ir/match.h"
#include "ir/target.h"

typedef enum GfPassId {
#define GF_PASS(id, ...) GF_PASS_##id,
#include "passes/passes.def"
    GF_PASS_COUNT
} GfPassId;

/* What must hold of a graph before a pass runs. */
enum {
    GF_NEEDS_NOTHING = 0,
    GF_NEEDS_LOSS = 1,    /* an output called "loss", f32[] */
    GF_NEEDS_FORWARD = 2, /* no grads, no updates yet */
    GF_NEEDS_GRADS = 4,   /* autodiff has run, adamw has not */
    GF_NEEDS_UNFUSED = 8, /* no node has a kernel */
    GF_NEEDS_FUSED = 16   /* every node that makes code has a kernel */
};

typedef struct GfPassInfo {
    const char *text; /* "prune-frozen" */
    uint32_t needs;
    const char *options;  /* "r:i=8 targets:s=query" as attributes in ops.def */
    const char *counters; /* "merged removed": names of cx->counts[0], [1] ... */
    const char *meaning;
} GfPassInfo;

enum { GF_MAX_COUNTERS = 6 };

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
    GfNode *last_declared; /* passes/declare.c: what it declared last; stays in the graph during the pass */
} GfPassCtx;

typedef GfStatus (*GfPassFn)(GfPassCtx *cx, GfGraph *g);

#define GF_PASS(id, text, function, ...) GfStatus gf_pass_##function(GfPassCtx *cx, GfGraph *g);
#include "passes/passes.def"

const GfPassInfo *gf_pass_info(GfPassId id);
GfPassFn gf_pass_function(GfPassId id);

int64_t gf_option_i(const GfPassCtx *cx, const char *key);
double gf_option_f(const GfPassCtx *cx, const char *key);
const char *gf_option_s(const GfPassCtx *cx, const char *key); /* "" when not given */

/* What one pass of a pipeline did. */
typedef struct GfPassReport {
    const char *text; /* as written, with options */
    const GfPassInfo *info;
    int64_t counts[GF_MAX_COUNTERS];
    double seconds;
    uint32_t nodes_before, nodes_after;
    bool changed; /* the printed graph differs; known only if an `after` hook is set */
} GfPassReport;

typedef struct GfPipelineOptions {
    const GfTarget *target; /* NULL: gf_target_any, a cautious default */
    /* Called after every pass; may print.  NULL: none. */
    void (*after)(void *self, const GfPassReport *report, const GfGraph *g);
    void *self;
} GfPipelineOptions;

extern const GfTarget gf_target_any;

/* The passes of `list` in order, in `arena`.  Errors: as of the list in gf_pipeline_run. */
GfStatus gf_pipeline_passes(const char *list, GfArena *arena, const GfPassInfo ***out, size_t *count, GfDiags *diags);

/* Run `list` over `g`.  Reports (one a pass, in `arena`) are optional.
 * Errors: GF_ERR_PASS unknown pass (with the closest name), unknown option or
 * malformed list, a need that does not hold; GF_ERR_VERIFY names the pass that
 * broke the graph; whatever a pass reports. */
GfStatus gf_pipeline_run(GfGraph *g, const char *list, const GfPipelineOptions *options, GfArena *arena,
                         GfPassReport **reports, size_t *report_count, GfDiags *diags);

#endif
