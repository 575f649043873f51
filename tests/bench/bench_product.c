/* bench_product.c -- how fast compiled kernels run, on one thread.
 *
 * Prints a table: matrix products in GFLOP/s and as a part of what multiply-adds
 * in registers reach at the same moment (so that a busy machine tells as much as
 * an idle one), then attention and elementwise kernels in time an element.  Times
 * are those of the thread on its processor.  Not part of the tests.
 *
 *   bench_product [NAME]     only rows whose name contains NAME
 */
#include "passes/passes.h"
#include "tests/support/program_run.h"

#include <stdio.h>
#include <time.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

typedef struct Bench {
    const char *name, *lines; /* $m, $k: the sizes below; n: tokens */
    int64_t n, m, k;
    const char *unit;
} Bench;

enum { SEQS = 32, REPEATS = 9 };

#define RNG "%rng = input : i32[4]\n"
#define LINEAR(kind) "%x = input : f32[tokens,$k]\n%w = param \"w\"" kind " : f32[$m,$k]\n%b = param \"b\" : f32[$m]\n"
#define QKV "%q = input : f32[tokens,$m]\n%k = input : f32[tokens,$m]\n%v = input : f32[tokens,$m]\n"
#define SEQUENCES "%starts = input : i32[seqs]\n%lengths = input : i32[seqs]\n" RNG
#define ATTENTION(p)                                                                                                   \
    QKV SEQUENCES "%y = attention %q, %k, %v, %starts, %lengths, %rng {heads = $k, p = " p                             \
                  ", key = 1} : f32[tokens,$m], f32[tokens,$k]\nreturn y = %y#0, lse = %y#1\n"
#define GRADIENT(p)                                                                                                    \
    QKV SEQUENCES "%dy = input : f32[tokens,$m]\n%y = input : f32[tokens,$m]\n%lse = input : f32[tokens,$k]\n"         \
                  "%g = attention_grad %dy, %q, %k, %v, %y, %lse, %starts, %lengths, %rng {heads = $k, p = " p         \
                  ", key = 1} : f32[tokens,$m], f32[tokens,$m], f32[tokens,$m]\nreturn a = %g#0, b = %g#1, c = %g#2\n"
#define MAP(op) "%x = input : f32[tokens,$m]\n" RNG "%y = " op " : f32[tokens,$m]\nreturn y = %y\n"

#define FROZEN LINEAR(" frozen") "%y = linear %x, %w, %b : f32[tokens,$m]\nreturn y = %y\n"
#define TRAINABLE LINEAR("") "%y = linear %x, %w, %b : f32[tokens,$m]\nreturn y = %y\n"
#define GELU                                                                                                           \
    LINEAR("") "%y = linear %x, %w, %b : f32[tokens,$m]\n%z = gelu %y : f32[tokens,$m]\nreturn y = %y, z = %z\n"
#define DX                                                                                                             \
    "%dy = input : f32[tokens,$k]\n%w = param \"w\" : f32[$k,$m]\n%y = matmul %dy, %w : f32[tokens,$m]\nreturn y = "   \
    "%y\n"
#define DW                                                                                                             \
    "%dy = input : f32[tokens,$m]\n%x = input : f32[tokens,$k]\n%y = matmul %dy, %x {transpose_a = 1} : "              \
    "f32[$m,$k]\nreturn y = %y\n"

#define PRODUCTS(name, lines)                                                                                          \
    {name, lines, 384, 768, 768, "GFLOP/s"}, {name, lines, 712, 3072, 768, "GFLOP/s"},                                 \
        {name, lines, 712, 768, 3072, "GFLOP/s"}, {name, lines, 712, 384, 1536, "GFLOP/s"},                            \
    {                                                                                                                  \
        name, lines, 712, 384, 384, "GFLOP/s"                                                                          \
    }

