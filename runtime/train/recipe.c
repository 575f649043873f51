/* recipe.c -- see recipe.h. */
#include "runtime/train/recipe.h"

#include "passes/passes.h"

#include <stdio.h>

static const GfTraining *training_of(const GfRecipe *r)
{
    return r->training ? r->training : &gf_training_defaults;
}

static void add_number(GfText *list, const char *key, double value)
{
    gf_text_add(list, "%s=", key);
    gf_json_add_number(list, value);
}

/* What every list begins with.  Adapters of the last layer are narrowed with it. */
static void begin(const GfRecipe *r, GfText *list)
{
    if (r->weighted)
        gf_text_add(list, "weigh-loss,");
    gf_variant_passes(r->variant, list);
    gf_text_add(list, "narrow-rows,");
}

/* With several micro-batches a step, the last one adds what `accumulate` has gathered. */
static void add_adamw(const GfRecipe *r, GfText *list)
{
    const GfTraining *t = training_of(r);

    add_number(list, "adamw{max_grad_norm", t->max_grad_norm);
    add_number(list, ",beta1", t->adam_beta1);
    add_number(list, ",beta2", t->adam_beta2);
    add_number(list, ",eps", t->adam_epsilon);
    add_number(list, ",weight_decay", t->weight_decay);
    gf_text_add(list, ",accumulated=%d", t->gradient_accumulation_steps > 1);
    gf_text_add(list, ",return_gradients=%d},", r->return_gradients);
}

static void add_maxima(const GfRecipe *r, GfText *list)
{
    if (r->tokens > 0 && r->seqs > 0)
        gf_text_add(list, "{tokens=%lld,seqs=%lld}", (long long)r->tokens, (long long)r->seqs);
}

bool gf_recipe_may_hoist(const GfVariant *variant, const GfTraining *training)
{
    return variant && variant->frozen_is_still && training && training->hoist_budget_mb > 0;
}

/* What every list ends with. */
static const char *finish(const GfRecipe *r, GfText *list)
{
    const GfTraining *t = training_of(r);

    if (r->part != GF_STEP_WHOLE)
        gf_text_add(list, "hoist-frozen%s,", r->part == GF_STEP_FROZEN ? "{part=frozen}" : "");
    if (t->bf16 || t->tf32)
        gf_text_add(list, "precision{products=%s},", t->bf16 ? "bf16" : "tf32");
    gf_text_add(list, "fold,cse,dce,fuse-lora,fuse,join-launches");
    add_maxima(r, list);
    gf_text_add(list, ",plan-memory");
    add_maxima(r, list);
    return list->arena->failed ? NULL : gf_text_str(list);
}

const char *gf_recipe_train(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    begin(recipe, &list);
    gf_text_add(&list, "autodiff,prune-frozen,");
    add_adamw(recipe, &list);
    return finish(recipe, &list);
}

const char *gf_recipe_accumulate(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    begin(recipe, &list);
    gf_text_add(&list, "autodiff,prune-frozen,accumulate,");
    return finish(recipe, &list);
}

const char *gf_recipe_eval(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    begin(recipe, &list);
    gf_text_add(&list, "inference,");
    if (recipe->logits_only)
        gf_text_add(&list, "keep-outputs{names=logits},");
    return finish(recipe, &list);
}

/* ---- does the variant fit the model ---- */

static bool names_param(const GfGraph *g, const char *pattern)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_PARAM && gf_match(pattern, n->label))
            return true;
    }
    return false;
}

/* As attach-lora has it: the path of a linear's weight is the target, ends in it, or matches it. */
static bool names_linear(const GfGraph *g, const char *target)
{
    char patterns[512];

    snprintf(patterns, sizeof patterns, "%.200s.weight *.%.200s.weight", target, target);
    for (const GfNode *n = g->first; n; n = n->next) {
        const GfNode *w = n->op == GF_OP_LINEAR ? gf_operand(n, 1)->node : NULL;
        if (w && w->op == GF_OP_PARAM && gf_match(patterns, w->label))
            return true;
    }
    return false;
}

static GfStatus check_patterns(const GfVariant *v, const cJSON *list, const GfGraph *g, const char *what,
                               bool (*names)(const GfGraph *g, const char *pattern), GfDiags *diags)
{
    const cJSON *item = cJSON_IsArray(list) ? list->child : list;

    for (; item; item = item == list ? NULL : item->next) {
        if (cJSON_IsString(item) && !names(g, item->valuestring))
            return gf_fail(diags, gf_json_loc(&v->doc, item), GF_ERR_NAME, "no %s of the model is called '%s'", what,
                           item->valuestring);
    }
    return GF_OK;
}

GfStatus gf_recipe_check(const GfVariant *v, const GfGraph *forward, GfDiags *diags)
{
    const cJSON *root = v ? v->doc.root : NULL;

    if (!v)
        return GF_OK;
    GF_TRY(check_patterns(v, gf_json_find(&v->doc, root, "freeze"), forward, "parameter", names_param, diags));
    GF_TRY(check_patterns(v, gf_json_find(&v->doc, root, "train"), forward, "parameter", names_param, diags));
    const cJSON *lora = gf_json_find(&v->doc, root, "lora");
    return check_patterns(v, gf_json_find(&v->doc, lora, "targets"), forward, "linear", names_linear, diags);
}
