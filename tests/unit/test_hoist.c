/* test_hoist.c -- the parts that hoist-frozen makes of a step are together the step,
 * and what is kept of a frozen part is what it gives. */
#include "passes/passes.h"
#include "runtime/train/hoist.h"
#include "runtime/train/steps.h"
#include "tests/support/encoder_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/eval_run.h"

/* ---- two graphs of one ------------------------------------------------------------------- */

enum { TOKENS = 9, SEQS = 3, TOP = TOKENS * 64 };

#define STEP "inference{frozen=1}," ENCODER_BACKWARD
#define HEAD "freeze{freeze=\"*\",train=\"classifier.*\"},"
#define UPPER HEAD "attach-lora{targets=\"layer.1.query layer.1.value\",r=4,dropout=0.1},"

/* A batch of the sequences of `order`, and what an evaluation takes of it. */
typedef struct Batch {
    int64_t sizes[2];
    int order[SEQS], count;
} Batch;

static const int lengths[SEQS] = {4, 2, 3};

static Batch batch_of(int count, const int *order)
{
    Batch b = {.sizes = {0, count}, .count = count};

    for (int i = 0; i < count; i++) {
        b.order[i] = order[i];
        b.sizes[0] += lengths[order[i]];
    }
    return b;
}

static void bind_integers(const Batch *b, const char *name, double *out)
{
    int row = 0;

    for (int i = 0; i < b->count; i++) {
        int s = b->order[i];
        if (strcmp(name, "starts") == 0)
            out[i] = row;
        else if (strcmp(name, "lengths") == 0)
            out[i] = lengths[s];
        else if (strcmp(name, "labels") == 0)
            out[i] = s + 1;
        for (int k = 0; k < lengths[s] && strcmp(name, "ids") == 0; k++)
            out[row + k] = 7 * s + 3 * k;
        row += lengths[s];
    }
}

/* By its name alone, so that every graph gets the same. */
static void bind_floats(const GfNode *n, int64_t count, double *out)
{
    uint64_t state = 1;

    for (const char *p = n->label ? n->label : n->name; *p; p++)
        state = (state ^ (unsigned char)*p) * 1099511628211u;
    for (int64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double x = (double)(state >> 11) * 0x1p-53;
        out[i] = n->op == GF_OP_STATE ? x : n->op == GF_OP_INPUT ? 0.5 + x : 2 * x - 1;
    }
}

static void bind(Run *r, const Batch *b, const GfNode *n)
{
    double data[4096] = {0};
    const GfType *type = &n->results[0].type;
    int64_t count = gf_type_elements(type, b->sizes);

    assert_true(count <= 4096);
    if (strcmp(n->name, "rng") == 0)
        memcpy(data, (const double[]){11, 22, 33, 0}, 4 * sizeof *data);
    else if (strcmp(n->name, "step") == 0)
        data[0] = 3;
    else if (type->dtype == GF_I32)
        bind_integers(b, n->name, data);
    else
        bind_floats(n, count, data);
    run_check(r, gf_eval_bind(r->e, n, data, &r->diags), n->name);
}

/* Of an encoder with two layers, after `passes`. */
static void start(Run *r, const Batch *b, const char *passes)
{
    GfArena scratch;

    gf_arena_init(&scratch, NULL);
    run_parse(r, encoder_text(&scratch, 2, 8));
    run_check(r, gf_pipeline_run(r->g, passes, NULL, NULL, NULL, NULL, &r->diags), passes);
    gf_arena_free(&scratch);
    run_prepare(r, b->sizes);
    GF_EACH_NODE (n, r->g)
        if (is_bound_node(n) && strncmp(n->name, "hoisted.", 8) != 0)
            bind(r, b, n);
}

/* Give the step what the frozen part has computed, with one element `off` by a tenth. */
static int hand_over(Run *step, const Run *frozen, bool off)
{
    const GfNode *end = gf_graph_return(frozen->g);

    for (uint32_t i = 0; i < end->operand_count; i++) {
        const GfTensor *t = gf_eval_value(frozen->e, gf_operand(end, i));
        GfNode *input = gf_find_name(step->g, end->outputs[i]);
        assert_true(input && input->op == GF_OP_INPUT && t->count <= TOP);
        double data[TOP];
        memcpy(data, t->data, (size_t)t->count * sizeof *data);
        data[t->count - 1] += off ? 0.1 : 0;
        run_check(step, gf_eval_bind(step->e, input, data, &step->diags), "hoisted");
    }
    return (int)end->operand_count;
}

