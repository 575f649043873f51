/* test_store.c -- where parameters come from: checkpoints and initializers. */
#include "runtime/exec/init.h"
#include "runtime/exec/store.h"
#include "runtime/train/model_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    GfDiags diags;
    GfStore store;
    GfTensorDecl tensors[8];
    GfProgram program;
    char path[64];
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_diags_init(&f->diags, NULL);
    gf_store_init(&f->store, NULL);
    f->program.tensors = f->tensors;
    snprintf(f->path, sizeof f->path, "/tmp/graft-test-store-%ld.safetensors", (long)getpid());
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_store_free(&f->store);
    gf_diags_free(&f->diags);
    unlink(f->path);
    free(f);
    return 0;
}

static void add_decl(Fixture *f, const char *name, int64_t rows, int64_t cols, bool updated)
{
    f->tensors[f->program.tensor_count++] =
        (GfTensorDecl){.kind = GF_TENSOR_PARAM,
                       .name = name,
                       .type = gf_type_matrix(GF_F32, gf_dim_const(rows), gf_dim_const(cols)),
                       .frozen = !updated,
                       .updated = updated,
                       .init = "normal",
                       .std = 0.02};
}

static void declare(Fixture *f)
{
    assert_int_equal(gf_store_declare(&f->store, &f->program, &f->diags), GF_OK);
}

static const int64_t shape[] = {2, 3};

static void write_file(Fixture *f, const char *const *names, size_t count)
{
    static const float values[] = {1, 2, 3, 4, 5, 6};
    GfStTensor list[4] = {0};

    for (size_t i = 0; i < count; i++)
        list[i] = (GfStTensor){.name = names[i], .dtype = GF_ST_F32, .rank = 2, .shape = shape, .data = values};
    assert_int_equal(gf_safetensors_write(f->path, list, count, NULL, 0, &f->diags), GF_OK);
}

static GfStoreSource source_of(const Fixture *f)
{
    static const GfRename renames[] = {{"LayerNorm.gamma", "LayerNorm.weight"}};
    return (GfStoreSource){.checkpoint = f->path,
                           .prefix = "bert.",
                           .renames = renames,
                           .rename_count = 1,
                           .fresh = "classifier.*",
                           .seed = 42};
}

static void finds_names_in_every_form(void **state)
{
    static const char *const forms[] = {"bert.x.LayerNorm.weight", "x.LayerNorm.weight", "bert.x.LayerNorm.gamma",
                                        "x.LayerNorm.gamma"};

    for (size_t i = 0; i < 4; i++) {
        tear_down(state);
        set_up(state);
        Fixture *f = *state;
        GfStoreSource source = source_of(f);
        write_file(f, &forms[i], 1);
        add_decl(f, "bert.x.LayerNorm.weight", 2, 3, true);
        declare(f);
        assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_OK);
        GfStoreTensor *t = gf_store_find(&f->store, "bert.x.LayerNorm.weight");
        assert_true(t->data[5] == 6);
        assert_false(t->fresh);
        assert_null(t->mapped);
    }
}

static void leaves_frozen_weights_in_the_file(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a", "b"};
    GfStoreSource source = source_of(f);

    write_file(f, names, 2);
    add_decl(f, "a", 2, 3, false);
    add_decl(f, "b", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_OK);
    GfStoreTensor *a = gf_store_find(&f->store, "a"), *b = gf_store_find(&f->store, "b");
    assert_non_null(a->mapped);
    assert_null(b->mapped);
    gf_store_release(&f->store, a);
    assert_true(a->data[0] == 1 && b->data[0] == 1);
    b->data[0] = 7;
    assert_true(a->data[0] == 1);
}

static void tells_what_is_missing(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a"};
    GfStoreSource source = source_of(f);

    write_file(f, names, 1);
    add_decl(f, "a", 2, 3, true);
    add_decl(f, "b", 2, 3, true);
    add_decl(f, "classifier.weight", 2, 3, true);
    add_decl(f, "q.lora_A", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_ERR_TENSOR);
    assert_non_null(strstr(f->diags.last->message, "has no 'b'"));
    assert_null(strstr(f->diags.last->message, "classifier"));
    assert_non_null(strstr(f->diags.last->note, "1 parameters are missing"));
}

static void initializes_what_may_be_missing(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a"};
    GfStoreSource source = source_of(f);

    write_file(f, names, 1);
    add_decl(f, "a", 2, 3, true);
    add_decl(f, "classifier.weight", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_OK);
    assert_true(gf_store_find(&f->store, "classifier.weight")->fresh);
    assert_true(gf_store_find(&f->store, "classifier.weight")->data[0] != 0);
    assert_int_equal(f->store.fresh_count, 1);
}

static void lists_what_is_new(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a.weight"};
    GfStoreSource source = source_of(f);
    GfText text = {.arena = &f->diags.arena};

    source.fresh = "classifier.* a.bias";
    write_file(f, names, 1);
    add_decl(f, "a.weight", 2, 3, true);
    add_decl(f, "a.bias", 2, 3, true);
    add_decl(f, "classifier.weight", 2, 3, true);
    add_decl(f, "a.lora_A", 2, 3, true);
    add_decl(f, "b.lora_A", 2, 3, true);
    add_decl(f, "classifier.bias", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_OK);
    gf_store_list_fresh(&f->store, &text);
    assert_string_equal(gf_text_str(&text), "a.bias, classifier.*, *.lora_A");
}

