/* history.c -- see history.h. */
#include "runtime/train/history.h"

#include "runtime/io/file.h"

void gf_history_init(GfHistory *h, GfArena *arena, const GfTraining *training, size_t batches)
{
    *h = (GfHistory){.arena = arena, .training = training, .batches = batches};
}

static void add(GfHistory *h, const GfHistoryEntry *entry)
{
    GfHistoryEntry *list = gf_arena_grow(h->arena, h->entries, h->count, &h->capacity, sizeof *list);

    if (!list)
        return;
    h->entries = list;
    list[h->count++] = *entry;
}

/* Whether `epochs` is whole, up to the rounding of a quotient. */
static bool is_epoch_end(double epochs, size_t batches)
{
    double position = (epochs - (double)(int64_t)epochs) * (double)batches;
    return position < 0.5 || position > (double)batches - 0.5;
}

static bool is_due(const GfHistory *h, const GfStepReport *r)
{
    const GfTraining *t = h->training;

    if (t->logging_strategy == GF_STRATEGY_STEPS)
        return r->step % t->logging_steps == 0;
    return t->logging_strategy == GF_STRATEGY_EPOCH && (is_epoch_end(r->epoch, h->batches) || r->step == r->max_steps);
}

void gf_history_step(GfHistory *h, const GfStepReport *r)
{
    h->loss_sum += r->loss;
    h->loss_count++;
    if (!is_due(h, r))
        return;
    add(h, &(GfHistoryEntry){.epoch = r->epoch,
                             .step = r->step,
                             .loss = h->loss_sum / (double)h->loss_count,
                             .grad_norm = r->grad_norm,
                             .learning_rate = r->learning_rate});
    h->loss_sum = 0;
    h->loss_count = 0;
}

void gf_history_epoch(GfHistory *h, const GfEpochReport *r)
{
    if (r->evaluated)
        add(h,
            &(GfHistoryEntry){.epoch = r->epoch, .step = r->step, .is_evaluation = true, .evaluation = r->evaluation});
}

/* ---- as JSON ---- */

static void add_number(GfText *text, const char *separator, const char *key, double value)
{
    gf_text_add(text, "%s\"%s\": ", separator, key);
    gf_json_add_number(text, value);
}

void gf_evaluation_print(GfText *text, const GfEvaluation *e, const char *separator)
{
    double seconds = e->seconds > 0 ? e->seconds : 1e-9;

    add_number(text, "", "eval_loss", e->loss);
    add_number(text, separator, "eval_accuracy", e->scores.accuracy);
    add_number(text, separator, "eval_f1", e->scores.f1);
    add_number(text, separator, "eval_precision", e->scores.precision);
    add_number(text, separator, "eval_recall", e->scores.recall);
    add_number(text, separator, "eval_runtime", e->seconds);
    add_number(text, separator, "eval_samples_per_second", (double)e->examples / seconds);
    add_number(text, separator, "eval_steps_per_second", (double)e->batches / seconds);
}

static void add_entry(GfText *text, const GfHistoryEntry *e)
{
    gf_text_add(text, "    {");
    add_number(text, "", "epoch", e->epoch);
    add_number(text, ", ", "step", (double)e->step);
    if (e->is_evaluation) {
        gf_text_add(text, ", ");
        gf_evaluation_print(text, &e->evaluation, ", ");
    } else {
        add_number(text, ", ", "loss", e->loss);
        add_number(text, ", ", "grad_norm", e->grad_norm);
        add_number(text, ", ", "learning_rate", e->learning_rate);
    }
    gf_text_add(text, "}");
}

static void add_state(GfText *text, const GfHistory *h, const GfTrainer *t)
{
    const GfTrainState *s = &t->state;

    gf_text_add(text, "{\n");
    add_number(text, "  ", "epoch", (double)s->epoch + (double)s->position / (double)h->batches);
    add_number(text, ",\n  ", "global_step", (double)s->step);
    add_number(text, ",\n  ", "max_steps", (double)t->max_steps);
    add_number(text, ",\n  ", "train_loss", s->step ? s->total_loss / (double)s->step : 0);
    add_number(text, ",\n  ", "train_runtime", s->seconds);
    gf_text_add(text, ",\n  \"log_history\": [");
    for (size_t i = 0; i < h->count; i++) {
        gf_text_add(text, i ? ",\n" : "\n");
        add_entry(text, &h->entries[i]);
    }
    gf_text_add(text, "\n  ]\n}\n");
}

GfStatus gf_history_write(const GfHistory *h, const GfTrainer *trainer, const char *path, GfDiags *diags)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, h->arena->allocator);
    add_state(&text, h, trainer);
    GfStatus status = scratch.failed || h->arena->failed
                          ? gf_fail_memory(diags)
                          : gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
    gf_arena_free(&scratch);
    return status;
}
