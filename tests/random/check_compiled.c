/* check_compiled.c -- the code of a planned graph against the evaluator.  See check.h.
 *
 * The tolerance of a result: |got - want| <= EXACT |want| + MARGIN d, where d is how far
 * noise of NOISE in every value of the graph moves the result, the larger of two draws.
 * Where elements cancel inside of an op, as in gelu(-6), noise outside of it does not show:
 * |want| counts as that of elements of TYPICAL at least.
 */
#include "tests/random/check.h"

#include "codegen/codegen.h"
#include "tests/cuda/emulate_program.h"
#include "tests/random/copy.h"
#include "tests/random/evaluate.h"
#include "tests/support/program_run.h"

#include <math.h>
#include <string.h>

#define NOISE 0x1p-22        /* four roundings of f32 */
#define NOISE_ROUNDED 0x1p-9 /* where factors are rounded to bf16 */
#define MARGIN 8
#define EXACT 2e-6
#define TYPICAL 0.1
#define LOOSE 1e-2 /* a tolerance above this share of the norm says nothing */

typedef struct Compiled {
    const Case *c;
    const GfGraph *g;
    Outcome *out;
    GfDiags *diags;
    GfProgram *program;
    char sizes[64];
    Evaluated oracle, noisy[2];
    GfGraph *noisy_graph[2];
} Compiled;

/* ---- the oracle -------------------------------------------------------------------------------- */

bool graph_rounds(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        const char *round = gf_attr_s(n, "round");
        if (round && *round)
            return true;
    }
    return false;
}

static GfStatus run_oracle(Compiled *k, Evaluated *e, const GfGraph *g)
{
    GF_TRY(evaluate_bind(e, g, k->g, k->sizes, k->diags));
    return gf_eval_run(e->eval, k->diags);
}

static GfStatus run_oracles(Compiled *k)
{
    double noise = graph_rounds(k->g) ? NOISE_ROUNDED : NOISE;

    GF_TRY(run_oracle(k, &k->oracle, k->g));
    for (int i = 0; i < 2; i++) {
        k->noisy_graph[i] = graph_with_noise(k->g, noise, i ? "b" : "a");
        if (!k->noisy_graph[i])
            return gf_fail(k->diags, GF_NOWHERE, GF_ERR_VALUE, "no copy with noise");
        GF_TRY(run_oracle(k, &k->noisy[i], k->noisy_graph[i]));
    }
    return GF_OK;
}

static void free_oracles(Compiled *k)
{
    evaluate_free(&k->oracle);
    for (int i = 0; i < 2; i++) {
        evaluate_free(&k->noisy[i]);
        gf_graph_free(k->noisy_graph[i]);
        k->noisy_graph[i] = NULL;
    }
}

/* ---- comparing ------------------------------------------------------------------------------------ */

/* An output (by name), or the param or state (by label) after the step. */
static const GfTensor *result_of(const Evaluated *e, const char *output, const char *label)
{
    const GfValue *v = output ? gf_graph_output(e->g, output) : gf_result(gf_find_label(e->g, label));
    return gf_eval_value(e->eval, v);
}

