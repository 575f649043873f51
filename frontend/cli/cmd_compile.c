/* cmd_compile.c -- `graft compile`: a model file to a compiled training step, or,
 * with -o NAME.gfc, a job to one file (compile_job.h).
 *
 *   $ graft compile models/bert.json --variant models/variants/lora.json --set num_labels=6
 *   model     BertForSequenceClassification, models/bert.json
 *   ...
 *   trainable params: 446,982 || all params: 109,929,222 || trainable%: 0.4066
 */
#include "codegen/codegen.h"
#include "frontend/cli/cli.h"
#include "frontend/cli/compile_job.h"
#include "frontend/cli/dot.h"
#include "frontend/cli/format.h"
#include "frontend/cli/graph_page.h"
#include "frontend/cli/kernel_files.h"
#include "frontend/cli/load_step.h"
#include "frontend/cli/pass_options.h"
#include "frontend/cli/pass_stats.h"
#include "frontend/cli/sizes.h"
#include "frontend/cli/why.h"
#include "ir/kernel.h"
#include "runtime/io/file.h"
#include "runtime/io/folder.h"
#include "runtime/train/job_file.h"
#include "runtime/train/recipe.h"
#include "runtime/train/recipe_passes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const GfOptionSpec option_specs[] = {
    {"variant", "FILE.json", "what trains; without it everything does"},
    {"config", "DIR|FILE", "a checkpoint's config.json, or its folder; without it the model's own sizes"},
    {"set", "KEY=VALUE", "a config key (num_labels=6), lora.KEY or training.KEY; of a job any key; may be repeated"},
    {"target", "NAME", "what to compile for: cpu (the default), cpu:x86-64-v3, cuda:sm_80, cuda:sm_90a ..."},
    {"features", "LIST", "of a cuda target: wgmma, for products rounded to bf16; tile:64x128: see below"},
    {"emit", "ir|html|dot|llvm|asm|cuda|ptx|cubin",
     "write the step in this form instead of the summary; html: a page to look at"},
    {"passes", "LIST", "run these passes, behind those of the variant, instead of the training pipeline"},
    GF_PASS_OPTIONS,
    {"stats", "[markdown]", "print what each pass did: counters, FLOPs, bytes, planned memory, time"},
    {"why", "NAME[,NAME]",
     "why a parameter has a gradient or none, which kernel a value %NAME is in and why its neighbours are not, or "
     "why two values are not one kernel"},
    {"count", "exact|peft", "how parameters are counted, see below"},
    {"seqs", "N", "plan memory for batches of up to N sequences (default 32, or --tokens where that is less)"},
    {"tokens", "N", "plan memory for batches of up to N tokens (default 32 a sequence)"},
    {"o", "PATH",
     "write to a file instead of standard output; of cuda, ptx and cubin: to a folder; of a job: NAME.gfc"},
};

static const GfCommandSpec spec = {
    .name = "compile",
    .arguments = "MODEL.json|JOB.json",
    .about = "Compiles a model and a variant of it to one training step and says what it holds, or a job to one file.",
    .more = "graft compile JOB.json --target NAME -o NAME.gfc puts the job, its model, its variants and their\n"
            "compiled steps into one file; `graft train NAME.gfc` runs it with neither LLVM nor NVRTC.  cpu is\n"
            "the level of this machine's processor; cpu:x86-64-v3 and the like name another.  Checkpoint and\n"
            "data stay outside: their paths, also those of --set, are then relative to the file's folder.\n"
            "Batches are planned for the longest texts of the data, so compile where the data is, or with\n"
            "--set data.max_length=N.\n"
            "\n"
            "--count peft counts as peft's print_trainable_parameters does for an adapter with a\n"
            "trained head: peft keeps the original head and a trainable copy of it, and the usual\n"
            "recipe sets both to train.  So the head counts twice, in both numbers, although only\n"
            "one of the two is ever used.  The default counts every parameter once.\n"
            "\n"
            "--features wgmma multiplies with the warp-group instructions of sm_90a, which takes longer\n"
            "on an H200 than mma.sync does.  wgmma:64x96 takes tiles of that size alone, tile:64x128 those\n"
            "of mma.sync.  GRAFT_CUDA_FEATURES names the features where no option does.\n",
    .least = 1,
    .most = 1,
    .options = option_specs,
    .option_count = sizeof option_specs / sizeof *option_specs,
};

