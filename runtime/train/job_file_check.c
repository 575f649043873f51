/* job_file_check.c -- whether what is asked for is what was compiled; see job_file.h. */
#include "runtime/train/job_file.h"

#include "runtime/train/hoist.h"
#include "runtime/train/recipe.h"

#include <string.h>

/* ---- settings ---- */

GfStatus gf_job_file_passes(const GfJobVariant *run, GfArena *arena, const char *passes[GF_STEP_PROGRAMS],
                            GfDiags *diags)
{
    bool hoists = gf_recipe_may_hoist(&run->variant, &run->training);
    GfRecipe r = {.variant = &run->variant,
                  .training = &run->training,
                  .weighted = run->weighted,
                  .part = hoists ? GF_STEP_HOISTED : GF_STEP_WHOLE};

    passes[GF_STEP_UPDATE] = gf_recipe_train(&r, arena);
    passes[GF_STEP_ACCUMULATE] = run->training.gradient_accumulation_steps > 1 ? gf_recipe_accumulate(&r, arena) : "";
    passes[GF_STEP_EVALUATE] = gf_recipe_eval(&r, arena);
    r.part = GF_STEP_FROZEN;
    passes[GF_STEP_FROZEN_TRAIN] = hoists ? gf_recipe_train(&r, arena) : "";
    passes[GF_STEP_FROZEN_EVALUATE] = hoists ? gf_recipe_eval(&r, arena) : "";
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

static bool same_passes(const char *const *a, const char *const *b)
{
    for (int i = 0; i < GF_STEP_PROGRAMS; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

GfStatus gf_job_file_find(const GfJobFile *f, const GfJobVariant *run, const GfJobFileVariant **out, GfDiags *diags)
{
    const char *passes[GF_STEP_PROGRAMS];
    GfArena scratch;

    *out = NULL;
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = gf_job_file_passes(run, &scratch, passes, diags);
    for (size_t i = 0; status == GF_OK && !*out && i < f->variant_count; i++)
        if (strcmp(f->variants[i].name, run->variant.name) == 0 && same_passes(f->variants[i].passes, passes))
            *out = &f->variants[i];
    gf_arena_free(&scratch);
    return status;
}

/* Whether all runs of the job were compiled. */
static GfStatus is_compiled(const GfJobFile *f, const GfJob *job, bool *yes, GfDiags *diags)
{
    const GfJobFileVariant *found;

    *yes = gf_job_pack_find(&f->pack, job->model) != NULL;
    for (size_t i = 0; *yes && i < job->variant_count; i++) {
        GF_TRY(gf_job_file_find(f, &job->variants[i], &found, diags));
        *yes = found != NULL;
    }
    return GF_OK;
}

/* Whether this setting alone makes another program of the job. */
static bool changes_code(const GfJobFile *f, const GfSet *set, const GfAllocator *allocator)
{
    bool same = true;
    GfDiags unseen;
    GfJob job;

    gf_diags_init(&unseen, allocator);
    if (gf_job_load_pack(&job, &f->pack, set, 1, &unseen) == GF_OK) {
        same = is_compiled(f, &job, &same, &unseen) != GF_OK || same;
        gf_job_close(&job);
    }
    gf_diags_free(&unseen);
    return !same;
}

static GfStatus fail_setting(const GfJobFile *f, const GfSet *sets, size_t count, GfDiags *diags)
{
    size_t i = 0;

    while (i < count && !changes_code(f, &sets[i], diags->arena.allocator))
        i++;
    if (i == count)
        gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_VALUE, "these settings together are not what was compiled");
    else
        gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_VALUE, "'%s' is compiled in and cannot be set to '%s'",
                sets[i].path, sets[i].value);
    gf_note(diags, "compile the job again with it: graft compile JOB.json --set ... -o %s", f->path);
    return GF_ERR_VALUE;
}

static GfStatus fail_variant(const GfJobFile *f, const char *name, GfDiags *diags)
{
    GfText list = {.arena = &diags->arena};

    for (size_t i = 0; i < f->variant_count; i++)
        if (i == 0 || strcmp(f->variants[i].name, f->variants[i - 1].name) != 0)
            gf_text_add(&list, "%s%s", i ? ", " : "", f->variants[i].name);
    return gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_NAME, "has no variant '%s'; it has: %s", name,
                   gf_text_str(&list));
}

static bool has_variant(const GfJobFile *f, const char *name)
{
    for (size_t i = 0; i < f->variant_count; i++)
        if (strcmp(f->variants[i].name, name) == 0)
            return true;
    return false;
}

