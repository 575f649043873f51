/* kernel_case.c -- see kernel_case.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/numeric/kernel_case.h"

#include "tests/cuda/emulate_program.h"

#include "ir/random.h"
#include "passes/passes.h"
#include "tests/support/eval_run.h"
#include "tests/support/program_run.h"

const char *const kernel_processors[KERNEL_PROCESSORS] = {NULL, "x86-64-v3", "x86-64", "x86-64-v3/16"};

static bool seen[GF_OP_COUNT];

bool kernel_has_seen(GfOp op)
{
    return seen[op];
}

/* GRAFT_TEST_TARGET, such as cuda:sm_80, whose kernels then are emulated; else the cpu. */
static const char *target(void)
{
    const char *name = getenv("GRAFT_TEST_TARGET");
    return name ? name : "cpu";
}

bool kernel_is_emulated(void)
{
    return strcmp(target(), "cpu") != 0;
}

bool kernel_can_run(const char *processor)
{
    if (!processor)
        return true;
    if (kernel_is_emulated())
        return false;
#if defined __x86_64__
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool v4 = __builtin_cpu_supports("avx512f"); /* then the host's own is 16 wide */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    v3 = false; /* compiled kernels are not instrumented: the release build's */
#endif
    if (strcmp(processor, "x86-64") == 0)
        return true;
    return v3 && (strcmp(processor, "x86-64-v3") == 0 || !v4);
#else
    return false;
#endif
}

/* ---- the graph -------------------------------------------------------------------------- */

enum { TEXT_ROOM = 16384, PASSES_ROOM = 512 };

/* The whole graph, "$m" and "$k" replaced. */
static void write_graph(const KernelCase *c, char text[TEXT_ROOM])
{
    int n = snprintf(text, TEXT_ROOM, "graph @t(tokens, seqs) {\n");

    for (const char *p = c->lines; *p; p++) {
        assert_true(n < TEXT_ROOM - 64);
        if (*p == '$')
            n += snprintf(text + n, 32, "%lld", (long long)(*++p == 'm' ? c->m : c->k));
        else
            text[n++] = *p;
    }
    snprintf(text + n, 8, "}\n");
}

typedef struct Check {
    const KernelCase *c;
    char text[TEXT_ROOM];
    Run oracle; /* the graph as written */
    GfProgram *program;
    uint64_t random;
    int64_t sizes[2];
    const KernelSizes *at;
} Check;

static void fail_case(const Check *k, const char *what)
{
    fail_msg("%s (m = %lld, k = %lld, tokens = %lld, seqs = %lld, %s)\n%s", what, (long long)k->c->m,
             (long long)k->c->k, (long long)k->sizes[0], (long long)k->sizes[1],
             k->c->processor ? k->c->processor : "host", k->text);
}

static void require(const Check *k, GfStatus status, const GfDiags *diags, const char *what)
{
    if (status == GF_OK)
        return;
    print_error("%s\n", diags->first ? diags->first->message : "no message");
    fail_case(k, what);
}

static void write_passes(const Check *k, char list[PASSES_ROOM])
{
    int64_t tokens = 1, seqs = 1;

    for (size_t i = 0; i < k->c->size_count; i++) {
        tokens = k->c->sizes[i].tokens > tokens ? k->c->sizes[i].tokens : tokens;
        seqs = k->c->sizes[i].seqs > seqs ? k->c->sizes[i].seqs : seqs;
    }
    snprintf(list, PASSES_ROOM, "%s%s%s,join-launches{tokens=%lld,seqs=%lld},plan-memory{tokens=%lld,seqs=%lld}",
             k->c->made_by ? k->c->made_by : "", k->c->made_by ? "," : "", k->c->passes ? k->c->passes : "fuse",
             (long long)tokens, (long long)seqs, (long long)tokens, (long long)seqs);
}

/* The graph after the passes, as the back end takes it. */
static void prepare_graph(const Check *k, Run *r, const GfBackend **backend)
{
    GfPipelineOptions options = {0};
    char passes[PASSES_ROOM];
    GfArena arena;

    run_parse(r, k->text);
    gf_arena_init(&arena, NULL);
    write_passes(k, passes);
    require(k, gf_backend_find(target(), backend, &r->diags), &r->diags, "gf_backend_find");
    options.target = (*backend)->target;
    require(k, gf_pipeline_run(r->g, passes, &options, &arena, NULL, NULL, &r->diags), &r->diags, "passes");
    gf_arena_free(&arena);
}

