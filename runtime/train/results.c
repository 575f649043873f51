/* results.c -- see results.h. */
#include "runtime/train/results.h"

#include "runtime/device/host.h"
#include "runtime/io/file.h"
#include "runtime/train/history.h"

#include <time.h>

#ifndef GRAFT_VERSION
#define GRAFT_VERSION "unknown"
#endif

static void add_string(GfText *out, const char *separator, const char *key, const char *value)
{
    gf_text_add(out, "%s\"%s\": ", separator, key);
    gf_json_quote(out, value ? value : "");
}

static void add_number(GfText *out, const char *separator, const char *key, double value)
{
    gf_text_add(out, "%s\"%s\": ", separator, key);
    gf_json_add_number(out, value);
}

static void add_time(GfText *out, const char *key, time_t seconds)
{
    char words[32] = "";
    struct tm t;

    if (gmtime_r(&seconds, &t))
        strftime(words, sizeof words, "%Y-%m-%dT%H:%M:%SZ", &t);
    add_string(out, ",\n  ", key, words);
}

static void add_machine(GfText *out, const GfSession *s)
{
    GfHost host = gf_host_describe(out->arena);

    gf_text_add(out, ",\n  \"machine\": {");
    add_string(out, "", "cpu", host.cpu);
    add_number(out, ", ", "processors", (double)host.processors);
    add_number(out, ", ", "memory", (double)host.memory);
    add_string(out, ", ", "system", host.system);
    add_string(out, ", ", "device", s->device.text);
    if (s->device.pool)
        add_number(out, ", ", "threads", gf_pool_threads(s->device.pool));
    gf_text_add(out, "}");
}

static void add_data(GfText *out, const GfSession *s)
{
    size_t examples = 0, tokens = 0;

    gf_text_add(out, ",\n  \"data\": {");
    for (GfSplit i = 0; i < GF_SPLIT_COUNT; i++) {
        const GfDataset *d = &s->corpus.splits[i];
        add_number(out, i ? ", " : "", gf_split_names[i], (double)d->examples);
        examples += d->examples;
        tokens += d->tokens;
    }
    add_number(out, ", ", "tokens_per_example", examples ? (double)tokens / (double)examples : 0);
    add_string(out, ", ", "problem_type", gf_problem_names[s->corpus.labels.problem]);
    gf_text_add(out, ", \"generated\": %s}", s->job->data.generate.given ? "true" : "false");
}

static void add_train(GfText *out, const GfVariantResult *r)
{
    const GfTrainState *s = &r->train;
    double seconds = s->seconds > 0 ? s->seconds : 1e-9;

    gf_text_add(out, ",\n  \"train\": {");
    add_number(out, "", "epochs", r->epochs);
    add_number(out, ", ", "steps", (double)s->step);
    add_number(out, ", ", "train_loss", s->step ? s->total_loss / (double)s->step : 0);
    add_number(out, ", ", "compile_seconds", r->compile_seconds);
    add_number(out, ", ", "seconds", s->seconds);
    add_number(out, ", ", "examples", (double)s->examples);
    add_number(out, ", ", "tokens", (double)s->tokens);
    add_number(out, ", ", "examples_per_second", (double)s->examples / seconds);
    add_number(out, ", ", "tokens_per_second", (double)s->tokens / seconds);
    gf_text_add(out, "}");
}

/* ---- the evaluation ---- */

static void add_labels(GfText *out, const GfLabels *labels)
{
    gf_text_add(out, ",\n    \"labels\": [");
    for (size_t i = 0; i < labels->count; i++) {
        gf_text_add(out, i ? ", " : "");
        gf_json_quote(out, labels->names[i]);
    }
    gf_text_add(out, "]");
}

static void add_classes(GfText *out, const GfMetrics *m)
{
    gf_text_add(out, ",\n    \"classes\": [");
    for (size_t c = 0; c < m->classes; c++) {
        GfClassScores s = gf_metrics_class(m, c);
        gf_text_add(out, c ? ",\n      {" : "\n      {");
        add_number(out, "", "precision", s.precision);
        add_number(out, ", ", "recall", s.recall);
        add_number(out, ", ", "f1", s.f1);
        gf_text_add(out, ", \"support\": %llu", (unsigned long long)s.support);
        if (m->counts)
            gf_text_add(out, ", \"predicted\": %llu, \"hits\": %llu", (unsigned long long)m->counts[c].said,
                        (unsigned long long)m->counts[c].hit);
        gf_text_add(out, "}");
    }
    gf_text_add(out, "\n    ]");
}

static void add_confusion(GfText *out, const GfMetrics *m)
{
    if (!m->matrix || m->classes > GF_RESULTS_MATRIX_MAX)
        return;
    gf_text_add(out, ",\n    \"confusion\": [");
    for (size_t truth = 0; truth < m->classes; truth++) {
        gf_text_add(out, truth ? ",\n      [" : "\n      [");
        for (size_t c = 0; c < m->classes; c++)
            gf_text_add(out, "%s%llu", c ? ", " : "", (unsigned long long)m->matrix[truth * m->classes + c]);
        gf_text_add(out, "]");
    }
    gf_text_add(out, "\n    ]");
}

static void add_evaluation(GfText *out, const GfSession *s, const GfVariantResult *r)
{
    if (!r->evaluated)
        return;
    gf_text_add(out, ",\n  \"evaluation\": {\n    \"split\": \"%s\", ", gf_split_names[r->split]);
    gf_evaluation_print(out, &r->evaluation, ", ");
    if (r->evaluation.problem != GF_PROBLEM_REGRESSION) {
        add_labels(out, &s->corpus.labels);
        add_classes(out, &r->metrics);
        add_confusion(out, &r->metrics);
    }
    gf_text_add(out, "\n  }");
}

/* ---- all ---- */

static void add_all(GfText *out, const GfSession *s, const GfJobVariant *v, const GfVariantResult *r)
{
    gf_text_add(out, "{\n  \"graft\": \"%s\"", GRAFT_VERSION);
    add_string(out, ",\n  ", "job", s->job->name);
    add_string(out, ",\n  ", "about", s->job->about);
    add_string(out, ",\n  ", "model", s->model.name);
    add_string(out, ",\n  ", "checkpoint", s->job->checkpoint);
    add_string(out, ",\n  ", "variant", r->name);
    add_string(out, ",\n  ", "group", v->group);
    add_time(out, "started", r->started);
    add_time(out, "finished", r->finished);
    add_machine(out, s);
    add_data(out, s);
    gf_text_add(out, ",\n  \"parameters\": {\"trainable\": %lld, \"all\": %lld}", (long long)r->params.trainable,
                (long long)r->params.all);
    add_train(out, r);
    add_evaluation(out, s, r);
    gf_text_add(out, ",\n  \"training\": {\n    ");
    gf_training_print(out, &v->training, ",\n    ");
    gf_text_add(out, "\n  },\n  \"recipe\": ");
    gf_json_print(out, &v->variant.doc, v->variant.doc.root, 2);
    gf_text_add(out, "\n}\n");
}

GfStatus gf_results_write(const GfSession *s, const GfJobVariant *variant, const GfVariantResult *result,
                          GfDiags *diags)
{
    GfArena scratch;
    GfText text = {.arena = &scratch};

    gf_arena_init(&scratch, diags->arena.allocator);
    add_all(&text, s, variant, result);
    const char *path = gf_path_join(&scratch, result->folder, "results.json");
    GfStatus status =
        scratch.failed ? gf_fail_memory(diags) : gf_file_write_atomic(path, gf_text_str(&text), text.length, diags);
    gf_arena_free(&scratch);
    return status;
}
