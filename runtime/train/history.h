/* history.h -- the log of a training, as the Trainer keeps it in trainer_state.json.
 *
 *   {"epoch": 1.0, "step": 500, "loss": 0.61, "grad_norm": 3.2, "learning_rate": 4.9e-05}
 *   {"epoch": 1.0, "step": 500, "eval_loss": 0.22, "eval_accuracy": 0.92, ...}
 *
 * When a loss is logged says logging_strategy; it is the mean since the last one.
 */
#ifndef GF_RUNTIME_TRAIN_HISTORY_H
#define GF_RUNTIME_TRAIN_HISTORY_H

#include "runtime/train/trainer.h"

typedef struct GfHistoryEntry {
    double epoch;
    int64_t step;
    bool is_evaluation;
    double loss, grad_norm, learning_rate;
    GfEvaluation evaluation;
} GfHistoryEntry;

typedef struct GfHistory {
    GfArena *arena; /* of the entries */
    const GfTraining *training;
    size_t batches; /* micro-batches of an epoch */
    GfHistoryEntry *entries;
    size_t count, capacity;
    double loss_sum; /* since the last entry of a loss */
    int64_t loss_count;
} GfHistory;

/* Everything is borrowed.  When memory runs out, entries are missing and the arena tells. */
void gf_history_init(GfHistory *history, GfArena *arena, const GfTraining *training, size_t batches);
void gf_history_step(GfHistory *history, const GfStepReport *report);
void gf_history_epoch(GfHistory *history, const GfEpochReport *report);

/* Add the keys of an evaluation: "eval_loss": ..., "eval_steps_per_second": ... */
void gf_evaluation_print(GfText *text, const GfEvaluation *evaluation, const char *separator);

/* Write trainer_state.json. */
GfStatus gf_history_write(const GfHistory *history, const GfTrainer *trainer, const char *path, GfDiags *diags);

#endif
