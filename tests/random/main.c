/* main.c -- random graphs through random pipelines; check.h says what must hold.
 *
 *   random_graphs [--seed N] [--count M] [--seconds S] [--cpu-every K] [--cuda-every K]
 *                 [--keep DIR] [--want-failure] [--all]
 *   random_graphs --replay FILE.gir|DIR ...
 *   random_graphs --print SEED
 *
 * Case N is made of seed N and nothing else.  Runs until M cases or S seconds are over.
 * Every K-th case is compiled for the cpu, and for cuda in emulation (0: none); the
 * others are evaluated only.  A failure is made small and, with --keep, written to
 * DIR/KIND-SEED.gir, which --replay checks again.
 *
 * Exit code 0: no case failed; 1: one did.  --want-failure turns that round: the first
 * failure ends the run.  --all: fails as well when an op or a pass has never come up.
 */
#include "tests/random/check.h"
#include "tests/random/generate.h"
#include "tests/random/pipeline.h"
#include "tests/random/shrink.h"

#include "codegen/codegen.h"
#include "tests/golden/golden.h"
#include "tests/support/has_cpu.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct Options {
    uint64_t seed, count, cpu_every, cuda_every;
    double seconds, shrink_seconds;
    const char *keep;
    bool want_failure, all, cpu;
} Options;

typedef struct Tally {
    uint64_t cases, passes, refused, compiled, emulated, loose, failed;
    uint64_t ops[GF_OP_COUNT], ran[GF_PASS_COUNT], kinds[CHECK_KINDS];
    double begin;
} Tally;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- one case --------------------------------------------------------------------------------- */

static bool every(uint64_t number, uint64_t k)
{
    return k && number % k == 0;
}

/* The case of a seed, its text in `arena`.  False: it cannot be made, `out` says why. */
static bool make_case(const Options *o, uint64_t seed, Case *c, GfArena *arena, Outcome *out)
{
    GfText text = {.arena = arena};
    GfDiags diags;
    GfGraph *g;

    *c = (Case){0};
    *out = (Outcome){0};
    gf_diags_init(&diags, NULL);
    random_pipeline(seed, c);
    c->cuda = every(seed, o->cuda_every);
    c->compiled = c->cuda || (o->cpu && every(seed, o->cpu_every));
    if (random_graph_make(seed, &g, &diags) != GF_OK || gf_verify(g, &diags) != GF_OK)
        outcome_fail_diags(out, CHECK_GRAPH, &diags);
    gf_graph_print(g, &text);
    c->text = gf_text_str(&text);
    gf_graph_free(g);
    gf_diags_free(&diags);
    return out->kind == CHECK_FINE;
}

static void count_case(Tally *t, const Case *c, const Outcome *out)
{
    t->cases++;
    t->passes += out->pass_runs;
    t->compiled += out->ran_compiled && !c->cuda;
    t->emulated += out->ran_compiled && c->cuda;
    t->loose += out->loose;
    t->kinds[out->kind]++;
    for (uint32_t i = 0; i < c->pass_count; i++)
        t->refused += out->refused[i];
    for (int i = 0; i < GF_OP_COUNT; i++)
        t->ops[i] += out->ops[i];
    for (int i = 0; i < GF_PASS_COUNT; i++)
        t->ran[i] += out->passes[i];
}

static void drop_refused(Case *c, const Outcome *out)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < c->pass_count; i++) {
        if (!out->refused[i])
            memmove(c->passes[kept++], c->passes[i], sizeof *c->passes);
    }
    c->pass_count = kept;
}