static const GfValue *update_of(const GfGraph *g, const char *label)
{
    GF_EACH_NODE (n, g)
        if (n->op == GF_OP_UPDATE && strcmp(gf_operand(n, 0)->node->label, label) == 0)
            return gf_operand(n, 1);
    return NULL;
}

static bool same_tensor(const GfTensor *a, const GfTensor *b)
{
    return a->count == b->count && near_norm(a->data, b->data, a->count, 1e-12);
}

/* Outputs and updates; there are some of both. */
static bool same_step(const Run *a, const Run *b)
{
    const GfNode *end = gf_graph_return(a->g);
    int updates = 0;
    bool same = true;

    for (uint32_t i = 0; i < end->operand_count; i++)
        same = same && same_tensor(gf_eval_value(a->e, gf_operand(end, i)),
                                   gf_eval_value(b->e, gf_graph_output(b->g, end->outputs[i])));
    GF_EACH_NODE (n, a->g) {
        if (n->op != GF_OP_UPDATE)
            continue;
        const GfValue *other = update_of(b->g, gf_operand(n, 0)->node->label);
        assert_non_null(other);
        same = same && same_tensor(gf_eval_value(a->e, gf_operand(n, 1)), gf_eval_value(b->e, other));
        updates++;
    }
    assert_true(end->operand_count >= 3 && updates >= 6);
    return same;
}

static void check_parts(const char *whole_list, const char *step_list, const char *frozen_list, int values)
{
    Batch b = batch_of(3, (const int[]){0, 1, 2});
    Run whole, step, frozen;

    start(&whole, &b, whole_list);
    start(&step, &b, step_list);
    start(&frozen, &b, frozen_list);
    run_check(&whole, gf_eval_run(whole.e, &whole.diags), "the whole");
    run_check(&frozen, gf_eval_run(frozen.e, &frozen.diags), "the frozen part");
    for (int off = 0; off < 2; off++) {
        assert_int_equal(hand_over(&step, &frozen, off), values);
        run_check(&step, gf_eval_run(step.e, &step.diags), "the step");
        assert_int_equal(same_step(&whole, &step), !off);
    }
    assert_null(gf_find_name(step.g, "ids"));
    assert_null(gf_find_label(step.g, "layer.0.query.weight")->results[0].uses);
    run_free(&whole);
    run_free(&step);
    run_free(&frozen);
}

/* One value a sequence; or, below adapters that drop, one a token. */
static void the_parts_are_the_step(void **state)
{
    (void)state;
    check_parts(HEAD STEP "dce", HEAD STEP "hoist-frozen,dce", HEAD STEP "hoist-frozen{part=frozen},dce", 1);
    check_parts(UPPER STEP "dce", UPPER STEP "hoist-frozen,dce", UPPER STEP "hoist-frozen{part=frozen},dce", 1);
}

/* The rows of a sequence are the same in any company: what legality says. */
static void rows_are_the_examples(void **state)
{
    static const char *const lists[] = {HEAD STEP "hoist-frozen{part=frozen},dce",
                                        UPPER STEP "hoist-frozen{part=frozen},dce"};
    Batch all = batch_of(3, (const int[]){0, 1, 2}), some = batch_of(2, (const int[]){2, 0});

    (void)state;
    for (int tokens = 0; tokens < 2; tokens++) {
        Run a, b;
        start(&a, &all, lists[tokens]);
        start(&b, &some, lists[tokens]);
        run_check(&a, gf_eval_run(a.e, &a.diags), "all");
        run_check(&b, gf_eval_run(b.e, &b.diags), "some");
        const GfTensor *x = gf_eval_value(a.e, gf_graph_output(a.g, "hoisted.0"));
        const GfTensor *y = gf_eval_value(b.e, gf_graph_output(b.g, "hoisted.0"));
        size_t of_0 = tokens ? 4 : 1, of_2 = tokens ? 3 : 1, at_2 = tokens ? 6 : 2;
        assert_int_equal(y->count, 8 * (of_0 + of_2));
        assert_memory_equal(y->data, x->data + 8 * at_2, 8 * of_2 * sizeof *x->data);
        assert_memory_equal(y->data + 8 * of_2, x->data, 8 * of_0 * sizeof *x->data);
        run_free(&a);
        run_free(&b);
    }
}

