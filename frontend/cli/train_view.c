/* train_view.c -- see train_view.h. */
#include "frontend/cli/train_view.h"

#include "frontend/cli/format.h"
#include "runtime/train/recipe_passes.h"

#include <math.h>
#include <string.h>

enum { NAME_WIDTH = 10 };

/* ---- the job ---- */

static void print_data(const GfTrainView *v, const GfSession *s)
{
    const char *separator = "  ";
    size_t examples = 0, tokens = 0;

    fprintf(v->out, "%-*s", NAME_WIDTH, v->job->name);
    for (GfSplit i = 0; i < GF_SPLIT_COUNT; i++) {
        const GfDataset *d = &s->corpus.splits[i];
        if (d->examples == 0)
            continue;
        fprintf(v->out, "%s%s %s", separator, gf_format_count(v->arena, (int64_t)d->examples), gf_split_names[i]);
        separator = ", ";
        examples += d->examples;
        tokens += d->tokens;
    }
    fprintf(v->out, "; %.1f tokens an example", (double)tokens / (double)examples);
    if (v->job->data.generate.given)
        fprintf(v->out, "; texts made from seed %lld, not real data", (long long)v->job->data.generate.seed);
    fprintf(v->out, "\n");
}

/* "minilm" for "models/minilm/" */
static const char *last_part(GfArena *arena, const char *path)
{
    size_t end = strlen(path);

    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    const char *name = gf_arena_strndup(arena, path + begin, end - begin);
    return name ? name : path;
}

static void print_model(const GfTrainView *v, const GfSession *s)
{
    const GfConfig *c = &s->model.config;
    int64_t layers = gf_config_i(c, "num_hidden_layers", gf_config_i(c, "n_layers", 0));
    int64_t width = gf_config_i(c, "hidden_size", gf_config_i(c, "dim", 0));

    fprintf(v->out, "%-*s  %s", NAME_WIDTH, v->job->checkpoint ? last_part(v->arena, v->job->checkpoint) : "no weights",
            s->model.name);
    if (layers && width)
        fprintf(v->out, ", %lld layers x %lld", (long long)layers, (long long)width);
    if (!v->job->checkpoint)
        fprintf(v->out, ", drawn from seed %lld", (long long)v->job->training.seed);
    fprintf(v->out, "; %s\n", s->device.text);
}

/* Such a class is never learned, and often its name is misspelt in the job. */
static void print_empty_classes(const GfTrainView *v, const GfSession *s)
{
    enum { SHOWN = 10 };
    const GfLabels *labels = &s->corpus.labels;
    const size_t *counts = s->corpus.splits[GF_SPLIT_TRAIN].class_counts;
    GfText names = {.arena = v->arena};
    size_t empty = 0;

    if (!counts || labels->problem == GF_PROBLEM_REGRESSION)
        return;
    for (size_t i = 0; i < labels->count; i++)
        if (counts[i] == 0 && empty++ < SHOWN)
            gf_text_add(&names, "%s'%s'", empty == 1 ? "" : ", ", labels->names[i]);
    if (empty > SHOWN)
        gf_text_add(&names, ", ... (%zu)", empty);
    if (empty)
        fprintf(v->out, "%-*s  no training example has the class %s\n", NAME_WIDTH, "note", gf_text_str(&names));
}

void gf_view_session(GfTrainView *v, const GfSession *s)
{
    print_data(v, s);
    print_empty_classes(v, s);
    print_model(v, s);
    fflush(v->out);
}

/* ---- a variant ---- */

/* What a checkpoint did not have is news; without one, all is drawn. */
static void print_fresh(const GfTrainView *v)
{
    GfText names = {.arena = v->arena};

    if (!v->job->checkpoint)
        return;
    gf_store_list_fresh(&v->trainer->options.steps->store, &names);
    if (names.length)
        fprintf(v->out, "%-*s  %s drawn from seed %lld\n", NAME_WIDTH, "new", gf_text_str(&names),
                (long long)v->variant->training.seed);
}

