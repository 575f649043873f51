/* test_adapter.c -- PEFT's adapters: what is read, every setting and tensor that is refused, and where a base is found.
 */
#include "runtime/io/pretrained.h"
#include "runtime/io/weights.h"
#include "tests/support/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/files.h"

#define QUERY "base_model.model.bert.layer.0.query"
#define HEAD "base_model.model.classifier.weight"

/* As peft 0.21 writes it, shortened. */
#define CONFIG(more)                                                                                                   \
    "{\"peft_type\": \"LORA\", \"task_type\": \"SEQ_CLS\", \"peft_version\": \"0.21.2\",\n"                            \
    "\"base_model_name_or_path\": \"tiny\", \"inference_mode\": true, \"auto_mapping\": null,\n"                       \
    "\"bias\": \"none\", \"init_lora_weights\": true, \"loftq_config\": {}, \"layers_to_transform\": null,\n"          \
    "\"megatron_core\": \"megatron.core\", \"qalora_group_size\": 16, \"use_dora\": false,\n" more "}"
#define LORA "\"r\": 2, \"lora_alpha\": 8, \"lora_dropout\": 0.25, \"target_modules\": [\"value\", \"query\"]"

static const char good[] = CONFIG(LORA);

typedef struct Shape {
    const char *name;
    int64_t rows, columns;
} Shape;

static const Shape pair[] = {{QUERY ".lora_A.weight", 2, 3}, {QUERY ".lora_B.weight", 4, 2}, {HEAD, 5, 3}};

static void write_tensors(TestFolder *f, const char *file, const Shape *shapes, size_t count)
{
    GfStTensor list[8];

    for (size_t i = 0; i < count; i++)
        list[i] = test_tensor(f, shapes[i].name, shapes[i].rows, shapes[i].columns);
    assert_int_equal(gf_safetensors_write(test_path(f, file), list, count, NULL, 0, &f->diags), GF_OK);
}

static int set_up(void **state)
{
    TestFolder *f = calloc(1, sizeof *f);

    if (!test_folder_open(f))
        return -1;
    test_put_text(f, GF_ADAPTER_CONFIG, good);
    write_tensors(f, GF_ADAPTER_FILE, pair, 3);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    test_folder_close(*state);
    free(*state);
    return 0;
}

static void check_variant(const char *text, const char *targets)
{
    GfDiags diags;
    GfVariant v;

    gf_diags_init(&diags, NULL);
    assert_int_equal(gf_variant_load_text(&v, "adapter", text, strlen(text), &diags), GF_OK);
    assert_string_equal(v.lora.targets, targets);
    assert_string_equal(v.freeze, "*");
    assert_int_equal(v.lora.r, 2);
    assert_true(v.lora.alpha == 8 && v.lora.dropout == 0.25 && !v.lora.use_rslora);
    gf_variant_close(&v);
    gf_diags_free(&diags);
}

static void an_adapter_is_read(void **state)
{
    TestFolder *f = *state;
    GfAdapter a;

    assert_int_equal(gf_adapter_open(&a, f->path, &f->diags), GF_OK);
    assert_string_equal(a.base, "tiny");
    assert_non_null(gf_adapter_find(&a, &f->arena, "bert.layer.0.query.lora_A"));
    assert_non_null(gf_adapter_find(&a, &f->arena, "bert.layer.0.query.lora_B"));
    assert_non_null(gf_adapter_find(&a, &f->arena, "classifier.weight"));
    assert_null(gf_adapter_find(&a, &f->arena, "bert.layer.0.value.lora_A"));
    assert_null(gf_adapter_find(&a, &f->arena, "bert.layer.0.query.weight"));
    check_variant(a.variant, "query"); /* value has no tensors */
    gf_adapter_close(&a);
}

static void an_expression_is_what_it_matched(void **state)
{
    TestFolder *f = *state;
    GfAdapter a;

    test_put_text(f, GF_ADAPTER_CONFIG,
                  CONFIG("\"r\": 2, \"lora_alpha\": 8, \"lora_dropout\": 0.25, \"target_modules\": \".*(?<!x)query\""));
    assert_int_equal(gf_adapter_open(&a, f->path, &f->diags), GF_OK);
    check_variant(a.variant, "bert.layer.0.query");
    gf_adapter_close(&a);
}

