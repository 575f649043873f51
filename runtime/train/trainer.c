/* trainer.c -- see trainer.h. */
#include "runtime/train/trainer.h"

#include <math.h>

size_t gf_train_batch_size(const GfTraining *training, size_t fixed_batch)
{
    return fixed_batch ? fixed_batch : (size_t)training->per_device_train_batch_size;
}

/* ---- planning ---- */

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* As the Trainer counts: epochs may be a fraction, max_steps wins. */
static GfStatus plan_steps(GfTrainer *t, GfDiags *diags)
{
    const GfTraining *a = t->options.training;

    t->epoch_steps = divide_up((int64_t)t->batcher.batches, a->gradient_accumulation_steps);
    t->max_steps = a->max_steps > 0 ? a->max_steps : (int64_t)ceil(a->num_train_epochs * (double)t->epoch_steps);
    if (t->max_steps > 0)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "nothing to train: num_train_epochs is %g and max_steps not given",
                   a->num_train_epochs);
}

static GfStatus plan_schedule(GfTrainer *t, GfDiags *diags)
{
    const GfTraining *a = t->options.training;

    GF_TRY(gf_schedule_kind(a->lr_scheduler_type, GF_NOWHERE, &t->schedule.kind, diags));
    t->schedule.base = a->learning_rate;
    t->schedule.warmup = gf_schedule_warmup(a->warmup_steps, a->warmup_ratio, t->max_steps);
    t->schedule.total = t->max_steps;
    return GF_OK;
}

/* What frozen parts give is kept for the training data first. */
static GfStatus plan_hoists(GfTrainer *t, GfArena *arena, GfDiags *diags)
{
    GfSteps *s = t->options.steps;
    int64_t budget = gf_hoist_budget(t->options.training);

    if (s->frozen.exec)
        GF_TRY(
            gf_hoist_init(&t->hoist, arena, s->frozen.exec, s->frozen.program, &s->store, &t->batcher, budget, diags));
    if (!t->options.validation)
        return GF_OK;
    return gf_evaluator_hoist(&t->evaluator, arena, s, budget - t->hoist.bytes, diags);
}

GfStatus gf_trainer_init(GfTrainer *t, GfArena *arena, const GfTrainerOptions *options, GfDiags *diags)
{
    const GfTraining *a = options->training;

    *t = (GfTrainer){.options = *options,
                     .seed = (uint64_t)a->seed,
                     .data_seed = (uint64_t)(a->data_seed >= 0 ? a->data_seed : a->seed)};
    GF_TRY(gf_batcher_init(&t->batcher, arena, options->train, gf_train_batch_size(a, options->fixed_batch), diags));
    if (options->validation)
        GF_TRY(
            gf_evaluator_init(&t->evaluator, arena, options->validation, (size_t)a->per_device_eval_batch_size, diags));
    GF_TRY(plan_hoists(t, arena, diags));
    t->accumulates = a->gradient_accumulation_steps > 1;
    GF_TRY(plan_steps(t, diags));
    return plan_schedule(t, diags);
}

/* ---- an optimizer step ---- */

static const char *name_of(const GfTrainer *t)
{
    return t->options.name ? t->options.name : "the model";
}

/* Examples of micro-batches [first, first + count) of an epoch. */
static int64_t examples_of(const GfBatcher *b, int64_t first, int64_t count)
{
    int64_t size = (int64_t)b->batch_size, all = (int64_t)b->dataset->examples;
    int64_t end = (first + count) * size;

    return (end < all ? end : all) - first * size;
}

static bool epoch_is_over(const GfTrainer *t, const GfTrainState *s)
{
    return s->position >= (int64_t)t->batcher.batches;
}

static double epochs_done(const GfTrainer *t)
{
    return (double)t->state.epoch + (double)t->state.position / (double)t->batcher.batches;
}

/* What has left the finite numbers never comes back. */
static GfStatus check_finite(const GfTrainer *t, const GfStepReport *r, GfDiags *diags)
{
    bool loss = isfinite(r->loss);

    if (loss && isfinite(r->grad_norm))
        return GF_OK;
    gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "%s, step %lld: the %s is %g", name_of(t), (long long)r->step,
            loss ? "gradient norm" : "loss", loss ? r->grad_norm : r->loss);
    if (r->step == 1)
        gf_note(diags, "nothing has been updated before: look for such values in the checkpoint");
    else
        gf_note(diags, "a smaller learning_rate, more warm-up or a smaller max_grad_norm may help");
    return GF_ERR_VALUE;
}

/* ---- a step under way ----
 *
 * `begun` is the state as it will be when all that was put in is done.  A device
 * that works on its own gets the next step before the loss of this one is read,
 * so that it never waits for the host; not past a point where the state is looked
 * at: the end of an epoch, an evaluation, the last step. */

static GfFlight *flight_at(GfTrainer *t, uint32_t i)
{
    return &t->flights[(t->first_flight + i) % GF_FLIGHTS];
}

