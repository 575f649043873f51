/* job_model.c -- see job_model.h. */
#include "runtime/train/job_model.h"

#include "frontend/graph/job_pack.h"
#include "runtime/io/file.h"
#include "runtime/train/recipe.h"

#include <string.h>

GfStatus gf_job_read_config(const GfJob *job, GfArena *arena, GfHfConfig *config, GfDiags *diags)
{
    if (!job->checkpoint)
        return GF_OK;
    const char *path = gf_path_join(arena, job->checkpoint, "config.json");
    return path ? gf_hf_config_read(config, path, diags) : gf_fail_memory(diags);
}

static GfStatus load(const GfJob *job, const GfModelOptions *options, GfModel *model, GfDiags *diags)
{
    const GfJobText *text = gf_job_pack_find(job->pack, job->model);

    return text ? gf_model_load_text(model, text->shown, text->text, strlen(text->text), options, diags)
                : gf_model_load(model, job->model, options, diags);
}

GfStatus gf_job_load_model(const GfJob *job, size_t labels, const GfHfConfig *config, GfModel *model, GfDiags *diags)
{
    GfConfigSource sources[2];
    GfModelOptions options = {.sources = sources, .num_labels = (int64_t)labels};

    if (job->checkpoint)
        sources[options.source_count++] =
            (GfConfigSource){.doc = &config->doc, .object = config->doc.root, .foreign = true};
    sources[options.source_count++] = (GfConfigSource){.doc = &job->doc, .object = job->config};
    GF_TRY(load(job, &options, model, diags));
    GfStatus status = GF_OK;
    for (size_t i = 0; status == GF_OK && i < job->variant_count; i++)
        status = gf_recipe_check(&job->variants[i].variant, model->graph, diags);
    if (status != GF_OK)
        gf_model_close(model);
    return status;
}
