/* compile_job.h -- `graft compile JOB.json -o NAME.gfc`. */
#ifndef GF_FRONTEND_CLI_COMPILE_JOB_H
#define GF_FRONTEND_CLI_COMPILE_JOB_H

#include "frontend/cli/options.h"

/* Whether the command line asks for it: -o names a .gfc. */
bool gf_compile_wants_job(const GfOptions *options);

/* Compile the job, write the file and say what is in it.
 * Errors: GF_ERR_USAGE an option that is for models alone; those of gf_job_load and
 * gf_job_compile. */
GfStatus gf_compile_job(const GfOptions *options, GfArena *arena, GfDiags *diags);

#endif
