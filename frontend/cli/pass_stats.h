/* pass_stats.h -- what each pass of a pipeline did, as a table: --stats. */
#ifndef GF_FRONTEND_CLI_PASS_STATS_H
#define GF_FRONTEND_CLI_PASS_STATS_H

#include "frontend/cli/options.h"
#include "passes/passes.h"

#include <stdio.h>

typedef struct GfPassStats {
    const GfPassReport *reports;
    size_t count;
    int64_t tokens, seqs; /* what they were measured at */
    const char *form;     /* the value of --stats */
} GfPassStats;

/* One line a pass: its name, what it counted, and of the graph after it nodes, ops,
 * kernels, FLOPs, bytes and planned memory, each with the change where there is one;
 * and its time.  The form "markdown": the same for a README, without times. */
void gf_print_pass_stats(const GfPassStats *stats, GfArena *arena, FILE *out);

/* Errors: GF_ERR_USAGE --stats has another value than those. */
GfStatus gf_check_stats_form(const GfOptions *o, GfDiags *diags);

/* The sizes at which --stats measures `g`: --tokens and --seqs, else those that it is planned for. */
GfStatus gf_stats_sizes(const GfOptions *o, const GfGraph *g, int64_t *tokens, int64_t *seqs, GfDiags *diags);

#endif
