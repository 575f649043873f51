/* variant.c -- see variant.h. */
#include "frontend/graph/variant.h"

#include "frontend/graph/kind.h"
#include "frontend/graph/training.h"
#include "frontend/graph/words.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Adapters scaled by 0 would never learn. */
static GfStatus read_alpha(GfVariant *v, const cJSON *lora, GfDiags *diags)
{
    GF_TRY(gf_json_get_number(&v->doc, lora, "alpha", GF_OPTIONAL, &v->lora.alpha, diags));
    if (v->lora.alpha > 0 && v->lora.alpha <= 1e6)
        return GF_OK;
    return gf_fail(diags, gf_json_loc(&v->doc, gf_json_find(&v->doc, lora, "alpha")), GF_ERR_VALUE,
                   "'alpha' must be greater than 0 and at most 1000000, found %g", v->lora.alpha);
}

static GfStatus read_lora(GfVariant *v, const cJSON *lora, GfDiags *diags)
{
    static const char *const keys[] = {"targets", "r", "alpha", "dropout", "use_rslora"};
    const cJSON *targets = gf_json_find(&v->doc, lora, "targets");
    GfLora *l = &v->lora;

    *l = (GfLora){.r = 8, .alpha = 8};
    v->has_lora = true;
    GF_TRY(gf_json_check_keys(&v->doc, lora, keys, COUNT(keys), "lora", diags));
    GF_TRY(gf_patterns_read(&l->targets, &v->arena, &v->doc, targets, diags));
    if (!*l->targets)
        return gf_fail(diags, gf_json_loc(&v->doc, targets ? targets : lora), GF_ERR_KEY,
                       "lora needs \"targets\": the linears to adapt, such as [\"query\", \"value\"]");
    GF_TRY(gf_json_get_int_in(&v->doc, lora, "r", GF_OPTIONAL, 1, 4096, &l->r, diags));
    GF_TRY(read_alpha(v, lora, diags));
    GF_TRY(gf_json_get_number_in(&v->doc, lora, "dropout", GF_OPTIONAL, 0, 0.999, &l->dropout, diags));
    return gf_json_get_bool(&v->doc, lora, "use_rslora", GF_OPTIONAL, &l->use_rslora, diags);
}

/* Known and in range, whichever job they will be laid over. */
static GfStatus check_training(const GfVariant *v, GfDiags *diags)
{
    GfTraining training = gf_training_defaults;
    return gf_training_read(&training, &v->doc, v->training, diags);
}

static GfStatus read_patterns(GfVariant *v, GfDiags *diags)
{
    const cJSON *root = v->doc.root, *train = gf_json_find(&v->doc, root, "train");

    GF_TRY(gf_patterns_read(&v->freeze, &v->arena, &v->doc, gf_json_find(&v->doc, root, "freeze"), diags));
    GF_TRY(gf_patterns_read(&v->train, &v->arena, &v->doc, train, diags));
    if (*v->train && !*v->freeze)
        return gf_fail(diags, gf_json_key_loc(&v->doc, train), GF_ERR_KEY,
                       "\"train\" names exceptions to \"freeze\", and nothing is frozen");
    return GF_OK;
}

static GfStatus read_frozen_dropout(GfVariant *v, GfDiags *diags)
{
    const cJSON *node = gf_json_find(&v->doc, v->doc.root, "frozen_dropout");
    bool drops = true;

    GF_TRY(gf_json_get_bool(&v->doc, v->doc.root, "frozen_dropout", GF_OPTIONAL, &drops, diags));
    if (node && !*v->freeze)
        return gf_fail(diags, gf_json_key_loc(&v->doc, node), GF_ERR_KEY,
                       "\"frozen_dropout\" is about what is frozen, and nothing is");
    v->frozen_is_still = !drops;
    return GF_OK;
}

static GfStatus interpret(GfVariant *v, GfDiags *diags)
{
    static const char *const keys[] = {"variant", "about", "freeze", "train", "frozen_dropout", "lora", "training"};
    const cJSON *root = v->doc.root, *lora = NULL;

    GF_TRY(gf_kind_check(&v->doc, GF_KIND_VARIANT, diags));
    GF_TRY(gf_json_check_keys(&v->doc, root, keys, COUNT(keys), "a variant", diags));
    GF_TRY(gf_json_get_string(&v->doc, root, "variant", GF_OPTIONAL, &v->name, diags));
    GF_TRY(gf_json_get_string(&v->doc, root, "about", GF_OPTIONAL, &v->about, diags));
    GF_TRY(read_patterns(v, diags));
    GF_TRY(read_frozen_dropout(v, diags));
    GF_TRY(gf_json_get_object(&v->doc, root, "lora", GF_OPTIONAL, &lora, diags));
    if (lora)
        GF_TRY(read_lora(v, lora, diags));
    GF_TRY(gf_json_get_object(&v->doc, root, "training", GF_OPTIONAL, &v->training, diags));
    GF_TRY(check_training(v, diags));
    return v->arena.failed ? gf_fail_memory(diags) : GF_OK;
}

static void open_variant(GfVariant *v, const char *path, GfDiags *diags)
{
    *v = (GfVariant){.about = ""};
    gf_arena_init(&v->arena, diags ? diags->arena.allocator : NULL);
    v->path = gf_arena_strdup(&v->arena, path);
    v->name = gf_path_stem(&v->arena, path);
}

static GfStatus finish(GfVariant *v, GfStatus status, const GfSet *sets, size_t set_count, GfDiags *diags)
{
    for (size_t i = 0; status == GF_OK && i < set_count; i++)
        status = gf_json_set(&v->doc, sets[i].path, sets[i].value, diags);
    if (status == GF_OK)
        status = interpret(v, diags);
    if (status != GF_OK)
        gf_variant_close(v);
    return status;
}

GfStatus gf_variant_load(GfVariant *variant, const char *path, const GfSet *sets, size_t set_count, GfDiags *diags)
{
    open_variant(variant, path, diags);
    return finish(variant, gf_json_read_file(&variant->doc, path, diags), sets, set_count, diags);
}

GfStatus gf_variant_load_text(GfVariant *variant, const char *name, const char *text, size_t length, GfDiags *diags)
{
    open_variant(variant, name, diags);
    return finish(variant, gf_json_read_text(&variant->doc, name, text, length, diags), NULL, 0, diags);
}

void gf_variant_close(GfVariant *variant)
{
    gf_json_close(&variant->doc);
    gf_arena_free(&variant->arena);
    *variant = (GfVariant){0};
}

static void add_lora(const GfVariant *v, GfText *list)
{
    gf_text_add(list, "attach-lora{targets=\"%s\",r=%lld,alpha=", v->lora.targets, (long long)v->lora.r);
    gf_json_add_number(list, v->lora.alpha);
    gf_text_add(list, ",dropout=");
    gf_json_add_number(list, v->lora.dropout);
    gf_text_add(list, "%s},", v->lora.use_rslora ? ",rslora=1" : "");
}

void gf_variant_passes(const GfVariant *v, GfText *list)
{
    if (v && *v->freeze)
        gf_text_add(list, "freeze{freeze=\"%s\",train=\"%s\"},", v->freeze, v->train);
    if (v && v->has_lora)
        add_lora(v, list);
    if (v && v->frozen_is_still)
        gf_text_add(list, "inference{frozen=1},");
}
