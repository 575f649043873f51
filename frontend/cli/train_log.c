/* train_log.c -- see train_log.h. */
#include "frontend/cli/train_log.h"

/* ---- a line ---- */

typedef struct Line {
    GfArena arena;
    GfText text;
} Line;

static void add_string(Line *l, const char *key, const char *value)
{
    gf_text_add(&l->text, ", \"%s\": ", key);
    gf_json_quote(&l->text, value);
}

static void add_number(Line *l, const char *key, double value)
{
    gf_text_add(&l->text, ", \"%s\": ", key);
    gf_json_add_number(&l->text, value);
}

static void begin(Line *l, const GfTrainLog *log, const char *event)
{
    struct timespec t;

    gf_arena_init(&l->arena, NULL);
    l->text = (GfText){.arena = &l->arena};
    clock_gettime(CLOCK_REALTIME, &t);
    gf_text_add(&l->text, "{\"event\": \"%s\", \"time\": %lld.%03ld", event, (long long)t.tv_sec, t.tv_nsec / 1000000);
    add_string(l, "variant", log->variant);
}

/* Half a line would be no JSON: out of memory, there is none. */
static void end(Line *l, const GfTrainLog *log)
{
    gf_text_add(&l->text, "}\n");
    if (!l->arena.failed)
        fwrite(gf_text_str(&l->text), 1, l->text.length, log->out);
    fflush(log->out);
    gf_arena_free(&l->arena);
}

/* ---- events ---- */

void gf_train_log_begin(GfTrainLog *log, const GfJobVariant *variant, const GfTrainer *trainer)
{
    Line l;

    log->variant = variant->name;
    if (!log->out)
        return;
    begin(&l, log, "begin");
    add_number(&l, "trainable", (double)trainer->options.steps->params.trainable);
    add_number(&l, "all", (double)trainer->options.steps->params.all);
    add_number(&l, "max_steps", (double)trainer->max_steps);
    add_number(&l, "epoch_steps", (double)trainer->epoch_steps);
    gf_text_add(&l.text, ", \"training\": {");
    gf_training_print(&l.text, &variant->training, ", ");
    gf_text_add(&l.text, "}");
    if (trainer->state.step)
        add_number(&l, "resumed_step", (double)trainer->state.step);
    if (trainer->changed)
        add_string(&l, "changed", trainer->changed);
    end(&l, log);
}

void gf_train_log_entry(GfTrainLog *log, const GfLogEntry *entry)
{
    Line l;

    if (!log->out)
        return;
    begin(&l, log, entry->kind == GF_LOG_EVALUATION ? "eval" : "log");
    gf_text_add(&l.text, ", ");
    gf_log_entry_print(&l.text, entry);
    end(&l, log);
}

void gf_train_log_saved(GfTrainLog *log, const char *folder, int64_t step)
{
    Line l;

    if (!log->out)
        return;
    begin(&l, log, "save");
    add_number(&l, "step", (double)step);
    add_string(&l, "folder", folder);
    end(&l, log);
}

void gf_train_log_end(GfTrainLog *log, const GfVariantResult *r)
{
    Line l;

    log->variant = r->name; /* one that was finished before has had no begin */
    if (!log->out)
        return;
    begin(&l, log, "end");
    add_number(&l, "epochs", r->epochs);
    add_number(&l, "steps", (double)r->train.step);
    add_number(&l, "train_loss", r->train.step ? r->train.total_loss / (double)r->train.step : 0);
    add_number(&l, "seconds", r->train.seconds);
    add_number(&l, "examples", (double)r->train.examples);
    add_number(&l, "tokens", (double)r->train.tokens);
    if (r->evaluated) {
        add_string(&l, "split", gf_split_names[r->split]);
        gf_text_add(&l.text, ", ");
        gf_evaluation_print(&l.text, &r->evaluation, ", ");
    }
    end(&l, log);
}
