/* results_read.c -- a finished run's results.json; see results.h. */
#include "runtime/train/results.h"

#include <math.h>
#include <string.h>

static GfStatus read_train(const GfJson *doc, GfVariantResult *r, GfDiags *diags)
{
    GfTrainState *s = &r->train;
    const cJSON *train = NULL, *params = NULL;
    double loss = 0;

    GF_TRY(gf_json_get_object(doc, doc->root, "parameters", GF_REQUIRED, &params, diags));
    GF_TRY(gf_json_get_int(doc, params, "trainable", GF_REQUIRED, &r->params.trainable, diags));
    GF_TRY(gf_json_get_int(doc, params, "all", GF_REQUIRED, &r->params.all, diags));
    GF_TRY(gf_json_get_object(doc, doc->root, "train", GF_REQUIRED, &train, diags));
    GF_TRY(gf_json_get_number(doc, train, "epochs", GF_REQUIRED, &r->epochs, diags));
    GF_TRY(gf_json_get_int(doc, train, "steps", GF_REQUIRED, &s->step, diags));
    GF_TRY(gf_json_get_number(doc, train, "train_loss", GF_REQUIRED, &loss, diags));
    GF_TRY(gf_json_get_number(doc, train, "compile_seconds", GF_REQUIRED, &r->compile_seconds, diags));
    GF_TRY(gf_json_get_number(doc, train, "seconds", GF_REQUIRED, &s->seconds, diags));
    GF_TRY(gf_json_get_int(doc, train, "examples", GF_REQUIRED, &s->examples, diags));
    GF_TRY(gf_json_get_int(doc, train, "tokens", GF_REQUIRED, &s->tokens, diags));
    s->total_loss = loss * (double)s->step;
    return GF_OK;
}

static GfStatus read_split(const GfJson *doc, const cJSON *evaluation, GfSplit *split, GfDiags *diags)
{
    const char *name = NULL;

    GF_TRY(gf_json_get_string(doc, evaluation, "split", GF_REQUIRED, &name, diags));
    for (*split = 0; *split < GF_SPLIT_COUNT; ++*split)
        if (strcmp(name, gf_split_names[*split]) == 0)
            return GF_OK;
    return gf_fail(diags, gf_json_loc(doc, gf_json_find(doc, evaluation, "split")), GF_ERR_VALUE,
                   "'split' must be train, validation or test, found \"%s\"", name);
}

/* A figure that is not there, or null, is not known. */
static GfStatus read_scores(const GfJson *doc, const cJSON *from, GfEvaluation *e, GfDiags *diags)
{
    const cJSON *data = NULL;

    GF_TRY(gf_json_get_object(doc, doc->root, "data", GF_OPTIONAL, &data, diags));
    GF_TRY(gf_problem_read(&e->problem, doc, data, diags));
    for (GfMetric m = 0; m < GF_METRIC_COUNT; m++) {
        if (!gf_metric_is_of(m, e->problem))
            continue;
        e->scores.values[m] = NAN;
        GF_TRY(gf_json_get_number(doc, from, gf_metric_info(m)->key, GF_OPTIONAL, &e->scores.values[m], diags));
    }
    return GF_OK;
}

static GfStatus read_evaluation(const GfJson *doc, GfVariantResult *r, GfDiags *diags)
{
    GfEvaluation *e = &r->evaluation;
    const cJSON *from = NULL;
    double rate = 0;

    GF_TRY(gf_json_get_object(doc, doc->root, "evaluation", GF_OPTIONAL, &from, diags));
    r->evaluated = from != NULL;
    if (!from)
        return GF_OK;
    GF_TRY(read_split(doc, from, &r->split, diags));
    GF_TRY(gf_json_get_number(doc, from, "eval_loss", GF_REQUIRED, &e->loss, diags));
    GF_TRY(read_scores(doc, from, e, diags));
    GF_TRY(gf_json_get_number(doc, from, "eval_runtime", GF_REQUIRED, &e->seconds, diags));
    GF_TRY(gf_json_get_number(doc, from, "eval_samples_per_second", GF_REQUIRED, &rate, diags));
    e->examples = (int64_t)(rate * e->seconds + 0.5);
    GF_TRY(gf_json_get_number(doc, from, "eval_steps_per_second", GF_REQUIRED, &rate, diags));
    e->batches = (int64_t)(rate * e->seconds + 0.5);
    return GF_OK;
}

GfStatus gf_results_read(const char *path, GfVariantResult *r, GfDiags *diags)
{
    GfJson doc = {0};

    GfStatus status = gf_json_read_file(&doc, path, diags);
    if (status == GF_OK)
        status = read_train(&doc, r, diags);
    if (status == GF_OK)
        status = read_evaluation(&doc, r, diags);
    gf_json_close(&doc);
    return status;
}