/* "1:02:03", "2:03" */
static const char *format_time(GfArena *arena, double seconds)
{
    long long s = (long long)(seconds + 0.5);

    if (s >= 3600)
        return gf_arena_printf(arena, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return gf_arena_printf(arena, "%lld:%02lld", s / 60, s % 60);
}

static void print_estimate(const GfTrainView *v, const GfEstimate *e, const GfTrainer *t)
{
    if (!e->made)
        return;
    double epochs = (double)(t->max_steps - t->state.step) / (double)t->epoch_steps, first = epochs < 1 ? epochs : 1;
    double all = e->epoch_seconds * first + e->later_seconds * (epochs - first);
    fprintf(v->out, "%-*s  %s of memory, about %s an epoch, ", NAME_WIDTH, "needs",
            gf_format_bytes(v->arena, e->memory), format_time(v->arena, e->epoch_seconds));
    if (t->hoist.kept)
        fprintf(v->out, "%.2g s one after the first, ", e->later_seconds);
    fprintf(v->out, "%s to the last step; %.0f %% of padding avoided\n", format_time(v->arena, all),
            100 * (1 - (double)e->tokens / (double)e->padded));
}

/* What is kept of the examples of one data set. */
static void print_kept(const GfTrainView *v, const GfHoist *h, const char *split)
{
    if (h->kept == h->dataset->examples)
        fprintf(v->out, ", %s for the %s %s examples", gf_format_bytes(v->arena, h->bytes),
                gf_format_count(v->arena, (int64_t)h->kept), split);
    else
        fprintf(v->out, ", %s for %s of %s %s examples (all: %s, hoist_budget_mb: %g)",
                gf_format_bytes(v->arena, h->bytes), gf_format_count(v->arena, (int64_t)h->kept),
                gf_format_count(v->arena, (int64_t)h->dataset->examples), split, gf_format_bytes(v->arena, h->wanted),
                v->variant->training.hoist_budget_mb);
}

static const char *why_not_kept(const GfTraining *t)
{
    if (gf_recipe_names(t->without_passes, "hoist-frozen"))
        return "hoist-frozen is left out";
    return t->hoist_budget_mb > 0 ? "nothing worth keeping lies below what trains" : "hoist_budget_mb is 0";
}

/* A variant that wants a frozen part computed once is told what comes of it. */
static void print_hoist(const GfTrainView *v, const GfTrainer *t)
{
    if (!v->variant->variant.frozen_is_still)
        return;
    fprintf(v->out, "%-*s  ", NAME_WIDTH, "frozen");
    if (!t->hoist.count) {
        fprintf(v->out, "computed in every epoch: %s\n", why_not_kept(&v->variant->training));
        return;
    }
    fprintf(v->out, "computed in the first epoch");
    print_kept(v, &t->hoist, "training");
    if (t->evaluator.hoist.count)
        print_kept(v, &t->evaluator.hoist, "validation");
    fprintf(v->out, "\n");
}

/* The next metric from `m` on that has a column; GF_METRIC_COUNT: no more. */
static GfMetric next_metric(const GfTrainView *v, GfMetric m)
{
    while (m < GF_METRIC_COUNT && !(gf_metric_info(m)->title && gf_metric_is_of(m, v->trainer->options.train->problem)))
        m++;
    return m;
}

static int width_of(GfMetric m)
{
    int length = (int)strlen(gf_metric_info(m)->title);
    return length < 6 ? 6 : length;
}

static void print_titles(const GfTrainView *v)
{
    fprintf(v->out, "  epoch  train loss  eval loss");
    for (GfMetric m = next_metric(v, 0); m < GF_METRIC_COUNT; m = next_metric(v, m + 1))
        fprintf(v->out, "  %*s", width_of(m), gf_metric_info(m)->title);
    fprintf(v->out, "  examples/s  tokens/s\n");
}

static void on_begin(void *self, const GfJobVariant *variant, const GfTrainer *trainer, const GfEstimate *estimate)
{
    GfTrainView *v = self;
    const GfSteps *s = trainer->options.steps;
    double percent = s->params.all ? 100.0 * (double)s->params.trainable / (double)s->params.all : 0;

    v->variant = variant;
    v->trainer = trainer;
    gf_train_log_begin(&v->log, variant, trainer);
    gf_progress_begin(&v->progress);
    fprintf(v->out, "\n%-*s  %s of %s parameters train (%.4g %%); compiled in %.1f s\n", NAME_WIDTH, variant->name,
            gf_format_count(v->arena, s->params.trainable), gf_format_count(v->arena, s->params.all), percent,
            s->compile_seconds);
    if (*variant->training.without_passes)
        fprintf(v->out, "%-*s  without %s\n", NAME_WIDTH, "passes", variant->training.without_passes);
    if (*variant->training.with_passes)
        fprintf(v->out, "%-*s  with %s\n", NAME_WIDTH, "passes", variant->training.with_passes);
    print_fresh(v);
    print_hoist(v, trainer);
    print_estimate(v, estimate, trainer);
    if (trainer->state.step)
        fprintf(v->out, "%-*s  goes on after step %lld of %lld\n", NAME_WIDTH, "resumed",
                (long long)trainer->state.step, (long long)trainer->max_steps);
    if (trainer->changed)
        fprintf(v->out, "%-*s  before: %s; from here it is another run\n", NAME_WIDTH, "changed", trainer->changed);
    if (!v->dry_run)
        print_titles(v);
    fflush(v->out);
}

static double per_second(double count, double seconds)
{
    return seconds > 0 ? count / seconds : 0;
}

static void print_score(const GfTrainView *v, int width, double score)
{
    if (isnan(score))
        fprintf(v->out, "%*s", width, "-");
    else
        fprintf(v->out, "%*.4f", width, score);
}

static void on_epoch(void *self, const GfEpochReport *r)
{
    GfTrainView *v = self;
    const GfEvaluation *e = &r->evaluation;

    gf_progress_clear(&v->progress);
    fprintf(v->out, "  %5.4g  %10.4f  ", r->epoch, r->train_loss);
    print_score(v, 9, r->evaluated ? e->loss : NAN);
    for (GfMetric m = next_metric(v, 0); m < GF_METRIC_COUNT; m = next_metric(v, m + 1)) {
        fprintf(v->out, "  ");
        print_score(v, width_of(m), r->evaluated ? e->scores.values[m] : NAN);
    }
    fprintf(v->out, "  %10s  %8s\n",
            gf_format_count(v->arena, (int64_t)(per_second((double)r->examples, r->seconds) + 0.5)),
            gf_format_count(v->arena, (int64_t)(per_second((double)r->tokens, r->seconds) + 0.5)));
    fflush(v->out);
}

/* ---- steps ---- */

static void write_number(FILE *out, const char *key, double value)
{
    if (isfinite(value))
        fprintf(out, ", \"%s\": %.9g", key, value);
    else
        fprintf(out, ", \"%s\": null", key);
}

static void write_loss(const GfTrainView *v, const GfStepReport *r)
{
    FILE *out = v->losses;

    fprintf(out, "{\"variant\": \"%s\", \"step\": %lld", v->variant->name, (long long)r->step);
    write_number(out, "loss", r->loss);
    write_number(out, "grad_norm", r->grad_norm);
    fprintf(out, ", \"learning_rate\": %.17g", r->learning_rate);
    fprintf(out, ", \"examples\": %lld, \"tokens\": %lld", (long long)r->examples, (long long)r->tokens);
    write_number(out, "seconds", r->seconds);
    fprintf(out, "}\n");
}

static void on_step(void *self, const GfStepReport *r)
{
    GfTrainView *v = self;
    const GfTrainState *s = &v->trainer->state;
    GfProgressState state = {.step = r->step,
                             .max_steps = r->max_steps,
                             .epoch_steps = v->trainer->epoch_steps,
                             .loss = r->loss,
                             .examples_per_second = per_second((double)s->examples, s->seconds)};

    if (v->losses)
        write_loss(v, r);
    gf_progress_step(&v->progress, state, gf_now());
}

/* ---- the log ---- */

static void on_entry(void *self, const GfLogEntry *entry)
{
    GfTrainView *v = self;
    gf_train_log_entry(&v->log, entry);
}

static void on_saved(void *self, const GfVariantResult *result)
{
    GfTrainView *v = self;

    gf_progress_clear(&v->progress);
    gf_train_log_saved(&v->log, result->folder, result->train.step);
}

static void on_checkpoint(void *self, const char *folder, int64_t step)
{
    GfTrainView *v = self;
    gf_train_log_saved(&v->log, folder, step);
}

GfSessionEvents gf_view_events(GfTrainView *v)
{
    return (GfSessionEvents){.self = v,
                             .begin = on_begin,
                             .train = {.self = v, .step = on_step, .epoch = on_epoch},
                             .log = {.self = v, .entry = on_entry},
                             .checkpoint = on_checkpoint,
                             .saved = on_saved};
}

/* ---- the end ---- */

/* Which model was kept, or how to go on. */
void gf_view_variant(GfTrainView *v, const GfJobVariant *variant, const GfVariantResult *r)
{
    const GfTrainState *s = &r->train;

    if (v->dry_run)
        return;

    if (r->finished_before) {
        fprintf(v->out, "\n%-*s  finished before, in %s\n", NAME_WIDTH, r->name, r->folder);
        return;
    }
    if (r->interrupted) {
        fprintf(v->out, "\n%s stopped after step %lld, which %s/checkpoint-%lld has whole; --resume goes on\n", r->name,
                (long long)s->step, r->folder, (long long)s->step);
        return;
    }
    if (s->best.stop)
        fprintf(v->out, "  stopped early: no better %s in %lld evaluation%s\n", variant->training.metric_for_best_model,
                (long long)s->best.waiting, s->best.waiting == 1 ? "" : "s");
    if (variant->training.load_best_model_at_end && s->best_saved)
        fprintf(v->out, "  the model of step %lld is kept: %s %.4f\n", (long long)s->best_saved,
                variant->training.metric_for_best_model, s->best.metric);
}

void gf_view_comparison(GfTrainView *v, const GfComparison *c)
{
    GfText table = {.arena = v->arena};
    const char *folder = v->job->training.output_dir;

    gf_comparison_text(c, &table);
    fprintf(v->out, "\n%s", gf_text_str(&table));
    if (c->count && c->results[0].evaluated)
        fprintf(v->out, "scores of the %s split%s; seconds of training alone\n", gf_split_names[c->results[0].split],
                c->results[0].evaluation.problem == GF_PROBLEM_REGRESSION ? "" : ", weighted by class");
    fprintf(v->out, "\n%s/comparison.md  %s/comparison.json  graft report %s\n", folder, folder, folder);
}
