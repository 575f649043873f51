/* test_model_save.c -- a model's folder: merged and rounded values, what an adapter brings, exports. */
#include "passes/passes.h"
#include "runtime/io/convert.h"
#include "runtime/train/export.h"
#include "runtime/train/model_save.h"
#include "runtime/train/model_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/files.h"

/* ---- rounding ---- */

static uint16_t rounded(GfStDType dtype, double value)
{
    uint16_t bits;

    gf_st_round(dtype, value, &bits);
    return bits;
}

/* Every finite number rounds to itself, what lies between two to the nearer, the middle to the even one. */
static void check_rounding(GfStDType dtype, uint16_t infinite)
{
    for (uint16_t i = 0; i < infinite; i++) {
        const uint16_t next = (uint16_t)(i + 1);
        double a = gf_st_load(dtype, &i), b = gf_st_load(dtype, &next);
        double middle = next < infinite ? (a + b) / 2 : a + (a - gf_st_load(dtype, &(uint16_t){(uint16_t)(i - 1)})) / 2;
        assert_int_equal(rounded(dtype, a), i);
        assert_int_equal(rounded(dtype, -a), i | 0x8000);
        assert_int_equal(rounded(dtype, nextafter(middle, a)), i);
        assert_int_equal(rounded(dtype, nextafter(middle, INFINITY)), next);
        assert_int_equal(rounded(dtype, middle), i % 2 ? next : i);
        assert_int_equal(rounded(dtype, -middle), (i % 2 ? next : i) | 0x8000);
    }
    assert_int_equal(rounded(dtype, INFINITY), infinite);
    assert_int_equal(rounded(dtype, -1e300), infinite | 0x8000);
    assert_int_equal(rounded(dtype, 5e-324), 0);
    uint16_t nan = rounded(dtype, NAN);
    assert_true(isnan(gf_st_load(dtype, &nan)));
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    check_rounding(GF_ST_F16, 0x7c00);
    check_rounding(GF_ST_BF16, 0x7f80);
}

/* ---- merging ---- */

enum { M = 3, K = 4, R = 2 };

static GfStoreTensor matrix(const char *name, float *data, int64_t rows, int64_t columns)
{
    return (GfStoreTensor){.name = name,
                           .kind = GF_TENSOR_PARAM,
                           .type = gf_type_matrix(GF_F32, gf_dim_const(rows), gf_dim_const(columns)),
                           .count = rows * columns,
                           .data = data};
}

static GfStatus merge(TestFolder *f, float *w, float *a, float *b, GfStDType dtype, double scale, double *out)
{
    GfStoreTensor tw = matrix("w", w, M, K), ta = matrix("a", a, R, K), tb = matrix("b", b, M, R);
    GfSavedTensor saved = {"q.weight", &tw, &ta, &tb};
    GfSafetensors file;
    const GfStTensor *t;

    GF_TRY(gf_model_values_write(test_path(f, "w.safetensors"), &saved, 1, dtype, scale, &f->diags));
    GF_TRY(gf_safetensors_open(&file, test_path(f, "w.safetensors"), &f->diags));
    GF_TRY(gf_safetensors_expect(&file, "q.weight", (const int64_t[]){M, K}, 2, &t, &f->diags));
    assert_int_equal(t->dtype, dtype);
    GfStatus status = gf_safetensors_read_f64(&file, t, out, &f->diags);
    gf_safetensors_close(&file);
    return status;
}

static void merged_weights_are_rounded_once(void **state)
{
    TestFolder *f = *state;
    float w[M * K], a[R * K], b[M * R];
    double got[M * K];

    for (int i = 0; i < M * K; i++)
        w[i] = (float)sin(i + 1);
    for (int i = 0; i < R * K; i++)
        a[i] = (float)cos(i);
    for (int i = 0; i < M * R; i++)
        b[i] = (float)sin(5 * i);
    assert_int_equal(merge(f, w, a, b, GF_ST_F32, 1.0 / 3, got), GF_OK);
    for (int m = 0; m < M; m++) {
        for (int k = 0; k < K; k++) {
            double sum = (double)b[m * R] * (double)a[k] + (double)b[m * R + 1] * (double)a[K + k];
            float want = (float)((double)w[m * K + k] + sum / 3);
            assert_true(fabs(got[m * K + k] - (double)want) <= 0x1p-24 * fabs((double)want));
            assert_true(fabs(got[m * K + k] - (double)w[m * K + k]) > 1e-4); /* planted: no product */
        }
    }
}