/* With the frozen part's dropout nothing is the same twice. */
static void dropout_stands_in_the_way(void **state)
{
    Batch b = batch_of(3, (const int[]){0, 1, 2});
    Run r;

    (void)state;
    start(&r, &b, HEAD ENCODER_BACKWARD "hoist-frozen,dce");
    GF_EACH_NODE (n, r.g)
        assert_true(strncmp(n->name ? n->name : "", "hoisted.", 8) != 0 || n->op != GF_OP_INPUT);
    run_free(&r);
}

/* ---- what is kept ------------------------------------------------------------------------- */

enum { EXAMPLES = 22, BATCH = 4, ROOM = 64 };

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfDataset data;
    GfTensorDecl inputs[5], hoisted[2];
    GfBuffer buffers[5];
    GfKernel kernels[2];
    GfLaunch launches[2];
    GfOutput outputs[2], taken[2];
    GfProgram frozen_program, step_program;
    GfPool *pool;
    GfStore store;
    GfExec *frozen, *step;
    GfBatcher batcher;
    GfHoist hoist;
} Fixture;

/* hoisted.0 f32[seqs,2] = first id, length; hoisted.1 f32[tokens,1] = id.
 * buffers: ids, starts, lengths, hoisted.0, hoisted.1; counts sequences in the last row of the arena */
static void give(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                 void *scratch)
{
    const int32_t *ids = b[0], *starts = b[1], *counts = b[2];
    float *pairs = b[3], *rows = b[4];

    (void)scalars, (void)begin, (void)end, (void)scratch;
    for (int64_t s = 0; s < sizes[1]; s++) {
        pairs[2 * s] = (float)ids[starts[s]];
        pairs[2 * s + 1] = (float)counts[s];
    }
    for (int64_t t = 0; t < sizes[0]; t++)
        rows[t] = (float)ids[t];
    pairs[2 * ROOM] += (float)sizes[1];
}

/* What it was given. */
static void take(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                 void *scratch)
{
    (void)scalars, (void)begin, (void)end, (void)scratch;
    memcpy(b[2], b[0], (size_t)sizes[1] * 2 * sizeof(float));
    memcpy(b[3], b[1], (size_t)sizes[0] * sizeof(float));
}

static GfTensorDecl input(const char *name, GfType type)
{
    return (GfTensorDecl){.kind = GF_TENSOR_INPUT, .name = name, .type = type, .init = ""};
}

static GfProgram program_of(GfTensorDecl *tensors, uint32_t count, GfKernel *kernel, GfLaunch *launch,
                            GfOutput *outputs)
{
    return (GfProgram){.symbols = {"tokens", "seqs"},
                       .symbol_count = 2,
                       .max_sizes = {ROOM, BATCH},
                       .tensors = tensors,
                       .tensor_count = count,
                       .kernels = kernel,
                       .kernel_count = 1,
                       .launches = launch,
                       .launch_count = 1,
                       .outputs = outputs,
                       .output_count = 2,
                       .arena_size = 4096};
}

