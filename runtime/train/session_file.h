/* session_file.h -- a session whose programs come from a file; for session.c. */
#ifndef GF_RUNTIME_TRAIN_SESSION_FILE_H
#define GF_RUNTIME_TRAIN_SESSION_FILE_H

#include "runtime/train/session.h"

/* Once model and data are loaded: the device that the file was compiled for, and its
 * code, ready to run; that the data's batches fit into it.
 * Errors: those of gf_job_file_check_limits; GF_ERR_TARGET the job names another kind of
 * device, or this one is of another architecture. */
GfStatus gf_session_open_file(GfSession *session, uint32_t threads, GfDiags *diags);

#endif
