/* history.c -- see history.h. */
#include "runtime/train/history.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void gf_history_init(GfHistory *h, GfArena *arena, const GfTraining *training, size_t batches)
{
    *h = (GfHistory){.arena = arena, .training = training, .batches = batches};
}

static void keep(GfHistory *h, const GfLogEntry *entry)
{
    GfLogEntry *list = gf_arena_grow(h->arena, h->entries, h->count, &h->capacity, sizeof *list);

    if (!list)
        return;
    h->entries = list;
    list[h->count++] = *entry;
}

static void add(GfHistory *h, const GfLogEntry *entry)
{
    keep(h, entry);
    if (h->listener.entry)
        h->listener.entry(h->listener.self, entry);
}

static void add_value(GfLogEntry *e, const char *key, double value)
{
    assert(e->count < GF_LOG_VALUES_MAX);
    e->values[e->count++] = (GfLogValue){key, value};
}

/* ---- steps ---- */

/* Whether `epochs` is whole, up to the rounding of a quotient. */
static bool is_epoch_end(double epochs, size_t batches)
{
    double position = (epochs - (double)(int64_t)epochs) * (double)batches;
    return position < 0.5 || position > (double)batches - 0.5;
}

/* As the Trainer's DefaultFlowCallback has it: the first step counts under every strategy. */
static bool is_due(const GfHistory *h, const GfStepReport *r)
{
    const GfTraining *t = h->training;

    if (r->step == 1 && t->logging_first_step)
        return true;
    if (t->logging_strategy == GF_STRATEGY_STEPS)
        return r->step % gf_training_steps(t->logging_steps, r->max_steps) == 0;
    return t->logging_strategy == GF_STRATEGY_EPOCH && (is_epoch_end(r->epoch, h->batches) || r->step == r->max_steps);
}

void gf_history_step(GfHistory *h, const GfStepReport *r)
{
    GfLogEntry entry = {.kind = GF_LOG_STEP, .step = r->step, .epoch = r->epoch};

    h->loss_sum += r->loss;
    h->loss_count++;
    if (!is_due(h, r))
        return;
    add_value(&entry, "loss", h->loss_sum / (double)h->loss_count);
    add_value(&entry, "grad_norm", r->grad_norm);
    add_value(&entry, "learning_rate", r->learning_rate);
    h->loss_sum = 0;
    h->loss_count = 0;
    add(h, &entry);
}

/* ---- evaluations ---- */

static double per_second(double count, double seconds)
{
    return count / (seconds > 0 ? seconds : 1e-9);
}

size_t gf_evaluation_values(const GfEvaluation *e, GfLogValue values[GF_EVALUATION_VALUES])
{
    size_t count = 0;

    values[count++] = (GfLogValue){"eval_loss", e->loss};
    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (gf_metric_is_of(m, e->problem))
            values[count++] = (GfLogValue){gf_metric_info(m)->key, e->scores.values[m]};
    }
    values[count++] = (GfLogValue){"eval_runtime", e->seconds};
    values[count++] = (GfLogValue){"eval_samples_per_second", per_second((double)e->examples, e->seconds)};
    values[count++] = (GfLogValue){"eval_steps_per_second", per_second((double)e->batches, e->seconds)};
    return count;
}

void gf_history_epoch(GfHistory *h, const GfEpochReport *r)
{
    GfLogEntry entry = {.kind = GF_LOG_EVALUATION, .step = r->step, .epoch = r->epoch};

    if (!r->evaluated)
        return;
    entry.count = gf_evaluation_values(&r->evaluation, entry.values);
    add(h, &entry);
}

/* ---- the end ---- */

static double epochs_done(const GfHistory *h, const GfTrainState *s)
{
    return (double)s->epoch + (double)s->position / (double)h->batches;
}

static double mean_loss(const GfTrainState *s)
{
    return s->step ? s->total_loss / (double)s->step : 0;
}

/* Of the steps that ran, evaluations left out: where the Trainer divides the
 * steps of the whole schedule by all the time that passed. */
