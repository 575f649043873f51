/* ablate.c -- see ablate.h.
 *
 * All programs are compiled first, so that one store can hold the tensors of all of
 * them; at any time at most two of them have an arena.
 */
#include "runtime/train/ablate.h"

#include "runtime/train/limits.h"
#include "runtime/train/recipe_passes.h"
#include "runtime/train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Bench {
    GfSession *session;
    const GfJobVariant *variant;
    const GfAblateOptions *options;
    GfAblateResult *result;
    GfArena arena; /* of buffers */
    GfBatchLimits limits;
    GfProgram **programs; /* one a row; NULL: there is none */
    GfStore store;
    GfBatcher batcher;
    GfDiags *diags;
} Bench;

/* ---- lists of passes ---------------------------------------------------------------- */

/* The list without the pass `name` too, of a recipe whose training arguments are `training`. */
static const char *list_without(GfRecipe recipe, GfTraining training, const char *name, GfArena *arena)
{
    training.without_passes = gf_arena_printf(arena, "%s,%s", training.without_passes, name);
    recipe.training = &training;
    return training.without_passes ? gf_recipe_train(&recipe, arena) : NULL;
}

/* Once, where a pass runs more often. */
static bool is_listed(const GfAblation *rows, size_t count, const char *pass)
{
    for (size_t i = 1; i < count; i++) {
        if (strcmp(rows[i].pass, pass) == 0)
            return true;
    }
    return false;
}

static void add_row(Bench *b, const GfRecipe *recipe, const GfPassInfo *info)
{
    const GfRecipePass *place = gf_recipe_pass(info->text);

    b->result->rows[b->result->count++] =
        (GfAblation){.pass = info->text,
                     .list = list_without(*recipe, b->variant->training, info->text, &b->session->arena),
                     .kept = place ? place->kept : NULL,
                     .changes_values = (info->changes & GF_CHANGES_VALUES) != 0};
}

static GfStatus list_rows(Bench *b)
{
    GfArena *arena = &b->session->arena;
    GfRecipe recipe = {.variant = &b->variant->variant,
                       .training = &b->variant->training,
                       .weighted = b->variant->weighted,
                       .tokens = b->limits.tokens,
                       .seqs = b->limits.seqs};
    const char *whole = gf_recipe_train(&recipe, arena);
    const GfPassInfo **infos;
    size_t count;

    if (!whole)
        return gf_fail_memory(b->diags);
    GF_TRY(gf_pipeline_passes(whole, NULL, arena, &infos, &count, b->diags));
    b->result->rows = GF_NEW_ARRAY(arena, GfAblation, count + 1);
    b->programs = GF_NEW_ARRAY(&b->arena, GfProgram *, count + 1);
    if (!b->result->rows || !b->programs)
        return gf_fail_memory(b->diags);
    b->result->rows[b->result->count++].list = whole;
    for (size_t i = 0; i < count && b->options->ablate; i++) {
        if (!is_listed(b->result->rows, b->result->count, infos[i]->text))
            add_row(b, &recipe, infos[i]);
    }
    return arena->failed ? gf_fail_memory(b->diags) : GF_OK;
}

/* ---- compiling ------------------------------------------------------------------------ */

static GfStatus make_program(Bench *b, GfAblation *row, GfGraph *g, GfProgram **out, GfDiags *diags)
{
    const GfSession *s = b->session;
    GfPipelineOptions pipeline = {.target = s->backend->target};
    GfCompileOptions how = {.target = s->device.target};

    GF_TRY(gf_pipeline_run(g, row->list, &pipeline, &b->arena, NULL, NULL, diags));
    GF_TRY(gf_measure(g, s->backend->target, (int64_t)ceil(b->result->tokens), (int64_t)ceil(b->result->seqs),
                      &row->cost, diags));
    return s->backend->compile(g, &how, b->arena.allocator, out, diags);
}