static void make_programs(Fixture *f)
{
    GfType pairs = gf_type_matrix(GF_F32, gf_dim_symbol(1), gf_dim_const(2));
    GfType rows = gf_type_matrix(GF_F32, gf_dim_symbol(0), gf_dim_const(1));
    GfBuffer places[] = {{.kind = GF_BUFFER_ARENA}, {.kind = GF_BUFFER_ARENA, .offset = 2048}};
    GfWork once = {{gf_dim_const(1), gf_dim_const(1)}, {1, 1}};

    f->inputs[0] = input("ids", gf_type_vector(GF_I32, gf_dim_symbol(0)));
    f->inputs[1] = input("starts", gf_type_vector(GF_I32, gf_dim_symbol(1)));
    f->inputs[2] = input("lengths", gf_type_vector(GF_I32, gf_dim_symbol(1)));
    f->hoisted[0] = input("hoisted.0", pairs);
    f->hoisted[1] = input("hoisted.1", rows);
    for (uint32_t i = 0; i < 3; i++)
        f->buffers[i] = (GfBuffer){.kind = GF_BUFFER_TENSOR, .index = i};
    memcpy(f->buffers + 3, places, sizeof places);
    f->kernels[0] = (GfKernel){.name = "give", .cpu = give};
    f->kernels[1] = (GfKernel){.name = "take", .cpu = take};
    static GfBuffer taken[4];
    memcpy(taken, (GfBuffer[]){f->buffers[0], f->buffers[1], places[0], places[1]}, sizeof taken);
    f->launches[0] = (GfLaunch){.buffers = f->buffers, .buffer_count = 5, .work = once};
    f->launches[1] = (GfLaunch){.buffers = taken, .buffer_count = 4, .work = once};
    for (int i = 0; i < 2; i++) {
        f->outputs[i] = (GfOutput){.name = f->hoisted[i].name, .type = i ? rows : pairs, .buffer = places[i]};
        f->taken[i] = (GfOutput){.name = i ? "rows" : "pairs", .type = i ? rows : pairs, .buffer = places[i]};
    }
    f->frozen_program = program_of(f->inputs, 3, &f->kernels[0], &f->launches[0], f->outputs);
    f->step_program = program_of(f->hoisted, 2, &f->kernels[1], &f->launches[1], f->taken);
}

