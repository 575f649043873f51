/* job_pack.h -- a job and the files that it is made of, as texts: the job, its
 * model, its variants, and what `--set` said of training.  Checkpoint, tokenizer,
 * data and output folder stay outside.
 *
 *   bed/emotion.gfc             pack->path: relative paths of the job are relative to bed/
 *     job     {"job": "emotion", "model": "model/bert.json",
 *              "variants": [{"file": "variants/full.json", "training": {...}}, ...], ...}
 *     sets    {"training": {"num_train_epochs": 3}}
 *     texts   model/bert.json, variants/full.json, ...
 */
#ifndef GF_FRONTEND_GRAPH_JOB_PACK_H
#define GF_FRONTEND_GRAPH_JOB_PACK_H

#include "frontend/graph/job.h"

/* One file. */
typedef struct GfJobText {
    const char *name;  /* as the job has it: "model/bert.json" */
    const char *path;  /* as the job resolves it: "bed/model/bert.json" */
    const char *shown; /* in errors: "bed/emotion.gfc/model/bert.json" */
    const char *text;
} GfJobText;

struct GfJobPack {
    const char *path, *job, *sets;
    GfJobText *texts;
    size_t count;
};

/* Put `job`, after its --set, and the text of its model into `pack`.  `target` is what
 * it is compiled for: a device of another kind that the job names is left out.
 * In `arena`, but for texts that are the job's own. */
GfStatus gf_job_pack(GfJobPack *pack, GfArena *arena, const GfJob *job, const char *model, const char *target,
                     GfDiags *diags);

/* Say where the pack is and what its files are called there.  False: out of memory. */
bool gf_job_pack_place(GfJobPack *pack, GfArena *arena, const char *path);

/* By the path that a job resolves; NULL: not in the pack, or no pack. */
const GfJobText *gf_job_pack_find(const GfJobPack *pack, const char *path);

#endif