static double distance(const double *a, const double *b, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++) {
        double d = a[i] - (b ? b[i] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

static void say(Compiled *k, const char *name, const GfTensor *want, const float *got, double difference,
                double tolerance)
{
    int64_t worst = 0;
    double most = -1;

    for (int64_t i = 0; i < want->count; i++) {
        double d = fabs((double)got[i] - want->data[i]);
        if (!(d <= most)) {
            most = d;
            worst = i;
        }
    }
    outcome_fail(
        k->out, CHECK_COMPILED,
        "'%s' (%s) differs by %.3g of norm %.3g, where %.3g is allowed: element %lld of %lld is %.9g, not %.9g", name,
        k->sizes, difference, distance(want->data, NULL, want->count), tolerance, (long long)worst,
        (long long)want->count, (double)got[worst], want->data[worst]);
}

static void compare(Compiled *k, const char *output, const char *label, const float *memory)
{
    const GfTensor *want = result_of(&k->oracle, output, label);
    double norm = fmax(distance(want->data, NULL, want->count), TYPICAL * sqrt((double)want->count));
    double moved = 0, difference = 0;

    for (int i = 0; i < 2; i++)
        moved = fmax(moved, distance(want->data, result_of(&k->noisy[i], output, label)->data, want->count));
    double tolerance = EXACT * norm + MARGIN * moved;
    if (!isfinite(tolerance) || tolerance > LOOSE * norm) {
        k->out->loose++;
        return;
    }
    for (int64_t i = 0; i < want->count; i++) {
        double d = (double)memory[i] - want->data[i];
        difference += d * d;
    }
    difference = sqrt(difference);
    if (!(difference <= tolerance))
        say(k, output ? output : label, want, memory, difference, tolerance);
}

/* Outputs are what the graph has computed, updates come after it. */
static void compare_all(Compiled *k, const ProgramRun *run)
{
    const GfNode *end = gf_graph_return(k->g);

    for (uint32_t i = 0; i < end->operand_count; i++)
        compare(k, end->outputs[i], NULL, program_run_output(run, end->outputs[i]));
    gf_eval_apply_updates(k->oracle.eval);
    for (int i = 0; i < 2; i++)
        gf_eval_apply_updates(k->noisy[i].eval);
    for (const GfNode *n = k->g->first; n; n = n->next) {
        const char *label = n->op == GF_OP_UPDATE ? gf_operand(n, 0)->node->label : NULL;
        if (label)
            compare(k, NULL, label, program_run_tensor(run, label));
    }
}

/* ---- running --------------------------------------------------------------------------------------- */

static void fill(const Compiled *k, const ProgramRun *run, const GfNode *n)
{
    void *memory = program_run_tensor(run, n->label ? n->label : n->name);
    int64_t count;

    if (!memory)
        return;
    double *data = evaluate_data(&k->oracle, k->g, n, &count);
    for (int64_t i = 0; i < count; i++) {
        if (n->results[0].type.dtype == GF_I32)
            ((int32_t *)memory)[i] = (int32_t)data[i];
        else
            ((float *)memory)[i] = (float)data[i];
    }
    free(data);
}

static void run_step(const Compiled *k, ProgramRun *run, TaskOrder how)
{
    program_run_open(run, k->program, k->oracle.sizes);
    run->batch = k->c->cuda ? emulated_batch : NULL;
    for (const GfNode *n = k->g->first; n; n = n->next) {
        if (is_bindable(n))
            fill(k, run, n);
    }
    program_run_prepare(run, how);
    program_run_step(run, how);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, int64_t size)
{
    const unsigned char *bytes = data;

    for (int64_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_results(const ProgramRun *run)
{
    const GfProgram *p = run->program;
    uint64_t hash = 14695981039346656037u;

    for (uint32_t i = 0; i < p->output_count; i++)
        hash =
            hash_bytes(hash, program_run_at(run, p->outputs[i].buffer), bytes_of_type(&p->outputs[i].type, run->sizes));
    for (uint32_t i = 0; i < p->tensor_count; i++)
        hash = hash_bytes(hash, run->tensors[i].data, run->tensors[i].size);
    return hash;
}

static void check_orders(Compiled *k, uint64_t bits)
{
    static const TaskOrder orders[] = {{1, 7}, {3, 11}};

    for (int i = 0; i < 2; i++) {
        ProgramRun run;
        run_step(k, &run, orders[i]);
        if (hash_results(&run) != bits)
            outcome_fail(k->out, CHECK_ORDER, "another order of tasks gives other bits (%s)", k->sizes);
        program_run_close(&run);
    }
}

static void check_sizes(Compiled *k)
{
    ProgramRun run;

    if (run_oracles(k) != GF_OK) {
        outcome_fail_diags(k->out, CHECK_COMPILED, k->diags);
        free_oracles(k);
        return;
    }
    run_step(k, &run, (TaskOrder){0});
    compare_all(k, &run);
    uint64_t bits = hash_results(&run);
    program_run_close(&run);
    if (k->out->kind == CHECK_FINE)
        check_orders(k, bits);
    free_oracles(k);
}

/* At the sizes of the plan, and at smaller ones. */
static void check_program(Compiled *k)
{
    Case smaller = *k->c;

    case_sizes(k->c, k->sizes);
    check_sizes(k);
    smaller.tokens = (k->c->tokens + 1) / 2;
    smaller.seqs = smaller.tokens < k->c->seqs ? smaller.tokens : k->c->seqs;
    if (k->out->kind != CHECK_FINE || smaller.tokens == k->c->tokens)
        return;
    case_sizes(&smaller, k->sizes);
    check_sizes(k);
}

/* An output that is a param or state, which the step updates: back ends refuse it. */
static bool returns_old_value(const GfGraph *g)
{
    const GfNode *end = gf_graph_return(g);

    for (uint32_t i = 0; i < end->operand_count; i++) {
        const GfValue *v = gf_operand(end, i);
        for (const GfUse *u = v->uses; u; u = u->next) {
            if (u->user->op == GF_OP_UPDATE && u == &u->user->operands[0])
                return true;
        }
    }
    return false;
}

static int symbols_of(const GfType *type)
{
    int count = 0;

    for (uint32_t i = 0; i < type->rank; i++)
        count += type->dims[i].symbol != GF_CONSTANT;
    return count;
}

/* A value of [tokens,seqs] or the like: back ends say that they do not know such. */
static bool has_two_symbols(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        for (uint32_t i = 0; i < n->result_count; i++) {
            if (symbols_of(&n->results[i].type) > 1)
                return true;
        }
    }
    return false;
}

/* An attention_grad whose y and lse are inputs, as hoist-frozen leaves it: data drawn for
 * these do not fit q and k, and what then comes out is nobody's. */
static bool has_unfitting_lse(const GfGraph *g)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_ATTENTION_GRAD && gf_operand(n, 5)->node->op != GF_OP_ATTENTION)
            return true;
    }
    return false;
}

void check_compiled(const Case *c, const GfGraph *g, Outcome *out)
{
    GfDiags diags;
    Compiled k = {.c = c, .g = g, .out = out, .diags = &diags};
    const char *target = c->cuda ? "cuda:sm_80" : "cpu";
    GfCompileOptions options = {.target = target, .form = c->cuda ? "cuda" : NULL, .threads = 1};
    const GfBackend *backend;

    if (returns_old_value(g) || has_two_symbols(g) || has_unfitting_lse(g))
        return;
    gf_diags_init(&diags, NULL);
    GfStatus status = gf_backend_find(target, &backend, &diags);
    if (status == GF_OK)
        status = backend->compile(g, &options, NULL, &k.program, &diags);
    if (status == GF_OK && c->cuda)
        status = emulate_program(k.program, true, &diags);
    if (status != GF_OK)
        outcome_fail_diags(out, CHECK_COMPILE, &diags);
    else
        check_program(&k);
    out->ran_compiled = status == GF_OK;
    gf_program_free(k.program);
    gf_diags_free(&diags);
}