static GfStatus compile_row(Bench *b, GfAblation *row, GfProgram **out, GfDiags *diags)
{
    GfGraph *g = gf_graph_clone(b->session->model.graph, b->arena.allocator);
    double start = gf_now();

    if (!g)
        return gf_fail_memory(diags);
    GfStatus status = make_program(b, row, g, out, diags);
    gf_graph_free(g);
    row->compile_seconds = gf_now() - start;
    return status;
}

/* A pipeline that is refused without a pass says itself why it needs it. */
static GfStatus try_row(Bench *b, GfAblation *row, GfProgram **out)
{
    GfDiags refused;

    gf_diags_init(&refused, b->arena.allocator);
    GfStatus status = compile_row(b, row, out, &refused);
    if (status != GF_OK && status != GF_ERR_MEMORY)
        row->kept = gf_arena_printf(&b->session->arena, "%s", refused.first ? refused.first->message : "");
    gf_diags_free(&refused);
    return status == GF_ERR_MEMORY || (row->kept == NULL && status != GF_OK) ? gf_fail_memory(b->diags) : GF_OK;
}

static GfStatus compile_all(Bench *b)
{
    for (size_t i = 0; i < b->result->count; i++) {
        GfAblation *row = &b->result->rows[i];
        if (row->kept)
            continue;
        GF_TRY(row->pass ? try_row(b, row, &b->programs[i]) : compile_row(b, row, &b->programs[i], b->diags));
        const GfProgram *p = b->programs[i];
        if (!p)
            continue;
        row->planned = p->arena_size;
        row->kernels = p->kernel_count;
        row->launches = p->batch_count ? p->batch_count : p->launch_count;
        GF_TRY(gf_store_declare(&b->store, p, b->diags));
    }
    GfStoreSource source = gf_session_source(b->session, &b->variant->training);
    return gf_store_fill(&b->store, &source, b->diags);
}

/* ---- batches -------------------------------------------------------------------------- */

static void rewind_batches(Bench *b)
{
    const GfTraining *t = &b->variant->training;
    gf_batcher_start_shuffled(&b->batcher, (uint64_t)(t->data_seed >= 0 ? t->data_seed : t->seed), 0);
}

/* The next one, from the beginning again where there are too few. */
static const GfBatch *next_batch(Bench *b)
{
    const GfBatch *batch = gf_batcher_next(&b->batcher);

    if (batch)
        return batch;
    gf_batcher_start(&b->batcher);
    return gf_batcher_next(&b->batcher);
}

static GfStatus open_batches(Bench *b)
{
    const GfSession *s = b->session;
    const GfDataset *train = &s->corpus.splits[GF_SPLIT_TRAIN];

    if (!train->examples)
        return gf_fail(b->diags, GF_NOWHERE, GF_ERR_VALUE, "the job has no training data to run steps on");
    GF_TRY(gf_batcher_init(&b->batcher, &b->arena, train,
                           gf_train_batch_size(&b->variant->training, s->corpus.fixed_batch), b->diags));
    rewind_batches(b);
    for (int64_t i = 0; i < b->options->steps; i++) {
        const GfBatch *batch = next_batch(b);
        b->result->tokens += (double)batch->tokens / (double)b->options->steps;
        b->result->seqs += (double)batch->seqs / (double)b->options->steps;
    }
    return GF_OK;
}

/* ---- running -------------------------------------------------------------------------- */

