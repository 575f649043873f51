/* inspect_job.h -- what a compiled job holds, for people. */
#ifndef GF_FRONTEND_CLI_INSPECT_JOB_H
#define GF_FRONTEND_CLI_INSPECT_JOB_H

#include "runtime/train/job_file.h"

/* `graft inspect NAME.gfc`: target, job, variants and their programs. */
GfStatus gf_inspect_job(const char *path, GfArena *arena, GfDiags *diags);

/* The variants alone: parameters, largest batches, programs; to stdout. */
void gf_print_job_variants(const GfJobFile *file, GfArena *arena);

#endif