static void keep_case(const Options *o, uint64_t seed, const Case *c, const Outcome *out, GfArena *arena)
{
    GfText text = {.arena = arena};
    char path[4096], what[128];

    snprintf(what, sizeof what, "%s%s%s: seed %llu", check_kinds[out->kind], *out->pass ? " at " : "", out->pass,
             (unsigned long long)seed);
    case_print(c, what, &text);
    printf("%s\n%s", out->message, gf_text_str(&text));
    if (!o->keep)
        return;
    snprintf(path, sizeof path, "%s/%s-%llu.gir", o->keep, check_kinds[out->kind], (unsigned long long)seed);
    FILE *f = fopen(path, "w");
    if (f) {
        fputs(gf_text_str(&text), f);
        fclose(f);
    }
}

static void report_failure(const Options *o, uint64_t seed, Case *c, Outcome *out, GfArena *arena)
{
    printf("seed %llu fails: %s%s%s: %s\n", (unsigned long long)seed, check_kinds[out->kind], *out->pass ? " at " : "",
           out->pass, out->message);
    fflush(stdout);
    drop_refused(c, out);
    if (out->kind != CHECK_GRAPH)
        shrink_case(c, out, o->shrink_seconds, arena);
    keep_case(o, seed, c, out, arena);
}

static bool run_seed(const Options *o, uint64_t seed, Tally *t)
{
    GfArena arena;
    Outcome out;
    Case c;

    gf_arena_init(&arena, NULL);
    if (make_case(o, seed, &c, &arena, &out))
        check_case_apart(&c, &out);
    count_case(t, &c, &out);
    bool fine = out.kind == CHECK_FINE;
    if (!fine) {
        t->failed++;
        report_failure(o, seed, &c, &out, &arena);
    }
    gf_arena_free(&arena);
    return fine;
}

/* ---- many -------------------------------------------------------------------------------------- */

static void print_tally(const Tally *t)
{
    printf("%llu graphs, %llu passes (%llu refused), %llu compiled, %llu emulated, %llu comparisons without digits, "
           "%llu failed, %.0f s\n",
           (unsigned long long)t->cases, (unsigned long long)t->passes, (unsigned long long)t->refused,
           (unsigned long long)t->compiled, (unsigned long long)t->emulated, (unsigned long long)t->loose,
           (unsigned long long)t->failed, now() - t->begin);
    fflush(stdout);
}

/* What has never come up; the number of such ops and passes. */
static int print_missing(const Tally *t)
{
    int missing = 0;

    for (int i = 0; i < GF_OP_COUNT; i++) {
        if (t->ops[i])
            continue;
        printf("no graph had a '%s'\n", gf_op_text((GfOp)i));
        missing++;
    }
    for (int i = 0; i < GF_PASS_COUNT; i++) {
        if (t->ran[i])
            continue;
        printf("'%s' never ran\n", gf_pass_info((GfPassId)i)->text);
        missing++;
    }
    return missing;
}

static bool run_many(const Options *o)
{
    Tally t = {.begin = now()};
    double said = t.begin;

    for (uint64_t i = 0; i < o->count && (!o->seconds || now() - t.begin < o->seconds); i++) {
        bool fine = run_seed(o, o->seed + i, &t);
        if (!fine && o->want_failure)
            break;
        if (now() - said > 60) {
            print_tally(&t);
            said = now();
        }
    }
    print_tally(&t);
    bool missing = o->all && print_missing(&t) > 0;
    return o->want_failure ? t.failed > 0 : t.failed == 0 && !missing;
}

/* ---- again -------------------------------------------------------------------------------------- */

/* golden_file.c asks for it. */
bool golden_fail(const GoldenCase *c, const char *format, ...)
{
    (void)format;
    printf("%s:%u\n", c->file, c->line);
    return false;
}

static void set_sizes(Case *c, const char *sizes)
{
    const char *tokens = strstr(sizes, "tokens="), *seqs = strstr(sizes, "seqs=");

    c->tokens = tokens ? atoll(tokens + 7) : 7;
    c->seqs = seqs ? atoll(seqs + 5) : 3;
}