static const Bench benches[] = {
    PRODUCTS("linear, frozen", FROZEN),
    PRODUCTS("linear, trainable", TRAINABLE),
    PRODUCTS("linear + gelu", GELU),
    PRODUCTS("dx = dy w", DX),
    PRODUCTS("dw = dy' x", DW),
    {"attention", ATTENTION("0"), 712, 768, 12, "us"},
    {"attention, dropout", ATTENTION("0.1"), 712, 768, 12, "us"},
    {"attention_grad", GRADIENT("0"), 712, 768, 12, "us"},
    {"attention_grad, dropout", GRADIENT("0.1"), 712, 768, 12, "us"},
    {"attention", ATTENTION("0"), 712, 384, 12, "us"},
    {"attention, dropout", ATTENTION("0.1"), 712, 384, 12, "us"},
    {"attention_grad", GRADIENT("0"), 712, 384, 12, "us"},
    {"attention_grad, dropout", GRADIENT("0.1"), 712, 384, 12, "us"},
    {"scale", MAP("scale %x {by = 2}"), 128, 768, 0, "ns"},
    {"dropout", MAP("dropout %x, %rng {p = 0.1, key = 1}"), 128, 768, 0, "ns"},
    {"exp", MAP("exp %x"), 128, 768, 0, "ns"},
    {"gelu", MAP("gelu %x"), 128, 768, 0, "ns"},
    {"gelu_grad", MAP("gelu_grad %x, %x"), 128, 768, 0, "ns"},
    {"tanh", MAP("tanh %x"), 128, 768, 0, "ns"},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t number_for(const Bench *b, char letter)
{
    return letter == 'n' ? b->n : letter == 'm' ? b->m : b->k;
}

static size_t write_graph(const Bench *b, char *text)
{
    int n = sprintf(text, "graph @t(tokens, seqs) {\n");

    for (const char *p = b->lines; *p; p++) {
        if (*p == '$')
            n += sprintf(text + n, "%lld", (long long)number_for(b, *++p));
        else
            text[n++] = *p;
    }
    return (size_t)(n + sprintf(text + n, "}\n"));
}

static GfStatus compile(const Bench *b, const GfBackend *backend, GfProgram **out, GfDiags *diags)
{
    char text[4096], passes[128];
    size_t length = write_graph(b, text);
    GfPipelineOptions options = {.target = &gf_target_cpu};
    GfGraph *g;
    GfArena arena;

    gf_arena_init(&arena, NULL);
    snprintf(passes, sizeof passes, "fuse,plan-memory{tokens=%lld,seqs=%d}", (long long)b->n, SEQS);
    GF_TRY(gf_graph_parse("bench.gir", text, length, NULL, &g, diags));
    GF_TRY(gf_pipeline_run(g, passes, &options, &arena, NULL, NULL, diags));
    GF_TRY(backend->compile(g, &(GfCompileOptions){0}, NULL, out, diags));
    gf_arena_free(&arena);
    gf_graph_free(g);
    return GF_OK;
}

/* ---- data -------------------------------------------------------------------------- */

/* Lengths around n / SEQS, as texts have: from a third of it to twice. */
static void fill_sequences(int32_t *starts, int32_t *lengths, int64_t n)
{
    int64_t at = 0;

    for (int s = 0; s < SEQS && starts && lengths; s++) {
        int64_t mean = n / SEQS, left = n - at, length = mean / 3 + s * 7919 % 37 * mean * 4 / 3 / 36;
        length = s == SEQS - 1 || length > left ? left : length;
        starts[s] = (int32_t)at;
        lengths[s] = (int32_t)length;
        at += length;
    }
}

static void fill(const ProgramRun *r, int64_t n)
{
    for (uint32_t i = 0; i < r->program->tensor_count; i++) {
        int64_t count = r->tensors[i].size / 4;
        float *data = (float *)(void *)r->tensors[i].data;
        for (int64_t k = 0; k < count; k++)
            data[k] = (float)(k * 7919 % 1009) / 1009 - 0.5f;
        if (r->program->tensors[i].type.dtype == GF_I32)
            memset(data, 0, (size_t)count * 4);
    }
    fill_sequences(program_run_tensor(r, "starts"), program_run_tensor(r, "lengths"), n);
}

/* ---- measuring ----------------------------------------------------------------------- */

enum { PEAK_ROUNDS = 100000 };

/* GFLOP/s of multiply-adds in registers; 0 where it is not known how. */
#if defined __x86_64__
#define PEAK(name, isa, vec, lanes, set1, fma, sum)                                                                    \
    __attribute__((target(isa))) static double name(void)                                                              \
    {                                                                                                                  \
        vec acc[12], x = set1(0.5f), total = set1(0);                                                                  \
        double start = now();                                                                                          \
        for (int i = 0; i < 12; i++)                                                                                   \
            acc[i] = set1((float)i);                                                                                   \
        for (int round = 0; round < PEAK_ROUNDS; round++) {                                                            \
            _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) acc[i] = fma(acc[i], x, x);                          \
        }                                                                                                              \
        double spent = now() - start;                                                                                  \
        for (int i = 0; i < 12; i++)                                                                                   \
            total = sum(total, acc[i]);                                                                                \
        float any[lanes];                                                                                              \
        memcpy(any, &total, sizeof any);                                                                               \
        return any[0] > 0 ? 2e-9 * PEAK_ROUNDS * 12 * lanes / spent : 0;                                               \
    }

