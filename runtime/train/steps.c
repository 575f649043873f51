/* steps.c -- see steps.h. */
#include "runtime/train/steps.h"

#include "passes/passes.h"
#include "runtime/train/hoist.h"

#include <string.h>
#include <time.h>

double gf_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- compiling ---- */

typedef const char *(*RecipeFn)(const GfRecipe *recipe, GfArena *arena);

static GfRecipe recipe_of(const GfStepsOptions *o, GfBatchLimits limits, GfStepPart part)
{
    return (GfRecipe){.variant = o->variant,
                      .training = o->training,
                      .tokens = limits.tokens,
                      .seqs = limits.seqs,
                      .weighted = o->weighted,
                      .return_gradients = o->return_gradients,
                      .logits_only = o->logits_only,
                      .part = part};
}

/* A copy of the model's graph after `list`; NULL list: out of memory. */
static GfStatus run_passes(const GfStepsOptions *o, const char *list, GfArena *scratch, GfGraph **out, GfDiags *diags)
{
    GfPipelineOptions options = {.target = o->backend->target};
    GfGraph *g = list ? gf_graph_clone(o->model->graph, scratch->allocator) : NULL;

    *out = g;
    if (!g)
        return gf_fail_memory(diags);
    return gf_pipeline_run(g, list, &options, scratch, NULL, NULL, diags);
}

static GfStatus compile_in(const GfStepsOptions *o, const GfCompileOptions *how, RecipeFn recipe, GfBatchLimits limits,
                           GfStepPart part, GfArena *scratch, GfProgram **out, GfDiags *diags)
{
    GfRecipe r = recipe_of(o, limits, part);
    GfGraph *g;

    GfStatus status = run_passes(o, recipe(&r, scratch), scratch, &g, diags);
    if (status == GF_OK)
        status = o->backend->compile(g, how, scratch->allocator, out, diags);
    gf_graph_free(g);
    return status;
}

static GfStatus compile(const GfStepsOptions *o, const GfCompileOptions *how, RecipeFn recipe, GfBatchLimits limits,
                        GfStepPart part, GfProgram **out, GfDiags *diags)
{
    GfArena scratch;

    if (limits.tokens == 0)
        return GF_OK;
    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = compile_in(o, how, recipe, limits, part, &scratch, out, diags);
    gf_arena_free(&scratch);
    return status;
}

static GfStatus compile_all(GfPrograms *p, const GfStepsOptions *o, const GfCompileOptions *how, GfDiags *diags)
{
    const GfTraining *t = o->training ? o->training : &gf_training_defaults;
    GfStepPart part = o->hoist && gf_recipe_may_hoist(o->variant, t) ? GF_STEP_HOISTED : GF_STEP_WHOLE;
    GfProgram **of = p->of;

    GF_TRY(compile(o, how, gf_recipe_train, o->train, part, &of[GF_STEP_UPDATE], diags));
    if (t->gradient_accumulation_steps > 1)
        GF_TRY(compile(o, how, gf_recipe_accumulate, o->train, part, &of[GF_STEP_ACCUMULATE], diags));
    GF_TRY(compile(o, how, gf_recipe_eval, o->evaluate, part, &of[GF_STEP_EVALUATE], diags));
    if (gf_program_hoists(of[GF_STEP_UPDATE]))
        GF_TRY(compile(o, how, gf_recipe_train, o->train, GF_STEP_FROZEN, &of[GF_STEP_FROZEN_TRAIN], diags));
    if (gf_program_hoists(of[GF_STEP_EVALUATE]))
        GF_TRY(compile(o, how, gf_recipe_eval, o->evaluate, GF_STEP_FROZEN, &of[GF_STEP_FROZEN_EVALUATE], diags));
    return GF_OK;
}

/* ---- counting ---- */

/* The variant's own passes as a list: without the comma that ends them. */
static const char *variant_list(const GfVariant *variant, GfArena *scratch)
{
    GfText list = {.arena = scratch};

    gf_variant_passes(variant, &list);
    if (list.length > 0)
        list.data[list.length - 1] = '\0';
    return scratch->failed ? NULL : gf_text_str(&list);
}

static GfStatus count_params(GfPrograms *p, const GfStepsOptions *o, GfDiags *diags)
{
    GfArena scratch;
    GfGraph *g;

    gf_arena_init(&scratch, diags->arena.allocator);
    GfStatus status = run_passes(o, variant_list(o->variant, &scratch), &scratch, &g, diags);
    if (status == GF_OK)
        p->params = gf_count_params(g);
    gf_graph_free(g);
    gf_arena_free(&scratch);
    return status;
}

/* ---- programs ---- */

GfStatus gf_programs_compile(GfPrograms *p, const GfStepsOptions *o, const GfCompileOptions *how, GfDiags *diags)
{
    GfCompileOptions options = *how;

    *p = (GfPrograms){0};
    if (!options.target)
        options.target = o->device->target;
    GfStatus status = count_params(p, o, diags);
    if (status == GF_OK)
        status = compile_all(p, o, &options, diags);
    if (status != GF_OK)
        gf_programs_free(p);
    return status;
}

