/* test_predict.c -- a predictor gives the logits of an evaluation, whatever is asked at the same time.
 *
 * The model is made here: words and types looked up, attention, a linear.  It has no
 * positions, so a text may be of any length.
 */
#include "runtime/train/predict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/train/evaluate.h"
#include "tests/support/files.h"
#include "tests/support/has_cpu.h"

enum { WORDS = 9, HIDDEN = 8, CLASSES = 3, TEXTS = 4400 };

#define MODEL(types)                                                                                                   \
    "{\"model\": \"M\",\n"                                                                                             \
    "\"config\": {\"h\": 8, \"v\": 9, \"n\": " types ", \"num_labels\": 3, \"initializer_range\": 0.02},\n"            \
    "\"inputs\": {\"ids\": \"i32[tokens]\", \"types\": \"i32[tokens]\", \"starts\": \"i32[seqs]\",\n"                  \
    " \"lengths\": \"i32[seqs]\", \"labels\": \"i32[seqs]\"},\n"                                                       \
    "\"params\": {\"w\": \"f32[v,h]\", \"t\": \"f32[n,h]\", \"c\": \"f32[num_labels,h]\"},\n"                          \
    "\"do\": [\n"                                                                                                      \
    "{\"op\": \"gather\", \"in\": [\"w\", \"ids\"], \"out\": \"x\"},\n"                                                \
    "{\"op\": \"gather\", \"in\": [\"t\", \"types\"], \"out\": \"y\"},\n"                                              \
    "{\"op\": \"add\", \"in\": [\"x\", \"y\"], \"out\": \"x\"},\n"                                                     \
    "{\"op\": \"attention\", \"in\": [\"x\", \"x\", \"x\", \"starts\", \"lengths\"], \"out\": \"x\", \"heads\": 2, "   \
    "\"p\": 0.1},\n"                                                                                                   \
    "{\"op\": \"gather\", \"in\": [\"x\", \"starts\"], \"out\": \"first\"},\n"                                         \
    "{\"op\": \"linear\", \"in\": [\"first\", \"c\"], \"out\": \"logits\"},\n"                                         \
    "{\"op\": \"cross_entropy\", \"in\": [\"logits\", \"labels\"], \"out\": \"l\"},\n"                                 \
    "{\"op\": \"mean\", \"in\": [\"l\"], \"out\": \"loss\"}],\n"                                                       \
    "\"gives\": {\"loss\": \"loss\", \"logits\": \"logits\"}}\n"

typedef struct Fixture {
    TestFolder folder;
    GfDevice device;
    GfPredictor predictor;
    GfAsked texts[TEXTS];
    float wanted[TEXTS * CLASSES], got[TEXTS * CLASSES];
} Fixture;

/* Numbers that look drawn, in [-1, 1). */
static float noise(uint32_t i)
{
    i = (i ^ i >> 15) * 0x2c1b3c6du;
    i = (i ^ i >> 12) * 0x297a2d39u;
    return (float)(i >> 8) / (float)(1 << 23) - 1;
}

static void put_weights(Fixture *f, int64_t types, float scale)
{
    GfStTensor all[] = {test_tensor(&f->folder, "c", CLASSES, HIDDEN), test_tensor(&f->folder, "t", types, HIDDEN),
                        test_tensor(&f->folder, "w", WORDS, HIDDEN)};
    uint32_t drawn = 0;

    for (size_t i = 0; i < 3; i++) {
        float *values = (float *)(uintptr_t)all[i].data;
        for (int64_t k = 0; k < all[i].shape[0] * HIDDEN; k++)
            values[k] = scale * noise(++drawn);
    }
    assert_int_equal(
        gf_safetensors_write(test_path(&f->folder, "model.safetensors"), all, 3, NULL, 0, &f->folder.diags), GF_OK);
}

/* 0 to 12 words each. */
static void make_texts(Fixture *f)
{
    for (uint32_t i = 0; i < TEXTS; i++) {
        GfText text = {.arena = &f->folder.arena};
        for (uint32_t k = 0; k < (i * 7 + i / 13) % 13; k++)
            gf_text_add(&text, "%c ", (char)('a' + (int)(4 * (noise(i * 17 + k) + 1) / 2)));
        f->texts[i] = (GfAsked){.text = gf_text_str(&text), .length = text.length};
    }
    assert_false(f->folder.arena.failed);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || !test_folder_open(&f->folder))
        return 1;
    test_put_text(&f->folder, "config.json",
                  "{\"model_type\": \"bert\", \"id2label\": {\"0\": \"x\", \"1\": \"y\", \"2\": \"z\"}}");
    test_put_text(&f->folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\n");
    test_put_text(&f->folder, "model.json", MODEL("2"));
    put_weights(f, 2, 1);
    make_texts(f);
    return gf_device_open(&f->device, "cpu", 2, NULL, &f->folder.diags);
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    gf_predictor_close(&f->predictor);
    gf_device_close(&f->device);
    test_folder_close(&f->folder);
    free(f);
    return 0;
}

