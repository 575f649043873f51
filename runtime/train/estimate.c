/* estimate.c -- see estimate.h. */
#include "runtime/train/estimate.h"

#include "runtime/exec/store_state.h"

enum { WARM_UP = 1, MEASURED = 3 };

/* ---- memory ---- */

static int64_t program_bytes(const GfCompiled *c)
{
    return c->program ? c->program->arena_size : 0;
}

static int64_t memory_of(const GfSteps *s)
{
    int64_t bytes = program_bytes(&s->update) + program_bytes(&s->accumulate) + program_bytes(&s->evaluate) +
                    program_bytes(&s->frozen) + program_bytes(&s->frozen_evaluate);

    for (size_t i = 0; i < s->store.count; i++)
        bytes += s->store.tensors[i].released ? 0 : s->store.tensors[i].count * (int64_t)sizeof(float);
    for (size_t i = 0; i < s->store.block_count; i++)
        bytes += (int64_t)s->store.blocks[i].size;
    return bytes;
}

/* ---- padding ---- */

static void count_padding(GfEstimate *e, GfTrainer *t)
{
    const GfBatch *batch;

    gf_batcher_start_shuffled(&t->batcher, t->data_seed, 0);
    while ((batch = gf_batcher_next(&t->batcher))) {
        int32_t longest = 0;
        for (int32_t i = 0; i < batch->seqs; i++)
            longest = batch->lengths[i] > longest ? batch->lengths[i] : longest;
        e->tokens += batch->tokens;
        e->padded += (int64_t)longest * batch->seqs;
    }
}

/* ---- time ---- */

static GfStatus run_step(GfTrainer *t, double *seconds_per_token, GfDiags *diags)
{
    const GfBatch *batch = gf_batcher_next(&t->batcher);
    GfExec *exec = t->options.steps->update.exec;
    GfStepInputs in = {.seed = t->seed, .step = 1, .loss_scale = 1};
    double start = gf_now();

    if (!batch) {
        gf_batcher_start(&t->batcher);
        batch = gf_batcher_next(&t->batcher);
    }
    GF_TRY(gf_hoist_bind(&t->hoist, exec, batch, diags));
    GF_TRY(gf_steps_run(exec, batch, &in, diags));
    GF_TRY(gf_exec_wait(exec, diags));
    *seconds_per_token = (gf_now() - start) / batch->tokens;
    return GF_OK;
}

static double median(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static GfStatus run_epoch(const GfEstimate *e, GfTrainer *t, double *seconds, GfDiags *diags)
{
    double rates[WARM_UP + MEASURED];

    gf_batcher_start_shuffled(&t->batcher, t->data_seed, 0);
    for (int i = 0; i < WARM_UP + MEASURED; i++)
        GF_TRY(run_step(t, &rates[i], diags));
    *seconds = median(rates[1], rates[2], rates[3]) * (double)e->tokens;
    return GF_OK;
}

/* The same batches again: what was computed for them is at hand. */
static GfStatus run_steps(GfEstimate *e, GfTrainer *t, GfDiags *diags)
{
    GF_TRY(run_epoch(e, t, &e->epoch_seconds, diags));
    e->later_seconds = e->epoch_seconds;
    return t->hoist.kept ? run_epoch(e, t, &e->later_seconds, diags) : GF_OK;
}

/* The rate is 0, and yet 0 times what is not finite is not 0: parameters are put back. */
static GfStatus measure(GfEstimate *e, GfTrainer *t, GfDiags *diags)
{
    GfStore *store = &t->options.steps->store;
    GfMemory copy;

    GF_TRY(gf_store_copy_params(store, &copy, diags));
    GfStatus status = run_steps(e, t, diags);
    if (status == GF_OK)
        status = gf_store_start_over(store, &copy, diags);
    gf_memory_unmap(&copy);
    return status;
}

GfStatus gf_estimate(GfEstimate *e, GfTrainer *t, GfDiags *diags)
{
    *e = (GfEstimate){.made = true, .memory = memory_of(t->options.steps)};
    count_padding(e, t);
    return measure(e, t, diags);
}
