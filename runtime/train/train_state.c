/* train_state.c -- see train_state.h. */
#include "runtime/train/train_state.h"

#include "runtime/io/file.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char file_name[] = "trainer_state.json";

/* A field of the state by its key: of one of the two types. */
typedef struct Field {
    const char *key;
    int64_t *whole;
    double *number;
} Field;

enum { FIELDS = 16 };

/* The fields of a state and of its epoch's mark, all that is read back. */
static size_t list_fields(GfTrainer *t, GfHistory *h, Field *fields)
{
    GfTrainState *s = &t->state, *m = &t->mark;
    const Field all[] = {
        {"step", &s->step, NULL},
        {"epoch", &s->epoch, NULL},
        {"position", &s->position, NULL},
        {"epoch_loss", NULL, &s->epoch_loss},
        {"epoch_steps", &s->epoch_steps, NULL},
        {"total_loss", NULL, &s->total_loss},
        {"examples", &s->examples, NULL},
        {"tokens", &s->tokens, NULL},
        {"seconds", NULL, &s->seconds},
        {"epoch_began_examples", &m->examples, NULL},
        {"epoch_began_tokens", &m->tokens, NULL},
        {"epoch_began_seconds", NULL, &m->seconds},
        {"best_saved", &s->best_saved, NULL},
        {"patience_waiting", &s->best.waiting, NULL},
        {"log_loss", NULL, &h->loss_sum},
        {"log_steps", &h->loss_count, NULL},
    };

    memcpy(fields, all, sizeof all);
    return COUNT(all);
}

/* What must be the same for a position in the data to mean the same. */
typedef struct Same {
    const char *key;
    int64_t value;
} Same;

enum { SAMES = 5 };

static size_t list_same(const GfTrainer *t, Same *same)
{
    const Same all[] = {{"examples_of_an_epoch", (int64_t)t->batcher.dataset->examples},
                        {"batch_size", (int64_t)t->batcher.batch_size},
                        {"gradient_accumulation_steps", t->options.training->gradient_accumulation_steps},
                        {"seed", (int64_t)t->seed},
                        {"data_seed", (int64_t)t->data_seed}};

    memcpy(same, all, sizeof all);
    return COUNT(all);
}

/* Arguments that a run's bits depend on and that may differ where it goes on: then it is
 * another run from there, and whoever looks at it should know. */
static const char *const told[] = {
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "eval_strategy",
    "eval_steps",
    "metric_for_best_model",
    "greater_is_better",
    "load_best_model_at_end",
    "early_stopping_patience",
    "early_stopping_threshold",
    "bf16",
    "tf32",
    "without_passes",
    "with_passes",
};

/* ---- writing ---- */

static void add_number(GfText *text, const char *separator, const char *key, double value)
{
    gf_text_add(text, "%s\"%s\": ", separator, key);
    gf_json_add_number(text, value);
}

static void add_best(GfText *text, const GfTrainState *s)
{
    if (!s->best.found) {
        gf_text_add(text, "  \"best_global_step\": null,\n  \"best_metric\": null,\n  \"best_model_checkpoint\": null");
        return;
    }
    add_number(text, "  ", "best_global_step", (double)s->best.step);
    add_number(text, ",\n  ", "best_metric", s->best.metric);
    if (s->best_saved)
        gf_text_add(text, ",\n  \"best_model_checkpoint\": \"checkpoint-%lld\"", (long long)s->best_saved);
    else
        gf_text_add(text, ",\n  \"best_model_checkpoint\": null");
}

static void add_callbacks(GfText *text, const GfTrainer *t)
{
    const GfTraining *a = t->options.training;

    if (!a->early_stopping_patience)
        return;
    gf_text_add(text, ",\n  \"stateful_callbacks\": {\"EarlyStoppingCallback\": {\"args\": {");
    add_number(text, "", "early_stopping_patience", (double)a->early_stopping_patience);
    add_number(text, ", ", "early_stopping_threshold", a->early_stopping_threshold);
    gf_text_add(text, "}, \"attributes\": {");
    add_number(text, "", "early_stopping_patience_counter", (double)t->state.best.waiting);
    gf_text_add(text, "}}}");
}

