/* test_program_file.c -- programs as bytes: the same again, and nothing from damage. */
#include "codegen/program_file.h"

#include "codegen/cpu_level.h"
#include "passes/passes.h"
#include "tests/support/encoder_text.h"
#include "tests/support/hand_program.h"
#include "tests/support/program_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct Bed {
    GfDiags diags;
    HandProgram hand;
    GfProgram *read;
    GfArena arena; /* of what was written */
    GfText bytes;
} Bed;

static void bed_open(Bed *b)
{
    *b = (Bed){0};
    gf_diags_init(&b->diags, NULL);
    gf_arena_init(&b->arena, NULL);
    b->bytes.arena = &b->arena;
    hand_program_make(&b->hand);
}

static void bed_close(Bed *b)
{
    gf_program_free(b->read);
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
}

static GfStatus read_bytes(Bed *b, const void *data, size_t size)
{
    GfBytes in = {.at = data, .left = size, .arena = &b->arena};
    return gf_program_read(&in, "test.gfc", NULL, &b->read, &b->diags);
}

/* What is read is written as the same bytes: no field is lost. */
static void assert_same_again(Bed *b)
{
    GfText again = {.arena = &b->arena};

    gf_program_write(&b->hand.program, &b->bytes);
    assert_int_equal(read_bytes(b, b->bytes.data, b->bytes.length), GF_OK);
    gf_program_write(b->read, &again);
    assert_int_equal(again.length, b->bytes.length);
    assert_memory_equal(again.data, b->bytes.data, again.length);
}

static void cpu_programs_come_back(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    assert_same_again(&b);
    assert_string_equal(b.read->kernels[1].name, "k1_pack");
    assert_int_equal(b.read->launches[0].scalars[1], INT64_MAX);
    assert_true(b.read->tensors[1].std == 0.02);
    assert_memory_equal(b.read->code, hand_code, sizeof hand_code);
    bed_close(&b);
}

static void cuda_programs_come_back(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    hand_program_make_cuda(&b.hand);
    assert_same_again(&b);
    assert_memory_equal(b.read->kernels[0].block.image, "cubin\0bytes", 11);
    assert_true(b.read->kernels[0].block.batched);
    assert_int_equal(b.read->kernels[1].block.spills, 3);
    assert_int_equal(b.read->batch_count, 1);
    assert_int_equal(b.read->batches[0].count, 1);
    bed_close(&b);
}

/* ---- damage ------------------------------------------------------------------------------------ */

static void truncated_programs_are_refused(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    gf_program_write(&b.hand.program, &b.bytes);
    for (size_t length = 0; length < b.bytes.length; length++) {
        char *exact = malloc(length + 1); /* so that reading past the end is seen */
        memcpy(exact, b.bytes.data, length);
        exact = realloc(exact, length ? length : 1);
        assert_int_equal(read_bytes(&b, exact, length), GF_ERR_FORMAT);
        assert_null(b.read);
        free(exact);
    }
    bed_close(&b);
}

/* Every bit of every byte: refused, or taken for what it says. */
static void changed_bytes_are_refused_or_meant(void **state)
{
    size_t refused = 0, taken = 0;
    Bed b;

    (void)state;
    bed_open(&b);
    gf_program_write(&b.hand.program, &b.bytes);
    for (size_t i = 0; i < b.bytes.length * 8; i++) {
        GfArena arena;
        gf_arena_init(&arena, NULL);
        char *changed = gf_arena_strndup(&arena, b.bytes.data, b.bytes.length);
        GfBytes in = {.at = (unsigned char *)changed, .left = b.bytes.length, .arena = &arena};
        changed[i / 8] ^= (char)(1 << i % 8);
        GfDiags diags;
        gf_diags_init(&diags, NULL);
        GfStatus status = gf_program_read(&in, "test.gfc", NULL, &b.read, &diags);
        refused += status == GF_ERR_FORMAT;
        if (status == GF_OK) {
            GfText again = {.arena = &arena};
            gf_program_write(b.read, &again);
            assert_memory_equal(again.data, changed, again.length);
            taken++;
            gf_program_free(b.read);
            b.read = NULL;
        } else {
            assert_int_equal(status, GF_ERR_FORMAT);
            assert_non_null(diags.first);
        }
        gf_diags_free(&diags);
        gf_arena_free(&arena);
    }
    assert_true(refused > taken);
    bed_close(&b);
}