static void unknown_settings_are_refused(void **state)
{
    static const struct {
        const char *config;
        GfStatus status;
        const char *part;
    } wrong[] = {
        {CONFIG(LORA ", \"use_dora\": true"), GF_ERR_KEY, "use_dora"}, /* twice */
        {CONFIG(LORA ", \"use_qalora\": true"), GF_ERR_VALUE, "the setting 'use_qalora' is not supported"},
        {CONFIG(LORA ", \"layers_pattern\": \"layer\""), GF_ERR_VALUE, "'layers_pattern' is not supported"},
        {CONFIG(LORA ", \"rank_pattern\": {\"query\": 4}"), GF_ERR_VALUE, "'rank_pattern' is not supported"},
        {CONFIG(LORA ", \"alpha_pattern\": {\"query\": 4}"), GF_ERR_VALUE, "'alpha_pattern' is not supported"},
        {CONFIG(LORA ", \"fan_in_fan_out\": true"), GF_ERR_VALUE, "'fan_in_fan_out' is not supported"},
        {CONFIG(LORA ", \"exclude_modules\": [\"query\"]"), GF_ERR_VALUE, "'exclude_modules' is not supported"},
        {CONFIG(LORA ", \"trainable_token_indices\": [1]"), GF_ERR_VALUE, "'trainable_token_indices' is not"},
        {CONFIG(LORA ", \"a_setting_of_next_year\": 1"), GF_ERR_VALUE, "'a_setting_of_next_year' is not supported"},
        {"[]", GF_ERR_VALUE, "an adapter_config.json must be an object"},
        {"{}", GF_ERR_KEY, "peft_type"},
        {"{\"peft_type\": \"IA3\"}", GF_ERR_VALUE, "'peft_type' is \"IA3\"; only \"LORA\" is supported"},
        {"{\"peft_type\": \"LORA\", \"task_type\": \"CAUSAL_LM\"}", GF_ERR_VALUE, "only \"SEQ_CLS\" is supported"},
        {"{\"peft_type\": \"LORA\", \"bias\": \"all\"}", GF_ERR_VALUE, "'bias' is \"all\"; only \"none\""},
        {"{\"peft_type\": \"LORA\", \"use_dora\": true}", GF_ERR_VALUE, "the setting 'use_dora' is not supported"},
        {"{\"peft_type\": \"LORA\", \"layers_to_transform\": [0]}", GF_ERR_VALUE, "'layers_to_transform' is not"},
        {"{\"peft_type\": \"LORA\", \"init_lora_weights\": \"pissa\"}", GF_ERR_VALUE, "\"pissa\" changes the base"},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": 8}", GF_ERR_KEY, "'r'"},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 8}", GF_ERR_VALUE, "'r'"},
        {"{\"peft_type\": \"LORA\", \"r\": 2.5, \"lora_alpha\": 8}", GF_ERR_VALUE, "'r'"},
        {"{\"peft_type\": \"LORA\", \"r\": 2}", GF_ERR_KEY, "'lora_alpha'"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 0}", GF_ERR_VALUE, "must be greater than 0"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1, \"lora_dropout\": 1}", GF_ERR_VALUE, "lora_dropout"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1}", GF_ERR_KEY, "'target_modules'"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1, \"target_modules\": []}", GF_ERR_VALUE,
         "no target has"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1, \"target_modules\": [\"uery\"]}", GF_ERR_VALUE,
         "no target has tensors"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 1, \"target_modules\": [1]}", GF_ERR_VALUE, "a target"},
        {"{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 1, \"target_modules\": [\"query\"]}", GF_ERR_TENSOR,
         "'" QUERY ".lora_A.weight' is not of rank 4"},
    };
    TestFolder *f = *state;
    GfAdapter a;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        test_put_text(f, GF_ADAPTER_CONFIG, wrong[i].config);
        test_check_error(&f->diags, gf_adapter_open(&a, f->path, &f->diags), wrong[i].status, wrong[i].part);
    }
}