/* The graph that the evaluator runs. */
static void open_oracle(Check *k)
{
    GfPipelineOptions options = {.target = &gf_target_cpu};
    GfArena arena;

    const char *passes = k->c->oracle_by ? k->c->oracle_by : k->c->made_by;

    run_parse(&k->oracle, k->text);
    if (!passes)
        return;
    gf_arena_init(&arena, NULL);
    require(k, gf_pipeline_run(k->oracle.g, passes, &options, &arena, NULL, NULL, &k->oracle.diags), &k->oracle.diags,
            passes);
    gf_arena_free(&arena);
}

static void compile(Check *k)
{
    const GfBackend *backend;
    GfCompileOptions options = {
        .features = k->c->processor, .target = target(), .form = kernel_is_emulated() ? "cuda" : NULL};
    Run r;

    prepare_graph(k, &r, &backend);
    require(k, backend->compile(r.g, &options, NULL, &k->program, &r.diags), &r.diags, "compile");
    if (kernel_is_emulated())
        require(k, emulate_program(k->program, true, &r.diags), &r.diags, "emulate");
    if (kernel_is_emulated() && k->c->launches && k->program->batch_count != k->c->launches)
        fail_case(k, "another number of launches");
    run_free(&r);
}

/* ---- data -------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A second moment is not negative either. */
static bool is_positive(const GfNode *n)
{
    return starts_with(n->name, "pos") || (n->label && strstr(n->label, "exp_avg_sq"));
}

static double float_value(Check *k, const GfNode *n)
{
    const GfType *type = &n->results[0].type;
    double x = starts_with(n->name, "wide") ? 60 * gf_random_uniform(&k->random) - 30 : gf_random_normal(&k->random);

    if (strcmp(n->name, "lr") == 0)
        return (double)0.01f;
    if (n->op == GF_OP_PARAM && type->rank == 2)
        x /= sqrt((double)type->dims[1].size);
    return (double)(float)(is_positive(n) ? 0.1 + fabs(x) : x);
}

/* What integers that an op addresses by must stay below. */
static int64_t index_limit(const GfNode *n, const int64_t *sizes)
{
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        const GfNode *user = u->user;
        if (user->op == GF_OP_GATHER)
            return gf_dim_value(gf_operand(user, 0)->type.dims[0], sizes);
        if (user->op == GF_OP_SCATTER_ADD)
            return gf_dim_value(user->results[0].type.dims[0], sizes);
        if (user->op == GF_OP_CROSS_ENTROPY || user->op == GF_OP_CROSS_ENTROPY_GRAD || user->op == GF_OP_PICK_COLS)
            return gf_dim_value(gf_operand(user, 0)->type.dims[1], sizes);
    }
    return 1 << 20;
}

static int64_t length_of(const Check *k, int64_t s)
{
    int64_t n = k->at->tokens, count = k->at->seqs;
    return k->at->lengths ? k->at->lengths[s] : n * (s + 1) / count - n * s / count;
}

static double int_value(Check *k, const GfNode *n, int64_t i)
{
    int64_t start = 0;

    if (strcmp(n->name, "step") == 0)
        return k->c->step;
    if (strcmp(n->name, "lengths") == 0)
        return (double)length_of(k, i);
    if (strcmp(n->name, "starts") != 0)
        return (double)(gf_random_next(&k->random) % (uint64_t)index_limit(n, k->sizes));
    for (int64_t s = 0; s < i; s++)
        start += length_of(k, s);
    return (double)start;
}

/* One tensor, for the evaluator and the program alike. */
static void bind_tensor(Check *k, const ProgramRun *run, const GfNode *n)
{
    const GfType *type = &n->results[0].type;
    int64_t count = gf_type_elements(type, k->sizes);
    double *data = calloc((size_t)count + 1, sizeof *data);
    void *memory = program_run_tensor(run, n->label ? n->label : n->name);

    for (int64_t i = 0; i < count; i++) {
        data[i] = type->dtype == GF_I32 ? int_value(k, n, i) : float_value(k, n);
        if (memory && type->dtype == GF_I32)
            ((int32_t *)memory)[i] = (int32_t)data[i];
        else if (memory)
            ((float *)memory)[i] = (float)data[i];
    }
    run_check(&k->oracle, gf_eval_bind(k->oracle.e, n, data, &k->oracle.diags), "bind");
    free(data);
}

static void bind_all(Check *k, const ProgramRun *run)
{
    k->random = 42;
    GF_EACH_NODE (n, k->oracle.g) {
        if (is_bound_node(n))
            bind_tensor(k, run, n);
    }
}

/* ---- comparison ------------------------------------------------------------------------------ */