static void add_own(GfText *text, const GfTrainer *t, const GfHistory *h)
{
    GfTrainer trainer = *t; /* read only: the list serves both ways */
    GfHistory history = *h;
    Field fields[FIELDS];
    Same same[SAMES];
    size_t count = list_fields(&trainer, &history, fields), sames = list_same(t, same);

    gf_text_add(text, ",\n  \"graft\": {\n    \"patience_is_over\": %s", t->state.best.stop ? "true" : "false");
    for (size_t i = 0; i < sames; i++)
        gf_text_add(text, ",\n    \"%s\": %lld", same[i].key, (long long)same[i].value);
    for (size_t i = 0; i < count; i++)
        if (fields[i].whole)
            gf_text_add(text, ",\n    \"%s\": %lld", fields[i].key, (long long)*fields[i].whole);
        else
            add_number(text, ",\n    ", fields[i].key, *fields[i].number);
    for (size_t i = 0; i < COUNT(told); i++) {
        gf_text_add(text, "%s\"%s\": ", i ? ", " : ",\n    \"training\": {", told[i]);
        gf_training_print_value(text, t->options.training, told[i]);
    }
    gf_text_add(text, "}\n  }");
}

static void add_state(GfText *text, const GfTrainer *t, const GfHistory *h)
{
    const GfTraining *a = t->options.training;
    const GfTrainState *s = &t->state;

    gf_text_add(text, "{\n");
    add_best(text, s);
    add_number(text, ",\n  ", "epoch", (double)s->epoch + (double)s->position / (double)t->batcher.batches);
    add_number(text, ",\n  ", "eval_steps", (double)gf_training_steps(a->eval_steps, t->max_steps));
    add_number(text, ",\n  ", "global_step", (double)s->step);
    add_number(text, ",\n  ", "logging_steps", (double)gf_training_steps(a->logging_steps, t->max_steps));
    add_number(text, ",\n  ", "max_steps", (double)t->max_steps);
    add_number(text, ",\n  ", "num_train_epochs", a->num_train_epochs);
    add_number(text, ",\n  ", "save_steps", (double)gf_training_steps(a->save_steps, t->max_steps));
    add_number(text, ",\n  ", "train_batch_size", (double)t->batcher.batch_size);
    add_number(text, ",\n  ", "train_loss", s->step ? s->total_loss / (double)s->step : 0);
    add_number(text, ",\n  ", "train_runtime", s->seconds);
    add_callbacks(text, t);
    gf_text_add(text, ",\n  \"log_history\": ");
    gf_history_print(h, text);
    add_own(text, t, h);
    gf_text_add(text, "\n}\n");
}

GfStatus gf_train_state_write(const char *folder, const GfTrainer *t, const GfHistory *h, GfDiags *diags)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, h->arena->allocator);
    const char *path = gf_path_join(&scratch, folder, file_name);
    add_state(&text, t, h);
    GfStatus status = scratch.failed || h->arena->failed
                          ? gf_fail_memory(diags)
                          : gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
    gf_arena_free(&scratch);
    return status;
}

/* ---- reading ---- */

static GfStatus check_same(const GfJson *doc, const cJSON *own, const GfTrainer *t, GfDiags *diags)
{
    Same same[SAMES];
    size_t count = list_same(t, same);

    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        GF_TRY(gf_json_get_int(doc, own, same[i].key, GF_REQUIRED, &value, diags));
        if (value != same[i].value)
            return gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, own, same[i].key)), GF_ERR_VALUE,
                           "the checkpoint is of another job: %s is %lld there and %lld here", same[i].key,
                           (long long)value, (long long)same[i].value);
    }
    return GF_OK;
}