static bool replay_case(const GoldenCase *golden)
{
    Case c = {.text = golden->input, .cuda = golden->joins_launches, .compiled = golden->joins_launches || has_cpu()};
    Outcome out;

    set_sizes(&c, golden->sizes);
    if (!pipeline_split(golden->passes, &c)) {
        printf("%s:%u: too many passes\n", golden->file, golden->line);
        return false;
    }
    check_case_apart(&c, &out);
    for (uint32_t i = 0; i < c.pass_count; i++) {
        if (out.refused[i])
            printf("%s:%u: '%s' refuses\n", golden->file, golden->line, c.passes[i]);
    }
    if (out.kind == CHECK_FINE)
        return true;
    printf("%s:%u: %s%s%s: %s\n", golden->file, golden->line, check_kinds[out.kind], *out.pass ? " at " : "", out.pass,
           out.message);
    return false;
}

static void replay_file(const char *path, int *cases, int *failed)
{
    GfArena arena;
    size_t count = 0;

    gf_arena_init(&arena, NULL);
    GoldenCase *found = golden_read(&arena, path, &count);
    if (!found) {
        printf("%s: cannot be read\n", path);
        *failed += 1;
    }
    for (size_t i = 0; found && i < count; i++) {
        *cases += 1;
        *failed += !replay_case(&found[i]);
    }
    gf_arena_free(&arena);
}

static int is_gir(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".gir") == 0;
}

static void replay_path(const char *path, int *cases, int *failed)
{
    struct dirent **entries;
    struct stat info;
    char file[4096];

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        replay_file(path, cases, failed);
        return;
    }
    int count = scandir(path, &entries, is_gir, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        replay_file(file, cases, failed);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static int replay(char **paths, int count)
{
    int cases = 0, failed = 0;

    for (int i = 0; i < count; i++)
        replay_path(paths[i], &cases, &failed);
    printf("%d cases, %d failed\n", cases, failed);
    return cases == 0 || failed != 0;
}

/* ---- the command line ----------------------------------------------------------------------------- */

static int print_seed(const Options *o, uint64_t seed)
{
    GfArena arena;
    Outcome out;
    Case c;

    gf_arena_init(&arena, NULL);
    GfText text = {.arena = &arena};
    make_case(o, seed, &c, &arena, &out);
    case_print(&c, "as generated", &text);
    printf("%s%s", gf_text_str(&text), out.message);
    gf_arena_free(&arena);
    return out.kind != CHECK_FINE;
}

static bool read_option(Options *o, const char *key, const char *value)
{
    const struct {
        const char *key;
        uint64_t *number;
        double *real;
    } known[] = {{"--seed", &o->seed, NULL},           {"--count", &o->count, NULL},
                 {"--cpu-every", &o->cpu_every, NULL}, {"--cuda-every", &o->cuda_every, NULL},
                 {"--seconds", NULL, &o->seconds},     {"--shrink-seconds", NULL, &o->shrink_seconds}};

    if (strcmp(key, "--keep") == 0) {
        o->keep = value;
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(key, known[i].key) != 0)
            continue;
        if (known[i].number)
            *known[i].number = strtoull(value, NULL, 10);
        else
            *known[i].real = strtod(value, NULL);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    Options o = {.seed = 1, .count = UINT64_MAX, .cpu_every = 1, .shrink_seconds = 120, .cpu = has_cpu()};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--replay") == 0)
            return replay(argv + i + 1, argc - i - 1);
        if (strcmp(argv[i], "--print") == 0 && i + 1 < argc)
            return print_seed(&o, strtoull(argv[i + 1], NULL, 10));
        if (strcmp(argv[i], "--want-failure") == 0)
            o.want_failure = true;
        else if (strcmp(argv[i], "--all") == 0)
            o.all = true;
        else if (i + 1 < argc && read_option(&o, argv[i], argv[i + 1]))
            i++;
        else {
            fprintf(stderr, "usage: see %s\n", __FILE__);
            return 2;
        }
    }
    if (o.count == UINT64_MAX && !o.seconds)
        o.count = 1000;
    return run_many(&o) ? 0 : 1;
}
