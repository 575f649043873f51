/* job_file.h -- a compiled job as one file, NAME.gfc: what `graft compile JOB.json -o
 * NAME.gfc` writes and `graft train NAME.gfc` runs without a compiler.
 *
 *   "graftjob"  u32 format  text graft's version
 *   text target             "cpu:x86-64-v3", "cuda:sm_90a"
 *   job, sets, texts        frontend/graph/job_pack.h
 *   text config             the model's sizes and choices that were compiled, JSON
 *   variants                name, parameters, largest batches; of each program that it
 *                           has: the list of passes, and codegen/program_file.h
 *   u64 checksum            FNV-1a of all before
 *
 * Numbers are little-endian (ir/bytes.h).  Every format begins with the same line and
 * ends with the checksum, so that another one can be told from damage.  Checkpoint,
 * tokenizer and data stay outside; what the job says of them, and of everything that
 * is not compiled, may be set anew.  Whether a setting is compiled is not a list of
 * keys: the lists of passes and the model's config with it must be those of the file.
 */
#ifndef GF_RUNTIME_TRAIN_JOB_FILE_H
#define GF_RUNTIME_TRAIN_JOB_FILE_H

#include "frontend/graph/job_pack.h"
#include "runtime/train/limits.h"

/* A variant as it was compiled; runs that differ in what is not compiled share it. */
typedef struct GfJobFileVariant {
    const char *name;    /* of the variant */
    GfPlanLimits limits; /* the largest of its runs */
    GfPrograms programs;
    const char *passes[GF_STEP_PROGRAMS]; /* that each comes of, without the sizes of the plan; "": not wanted */
} GfJobFileVariant;

typedef struct GfJobFile {
    GfArena arena;
    const char *path;
    const char *target;
    GfJobPack pack;
    const char *config;
    GfJobFileVariant *variants;
    size_t variant_count;
} GfJobFile;

/* Whether the file begins as a compiled job does. */
bool gf_job_file_is(const char *path);

/* The same, or it is called NAME.gfc: a damaged one is not taken for JSON. */
bool gf_job_file_is_meant(const char *path);

/* Read a file and check all of it.  On error nothing needs closing (closing is harmless).
 * Errors: GF_ERR_IO; GF_ERR_FORMAT no compiled job, damaged, of another format or
 * another version of graft. */
GfStatus gf_job_file_open(GfJobFile *file, const char *path, GfDiags *diags);
void gf_job_file_close(GfJobFile *file);

/* Write what `file` holds, all at once or not at all; its path is not asked. */
GfStatus gf_job_file_write(const GfJobFile *file, const char *path, GfDiags *diags);

/* The job with `sets` laid over it.  `file` outlives it.
 * Errors: those of gf_job_load; GF_ERR_VALUE a setting that is compiled, by name;
 * GF_ERR_NAME a variant that the file does not have. */
GfStatus gf_job_file_job(const GfJobFile *file, const GfSet *sets, size_t set_count, GfJob *job, GfDiags *diags);

/* The lists of passes that a run comes of; as in GfJobFileVariant.passes.  In `arena`. */
GfStatus gf_job_file_passes(const GfJobVariant *run, GfArena *arena, const char *passes[GF_STEP_PROGRAMS],
                            GfDiags *diags);

/* What was compiled for a run of a job; NULL: nothing was. */
GfStatus gf_job_file_find(const GfJobFile *file, const GfJobVariant *run, const GfJobFileVariant **out, GfDiags *diags);

/* That `model` is the one compiled, and that the programs take and give what a step of
 * it does.  Errors: GF_ERR_VALUE a size or choice that differs, by name; GF_ERR_FORMAT. */
GfStatus gf_job_file_check_model(const GfJobFile *file, const GfModel *model, GfDiags *diags);

/* That batches of this size fit into the plan of the variant.
 * Errors: GF_ERR_VALUE, which says what the file is planned for. */
GfStatus gf_job_file_check_limits(const GfJobFile *file, const GfJobFileVariant *variant, const GfPlanLimits *needed,
                                  GfDiags *diags);

#endif
