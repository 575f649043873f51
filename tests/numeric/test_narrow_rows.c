/* test_narrow_rows.c -- a training that computes the rows that are read has the
 * losses of one that computes all of them, with dropout everywhere: masks are
 * those of the same rows.  A mask of other rows is noticed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "passes/passes.h"
#include "tests/support/encoder_text.h"
#include "tests/support/eval_run.h"
#include "tests/support/program_run.h"

enum { LAYERS = 1, HIDDEN = 24, TOKENS = 61, SEQS = 5, STEPS = 8 };

#define LORA "freeze{freeze=\"*\",train=\"classifier.*\"},attach-lora{targets=\"*query *key *value\",r=4,dropout=0.2}"
#define REST ENCODER_BACKWARD "fuse-lora,fuse,join-launches{tokens=61,seqs=5},plan-memory{tokens=61,seqs=5}"

static void pass(Run *r, const char *list)
{
    GfPipelineOptions options = {.target = &gf_target_cpu};
    run_check(r, gf_pipeline_run(r->g, list, &options, NULL, NULL, NULL, &r->diags), list);
}

/* Every dropout that names the rows of its mask names other ones; how many did. */
static int misplace_masks(const GfGraph *g)
{
    GfValue *other = gf_result(gf_find_name(g, "lengths"));
    int count = 0;

    GF_EACH_NODE (n, g) {
        if (!gf_dropout_rows(n))
            continue;
        gf_set_operand(n, 1, other);
        count++;
    }
    return count;
}

/* ---- data ------------------------------------------------------------------------------ */

/* Depends on the name alone, so that both programs begin alike. */
static void fill_floats(const GfTensorDecl *t, float *data, int64_t count)
{
    uint32_t state = 1;

    for (const char *c = t->name; *c; c++)
        state = (state ^ (unsigned char)*c) * 16777619u;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = t->kind == GF_TENSOR_STATE ? 0 : ((float)(state >> 8) / 16777216.0f - 0.5f) * 0.6f;
    }
}

static void fill(const ProgramRun *run)
{
    static const int32_t lengths[SEQS] = {17, 3, 1, 24, 16};
    int32_t *ids = program_run_tensor(run, "ids"), start = 0;

    for (uint32_t i = 0; i < run->program->tensor_count; i++) {
        const GfTensorDecl *t = &run->program->tensors[i];
        if (t->type.dtype == GF_F32)
            fill_floats(t, (float *)(void *)run->tensors[i].data, gf_type_elements(&t->type, run->sizes));
    }
    for (int i = 0; i < TOKENS; i++)
        ids[i] = i * 7 % 50;
    for (int s = 0; s < SEQS; start += lengths[s++]) {
        ((int32_t *)program_run_tensor(run, "starts"))[s] = start;
        ((int32_t *)program_run_tensor(run, "lengths"))[s] = lengths[s];
        ((int32_t *)program_run_tensor(run, "labels"))[s] = s;
    }
    assert_int_equal(start, TOKENS);
    *(float *)program_run_tensor(run, "loss_scale") = 1;
    *(float *)program_run_tensor(run, "lr") = 1e-3f;
}

/* ---- training ---------------------------------------------------------------------------- */

static void train(const GfProgram *program, double losses[STEPS])
{
    static const int64_t sizes[GF_MAX_SYMBOLS] = {TOKENS, SEQS};
    ProgramRun run;

    program_run_open(&run, program, sizes);
    fill(&run);
    program_run_prepare(&run, (TaskOrder){0});
    for (int32_t step = 1; step <= STEPS; step++) {
        *(int32_t *)program_run_tensor(&run, "step") = step;
        memcpy(program_run_tensor(&run, "rng"), (int32_t[]){7, 9, step, 0}, 4 * sizeof(int32_t));
        program_run_step(&run, (TaskOrder){0});
        losses[step - 1] = (double)*program_run_output(&run, "loss");
    }
    program_run_close(&run);
}

typedef enum Kind { WIDE, NARROW, MISPLACED } Kind;

/* Trains the encoder with the passes of a variant; how many dropouts were misplaced. */
static int losses_of(const char *variant, Kind kind, double losses[STEPS])
{
    const GfBackend *backend;
    GfProgram *program;
    GfArena arena;
    int misplaced = 0;
    Run r;

    gf_arena_init(&arena, NULL);
    run_parse(&r, encoder_text(&arena, LAYERS, HIDDEN));
    if (*variant)
        pass(&r, variant);
    if (kind != WIDE)
        pass(&r, "narrow-rows");
    if (kind == MISPLACED)
        misplaced = misplace_masks(r.g);
    pass(&r, REST);
    run_check(&r, gf_backend_find("cpu", &backend, &r.diags), "gf_backend_find");
    run_check(&r, backend->compile(r.g, &(GfCompileOptions){0}, NULL, &program, &r.diags), "compile");
    train(program, losses);
    gf_program_free(program);
    run_free(&r);
    gf_arena_free(&arena);
    return misplaced;
}

static bool agree(const double *a, const double *b)
{
    for (int i = 0; i < STEPS; i++) {
        if (!(fabs(a[i] - b[i]) <= 1e-6 * fabs(b[i])))
            return false;
    }
    return true;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void check_variant(const char *variant, int masks)
{
    double wide[STEPS], narrow[STEPS], misplaced[STEPS];

    losses_of(variant, WIDE, wide);
    losses_of(variant, NARROW, narrow);
    assert_true(fabs(wide[STEPS - 1] - wide[0]) > 1e-3); /* it learns, masks differ */
    if (!agree(narrow, wide))
        fail_msg("'%s': last loss %.9g, not %.9g", variant, narrow[STEPS - 1], wide[STEPS - 1]);
    assert_int_equal(losses_of(variant, MISPLACED, misplaced), masks);
    assert_false(agree(misplaced, wide));
}

/* Masks of the attention's output and of the feed-forward part. */
static void full_training_has_the_same_losses(void **state)
{
    (void)state;
    check_variant("", 2);
}

/* And of the query's adapter. */
static void adapters_have_the_same_losses(void **state)
{
    (void)state;
    check_variant(LORA, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_training_has_the_same_losses),
        cmocka_unit_test(adapters_have_the_same_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
