/* pipeline.c -- run a list of passes over a graph.  See passes.h.
 *
 * For each pass of the list, which is parsed as a whole first:
 *   1. check that what its row in passes.def needs holds of the graph
 *   2. run it with a scratch arena of its own, and time it
 *   3. verify the graph: a pass that breaks it is named
 *   4. where the options ask for it: the text reads back; a small instance of the graph
 *      computes what it did
 *   5. report what it counted; call the `after` hook; `before` is called before 2
 *
 * Tests: tests/unit/test_pipeline.c, and every golden test runs through here.
 */
#include "passes/passes.h"

#include "ir/shrink.h"
#include "passes/check.h"

#include <string.h>
#include <time.h>

/* What any back end can be expected to do. */
const GfTarget gf_target_any = {
    .name = "any",
    .row_limit = 4096,
    .kernel_nodes = 64,
    .products_limit = 2,
    .prologue_columns = 64,
    .prologue_rows = 64,
    .whole_rows = true,
    .alignment = 64,
    .rounded_products = true,
};

/* ---- options ------------------------------------------------------------------ */

static const GfAttr *find_option(const GfPassCtx *cx, const char *key)
{
    return gf_attr_find(cx->options, cx->option_count, key);
}

int64_t gf_option_i(const GfPassCtx *cx, const char *key)
{
    const GfAttr *option = find_option(cx, key);
    return option ? option->i : 0;
}

double gf_option_f(const GfPassCtx *cx, const char *key)
{
    const GfAttr *option = find_option(cx, key);
    return option ? option->f : 0;
}

const char *gf_option_s(const GfPassCtx *cx, const char *key)
{
    const GfAttr *option = find_option(cx, key);
    return option && option->s ? option->s : "";
}

/* ---- needs -------------------------------------------------------------------- */

static bool has_op(const GfGraph *g, GfOp op)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == op)
            return true;
    }
    return false;
}

static bool has_loss(const GfGraph *g)
{
    const GfValue *loss = gf_graph_output(g, "loss");
    GfType scalar = gf_type_scalar(GF_F32);

    return loss && gf_type_eq(&loss->type, &scalar);
}

static bool is_forward(const GfGraph *g)
{
    return !has_op(g, GF_OP_GRAD) && !has_op(g, GF_OP_UPDATE);
}

static bool has_grads(const GfGraph *g)
{
    return has_op(g, GF_OP_GRAD) && !has_op(g, GF_OP_ADAMW);
}

static bool is_unfused(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->kernel != GF_NO_KERNEL)
            return false;
    }
    return true;
}

static bool is_fused(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->kernel == GF_NO_KERNEL && gf_op_info(n->op)->class_ != GF_CLASS_STRUCTURE)
            return false;
    }
    return true;
}

static const struct Need {
    uint32_t bit;
    bool (*holds)(const GfGraph *g);
    const char *what, *note;
} needs[] = {
    {GF_NEEDS_LOSS, has_loss, "an output called 'loss' of type f32[]", "return loss = %..."},
    {GF_NEEDS_FORWARD, is_forward, "a forward graph, without gradients and updates", "it must run before 'autodiff'"},
    {GF_NEEDS_GRADS, has_grads, "gradients that nothing has used yet",
     "'autodiff' makes them; 'accumulate' and 'adamw' use them up; are all parameters frozen?"},
    {GF_NEEDS_UNFUSED, is_unfused, "a graph without kernels", "it must run before 'fuse'"},
    {GF_NEEDS_FUSED, is_fused, "a graph whose nodes all have kernels", "'fuse' must run before it"},
};

static GfStatus check_needs(const GfPassCall *call, const GfGraph *g, GfDiags *diags)
{
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (!(call->info->needs & needs[i].bit) || needs[i].holds(g))
            continue;
        gf_fail(diags, call->loc, GF_ERR_PASS, "'%s' needs %s", call->info->text, needs[i].what);
        gf_note(diags, "%s", needs[i].note);
        return GF_ERR_PASS;
    }
    return GF_OK;
}

