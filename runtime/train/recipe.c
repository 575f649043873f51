/* recipe.c -- see recipe.h. */
#include "runtime/train/recipe.h"

static const GfTraining *training_of(const GfRecipe *r)
{
    return r->training ? r->training : &gf_training_defaults;
}

static void add_number(GfText *list, const char *key, double value)
{
    gf_text_add(list, "%s=", key);
    gf_json_add_number(list, value);
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

/* What every list ends with. */
static const char *finish(const GfRecipe *r, GfText *list)
{
    gf_text_add(list, "fold,cse,dce,fuse-lora,fuse,plan-memory");
    if (r->tokens > 0 && r->seqs > 0)
        gf_text_add(list, "{tokens=%lld,seqs=%lld}", (long long)r->tokens, (long long)r->seqs);
    return list->arena->failed ? NULL : gf_text_str(list);
}

const char *gf_recipe_train(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    gf_variant_passes(recipe->variant, &list);
    gf_text_add(&list, "autodiff,prune-frozen,");
    add_adamw(recipe, &list);
    return finish(recipe, &list);
}

const char *gf_recipe_accumulate(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    gf_variant_passes(recipe->variant, &list);
    gf_text_add(&list, "autodiff,prune-frozen,accumulate,");
    return finish(recipe, &list);
}

const char *gf_recipe_eval(const GfRecipe *recipe, GfArena *arena)
{
    GfText list = {.arena = arena};

    gf_variant_passes(recipe->variant, &list);
    gf_text_add(&list, "inference,");
    return finish(recipe, &list);
}
