/* history.h -- the log of a training, as the Trainer keeps it in trainer_state.json.
 *
 *   {"epoch": 1, "step": 500, "loss": 0.61, "grad_norm": 3.2, "learning_rate": 4.9e-05}
 *   {"epoch": 1, "step": 500, "eval_loss": 0.22, "eval_accuracy": 0.92, ...}
 *   {"epoch": 1, "step": 500, "train_runtime": 12.1, ..., "train_loss": 0.61}      the last one
 *
 * When a loss is logged say logging_strategy, logging_steps and logging_first_step;
 * it is the mean over the steps since the last one.  Whoever else keeps a log
 * (TensorBoard's files, --log-json) listens here, so that all hold the same.
 */
#ifndef GF_RUNTIME_TRAIN_HISTORY_H
#define GF_RUNTIME_TRAIN_HISTORY_H

#include "runtime/train/trainer.h"

enum { GF_LOG_VALUES_MAX = 16, GF_EVALUATION_VALUES = 4 + GF_METRIC_COUNT };

typedef enum GfLogKind { GF_LOG_STEP, GF_LOG_EVALUATION, GF_LOG_END } GfLogKind;

/* A figure by its name in the Trainer's log: "loss", "eval_f1". */
typedef struct GfLogValue {
    const char *key; /* static */
    double value;
} GfLogValue;

typedef struct GfLogEntry {
    GfLogKind kind;
    int64_t step;
    double epoch;
    GfLogValue values[GF_LOG_VALUES_MAX];
    size_t count;
} GfLogEntry;

/* Called with each entry; it lives for the call. */
typedef struct GfLogListener {
    void *self;
    void (*entry)(void *self, const GfLogEntry *entry); /* NULL: nobody listens */
} GfLogListener;

typedef struct GfHistory {
    GfArena *arena; /* of the entries */
    const GfTraining *training;
    size_t batches; /* micro-batches of an epoch */
    GfLogListener listener;
    GfLogEntry *entries;
    size_t count, capacity;
    double loss_sum; /* since the last entry of a loss */
    int64_t loss_count;
} GfHistory;

/* Everything is borrowed.  When memory runs out, entries are missing and the arena tells. */
void gf_history_init(GfHistory *history, GfArena *arena, const GfTraining *training, size_t batches);
void gf_history_step(GfHistory *history, const GfStepReport *report);
void gf_history_epoch(GfHistory *history, const GfEpochReport *report);
void gf_history_end(GfHistory *history, const GfTrainer *trainer);

/* The figures of an evaluation: eval_loss, the metrics of its problem, eval_runtime ...
 * eval_steps_per_second.  Gives their number. */
size_t gf_evaluation_values(const GfEvaluation *evaluation, GfLogValue values[GF_EVALUATION_VALUES]);

/* Add them as members of a JSON object: "eval_loss": ..., "eval_steps_per_second": ... */
void gf_evaluation_print(GfText *text, const GfEvaluation *evaluation, const char *separator);

/* Add an entry's members: "epoch": 1, "step": 500, "loss": ... */
void gf_log_entry_print(GfText *text, const GfLogEntry *entry);

/* Add the log as a JSON array. */
void gf_history_print(const GfHistory *history, GfText *text);

/* Take up the entries of such an array, as they were; listeners have heard of them already.
 * Errors: GF_ERR_KEY, GF_ERR_VALUE, GF_ERR_MEMORY. */
GfStatus gf_history_read(GfHistory *history, const GfJson *doc, const cJSON *log, GfDiags *diags);

#endif