/* Of the weight of all examples of a step; nothing of nothing, where all weigh 0. */
static double share_of(double part, const GfStepReport *r)
{
    return r->weight > 0 ? part / r->weight : 0;
}

/* Wait for the micro-batch that was put in first; its loss into its step's report. */
static GfStatus land(GfTrainer *t, GfDiags *diags)
{
    GfFlight *f = flight_at(t, 0);
    GfStepReport *r = &t->reports[f->step % GF_FLIGHTS];

    GF_TRY(gf_exec_wait(f->exec, diags));
    r->loss += share_of((double)gf_exec_scalar(f->exec, "loss") * f->weight, r);
    if (f->last)
        r->grad_norm = gf_exec_scalar(f->exec, "grad_norm");
    t->first_flight++;
    t->flight_count--;
    return GF_OK;
}

static GfStatus launch(GfTrainer *t, GfExec *exec, const GfBatch *batch, const GfStepInputs *in, bool last,
                       GfDiags *diags)
{
    uint32_t most = gf_exec_is_asynchronous(exec) ? GF_FLIGHTS : 1;

    while (t->flight_count >= most)
        GF_TRY(land(t, diags));
    GF_TRY(gf_hoist_bind(&t->hoist, exec, batch, diags));
    GF_TRY(gf_steps_run(exec, batch, in, diags));
    *flight_at(t, t->flight_count++) =
        (GfFlight){.exec = exec, .weight = batch->weight, .step = in->step, .last = last};
    return GF_OK;
}

/* Put in the micro-batches of a step; all but the last only add up gradients. */
static GfStatus launch_micros(GfTrainer *t, int64_t count, GfStepReport *r, GfDiags *diags)
{
    const GfSteps *s = t->options.steps;

    for (int64_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        const GfBatch *batch = gf_batcher_next(&t->batcher);
        GfStepInputs in = {.seed = t->seed,
                           .step = r->step,
                           .micro = i,
                           .lr = r->learning_rate,
                           .loss_scale = share_of(batch->weight, r)};
        r->tokens += batch->tokens;
        GF_TRY(launch(t, last ? s->update.exec : s->accumulate.exec, batch, &in, last, diags));
    }
    return GF_OK;
}

/* Before the first step of an epoch, or of going on within one. */
static void start_epoch(GfTrainer *t)
{
    if (t->options.fixed_batch)
        gf_batcher_start(&t->batcher);
    else
        gf_batcher_start_shuffled(&t->batcher, t->data_seed, (uint64_t)t->begun.epoch);
    gf_batcher_seek(&t->batcher, (size_t)t->begun.position);
}

static void next_epoch(const GfTrainer *t, GfTrainState *s)
{
    if (!epoch_is_over(t, s))
        return;
    s->epoch++;
    s->position = 0;
    s->epoch_steps = 0;
    s->epoch_loss = 0;
}

static int64_t micros_of(const GfTrainer *t, const GfTrainState *s)
{
    int64_t left = (int64_t)t->batcher.batches - s->position, most = t->options.training->gradient_accumulation_steps;
    return left < most ? left : most;
}

static GfStatus begin_step(GfTrainer *t, GfDiags *diags)
{
    GfTrainState *s = &t->begun;

    next_epoch(t, s);
    if (s->position == 0 || t->batcher.next != (size_t)s->position)
        start_epoch(t);
    int64_t micros = micros_of(t, s);
    GfStepReport *r = &t->reports[(s->step + 1) % GF_FLIGHTS];
    *r = (GfStepReport){.step = s->step + 1,
                        .max_steps = t->max_steps,
                        .learning_rate = gf_schedule_rate(&t->schedule, s->step),
                        .examples = examples_of(&t->batcher, s->position, micros),
                        .weight = gf_batcher_weight(&t->batcher, (size_t)s->position, (size_t)micros)};
    GF_TRY(launch_micros(t, micros, r, diags));
    s->position += micros;
    s->step++;
    return GF_OK;
}

static void advance(GfTrainState *s, int64_t micros, const GfStepReport *r)
{
    s->step++;
    s->position += micros;
    s->epoch_steps++;
    s->epoch_loss += r->loss;
    s->total_loss += r->loss;
    s->examples += r->examples;
    s->tokens += r->tokens;
    s->seconds += r->seconds;
}

static GfStatus finish_step(GfTrainer *t, double start, GfStepReport *out, GfDiags *diags)
{
    GfTrainState *s = &t->state;
    GfStepReport *r = &t->reports[(s->step + 1) % GF_FLIGHTS];

    while (t->flight_count && flight_at(t, 0)->step == r->step)
        GF_TRY(land(t, diags));
    GF_TRY(check_finite(t, r, diags));
    next_epoch(t, s);
    if (s->position == 0)
        t->mark = *s;
    r->seconds = gf_now() - start;
    advance(s, micros_of(t, s), r);
    r->epoch = epochs_done(t);
    *out = *r;
    return GF_OK;
}

/* The last step ends its epoch, too. */
static bool is_epoch_end(const GfTrainer *t, const GfTrainState *s)
{
    return epoch_is_over(t, s) || s->step >= t->max_steps;
}