/* 1 + 2^-8 + 2^-40 lies above the middle of two bf16; rounded to f32 first it would lie on it. */
static void narrow_weights_are_not_rounded_twice(void **state)
{
    TestFolder *f = *state;
    float w[M * K] = {1 + 0x1p-8f}, a[R * K] = {0x1p-20f}, b[M * R] = {0x1p-21f};
    double got[M * K];

    assert_int_equal(merge(f, w, a, b, GF_ST_BF16, 2, got), GF_OK);
    assert_true(got[0] == 1 + 0x1p-7);
    assert_int_equal(rounded(GF_ST_BF16, (double)(float)(1 + 0x1p-8 + 0x1p-40)), rounded(GF_ST_BF16, 1));
    w[5] = 70000;
    test_check_error(&f->diags, merge(f, w, a, b, GF_ST_F16, 2, got), GF_ERR_VALUE,
                     "tensor 'q.weight' has a number too large for F16");
    assert_int_equal(merge(f, w, a, b, GF_ST_BF16, 2, got), GF_OK); /* which has the range */
}

/* ---- folders ---- */

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
static const char sizes[] = "{\"vocab_size\": 6, \"max_position_embeddings\": 8, \"hidden_size\": 8,"
                            " \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 8}";
static const char *const labels[] = {"no", "yes"};

/* A tiny BERT, in a variant, with values from a seed or a checkpoint. */
typedef struct Tiny {
    GfJson doc;
    GfModel model;
    GfVariant variant;
    GfStore store;
} Tiny;

static void open_tiny(TestFolder *f, Tiny *t, const char *variant, const char *checkpoint)
{
    GfText list = {.arena = &f->arena};

    assert_int_equal(gf_json_read_text(&t->doc, "sizes", sizes, strlen(sizes), &f->diags), GF_OK);
    GfConfigSource source = {.doc = &t->doc, .object = t->doc.root};
    GfModelOptions options = {.sources = &source, .source_count = 1, .num_labels = 2};
    assert_int_equal(gf_model_load(&t->model, GRAFT_SOURCE_DIR "/models/bert.json", &options, &f->diags), GF_OK);
    assert_int_equal(gf_variant_load_text(&t->variant, "variant", variant, strlen(variant), &f->diags), GF_OK);
    gf_variant_passes(&t->variant, &list);
    GfGraph *g = gf_graph_clone(t->model.graph, NULL);
    if (list.length) {
        list.data[list.length - 1] = '\0';
        assert_int_equal(gf_pipeline_run(g, list.data, NULL, &f->arena, NULL, NULL, &f->diags), GF_OK);
    }
    gf_store_init(&t->store, NULL);
    assert_int_equal(gf_store_declare_params(&t->store, g, &f->diags), GF_OK);
    gf_graph_free(g);
    GfStoreSource from = {.checkpoint = checkpoint, .prefix = "bert.", .fresh = t->model.fresh, .seed = 3};
    assert_int_equal(gf_store_fill(&t->store, &from, &f->diags), GF_OK);
}

static void close_tiny(Tiny *t)
{
    gf_store_free(&t->store);
    gf_variant_close(&t->variant);
    gf_model_close(&t->model);
    gf_json_close(&t->doc);
}

static GfStatus save_tiny(TestFolder *f, Tiny *t, const char *folder, const char *base)
{
    GfModelSave save = {.model = &t->model,
                        .variant = &t->variant,
                        .labels = labels,
                        .label_count = 2,
                        .store = &t->store,
                        .base = base ? test_path(f, base) : NULL,
                        .dtype = GF_ST_F32};

    GF_TRY(gf_folder_make(test_path(f, folder), GF_NOWHERE, &f->diags));
    GF_TRY(gf_model_save(test_path(f, folder), &save, &f->diags));
    return gf_file_write_atomic(test_path(f, gf_path_join(&f->arena, folder, "vocab.txt")), vocabulary,
                                strlen(vocabulary), &f->diags);
}