static double norm_of(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static double typical_norm(const Check *k, int64_t count)
{
    return k->c->typical * sqrt((double)count);
}

/* |got - want| <= tolerance |want|, where |want| counts as that of typical elements at least. */
static bool agrees(const Check *k, const double *got, const double *want, int64_t count)
{
    double difference = 0;

    for (int64_t i = 0; i < count; i++)
        difference += (got[i] - want[i]) * (got[i] - want[i]);
    return sqrt(difference) <= k->c->tolerance * fmax(norm_of(want, count), typical_norm(k, count));
}

/* The tolerance is tight enough to notice one exchanged pair of elements and a
 * factor of 1.0001. */
static void check_planted(const Check *k, double *got, const double *want, int64_t count)
{
    int64_t most = 0, least = 0;

    if (norm_of(want, count) <= typical_norm(k, count) / 4)
        return;
    for (int64_t i = 0; i < count; i++) {
        most = want[i] > want[most] ? i : most;
        least = want[i] < want[least] ? i : least;
    }
    if (want[most] - want[least] > 1e-3 * (fabs(want[most]) + k->c->typical)) {
        double moved = got[most];
        got[most] = got[least];
        got[least] = moved;
        if (agrees(k, got, want, count))
            fail_case(k, "an exchanged pair of elements is not noticed");
        got[least] = got[most];
        got[most] = moved;
    }
    for (int64_t i = 0; i < count; i++)
        got[i] *= 1.0001;
    if (agrees(k, got, want, count))
        fail_case(k, "a factor of 1.0001 is not noticed");
}

static void show_difference(const char *name, const double *got, const double *want, int64_t count)
{
    double difference = 0;
    int64_t shown = 0;

    for (int64_t i = 0; i < count; i++)
        difference += (got[i] - want[i]) * (got[i] - want[i]);
    print_error("'%s' of %lld: difference %.3g, norm %.3g\n", name, (long long)count, sqrt(difference),
                norm_of(want, count));
    for (int64_t i = 0; i < count && shown < 8; i++) {
        if (fabs(got[i] - want[i]) <= 1e-5 * fabs(want[i]))
            continue;
        print_error("  [%lld] is %.9g, not %.9g\n", (long long)i, got[i], want[i]);
        shown++;
    }
}

static void compare(const Check *k, const char *name, const float *memory, const GfTensor *want)
{
    double *got = calloc((size_t)want->count + 1, sizeof *got);

    for (int64_t i = 0; i < want->count; i++)
        got[i] = (double)memory[i];
    if (!agrees(k, got, want->data, want->count)) {
        show_difference(name, got, want->data, want->count);
        fail_case(k, "not what the evaluator gives");
    }
    check_planted(k, got, want->data, want->count);
    free(got);
}

static void compare_outputs(const Check *k, const ProgramRun *run)
{
    const GfNode *end = gf_graph_return(k->oracle.g);

    for (uint32_t i = 0; i < end->operand_count; i++)
        compare(k, end->outputs[i], program_run_output(run, end->outputs[i]),
                gf_eval_value(k->oracle.e, gf_operand(end, i)));
}

static void compare_updates(const Check *k, const ProgramRun *run)
{
    gf_eval_apply_updates(k->oracle.e);
    GF_EACH_NODE (n, k->oracle.g) {
        if (n->op != GF_OP_UPDATE)
            continue;
        const GfNode *target = gf_operand(n, 0)->node;
        compare(k, target->label, program_run_tensor(run, target->label), gf_eval_value(k->oracle.e, gf_operand(n, 0)));
    }
}

/* ---- runs --------------------------------------------------------------------------------------- */

/* Bits of all outputs and tensors after a run: equal for any order of tasks. */
static uint64_t hash_bytes(uint64_t hash, const void *data, int64_t size)
{
    const unsigned char *bytes = data;
    for (int64_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_outputs(const ProgramRun *run)
{
    const GfProgram *p = run->program;
    uint64_t hash = 14695981039346656037u;

    for (uint32_t i = 0; i < p->output_count; i++)
        hash =
            hash_bytes(hash, program_run_at(run, p->outputs[i].buffer), bytes_of_type(&p->outputs[i].type, run->sizes));
    return hash;
}

static uint64_t hash_results(const ProgramRun *run)
{
    const GfProgram *p = run->program;
    uint64_t hash = hash_outputs(run);

    for (uint32_t i = 0; i < p->tensor_count; i++)
        hash = hash_bytes(hash, run->tensors[i].data, run->tensors[i].size);
    return hash;
}

static uint64_t run_bits(Check *k, TaskOrder how)
{
    ProgramRun run;

    program_run_open(&run, k->program, k->sizes);
    run.batch = kernel_is_emulated() ? emulated_batch : NULL;
    bind_all(k, &run);
    program_run_prepare(&run, how);
    program_run_step(&run, how);
    uint64_t bits = hash_results(&run);
    program_run_close(&run);
    return bits;
}

static void check_sizes(Check *k)
{
    ProgramRun run;

    run_prepare(&k->oracle, k->sizes);
    program_run_open(&run, k->program, k->sizes);
    run.batch = kernel_is_emulated() ? emulated_batch : NULL;
    bind_all(k, &run);
    run_check(&k->oracle, gf_eval_run(k->oracle.e, &k->oracle.diags), k->text);
    program_run_prepare(&run, (TaskOrder){0});
    program_run_step(&run, (TaskOrder){0});
    uint64_t bits = hash_results(&run);
    compare_outputs(k, &run);
    compare_updates(k, &run);
    if (run_bits(k, (TaskOrder){1, 7}) != bits || run_bits(k, (TaskOrder){3, 11}) != bits)
        fail_case(k, "the order of tasks changes bits");
    program_run_close(&run);
    gf_eval_free(k->oracle.e);
    k->oracle.e = NULL;
}

static Check *open_check(const KernelCase *c)
{
    Check *k = calloc(1, sizeof *k);

    k->c = c;
    write_graph(c, k->text);
    open_oracle(k);
    compile(k);
    return k;
}

static void close_check(Check *k)
{
    gf_program_free(k->program);
    run_free(&k->oracle);
    free(k);
}

static void set_sizes(Check *k, const KernelSizes *sizes)
{
    k->at = sizes;
    k->sizes[0] = sizes->tokens;
    k->sizes[1] = sizes->seqs;
}

void kernel_check(const KernelCase *c)
{
    Check *k = open_check(c);

    GF_EACH_NODE (n, k->oracle.g)
        seen[n->op] = true;
    for (size_t i = 0; i < c->size_count; i++) {
        set_sizes(k, &c->sizes[i]);
        check_sizes(k);
    }
    close_check(k);
}

static uint64_t spoiled_bits(Check *k, const char *spoiled)
{
    ProgramRun run;
    uint32_t i;

    run_prepare(&k->oracle, k->sizes);
    program_run_open(&run, k->program, k->sizes);
    bind_all(k, &run);
    program_run_prepare(&run, (TaskOrder){0});
    if (spoiled && gf_program_tensor(k->program, spoiled, &i))
        memset(run.tensors[i].data, 0xff, (size_t)run.tensors[i].size);
    program_run_step(&run, (TaskOrder){0});
    uint64_t bits = hash_outputs(&run);
    program_run_close(&run);
    gf_eval_free(k->oracle.e);
    k->oracle.e = NULL;
    return bits;
}

uint64_t kernel_bits(const KernelCase *c, const char *spoiled)
{
    Check *k = open_check(c);
    uint64_t bits = 0;

    for (size_t i = 0; i < c->size_count; i++) {
        set_sizes(k, &c->sizes[i]);
        uint64_t more = spoiled_bits(k, spoiled);
        bits = hash_bytes(bits, &more, sizeof more);
    }
    close_check(k);
    return bits;
}

/* ELF x86 assembly calls through the procedure linkage table what it does not hold. */
void kernel_check_closed(const char *lines, int64_t m, int64_t n, const char *processor)
{
    const KernelCase c = {.lines = lines, .m = m, .k = n, .processor = processor};

    if (kernel_is_emulated())
        return; /* NVRTC links nothing */
    GfCompileOptions options = {.features = processor};
    Check *k = calloc(1, sizeof *k);
    const GfBackend *backend;
    GfArena arena;
    Run r;

    k->c = &c;
    gf_arena_init(&arena, NULL);
    GfText code = {.arena = &arena};
    write_graph(&c, k->text);
    prepare_graph(k, &r, &backend);
    require(k, backend->emit(r.g, "asm", &options, &code, &r.diags), &r.diags, "emit");
    if (strstr(gf_text_str(&code), "@PLT") || strstr(gf_text_str(&code), "@GOTPCREL"))
        fail_case(k, "the code needs something outside of it");
    gf_arena_free(&arena);
    run_free(&r);
    free(k);
}

void kernel_map(const char *lines, const char *processor, const float *x, float *y, int64_t count)
{
    const KernelSizes size = {count, 1, NULL};
    const KernelCase c = {.lines = lines, .processor = processor, .sizes = &size, .size_count = 1};
    Check *k = calloc(1, sizeof *k);
    ProgramRun run;

    k->c = &c;
    k->sizes[0] = count;
    k->sizes[1] = 1;
    write_graph(&c, k->text);
    compile(k);
    program_run_open(&run, k->program, k->sizes);
    run.batch = kernel_is_emulated() ? emulated_batch : NULL;
    memcpy(program_run_tensor(&run, "x"), x, (size_t)count * sizeof *x);
    program_run_step(&run, (TaskOrder){0});
    memcpy(y, program_run_output(&run, "y"), (size_t)count * sizeof *y);
    program_run_close(&run);
    gf_program_free(k->program);
    free(k);
}