/* One run of the command. */
typedef struct Compile {
    const GfOptions *o;
    GfArena *arena;
    GfDiags *diags;
    GfLoadedStep *step;
    GfPlugins *plugins;
    const char *target, *features, *emit, *list; /* emit NULL: the summary; list: the passes */
    bool count_peft, to_folder;
    int64_t seqs, tokens;
    uint32_t model_ids; /* nodes from this id on were added by passes */
    GfPassReport *reports;
    size_t report_count;
    GfGraph *model;      /* of --emit html: before all passes; else NULL */
    GfGraph *forward;    /* of --why: the variant's, before autodiff; else NULL */
    GfRefusals refusals; /* of --why */
    GfText out;
} Compile;

/* ---- options ------------------------------------------------------------------------- */

static GfStatus check_word(const Compile *c, const char *key, const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return GF_OK;
    }
    GfStatus status = gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE, "--%s cannot be '%s'", key, word);
    const char *close = gf_closest(word, words, count);
    if (close)
        gf_note(c->diags, "did you mean '%s'?", close);
    return status;
}

static GfStatus read_options(Compile *c)
{
    static const char *const forms[] = {"ir", "html", "llvm", "asm", "dot", "cuda", "ptx", "cubin"}, *const counts[] = {
                                                                                                         "exact",
                                                                                                         "peft"};
    const char *count = gf_options_value(c->o, "count"), *target = gf_options_value(c->o, "target");

    c->target = target ? target : "cpu";
    c->features = gf_options_value(c->o, "features");
    c->emit = gf_options_value(c->o, "emit");
    c->count_peft = count && strcmp(count, "peft") == 0;
    if (c->emit)
        GF_TRY(check_word(c, "emit", c->emit, forms, sizeof forms / sizeof *forms));
    if (count)
        GF_TRY(check_word(c, "count", count, counts, 2));
    GF_TRY(gf_check_stats_form(c->o, c->diags));
    if (c->features && strncmp(c->target, "cuda:", 5) != 0)
        return gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE, "--features is for the targets cuda:..., found '%s'",
                       c->target);
    return gf_read_sizes(c->o, &c->tokens, &c->seqs, c->diags);
}

/* ---- passes --------------------------------------------------------------------------- */

/* Known without loading the compiler, where it is the cpu's. */
static GfStatus find_target(const Compile *c, const GfTarget **target)
{
    const GfBackend *backend;

    *target = &gf_target_cpu;
    if (strcmp(c->target, gf_target_cpu.name) == 0)
        return GF_OK;
    GF_TRY(gf_backend_find(c->target, &backend, c->diags));
    *target = backend->target;
    return GF_OK;
}

/* --passes takes the place of all but what makes the model the variant. */
static GfStatus find_list(Compile *c, const GfRecipe *recipe)
{
    const char *passes;
    GfText list = {.arena = c->arena};

    GF_TRY(gf_expand_passes(c->o, c->arena, &passes, c->diags));
    if (passes) {
        gf_variant_passes(recipe->variant, &list);
        bool comma = list.length && !*passes; /* with nothing behind it */
        c->list = gf_arena_printf(c->arena, "%.*s%s", (int)list.length - comma, gf_text_str(&list), passes);
    } else {
        c->list = gf_recipe_train(recipe, c->arena);
    }
    return c->list ? GF_OK : gf_fail_memory(c->diags);
}

static bool is_html(const Compile *c)
{
    return c->emit && strcmp(c->emit, "html") == 0;
}

/* The passes that make the model the variant, and no others: what a gradient is taken of. */
static GfStatus run_forward(Compile *c, const GfRecipe *recipe)
{
    GfText list = {.arena = c->arena};

    if (!gf_options_has(c->o, "why"))
        return GF_OK;
    c->forward = gf_graph_clone(c->step->model.graph, NULL);
    if (!c->forward)
        return gf_fail_memory(c->diags);
    gf_variant_passes(recipe->variant, &list);
    const char *passes =
        gf_arena_printf(c->arena, "%.*s", (int)(list.length ? list.length - 1 : 0), gf_text_str(&list));
    return passes ? gf_pipeline_run(c->forward, passes, NULL, NULL, NULL, NULL, c->diags) : gf_fail_memory(c->diags);
}

/* Those of --set and of the variant; --without and --with have been checked. */
static GfStatus check_switches(const GfLoadedStep *step, GfDiags *diags)
{
    GF_TRY(gf_recipe_check_without(step->training.without_passes, "without_passes", GF_NOWHERE, diags));
    return gf_recipe_check_with(step->training.with_passes, "with_passes", GF_NOWHERE, diags);
}