static void foreign_tensors_are_refused(void **state)
{
    static const struct {
        Shape shapes[3];
        size_t count;
        GfStatus status;
        const char *part;
    } wrong[] = {
        {{{HEAD, 5, 3}}, 1, GF_ERR_TENSOR, "has no tensor '...lora_A.weight'"},
        {{{QUERY ".lora_A.weight", 2, 3}}, 1, GF_ERR_TENSOR, "but no '" QUERY ".lora_B.weight'"},
        {{{QUERY ".lora_B.weight", 4, 2}}, 1, GF_ERR_TENSOR, "but no '" QUERY ".lora_A.weight'"},
        {{{QUERY ".lora_A.weight", 2, 3}, {QUERY ".lora_B.weight", 4, 3}}, 2, GF_ERR_TENSOR, "is not of rank 2"},
        {{{QUERY ".lora_A.weight", 3, 2}, {QUERY ".lora_B.weight", 4, 2}}, 2, GF_ERR_TENSOR, "is not of rank 2"},
        {{{"bert.layer.0.query.lora_A.weight", 2, 3}}, 1, GF_ERR_NAME, "is no tensor of a LoRA adapter"},
        {{{QUERY ".lora_magnitude_vector", 1, 3}}, 1, GF_ERR_NAME, "is no tensor of a LoRA adapter"},
        {{{QUERY ".lora_embedding_A", 1, 3}}, 1, GF_ERR_NAME, "is no tensor of a LoRA adapter"},
        {{{QUERY " \".lora_A.weight", 2, 3}}, 1, GF_ERR_NAME, "is no tensor of a LoRA adapter"},
    };
    TestFolder *f = *state;
    GfAdapter a;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_tensors(f, GF_ADAPTER_FILE, wrong[i].shapes, wrong[i].count);
        test_check_error(&f->diags, gf_adapter_open(&a, f->path, &f->diags), wrong[i].status, wrong[i].part);
    }
    unlink(test_path(f, GF_ADAPTER_FILE));
    test_check_error(&f->diags, gf_adapter_open(&a, f->path, &f->diags), GF_ERR_IO, "cannot be opened");
}

static void check_against(TestFolder *f, const GfAdapter *a, const char *variant, GfStatus want, const char *part)
{
    GfVariant v;

    assert_int_equal(gf_variant_load_text(&v, "v.json", variant, strlen(variant), &f->diags), GF_OK);
    GfStatus got = gf_adapter_check_variant(a, &v, &f->diags);
    if (want == GF_OK)
        assert_int_equal(got, GF_OK);
    else
        test_check_error(&f->diags, got, want, part);
    gf_variant_close(&v);
}

static void a_variant_goes_on_with_the_same_product(void **state)
{
    TestFolder *f = *state;
    GfAdapter a;

    assert_int_equal(gf_adapter_open(&a, f->path, &f->diags), GF_OK);
    check_against(f, &a, "{\"lora\": {\"targets\": [\"query\"], \"r\": 2, \"alpha\": 8}}", GF_OK, NULL);
    check_against(f, &a, "{}", GF_ERR_VALUE, "this variant has no \"lora\"");
    check_against(f, &a, "{\"lora\": {\"targets\": [\"query\"], \"r\": 4, \"alpha\": 16}}", GF_ERR_VALUE, "rank 4");
    check_against(f, &a, "{\"lora\": {\"targets\": [\"query\"], \"r\": 2, \"alpha\": 4}}", GF_ERR_VALUE, "scale 2");
    check_against(f, &a, "{\"lora\": {\"targets\": [\"query\"], \"r\": 2, \"alpha\": 8, \"use_rslora\": true}}",
                  GF_ERR_VALUE, "scale 5.6");
    gf_adapter_close(&a);
}

