/* passes.h -- passes over graphs, and pipelines of them.
 *
 * A pass is one row of passes.def and one function.  The runner parses
 * "a,b{option=1,list=\"x y\"},c", checks what each pass needs, runs it,
 * verifies the graph after it and collects what it counted.
 */
#ifndef GF_PASSES_PASSES_H
#define GF_PASSES_PASSES_H

#include "passes/measure.h"
#include "passes/pass.h"

typedef enum GfPassId {
#define GF_PASS(id, ...) GF_PASS_##id,
#include "passes/passes.def"
    GF_PASS_COUNT
} GfPassId;

#define GF_PASS(id, text, function, ...) GfStatus gf_pass_##function(GfPassCtx *cx, GfGraph *g);
#include "passes/passes.def"

const GfPassInfo *gf_pass_info(GfPassId id);
GfPassFn gf_pass_function(GfPassId id);

/* ---- passes from shared objects (plugins.c); graft_pass.h is what they are written with */

typedef struct GfLoadedPass {
    GfPassRow row;
    const char *path; /* of the shared object */
} GfLoadedPass;

/* Closed after the graphs that its passes have worked on. */
typedef struct GfPlugins {
    GfArena arena;
    GfLoadedPass **passes;
    void **handles;
    size_t pass_count, pass_room, handle_count, handle_room;
} GfPlugins;

void gf_plugins_init(GfPlugins *plugins, const GfAllocator *allocator);
void gf_plugins_close(GfPlugins *plugins);

/* Load the shared object and check all that it says of its passes.
 * Errors: GF_ERR_IO    no such file, not a shared object, a symbol that is not there
 *         GF_ERR_PASS  made for another graft, a row that is wrong, a name that is taken */
GfStatus gf_plugins_load(GfPlugins *plugins, const char *path, GfDiags *diags);

/* All passes: those of passes.def, then those of `plugins`, which may be NULL. */
size_t gf_pass_count(const GfPlugins *plugins);
const GfPassRow *gf_pass_at(const GfPlugins *plugins, size_t i);
const GfPassRow *gf_pass_named(const GfPlugins *plugins, const char *text); /* NULL: there is none */
const char *gf_pass_origin(const GfPlugins *plugins,
                           const GfPassInfo *info); /* path of its object; NULL: graft's own */

/* The closest name, for "did you mean"; NULL: none is close.  `arena` for scratch. */
const char *gf_pass_closest(const GfPlugins *plugins, const char *text, GfArena *arena);

/* What one pass of a pipeline did. */
typedef struct GfPassReport {
    const char *text; /* as written, with options */
    const GfPassInfo *info;
    int64_t counts[GF_MAX_COUNTERS];
    double seconds;
    double verify_seconds, check_seconds; /* beside the pass: invariants; text and values */
    uint32_t nodes_before, nodes_after;
    GfMeasure before, after; /* of the graph; zero unless the options name sizes */
    bool changed;            /* the printed graph differs; known only if an `after` hook is set */
} GfPassReport;

typedef struct GfPipelineOptions {
    const GfTarget *target;   /* NULL: gf_target_any, a cautious default */
    const GfPlugins *plugins; /* passes beside those of passes.def; NULL: none */
    GfRefusals *refusals;     /* out: what passes that make kernels left apart; NULL: nobody asks */
    int64_t tokens, seqs;     /* reports measure the graph at these sizes; 0: they do not */
    /* Called before and after every pass; may print.  NULL: none.  `text` as in the report. */
    void (*before)(void *self, const char *text, const GfPassInfo *info, const GfGraph *g);
    void (*after)(void *self, const GfPassReport *report, const GfGraph *g);
    void *self;
    bool check_text;   /* after each pass the text of the graph reads back as itself */
    bool check_values; /* evaluate a small instance before and after each pass: check.h */
} GfPipelineOptions;

extern const GfTarget gf_target_any;

/* The passes of `list` in order, in `arena`.  Errors: as of the list in gf_pipeline_run. */
GfStatus gf_pipeline_passes(const char *list, const GfPlugins *plugins, GfArena *arena, const GfPassInfo ***out,
                            size_t *count, GfDiags *diags);

/* Run `list` over `g`.  Reports (one a pass, in `arena`) are optional.
 * Errors: GF_ERR_PASS unknown pass (with the closest name), unknown option or
 * malformed list, a need that does not hold; GF_ERR_VERIFY names the pass that
 * broke the graph, or changed values by mistake; whatever a pass reports. */
GfStatus gf_pipeline_run(GfGraph *g, const char *list, const GfPipelineOptions *options, GfArena *arena,
                         GfPassReport **reports, size_t *report_count, GfDiags *diags);

#endif