/* An encoder without pooler and head, which a variant must draw. */
static const char *put_encoder(TestFolder *f)
{
    GfStTensor *list;
    GfSafetensors file;
    size_t count = 0;
    Tiny t;

    open_tiny(f, &t, "{}", NULL);
    assert_int_equal(save_tiny(f, &t, "encoder", NULL), GF_OK);
    close_tiny(&t);
    assert_int_equal(gf_safetensors_open(&file, test_path(f, "encoder/model.safetensors"), &f->diags), GF_OK);
    list = GF_NEW_ARRAY(&f->arena, GfStTensor, file.count);
    for (size_t i = 0; i < file.count; i++)
        if (!strstr(file.tensors[i].name, "pooler") && !strstr(file.tensors[i].name, "classifier"))
            list[count++] = file.tensors[i];
    assert_int_equal(gf_safetensors_write(test_path(f, "encoder/model.safetensors"), list, count, NULL, 0, &f->diags),
                     GF_OK);
    gf_safetensors_close(&file);
    return test_path(f, "encoder/model.safetensors");
}

/* The items of a list of adapter_config.json, joined by spaces. */
static const char *words_of(TestFolder *f, const char *folder, const char *key)
{
    const char *path = gf_path_join(&f->arena, test_path(f, folder), GF_ADAPTER_CONFIG);
    GfText text = {.arena = &f->arena};
    const cJSON *list = NULL;
    GfJson doc;

    assert_int_equal(gf_json_read_file(&doc, path, &f->diags), GF_OK);
    assert_int_equal(gf_json_get_array(&doc, doc.root, key, GF_OPTIONAL, &list, &f->diags), GF_OK);
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next)
        gf_text_add(&text, "%s%s", text.length ? " " : "", item->valuestring);
    gf_json_close(&doc);
    return gf_text_str(&text);
}

static bool is_there(TestFolder *f, const char *folder, const char *name)
{
    return gf_file_exists(gf_path_join(&f->arena, test_path(f, folder), name));
}

#define LORA(freeze, train, targets) "{" freeze train "\"lora\": {\"targets\": [" targets "], \"r\": 2, \"alpha\": 4}}"
#define FROZEN "\"freeze\": [\"*\"], "

static void an_adapter_brings_what_its_base_lacks(void **state)
{
    TestFolder *f = *state;
    const char *encoder = put_encoder(f);
    Tiny t;

    open_tiny(f, &t, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"query\", \"value\""), encoder);
    assert_int_equal(save_tiny(f, &t, "out", "encoder"), GF_OK);
    assert_string_equal(words_of(f, "out", "target_modules"), "query value");
    assert_string_equal(words_of(f, "out", "modules_to_save"), "bert.pooler.dense classifier");
    assert_false(is_there(f, "out", "base"));
    assert_false(is_there(f, "out", "model.safetensors"));
    close_tiny(&t);
}

static void an_adapter_without_a_checkpoint_brings_its_base(void **state)
{
    TestFolder *f = *state;
    Tiny t;

    open_tiny(f, &t, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"*.query\""), NULL);
    assert_int_equal(save_tiny(f, &t, "out", NULL), GF_OK);
    assert_string_equal(words_of(f, "out", "target_modules"), "bert.encoder.layer.0.attention.self.query");
    assert_string_equal(words_of(f, "out", "modules_to_save"), "classifier");
    assert_true(is_there(f, "out", "base/model.safetensors"));
    close_tiny(&t);
}

/* The drawn pooler is adapted itself, and the encoder trains: neither can be named. */
static void an_adapted_weight_that_is_new_is_in_the_base(void **state)
{
    TestFolder *f = *state;
    const char *encoder = put_encoder(f);
    Tiny t;

    open_tiny(f, &t, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"bert.pooler.dense\""), encoder);
    assert_int_equal(save_tiny(f, &t, "out", "encoder"), GF_OK);
    assert_true(is_there(f, "out", "base/model.safetensors"));
    assert_string_equal(words_of(f, "out", "modules_to_save"), "classifier");
    close_tiny(&t);
    open_tiny(f, &t, LORA("", "", "\"query\""), encoder);
    assert_int_equal(save_tiny(f, &t, "open", "encoder"), GF_OK);
    assert_true(is_there(f, "open", "base/model.safetensors"));
    close_tiny(&t);
}