static void assert_refused(Bed *b, const char *part)
{
    assert_int_equal(gf_program_check(&b->hand.program, "test.gfc", &b->diags), GF_ERR_FORMAT);
    if (!strstr(b->diags.last->message, part))
        fail_msg("'%s' does not say '%s'", b->diags.last->message, part);
    assert_string_equal(b->diags.last->loc.file, "test.gfc");
}

/* Set, be refused with a message that says this, set back. */
#define REFUSED(b, place, value, part)                                                                                 \
    do {                                                                                                               \
        __typeof__((b)->place) before = (b)->place;                                                                    \
        (b)->place = (value);                                                                                          \
        assert_refused((b), (part));                                                                                   \
        (b)->place = before;                                                                                           \
        assert_int_equal(gf_program_check(&(b)->hand.program, "test.gfc", &(b)->diags), GF_OK);                        \
    } while (0)

static void sizes_are_checked(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    REFUSED(&b, hand.program.max_sizes[0], 0, "size 'tokens' is planned for up to 0");
    REFUSED(&b, hand.program.arena_size, -1, "memory has a size that cannot be");
    REFUSED(&b, hand.program.scratch_size, INT64_MAX, "memory has a size that cannot be");
    REFUSED(&b, hand.tensors[0].type.dims[0].symbol, 2, "tensor 0 ('ids')");
    REFUSED(&b, hand.tensors[0].type.dims[0].symbol, -2, "tensor 0 ('ids')");
    REFUSED(&b, hand.tensors[1].type.dims[0].size, INT64_MAX, "tensor 1 ('w')");
    REFUSED(&b, hand.tensors[1].type.dtype, (GfDType)7, "tensor 1 ('w')");
    REFUSED(&b, hand.tensors[0].updated, true, "input 'ids' is updated");
    bed_close(&b);
}

static void places_are_checked(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    REFUSED(&b, hand.launch.kernel, 2, "launch 1 names kernel 2 of 2");
    REFUSED(&b, hand.launch.work.unit[0], 0, "launch 1, of 'k0_add', has no number of tasks");
    REFUSED(&b, hand.launch.work.dim[1], gf_dim_const(-1), "launch 1, of 'k0_add', has no number of tasks");
    REFUSED(&b, hand.step_buffers[0].index, 3, "buffer 0 lies outside");
    REFUSED(&b, hand.step_buffers[0].kind, (GfBufferKind)3, "buffer 0 lies outside");
    REFUSED(&b, hand.step_buffers[1].offset, 128, "buffer 1 lies outside"); /* of 128 prepared bytes */
    REFUSED(&b, hand.step_buffers[1].offset, 63, "buffer 1 lies outside");  /* which begin at 64 */
    REFUSED(&b, hand.step_buffers[2].offset, -64, "buffer 2 lies outside");
    REFUSED(&b, hand.outputs[1].buffer.offset, 257, "output 1 ('logits') lies outside"); /* 192 bytes at 257 of 448 */
    REFUSED(&b, hand.copy.to, 1, "copy 0 is of nothing, or to nothing that is updated");
    REFUSED(&b, hand.copy.from.offset, 440, "copy 0 is of nothing");
    bed_close(&b);
}

static void code_is_checked(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    REFUSED(&b, hand.kernels[1].code_at, sizeof hand_code, "kernel 1 ('k1_pack') has no code");
    REFUSED(&b, hand.program.target, "tpu", "it is for no target ('tpu')");
    REFUSED(&b, hand.program.target, "cuda:sm_90a", "a program for cuda:sm_90a has code of a cpu");
    hand_program_make_cuda(&b.hand);
    REFUSED(&b, hand.kernels[0].block.image, NULL, "kernel 0 ('k0_add') has no code");
    REFUSED(&b, hand.kernels[0].block.threads, 2048, "kernel 0 ('k0_add') has no code");
    bed_close(&b);
}