static void check_ok(Fixture *f, GfStatus status)
{
    if (status != GF_OK)
        gf_diags_print(&f->folder.diags, stderr);
    assert_int_equal(status, GF_OK);
}

static void open_predictor(Fixture *f, size_t batch_size)
{
    GfPredictorOptions options = {
        .device = &f->device, .run = {.model = test_path(&f->folder, "model.json")}, .batch_size = batch_size};

    gf_predictor_close(&f->predictor);
    check_ok(f, gf_predictor_open(&f->predictor, f->folder.path, &options, &f->folder.diags));
}

static void ask(Fixture *f, const GfAsked *texts, size_t count, float *logits)
{
    check_ok(f, gf_predictor_run(&f->predictor, texts, count, logits, &f->folder.diags));
}

static bool is_same(const float *a, const float *b, size_t texts)
{
    return memcmp(a, b, texts * CLASSES * sizeof *a) == 0;
}

/* ---- logits ---- */

/* What evaluating a file of these texts gives; the labels are not looked at. */
static GfStatus take(void *self, const GfEvaluated *batch, const float *logits, size_t classes, GfDiags *diags)
{
    float **to = self;
    size_t count = (size_t)batch->seqs * classes;

    (void)diags;
    memcpy(*to, logits, count * sizeof **to);
    *to += count;
    return GF_OK;
}

static void evaluate(Fixture *f, size_t count, float *logits)
{
    GfText text = {.arena = &f->folder.arena};
    GfRun *run = &f->predictor.run;
    GfStoreSource source = gf_run_source(run);
    GfStepsOptions options = {.model = &run->model, .variant = &run->variant, .device = &f->device, .source = &source};
    GfDataset data;
    GfEvaluator evaluator;
    GfEvaluation result;
    GfSteps steps;

    gf_text_add(&text, "text;label\n");
    for (size_t i = 0; i < count; i++)
        gf_text_add(&text, "%s;x\n", f->texts[i].text);
    test_put_text(&f->folder, "data.txt", gf_text_str(&text));
    check_ok(f, gf_run_file(run, test_path(&f->folder, "data.txt"), &data, &f->folder.diags));
    options.evaluate = (GfBatchLimits){.tokens = (int64_t)gf_dataset_max_tokens(&data, 32), .seqs = 32};
    check_ok(f, gf_backend_find("cpu", &options.backend, &f->folder.diags));
    check_ok(f, gf_steps_new(&steps, &options, &f->folder.diags));
    check_ok(f, gf_evaluator_init(&evaluator, &f->folder.arena, &data, 32, &f->folder.diags));
    evaluator.hook = (GfLogitsHook){.take = take, .self = &logits};
    check_ok(f, gf_evaluate(&evaluator, steps.evaluate.exec, &result, &f->folder.diags));
    gf_steps_free(&steps);
}

static void logits_are_those_of_an_evaluation(void **state)
{
    enum { COUNT = 300 };
    Fixture *f = *state;

    open_predictor(f, 0);
    evaluate(f, COUNT, f->wanted);
    ask(f, f->texts, COUNT, f->got);
    assert_true(is_same(f->got, f->wanted, COUNT));
    GfAsked moved = f->texts[1]; /* planted: two texts that change places are seen */
    f->texts[1] = f->texts[2];
    f->texts[2] = moved;
    ask(f, f->texts, COUNT, f->got);
    assert_false(is_same(f->got, f->wanted, COUNT));
}

/* More than a window of texts; batches of one, of some, and all for itself. */
static void batches_do_not_matter(void **state)
{
    static const size_t sizes[] = {1, 7, 256};
    Fixture *f = *state;

    open_predictor(f, 0);
    assert_true(gf_predictor_window(&f->predictor) < TEXTS);
    ask(f, f->texts, TEXTS, f->wanted);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        open_predictor(f, sizes[i]);
        memset(f->got, 0, sizeof f->got);
        ask(f, f->texts, TEXTS, f->got);
        assert_true(is_same(f->got, f->wanted, TEXTS));
    }
    for (size_t i = TEXTS - 20; i < TEXTS; i++) {
        ask(f, &f->texts[i], 1, f->got);
        assert_true(is_same(f->got, f->wanted + i * CLASSES, 1));
    }
    ask(f, NULL, 0, NULL);
}

