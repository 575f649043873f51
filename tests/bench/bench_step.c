/* bench_step.c -- where the time of a compiled step goes, kernel by kernel.
 *
 *   graft compile MODEL.json --variant V.json --emit ir -o step.gir
 *   bench_step step.gir [TOKENS SEQS]
 *
 * Takes a planned graph, compiles it for the host, fills all tensors with made-up
 * numbers and times every launch on one thread (of the thread's processor time,
 * least of several steps).  Prints the kernels by their share of the step.
 */
#include "codegen/codegen.h"
#include "tests/support/program_run.h"

#include <stdio.h>
#include <time.h>

enum { STEPS = 7 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
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

static GfStatus compile(const char *path, GfProgram **program, GfDiags *diags)
{
    const GfBackend *backend;
    GfGraph *g;
    size_t length;
    char *text = read_file(path, &length);

    if (!text)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_IO, "'%s' cannot be read", path);
    GF_TRY(gf_backend_find("cpu", &backend, diags));
    GF_TRY(gf_graph_parse(path, text, length, NULL, &g, diags));
    double start = now();
    GF_TRY(backend->compile(g, NULL, NULL, program, diags));
    printf("%u kernels for %u launches, compiled in %.2f s; arena %.1f MB\n", (*program)->kernel_count,
           (*program)->launch_count, now() - start, 1e-6 * (double)(*program)->arena_size);
    gf_graph_free(g);
    free(text);
    return GF_OK;
}

/* ---- data -------------------------------------------------------------------------------- */

/* Lengths from a third of the mean to about twice. */
static void fill_sequences(const ProgramRun *r, int64_t tokens, int64_t seqs)
{
    int32_t *starts = program_run_tensor(r, "starts"), *lengths = program_run_tensor(r, "lengths");
    int64_t at = 0, mean = tokens / seqs;

    for (int64_t s = 0; s < seqs && starts && lengths; s++) {
        int64_t left = tokens - at, length = mean / 3 + s * 7919 % 37 * mean * 4 / 3 / 36;
        length = s == seqs - 1 || length > left ? left : length;
        starts[s] = (int32_t)at;
        lengths[s] = (int32_t)length;
        at += length;
    }
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
    fill_sequences(r, tokens, seqs);
    int32_t *ids = program_run_tensor(r, "ids");
    for (int64_t i = 0; ids && i < tokens; i++)
        ids[i] = (int32_t)(i * 7919 % 30000);
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

static void time_launches(const ProgramRun *r, double *best)
{
    const GfProgram *p = r->program;

    for (int step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < p->launch_count; i++) {
            double start = now();
            program_run_launch(r, &p->launches[i], (TaskOrder){0});
            double spent = now() - start;
            best[i] = step == 0 || spent < best[i] ? spent : best[i];
        }
    }
}

static void report(const ProgramRun *r, const double *best)
{
    const GfProgram *p = r->program;
    Line *lines = calloc(p->kernel_count + 1, sizeof *lines);
    double total = 0;

    for (uint32_t i = 0; i < p->launch_count; i++) {
        Line *line = &lines[p->launches[i].kernel];
        line->kernel = p->launches[i].kernel;
        line->launches++;
        line->seconds += best[i];
        total += best[i];
    }
    qsort(lines, p->kernel_count, sizeof *lines, by_seconds);
    printf("%9.2f ms a step\n", 1e3 * total);
    for (uint32_t i = 0; i < p->kernel_count && lines[i].seconds > 0.002 * total; i++)
        printf("%9.2f ms %5.1f %%  %3u x %s\n", 1e3 * lines[i].seconds, 100 * lines[i].seconds / total,
               lines[i].launches, p->kernels[lines[i].kernel].name);
    free(lines);
}

static void run(const GfProgram *program, int64_t tokens, int64_t seqs)
{
    int64_t sizes[GF_MAX_SYMBOLS] = {0};
    double *best = calloc(program->launch_count + 1, sizeof *best);
    ProgramRun r;

    for (uint32_t i = 0; i < program->symbol_count; i++)
        sizes[i] = strcmp(program->symbols[i], "tokens") == 0 ? tokens : seqs;
    program_run_open(&r, program, sizes);
    fill(&r, tokens, seqs);
    program_run_prepare(&r, (TaskOrder){0});
    time_launches(&r, best);
    report(&r, best);
    program_run_close(&r);
    free(best);
}

int main(int argc, char **argv)
{
    GfProgram *program = NULL;
    GfDiags diags;

    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: bench_step STEP.gir [TOKENS SEQS]\n");
        return 2;
    }
    gf_diags_init(&diags, NULL);
    GfStatus status = compile(argv[1], &program, &diags);
    if (status == GF_OK)
        run(program, argc == 4 ? atoll(argv[2]) : 712, argc == 4 ? atoll(argv[3]) : 32);
    gf_program_free(program);
    gf_diags_print(&diags, stderr);
    gf_diags_free(&diags);
    return status != GF_OK;
}