/* A launch in no batch would never run. */
static void batches_are_checked(void **state)
{
    GfLaunch two[2];
    Bed b;

    (void)state;
    bed_open(&b);
    hand_program_make_cuda(&b.hand);
    two[0] = two[1] = b.hand.launch;
    b.hand.program.launches = two;
    b.hand.program.launch_count = 2;
    b.hand.batch.count = 2;
    assert_int_equal(gf_program_check(&b.hand.program, "test.gfc", &b.diags), GF_OK);
    REFUSED(&b, hand.batch.count, 1, "1 of 2 launches are in batches");
    REFUSED(&b, hand.program.batch_count, 0, "0 of 2 launches are in batches");
    REFUSED(&b, hand.batch.count, 3, "batch 0 is none of the program's launches");
    REFUSED(&b, hand.batch.first, 1, "batch 0 is none of the program's launches");
    REFUSED(&b, hand.kernels[0].block.batched, false, "batch 0 is none of the program's launches");
    two[1].scalar_count--;
    assert_refused(&b, "batch 0 is none of the program's launches");
    bed_close(&b);
}

/* ---- loading ------------------------------------------------------------------------------------- */

static void code_runs_where_it_lies(void **state)
{
    int64_t numbers[1] = {40};
    void *buffers[] = {NULL, numbers};
    Bed b;

    (void)state;
    if (!cpu_level_host())
        skip();
    bed_open(&b);
    gf_program_write(&b.hand.program, &b.bytes);
    assert_int_equal(read_bytes(&b, b.bytes.data, b.bytes.length), GF_OK);
    assert_null(b.read->kernels[0].cpu);
    assert_int_equal(gf_program_load(b.read, "test.gfc", &b.diags), GF_OK);
    b.read->kernels[0].cpu(buffers, NULL, NULL, 2, 3, NULL);
    b.read->kernels[1].cpu(buffers, NULL, NULL, 2, 3, NULL);
    assert_int_equal(numbers[0], 42);
    bed_close(&b);
}

