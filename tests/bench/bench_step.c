/* bench_step.c -- where the time of a compiled step goes, kernel by kernel.
 *
 *   graft compile MODEL.json --variant V.json --emit ir -o step.gir
 *   bench_step step.gir [TOKENS SEQS] [--device NAME]
 *
 * Takes a planned graph and prints its kernels by their share of the step.
 *
 *   cpu   (the default) all tensors are filled with made-up numbers, and every launch
 *         is timed on one thread: its processor time, least of several steps
 *   cuda  or cuda:N, for a graph that was compiled with --target cuda:...: parameters
 *         from their initializers; whole steps are timed, then every launch for itself
 *         (runtime/exec/time_cuda.h).  The two differ by what lies between launches,
 *         and by what a launch in a step does not find in the caches
 */
#include "codegen/codegen.h"
#include "runtime/exec/exec.h"
#include "tests/support/program_run.h"

#include <stdio.h>
#include <time.h>

enum { STEPS = 7, WARM_UP = 10, TIMED = 100 };

/* What is measured. */
typedef struct Bench {
    const char *path, *device_name;
    int64_t tokens, seqs;
    GfDevice device;
    GfProgram *program;
    double *seconds; /* by launch; of a CUDA device by batch */
    GfDiags diags;
} Bench;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(*length + 1, 1);
    *length = fread(text, 1, *length, file);
    fclose(file);
    return text;
}

static GfStatus compile(Bench *b)
{
    const GfBackend *backend;
    GfGraph *g;
    size_t length;
    char *text = read_file(b->path, &length);

    if (!text)
        return gf_fail(&b->diags, GF_NOWHERE, GF_ERR_IO, "'%s' cannot be read", b->path);
    GF_TRY(gf_backend_find(b->device.target, &backend, &b->diags));
    GF_TRY(gf_graph_parse(b->path, text, length, NULL, &g, &b->diags));
    double start = now(CLOCK_MONOTONIC);
    GF_TRY(backend->compile(g, &(GfCompileOptions){.target = b->device.target}, NULL, &b->program, &b->diags));
    printf("%s: %u kernels for %u launches, compiled in %.2f s; arena %.1f MB\n", b->device.text,
           b->program->kernel_count, b->program->launch_count, now(CLOCK_MONOTONIC) - start,
           1e-6 * (double)b->program->arena_size);
    gf_graph_free(g);
    free(text);
    return GF_OK;
}

/* ---- data -------------------------------------------------------------------------------- */

/* Lengths as sentences have: from a quarter of the mean to two and a half of it. */
static int64_t weight_of(int64_t s)
{
    int64_t r = s * 7919 % 37;
    return 8 + r * r / 18;
}

static void fill_sequences(int32_t *starts, int32_t *lengths, int64_t tokens, int64_t seqs)
{
    int64_t all = 0, before = 0;

    for (int64_t s = 0; s < seqs; s++)
        all += weight_of(s);
    for (int64_t s = 0; s < seqs; s++) {
        int64_t behind = before + weight_of(s);
        starts[s] = (int32_t)(tokens * before / all);
        lengths[s] = (int32_t)(tokens * behind / all) - starts[s];
        before = behind;
    }
}

/* Rows of tables that every model of the family has. */
static void fill_ids(int32_t *ids, int64_t tokens)
{
    for (int64_t i = 0; i < tokens; i++)
        ids[i] = (int32_t)(i * 7919 % 30000);
}

