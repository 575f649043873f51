/* test_trainer.c -- the loop's bookkeeping, over programs that only write down
 * what they are given. */
#include "runtime/train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EXAMPLES = 22, BATCH = 4, ROWS = 256, WIDTH = 8 };

/* What one run of a program was given. */
typedef enum Field { WHICH, FIRST_ID, SEQS, STEP, MICRO, SEED, LR, LOSS_SCALE } Field;

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfDataset data;
    GfTraining training;
    GfTensorDecl tensors[7];
    GfKernel kernel;
    GfBuffer buffers[8];
    GfLaunch launch[2];
    int64_t which[2];
    GfOutput outputs[3];
    GfProgram programs[2]; /* update, accumulate */
    GfPool *pool;
    GfSteps steps;
    GfTrainer trainer;
    int epochs, reports;
    double last_epoch;
} Fixture;

/* Writes a row of the log, whose first row holds their number.
 * buffers: ids, step, rng, lr, loss_scale, log, loss; sizes: tokens, seqs */
static void record(void *const *b, const int64_t *sizes, const int64_t *scalars, int64_t begin, int64_t end,
                   void *scratch)
{
    float *log = b[5], *row = log + WIDTH * (int64_t)++log[0];
    const int32_t *rng = b[2];

    (void)begin;
    (void)end;
    (void)scratch;
    row[WHICH] = (float)scalars[0];
    row[FIRST_ID] = (float)((const int32_t *)b[0])[0];
    row[SEQS] = (float)sizes[1];
    row[STEP] = (float)((const int32_t *)b[1])[0];
    row[MICRO] = (float)rng[3];
    row[SEED] = (float)rng[0];
    row[LR] = ((const float *)b[3])[0];
    row[LOSS_SCALE] = ((const float *)b[4])[0];
    *(float *)b[6] = (float)sizes[1]; /* the loss is the number of sequences */
}

static GfTensorDecl input(const char *name, GfType type)
{
    return (GfTensorDecl){.kind = GF_TENSOR_INPUT, .name = name, .type = type, .init = ""};
}

static void make_program(Fixture *f, int i)
{
    f->which[i] = i;
    f->launch[i] = (GfLaunch){.buffers = f->buffers,
                              .buffer_count = 7,
                              .scalars = &f->which[i],
                              .scalar_count = 1,
                              .work = {{gf_dim_const(1), gf_dim_const(1)}, {1, 1}}};
    f->programs[i] = (GfProgram){.symbols = {"tokens", "seqs"},
                                 .symbol_count = 2,
                                 .max_sizes = {1000, BATCH},
                                 .tensors = f->tensors,
                                 .tensor_count = 6,
                                 .kernels = &f->kernel,
                                 .kernel_count = 1,
                                 .launches = &f->launch[i],
                                 .launch_count = 1,
                                 .outputs = f->outputs,
                                 .output_count = 2,
                                 .arena_size = 4096};
}

static void make_programs(Fixture *f)
{
    f->tensors[0] = input("ids", gf_type_vector(GF_I32, gf_dim_symbol(0)));
    f->tensors[1] = input("step", gf_type_scalar(GF_I32));
    f->tensors[2] = input("rng", gf_type_vector(GF_I32, gf_dim_const(4)));
    f->tensors[3] = input("lr", gf_type_scalar(GF_F32));
    f->tensors[4] = input("loss_scale", gf_type_scalar(GF_F32));
    f->tensors[5] = (GfTensorDecl){.kind = GF_TENSOR_STATE,
                                   .name = "log",
                                   .type = gf_type_matrix(GF_F32, gf_dim_const(ROWS), gf_dim_const(WIDTH)),
                                   .updated = true,
                                   .init = "zeros"};
    for (uint32_t i = 0; i < 6; i++)
        f->buffers[i] = (GfBuffer){.kind = GF_BUFFER_TENSOR, .index = i};
    f->buffers[6] = (GfBuffer){.kind = GF_BUFFER_ARENA};
    f->kernel = (GfKernel){.name = "record", .cpu = record};
    f->outputs[0] = (GfOutput){.name = "loss", .type = gf_type_scalar(GF_F32), .buffer = f->buffers[6]};
    f->outputs[1] = (GfOutput){.name = "grad_norm", .type = gf_type_scalar(GF_F32), .buffer = f->buffers[4]};
    make_program(f, 0);
    make_program(f, 1);
}

