/* evaluate.c -- see evaluate.h. */
#include "runtime/train/evaluate.h"

#include <math.h>

GfStatus gf_evaluator_init(GfEvaluator *ev, GfArena *arena, const GfDataset *dataset, size_t batch_size, GfDiags *diags)
{
    GF_TRY(gf_batcher_init(&ev->batcher, arena, dataset, batch_size, diags));
    return gf_metrics_init(&ev->metrics, arena, dataset->classes, diags);
}

/* The first of the largest: as argmax; -1 when one is not a number. */
static int64_t largest(const float *row, size_t count)
{
    size_t best = 0;

    for (size_t i = 0; i < count; i++) {
        if (isnan(row[i]))
            return -1;
        if (row[i] > row[best])
            best = i;
    }
    return (int64_t)best;
}

static GfStatus count_batch(GfEvaluator *ev, const GfBatch *batch, const float *logits, GfDiags *diags)
{
    size_t classes = ev->metrics.classes;

    for (int32_t i = 0; i < batch->seqs; i++) {
        int64_t predicted = largest(logits + (size_t)i * classes, classes);
        if (predicted < 0)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the evaluation failed: a logit is not a number");
        GF_TRY(gf_metrics_add(&ev->metrics, batch->labels[i], predicted, diags));
    }
    return GF_OK;
}

static GfStatus add_loss(double *sum, const GfBatch *batch, double loss, GfDiags *diags)
{
    if (!isfinite(loss))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the evaluation failed: the loss is %g", loss);
    *sum += loss * batch->seqs;
    return GF_OK;
}

GfStatus gf_evaluate(GfEvaluator *ev, GfExec *evaluate, GfEvaluation *out, GfDiags *diags)
{
    double start = gf_now(), sum = 0;
    const GfBatch *batch;

    *out = (GfEvaluation){0};
    gf_metrics_reset(&ev->metrics);
    gf_batcher_start(&ev->batcher);
    while ((batch = gf_batcher_next(&ev->batcher))) {
        GF_TRY(gf_steps_run(evaluate, batch, NULL, diags));
        GF_TRY(add_loss(&sum, batch, gf_exec_scalar(evaluate, "loss"), diags));
        GF_TRY(count_batch(ev, batch, gf_exec_output(evaluate, "logits"), diags));
        out->examples += batch->seqs;
        out->tokens += batch->tokens;
        out->batches++;
    }
    out->loss = sum / (double)out->examples;
    out->scores = gf_metrics_scores(&ev->metrics);
    out->seconds = gf_now() - start;
    return GF_OK;
}