static void fill(const ProgramRun *r, int64_t tokens, int64_t seqs)
{
    for (uint32_t i = 0; i < r->program->tensor_count; i++) {
        const GfTensorDecl *t = &r->program->tensors[i];
        int64_t count = r->tensors[i].size / 4;
        float *data = (float *)(void *)r->tensors[i].data;
        for (int64_t k = 0; k < count && t->type.dtype == GF_F32; k++)
            data[k] = (float)(k * 7919 % 1009 + 1) / 20000;
        if (t->type.dtype == GF_I32)
            memset(data, 0, (size_t)count * 4);
    }
    int32_t *starts = program_run_tensor(r, "starts"), *lengths = program_run_tensor(r, "lengths");
    int32_t *ids = program_run_tensor(r, "ids");
    if (starts && lengths)
        fill_sequences(starts, lengths, tokens, seqs);
    if (ids)
        fill_ids(ids, tokens);
}

/* ---- report ------------------------------------------------------------------------------- */

typedef struct Line {
    uint32_t kernel, launches;
    double seconds;
} Line;

static int by_seconds(const void *a, const void *b)
{
    double x = ((const Line *)a)->seconds, y = ((const Line *)b)->seconds;
    return (x < y) - (x > y);
}

static uint32_t timed_count(const Bench *b)
{
    return b->device.cuda ? b->program->batch_count : b->program->launch_count;
}

static void report(const Bench *b)
{
    const GfProgram *p = b->program;
    Line *lines = calloc(p->kernel_count + 1, sizeof *lines);
    double total = 0;

    for (uint32_t i = 0; i < timed_count(b); i++) {
        uint32_t kernel = p->launches[b->device.cuda ? p->batches[i].first : i].kernel;
        Line *line = &lines[kernel];
        line->kernel = kernel;
        line->launches++;
        line->seconds += b->seconds[i];
        total += b->seconds[i];
    }
    qsort(lines, p->kernel_count, sizeof *lines, by_seconds);
    printf("%9.3f ms, all %u launches\n", 1e3 * total, timed_count(b));
    for (uint32_t i = 0; i < p->kernel_count && lines[i].seconds > 0.002 * total; i++)
        printf("%9.3f ms %5.1f %%  %3u x %8.2f us  %s\n", 1e3 * lines[i].seconds, 100 * lines[i].seconds / total,
               lines[i].launches, 1e6 * lines[i].seconds / lines[i].launches, p->kernels[lines[i].kernel].name);
    free(lines);
}

/* ---- on the CPU --------------------------------------------------------------------------- */

static void time_launches(const ProgramRun *r, double *best)
{
    const GfProgram *p = r->program;

    for (int step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < p->launch_count; i++) {
            double start = now(CLOCK_THREAD_CPUTIME_ID);
            program_run_launch(r, &p->launches[i], (TaskOrder){0});
            double spent = now(CLOCK_THREAD_CPUTIME_ID) - start;
            best[i] = step == 0 || spent < best[i] ? spent : best[i];
        }
    }
}

static GfStatus run_cpu(Bench *b)
{
    int64_t sizes[GF_MAX_SYMBOLS] = {0};
    ProgramRun r;

    for (uint32_t i = 0; i < b->program->symbol_count; i++)
        sizes[i] = strcmp(b->program->symbols[i], "tokens") == 0 ? b->tokens : b->seqs;
    program_run_open(&r, b->program, sizes);
    fill(&r, b->tokens, b->seqs);
    program_run_prepare(&r, (TaskOrder){0});
    time_launches(&r, b->seconds);
    program_run_close(&r);
    return GF_OK;
}

/* ---- on a CUDA device --------------------------------------------------------------------- */

/* Zeros are as good as anything where nothing else is said. */
static void bind_inputs(const Bench *b, GfExec *exec)
{
    int32_t *zeros = calloc((size_t)b->tokens + 16, sizeof *zeros), *ids = calloc((size_t)b->tokens, sizeof *ids);
    int32_t *starts = calloc((size_t)b->seqs, sizeof *starts), *lengths = calloc((size_t)b->seqs, sizeof *lengths);
    int32_t step = 1;
    float lr = 1e-5f, scale = 1;

    fill_ids(ids, b->tokens);
    fill_sequences(starts, lengths, b->tokens, b->seqs);
    gf_exec_input(exec, "ids", ids);
    gf_exec_input(exec, "positions", zeros);
    gf_exec_input(exec, "types", zeros);
    gf_exec_input(exec, "starts", starts);
    gf_exec_input(exec, "lengths", lengths);
    gf_exec_input(exec, "labels", zeros);
    gf_exec_input(exec, "rng", zeros);
    gf_exec_input(exec, "step", &step);
    gf_exec_input(exec, "lr", &lr);
    gf_exec_input(exec, "loss_scale", &scale);
    free(zeros);
    free(ids);
    free(starts);
    free(lengths);
}