static GfStatus run_passes(Compile *c)
{
    GfLoadedStep *step = c->step;
    GfRecipe recipe = {.variant = step->has_variant ? &step->variant : NULL,
                       .training = &step->training,
                       .tokens = c->tokens,
                       .seqs = c->seqs};
    GfPipelineOptions pipeline = {.plugins = c->plugins};

    if (gf_options_has(c->o, "stats") || is_html(c)) {
        pipeline.tokens = c->tokens;
        pipeline.seqs = c->seqs;
    }
    GF_TRY(find_target(c, &pipeline.target));
    GF_TRY(gf_recipe_check(recipe.variant, step->model.graph, c->diags));
    GF_TRY(check_switches(step, c->diags));
    GF_TRY(find_list(c, &recipe));
    c->refusals.arena = c->arena;
    pipeline.refusals = gf_options_has(c->o, "why") ? &c->refusals : NULL;
    GF_TRY(run_forward(c, &recipe));
    c->model = is_html(c) ? gf_graph_clone(step->model.graph, NULL) : NULL;
    if (is_html(c) && !c->model)
        return gf_fail_memory(c->diags);
    GF_TRY(gf_pass_options_read(c->o, c->list, &pipeline, c->arena, c->diags));
    c->model_ids = gf_graph_ids(step->model.graph);
    step->model.graph->name = "step";
    return gf_pipeline_run(step->model.graph, c->list, &pipeline, c->arena, &c->reports, &c->report_count, c->diags);
}

/* ---- summary -------------------------------------------------------------------------- */

static void add_config(Compile *c)
{
    const GfConfig *config = &c->step->model.config;

    gf_text_add(&c->out, "config    ");
    for (size_t i = 0; i < config->count; i++) {
        const GfConfigValue *v = &config->values[i];
        gf_text_add(&c->out, "%s%s ", i == 0 ? "" : i % 4 ? ", " : "\n          ", v->key);
        if (v->kind == GF_CONFIG_STRING)
            gf_text_add(&c->out, "%s", v->text);
        else if (v->kind == GF_CONFIG_NUMBER)
            gf_json_add_number(&c->out, v->number);
        else
            gf_text_add(&c->out, "%s", v->kind == GF_CONFIG_NULL ? "null" : v->number != 0 ? "true" : "false");
    }
    gf_text_add(&c->out, "\n");
}

/* Trainable parameters of the model itself: with adapters, peft keeps them twice. */
static int64_t head_elements(const Compile *c)
{
    int64_t sum = 0;

    for (const GfNode *n = c->step->model.graph->first; n; n = n->next) {
        if (n->op == GF_OP_PARAM && !n->frozen && n->id < c->model_ids)
            sum += gf_type_elements(&n->results[0].type, NULL);
    }
    return sum;
}

/* The line as peft prints it; NULL when memory ran out. */
static const char *params_text(const Compile *c)
{
    GfParamCount count = gf_count_params(c->step->model.graph);
    bool twice = c->count_peft && c->step->has_variant && c->step->variant.has_lora;
    int64_t head = twice ? head_elements(c) : 0;

    count.all += head;
    count.trainable += head;
    return gf_arena_printf(c->arena, "trainable params: %s || all params: %s || trainable%%: %.4f",
                           gf_format_count(c->arena, count.trainable), gf_format_count(c->arena, count.all),
                           count.all ? 100.0 * (double)count.trainable / (double)count.all : 0.0);
}

static int64_t state_bytes(const GfGraph *g, GfOp op)
{
    int64_t bytes = 0;

    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == op)
            bytes += gf_type_elements(&n->results[0].type, NULL) * (int64_t)gf_dtype_size(n->results[0].type.dtype);
    }
    return bytes;
}

static void add_memory(Compile *c)
{
    const GfGraph *g = c->step->model.graph;

    gf_text_add(&c->out, "memory    ");
    if (g->arena_size >= 0)
        gf_text_add(&c->out, "%s planned for up to %s tokens in %s sequences; ",
                    gf_format_bytes(c->arena, g->arena_size), gf_format_count(c->arena, c->tokens),
                    gf_format_count(c->arena, c->seqs));
    gf_text_add(&c->out, "parameters %s, state %s\n", gf_format_bytes(c->arena, state_bytes(g, GF_OP_PARAM)),
                gf_format_bytes(c->arena, state_bytes(g, GF_OP_STATE)));
}

