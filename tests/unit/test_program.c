/* test_program.c -- regions, programs without kernels, and finding back ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "passes/passes.h"
#include "tests/support/encoder_text.h"

typedef struct Bed {
    GfArena arena;
    GfDiags diags;
    GfGraph *g;
    GfProgram *program;
} Bed;

static void bed_open(Bed *b, const char *text, const char *passes)
{
    GfPipelineOptions options = {.target = &gf_target_cpu};

    *b = (Bed){0};
    gf_arena_init(&b->arena, NULL);
    gf_diags_init(&b->diags, NULL);
    if (!text)
        text = encoder_text(&b->arena, 3, 96);
    if (gf_graph_parse("test", text, strlen(text), NULL, &b->g, &b->diags) != GF_OK ||
        gf_pipeline_run(b->g, passes, &options, NULL, NULL, NULL, &b->diags) != GF_OK)
        fail_msg("%s", b->diags.first->message);
}

static void bed_close(Bed *b)
{
    gf_program_free(b->program);
    gf_graph_free(b->g);
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
}

static GfStatus describe(Bed *b)
{
    GfArena arena;

    gf_arena_init(&arena, NULL);
    b->program = GF_NEW(&arena, GfProgram);
    b->program->arena = arena;
    return gf_program_describe(b->program, b->g, &b->diags);
}

static void assert_message(const Bed *b, const char *part)
{
    assert_non_null(b->diags.first);
    if (!strstr(b->diags.first->message, part))
        fail_msg("'%s' does not say '%s'", b->diags.first->message, part);
}

/* ---- regions --------------------------------------------------------------------------- */

static uint32_t schedule(Bed *b, GfRegion **regions)
{
    uint32_t count = 0;

    assert_int_equal(gf_schedule(b->g, &b->arena, regions, &count, &b->diags), GF_OK);
    return count;
}

static void structure_is_canonical(void **state)
{
    GfRegion *r;
    Bed b;

    (void)state;
    bed_open(&b,
             "graph @t(tokens) {\n%rng = input : i32[4]\n%x = input : f32[tokens,100]\n%w = param \"w\" : f32[50,100]\n"
             "%h = linear %x, %w : f32[tokens,50]\n%y = dropout %h, %rng {p = 0.5, key = 7} : f32[tokens,50]\n"
             "return h = %h, y = %y\n}\n",
             "fuse");
    assert_int_equal(schedule(&b, &r), 1);
    assert_int_equal(r->kind, GF_REGION_TILE);
    assert_string_equal(r->structure, "tile(tokens)\n%0 : f32[tokens,100]\n%1 : f32[50,100]\n%2 : i32[4]\n"
                                      "%3 = linear %0, %1 : f32[tokens,50]\n"
                                      "%4 = dropout %3, %2 {p = 0.5} : f32[tokens,50]\nout %3, %4\n");
    assert_int_equal(r->random_count, 1);
    assert_int_equal(gf_attr_i(r->random[0], "key"), 7);
    assert_true(gf_dim_eq(r->rows, gf_dim_symbol(0)) && gf_dim_is(r->cols, 50));
    bed_close(&b);
}

/* Optimizer updates of all sizes share a structure, and so do equal layers. */
static void structures_are_shared(void **state)
{
    const char *seen[256];
    uint32_t distinct = 0, updates = 0, update_structures = 0;
    GfRegion *r;
    Bed b;

    (void)state;
    bed_open(&b, NULL, ENCODER_BACKWARD "fuse,plan-memory");
    uint32_t count = schedule(&b, &r);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = 0;
        while (k < distinct && strcmp(seen[k], r[i].structure) != 0)
            k++;
        bool update = strstr(r[i].structure, "adamw") != NULL;
        updates += update;
        update_structures += update && k == distinct;
        assert_true(k < 256);
        if (k == distinct)
            seen[distinct++] = r[i].structure;
    }
    assert_int_equal(updates, 53);
    assert_int_equal(update_structures, 1);
    assert_true(3 * distinct < count);
    bed_close(&b);
}

static void dead_kernels_are_left_out(void **state)
{
    GfRegion *r;
    Bed b;

    (void)state;
    bed_open(&b,
             "graph @t(tokens) {\n%x = input : f32[tokens,4]\n%a = exp %x : f32[tokens,4]\n"
             "%b = mean %x : f32[]\nreturn b = %b\n}\n",
             "fuse,plan-memory");
    assert_int_equal(schedule(&b, &r), 1);
    assert_int_equal(r->kind, GF_REGION_OPAQUE);
    bed_close(&b);
}

static void kernels_must_be_given(void **state)
{
    GfRegion *r;
    uint32_t count;
    Bed b;

    (void)state;
    bed_open(&b, NULL, "dce");
    assert_int_equal(gf_schedule(b.g, &b.arena, &r, &count, &b.diags), GF_ERR_PASS);
    assert_message(&b, "has no kernel: 'fuse' must run first");
    bed_close(&b);
}

/* ---- programs ----------------------------------------------------------------------------- */

