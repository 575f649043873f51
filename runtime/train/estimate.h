/* estimate.h -- what a training will take, known before it begins. */
#ifndef GF_RUNTIME_TRAIN_ESTIMATE_H
#define GF_RUNTIME_TRAIN_ESTIMATE_H

#include "runtime/train/trainer.h"

typedef struct GfEstimate {
    bool made;
    int64_t memory;       /* bytes: parameters, optimizer state, packed weights, what steps work in */
    double epoch_seconds; /* of training steps, without evaluation */
    double later_seconds; /* the same of an epoch after the first, where what a frozen part gives is kept */
    int64_t tokens;       /* of an epoch */
    int64_t padded;       /* of the same batches, each padded to its longest text */
} GfEstimate;

/* Run a few steps at learning rate 0 and undo what they did to the optimizer's state:
 * parameters and state are afterwards what they were.  Before the first step, and
 * before a checkpoint is loaded.
 * Errors: GF_ERR_DEVICE, GF_ERR_VALUE. */
GfStatus gf_estimate(GfEstimate *estimate, GfTrainer *trainer, GfDiags *diags);

#endif