static bool is_fused(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (gf_makes_code(n) && n->kernel == GF_NO_KERNEL)
            return false;
    }
    return true;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Machine code for the whole step; how many kernels and how long it took. */
static GfStatus add_program(Compile *c)
{
    GfProgram *program = NULL;
    const GfBackend *backend = NULL;
    double begin = seconds_now();

    GF_TRY(gf_backend_find(c->target, &backend, c->diags));
    GF_TRY(backend->compile(c->step->model.graph, &(GfCompileOptions){.features = c->features, .target = c->target},
                            NULL, &program, c->diags));
    gf_text_add(&c->out, "compiled  %u kernels for %u launches (%u more once, for frozen weights) in %.2f s\n",
                program->kernel_count, program->batch_count ? program->batch_count : program->launch_count,
                program->prepare_count, seconds_now() - begin);
    gf_program_free(program);
    return GF_OK;
}

/* A build without the back end can still say all that does not need it. */
static GfStatus try_program(Compile *c)
{
    GfDiags unseen;
    const GfBackend *backend;

    gf_diags_init(&unseen, NULL);
    GfStatus status = gf_backend_find(c->target, &backend, &unseen);
    if (status == GF_ERR_TARGET)
        gf_text_add(&c->out, "compiled  no: %s\n", unseen.first ? unseen.first->message : "no back end");
    gf_diags_free(&unseen);
    return status == GF_ERR_TARGET ? GF_OK : add_program(c);
}

static GfStatus add_step(Compile *c)
{
    const GfGraph *g = c->step->model.graph;
    GfKernelNodes *kernels;
    uint32_t nodes = 0, kernel_count = 0;

    for (const GfNode *n = g->first; n; n = n->next)
        nodes += gf_makes_code(n);
    gf_text_add(&c->out, "step      %s ops", gf_format_count(c->arena, nodes));
    if (!is_fused(g)) {
        gf_text_add(&c->out, ", not fused\n");
        return GF_OK;
    }
    GF_TRY(gf_kernel_order(g, c->arena, &kernels, &kernel_count, c->diags));
    gf_text_add(&c->out, " in %s kernels\n", gf_format_count(c->arena, kernel_count));
    add_memory(c);
    return g->arena_size >= 0 ? try_program(c) : GF_OK;
}

static GfStatus add_summary(Compile *c)
{
    const GfLoadedStep *step = c->step;
    const GfVariant *v = &step->variant;

    gf_text_add(&c->out, "model     %s, %s\n", step->model.name, c->o->arguments[0]);
    if (step->config_path)
        gf_text_add(&c->out, "sizes     from %s\n", step->config_path);
    add_config(c);
    if (step->has_variant)
        gf_text_add(&c->out, "variant   %s%s%s\n", v->name, *v->about ? ": " : "", v->about);
    const char *params = params_text(c);
    gf_text_add(&c->out, "%s\n", params ? params : "");
    gf_text_add(&c->out, "passes    %s\n", c->list);
    return add_step(c);
}

/* ---- output --------------------------------------------------------------------------- */

/* A file a kernel into the folder; their table is the output. */
static GfStatus add_kernels(Compile *c, const GfBackend *backend)
{
    const char *folder = gf_options_value(c->o, "o");
    GfCompileOptions options = {.features = c->features, .target = c->target, .form = c->emit};
    GfProgram *program = NULL;

    if (!folder)
        return gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE, "--emit %s writes a file a kernel: -o DIR names the folder",
                       c->emit);
    GF_TRY(gf_folder_make(folder, GF_NOWHERE, c->diags));
    GF_TRY(backend->compile(c->step->model.graph, &options, NULL, &program, c->diags));
    GfStatus status = gf_write_kernels(program, c->emit, folder, &c->out, c->diags);
    gf_program_free(program);
    return status;
}

static GfStatus add_code(Compile *c)
{
    const GfBackend *backend = NULL;

    GF_TRY(gf_backend_find(c->target, &backend, c->diags));
    if (!strstr(backend->emits, c->emit))
        return gf_fail(c->diags, GF_NOWHERE, GF_ERR_TARGET, "the target '%s' does not write '%s'; it writes: %s",
                       c->target, c->emit, backend->emits);
    c->to_folder = !backend->emit;
    if (c->to_folder)
        return add_kernels(c, backend);
    return backend->emit(c->step->model.graph, c->emit, &(GfCompileOptions){.target = c->target}, &c->out, c->diags);
}