/* Example i is `1 + i % 3` tokens with the id 100 + i. */
static void make_data(Fixture *f)
{
    int32_t ids[3 * EXAMPLES], labels[EXAMPLES] = {0};
    size_t lengths[EXAMPLES], tokens = 0;

    for (size_t i = 0; i < EXAMPLES; i++) {
        lengths[i] = 1 + i % 3;
        for (size_t k = 0; k < lengths[i]; k++)
            ids[tokens++] = 100 + (int32_t)i;
    }
    GfSequences s = {.examples = EXAMPLES, .ids = ids, .lengths = lengths, .labels = labels, .class_count = 2};
    assert_int_equal(gf_dataset_from_sequences(&f->data, &f->arena, &s, &f->diags), GF_OK);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    GfStoreSource source = {.prefix = ""};

    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    f->training = gf_training_defaults;
    f->training.per_device_train_batch_size = BATCH;
    f->training.learning_rate = 1;
    f->training.num_train_epochs = 2;
    make_programs(f);
    make_data(f);
    gf_store_init(&f->steps.store, NULL);
    *state = f;
    return gf_pool_new(2, NULL, &f->pool, &f->diags) != GF_OK ||
           gf_store_declare(&f->steps.store, &f->programs[0], &f->diags) != GF_OK ||
           gf_store_fill(&f->steps.store, &source, &f->diags) != GF_OK ||
           gf_exec_new(&(GfDevice){.pool = f->pool}, &f->programs[0], &f->steps.store, NULL, &f->steps.update.exec,
                       &f->diags) != GF_OK ||
           gf_exec_new(&(GfDevice){.pool = f->pool}, &f->programs[1], &f->steps.store, NULL, &f->steps.accumulate.exec,
                       &f->diags) != GF_OK;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_steps_free(&f->steps);
    gf_pool_free(f->pool);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static const float *row_of(const Fixture *f, int i)
{
    return gf_store_find(&f->steps.store, "log")->data + WIDTH * (1 + i);
}

static int rows_of(const Fixture *f)
{
    return (int)gf_store_find(&f->steps.store, "log")->data[0];
}

static void on_epoch(void *self, const GfEpochReport *report)
{
    Fixture *f = self;
    f->epochs++;
    f->last_epoch = report->epoch;
    assert_false(report->evaluated);
    assert_true(report->train_loss > 0 && report->examples > 0);
}

static void on_step(void *self, const GfStepReport *report)
{
    Fixture *f = self;
    assert_int_equal(report->step, ++f->reports);
}

static void run(Fixture *f, size_t fixed_batch)
{
    GfTrainEvents events = {.self = f, .step = on_step, .epoch = on_epoch};
    GfTrainerOptions options = {
        .training = &f->training, .steps = &f->steps, .train = &f->data, .fixed_batch = fixed_batch, .events = &events};

    assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_OK);
    assert_int_equal(gf_trainer_run(&f->trainer, &f->diags), GF_OK);
}

/* 22 examples in batches of 4: six batches an epoch, the last of 2. */
static void takes_a_step_a_batch(void **state)
{
    Fixture *f = *state;

    run(f, 0);
    assert_int_equal(rows_of(f), 12);
    assert_int_equal(f->trainer.max_steps, 12);
    assert_int_equal(f->epochs, 2);
    assert_true(f->last_epoch == 2);
    for (int i = 0; i < 12; i++) {
        const float *row = row_of(f, i);
        assert_true(row[WHICH] == 0 && row[STEP] == (float)(i + 1) && row[MICRO] == 0 && row[LOSS_SCALE] == 1);
        assert_true(row[SEQS] == (i % 6 == 5 ? 2 : 4));
        assert_true(row[SEED] == 42);
        assert_true(fabsf(row[LR] - (1 - (float)i / 12)) < 1e-6f);
    }
    assert_int_equal(f->trainer.state.examples, 2 * EXAMPLES);
    assert_int_equal(f->trainer.state.tokens, (int64_t)(2 * f->data.tokens));
}

/* Steps of four micro-batches: four, then the two that are left. */
static void accumulates(void **state)
{
    static const float scales[] = {4 / 16.f, 4 / 16.f, 4 / 16.f, 4 / 16.f, 4 / 6.f, 2 / 6.f};
    static const float which[] = {1, 1, 1, 0, 1, 0}, micro[] = {0, 1, 2, 3, 0, 1};
    Fixture *f = *state;

    f->training.gradient_accumulation_steps = 4;
    run(f, 0);
    assert_int_equal(rows_of(f), 12);
    assert_int_equal(f->trainer.max_steps, 4);
    assert_int_equal(f->reports, 4);
    for (int i = 0; i < 12; i++) {
        const float *row = row_of(f, i);
        assert_true(row[WHICH] == which[i % 6] && row[MICRO] == micro[i % 6]);
        assert_true(row[LOSS_SCALE] == scales[i % 6]);
        assert_true(row[STEP] == (float)(i / 6 * 2 + (i % 6 > 3) + 1));
    }
}

/* The loss of a step is the mean over its examples, not over its micro-batches. */
static void weighs_losses_by_examples(void **state)
{
    Fixture *f = *state;
    GfTrainerOptions options = {.training = &f->training, .steps = &f->steps, .train = &f->data};
    GfStepReport report;

    f->training.gradient_accumulation_steps = 4;
    assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_OK);
    assert_int_equal(gf_trainer_step(&f->trainer, NULL, &f->diags), GF_OK);
    assert_int_equal(gf_trainer_step(&f->trainer, &report, &f->diags), GF_OK);
    assert_int_equal(report.examples, 6);
    assert_true(fabs(report.loss - (4.0 * 4 + 2.0 * 2) / 6) < 1e-12);
    assert_true(report.epoch == 1);
}

