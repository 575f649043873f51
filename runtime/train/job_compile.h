/* job_compile.h -- all variants of a job, compiled into one file. */
#ifndef GF_RUNTIME_TRAIN_JOB_COMPILE_H
#define GF_RUNTIME_TRAIN_JOB_COMPILE_H

#include "runtime/train/job_file.h"

/* Compile the job's variants for `target` ("cpu", "cpu:x86-64-v3", "cuda:sm_90a") into
 * `file`, which gf_job_file_write writes.  Batches are planned as the data asks for; where
 * it is not here, as the batch size and the longest text may.
 *
 *   planned_by_data  out: whether it was here
 *
 * On error nothing needs closing.
 * Errors: those of the model, the variants and the data; GF_ERR_TARGET, GF_ERR_COMPILE;
 * GF_ERR_VALUE neither data nor a longest text to plan for. */
GfStatus gf_job_compile(GfJobFile *file, const GfJob *job, const char *target, bool *planned_by_data, GfDiags *diags);

#endif