static void what_is_written_is_read(void **state)
{
    static const char *const targets[] = {"query"}, *const saved[] = {"classifier", "bert.pooler"};
    TestFolder *f = *state;
    GfLora lora = {.r = 2, .alpha = 8, .dropout = 0.25};
    GfAdapterSave save = {"/some \"where\"", &lora, targets, saved, 1, 2};
    GfAdapter a;
    const cJSON *list = NULL;

    assert_int_equal(gf_adapter_write_config(test_path(f, GF_ADAPTER_CONFIG), &save, &f->diags), GF_OK);
    assert_int_equal(gf_adapter_open(&a, f->path, &f->diags), GF_OK);
    assert_string_equal(a.base, "/some \"where\"");
    check_variant(a.variant, "query");
    assert_int_equal(gf_json_get_array(&a.config, a.config.root, "modules_to_save", GF_REQUIRED, &list, &f->diags),
                     GF_OK);
    assert_string_equal(list->child->next->valuestring, "bert.pooler");
    assert_string_equal(gf_adapter_key(&f->arena, "x.lora_B"), "base_model.model.x.lora_B.weight");
    assert_string_equal(gf_adapter_key(&f->arena, "x.weight"), "base_model.model.x.weight");
    gf_adapter_close(&a);
}

/* ---- the folder a model comes from ---- */

static GfStatus open_pretrained(TestFolder *f, const char *name, const char *base, GfPretrained *p)
{
    return gf_pretrained_open(p, test_path(f, name), base, (GfLoc){.file = "job.json"}, &f->diags);
}

static void put_model(TestFolder *f, const char *folder, const char *weights)
{
    assert_int_equal(gf_folder_make(test_path(f, folder), GF_NOWHERE, &f->diags), GF_OK);
    test_put_text(f, gf_path_join(&f->arena, folder, "config.json"), "{}");
    test_put_text(f, gf_path_join(&f->arena, folder, weights), "");
}

static void a_model_is_its_own_base(void **state)
{
    TestFolder *f = *state;
    GfPretrained p;

    put_model(f, "tiny", GF_WEIGHTS_INDEX);
    assert_int_equal(open_pretrained(f, "tiny", NULL, &p), GF_OK);
    assert_string_equal(p.base, test_path(f, "tiny"));
    assert_string_equal(p.weights, test_path(f, "tiny/" GF_WEIGHTS_INDEX));
    assert_false(p.has_adapter);
    gf_pretrained_close(&p);
    put_model(f, "tiny", GF_WEIGHTS_FILE);
    assert_int_equal(open_pretrained(f, "tiny", NULL, &p), GF_OK);
    assert_string_equal(p.weights, test_path(f, "tiny/" GF_WEIGHTS_FILE)); /* one file before shards */
    gf_pretrained_close(&p);
    test_check_error(&f->diags, open_pretrained(f, "tiny", f->path, &p), GF_ERR_VALUE, "is no adapter");
}

static void missing_models_are_located(void **state)
{
    TestFolder *f = *state;
    GfPretrained p;

    test_check_error(&f->diags, open_pretrained(f, "none", NULL, &p), GF_ERR_IO, "none' does not exist");
    assert_int_equal(gf_folder_make(test_path(f, "pickle"), GF_NOWHERE, &f->diags), GF_OK);
    test_check_error(&f->diags, open_pretrained(f, "pickle", NULL, &p), GF_ERR_IO, "has no model.safetensors");
    test_put_text(f, "pickle/pytorch_model.bin", "");
    test_check_error(&f->diags, open_pretrained(f, "pickle", NULL, &p), GF_ERR_IO, "has no model.safetensors");
    assert_non_null(strstr(f->diags.last->note, "pytorch_model.bin is not read"));
}

static void check_base(TestFolder *f, const char *given, const char *want)
{
    GfPretrained p;

    assert_int_equal(open_pretrained(f, ".", given, &p), GF_OK);
    assert_true(p.has_adapter);
    assert_string_equal(p.base, want);
    assert_string_equal(p.config, gf_path_join(&f->arena, want, "config.json"));
    assert_string_equal(p.tokenizer, want);
    gf_pretrained_close(&p);
}