static void a_folder_is_of_one_kind(void **state)
{
    TestFolder *f = *state;
    const char *encoder = put_encoder(f);
    Tiny adapter, model, seeded;

    open_tiny(f, &seeded, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"query\""), NULL);
    open_tiny(f, &adapter, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"query\""), encoder);
    open_tiny(f, &model, "{}", encoder);
    assert_int_equal(save_tiny(f, &seeded, "out", NULL), GF_OK);
    assert_int_equal(save_tiny(f, &adapter, "out", "encoder"), GF_OK);
    assert_false(is_there(f, "out", "base"));
    assert_int_equal(save_tiny(f, &model, "out", NULL), GF_OK);
    assert_false(is_there(f, "out", GF_ADAPTER_CONFIG) || is_there(f, "out", GF_ADAPTER_FILE));
    assert_int_equal(save_tiny(f, &seeded, "out", NULL), GF_OK);
    assert_false(is_there(f, "out", "model.safetensors"));
    assert_int_equal(save_tiny(f, &adapter, "encoder", "encoder"), GF_OK); /* its base would be overwritten */
    assert_true(is_there(f, "encoder", "base/model.safetensors"));
    close_tiny(&adapter);
    close_tiny(&model);
    close_tiny(&seeded);
}

/* ---- exports ---- */

static void read_tensor(TestFolder *f, const char *folder, const char *name, float *out)
{
    const char *path = gf_path_join(&f->arena, test_path(f, folder), "model.safetensors");
    GfSafetensors file;

    assert_int_equal(gf_safetensors_open(&file, path, &f->diags), GF_OK);
    const GfStTensor *t = gf_safetensors_find(&file, name);
    assert_non_null(t);
    assert_int_equal(gf_safetensors_read_f32(&file, t, out, &f->diags), GF_OK);
    gf_safetensors_close(&file);
}

#define QUERY "bert.encoder.layer.0.attention.self.query"

