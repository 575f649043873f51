/* event_log.h -- a variant's training in TensorBoard's files, under the tags of the
 * Trainer's TensorBoardCallback: train/loss, train/learning_rate, train/epoch,
 * eval/loss, eval/f1 ..., and the arguments as the text "args".
 *
 * A run that goes on writes a further file into its folder, which says where it begins:
 * TensorBoard shows one run, without what was logged after that point before.
 *
 * An error here does not stop a training: nothing is written any more, and
 * gf_event_log_close returns the error when the model has been saved.
 */
#ifndef GF_RUNTIME_TRAIN_EVENT_LOG_H
#define GF_RUNTIME_TRAIN_EVENT_LOG_H

#include "runtime/io/tfevents.h"
#include "runtime/train/history.h"

typedef struct GfEventLog {
    bool on;
    GfTfEvents events;
    GfStatus status; /* the first error */
    GfDiags *diags;
} GfEventLog;

/* logging_dir/<variant>, or output_dir/<variant>/runs/<month day_time_host> as the
 * Trainer names it, or, for a run that goes on, the newest of those; in `arena`.
 * Errors: GF_ERR_IO, GF_ERR_MEMORY. */
GfStatus gf_event_log_folder(const char **folder, GfArena *arena, const GfTraining *training, const char *variant,
                             bool goes_on, GfDiags *diags);

/* Begin a file in `folder`, of a training that has done `step` steps; NULL: keep no log.
 * On error nothing needs closing.  Errors: GF_ERR_IO. */
GfStatus gf_event_log_open(GfEventLog *log, const char *folder, const GfTraining *training, int64_t step,
                           GfDiags *diags);
void gf_event_log_entry(GfEventLog *log, const GfLogEntry *entry);

/* Returns the first error since opening.  Harmless when not open. */
GfStatus gf_event_log_close(GfEventLog *log);

#endif
