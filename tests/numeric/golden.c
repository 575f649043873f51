/* golden.c -- see golden.h. */
#include "golden.h"

#include <string.h>

static const char *in_folder(Golden *g, const char *name)
{
    return gf_path_join(&g->arena, g->folder, name);
}

/* A list of numbers, or of lists of numbers, flat. */
static GfStatus read_numbers(Golden *g, const cJSON *list, double *out, size_t *count, GfDiags *diags)
{
    for (const cJSON *item = list->child; item; item = item->next) {
        if (cJSON_IsArray(item)) {
            GF_TRY(read_numbers(g, item, out, count, diags));
            continue;
        }
        GF_TRY(gf_json_as_number(&g->doc, item, "a reference value", &out[*count], diags));
        ++*count;
    }
    return GF_OK;
}

static size_t count_numbers(const cJSON *list)
{
    size_t count = 0;

    for (const cJSON *item = list->child; item; item = item->next)
        count += cJSON_IsArray(item) ? count_numbers(item) : 1;
    return count;
}

static GfStatus read_list(Golden *g, const cJSON *run, const char *key, double **out, size_t *count, GfDiags *diags)
{
    const cJSON *list;

    GF_TRY(gf_json_get_array(&g->doc, run, key, GF_REQUIRED, &list, diags));
    *out = GF_NEW_ARRAY(&g->arena, double, count_numbers(list) + 1);
    *count = 0;
    return *out ? read_numbers(g, list, *out, count, diags) : gf_fail_memory(diags);
}

static GfStatus read_lists(Golden *g, GoldenRun *r, GfDiags *diags)
{
    size_t norms, rates;

    GF_TRY(read_list(g, r->node, "loss", &r->loss, &r->steps, diags));
    GF_TRY(read_list(g, r->node, "grad_norm", &r->grad_norm, &norms, diags));
    GF_TRY(read_list(g, r->node, "learning_rate", &r->learning_rate, &rates, diags));
    GF_TRY(read_list(g, r->node, "logits", &r->logits, &r->logit_count, diags));
    if (norms == r->steps && rates == r->steps && r->steps > 0)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&g->doc, r->node), GF_ERR_VALUE, "%zu losses, %zu norms, %zu rates", r->steps,
                   norms, rates);
}

static GfStatus read_run(Golden *g, GoldenRun *r, GfDiags *diags)
{
    const GfJson *doc = &g->doc;

    GF_TRY(gf_json_get_string(doc, r->node, "name", GF_REQUIRED, &r->name, diags));
    GF_TRY(gf_json_get_string(doc, r->node, "variant", GF_REQUIRED, &r->variant, diags));
    GF_TRY(gf_json_get_string(doc, r->node, "lr_scheduler_type", GF_REQUIRED, &r->lr_scheduler_type, diags));
    GF_TRY(gf_json_get_int(doc, r->node, "warmup_steps", GF_REQUIRED, &r->warmup_steps, diags));
    GF_TRY(gf_json_get_int(doc, r->node, "gradient_accumulation_steps", GF_REQUIRED, &r->gradient_accumulation_steps,
                           diags));
    GF_TRY(gf_json_get_int(doc, r->node, "trainable", GF_REQUIRED, &r->trainable, diags));
    GF_TRY(gf_json_get_number(doc, r->node, "weight_decay", GF_REQUIRED, &r->weight_decay, diags));
    GF_TRY(gf_json_get_number(doc, r->node, "max_grad_norm", GF_REQUIRED, &r->max_grad_norm, diags));
    GF_TRY(read_lists(g, r, diags));
    const char *gradients = in_folder(g, gf_arena_printf(&g->arena, "gradients-%s.safetensors", r->name));
    const char *final = in_folder(g, gf_arena_printf(&g->arena, "final-%s.safetensors", r->name));
    GF_TRY(gf_safetensors_open(&r->gradients, gradients, diags));
    return gf_safetensors_open(&r->final, final, diags);
}

static GfStatus read_runs(Golden *g, GfDiags *diags)
{
    const cJSON *runs;

    GF_TRY(gf_json_get_array(&g->doc, g->doc.root, "runs", GF_REQUIRED, &runs, diags));
    g->runs = GF_NEW_ARRAY(&g->arena, GoldenRun, (size_t)cJSON_GetArraySize(runs) + 1);
    if (!g->runs)
        return gf_fail_memory(diags);
    for (const cJSON *node = runs->child; node; node = node->next) {
        g->runs[g->run_count].node = node;
        GF_TRY(read_run(g, &g->runs[g->run_count++], diags));
    }
    return GF_OK;
}

static GfStatus read_adapter(Golden *g, GfDiags *diags)
{
    const cJSON *targets;
    GfText text = {.arena = &g->arena};

    GF_TRY(gf_json_get_array(&g->doc, g->doc.root, "targets", GF_REQUIRED, &targets, diags));
    gf_json_print(&text, &g->doc, targets, 0);
    g->targets = gf_text_str(&text);
    GF_TRY(gf_json_get_int(&g->doc, g->doc.root, "rank", GF_REQUIRED, &g->rank, diags));
    GF_TRY(gf_json_get_number(&g->doc, g->doc.root, "alpha", GF_REQUIRED, &g->alpha, diags));
    return gf_safetensors_open(&g->adapter, in_folder(g, "adapter.safetensors"), diags);
}

GfStatus golden_open(Golden *g, const char *folder, GfDiags *diags)
{
    *g = (Golden){.folder = folder};
    gf_arena_init(&g->arena, NULL);
    g->model = in_folder(g, "model.safetensors");
    g->batches = in_folder(g, "batches.json");
    GF_TRY(gf_json_read_file(&g->doc, in_folder(g, "golden.json"), diags));
    GF_TRY(gf_hf_config_read(&g->config, in_folder(g, "config.json"), diags));
    GF_TRY(gf_json_get_number(&g->doc, g->doc.root, "learning_rate", GF_REQUIRED, &g->learning_rate, diags));
    GF_TRY(read_adapter(g, diags));
    return read_runs(g, diags);
}

void golden_close(Golden *g)
{
    for (size_t i = 0; i < g->run_count; i++) {
        gf_safetensors_close(&g->runs[i].gradients);
        gf_safetensors_close(&g->runs[i].final);
    }
    gf_safetensors_close(&g->adapter);
    gf_hf_config_close(&g->config);
    gf_json_close(&g->doc);
    gf_arena_free(&g->arena);
}

const char *golden_name(GfArena *arena, const char *name)
{
    static const char prefix[] = "base_model.model.", ending[] = ".weight";
    size_t skip = sizeof prefix - 1, length = strlen(name), tail = sizeof ending - 1;

    if (strncmp(name, prefix, skip) != 0)
        return name;
    name += skip;
    length -= skip;
    bool adapter = strstr(name, ".lora_A.") || strstr(name, ".lora_B.");
    return adapter && length > tail ? gf_arena_strndup(arena, name, length - tail) : name;
}
