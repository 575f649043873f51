/* train_options.h -- options that `graft train` and `graft eval` share. */
#ifndef GF_FRONTEND_CLI_TRAIN_OPTIONS_H
#define GF_FRONTEND_CLI_TRAIN_OPTIONS_H

#include "frontend/cli/options.h"
#include "frontend/graph/path.h"
#include "runtime/train/job_file.h"

/* --threads; 0 when it was not given.  Errors: GF_ERR_USAGE. */
GfStatus gf_train_threads(const GfOptions *options, uint32_t *threads, GfDiags *diags);

/* Every --set KEY=VALUE, and behind them what --without and --with set, in `arena`.
 * Errors: GF_ERR_USAGE; those of gf_pass_switches. */
GfStatus gf_train_sets(const GfOptions *options, GfArena *arena, GfSet **sets, size_t *count, GfDiags *diags);

/* The job that the first argument names, with --set, --without, --with and --device.
 * `file`: the compiled job that it is in; NULL: it is JSON.  Close it with gf_job_close.
 * Errors: those of the job, GF_ERR_USAGE. */
GfStatus gf_train_job(const GfOptions *options, const GfJobFile *file, GfJob *out, GfDiags *diags);

#endif