PEAK(peak_avx512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps)
PEAK(peak_avx2, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps)

static double peak_rate(void)
{
    if (__builtin_cpu_supports("avx512f"))
        return peak_avx512();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? peak_avx2() : 0;
}
#else
static double peak_rate(void)
{
    return 0;
}
#endif

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_launches(const ProgramRun *r)
{
    for (uint32_t i = 0; i < r->program->launch_count; i++)
        program_run_launch(r, &r->program->launches[i], (TaskOrder){0});
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, compare_times);
    return values[REPEATS / 2];
}

/* Seconds of one step, the median of REPEATS runs of at least 20 ms; and the
 * same in multiply-adds that the machine could have done meanwhile, in units of 5e8. */
static double time_step(const ProgramRun *r, double *peak)
{
    double times[REPEATS], products[REPEATS];

    run_launches(r);
    for (int i = 0; i < REPEATS; i++) {
        double start = now(), spent;
        int runs = 0;
        do {
            run_launches(r);
            runs++;
            spent = now() - start;
        } while (spent < 0.02);
        times[i] = spent / runs;
        products[i] = times[i] * peak_rate();
    }
    *peak = median(products);
    return median(times);
}

static void show(const Bench *b, double seconds, double peak)
{
    double products = 2e-9 * (double)(b->n * b->m * b->k);
    double value = strcmp(b->unit, "us") == 0   ? seconds * 1e6
                   : strcmp(b->unit, "ns") == 0 ? seconds * 1e9 / (double)(b->n * b->m)
                                                : products / seconds;
    printf("%-24s %4lld x %4lld x %4lld  %9.2f %s", b->name, (long long)b->n, (long long)b->m, (long long)b->k, value,
           b->unit);
    if (strcmp(b->unit, "GFLOP/s") == 0 && peak > 0)
        printf("  %3.0f %% of peak", 100 * products / peak);
    printf("\n");
    fflush(stdout);
}

static GfStatus measure(const Bench *b, const GfBackend *backend, GfDiags *diags)
{
    const int64_t sizes[] = {b->n, SEQS};
    GfProgram *program;
    double seconds, peak;
    ProgramRun r;

    GF_TRY(compile(b, backend, &program, diags));
    program_run_open(&r, program, sizes);
    fill(&r, b->n);
    program_run_prepare(&r, (TaskOrder){0});
    seconds = time_step(&r, &peak);
    show(b, seconds, peak);
    program_run_close(&r);
    gf_program_free(program);
    return GF_OK;
}

int main(int argc, char **argv)
{
    const GfBackend *backend;
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_backend_find("cpu", &backend, &diags);
    for (size_t i = 0; i < sizeof benches / sizeof *benches && status == GF_OK; i++) {
        if (argc < 2 || strstr(benches[i].name, argv[1]))
            status = measure(&benches[i], backend, &diags);
    }
    gf_diags_print(&diags, stderr);
    gf_diags_free(&diags);
    return status != GF_OK;
}