/* Steps as a training makes them: the next is put in before the last is waited for. */
static GfStatus run_steps(GfExec *exec, int count, GfDiags *diags)
{
    for (int i = 0; i < count; i++) {
        GF_TRY(gf_exec_run(exec, diags));
        if (i > 0)
            GF_TRY(gf_exec_wait(exec, diags));
    }
    return gf_exec_wait(exec, diags);
}

static GfStatus time_steps(Bench *b, GfExec *exec)
{
    GF_TRY(gf_exec_size(exec, "tokens", b->tokens, &b->diags));
    GF_TRY(gf_exec_size(exec, "seqs", b->seqs, &b->diags));
    bind_inputs(b, exec);
    GF_TRY(run_steps(exec, WARM_UP, &b->diags));
    double start = now(CLOCK_MONOTONIC);
    GF_TRY(run_steps(exec, TIMED, &b->diags));
    printf("%9.3f ms a step, mean of %d\n", 1e3 * (now(CLOCK_MONOTONIC) - start) / TIMED, TIMED);
    return gf_exec_time_batches(exec, b->seconds, &b->diags);
}

static GfStatus run_cuda(Bench *b)
{
    GfExec *exec = NULL;
    GfStore store;

    gf_store_init(&store, NULL);
    GfStatus status = gf_store_declare(&store, b->program, &b->diags);
    if (status == GF_OK)
        status = gf_store_fill(&store, &(GfStoreSource){.prefix = ""}, &b->diags);
    if (status == GF_OK)
        status = gf_exec_new(&b->device, b->program, &store, NULL, &exec, &b->diags);
    if (status == GF_OK)
        status = time_steps(b, exec);
    gf_exec_free(exec);
    gf_store_free(&store);
    return status;
}

/* ---- the command -------------------------------------------------------------------------- */

static GfStatus run(Bench *b)
{
    GF_TRY(gf_device_open(&b->device, b->device_name, 1, NULL, &b->diags));
    GF_TRY(compile(b));
    b->seconds = calloc(b->program->launch_count + 1, sizeof *b->seconds);
    GF_TRY(b->device.cuda ? run_cuda(b) : run_cpu(b));
    report(b);
    return GF_OK;
}

static bool parse_arguments(int argc, char **argv, Bench *b)
{
    const char *plain[3] = {NULL, "712", "32"};
    int count = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            b->device_name = argv[++i];
        else if (argv[i][0] != '-' && count < 3)
            plain[count++] = argv[i];
        else
            return false;
    }
    b->path = plain[0];
    b->tokens = atoll(plain[1]);
    b->seqs = atoll(plain[2]);
    return (count == 1 || count == 3) && b->seqs > 0 && b->tokens >= b->seqs;
}

int main(int argc, char **argv)
{
    Bench b = {.device_name = "cpu"};

    if (!parse_arguments(argc, argv, &b)) {
        fprintf(stderr, "usage: bench_step STEP.gir [TOKENS SEQS] [--device NAME]\n");
        return 2;
    }
    gf_diags_init(&b.diags, NULL);
    GfStatus status = run(&b);
    free(b.seconds);
    gf_program_free(b.program);
    gf_device_close(&b.device);
    gf_diags_print(&b.diags, stderr);
    gf_diags_free(&b.diags);
    return status != GF_OK;
}
