/* recipe.c -- see recipe.h. */
#include "runtime/train/recipe.h"

#include "runtime/train/recipe_passes.h"

#include <stdio.h>

/* A list being written: every pass with a comma behind it. */
typedef struct List {
    const GfRecipe *recipe;
    const GfTraining *training;
    GfText text;
} List;

/* A pass, unless it is left out. */
static void add(List *l, GfPassId pass, const char *options)
{
    if (gf_recipe_runs(l->training, pass))
        gf_text_add(&l->text, "%s%s,", gf_pass_info(pass)->text, options);
}

static void add_number(GfText *list, const char *key, double value)
{
    gf_text_add(list, "%s=", key);
    gf_json_add_number(list, value);
}

/* What every list begins with.  Adapters of the last layer are narrowed with it. */
static List begin(const GfRecipe *r, GfArena *arena)
{
    List l = {.recipe = r, .training = r->training ? r->training : &gf_training_defaults, .text = {.arena = arena}};

    if (r->weighted)
        add(&l, GF_PASS_WEIGH_LOSS, "");
    gf_variant_passes(r->variant, &l.text);
    add(&l, GF_PASS_NARROW_ROWS, "");
    return l;
}

/* With several micro-batches a step, the last one adds what `accumulate` has gathered. */
static void add_adamw(List *l)
{
    const GfTraining *t = l->training;
    GfText *list = &l->text;

    add_number(list, "adamw{max_grad_norm", t->max_grad_norm);
    add_number(list, ",beta1", t->adam_beta1);
    add_number(list, ",beta2", t->adam_beta2);
    add_number(list, ",eps", t->adam_epsilon);
    add_number(list, ",weight_decay", t->weight_decay);
    gf_text_add(list, ",accumulated=%d", t->gradient_accumulation_steps > 1);
    gf_text_add(list, ",return_gradients=%d},", l->recipe->return_gradients);
}

/* The sizes that are planned for, as options; "" where they are not known. */
static const char *maxima(const List *l)
{
    const GfRecipe *r = l->recipe;
    const char *text = "";

    if (r->tokens > 0 && r->seqs > 0)
        text = gf_arena_printf(l->text.arena, "{tokens=%lld,seqs=%lld}", (long long)r->tokens, (long long)r->seqs);
    return text ? text : ""; /* then the arena has failed */
}

bool gf_recipe_may_hoist(const GfVariant *variant, const GfTraining *training)
{
    return variant && variant->frozen_is_still && training && training->hoist_budget_mb > 0 &&
           gf_recipe_runs(training, GF_PASS_HOIST_FROZEN);
}

/* The gradients, and of them what somebody wants. */
static void add_backward(List *l)
{
    add(l, GF_PASS_ORDER_LORA, maxima(l));
    add(l, GF_PASS_AUTODIFF, "");
    add(l, GF_PASS_PRUNE_FROZEN, "");
}

/* What every list ends with. */
static const char *finish(List *l)
{
    const GfTraining *t = l->training;
    const char *sizes = maxima(l);

    if (l->recipe->part != GF_STEP_WHOLE)
        add(l, GF_PASS_HOIST_FROZEN, l->recipe->part == GF_STEP_FROZEN ? "{part=frozen}" : "");
    add(l, GF_PASS_DECOMPOSE, "");
    if (t->bf16 || t->tf32)
        add(l, GF_PASS_PRECISION, t->bf16 ? "{products=bf16}" : "{products=tf32}");
    add(l, GF_PASS_FOLD, "");
    add(l, GF_PASS_CSE, "");
    add(l, GF_PASS_DCE, "");
    add(l, GF_PASS_ORDER_LORA, sizes);
    add(l, GF_PASS_FUSE_LORA, "");
    add(l, GF_PASS_FUSE_DOWN, "");
    add(l, GF_PASS_FUSE_UP_GRAD, "");
    add(l, GF_PASS_MERGE_MATMULS, "");
    gf_text_add(&l->text, "fuse%s,", gf_recipe_runs(t, GF_PASS_FUSE) ? "" : "{alone=1}");
    add(l, GF_PASS_JOIN_LAUNCHES, sizes);
    gf_text_add(&l->text, "plan-memory%s", sizes);
    return l->text.arena->failed ? NULL : gf_text_str(&l->text);
}

const char *gf_recipe_train(const GfRecipe *recipe, GfArena *arena)
{
    List l = begin(recipe, arena);

    add_backward(&l);
    add_adamw(&l);
    return finish(&l);
}

const char *gf_recipe_accumulate(const GfRecipe *recipe, GfArena *arena)
{
    List l = begin(recipe, arena);

    add_backward(&l);
    add(&l, GF_PASS_ACCUMULATE, "");
    return finish(&l);
}

const char *gf_recipe_eval(const GfRecipe *recipe, GfArena *arena)
{
    List l = begin(recipe, arena);

    add(&l, GF_PASS_INFERENCE, "");
    if (recipe->logits_only)
        gf_text_add(&l.text, "keep-outputs{names=logits},");
    add(&l, GF_PASS_MERGE_LORA, "");
    return finish(&l);
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