static GfStatus check_job(const GfJobFile *f, const GfSet *sets, size_t count, const GfJob *job, GfDiags *diags)
{
    bool same;

    for (size_t i = 0; i < job->variant_count; i++)
        if (!has_variant(f, job->variants[i].variant.name))
            return fail_variant(f, job->variants[i].variant.name, diags);
    GF_TRY(is_compiled(f, job, &same, diags));
    return same ? GF_OK : fail_setting(f, sets, count, diags);
}

GfStatus gf_job_file_job(const GfJobFile *f, const GfSet *sets, size_t count, GfJob *job, GfDiags *diags)
{
    GF_TRY(gf_job_load_pack(job, &f->pack, sets, count, diags));
    GfStatus status = check_job(f, sets, count, job, diags);
    if (status != GF_OK)
        gf_job_close(job);
    return status;
}

/* ---- the model's config ---- */

static GfStatus check_value(const GfJobFile *f, const GfJson *compiled, const GfConfigValue *v, GfArena *scratch,
                            GfDiags *diags)
{
    GfText now = {.arena = scratch}, then = {.arena = scratch};

    gf_config_add_value(&now, v);
    gf_json_print(&then, compiled, gf_json_find(compiled, compiled->root, v->key), 0);
    if (scratch->failed)
        return gf_fail_memory(diags);
    if (strcmp(gf_text_str(&now), gf_text_str(&then)) == 0)
        return GF_OK;
    gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_VALUE, "compiled for a model with '%s' %s, but now it is %s",
            v->key, gf_text_str(&then), gf_text_str(&now));
    gf_note(diags, "the checkpoint, the labels and `--set config.KEY` say what a model is: compile the job again");
    return GF_ERR_VALUE;
}

static GfStatus check_config(const GfJobFile *f, const GfConfig *config, GfDiags *diags)
{
    GfArena scratch;
    GfJson compiled;

    GF_TRY(gf_json_read_text(&compiled, f->path, f->config, strlen(f->config), diags));
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = GF_OK;
    for (size_t i = 0; status == GF_OK && i < config->count; i++)
        status = check_value(f, &compiled, &config->values[i], &scratch, diags);
    gf_arena_free(&scratch);
    gf_json_close(&compiled);
    return status;
}

/* ---- what programs take and give ---- */

/* What a step has beside the model's inputs and outputs. */
static bool find_scalar(const char *name, bool output, GfType *type)
{
    static const struct {
        const char *name;
        bool output;
        GfDType dtype;
        int64_t size; /* 0: a scalar */
    } scalars[] = {{"lr", false, GF_F32, 0},
                   {"loss_scale", false, GF_F32, 0},
                   {"step", false, GF_I32, 0},
                   {"rng", false, GF_I32, 4},
                   {"grad_norm", true, GF_F32, 0}};

    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        if (scalars[i].output != output || strcmp(scalars[i].name, name) != 0)
            continue;
        *type = scalars[i].size ? gf_type_vector(scalars[i].dtype, gf_dim_const(scalars[i].size))
                                : gf_type_scalar(scalars[i].dtype);
        return true;
    }
    return false;
}

static bool find_input(const GfGraph *g, const char *name, GfType *type)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op != GF_OP_INPUT || strcmp(n->name, name) != 0)
            continue;
        *type = n->results[0].type;
        return true;
    }
    if (strcmp(name, "weights") != 0)
        return find_scalar(name, false, type);
    *type = gf_type_matrix(GF_F32, gf_dim_symbol(gf_graph_find_symbol(g, "seqs")), gf_dim_const(1));
    return true; /* passes/weigh_loss.c */
}

static bool find_output(const GfGraph *g, const char *name, GfType *type)
{
    const GfNode *ret = gf_graph_return(g);

    for (uint32_t i = 0; ret && i < ret->operand_count; i++) {
        if (strcmp(ret->outputs[i], name) != 0)
            continue;
        *type = gf_operand(ret, i)->type;
        return true;
    }
    return find_scalar(name, true, type);
}

/* A value that a frozen part gives for each example. */
static bool is_hoisted(const char *name, const GfType *type)
{
    bool rows = strncmp(name, "hoisted.", 8) == 0 && type->dtype == GF_F32 && type->rank > 0 &&
                type->dims[0].symbol != GF_CONSTANT;

    for (uint32_t i = 1; rows && i < type->rank; i++)
        rows = type->dims[i].symbol == GF_CONSTANT;
    return rows;
}

static bool same_symbols(const GfProgram *p, const GfGraph *g)
{
    bool same = p->symbol_count == g->symbol_count;

    for (uint32_t i = 0; same && i < p->symbol_count; i++)
        same = strcmp(p->symbols[i], g->symbols[i]) == 0;
    return same;
}