/* Example i is `1 + i % 3` tokens: 100 i, 100 i + 1 ... */
static void make_data(Fixture *f)
{
    int32_t ids[3 * EXAMPLES], labels[EXAMPLES] = {0};
    size_t counts[EXAMPLES], tokens = 0;

    for (size_t i = 0; i < EXAMPLES; i++) {
        counts[i] = 1 + i % 3;
        for (size_t k = 0; k < counts[i]; k++)
            ids[tokens++] = (int32_t)(100 * i + k);
    }
    GfSequences s = {.examples = EXAMPLES, .ids = ids, .lengths = counts, .labels = labels, .class_count = 2};
    assert_int_equal(gf_dataset_from_sequences(&f->data, &f->arena, &s, &f->diags), GF_OK);
    assert_int_equal(gf_batcher_init(&f->batcher, &f->arena, &f->data, BATCH, &f->diags), GF_OK);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    make_programs(f);
    make_data(f);
    gf_store_init(&f->store, NULL);
    *state = f;
    return gf_pool_new(1, NULL, &f->pool, &f->diags) != GF_OK ||
           gf_store_fill(&f->store, &(GfStoreSource){.prefix = ""}, &f->diags) != GF_OK ||
           gf_exec_new(&(GfDevice){.pool = f->pool}, &f->frozen_program, &f->store, NULL, &f->frozen, &f->diags) !=
               GF_OK ||
           gf_exec_new(&(GfDevice){.pool = f->pool}, &f->step_program, &f->store, NULL, &f->step, &f->diags) != GF_OK;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_exec_free(f->frozen);
    gf_exec_free(f->step);
    gf_store_free(&f->store);
    gf_pool_free(f->pool);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static void keep(Fixture *f, int64_t budget)
{
    assert_int_equal(
        gf_hoist_init(&f->hoist, &f->arena, f->frozen, &f->frozen_program, &f->store, &f->batcher, budget, &f->diags),
        GF_OK);
}

/* Sequences that went through the frozen part so far. */
static int computed(const Fixture *f)
{
    const float *pairs = gf_exec_output(f->frozen, "hoisted.0");
    return (int)pairs[2 * ROOM];
}

static bool is_right(Fixture *f, const GfBatch *batch)
{
    assert_int_equal(gf_hoist_bind(&f->hoist, f->step, batch, &f->diags), GF_OK);
    assert_int_equal(gf_steps_run(f->step, batch, NULL, &f->diags), GF_OK);
    const float *pairs = gf_exec_output(f->step, "pairs"), *rows = gf_exec_output(f->step, "rows");
    bool right = true;

    for (int32_t s = 0; s < batch->seqs; s++)
        right = right && pairs[2 * s] == (float)batch->ids[batch->starts[s]] &&
                pairs[2 * s + 1] == (float)batch->lengths[s];
    for (int32_t t = 0; t < batch->tokens; t++)
        right = right && rows[t] == (float)batch->ids[t];
    return right;
}

/* Whether all batches of an epoch got what is theirs. */
static bool epoch(Fixture *f, uint64_t number)
{
    const GfBatch *batch;
    bool right = true;

    gf_batcher_start_shuffled(&f->batcher, 5, number);
    while ((batch = gf_batcher_next(&f->batcher)))
        right = is_right(f, batch) && right;
    return right;
}

static void each_example_is_computed_once(void **state)
{
    Fixture *f = *state;

    keep(f, 1 << 20);
    assert_int_equal(f->hoist.kept, EXAMPLES);
    assert_int_equal(f->hoist.bytes, f->hoist.wanted);
    assert_int_equal(f->hoist.wanted, (2 * EXAMPLES + (int64_t)f->data.tokens) * 4);
    assert_true(epoch(f, 0));
    assert_int_equal(computed(f), EXAMPLES);
    assert_true(epoch(f, 1) && epoch(f, 2));
    assert_int_equal(computed(f), EXAMPLES);
    assert_int_equal(f->hoist.kept_count, EXAMPLES);
}

/* Within the budget, to the byte; the others are computed in every epoch. */
static void as_many_are_kept_as_fit(void **state)
{
    Fixture *f = *state;
    int64_t of_9 = (2 * 9 + (int64_t)f->data.offsets[9]) * 4;

    keep(f, of_9 - 1);
    assert_int_equal(f->hoist.kept, 8);
    keep(f, of_9);
    assert_int_equal(f->hoist.kept, 9);
    assert_int_equal(f->hoist.bytes, of_9);
    assert_true(epoch(f, 0));
    assert_int_equal(computed(f), EXAMPLES);
    assert_true(epoch(f, 1));
    assert_int_equal(computed(f), 2 * EXAMPLES - 9);
    assert_int_equal(f->hoist.kept_count, 9);
}

static void without_a_budget_nothing_is_kept(void **state)
{
    Fixture *f = *state;

    keep(f, 0);
    assert_int_equal(f->hoist.kept, 0);
    assert_true(epoch(f, 0) && epoch(f, 1));
    assert_int_equal(computed(f), 2 * EXAMPLES);
}

/* What is kept is what is given: a wrong row is noticed here. */
static void a_wrong_row_is_seen(void **state)
{
    Fixture *f = *state;

    keep(f, 1 << 20);
    assert_true(epoch(f, 0));
    f->hoist.values[1].kept[f->data.offsets[7]] += 1;
    assert_false(epoch(f, 1));
    f->hoist.values[1].kept[f->data.offsets[7]] -= 1;
    f->hoist.values[0].kept[2 * 13 + 1] += 1;
    assert_false(epoch(f, 2));
}

/* Of the step's inputs each must be an output of the other program, in its type. */
static void programs_must_fit(void **state)
{
    Fixture *f = *state;

    assert_true(gf_program_hoists(&f->step_program) && !gf_program_hoists(&f->frozen_program));
    assert_int_equal(gf_hoist_check(&f->step_program, &f->frozen_program, &f->diags), GF_OK);
    assert_int_equal(gf_hoist_check(&f->frozen_program, NULL, &f->diags), GF_OK);
    assert_int_equal(gf_hoist_check(NULL, NULL, &f->diags), GF_OK);
    assert_int_equal(gf_hoist_check(&f->step_program, NULL, &f->diags), GF_ERR_COMPILE);
    f->outputs[1].type.dims[1] = gf_dim_const(3);
    assert_int_equal(gf_hoist_check(&f->step_program, &f->frozen_program, &f->diags), GF_ERR_COMPILE);
    f->outputs[1] = f->outputs[0];
    assert_int_equal(gf_hoist_check(&f->step_program, &f->frozen_program, &f->diags), GF_ERR_COMPILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_are_the_step),
        cmocka_unit_test(rows_are_the_examples),
        cmocka_unit_test(dropout_stands_in_the_way),
        cmocka_unit_test_setup_teardown(each_example_is_computed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_are_kept_as_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_budget_nothing_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_row_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(programs_must_fit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