static void foreign_processors_are_named(void **state)
{
    static const char *const levels[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    for (int i = 0; cpu_level_host() && i < 4; i++) {
        char target[32];
        const char *lacks = cpu_level_lacks(levels[i]);
        snprintf(target, sizeof target, "cpu:%s", levels[i]);
        assert_int_equal(gf_cpu_check_target(target, "test.gfc", &diags), lacks ? GF_ERR_TARGET : GF_OK);
        assert_true(!lacks || strstr(diags.last->message, lacks));
    }
    assert_int_equal(gf_cpu_check_target("cpu:x86-64-v9", "test.gfc", &diags), GF_ERR_TARGET);
    assert_non_null(strstr(diags.last->message, "'cpu:x86-64-v9', which this graft does not know"));
    gf_diags_free(&diags);
}

/* ---- what LLVM compiles ------------------------------------------------------------------------------ */

static const char step_passes[] = "freeze{freeze=\"layer.*\",train=\"layer.0.query.*\"},autodiff,prune-frozen,adamw,"
                                  "fold,cse,dce,fuse-lora,fuse,plan-memory{tokens=32,seqs=8}";

enum { TOKENS = 15, SEQS = 3 };

static GfGraph *encoder_step(Bed *b)
{
    const char *text = encoder_text(&b->arena, 1, 32);
    GfPipelineOptions options = {.target = &gf_target_cpu};
    GfGraph *g = NULL;

    if (gf_graph_parse("test", text, strlen(text), NULL, &g, &b->diags) != GF_OK ||
        gf_pipeline_run(g, step_passes, &options, NULL, NULL, NULL, &b->diags) != GF_OK)
        fail_msg("%s", b->diags.first->message);
    return g;
}

static GfProgram *compile(Bed *b, const GfBackend *backend, const GfGraph *g, GfCompileOptions options)
{
    GfProgram *p = NULL;

    if (backend->compile(g, &options, NULL, &p, &b->diags) != GF_OK)
        fail_msg("%s", b->diags.first->message);
    return p;
}

static void fill_ints(const ProgramRun *r, const char *name, int count, int step, int modulus)
{
    int32_t *data = program_run_tensor(r, name);

    for (int i = 0; data && i < count; i++)
        data[i] = i * step % modulus;
}

static void fill(const ProgramRun *r)
{
    for (uint32_t t = 0; t < r->program->tensor_count; t++) {
        int64_t count = gf_type_elements(&r->program->tensors[t].type, r->sizes);
        float *data = (float *)r->tensors[t].data;
        for (int64_t i = 0; i < count; i++)
            data[i] = r->program->tensors[t].kind == GF_TENSOR_STATE ? 0 : (float)((i * 37 + t) % 101 - 50) / 300;
    }
    fill_ints(r, "ids", TOKENS, 7, 50);
    fill_ints(r, "starts", SEQS, TOKENS / SEQS, TOKENS);
    fill_ints(r, "labels", SEQS, 1, 6);
    fill_ints(r, "rng", 4, 1, 4);
    fill_ints(r, "step", 1, 1, 2);
    for (int i = 0; i < SEQS; i++)
        ((int32_t *)program_run_tensor(r, "lengths"))[i] = TOKENS / SEQS;
    *(int32_t *)program_run_tensor(r, "step") = 1;
    *(float *)program_run_tensor(r, "loss_scale") = 1;
}

static void run(ProgramRun *r, const GfProgram *p)
{
    int64_t sizes[GF_MAX_SYMBOLS] = {TOKENS, SEQS};

    program_run_open(r, p, sizes);
    fill(r);
    program_run_prepare(r, (TaskOrder){0});
    program_run_step(r, (TaskOrder){0});
}

/* Every tensor that a step leaves, bit by bit. */
static void assert_same_step(const GfProgram *a, const GfProgram *b)
{
    ProgramRun runs[2];

    run(&runs[0], a);
    run(&runs[1], b);
    assert_int_equal(a->tensor_count, b->tensor_count);
    for (uint32_t i = 0; i < a->tensor_count; i++) {
        assert_int_equal(runs[0].tensors[i].size, runs[1].tensors[i].size);
        assert_memory_equal(runs[0].tensors[i].data, runs[1].tensors[i].data, (size_t)runs[0].tensors[i].size);
    }
    float loss = *program_run_output(&runs[0], "loss");
    assert_true(loss > 0.5f && loss < 5);
    assert_true(loss == *program_run_output(&runs[1], "loss"));
    program_run_close(&runs[0]);
    program_run_close(&runs[1]);
}

static void stored_code_computes_the_same(void **state)
{
    const GfBackend *backend;
    Bed b;

    (void)state;
    bed_open(&b);
    if (!cpu_level_host() || gf_backend_find("cpu", &backend, &b.diags) != GF_OK) {
        bed_close(&b);
        skip();
    }
    GfGraph *g = encoder_step(&b);
    GfProgram *jit = compile(&b, backend, g, (GfCompileOptions){0});
    GfProgram *made = compile(&b, backend, g, (GfCompileOptions){.form = "code"});
    assert_true(made->prepare_count > 0);
    gf_program_write(made, &b.bytes);
    gf_program_free(made);
    gf_graph_free(g);
    assert_int_equal(read_bytes(&b, b.bytes.data, b.bytes.length), GF_OK);
    assert_int_equal(gf_program_load(b.read, "test.gfc", &b.diags), GF_OK);
    assert_same_step(jit, b.read);
    gf_program_free(jit);
    bed_close(&b);
}

/* The lowest and the highest level compile to code without references to the outside, whatever runs here. */
static void levels_need_nothing_outside(void **state)
{
    static const char *const targets[] = {"cpu:x86-64", "cpu:x86-64-v4"};
    const GfBackend *backend;
    Bed b;

    (void)state;
    bed_open(&b);
    if (!cpu_level_host() || gf_backend_find("cpu", &backend, &b.diags) != GF_OK) {
        bed_close(&b);
        skip();
    }
    GfGraph *g = encoder_step(&b);
    for (int i = 0; i < 2; i++) {
        GfProgram *p = compile(&b, backend, g, (GfCompileOptions){.target = targets[i], .form = "code"});
        assert_string_equal(p->target, targets[i]);
        assert_int_equal(gf_program_check(p, "test", &b.diags), GF_OK);
        gf_program_free(p);
    }
    gf_graph_free(g);
    bed_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_programs_come_back),
        cmocka_unit_test(cuda_programs_come_back),
        cmocka_unit_test(truncated_programs_are_refused),
        cmocka_unit_test(changed_bytes_are_refused_or_meant),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(places_are_checked),
        cmocka_unit_test(code_is_checked),
        cmocka_unit_test(batches_are_checked),
        cmocka_unit_test(code_runs_where_it_lies),
        cmocka_unit_test(foreign_processors_are_named),
        cmocka_unit_test(stored_code_computes_the_same),
        cmocka_unit_test(levels_need_nothing_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