static void nothing_may_be_missing_of_a_saved_run(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a"};
    GfStoreSource source = source_of(f);

    source.fresh = NULL;
    write_file(f, names, 1);
    add_decl(f, "a", 2, 3, true);
    add_decl(f, "q.lora_A", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_ERR_TENSOR);
}

static void checks_shapes(void **state)
{
    Fixture *f = *state;
    static const char *const names[] = {"a"};
    GfStoreSource source = source_of(f);

    write_file(f, names, 1);
    add_decl(f, "a", 3, 2, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &source, &f->diags), GF_ERR_TENSOR);
    assert_non_null(strstr(f->diags.last->message, "shape"));
    assert_string_equal(f->diags.last->loc.file, f->path);
}

static void shares_between_programs(void **state)
{
    Fixture *f = *state;
    GfTensorDecl other;
    GfProgram second = {.tensors = &other, .tensor_count = 1};

    add_decl(f, "a", 2, 3, false);
    declare(f);
    other = f->tensors[0];
    other.updated = true;
    other.frozen = false;
    assert_int_equal(gf_store_declare(&f->store, &second, &f->diags), GF_OK);
    assert_int_equal(f->store.count, 1);
    assert_true(f->store.tensors[0].updated);
    other.type = gf_type_matrix(GF_F32, gf_dim_const(9), gf_dim_const(9));
    assert_int_equal(gf_store_declare(&f->store, &second, &f->diags), GF_ERR_TENSOR);
}

static void saves_what_it_reads(void **state)
{
    Fixture *f = *state;
    GfStoreSource fresh = {.prefix = "", .seed = 5};
    GfSafetensors file;
    float back[6];

    add_decl(f, "a", 2, 3, true);
    declare(f);
    assert_int_equal(gf_store_fill(&f->store, &fresh, &f->diags), GF_OK);
    GfSavedTensor a = {.name = "a", .values = &f->store.tensors[0]};
    assert_int_equal(gf_model_values_write(f->path, &a, 1, GF_ST_F32, 0, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_open(&file, f->path, &f->diags), GF_OK);
    assert_int_equal(gf_safetensors_read_f32(&file, gf_safetensors_find(&file, "a"), back, &f->diags), GF_OK);
    assert_memory_equal(back, f->store.tensors[0].data, sizeof back);
    gf_safetensors_close(&file);
}

/* ---- initializers ---- */

enum { DRAWN = 40000 };

static void moments(const float *x, double *mean, double *variance)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < DRAWN; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    *mean = sum / DRAWN;
    *variance = squares / DRAWN - *mean * *mean;
}

static void draws_the_right_distributions(void **state)
{
    static float x[DRAWN];
    double mean, variance;

    (void)state;
    gf_init_fill(&(GfInit){.kind = "normal", .std = 0.02}, 42, "w", DRAWN, x);
    moments(x, &mean, &variance);
    assert_true(fabs(mean) < 5 * 0.02 / sqrt(DRAWN));
    assert_true(fabs(sqrt(variance) / 0.02 - 1) < 0.02);
    gf_init_fill(&(GfInit){.kind = "kaiming_uniform", .fan_in = 64}, 42, "w", DRAWN, x);
    moments(x, &mean, &variance);
    assert_true(fabs(mean) < 5 * 0.125 / sqrt(3.0 * DRAWN));
    assert_true(fabs(variance / (0.125 * 0.125 / 3) - 1) < 0.03);
    for (int i = 0; i < DRAWN; i++)
        assert_true(fabsf(x[i]) <= 0.125f);
    gf_init_fill(&(GfInit){.kind = "ones"}, 42, "w", 3, x);
    assert_true(x[0] == 1 && x[2] == 1);
}

static void draws_by_seed_and_name(void **state)
{
    float a[7], b[7];
    GfInit normal = {.kind = "normal", .std = 1};

    (void)state;
    gf_init_fill(&normal, 42, "w", 7, a);
    gf_init_fill(&normal, 42, "w", 7, b);
    assert_memory_equal(a, b, sizeof a);
    gf_init_fill(&normal, 43, "w", 7, b);
    assert_memory_not_equal(a, b, sizeof a);
    gf_init_fill(&normal, 42, "v", 7, b);
    assert_memory_not_equal(a, b, sizeof a);
    gf_init_fill(&normal, 42, "w", 3, b);
    assert_memory_equal(a, b, 3 * sizeof *a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_names_in_every_form),
        TEST(leaves_frozen_weights_in_the_file),
        TEST(tells_what_is_missing),
        TEST(initializes_what_may_be_missing),
        TEST(lists_what_is_new),
        TEST(nothing_may_be_missing_of_a_saved_run),
        TEST(checks_shapes),
        TEST(shares_between_programs),
        TEST(saves_what_it_reads),
        cmocka_unit_test(draws_the_right_distributions),
        cmocka_unit_test(draws_by_seed_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