static GfStatus damaged(const GfJobFile *f, const char *what, const char *name, GfDiags *diags)
{
    return gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_FORMAT, "is damaged: %s '%s'", what, name);
}

static GfStatus check_faces(const GfJobFile *f, int kind, const GfProgram *p, const GfGraph *g, GfDiags *diags)
{
    GfType type;

    if (!same_symbols(p, g))
        return damaged(f, "a program has other sizes than", "tokens, seqs", diags);
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const GfTensorDecl *t = &p->tensors[i];
        if (t->kind == GF_TENSOR_INPUT && is_hoisted(t->name, &t->type))
            continue; /* compared with what computes it below */
        if (t->kind == GF_TENSOR_INPUT && !(find_input(g, t->name, &type) && gf_type_eq(&type, &t->type)))
            return damaged(f, "a program takes another", t->name, diags);
    }
    for (uint32_t i = 0; i < p->output_count; i++) {
        const GfOutput *o = &p->outputs[i];
        bool known = kind < GF_STEP_FROZEN_TRAIN ? find_output(g, o->name, &type) && gf_type_eq(&type, &o->type)
                                                 : is_hoisted(o->name, &o->type);
        if (!known)
            return damaged(f, "a program gives another", o->name, diags);
    }
    return GF_OK;
}

/* What a program takes of a frozen part is what another gives. */
static GfStatus check_hoisted(const GfJobFile *f, const GfJobFileVariant *v, GfDiags *diags)
{
    GfProgram *const *of = v->programs.of;
    GfDiags unseen;

    gf_diags_init(&unseen, diags->arena.allocator);
    bool whole = gf_hoist_check(of[GF_STEP_UPDATE], of[GF_STEP_FROZEN_TRAIN], &unseen) == GF_OK &&
                 gf_hoist_check(of[GF_STEP_ACCUMULATE], of[GF_STEP_FROZEN_TRAIN], &unseen) == GF_OK &&
                 gf_hoist_check(of[GF_STEP_EVALUATE], of[GF_STEP_FROZEN_EVALUATE], &unseen) == GF_OK &&
                 !gf_program_hoists(of[GF_STEP_FROZEN_TRAIN]) && !gf_program_hoists(of[GF_STEP_FROZEN_EVALUATE]);
    gf_diags_free(&unseen);
    return whole ? GF_OK : damaged(f, "no program gives what is hoisted in", v->name, diags);
}

GfStatus gf_job_file_check_model(const GfJobFile *f, const GfModel *model, GfDiags *diags)
{
    GF_TRY(check_config(f, &model->config, diags));
    for (size_t i = 0; i < f->variant_count * GF_STEP_PROGRAMS; i++) {
        int kind = (int)(i % GF_STEP_PROGRAMS);
        const GfProgram *p = f->variants[i / GF_STEP_PROGRAMS].programs.of[kind];
        if (p)
            GF_TRY(check_faces(f, kind, p, model->graph, diags));
        if (kind >= GF_STEP_FROZEN_TRAIN)
            continue;
        if (p && !gf_program_output(p, "loss"))
            return damaged(f, "a program gives no", "loss", diags);
        if (p && kind == GF_STEP_EVALUATE && !gf_program_output(p, "logits"))
            return damaged(f, "a program gives no", "logits", diags);
    }
    for (size_t i = 0; i < f->variant_count; i++)
        GF_TRY(check_hoisted(f, &f->variants[i], diags));
    return GF_OK;
}

/* ---- batches ---- */

static GfStatus check_limits(const GfJobFile *f, const GfJobFileVariant *v, const char *what, GfBatchLimits needed,
                             GfBatchLimits planned, GfDiags *diags)
{
    if (needed.tokens <= planned.tokens && needed.seqs <= planned.seqs)
        return GF_OK;
    if (planned.seqs == 0)
        return gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_VALUE,
                       "'%s' was compiled without %s program: the job had no such data", v->name, what);
    gf_fail(diags, (GfLoc){.file = f->path}, GF_ERR_VALUE,
            "%s batch of '%s' may have %lld sequences and %lld tokens; the file is planned for %lld and %lld", what,
            v->name, (long long)needed.seqs, (long long)needed.tokens, (long long)planned.seqs,
            (long long)planned.tokens);
    gf_note(diags, "a smaller per_device batch size, or compile the job again with this one and this data");
    return GF_ERR_VALUE;
}

GfStatus gf_job_file_check_limits(const GfJobFile *f, const GfJobFileVariant *v, const GfPlanLimits *needed,
                                  GfDiags *diags)
{
    GF_TRY(check_limits(f, v, "a training", needed->train, v->limits.train, diags));
    return check_limits(f, v, "an evaluation", needed->evaluate, v->limits.evaluate, diags);
}