/* A checkpoint of before has no arguments: nothing is known of them. */
static GfStatus compare_training(const GfJson *doc, const cJSON *own, GfTrainer *t, GfArena *arena, GfDiags *diags)
{
    GfTraining before = *t->options.training;
    GfText changed = {.arena = arena};
    const cJSON *object = NULL;

    GF_TRY(gf_json_get_object(doc, own, "training", GF_OPTIONAL, &object, diags));
    GF_TRY(gf_training_read(&before, doc, object, diags));
    for (size_t i = 0; i < COUNT(told); i++) {
        GfText there = {.arena = arena}, here = {.arena = arena};
        gf_training_print_value(&there, &before, told[i]);
        gf_training_print_value(&here, t->options.training, told[i]);
        if (strcmp(gf_text_str(&there), gf_text_str(&here)) != 0)
            gf_text_add(&changed, "%s%s (%s)", changed.length ? ", " : "", told[i], gf_text_str(&there));
    }
    t->changed = changed.length ? gf_text_str(&changed) : NULL;
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

static GfStatus read_best(const GfJson *doc, const cJSON *own, GfBest *b, GfDiags *diags)
{
    const cJSON *metric = gf_json_find(doc, doc->root, "best_metric");

    GF_TRY(gf_json_get_bool(doc, own, "patience_is_over", GF_REQUIRED, &b->stop, diags));
    b->found = metric && !cJSON_IsNull(metric);
    if (!b->found)
        return GF_OK;
    GF_TRY(gf_json_get_number(doc, doc->root, "best_metric", GF_REQUIRED, &b->metric, diags));
    return gf_json_get_int(doc, doc->root, "best_global_step", GF_REQUIRED, &b->step, diags);
}

/* Counts that would index past the data, or go back in time, are no state. */
static GfStatus check_state(const GfJson *doc, const cJSON *own, const GfTrainer *t, GfDiags *diags)
{
    const GfTrainState *s = &t->state;

    if (s->step >= 0 && s->epoch >= 0 && s->position >= 0 && s->position <= (int64_t)t->batcher.batches &&
        s->epoch_steps >= 0 && s->epoch_steps <= s->step && s->examples >= 0 && s->tokens >= 0)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(doc, own), GF_ERR_VALUE, "this is no state of this job: step %lld, batch %lld",
                   (long long)s->step, (long long)s->position);
}

static GfStatus read_own(const GfJson *doc, GfTrainer *t, GfHistory *h, GfDiags *diags)
{
    Field fields[FIELDS];
    size_t count = list_fields(t, h, fields);
    const cJSON *own = NULL;

    GF_TRY(gf_json_get_object(doc, doc->root, "graft", GF_REQUIRED, &own, diags));
    GF_TRY(check_same(doc, own, t, diags));
    GF_TRY(compare_training(doc, own, t, h->arena, diags));
    for (size_t i = 0; i < count; i++)
        if (fields[i].whole)
            GF_TRY(gf_json_get_int(doc, own, fields[i].key, GF_REQUIRED, fields[i].whole, diags));
        else
            GF_TRY(gf_json_get_number(doc, own, fields[i].key, GF_REQUIRED, fields[i].number, diags));
    GF_TRY(check_state(doc, own, t, diags));
    return read_best(doc, own, &t->state.best, diags);
}

static GfStatus read_in(GfJson *doc, const char *path, GfTrainer *t, GfHistory *h, GfDiags *diags)
{
    const cJSON *log = NULL;

    GF_TRY(gf_json_read_file(doc, path, diags));
    GF_TRY(read_own(doc, t, h, diags));
    GF_TRY(gf_json_get_array(doc, doc->root, "log_history", GF_REQUIRED, &log, diags));
    return gf_history_read(h, doc, log, diags);
}

GfStatus gf_train_state_read(const char *folder, GfTrainer *t, GfHistory *h, GfDiags *diags)
{
    GfJson doc = {0};
    GfArena scratch;

    gf_arena_init(&scratch, diags->arena.allocator);
    const char *path = gf_path_join(&scratch, folder, file_name);
    GfStatus status = path ? read_in(&doc, path, t, h, diags) : gf_fail_memory(diags);
    t->begun = t->state;
    gf_json_close(&doc);
    gf_arena_free(&scratch);
    return status;
}