void gf_history_end(GfHistory *h, const GfTrainer *trainer)
{
    const GfTrainState *s = &trainer->state;
    GfLogEntry entry = {.kind = GF_LOG_END, .step = s->step, .epoch = epochs_done(h, s)};

    add_value(&entry, "train_runtime", s->seconds);
    add_value(&entry, "train_samples_per_second", per_second((double)s->examples, s->seconds));
    add_value(&entry, "train_steps_per_second", per_second((double)s->step, s->seconds));
    add_value(&entry, "train_loss", mean_loss(s));
    add(h, &entry);
}

/* ---- as JSON ---- */

static void add_number(GfText *text, const char *separator, const char *key, double value)
{
    gf_text_add(text, "%s\"%s\": ", separator, key);
    gf_json_add_number(text, value);
}

void gf_evaluation_print(GfText *text, const GfEvaluation *e, const char *separator)
{
    GfLogValue values[GF_EVALUATION_VALUES];

    size_t count = gf_evaluation_values(e, values);

    for (size_t i = 0; i < count; i++)
        add_number(text, i ? separator : "", values[i].key, values[i].value);
}

void gf_log_entry_print(GfText *text, const GfLogEntry *e)
{
    add_number(text, "", "epoch", e->epoch);
    add_number(text, ", ", "step", (double)e->step);
    for (size_t i = 0; i < e->count; i++)
        add_number(text, ", ", e->values[i].key, e->values[i].value);
}

void gf_history_print(const GfHistory *h, GfText *text)
{
    gf_text_add(text, "[");
    for (size_t i = 0; i < h->count; i++) {
        gf_text_add(text, i ? ",\n    {" : "\n    {");
        gf_log_entry_print(text, &h->entries[i]);
        gf_text_add(text, "}");
    }
    gf_text_add(text, "\n  ]");
}

/* ---- from JSON ---- */

static GfLogKind kind_of(const char *key)
{
    if (strncmp(key, "eval_", 5) == 0)
        return GF_LOG_EVALUATION;
    return strncmp(key, "train_", 6) == 0 ? GF_LOG_END : GF_LOG_STEP;
}

static GfStatus read_value(GfHistory *h, const GfJson *doc, const cJSON *item, GfLogEntry *entry, GfDiags *diags)
{
    GfLogValue *v = &entry->values[entry->count];

    if (!strcmp(item->string, "epoch") || !strcmp(item->string, "step"))
        return GF_OK;
    if (entry->count == GF_LOG_VALUES_MAX)
        return gf_fail(diags, gf_json_key_loc(doc, item), GF_ERR_VALUE, "an entry has %d values at most",
                       GF_LOG_VALUES_MAX);
    if (entry->count++ == 0)
        entry->kind = kind_of(item->string);
    v->value = NAN;
    v->key = gf_arena_strdup(h->arena, item->string);
    if (!v->key)
        return gf_fail_memory(diags);
    return cJSON_IsNull(item) ? GF_OK : gf_json_as_number(doc, item, item->string, &v->value, diags);
}

static GfStatus read_entry(GfHistory *h, const GfJson *doc, const cJSON *object, GfDiags *diags)
{
    GfLogEntry entry = {0};

    GF_TRY(gf_json_get_number(doc, object, "epoch", GF_REQUIRED, &entry.epoch, diags));
    GF_TRY(gf_json_get_int(doc, object, "step", GF_REQUIRED, &entry.step, diags));
    for (const cJSON *item = object->child; item; item = item->next)
        GF_TRY(read_value(h, doc, item, &entry, diags));
    keep(h, &entry);
    return h->arena->failed ? gf_fail_memory(diags) : GF_OK;
}

GfStatus gf_history_read(GfHistory *h, const GfJson *doc, const cJSON *log, GfDiags *diags)
{
    for (const cJSON *item = log->child; item; item = item->next) {
        GF_TRY(gf_json_as_object(doc, item, "an entry of log_history", &item, diags));
        GF_TRY(read_entry(h, doc, item, diags));
    }
    return GF_OK;
}
