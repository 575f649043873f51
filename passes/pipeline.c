/* pipeline.c -- run a list of passes over a graph.  See passes.h.
 *
 * For each pass of the list, which is parsed as a whole first:
 *   1. check that what its row in passes.def needs holds of the graph
 *   2. run it with a scratch arena of its own, and time it
 *   3. verify the graph: a pass that breaks it is named
 *   4. report what it counted; call the `after` hook
 *
 * Tests: tests/unit/test_pipeline.c, and every golden test runs through here.
 */
#include "passes/passes.h"

#include "passes/pass_list.h"

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

/* Run one pass and fill in its report, all but `changed`. */
static GfStatus run_pass(GfGraph *g, const GfPassCall *call, const GfTarget *target, GfPassReport *report,
                         GfDiags *diags)
{
    GfArena scratch;
    GfPassCtx cx = {.info = call->info,
                    .target = target,
                    .diags = diags,
                    .loc = call->loc,
                    .scratch = &scratch,
                    .options = call->options,
                    .option_count = call->option_count};

    *report = (GfPassReport){.text = call->text, .info = call->info, .nodes_before = count_nodes(g)};
    gf_arena_init(&scratch, g->arena.allocator);
    double begin = now();
    GfStatus status = call->run(&cx, g);
    report->seconds = now() - begin;
    bool failed = scratch.failed || g->arena.failed;
    gf_arena_free(&scratch);
    memcpy(report->counts, cx.counts, sizeof report->counts);
    report->nodes_after = count_nodes(g);
    if (failed)
        return gf_fail_memory(diags); /* whatever else it found may be wrong */
    if (status != GF_OK && diags && !diags->first)
        return gf_fail(diags, call->loc, GF_ERR_PASS, "the pass '%s' has failed and does not say why",
                       call->info->text);
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

static GfStatus run_calls(GfGraph *g, const GfPassCall *calls, size_t count, const GfPipelineOptions *options,
                          Printed *printed, GfPassReport *reports, GfDiags *diags)
{
    const GfTarget *target = options && options->target ? options->target : &gf_target_any;
    bool hooked = options && options->after;

    if (hooked)
        GF_TRY(print_into(printed, 0, g, diags));
    for (size_t i = 0; i < count; i++) {
        GF_TRY(check_needs(&calls[i], g, diags));
        GF_TRY(run_pass(g, &calls[i], target, &reports[i], diags));
        GF_TRY(verify_after(g, &calls[i], diags));
        if (hooked)
            GF_TRY(call_after(options, printed, &reports[i], g, diags));
    }
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

GfStatus gf_pipeline_run(GfGraph *g, const char *list, const GfPipelineOptions *options, GfArena *arena,
                         GfPassReport **reports, size_t *report_count, GfDiags *diags)
{
    GfArena own;
    Printed printed = {0};
    GfPassCall *calls = NULL;
    GfPassReport *made = NULL;
    size_t count = 0;

    gf_arena_init(&own, g->arena.allocator);
    gf_arena_init(&printed.arena[0], g->arena.allocator);
    gf_arena_init(&printed.arena[1], g->arena.allocator);
    GfArena *kept = arena ? arena : &own; /* reports and their text outlive the run */
    GfStatus status = gf_pass_list_parse(list, options ? options->plugins : NULL, kept, &calls, &count, diags);
    if (status == GF_OK)
        made = GF_NEW_ARRAY(kept, GfPassReport, count);
    if (status == GF_OK && !made)
        status = gf_fail_memory(diags);
    if (status == GF_OK)
        status = run_calls(g, calls, count, options, &printed, made, diags);
    if (status == GF_OK && reports && arena) {
        *reports = made;
        *report_count = count;
    }
    gf_arena_free(&printed.arena[0]);
    gf_arena_free(&printed.arena[1]);
    gf_arena_free(&own);
    return status;
}
