/* train_state.h -- trainer_state.json: the log in the Trainer's words, and under
 * "graft" all that going on needs beside the tensors.
 *
 *   {
 *     "best_global_step": 1000, "best_metric": 0.92, "best_model_checkpoint": "checkpoint-1000",
 *     "epoch": 3, "eval_steps": 500, "global_step": 1500, "logging_steps": 500, "max_steps": 25000,
 *     "num_train_epochs": 50, "save_steps": 500, "train_batch_size": 32,
 *     "stateful_callbacks": {"EarlyStoppingCallback": {...}},
 *     "log_history": [...],
 *     "graft": {...}
 *   }
 *
 * Doubles are written with as many digits as read back to the same bits.
 * Source of the keys: transformers 5, TrainerState.
 */
#ifndef GF_RUNTIME_TRAIN_TRAIN_STATE_H
#define GF_RUNTIME_TRAIN_TRAIN_STATE_H

#include "runtime/train/history.h"

GfStatus gf_train_state_write(const char *folder, const GfTrainer *trainer, const GfHistory *history, GfDiags *diags);

/* Take up the state in `folder`: trainer->state, trainer->changed, and the log.  The trainer was made
 * for the job at hand, the history is empty.
 * Errors: those of the file; GF_ERR_VALUE it is of a job with other data, batches or seed. */
GfStatus gf_train_state_read(const char *folder, GfTrainer *trainer, GfHistory *history, GfDiags *diags);

#endif
