/* pass_stats.h -- what each pass of a pipeline did, as a table. */
#ifndef GF_FRONTEND_CLI_PASS_STATS_H
#define GF_FRONTEND_CLI_PASS_STATS_H

#include "passes/passes.h"

#include <stdio.h>

/* One line a pass: its name, what it counted, nodes before and after, time. */
void gf_print_pass_stats(const GfPassReport *reports, size_t count, GfArena *arena, FILE *out);

#endif