/* Examples of class 1 weigh 3: a micro-batch counts by its share of the weights of the step, and so does its loss. */
static void weighs_micro_batches_by_classes(void **state)
{
    static const float weights[] = {1, 3};
    static const double sums[] = {12, 4, 4, 4}; /* fixed batches of 4; the first is of class 1, and the last, of 2 */
    Fixture *f = *state;
    GfTrainerOptions options = {.training = &f->training, .steps = &f->steps, .train = &f->data, .fixed_batch = BATCH};
    GfStepReport report;

    for (int i = 0; i < BATCH; i++)
        ((int32_t *)f->data.labels)[i] = 1;
    for (int i = EXAMPLES - 2; i < EXAMPLES; i++)
        ((int32_t *)f->data.labels)[i] = 1;
    f->data.class_weights = weights;
    f->training.gradient_accumulation_steps = 4;
    assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_OK);
    assert_int_equal(gf_trainer_step(&f->trainer, &report, &f->diags), GF_OK);
    for (int i = 0; i < 4; i++)
        assert_true(row_of(f, i)[LOSS_SCALE] == (float)(sums[i] / 24));
    assert_int_equal(report.examples, 16);
    assert_int_equal(gf_trainer_step(&f->trainer, &report, &f->diags), GF_OK);
    assert_true(fabs(report.loss - (4.0 * 4 + 2.0 * 6) / 10) < 1e-12);
}

static void shuffles_each_epoch_anew(void **state)
{
    Fixture *f = *state;
    int moved = 0;

    run(f, 0);
    for (int i = 0; i < 6; i++)
        moved += row_of(f, i)[FIRST_ID] != row_of(f, i + 6)[FIRST_ID];
    assert_true(moved > 0);
}

static void keeps_fixed_batches_in_order(void **state)
{
    Fixture *f = *state;

    run(f, BATCH);
    for (int i = 0; i < 12; i++)
        assert_true(row_of(f, i)[FIRST_ID] == (float)(100 + i % 6 * BATCH));
}

static void stops_at_max_steps(void **state)
{
    Fixture *f = *state;

    f->training.max_steps = 8;
    run(f, 0);
    assert_int_equal(rows_of(f), 8);
    assert_int_equal(f->epochs, 2);
    assert_true(fabs(f->last_epoch - 8.0 / 6) < 1e-12);
}

static void plans_a_part_of_an_epoch(void **state)
{
    Fixture *f = *state;

    f->training.num_train_epochs = 1.1; /* 6.6 steps: 7, as the Trainer rounds */
    run(f, 0);
    assert_int_equal(rows_of(f), 7);
}

/* A trainer given the state of another one goes on as that one would have. */
static void goes_on_from_a_state(void **state)
{
    Fixture *f = *state;
    GfTrainerOptions options = {.training = &f->training, .steps = &f->steps, .train = &f->data};
    float whole[12];

    run(f, 0);
    for (int i = 0; i < 12; i++)
        whole[i] = row_of(f, i)[FIRST_ID];
    for (int at = 1; at < 12; at++) {
        memset(gf_store_find(&f->steps.store, "log")->data, 0, ROWS * WIDTH * sizeof(float));
        assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_OK);
        for (int i = 0; i < at; i++)
            assert_int_equal(gf_trainer_step(&f->trainer, NULL, &f->diags), GF_OK);
        GfTrainState saved = f->trainer.state;
        assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_OK);
        f->trainer.state = saved;
        assert_int_equal(gf_trainer_run(&f->trainer, &f->diags), GF_OK);
        assert_int_equal(rows_of(f), 12);
        for (int i = 0; i < 12; i++)
            assert_true(row_of(f, i)[FIRST_ID] == whole[i] && row_of(f, i)[STEP] == (float)(i + 1));
    }
}

static void refuses_to_do_nothing(void **state)
{
    Fixture *f = *state;
    GfTrainerOptions options = {.training = &f->training, .steps = &f->steps, .train = &f->data};

    f->training.num_train_epochs = 0;
    assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_ERR_VALUE);
    f->training.num_train_epochs = 1;
    f->training.lr_scheduler_type = "lineal";
    assert_int_equal(gf_trainer_init(&f->trainer, &f->arena, &options, &f->diags), GF_ERR_VALUE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_a_step_a_batch),      TEST(accumulates),
        TEST(weighs_losses_by_examples), TEST(weighs_micro_batches_by_classes),
        TEST(shuffles_each_epoch_anew),  TEST(keeps_fixed_batches_in_order),
        TEST(stops_at_max_steps),        TEST(plans_a_part_of_an_epoch),
        TEST(goes_on_from_a_state),      TEST(refuses_to_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
