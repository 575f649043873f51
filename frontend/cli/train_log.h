/* train_log.h -- `graft train --log-json`: what happens, a JSON line each, for programs.
 *
 *   {"event": "begin", "time": 1738314000.5, "variant": "lora", "trainable": 446982, "all": 109929222,
 *    "max_steps": 1500, "training": {...}}
 *   {"event": "log", ..., "epoch": 1, "step": 500, "loss": 0.61, "grad_norm": 3.2, "learning_rate": 4.9e-05}
 *   {"event": "eval", ..., "epoch": 1, "step": 500, "eval_loss": 0.22, ...}
 *   {"event": "save", ..., "step": 1500, "folder": "results/lora/checkpoint-1500"}
 *   {"event": "save", ..., "step": 1500, "folder": "results/lora"}
 *   {"event": "end", ..., "epochs": 3, "steps": 1500, "train_loss": 0.2, "seconds": 71.2, "split": "test", ...}
 *
 * "log" and "eval" are the entries of trainer_state.json; "save" means that what is in
 * the folder is whole: a checkpoint, or, the last one, the model.  Every line is flushed.
 */
#ifndef GF_FRONTEND_CLI_TRAIN_LOG_H
#define GF_FRONTEND_CLI_TRAIN_LOG_H

#include "runtime/train/session.h"

typedef struct GfTrainLog {
    FILE *out; /* NULL: no log */
    const char *variant;
} GfTrainLog;

void gf_train_log_begin(GfTrainLog *log, const GfJobVariant *variant, const GfTrainer *trainer);
void gf_train_log_entry(GfTrainLog *log, const GfLogEntry *entry);
void gf_train_log_saved(GfTrainLog *log, const char *folder, int64_t step);
void gf_train_log_end(GfTrainLog *log, const GfVariantResult *result);

#endif