/* The one given, the adapter's own, the one it names: seen from its folder. */
static void a_base_is_found(void **state)
{
    TestFolder *f = *state;
    GfPretrained p;

    test_check_error(&f->diags, open_pretrained(f, ".", NULL, &p), GF_ERR_IO, "names 'tiny' as its base");
    assert_string_equal(f->diags.last->loc.file, "job.json");
    put_model(f, "tiny", GF_WEIGHTS_FILE);
    check_base(f, NULL, test_path(f, "./tiny"));
    put_model(f, GF_OWN_BASE, GF_WEIGHTS_FILE);
    check_base(f, NULL, test_path(f, "./" GF_OWN_BASE));
    put_model(f, "given", GF_WEIGHTS_FILE);
    check_base(f, test_path(f, "given"), test_path(f, "given"));
    test_put_text(f, "given/" GF_ADAPTER_CONFIG, good);
    test_check_error(&f->diags, open_pretrained(f, ".", test_path(f, "given"), &p), GF_ERR_VALUE,
                     "is itself an adapter");
}

/* ---- damage ---- */

static void open_damaged(TestFolder *f, bool must_fail)
{
    GfDiags diags;
    GfAdapter a;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_adapter_open(&a, f->path, &diags);
    assert_true(diags.count > 0 || status == GF_OK);
    assert_true(status == GF_OK || diags.last->loc.file);
    assert_true(status != GF_OK || !must_fail);
    if (status == GF_OK)
        gf_adapter_close(&a);
    gf_diags_free(&diags);
}

static void damage_does_no_harm(void **state)
{
    TestFolder *f = *state;
    char copy[sizeof good], *file;
    size_t length;

    for (size_t i = 0; i + 1 < sizeof good; i++) {
        test_put(f, GF_ADAPTER_CONFIG, good, i);
        open_damaged(f, true);
        for (unsigned bit = 1; bit < 256; bit <<= 3) {
            memcpy(copy, good, sizeof good);
            copy[i] = (char)((unsigned char)copy[i] ^ bit);
            test_put(f, GF_ADAPTER_CONFIG, copy, sizeof good - 1);
            open_damaged(f, false);
        }
    }
    test_put_text(f, GF_ADAPTER_CONFIG, good);
    assert_int_equal(gf_file_read(&f->arena, test_path(f, GF_ADAPTER_FILE), &file, &length, &f->diags), GF_OK);
    for (size_t i = 0; i < length; i++) {
        test_put(f, GF_ADAPTER_FILE, file, i);
        open_damaged(f, true);
        file[i] = (char)(file[i] ^ 4);
        test_put(f, GF_ADAPTER_FILE, file, length);
        open_damaged(f, false);
        file[i] = (char)(file[i] ^ 4);
    }
}

static void any_allocation_may_fail(void **state)
{
    TestFolder *f = *state;
    GfStatus status = GF_ERR_MEMORY;
    long failures = 0;

    put_model(f, "tiny", GF_WEIGHTS_FILE);
    for (; status != GF_OK; failures++) {
        FailingAlloc failing;
        GfDiags diags;
        GfPretrained p;

        failing_alloc_init(&failing, failures);
        gf_diags_init(&diags, &failing.allocator);
        status = gf_pretrained_open(&p, f->path, NULL, GF_NOWHERE, &diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        if (status == GF_OK)
            gf_pretrained_close(&p);
        gf_diags_free(&diags);
        assert_int_equal(failing.live, 0);
    }
    assert_true(failures > 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_adapter_is_read),
        TEST(an_expression_is_what_it_matched),
        TEST(unknown_settings_are_refused),
        TEST(foreign_tensors_are_refused),
        TEST(a_variant_goes_on_with_the_same_product),
        TEST(what_is_written_is_read),
        TEST(a_model_is_its_own_base),
        TEST(missing_models_are_located),
        TEST(a_base_is_found),
        TEST(damage_does_no_harm),
        TEST(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
