/* check.c -- see check.h. */
#include "tests/random/check.h"

#include "codegen/codegen.h"
#include "ir/same.h"
#include "tests/random/copy.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Noise of some 64 roundings of a double: what it moves too far has no digits to agree in. */
#define DOUBLE_NOISE 1e-14

/* A case that takes longer hangs: of the processor, and of the clock, should it wait. */
enum { SECONDS = 100, CLOCK_SECONDS = 1800 };

const char *const check_kinds[CHECK_KINDS] = {"fine",     "graph",   "text",     "pass",  "verify", "values",
                                              "gradient", "compile", "compiled", "order", "crash",  "hangs"};

/* ---- outcomes ------------------------------------------------------------------------------- */

void outcome_fail(Outcome *out, CheckKind kind, const char *format, ...)
{
    va_list args;

    if (out->kind != CHECK_FINE)
        return;
    out->kind = kind;
    va_start(args, format);
    vsnprintf(out->message, sizeof out->message, format, args);
    va_end(args);
}

void outcome_fail_diags(Outcome *out, CheckKind kind, const GfDiags *diags)
{
    outcome_fail(out, kind, "%s%s%s", diags->first ? diags->first->message : "does not say why",
                 diags->first && diags->first != diags->last ? "; " : "",
                 diags->first && diags->first != diags->last ? diags->last->message : "");
}

const char *case_sizes(const Case *c, char text[64])
{
    snprintf(text, 64, "tokens=%lld seqs=%lld", (long long)c->tokens, (long long)c->seqs);
    return text;
}

const GfTarget *case_target(const Case *c)
{
    return c->cuda ? &gf_target_cuda : &gf_target_cpu;
}

/* ---- one case -------------------------------------------------------------------------------- */

typedef struct Checking {
    const Case *c;
    Outcome *out;
    GfGraph *g;
    char sizes[64];
    bool returns_gradients;
} Checking;

static const char *print_into(GfArena *arena, const GfGraph *g)
{
    GfText text = {.arena = arena};
    gf_graph_print(g, &text);
    return gf_text_str(&text);
}

/* print(parse(print(g))) == print(g) */
static void check_text(const Checking *k, const GfGraph *g)
{
    GfArena arena;
    GfDiags diags;
    GfGraph *parsed;

    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    const char *text = print_into(&arena, g);
    if (gf_graph_parse("printed.gir", text, strlen(text), NULL, &parsed, &diags) != GF_OK)
        outcome_fail_diags(k->out, CHECK_TEXT, &diags);
    else if (strcmp(text, print_into(&arena, parsed)) != 0)
        outcome_fail(k->out, CHECK_TEXT, "what is printed prints differently once parsed");
    gf_graph_free(parsed);
    gf_diags_free(&diags);
    gf_arena_free(&arena);
}

static GfStatus compare(const Checking *k, const GfGraph *before, const GfGraph *after, GfDiags *diags)
{
    return gf_same_values(before, after, &(GfSameOptions){.sizes = k->sizes, .undefined_agrees = true}, diags);
}

/* Rounding of doubles alone changes what the graph gives. */
static bool is_loose(const Checking *k, const GfGraph *before)
{
    GfGraph *noisy = graph_with_noise(before, DOUBLE_NOISE, "d");
    GfDiags unseen;

    gf_diags_init(&unseen, NULL);
    bool loose = noisy && compare(k, before, noisy, &unseen) != GF_OK;
    gf_diags_free(&unseen);
    gf_graph_free(noisy);
    return loose;
}

static void check_values(const Checking *k, const GfGraph *before)
{
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = compare(k, before, k->g, &diags);
    if (status == GF_ERR_VERIFY && is_loose(k, before))
        k->out->loose++;
    else if (status != GF_OK)
        outcome_fail_diags(k->out, CHECK_VALUES, &diags);
    gf_diags_free(&diags);
}

static bool has_op(const GfGraph *g, GfOp op)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == op)
            return true;
    }
    return false;
}

/* What the code must give is what the graph returns: gradients, too. */
static void return_gradients(Checking *k)
{
    if (k->returns_gradients || !has_op(k->g, GF_OP_GRAD))
        return;
    k->returns_gradients = true;
    GfGraph *returning = graph_return_gradients(k->g);
    if (!returning)
        return;
    gf_graph_free(k->g);
    k->g = returning;
}

static void after_pass(Checking *k, const GfPassInfo *info, const GfGraph *before)
{
    check_text(k, k->g);
    if (k->out->kind == CHECK_FINE && !(info->changes & GF_CHANGES_VALUES))
        check_values(k, before);
    if (k->out->kind == CHECK_FINE && !has_op(before, GF_OP_GRAD) && has_op(k->g, GF_OP_GRAD))
        check_gradient(k->g, k->sizes, k->out);
}