/* The steps of a round; the loss of the first. */
static GfStatus run_round(Bench *b, GfExec *exec, double *seconds, double *loss)
{
    GfStepInputs in = {.seed = (uint64_t)b->variant->training.seed, .loss_scale = 1};

    rewind_batches(b);
    double start = gf_now();
    for (in.step = 1; in.step <= b->options->steps; in.step++) {
        GF_TRY(gf_steps_run(exec, next_batch(b), &in, b->diags));
        GF_TRY(gf_exec_wait(exec, b->diags));
        if (in.step == 1)
            *loss = (double)gf_exec_scalar(exec, "loss");
    }
    *seconds = (gf_now() - start) / (double)b->options->steps;
    return GF_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* One round of each; every other time the whole step goes last. */
static GfStatus run_pair(Bench *b, GfExec *whole, GfExec *exec, bool last, double *seconds, double *ratio)
{
    double other = 0, loss;

    if (whole && !last)
        GF_TRY(run_round(b, whole, &other, &loss));
    GF_TRY(run_round(b, exec, seconds, &loss));
    if (whole && last)
        GF_TRY(run_round(b, whole, &other, &loss));
    *ratio = whole ? *seconds / other : 1;
    return GF_OK;
}

/* `whole` NULL: the row is the whole step itself. */
static GfStatus time_rounds(Bench *b, GfExec *whole, GfExec *exec, GfAblation *row)
{
    size_t rounds = (size_t)b->options->rounds;
    double *seconds = GF_NEW_ARRAY(&b->arena, double, rounds), *ratios = GF_NEW_ARRAY(&b->arena, double, rounds);
    double unused;

    if (!seconds || !ratios)
        return gf_fail_memory(b->diags);
    GF_TRY(run_round(b, exec, &unused, &row->loss));
    for (size_t i = 0; i < rounds; i++)
        GF_TRY(run_pair(b, whole, exec, i % 2 != 0, &seconds[i], &ratios[i]));
    row->seconds = median(seconds, rounds);
    row->ratio = median(ratios, rounds);
    return GF_OK;
}

/* A pass changes no value; where that is what it is for, as rounding, the loss moves a little. */
static GfStatus check_loss(const Bench *b, const GfAblation *row)
{
    double want = b->result->rows[0].loss, room = row->changes_values ? 0.05 : 1e-4;

    if (fabs(row->loss - want) <= room * (fabs(want) + 1e-3))
        return GF_OK;
    return gf_fail(b->diags, GF_NOWHERE, GF_ERR_VALUE,
                   "%s: the loss is %.9g without the pass '%s', and %.9g with it: this is a bug in graft",
                   b->variant->name, row->loss, row->pass, want);
}

static GfStatus time_row(Bench *b, GfExec *whole, size_t i)
{
    GfAblation *row = &b->result->rows[i];
    GfExec *exec = NULL;

    if (!b->programs[i])
        return GF_OK;
    GfStatus status = gf_exec_new(&b->session->device, b->programs[i], &b->store, b->arena.allocator, &exec, b->diags);
    if (status == GF_OK)
        status = time_rounds(b, whole, exec, row);
    gf_exec_free(exec);
    return status == GF_OK ? check_loss(b, row) : status;
}

static GfStatus time_all(Bench *b)
{
    GfExec *whole = NULL;

    GF_TRY(gf_exec_new(&b->session->device, b->programs[0], &b->store, b->arena.allocator, &whole, b->diags));
    GfStatus status = time_rounds(b, NULL, whole, &b->result->rows[0]);
    for (size_t i = 1; i < b->result->count && status == GF_OK; i++)
        status = time_row(b, whole, i);
    gf_exec_free(whole);
    return status;
}

static GfStatus bench(Bench *b)
{
    b->limits = gf_limits_of_data(&b->session->corpus, &b->variant->training).train;
    GF_TRY(open_batches(b));
    GF_TRY(list_rows(b));
    GF_TRY(compile_all(b));
    return time_all(b);
}

GfStatus gf_ablate(GfSession *s, size_t index, const GfAblateOptions *options, GfAblateResult *result, GfDiags *diags)
{
    Bench b = {.session = s, .variant = &s->job->variants[index], .options = options, .result = result, .diags = diags};

    *result = (GfAblateResult){.variant = b.variant->name};
    gf_arena_init(&b.arena, s->arena.allocator);
    gf_store_init(&b.store, s->arena.allocator);
    GfStatus status = bench(&b);
    for (size_t i = 0; i < result->count && b.programs; i++)
        gf_program_free(b.programs[i]);
    gf_store_free(&b.store);
    gf_arena_free(&b.arena);
    return status;
}