/* ---- running ------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t count_nodes(const GfGraph *g)
{
    uint32_t count = 0;

    for (const GfNode *n = g->first; n; n = n->next)
        count++;
    return count;
}

GfStatus gf_pass_run(GfGraph *g, const GfPassCall *call, const GfTarget *target, GfRefusals *refusals,
                     int64_t counts[GF_MAX_COUNTERS], GfDiags *diags)
{
    GfArena scratch;
    GfPassCtx cx = {.info = call->info,
                    .target = target,
                    .diags = diags,
                    .loc = call->loc,
                    .refusals = refusals,
                    .scratch = &scratch,
                    .options = call->options,
                    .option_count = call->option_count};

    gf_arena_init(&scratch, g->arena.allocator);
    GfStatus status = call->run(&cx, g);
    bool failed = scratch.failed || g->arena.failed;
    gf_arena_free(&scratch);
    memcpy(counts, cx.counts, sizeof cx.counts);
    if (failed)
        return gf_fail_memory(diags); /* whatever else it found may be wrong */
    if (status != GF_OK && diags && !diags->first)
        return gf_fail(diags, call->loc, GF_ERR_PASS, "the pass '%s' has failed and does not say why",
                       call->info->text);
    return status;
}

/* Run one pass and fill in its report, all but `changed`. */
static GfStatus run_pass(GfGraph *g, const GfPassCall *call, const GfTarget *target, GfRefusals *refusals,
                         GfPassReport *report, GfDiags *diags)
{
    *report = (GfPassReport){.text = call->text, .info = call->info, .nodes_before = count_nodes(g)};
    double begin = now();
    GfStatus status = gf_pass_run(g, call, target, refusals, report->counts, diags);
    report->seconds = now() - begin;
    report->nodes_after = count_nodes(g);
    return status;
}

static GfStatus verify_after(const GfGraph *g, const GfPassCall *call, GfDiags *diags)
{
    GfStatus status = gf_verify(g, diags);

    if (status == GF_OK || status == GF_ERR_MEMORY)
        return status;
    return gf_fail(diags, call->loc, GF_ERR_VERIFY, "the pass '%s' has left a broken graph: this is a bug in %s",
                   call->info->text, call->origin ? call->origin : "graft");
}

/* The printed graph before and after the current pass, each in an arena. */
typedef struct Printed {
    GfArena arena[2];
    const char *text[2];
} Printed;

static GfStatus print_into(Printed *printed, int which, const GfGraph *g, GfDiags *diags)
{
    GfText text = {.arena = &printed->arena[which]};

    gf_graph_print(g, &text);
    printed->text[which] = gf_text_str(&text);
    return text.arena->failed ? gf_fail_memory(diags) : GF_OK;
}

/* Print the graph, compare with the print before, and call the hook. */
static GfStatus call_after(const GfPipelineOptions *options, Printed *printed, GfPassReport *report, const GfGraph *g,
                           GfDiags *diags)
{
    GF_TRY(print_into(printed, 1, g, diags));
    report->changed = strcmp(printed->text[0], printed->text[1]) != 0;
    options->after(options->self, report, g);
    GfArena old = printed->arena[0];
    printed->arena[0] = printed->arena[1];
    printed->text[0] = printed->text[1];
    printed->arena[1] = old;
    gf_arena_free(&printed->arena[1]);
    return GF_OK;
}

/* What a run works on. */
typedef struct Run {
    GfGraph *g;
    GfGraph *small; /* what is evaluated beside it; NULL: nothing is */
    const GfPipelineOptions *options;
    const GfTarget *target;
    Printed printed;
    GfMeasure found; /* of the graph as it is; zero: nobody asks */
    GfDiags *diags;
} Run;

