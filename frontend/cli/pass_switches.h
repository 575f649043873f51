/* pass_switches.h -- the options that switch passes of the training pipelines:
 *
 *   --without=cse,fuse    leave these out
 *   --with=order-lora     put these in, where they belong
 *
 * They are short for --set training.without_passes=... and with_passes.
 */
#ifndef GF_FRONTEND_CLI_PASS_SWITCHES_H
#define GF_FRONTEND_CLI_PASS_SWITCHES_H

#include "frontend/cli/options.h"
#include "frontend/graph/path.h"

/* Their rows, for tables of options. */
#define GF_PASS_SWITCHES                                                                                               \
    {"without", "PASS[,PASS]", "leave these passes out of the training pipelines; 'graft passes' says which can be"},  \
    {                                                                                                                  \
        "with", "PASS[,PASS]", "put these passes in, where they belong; 'graft passes' says which can be"              \
    }

enum { GF_PASS_SWITCH_COUNT = 2 };

/* What was given, as settings of a job; in `arena`.
 * Errors: GF_ERR_PASS what cannot be left out or put in, what is no pass. */
GfStatus gf_pass_switches(const GfOptions *options, GfArena *arena, GfSet sets[GF_PASS_SWITCH_COUNT], size_t *count,
                          GfDiags *diags);

#endif