void gf_programs_free(GfPrograms *p)
{
    for (int i = 0; i < GF_STEP_PROGRAMS; i++)
        gf_program_free(p->of[i]);
    *p = (GfPrograms){0};
}

/* ---- making ---- */

static GfStatus take_programs(GfSteps *s, const GfStepsOptions *o, GfDiags *diags)
{
    const GfPrograms *p = o->programs ? o->programs : &s->own;
    double start = gf_now();

    if (!o->programs)
        GF_TRY(gf_programs_compile(&s->own, o, &(GfCompileOptions){0}, diags));
    s->compile_seconds = gf_now() - start;
    s->update.program = p->of[GF_STEP_UPDATE];
    s->accumulate.program = p->of[GF_STEP_ACCUMULATE];
    s->evaluate.program = p->of[GF_STEP_EVALUATE];
    s->frozen.program = p->of[GF_STEP_FROZEN_TRAIN];
    s->frozen_evaluate.program = p->of[GF_STEP_FROZEN_EVALUATE];
    s->params = p->params;
    GF_TRY(gf_hoist_check(s->update.program, s->frozen.program, diags));
    GF_TRY(gf_hoist_check(s->accumulate.program, s->frozen.program, diags));
    return gf_hoist_check(s->evaluate.program, s->frozen_evaluate.program, diags);
}

static GfStatus declare_all(GfSteps *s, GfDiags *diags)
{
    const GfCompiled *all[] = {&s->update, &s->accumulate, &s->evaluate, &s->frozen, &s->frozen_evaluate};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->program)
            GF_TRY(gf_store_declare(&s->store, all[i]->program, diags));
    return GF_OK;
}

static GfStatus make_runnable(GfSteps *s, const GfStepsOptions *o, GfDiags *diags)
{
    GfCompiled *all[] = {&s->update, &s->accumulate, &s->evaluate, &s->frozen, &s->frozen_evaluate};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->program)
            GF_TRY(gf_exec_new(o->device, all[i]->program, &s->store, diags->arena.allocator, &all[i]->exec, diags));
    return GF_OK;
}

static GfStatus set_up(GfSteps *s, const GfStepsOptions *o, GfDiags *diags)
{
    GF_TRY(take_programs(s, o, diags));
    GF_TRY(declare_all(s, diags));
    GF_TRY(gf_store_fill(&s->store, o->source, diags));
    return make_runnable(s, o, diags);
}

GfStatus gf_steps_new(GfSteps *s, const GfStepsOptions *o, GfDiags *diags)
{
    *s = (GfSteps){0};
    gf_store_init(&s->store, diags->arena.allocator);
    GfStatus status = set_up(s, o, diags);
    if (status != GF_OK)
        gf_steps_free(s);
    return status;
}

void gf_steps_free(GfSteps *s)
{
    GfCompiled *all[] = {&s->update, &s->accumulate, &s->evaluate, &s->frozen, &s->frozen_evaluate};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        gf_exec_free(all[i]->exec);
        *all[i] = (GfCompiled){0};
    }
    gf_programs_free(&s->own);
    gf_store_free(&s->store);
}

/* ---- running ---- */

static void bind_batch(GfExec *exec, const GfBatch *b)
{
    gf_exec_input(exec, "ids", b->ids);
    gf_exec_input(exec, "positions", b->positions);
    gf_exec_input(exec, "types", b->types);
    gf_exec_input(exec, "starts", b->starts);
    gf_exec_input(exec, "lengths", b->lengths);
    if (b->labels)
        gf_exec_input(exec, "labels", b->labels);
    if (b->weights)
        gf_exec_input(exec, "weights", b->weights);
    if (b->targets)
        gf_exec_input(exec, "targets", b->targets);
}

static void bind_scalars(GfExec *exec, const GfStepInputs *in)
{
    float lr = (float)in->lr, scale = (float)in->loss_scale;
    int32_t step = (int32_t)in->step;
    int32_t rng[4] = {(int32_t)(uint32_t)in->seed, (int32_t)(uint32_t)(in->seed >> 32), step, (int32_t)in->micro};

    gf_exec_input(exec, "lr", &lr);
    gf_exec_input(exec, "loss_scale", &scale);
    gf_exec_input(exec, "step", &step);
    gf_exec_input(exec, "rng", rng);
}

GfStatus gf_steps_run(GfExec *exec, const GfBatch *batch, const GfStepInputs *inputs, GfDiags *diags)
{
    static const GfStepInputs none = {0}; /* attention without dropout still names the generator */

    GF_TRY(gf_exec_size(exec, "tokens", batch->tokens, diags));
    GF_TRY(gf_exec_size(exec, "seqs", batch->seqs, diags));
    bind_batch(exec, batch);
    bind_scalars(exec, inputs ? inputs : &none);
    return gf_exec_run(exec, diags);
}