static GfStatus add_answers(Compile *c)
{
    GfWhySubject subject = {
        .forward = c->forward, .step = c->step->model.graph, .list = c->list, .recorded = &c->refusals};
    const char *question;

    GF_TRY(find_target(c, &subject.target));
    for (size_t i = 0; (question = gf_options_nth(c->o, "why", i)); i++)
        GF_TRY(gf_why_print(&subject, question, &c->out, c->diags));
    return GF_OK;
}

static GfStatus add_page(Compile *c)
{
    const GfLoadedStep *step = c->step;
    const char *variant = step->has_variant ? step->variant.name : "everything trains";
    GfGraphPage page = {.title = gf_arena_printf(c->arena, "%s, %s", step->model.name, variant),
                        .about =
                            gf_arena_printf(c->arena, "A step of %s, compiled for %s", c->o->arguments[0], c->target),
                        .list = c->list,
                        .params = params_text(c),
                        .before = c->model,
                        .after = step->model.graph,
                        .reports = c->reports,
                        .report_count = c->report_count,
                        .tokens = c->tokens,
                        .seqs = c->seqs};

    if (!page.title || !page.about || !page.params)
        return gf_fail_memory(c->diags);
    return gf_graph_page(&page, &c->out, c->diags);
}

static GfStatus add_output(Compile *c)
{
    if (gf_options_has(c->o, "why"))
        return add_answers(c);
    if (!c->emit)
        return add_summary(c);
    if (strcmp(c->emit, "ir") == 0)
        gf_graph_print(c->step->model.graph, &c->out);
    else if (is_html(c))
        return add_page(c);
    else if (strcmp(c->emit, "dot") == 0)
        gf_dot_print(c->step->model.graph, &c->out);
    else
        return add_code(c);
    return GF_OK;
}

static GfStatus write_output(Compile *c)
{
    const char *path = gf_options_value(c->o, "o");

    if (c->out.arena->failed)
        return gf_fail_memory(c->diags);
    if (path && !c->to_folder)
        return gf_file_write_atomic(path, gf_text_str(&c->out), c->out.length, c->diags);
    fwrite(gf_text_str(&c->out), 1, c->out.length, stdout);
    return GF_OK;
}

/* ---- the command ---------------------------------------------------------------------- */

/* A compiled job is none to compile. */
static GfStatus check_argument(const Compile *c)
{
    const char *path = c->o->arguments[0];

    if (!gf_job_file_is(path))
        return GF_OK;
    gf_fail(c->diags, (GfLoc){.file = path}, GF_ERR_USAGE, "this is a compiled job, not a model or a job");
    gf_note(c->diags, "`graft train` runs it, `graft inspect` says what is in it");
    return GF_ERR_USAGE;
}

static GfStatus compile(Compile *c)
{
    GF_TRY(check_argument(c));
    if (gf_compile_wants_job(c->o) && gf_options_has(c->o, "features"))
        return gf_fail(c->diags, GF_NOWHERE, GF_ERR_USAGE,
                       "--features is for a model; for a job set GRAFT_CUDA_FEATURES");
    if (gf_compile_wants_job(c->o))
        return gf_compile_job(c->o, c->arena, c->diags);
    GF_TRY(read_options(c));
    GF_TRY(gf_load_passes(c->o, c->plugins, c->diags));
    GF_TRY(gf_step_load(c->step, c->o->arguments[0], c->o, c->arena, c->diags));
    GF_TRY(run_passes(c));
    GF_TRY(add_output(c));
    GF_TRY(write_output(c));
    FILE *out = c->emit && !gf_options_has(c->o, "o") ? stderr : stdout;
    if (gf_options_has(c->o, "stats"))
        gf_print_pass_stats(
            &(GfPassStats){c->reports, c->report_count, c->tokens, c->seqs, gf_options_value(c->o, "stats")}, c->arena,
            out);
    if (gf_options_has(c->o, "time-passes"))
        gf_print_pass_times(c->reports, c->report_count, out);
    return GF_OK;
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    GfLoadedStep step = {0};
    GfPlugins plugins;
    Compile c = {.o = o, .arena = o->arena, .diags = diags, .step = &step, .plugins = &plugins};

    c.out.arena = o->arena;
    gf_plugins_init(&plugins, NULL);
    GfStatus status = compile(&c);
    gf_graph_free(c.forward);
    gf_graph_free(c.model);
    gf_step_close(&step);
    gf_plugins_close(&plugins);
    return status;
}

int gf_cmd_compile(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
