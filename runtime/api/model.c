/* model.c -- saved models of runtime/graft.h. */
#include "runtime/api/api.h"
#include "runtime/train/predict.h"

#include <stdlib.h>
#include <string.h>

struct graft_model {
    GfDevice device;
    GfPredictor predictor;
};

static GfStatus open_model(graft_model *m, const char *folder, const graft_model_options *options, GfDiags *diags)
{
    GfPredictorOptions how = {.device = &m->device, .run = {.base = options->base}, .batch_size = options->batch_size};

    GF_TRY(gf_device_open(&m->device, options->device, options->threads, NULL, diags));
    return gf_predictor_open(&m->predictor, folder, &how, diags);
}

int graft_model_open(graft_model **model, const char *folder, const graft_model_options *options, graft_error *error)
{
    static const graft_model_options defaults = {0};
    graft_model *m = calloc(1, sizeof *m);
    API_DIAGS(diags);

    *model = NULL;
    GfStatus status = m ? open_model(m, folder, options ? options : &defaults, &diags) : gf_fail_memory(&diags);
    if (status == GF_OK)
        *model = m;
    int code = gf_api_end(status, &diags, error);
    if (status != GF_OK)
        graft_model_close(m);
    return code;
}

void graft_model_close(graft_model *m)
{
    if (!m)
        return;
    gf_predictor_close(&m->predictor);
    gf_device_close(&m->device);
    free(m);
}

graft_problem graft_model_problem(const graft_model *m)
{
    switch (m->predictor.run.labels.problem) {
    case GF_PROBLEM_MULTI_LABEL:
        return GRAFT_MULTI_LABEL;
    case GF_PROBLEM_REGRESSION:
        return GRAFT_REGRESSION;
    default:
        return GRAFT_SINGLE_LABEL;
    }
}

size_t graft_model_output_count(const graft_model *m)
{
    return m->predictor.run.labels.count;
}

const char *graft_model_output_name(const graft_model *m, size_t output)
{
    return output < m->predictor.run.labels.count ? m->predictor.run.labels.names[output] : NULL;
}

static GfStatus take_texts(const graft_text *texts, size_t count, GfAsked *asked, GfDiags *diags)
{
    for (size_t i = 0; i < count; i++) {
        const graft_text *t = &texts[i];
        if (!t->text)
            return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "text %zu is NULL", i);
        asked[i] = (GfAsked){
            .text = t->text, .length = strlen(t->text), .pair = t->pair, .pair_length = t->pair ? strlen(t->pair) : 0};
    }
    return GF_OK;
}

static GfStatus predict(graft_model *m, const graft_text *texts, size_t count, float *logits, float *probabilities,
                        GfArena *arena, GfDiags *diags)
{
    size_t width = graft_model_output_count(m);
    GfAsked *asked = GF_NEW_ARRAY(arena, GfAsked, count + 1);
    double *row = GF_NEW_ARRAY(arena, double, width + 1);

    if (!asked || !row)
        return gf_fail_memory(diags);
    GF_TRY(take_texts(texts, count, asked, diags));
    GF_TRY(gf_predictor_run(&m->predictor, asked, count, logits, diags));
    for (size_t i = 0; probabilities && i < count; i++) {
        gf_predictor_scores(&m->predictor, logits + i * width, row);
        for (size_t k = 0; k < width; k++)
            probabilities[i * width + k] = (float)row[k];
    }
    return GF_OK;
}

int graft_model_predict(graft_model *m, const graft_text *texts, size_t count, float *logits, float *probabilities,
                        graft_error *error)
{
    GfArena arena;
    API_DIAGS(diags);

    gf_arena_init(&arena, NULL);
    GfStatus status = predict(m, texts, count, logits, probabilities, &arena, &diags);
    gf_arena_free(&arena);
    return gf_api_end(status, &diags, error);
}
