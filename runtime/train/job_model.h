/* job_model.h -- the model of a job: its file, with the checkpoint's sizes and the job's own. */
#ifndef GF_RUNTIME_TRAIN_JOB_MODEL_H
#define GF_RUNTIME_TRAIN_JOB_MODEL_H

#include "frontend/graph/job.h"
#include "frontend/graph/model.h"
#include "runtime/io/hf_config.h"

/* The checkpoint's config.json; a job without a checkpoint has none.  Paths live in `arena`.
 * Errors: those of gf_hf_config_read. */
GfStatus gf_job_read_config(const GfJob *job, GfArena *arena, GfHfConfig *config, GfDiags *diags);

/* The model that the job names, from its file or the job's pack, for so many labels, and
 * that every variant fits it.
 * Errors: those of gf_model_load and gf_recipe_check; then nothing needs closing. */
GfStatus gf_job_load_model(const GfJob *job, size_t labels, const GfHfConfig *config, GfModel *model, GfDiags *diags);

#endif
