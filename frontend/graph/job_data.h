/* job_data.h -- the section "data" of a job. */
#ifndef GF_FRONTEND_GRAPH_JOB_DATA_H
#define GF_FRONTEND_GRAPH_JOB_DATA_H

#include "frontend/graph/job.h"

/* The path at `key`, in the job's arena; relative to `folder` (and this to the
 * file that holds it), where one is given.
 * Errors: GF_ERR_KEY, GF_ERR_VALUE not a string, or empty. */
GfStatus gf_job_path(GfJob *job, const cJSON *object, const char *key, GfJsonNeed need, const char *folder,
                     const char **path, GfDiags *diags);

/* The file that `node` names can be read.  Errors: GF_ERR_IO, at the node. */
GfStatus gf_job_check_file(const GfJob *job, const cJSON *node, const char *path, GfDiags *diags);

/* Read job->data.  Errors: GF_ERR_KEY, GF_ERR_VALUE, GF_ERR_NAME. */
GfStatus gf_job_read_data(GfJob *job, GfDiags *diags);

#endif