static bool is_due(const GfTrainer *t, const GfTrainState *s, GfStrategy strategy, int64_t every)
{
    if (strategy == GF_STRATEGY_STEPS)
        return s->step % every == 0 || s->step >= t->max_steps;
    return strategy == GF_STRATEGY_EPOCH && is_epoch_end(t, s);
}

static bool evaluation_is_due(const GfTrainer *t, const GfTrainState *s)
{
    const GfTraining *a = t->options.training;
    return t->options.validation && is_due(t, s, a->eval_strategy, gf_training_steps(a->eval_steps, t->max_steps));
}

static bool save_is_due(const GfTrainer *t, const GfTrainState *s)
{
    const GfTraining *a = t->options.training;
    return is_due(t, s, a->save_strategy, gf_training_steps(a->save_steps, t->max_steps));
}

static bool is_interrupted(const GfTrainer *t)
{
    return t->options.interrupt && *t->options.interrupt;
}

/* Whether somebody looks at the state when `s` is reached. */
static bool is_stop(const GfTrainer *t, const GfTrainState *s)
{
    return is_epoch_end(t, s) || evaluation_is_due(t, s) || save_is_due(t, s) || is_interrupted(t) ||
           t->options.step_by_step;
}

/* A step that is put in while the one before runs; of one micro-batch, whose
 * run is the only one of its step. */
static bool may_look_ahead(const GfTrainer *t)
{
    return gf_exec_is_asynchronous(t->options.steps->update.exec) && !t->accumulates && !is_stop(t, &t->begun);
}

GfStatus gf_trainer_step(GfTrainer *t, GfStepReport *report, GfDiags *diags)
{
    double start = gf_now();
    GfStepReport r;

    if (t->flight_count == 0) {
        t->begun = t->state;
        GF_TRY(begin_step(t, diags));
    }
    if (may_look_ahead(t))
        GF_TRY(begin_step(t, diags));
    GF_TRY(finish_step(t, start, &r, diags));
    if (report)
        *report = r;
    return GF_OK;
}

/* ---- the loop ---- */

static GfStatus evaluate(GfTrainer *t, GfEpochReport *r, GfDiags *diags)
{
    r->evaluated = true;
    GfStatus status = gf_evaluate(&t->evaluator, t->options.steps->evaluate.exec, &r->evaluation, diags);
    if (status != GF_OK)
        gf_note(diags, "%s, after step %lld, on the validation split", name_of(t), (long long)r->step);
    return status;
}

static GfStatus report_epoch(GfTrainer *t, bool evaluated, bool *best, GfDiags *diags)
{
    const GfTraining *a = t->options.training;
    GfTrainState *s = &t->state;
    GfEpochReport r = {.epoch = epochs_done(t),
                       .step = s->step,
                       .train_loss = s->epoch_loss / (double)s->epoch_steps,
                       .examples = s->examples - t->mark.examples,
                       .tokens = s->tokens - t->mark.tokens,
                       .seconds = s->seconds - t->mark.seconds};

    if (evaluated)
        GF_TRY(evaluate(t, &r, diags));
    if (evaluated && gf_best_is_wanted(a))
        r.is_best = gf_best_update(&s->best, a, s->step, gf_best_metric(a, &r.evaluation));
    if (t->options.events && t->options.events->epoch)
        t->options.events->epoch(t->options.events->self, &r);
    *best = r.is_best;
    return GF_OK;
}

static GfStatus save(GfTrainer *t, GfDiags *diags)
{
    t->saved = t->state.step;
    if (!t->options.events || !t->options.events->save)
        return GF_OK;
    return t->options.events->save(t->options.events->self, diags);
}

static GfStatus after_step(GfTrainer *t, GfDiags *diags)
{
    bool due = evaluation_is_due(t, &t->state), best = false;

    if (due || is_epoch_end(t, &t->state))
        GF_TRY(report_epoch(t, due, &best, diags));
    bool wanted = best && t->options.training->save_strategy == GF_STRATEGY_BEST;
    return wanted || save_is_due(t, &t->state) ? save(t, diags) : GF_OK;
}

/* What is under way is done first. */
static GfStatus stop_if_interrupted(GfTrainer *t, GfDiags *diags)
{
    if (!is_interrupted(t) || t->flight_count || t->state.step >= t->max_steps)
        return GF_OK;
    t->interrupted = true;
    return t->saved == t->state.step ? GF_OK : save(t, diags);
}

GfStatus gf_trainer_run(GfTrainer *t, GfDiags *diags)
{
    GfStepReport r;

    t->saved = t->state.step; /* where it begins, nothing new is to be saved */
    while (t->state.step < t->max_steps && !t->state.best.stop && !t->interrupted) {
        GF_TRY(gf_trainer_step(t, &r, diags));
        if (t->options.events && t->options.events->step)
            t->options.events->step(t->options.events->self, &r);
        GF_TRY(after_step(t, diags));
        GF_TRY(stop_if_interrupted(t, diags));
    }
    return GF_OK;
}