/* A text, the same with an empty second one, and with another: three answers, alone or together. */
static void pairs_and_texts_go_together(void **state)
{
    Fixture *f = *state;
    const GfAsked asked[] = {{"a b", NULL, 3, 0}, {"a b", "", 3, 0}, {"a b", "c d", 3, 3}, {"c d", "a b", 3, 3}};
    float alone[CLASSES];

    open_predictor(f, 0);
    ask(f, asked, 4, f->wanted);
    for (size_t i = 0; i < 4; i++) {
        ask(f, &asked[i], 1, alone);
        assert_true(is_same(alone, f->wanted + i * CLASSES, 1));
        for (size_t k = 0; k < i; k++)
            assert_false(is_same(alone, f->wanted + k * CLASSES, 1));
    }
    test_put_text(&f->folder, "model.json", MODEL("1"));
    put_weights(f, 1, 1);
    open_predictor(f, 0);
    ask(f, asked, 1, f->got);
    assert_int_equal(gf_predictor_run(&f->predictor, asked, 4, f->got, &f->folder.diags), GF_ERR_VALUE);
    assert_non_null(strstr(f->folder.diags.last->message, "one token type"));
}

/* Longer than any batch was planned for. */
static void the_plan_follows_the_longest_text(void **state)
{
    Fixture *f = *state;
    GfText text = {.arena = &f->folder.arena};

    open_predictor(f, 0);
    size_t planned = f->predictor.plan_tokens;
    ask(f, f->texts, 3, f->wanted);
    for (size_t i = 0; i < planned; i++)
        gf_text_add(&text, "a ");
    f->texts[1] = (GfAsked){.text = gf_text_str(&text), .length = text.length};
    ask(f, f->texts, 3, f->got);
    assert_true(f->predictor.plan_tokens >= planned + 2);
    assert_true(is_same(f->got, f->wanted, 1));
    assert_false(is_same(f->got + CLASSES, f->wanted + CLASSES, 1));
    assert_true(is_same(f->got + 2 * CLASSES, f->wanted + 2 * CLASSES, 1));
}

static void no_labels_are_compiled(void **state)
{
    Fixture *f = *state;
    uint32_t i;

    open_predictor(f, 0);
    assert_non_null(gf_program_tensor(f->predictor.steps.evaluate.program, "ids", &i));
    assert_null(gf_program_tensor(f->predictor.steps.evaluate.program, "labels", &i));
}

/* ---- errors ---- */

static void a_logit_that_is_no_number_is_an_error(void **state)
{
    Fixture *f = *state;

    put_weights(f, 2, INFINITY);
    open_predictor(f, 0);
    assert_int_equal(gf_predictor_run(&f->predictor, f->texts, 3, f->got, &f->folder.diags), GF_ERR_VALUE);
    assert_non_null(strstr(f->folder.diags.last->message, "a logit is not finite"));
}

static void a_folder_without_a_model_is_an_error(void **state)
{
    Fixture *f = *state;
    GfPredictorOptions options = {.device = &f->device};

    assert_int_equal(gf_predictor_open(&f->predictor, "/nowhere", &options, &f->folder.diags), GF_ERR_IO);
    gf_predictor_close(&f->predictor);
    options.batch_size = GF_PREDICT_BATCH_SIZE_MAX + 1;
    assert_int_equal(gf_predictor_open(&f->predictor, f->folder.path, &options, &f->folder.diags), GF_ERR_VALUE);
}

/* ---- scores ---- */

static void scores_are_probabilities(void **state)
{
    static const float logits[CLASSES] = {1000, -1000, 999}, equal[CLASSES] = {0, 0, 0};
    static const char *const names[CLASSES] = {"x", "y", "z"};
    GfPredictor p = {.run = {.labels = {.problem = GF_PROBLEM_SINGLE_LABEL, .names = names, .count = CLASSES}}};
    double scores[CLASSES];

    (void)state;
    gf_predictor_scores(&p, logits, scores);
    assert_true(fabs(scores[0] - 1 / (1 + exp(-1.0))) < 1e-12 && scores[1] == 0);
    assert_true(fabs(scores[0] + scores[2] - 1) < 1e-12);
    gf_predictor_scores(&p, equal, scores);
    assert_true(fabs(scores[1] - 1.0 / 3) < 1e-15);
    assert_int_equal(gf_predictor_best(&p, equal), 0);
    assert_int_equal(gf_predictor_best(&p, logits), 0);
    p.run.labels.problem = GF_PROBLEM_MULTI_LABEL;
    gf_predictor_scores(&p, logits, scores);
    assert_true(scores[0] == 1 && scores[1] == 0 && scores[2] == 1);
    gf_predictor_scores(&p, equal, scores);
    assert_true(scores[0] == 0.5);
    p.run.labels.problem = GF_PROBLEM_REGRESSION;
    gf_predictor_scores(&p, logits, scores);
    assert_true(scores[1] == -1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(logits_are_those_of_an_evaluation),
        TEST(batches_do_not_matter),
        TEST(pairs_and_texts_go_together),
        TEST(the_plan_follows_the_longest_text),
        TEST(no_labels_are_compiled),
        TEST(a_logit_that_is_no_number_is_an_error),
        TEST(a_folder_without_a_model_is_an_error),
        cmocka_unit_test(scores_are_probabilities),
    };
    return has_cpu() ? cmocka_run_group_tests(tests, NULL, NULL) : TEST_SKIPPED;
}