static void exports_are_the_same_model(void **state)
{
    TestFolder *f = *state;
    GfExportOptions merged = {.dtype = GF_ST_F32, .merge = true}, plain = {.dtype = GF_ST_F32};
    float was[64], is[64];
    GfRun run;
    Tiny t;

    open_tiny(f, &t, LORA(FROZEN, "\"train\": [\"classifier.*\"], ", "\"query\""), NULL);
    float *a = gf_store_find(&t.store, QUERY ".lora_A")->data, *b = gf_store_find(&t.store, QUERY ".lora_B")->data;
    for (int i = 0; i < 16; i++)
        b[i] = (float)(i + 1);
    assert_int_equal(save_tiny(f, &t, "lora", NULL), GF_OK);
    assert_int_equal(gf_run_open(&run, test_path(f, "lora"), NULL, &f->diags), GF_OK);
    assert_false(run.own);
    assert_string_equal(run.labels.names[1], "yes");
    assert_int_equal(gf_export(&run, test_path(f, "merged"), &merged, &f->diags), GF_OK);
    assert_int_equal(gf_export(&run, test_path(f, "plain"), &plain, &f->diags), GF_OK);
    assert_true(is_there(f, "merged", "vocab.txt") && is_there(f, "plain", "base/model.safetensors"));
    assert_string_equal(words_of(f, "plain", "modules_to_save"), "classifier");
    read_tensor(f, "lora/base", QUERY ".weight", was);
    read_tensor(f, "merged", QUERY ".weight", is);
    for (int i = 0; i < 64; i++) {
        int m = i / 8, k = i % 8;
        float want = (float)(was[i] + 2 * ((double)b[2 * m] * a[k] + (double)b[2 * m + 1] * a[8 + k]));
        assert_true(fabsf(is[i] - want) <= 0x1p-23f * fabsf(want));
        assert_true(is[i] != was[i]); /* planted: not merged */
    }
    test_check_error(&f->diags, gf_export(&run, test_path(f, "merged"), &merged, &f->diags), GF_ERR_IO, "exists");
    plain.overwrite = true;
    test_check_error(&f->diags, gf_export(&run, test_path(f, "./lora"), &plain, &f->diags), GF_ERR_IO, "run itself");
    gf_run_close(&run);
    close_tiny(&t);
    assert_int_equal(gf_run_open(&run, test_path(f, "merged"), NULL, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_export(&run, test_path(f, "again"), &merged, &f->diags), GF_ERR_VALUE,
                     "no adapters");
    gf_run_close(&run);
}

/* An adapter with the tensors of another model, without those of a target, of another shape. */
static void an_adapter_of_another_model_is_refused(void **state)
{
    TestFolder *f = *state;
    GfExportOptions options = {.dtype = GF_ST_F32};
    const char *config = "lora/" GF_ADAPTER_CONFIG;
    GfRun run;
    Tiny t;

    open_tiny(f, &t, LORA(FROZEN, "", "\"bert.encoder.layer.0.attention.self.query\""), NULL);
    assert_int_equal(save_tiny(f, &t, "lora", NULL), GF_OK);
    close_tiny(&t);
    test_put_text(f, config,
                  "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"target_modules\": [\"self.query\","
                  " \"attention.self.query\"]}");
    assert_int_equal(gf_run_open(&run, test_path(f, "lora"), NULL, &f->diags), GF_OK);
    assert_int_equal(gf_export(&run, test_path(f, "good"), &options, &f->diags), GF_OK);
    gf_run_close(&run);
    GfStTensor list[] = {test_tensor(f, "base_model.model." QUERY ".lora_A.weight", 2, 8),
                         test_tensor(f, "base_model.model." QUERY ".lora_B.weight", 8, 2),
                         test_tensor(f, "base_model.model.score.weight", 2, 8)};
    assert_int_equal(gf_safetensors_write(test_path(f, "lora/" GF_ADAPTER_FILE), list, 3, NULL, 0, &f->diags), GF_OK);
    assert_int_equal(gf_run_open(&run, test_path(f, "lora"), NULL, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_export(&run, test_path(f, "wrong"), &options, &f->diags), GF_ERR_TENSOR,
                     "'base_model.model.score.weight' is of no parameter of the model");
    assert_false(gf_file_exists(test_path(f, "wrong")));
    gf_run_close(&run);
    test_put_text(f, config,
                  "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"target_modules\": [\"query\","
                  " \"dense\"]}");
    list[2] = test_tensor(f, "base_model.model.bert.pooler.dense.lora_A.weight", 2, 8);
    GfStTensor more[] = {list[0], list[1], list[2],
                         test_tensor(f, "base_model.model.bert.pooler.dense.lora_B.weight", 8, 2)};
    assert_int_equal(gf_safetensors_write(test_path(f, "lora/" GF_ADAPTER_FILE), more, 4, NULL, 0, &f->diags), GF_OK);
    assert_int_equal(gf_run_open(&run, test_path(f, "lora"), NULL, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_export(&run, test_path(f, "wrong"), &options, &f->diags), GF_ERR_TENSOR,
                     "has no 'bert.encoder.layer.0.attention.output.dense.lora_A'");
    gf_run_close(&run);
    list[1] = test_tensor(f, "base_model.model." QUERY ".lora_B.weight", 9, 2);
    assert_int_equal(gf_safetensors_write(test_path(f, "lora/" GF_ADAPTER_FILE), list, 2, NULL, 0, &f->diags), GF_OK);
    assert_int_equal(gf_run_open(&run, test_path(f, "lora"), NULL, &f->diags), GF_OK);
    test_check_error(&f->diags, gf_export(&run, test_path(f, "wrong"), &options, &f->diags), GF_ERR_TENSOR,
                     "has shape [9, 2], expected [8, 2]");
    gf_run_close(&run);
}

static int set_up(void **state)
{
    TestFolder *f = calloc(1, sizeof *f);

    *state = f;
    return test_folder_open(f) ? 0 : -1;
}

static int tear_down(void **state)
{
    test_folder_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rounding_is_to_nearest_even),
        TEST(merged_weights_are_rounded_once),
        TEST(narrow_weights_are_not_rounded_twice),
        TEST(an_adapter_brings_what_its_base_lacks),
        TEST(an_adapter_without_a_checkpoint_brings_its_base),
        TEST(an_adapted_weight_that_is_new_is_in_the_base),
        TEST(a_folder_is_of_one_kind),
        TEST(exports_are_the_same_model),
        TEST(an_adapter_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