/* Before the first pass, and after each: what one leaves is what the next one finds. */
static GfStatus measure(Run *r)
{
    if (!r->options->tokens || !r->options->seqs)
        return GF_OK;
    return gf_measure(r->g, r->target, r->options->tokens, r->options->seqs, &r->found, r->diags);
}

static GfStatus check_each(Run *r, const GfPassCall *call)
{
    if (r->options->check_text)
        GF_TRY(gf_check_text(r->g, call, r->diags));
    return r->small ? gf_check_pass(r->small, call, r->target, r->diags) : GF_OK;
}

static GfStatus run_call(Run *r, const GfPassCall *call, GfPassReport *report)
{
    GF_TRY(check_needs(call, r->g, r->diags));
    if (r->options->before)
        r->options->before(r->options->self, call->text, call->info, r->g);
    GF_TRY(run_pass(r->g, call, r->target, r->options->refusals, report, r->diags));
    double begin = now();
    GF_TRY(verify_after(r->g, call, r->diags));
    report->verify_seconds = now() - begin;
    report->before = r->found;
    GF_TRY(check_each(r, call));
    report->check_seconds = now() - begin - report->verify_seconds;
    GF_TRY(measure(r));
    report->after = r->found;
    return r->options->after ? call_after(r->options, &r->printed, report, r->g, r->diags) : GF_OK;
}

static GfStatus run_calls(Run *r, const GfPassCall *calls, size_t count, GfPassReport *reports)
{
    GF_TRY(measure(r));
    if (r->options->check_values)
        GF_TRY(gf_shrink(r->g, r->g->arena.allocator, &r->small, r->diags));
    if (r->options->after)
        GF_TRY(print_into(&r->printed, 0, r->g, r->diags));
    for (size_t i = 0; i < count; i++)
        GF_TRY(run_call(r, &calls[i], &reports[i]));
    return GF_OK;
}

GfStatus gf_pipeline_passes(const char *list, const GfPlugins *plugins, GfArena *arena, const GfPassInfo ***out,
                            size_t *count, GfDiags *diags)
{
    GfPassCall *calls;

    GF_TRY(gf_pass_list_parse(list, plugins, arena, &calls, count, diags));
    *out = GF_NEW_ARRAY(arena, const GfPassInfo *, *count);
    if (!*out)
        return gf_fail_memory(diags);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = calls[i].info;
    return GF_OK;
}

static GfStatus run_list(Run *r, const char *list, GfArena *kept, GfPassReport **reports, size_t *count)
{
    GfPassCall *calls = NULL;

    GF_TRY(gf_pass_list_parse(list, r->options->plugins, kept, &calls, count, r->diags));
    *reports = GF_NEW_ARRAY(kept, GfPassReport, *count);
    return *reports ? run_calls(r, calls, *count, *reports) : gf_fail_memory(r->diags);
}

GfStatus gf_pipeline_run(GfGraph *g, const char *list, const GfPipelineOptions *options, GfArena *arena,
                         GfPassReport **reports, size_t *report_count, GfDiags *diags)
{
    static const GfPipelineOptions defaults = {0};
    Run r = {.g = g, .options = options ? options : &defaults, .diags = diags};
    GfArena own;
    GfPassReport *made = NULL;
    size_t count = 0;

    r.target = r.options->target ? r.options->target : &gf_target_any;
    gf_arena_init(&own, g->arena.allocator);
    gf_arena_init(&r.printed.arena[0], g->arena.allocator);
    gf_arena_init(&r.printed.arena[1], g->arena.allocator);
    /* reports and their text outlive the run */
    GfStatus status = run_list(&r, list, arena ? arena : &own, &made, &count);
    if (status == GF_OK && reports && arena) {
        *reports = made;
        *report_count = count;
    }
    gf_graph_free(r.small);
    gf_arena_free(&r.printed.arena[0]);
    gf_arena_free(&r.printed.arena[1]);
    gf_arena_free(&own);
    return status;
}