static void count_pass(Outcome *out, const GfPassInfo *info)
{
    out->pass_runs++;
    for (int i = 0; i < GF_PASS_COUNT; i++)
        out->passes[i] |= gf_pass_info((GfPassId)i) == info;
}

/* On a graph of its own, since one that refuses may have begun. */
static void run_pass(Checking *k, uint32_t i)
{
    const char *text = k->c->passes[i];
    GfPassReport *reports = NULL;
    GfArena arena;
    GfDiags diags;
    size_t count = 0;

    snprintf(k->out->pass, sizeof k->out->pass, "%.*s", (int)strcspn(text, "{"), text);
    if (strcmp(k->out->pass, "fuse") == 0)
        return_gradients(k);
    GfGraph *before = k->g;
    k->g = gf_graph_clone(before, NULL);
    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_pipeline_run(k->g, text, &(GfPipelineOptions){.target = case_target(k->c)}, &arena, &reports,
                                      &count, &diags);
    if (status == GF_OK) {
        count_pass(k->out, reports[0].info);
        after_pass(k, reports[0].info, before);
    } else if (status == GF_ERR_PASS) {
        k->out->refused[i] = true;
        gf_graph_free(k->g);
        k->g = before;
    } else {
        outcome_fail_diags(k->out, status == GF_ERR_VERIFY ? CHECK_VERIFY : CHECK_PASS, &diags);
    }
    if (k->g != before)
        gf_graph_free(before);
    gf_diags_free(&diags);
    gf_arena_free(&arena);
}

static bool is_planned(const GfGraph *g)
{
    return g->arena_size >= 0;
}

static void run_passes(Checking *k)
{
    check_text(k, k->g);
    for (uint32_t i = 0; i < k->c->pass_count && k->out->kind == CHECK_FINE; i++)
        run_pass(k, i);
    if (k->out->kind != CHECK_FINE)
        return;
    k->out->pass[0] = '\0';
    if (k->c->compiled && is_planned(k->g))
        check_compiled(k->c, k->g, k->out);
    for (const GfNode *n = k->g->first; n && k->out->ran_compiled; n = n->next)
        k->out->ops[n->op] = 1;
}

void check_case(const Case *c, Outcome *out)
{
    Checking k = {.c = c, .out = out};
    GfDiags diags;

    *out = (Outcome){0};
    case_sizes(c, k.sizes);
    gf_diags_init(&diags, NULL);
    if (gf_graph_parse("case.gir", c->text, strlen(c->text), NULL, &k.g, &diags) == GF_OK)
        run_passes(&k);
    else
        outcome_fail_diags(out, CHECK_GRAPH, &diags);
    gf_graph_free(k.g);
    gf_diags_free(&diags);
}

/* ---- in a child ------------------------------------------------------------------------------- */

static bool read_all(int from, void *data, size_t size)
{
    char *at = data;

    while (size) {
        ssize_t got = read(from, at, size);
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

static void run_child(const Case *c, int to)
{
    const struct itimerval limit = {.it_value.tv_sec = SECONDS};
    Outcome *out = calloc(1, sizeof *out);

    setitimer(ITIMER_PROF, &limit, NULL);
    alarm(CLOCK_SECONDS);
    check_case(c, out);
    const char *at = (const char *)out;
    for (size_t left = sizeof *out; left;) {
        ssize_t written = write(to, at, left);
        if (written <= 0)
            break;
        at += written;
        left -= (size_t)written;
    }
    _exit(0);
}

void check_case_apart(const Case *c, Outcome *out)
{
    int ends[2], state = 0;

    fflush(NULL);
    *out = (Outcome){0};
    if (pipe(ends) != 0) {
        outcome_fail(out, CHECK_GRAPH, "no pipe");
        return;
    }
    pid_t child = fork();
    if (child == 0)
        run_child(c, ends[1]);
    close(ends[1]);
    bool fine = child > 0 && read_all(ends[0], out, sizeof *out);
    close(ends[0]);
    if (child > 0)
        waitpid(child, &state, 0);
    if (fine)
        return;
    *out = (Outcome){0};
    if (WIFSIGNALED(state) && (WTERMSIG(state) == SIGPROF || WTERMSIG(state) == SIGALRM))
        outcome_fail(out, CHECK_HANGS, "not done after %d seconds", SECONDS);
    else
        outcome_fail(out, CHECK_CRASH, "ends with %s %d", WIFSIGNALED(state) ? "signal" : "code",
                     WIFSIGNALED(state) ? WTERMSIG(state) : WEXITSTATUS(state));
}
