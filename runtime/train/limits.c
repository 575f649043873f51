/* limits.c -- see limits.h. */
#include "runtime/train/limits.h"

#include "runtime/train/trainer.h"

static void widen(GfBatchLimits *limits, const GfDataset *data, size_t batch_size)
{
    if (data->examples == 0)
        return;
    int64_t tokens = (int64_t)gf_dataset_max_tokens(data, batch_size);
    int64_t seqs = (int64_t)(batch_size < data->examples ? batch_size : data->examples);
    limits->tokens = tokens > limits->tokens ? tokens : limits->tokens;
    limits->seqs = seqs > limits->seqs ? seqs : limits->seqs;
}

GfPlanLimits gf_limits_of_data(const GfCorpus *c, const GfTraining *t)
{
    GfPlanLimits limits = {0};

    widen(&limits.train, &c->splits[GF_SPLIT_TRAIN], gf_train_batch_size(t, c->fixed_batch));
    widen(&limits.evaluate, &c->splits[GF_SPLIT_VALIDATION], (size_t)t->per_device_eval_batch_size);
    widen(&limits.evaluate, &c->splits[GF_SPLIT_TEST], (size_t)t->per_device_eval_batch_size);
    return limits;
}

GfPlanLimits gf_limits_of_job(const GfJob *job, const GfTraining *t, int64_t max_length)
{
    int64_t train = t->per_device_train_batch_size, evaluate = t->per_device_eval_batch_size;
    GfPlanLimits limits = {.train = {.tokens = train * max_length, .seqs = train}};

    if (job->data.validation || job->data.test || job->data.generate.given)
        limits.evaluate = (GfBatchLimits){.tokens = evaluate * max_length, .seqs = evaluate};
    return limits;
}
