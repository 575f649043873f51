/* checkpoint.h -- the folders RUN/checkpoint-<step> that a training can go on from.
 *
 *   what gf_run_save writes          the model as others load it, trainer_state.json
 *   optimizer.safetensors            the optimizer's state, and with adapters what trains
 *   checksums.json                   of all of these
 *
 * A checkpoint is written as checkpoint-<step>.partial, brought to the disk and
 * renamed: under its name it is whole, or the disk has damaged it since, which the
 * checksums show.
 */
#ifndef GF_RUNTIME_TRAIN_CHECKPOINT_H
#define GF_RUNTIME_TRAIN_CHECKPOINT_H

#include "runtime/train/run.h"

/* Write the checkpoint of what->trainer's step below the folder `run`; one of that
 * step is replaced.  Then remove old ones: of more than save_total_limit the oldest,
 * but neither this one nor the best.
 * Source of the rule: transformers 5, trainer_utils.rotate_checkpoints.
 * Errors: GF_ERR_IO; the checkpoints before are whole. */
GfStatus gf_checkpoint_write(const char *run, const GfRunSave *what, GfDiags *diags);

/* "RUN/checkpoint-500", in `arena`. */
const char *gf_checkpoint_path(GfArena *arena, const char *run, int64_t step);

/* The steps of the checkpoints below `run`, ascending, in `arena`; none when there is no such folder. */
GfStatus gf_checkpoint_list(const char *run, GfArena *arena, int64_t **steps, size_t *count, GfDiags *diags);

/* Which of the checkpoints of these steps, ascending, stay: of more than `limit` (0: as
 * many as there are) the oldest go, but neither `newest` nor `best` (0: none). */
void gf_checkpoint_rotation(const int64_t *steps, size_t count, int64_t limit, int64_t newest, int64_t best,
                            bool *keep);

/* Check a checkpoint's files.  On damage the note names the newest other one of
 * its run that is whole, if any.  Errors: GF_ERR_FORMAT damaged; GF_ERR_IO. */
GfStatus gf_checkpoint_check(const char *checkpoint, GfDiags *diags);

/* Read tensors and state: with the trainer and history made for the same job the
 * training goes on as if it had never stopped.
 * Errors: those of the files; GF_ERR_VALUE it is of another job. */
GfStatus gf_checkpoint_load(const char *checkpoint, GfStore *store, GfTrainer *trainer, GfHistory *history,
                            GfDiags *diags);

/* Read the parameters that train, no more: the best model, at the end. */
GfStatus gf_checkpoint_load_params(const char *checkpoint, GfStore *store, GfDiags *diags);

/* Remove what a killed process was about to write or to remove below `run`. */
GfStatus gf_checkpoint_sweep(const char *run, GfDiags *diags);

/* Remove all checkpoints below `run`, and what a killed process has left of others. */
GfStatus gf_checkpoint_remove_all(const char *run, GfDiags *diags);

#endif
