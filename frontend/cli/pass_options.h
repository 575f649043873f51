/* pass_options.h -- the options about passes that `opt` and `compile` share, and some of
 * them `passes`:
 *
 *   --without PASS, --with PASS     switch passes of the training pipelines: pass_switches.h
 *   --load-pass FILE.so             passes of a shared object
 *   --print-before NAME|all         the graph before a pass, on standard error
 *   --print-after NAME|all|changed  the same after it
 *   --verify-each                   the text of the graph reads back as itself, too
 *   --check-each                    values stay what they are
 *   --time-passes                   where the time goes
 */
#ifndef GF_FRONTEND_CLI_PASS_OPTIONS_H
#define GF_FRONTEND_CLI_PASS_OPTIONS_H

#include "frontend/cli/pass_switches.h"
#include "passes/passes.h"

/* Their rows, for tables of options. */
#define GF_LOAD_PASS_OPTION                                                                                            \
    {                                                                                                                  \
        "load-pass", "FILE.so", "passes of a shared object beside graft's own; may be repeated"                        \
    }
#define GF_PASS_OPTIONS                                                                                                \
    GF_PASS_SWITCHES, GF_LOAD_PASS_OPTION,                                                                             \
        {"print-before", "NAME|all", "print the graph before a pass, or before each"},                                 \
        {"print-after", "NAME|all|changed",                                                                            \
         "print the graph after a pass, after each, or after each that changed it"},                                   \
        {"verify-each", NULL, "beside the invariants: the text of the graph reads back as itself after each pass"},    \
        {"check-each", NULL, "evaluate a small instance of the graph before and after each pass: same values?"},       \
    {                                                                                                                  \
        "time-passes", NULL, "print where the time goes"                                                               \
    }

/* Load what --load-pass names, in its order; close `plugins` also after an error. */
GfStatus gf_load_passes(const GfOptions *options, GfPlugins *plugins, GfDiags *diags);

/* --passes with the pipelines of graft in place of their names: @train, @accumulate and
 * @evaluate, as --without and --with have them.  *list is in `arena`; NULL: no --passes.
 * Errors: GF_ERR_USAGE a switch, but no pipeline of training; those of gf_pass_switches. */
GfStatus gf_expand_passes(const GfOptions *options, GfArena *arena, const char **list, GfDiags *diags);

/* Set what the options ask for in `pipeline`; `list` is what will run.
 * Errors: GF_ERR_USAGE a pass to print at that is not there or does not run; GF_ERR_PASS
 * what is wrong with the list. */
GfStatus gf_pass_options_read(const GfOptions *options, const char *list, GfPipelineOptions *pipeline, GfArena *arena,
                              GfDiags *diags);

/* --time-passes: one line a pass, and the sum. */
void gf_print_pass_times(const GfPassReport *reports, size_t count, FILE *out);

#endif
