/* limits.h -- the largest batches that a variant's programs are planned for. */
#ifndef GF_RUNTIME_TRAIN_LIMITS_H
#define GF_RUNTIME_TRAIN_LIMITS_H

#include "runtime/train/corpus.h"
#include "runtime/train/steps.h"

typedef struct GfPlanLimits {
    GfBatchLimits train;
    GfBatchLimits evaluate; /* validation and test */
} GfPlanLimits;

/* What the batches of this data need: the longest examples together. */
GfPlanLimits gf_limits_of_data(const GfCorpus *corpus, const GfTraining *training);

/* What the batches of any data need whose texts have at most `max_length` tokens. */
GfPlanLimits gf_limits_of_job(const GfJob *job, const GfTraining *training, int64_t max_length);

#endif
