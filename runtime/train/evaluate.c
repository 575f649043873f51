/* evaluate.c -- see evaluate.h. */
#include "runtime/train/evaluate.h"

GfStatus gf_evaluator_init(GfEvaluator *ev, GfArena *arena, const GfDataset *dataset, size_t batch_size, GfDiags *diags)
{
    GF_TRY(gf_batcher_init(&ev->batcher, arena, dataset, batch_size, diags));
    return gf_metrics_init(&ev->metrics, arena, dataset->classes, diags);
}

/* The first of the largest: as argmax. */
static int64_t largest(const float *row, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (row[i] > row[best])
            best = i;
    return (int64_t)best;
}

static GfStatus count_batch(GfEvaluator *ev, const GfBatch *batch, const float *logits, GfDiags *diags)
{
    size_t classes = ev->metrics.classes;

    for (int32_t i = 0; i < batch->seqs; i++)
        GF_TRY(gf_metrics_add(&ev->metrics, batch->labels[i], largest(logits + (size_t)i * classes, classes), diags));
    return GF_OK;
}

GfStatus gf_evaluate(GfEvaluator *ev, GfExec *evaluate, GfEvaluation *out, GfDiags *diags)
{
    double start = gf_now(), sum = 0;
    const GfBatch *batch;

    *out = (GfEvaluation){0};
    gf_exec_prepare(evaluate);
    gf_metrics_reset(&ev->metrics);
    gf_batcher_start(&ev->batcher);
    while ((batch = gf_batcher_next(&ev->batcher))) {
        GF_TRY(gf_steps_run(evaluate, batch, NULL, diags));
        sum += (double)gf_exec_scalar(evaluate, "loss") * batch->seqs;
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