static void programs_are_described(void **state)
{
    uint32_t index;
    Bed b;

    (void)state;
    bed_open(
        &b,
        "graph @t(tokens) {\n%x = input : f32[tokens,4]\n%w = param \"w\" {init = \"normal\", std = 0.02} : f32[4]\n"
        "%f = param \"f\" frozen : f32[4]\n%s = state \"s\" : f32[4]\n%y = mul %x, %f : f32[tokens,4]\n"
        "%t = add %s, %w : f32[4]\n%u = scale %t {by = 0.5} : f32[4]\nupdate %s = %t\nupdate %w = %u\n"
        "return y = %y, x = %x, t = %t\n}\n",
        "fuse,plan-memory{tokens=10}");
    assert_int_equal(describe(&b), GF_OK);
    const GfTensorDecl *w = gf_program_tensor(b.program, "w", &index);
    assert_true(w && w->updated && !w->frozen && w->kind == GF_TENSOR_PARAM && w->std == 0.02);
    assert_string_equal(w->init, "normal");
    assert_true(gf_program_tensor(b.program, "f", NULL)->frozen);
    assert_string_equal(gf_program_tensor(b.program, "s", NULL)->init, "zeros");
    assert_null(gf_program_tensor(b.program, "y", NULL));
    assert_null(gf_program_output(b.program, "z"));
    assert_int_equal(gf_program_output(b.program, "y")->buffer.kind, GF_BUFFER_ARENA);
    assert_int_equal(gf_program_output(b.program, "x")->buffer.kind, GF_BUFFER_TENSOR);
    assert_int_equal(gf_program_output(b.program, "t")->buffer.kind, GF_BUFFER_TENSOR); /* in place of s */
    assert_int_equal(b.program->copy_count, 0);
    assert_int_equal(b.program->max_sizes[0], 10);
    assert_int_equal(b.program->arena_size, b.g->arena_size);
    bed_close(&b);
}

/* %a takes the old %b: it must be copied before %b's own copy. */
static void copies_keep_old_values(void **state)
{
    uint32_t a, c;
    Bed b;

    (void)state;
    bed_open(&b,
             "graph @t() {\n%a = state \"a\" : f32[4]\n%b = state \"b\" : f32[4]\n%c = state \"c\" : f32[4]\n"
             "update %b = %a\nupdate %c = %b\nupdate %a = %a\nreturn\n}\n",
             "fuse,plan-memory");
    assert_int_equal(describe(&b), GF_OK);
    gf_program_tensor(b.program, "a", &a);
    gf_program_tensor(b.program, "c", &c);
    assert_int_equal(b.program->copy_count, 2); /* a stays as it is */
    assert_int_equal(b.program->copies[0].to, c);
    assert_int_equal(b.program->copies[1].from.index, a);
    bed_close(&b);
}

static void exchanged_tensors_are_refused(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b,
             "graph @t() {\n%a = state \"a\" : f32[4]\n%b = state \"b\" : f32[4]\nupdate %b = %a\nupdate %a = %b\n"
             "return\n}\n",
             "fuse,plan-memory");
    assert_int_equal(describe(&b), GF_ERR_COMPILE);
    assert_message(&b, "exchange tensors");
    bed_close(&b);
}

static void old_values_are_no_outputs(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b, "graph @t() {\n%a = state \"a\" : f32[4]\n%b = exp %a : f32[4]\nupdate %a = %b\nreturn old = %a\n}\n",
             "fuse,plan-memory");
    assert_int_equal(describe(&b), GF_ERR_COMPILE);
    assert_message(&b, "the output 'old' is the old value of 'a', which the step updates");
    bed_close(&b);
}

static void plans_must_be_given(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b, NULL, "fuse");
    assert_int_equal(describe(&b), GF_ERR_COMPILE);
    assert_message(&b, "'plan-memory' must run first");
    bed_close(&b);
}

static void tasks_are_counted(void **state)
{
    const int64_t sizes[] = {13};
    GfWork work = {{gf_dim_symbol(0), gf_dim_const(96)}, {4, 32}};

    (void)state;
    assert_int_equal(gf_work_tasks(&work, sizes), 12);
    work.unit[0] = 13;
    assert_int_equal(gf_work_tasks(&work, sizes), 3);
}

/* ---- back ends ------------------------------------------------------------------------------ */

static void unknown_targets_are_refused(void **state)
{
    const GfBackend *backend;
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_backend_find("cpx", &backend, &diags), GF_ERR_TARGET);
    assert_non_null(strstr(diags.first->message, "unknown target 'cpx'; known: cpu"));
    assert_string_equal(diags.first->note, "did you mean 'cpu'?");
    gf_diags_free(&diags);
}

static void targets_are_plain_data(void **state)
{
    (void)state;
    assert_string_equal(gf_target_cpu.name, "cpu");
    assert_true(gf_target_cpu.products_limit >= 2 && gf_target_cpu.alignment >= 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structure_is_canonical),        cmocka_unit_test(structures_are_shared),
        cmocka_unit_test(dead_kernels_are_left_out),     cmocka_unit_test(kernels_must_be_given),
        cmocka_unit_test(programs_are_described),        cmocka_unit_test(copies_keep_old_values),
        cmocka_unit_test(exchanged_tensors_are_refused), cmocka_unit_test(old_values_are_no_outputs),
        cmocka_unit_test(plans_must_be_given),           cmocka_unit_test(tasks_are_counted),
        cmocka_unit_test(unknown_targets_are_refused),   cmocka_unit_test(targets_are_plain_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
