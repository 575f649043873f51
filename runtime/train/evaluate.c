/* evaluate.c -- see evaluate.h. */
#include "runtime/train/evaluate.h"

#include <math.h>
#include <string.h>

static GfStatus allocate(GfEvaluated *batch, GfArena *arena, const GfBatcher *b, GfDiags *diags)
{
    const GfDataset *d = b->dataset;

    batch->labels = GF_NEW_ARRAY(arena, int32_t, b->max_seqs);
    batch->targets = d->targets ? GF_NEW_ARRAY(arena, float, b->max_seqs * d->classes) : NULL;
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_evaluator_init(GfEvaluator *ev, GfArena *arena, const GfDataset *dataset, size_t batch_size, GfDiags *diags)
{
    ev->hook = (GfLogitsHook){0};
    ev->hoist = (GfHoist){0};
    GF_TRY(gf_batcher_init(&ev->batcher, arena, dataset, batch_size, diags));
    for (size_t i = 0; i < 2; i++)
        GF_TRY(allocate(&ev->under_way[i], arena, &ev->batcher, diags));
    return gf_metrics_init(&ev->metrics, arena, dataset->problem, dataset->classes, dataset->examples, diags);
}

GfStatus gf_evaluator_hoist(GfEvaluator *ev, GfArena *arena, GfSteps *s, int64_t budget, GfDiags *diags)
{
    const GfCompiled *c = &s->frozen_evaluate;

    if (!c->exec)
        return GF_OK;
    return gf_hoist_init(&ev->hoist, arena, c->exec, c->program, &s->store, &ev->batcher, budget, diags);
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

static GfStatus fail_logit(GfDiags *diags)
{
    return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the evaluation failed: a logit is not a number");
}

/* One example of which row `i` of the batch's logits speaks. */
static GfStatus count_example(GfEvaluator *ev, const GfEvaluated *batch, int32_t i, const float *logits, GfDiags *diags)
{
    size_t classes = ev->metrics.classes;
    int64_t predicted = largest(logits, classes);

    if (predicted < 0)
        return fail_logit(diags);
    if (!batch->targets)
        return gf_metrics_add(&ev->metrics, batch->labels[i], predicted, diags);
    gf_metrics_add_row(&ev->metrics, batch->targets + (size_t)i * classes, logits);
    return GF_OK;
}

static GfStatus count_batch(GfEvaluator *ev, const GfEvaluated *batch, const float *logits, GfDiags *diags)
{
    if (!logits)
        return fail_logit(diags);
    for (int32_t i = 0; i < batch->seqs; i++)
        GF_TRY(count_example(ev, batch, i, logits + (size_t)i * ev->metrics.classes, diags));
    return GF_OK;
}

static GfStatus take_logits(GfEvaluator *ev, const GfEvaluated *batch, const float *logits, GfDiags *diags)
{
    const GfLogitsHook *hook = &ev->hook;

    GF_TRY(count_batch(ev, batch, logits, diags));
    return hook->take ? hook->take(hook->self, batch, logits, ev->metrics.classes, diags) : GF_OK;
}

static GfStatus add_loss(double *sum, double weight, double loss, GfDiags *diags)
{
    if (!isfinite(loss))
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "the evaluation failed: the loss is %g", loss);
    *sum += loss * weight;
    return GF_OK;
}

/* ---- batches under way ---- */

static GfStatus begin(GfEvaluator *ev, GfExec *exec, const GfBatch *batch, GfEvaluated *under_way, GfDiags *diags)
{
    under_way->seqs = batch->seqs;
    under_way->weight = batch->weight;
    if (batch->targets)
        memcpy(under_way->targets, batch->targets, (size_t)batch->seqs * ev->metrics.classes * sizeof *batch->targets);
    memcpy(under_way->labels, batch->labels, (size_t)batch->seqs * sizeof *batch->labels);
    GF_TRY(gf_hoist_bind(&ev->hoist, exec, batch, diags));
    return gf_steps_run(exec, batch, NULL, diags);
}

static GfStatus finish(GfEvaluator *ev, GfExec *exec, const GfEvaluated *under_way, double *sum, GfDiags *diags)
{
    GF_TRY(gf_exec_wait(exec, diags));
    GF_TRY(add_loss(sum, under_way->weight, gf_exec_scalar(exec, "loss"), diags));
    return take_logits(ev, under_way, gf_exec_output(exec, "logits"), diags);
}

/* Batch after batch; where the device works on its own, the next is put in before the last is read. */
static GfStatus run_all(GfEvaluator *ev, GfExec *exec, GfEvaluation *out, double *sum, GfDiags *diags)
{
    size_t ahead = gf_exec_is_asynchronous(exec) ? 1 : 0, begun = 0, done = 0;
    const GfBatch *batch;

    gf_batcher_start(&ev->batcher);
    while ((batch = gf_batcher_next(&ev->batcher))) {
        out->examples += batch->seqs;
        out->tokens += batch->tokens;
        GF_TRY(begin(ev, exec, batch, &ev->under_way[begun++ % 2], diags));
        if (begun - done > ahead)
            GF_TRY(finish(ev, exec, &ev->under_way[done++ % 2], sum, diags));
    }
    while (done < begun)
        GF_TRY(finish(ev, exec, &ev->under_way[done++ % 2], sum, diags));
    out->batches = (int64_t)done;
    return GF_OK;
}

GfStatus gf_evaluate(GfEvaluator *ev, GfExec *evaluate, GfEvaluation *out, GfDiags *diags)
{
    double start = gf_now(), sum = 0;

    *out = (GfEvaluation){.problem = ev->metrics.problem};
    gf_metrics_reset(&ev->metrics);
    GF_TRY(run_all(ev, evaluate, out, &sum, diags));
    out->loss = sum / gf_batcher_weight(&ev->batcher, 0, ev->batcher.batches);
    out->scores = gf_metrics_scores(&ev->metrics);
    out->seconds = gf_now() - start;
    return GF_OK;
}
