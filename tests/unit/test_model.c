/* test_model.c -- model files to graphs: parameter counts and names, config
 * sources, and the numbers that the graph gives for the reference checkpoint.
 *
 * The last needs the shared reference data: GRAFT_SHARED names the folder.
 */
#include "frontend/graph/model.h"
#include "frontend/graph/training.h"
#include "frontend/graph/variant.h"
#include "passes/passes.h"
#include "runtime/io/safetensors.h"
#include "runtime/train/recipe.h"
#include "runtime/train/recipe_passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef GRAFT_SOURCE_DIR
#define GRAFT_SOURCE_DIR "."
#endif
#define MODEL(name) GRAFT_SOURCE_DIR "/models/" name ".json"
#define VARIANT(name) GRAFT_SOURCE_DIR "/models/variants/" name ".json"

typedef struct Fixture {
    GfDiags diags;
    GfArena arena;
    GfModel model;
    GfVariant variant;
    GfJson config;
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);

    gf_diags_init(&f->diags, NULL);
    gf_arena_init(&f->arena, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    gf_model_close(&f->model);
    gf_variant_close(&f->variant);
    gf_json_close(&f->config);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
    free(f);
    return 0;
}

static void check_ok(Fixture *f, GfStatus status)
{
    if (status != GF_OK)
        gf_diags_print(&f->diags, stderr);
    assert_int_equal(status, GF_OK);
}

static void load(Fixture *f, const char *path, int64_t num_labels)
{
    GfModelOptions options = {.num_labels = num_labels};

    gf_model_close(&f->model);
    check_ok(f, gf_model_load(&f->model, path, &options, &f->diags));
    check_ok(f, gf_verify(f->model.graph, &f->diags));
}

/* ---- counts ---- */

static void check_counts(Fixture *f, const char *variant, int64_t trainable, int64_t all)
{
    GfText list = {.arena = &f->arena};

    gf_variant_close(&f->variant);
    check_ok(f, gf_variant_load(&f->variant, variant, NULL, 0, &f->diags));
    check_ok(f, gf_recipe_check(&f->variant, f->model.graph, &f->diags));
    gf_variant_passes(&f->variant, &list);
    if (list.length)
        list.data[list.length - 1] = '\0';
    check_ok(f, gf_pipeline_run(f->model.graph, gf_text_str(&list), NULL, &f->arena, NULL, NULL, &f->diags));
    GfParamCount count = gf_count_params(f->model.graph);
    assert_int_equal(count.all, all);
    assert_int_equal(count.trainable, trainable);
}

static void bert_base_has_its_parameters(void **state)
{
    Fixture *f = *state;

    load(f, MODEL("bert"), 6);
    check_counts(f, VARIANT("full"), 109486854, 109486854);
    load(f, MODEL("bert"), 6);
    check_counts(f, VARIANT("classifier"), 4614, 109486854);
    load(f, MODEL("bert"), 6);
    check_counts(f, VARIANT("lora"), 446982, 109929222);
}

static void distilbert_has_its_parameters(void **state)
{
    Fixture *f = *state;
    const int64_t head = 768 * 768 + 768 + 2 * 768 + 2, adapters = 6 * 3 * 2 * 8 * 768;

    load(f, MODEL("distilbert"), 0);
    check_counts(f, VARIANT("full"), 66955010, 66955010);
    load(f, MODEL("distilbert"), 0);
    check_counts(f, VARIANT("distilbert-classifier"), head, 66955010);
    load(f, MODEL("distilbert"), 0);
    check_counts(f, VARIANT("distilbert-lora"), head + adapters, 66955010 + adapters);
}

static void a_variant_of_another_model_is_refused(void **state)
{
    Fixture *f = *state;

    load(f, MODEL("distilbert"), 0);
    check_ok(f, gf_variant_load(&f->variant, VARIANT("lora"), NULL, 0, &f->diags));
    assert_int_equal(gf_recipe_check(&f->variant, f->model.graph, &f->diags), GF_ERR_NAME);
    assert_non_null(strstr(f->diags.last->message, "no linear of the model is called 'query'"));
    assert_int_equal(f->diags.last->loc.line, 6);
}

/* ---- problems ---- */

static bool has(const Fixture *f, GfOp op)
{
    GF_EACH_NODE (n, f->model.graph) {
        if (n->op == op)
            return true;
    }
    return false;
}

static void load_problem(Fixture *f, const char *path, const char *problem, int64_t labels)
{
    GfModelOptions options = {.num_labels = labels, .problem_type = problem};

    gf_model_close(&f->model);
    check_ok(f, gf_model_load(&f->model, path, &options, &f->diags));
    check_ok(f, gf_verify(f->model.graph, &f->diags));
}

/* Both models, the loss of each problem, and only the input that it reads. */
static void the_loss_is_that_of_the_problem(void **state)
{
    static const char *const models[] = {MODEL("bert"), MODEL("distilbert")};
    Fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        load_problem(f, models[i], NULL, 3);
        assert_true(has(f, GF_OP_CROSS_ENTROPY) && !gf_find_name(f->model.graph, "targets"));
        assert_string_equal(gf_config_s(&f->model.config, "problem_type", ""), "single_label_classification");
        load_problem(f, models[i], "multi_label_classification", 3);
        assert_true(has(f, GF_OP_BCE_WITH_LOGITS) && !has(f, GF_OP_CROSS_ENTROPY));
        assert_null(gf_find_name(f->model.graph, "labels"));
        load_problem(f, models[i], "regression", 3);
        const GfNode *targets = gf_find_name(f->model.graph, "targets");
        assert_true(targets && gf_dim_is(targets->results[0].type.dims[1], 3) && !has(f, GF_OP_BCE_WITH_LOGITS));
    }
}

/* As transformers has it where nobody says. */
static void one_label_is_a_value(void **state)
{
    Fixture *f = *state;

    load_problem(f, MODEL("bert"), NULL, 1);
    assert_string_equal(gf_config_s(&f->model.config, "problem_type", ""), "regression");
    load_problem(f, MODEL("bert"), "multi_label_classification", 1);
    assert_true(has(f, GF_OP_BCE_WITH_LOGITS));
}

/* ---- recipes ---- */

static void recipes_are_lists_of_passes(void **state)
{
    Fixture *f = *state;
    GfTraining training = gf_training_defaults;
    GfRecipe recipe = {.variant = &f->variant, .training = &training, .tokens = 64, .seqs = 4};

    training.gradient_accumulation_steps = 2;
    check_ok(f, gf_variant_load(&f->variant, VARIANT("lora"), NULL, 0, &f->diags));
    assert_string_equal(
        gf_recipe_train(&recipe, &f->arena),
        "freeze{freeze=\"*\",train=\"classifier.*\"},"
        "attach-lora{targets=\"query key value\",r=8,alpha=32,dropout=0.1},narrow-rows,autodiff,prune-frozen,"
        "adamw{max_grad_norm=1,beta1=0.9,beta2=0.999,eps=1e-08,weight_decay=0,accumulated=1,"
        "return_gradients=0},fold,cse,dce,fuse-lora,fuse,join-launches{tokens=64,seqs=4},"
        "plan-memory{tokens=64,seqs=4}");
    recipe.variant = NULL;
    assert_string_equal(gf_recipe_accumulate(&recipe, &f->arena),
                        "narrow-rows,autodiff,prune-frozen,accumulate,fold,cse,dce,fuse-lora,fuse,"
                        "join-launches{tokens=64,seqs=4},plan-memory{tokens=64,seqs=4}");
    assert_string_equal(gf_recipe_eval(&recipe, &f->arena),
                        "narrow-rows,inference,fold,cse,dce,fuse-lora,fuse,join-launches{tokens=64,seqs=4},"
                        "plan-memory{tokens=64,seqs=4}");
    recipe.weighted = true;
    const char *lists[] = {gf_recipe_train(&recipe, &f->arena), gf_recipe_accumulate(&recipe, &f->arena),
                           gf_recipe_eval(&recipe, &f->arena)};
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(lists[i], "weigh-loss,", 11);
}

/* Every pass of a list has its row; left out and put in, the lists are what these say. */
static void passes_are_switched(void **state)
{
    Fixture *f = *state;
    GfTraining training = gf_training_defaults;
    GfRecipe recipe = {.training = &training, .weighted = true, .logits_only = true};
    const GfPassInfo **infos;
    GfText optional = {.arena = &f->arena}, extra = {.arena = &f->arena};
    size_t count;

    training.bf16 = true;
    recipe.part = GF_STEP_HOISTED;
    for (int id = 0; id < GF_PASS_COUNT; id++) {
        const GfRecipePass *row = gf_recipe_pass(gf_pass_info(id)->text);
        if (row && !row->kept)
            gf_text_add(row->extra ? &extra : &optional, "%s, ", gf_pass_info(id)->text);
    }
    const char *lists[] = {gf_recipe_train(&recipe, &f->arena), gf_recipe_accumulate(&recipe, &f->arena),
                           gf_recipe_eval(&recipe, &f->arena)};
    for (size_t i = 0; i < 3; i++) {
        check_ok(f, gf_pipeline_passes(lists[i], NULL, &f->arena, &infos, &count, &f->diags));
        for (size_t k = 0; k < count; k++)
            assert_true(gf_recipe_pass(infos[k]->text) && !gf_recipe_pass(infos[k]->text)->extra);
    }
    training.without_passes = gf_text_str(&optional);
    assert_string_equal(gf_recipe_accumulate(&recipe, &f->arena),
                        "weigh-loss,autodiff,accumulate,fuse{alone=1},plan-memory");
    training.with_passes = gf_text_str(&extra);
    assert_string_equal(gf_recipe_eval(&recipe, &f->arena),
                        "weigh-loss,inference,keep-outputs{names=logits},merge-lora,decompose,order-lora,"
                        "fuse-down,fuse-up-grad,merge-matmuls,fuse{alone=1},plan-memory");
    check_ok(f, gf_recipe_check_without(training.without_passes, "list", GF_NOWHERE, &f->diags));
    check_ok(f, gf_recipe_check_with(training.with_passes, "list", GF_NOWHERE, &f->diags));
    assert_int_equal(gf_recipe_check_without("cse,,adamw", "list", GF_NOWHERE, &f->diags), GF_ERR_PASS);
    assert_int_equal(gf_recipe_check_with("cse,cs", "list", GF_NOWHERE, &f->diags), GF_ERR_PASS);
    assert_true(gf_recipe_names("fuse-lora, cse", "cse") && !gf_recipe_names("fuse-lora,cse", "fuse"));
}

/* A variant without the dropout of frozen parts: the passes that say so, and the parts of a step. */
static void frozen_parts_are_cut_off(void **state)
{
    Fixture *f = *state;
    GfTraining training = gf_training_defaults;
    GfRecipe recipe = {.variant = &f->variant, .training = &training, .part = GF_STEP_HOISTED};

    check_ok(f, gf_variant_load(&f->variant, VARIANT("classifier"), NULL, 0, &f->diags));
    assert_false(f->variant.frozen_is_still || gf_recipe_may_hoist(&f->variant, &training));
    gf_variant_close(&f->variant);
    check_ok(f, gf_variant_load(&f->variant, VARIANT("classifier-hoisted"), NULL, 0, &f->diags));
    assert_true(f->variant.frozen_is_still && gf_recipe_may_hoist(&f->variant, &training));
    assert_string_equal(
        gf_recipe_eval(&recipe, &f->arena),
        "freeze{freeze=\"*\",train=\"classifier.*\"},inference{frozen=1},narrow-rows,inference,hoist-frozen,fold,"
        "cse,dce,fuse-lora,fuse,join-launches,plan-memory");
    recipe.part = GF_STEP_FROZEN;
    training.bf16 = true;
    assert_string_equal(
        gf_recipe_accumulate(&recipe, &f->arena),
        "freeze{freeze=\"*\",train=\"classifier.*\"},inference{frozen=1},narrow-rows,autodiff,prune-frozen,"
        "accumulate,hoist-frozen{part=frozen},precision{products=bf16},fold,cse,dce,fuse-lora,fuse,"
        "join-launches,plan-memory");
    training.hoist_budget_mb = 0;
    assert_false(gf_recipe_may_hoist(&f->variant, &training));
}

/* ---- config ---- */

static void load_with_config(Fixture *f, const char *config, const char *overrides)
{
    GfJson over;

    gf_json_close(&f->config);
    gf_model_close(&f->model);
    check_ok(f, gf_json_read_text(&f->config, "config.json", config, strlen(config), &f->diags));
    check_ok(f, gf_json_read_text(&over, "job.json", overrides, strlen(overrides), &f->diags));
    const GfConfigSource sources[] = {{.doc = &f->config, .object = f->config.root, .foreign = true},
                                      {.doc = &over, .object = over.root}};
    GfModelOptions options = {.sources = sources, .source_count = 2};
    check_ok(f, gf_model_load(&f->model, MODEL("bert"), &options, &f->diags));
    gf_json_close(&over);
}

static void later_sources_win(void **state)
{
    Fixture *f = *state;

    load_with_config(
        f,
        "{\"model_type\": \"bert\", \"architectures\": [\"X\"], \"hidden_size\": 8,"
        " \"num_attention_heads\": 2, \"vocab_size\": 30, \"num_hidden_layers\": 3, \"hidden_act\": \"relu\","
        " \"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}, \"classifier_dropout\": null}",
        "{\"num_hidden_layers\": 1, \"classifier_dropout\": 0.25}");
    const GfConfig *c = &f->model.config;
    assert_int_equal(gf_config_i(c, "hidden_size", 0), 8);
    assert_int_equal(gf_config_i(c, "num_hidden_layers", 0), 1);
    assert_int_equal(gf_config_i(c, "num_labels", 0), 3);
    assert_int_equal(gf_config_i(c, "max_position_embeddings", 0), 512);
    assert_int_equal(gf_config_i(c, "no_such_key", -7), -7);
    assert_true(gf_config_f(c, "classifier_dropout", 0) == 0.25);
    assert_string_equal(gf_config_s(c, "hidden_act", ""), "relu");
    assert_non_null(gf_find_label(f->model.graph, "bert.encoder.layer.0.output.LayerNorm.bias"));
    assert_null(gf_find_label(f->model.graph, "bert.encoder.layer.1.output.LayerNorm.bias"));
}

/* The dropout before the classifier: its own probability, or that of all others. */
static double last_dropout(const GfGraph *g)
{
    double p = -1;

    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == GF_OP_DROPOUT)
            p = gf_attr_f(n, "p");
    }
    return p;
}

static void null_passes_on_to_the_next_key(void **state)
{
    Fixture *f = *state;

    load_with_config(f, "{\"hidden_dropout_prob\": 0.3}", "{}");
    assert_true(last_dropout(f->model.graph) == 0.3);
    load_with_config(f, "{\"hidden_dropout_prob\": 0.3, \"classifier_dropout\": 0.4}", "{}");
    assert_true(last_dropout(f->model.graph) == 0.4);
    load_with_config(f, "{\"hidden_dropout_prob\": 0.3, \"classifier_dropout\": 0.4}",
                     "{\"classifier_dropout\": null}");
    assert_true(last_dropout(f->model.graph) == 0.3);
}

static void repeat_may_be_zero(void **state)
{
    Fixture *f = *state;

    load_with_config(f, "{\"num_hidden_layers\": 0}", "{}");
    assert_null(gf_find_label(f->model.graph, "bert.encoder.layer.0.attention.self.query.weight"));
}

static void the_file_says_how_checkpoints_differ(void **state)
{
    Fixture *f = *state;

    load(f, MODEL("bert"), 0);
    assert_string_equal(f->model.name, "BertForSequenceClassification");
    assert_string_equal(f->model.model_type, "bert");
    assert_string_equal(f->model.prefix, "bert.");
    assert_string_equal(f->model.fresh, "classifier.* bert.pooler.*");
    assert_int_equal(f->model.rename_count, 2);
    assert_string_equal(f->model.renames[0].from, "LayerNorm.gamma");
    assert_string_equal(f->model.renames[0].to, "LayerNorm.weight");
}

/* Each op that draws has an identity of its own, counted from 1. */
static void keys_of_random_ops_count_up(void **state)
{
    Fixture *f = *state;
    int64_t last = 0;

    load(f, MODEL("bert"), 0);
    for (const GfNode *n = f->model.graph->first; n; n = n->next) {
        if (!gf_op_has(n->op, GF_RANDOM))
            continue;
        assert_int_equal(gf_attr_i(n, "key"), ++last);
        assert_string_equal(gf_operand(n, n->operand_count - 1)->node->name, "rng");
    }
    assert_int_equal(last, 1 + 12 * 3 + 1);
}

static void the_text_form_reads_back(void **state)
{
    Fixture *f = *state;
    GfText first = {.arena = &f->arena}, second = {.arena = &f->arena};
    GfGraph *g;

    load(f, MODEL("distilbert"), 0);
    gf_graph_print(f->model.graph, &first);
    check_ok(f, gf_graph_parse("d.gir", gf_text_str(&first), first.length, NULL, &g, &f->diags));
    gf_graph_print(g, &second);
    assert_string_equal(gf_text_str(&first), gf_text_str(&second));
    gf_graph_free(g);
}

/* ---- the reference checkpoint ---- */

static const char *shared(Fixture *f, const char *name)
{
    const char *root = getenv("GRAFT_SHARED");

    if (!root)
        skip();
    return gf_arena_printf(&f->arena, "%s/reference/tiny-bert/%s", root, name);
}

static void load_reference(Fixture *f)
{
    check_ok(f, gf_json_read_file(&f->config, shared(f, "config.json"), &f->diags));
    const GfConfigSource source = {.doc = &f->config, .object = f->config.root, .foreign = true};
    GfModelOptions options = {.sources = &source, .source_count = 1};
    check_ok(f, gf_model_load(&f->model, MODEL("bert"), &options, &f->diags));
}

static void names_are_the_checkpoints(void **state)
{
    Fixture *f = *state;
    GfSafetensors file;
    const GfStTensor *tensor;
    size_t params = 0;

    load_reference(f);
    check_ok(f, gf_safetensors_open(&file, shared(f, "model.safetensors"), &f->diags));
    for (const GfNode *n = f->model.graph->first; n; n = n->next) {
        int64_t shape[GF_MAX_RANK];
        if (n->op != GF_OP_PARAM)
            continue;
        for (uint32_t i = 0; i < n->results[0].type.rank; i++)
            shape[i] = n->results[0].type.dims[i].size;
        check_ok(f, gf_safetensors_expect(&file, n->label, shape, n->results[0].type.rank, &tensor, &f->diags));
        params++;
    }
    assert_int_equal(params, file.count);
    gf_safetensors_close(&file);
}

/* A batch of the reference, packed. */
typedef struct Batch {
    double ids[512], positions[512], types[512], starts[64], lengths[64], labels[64];
    int64_t tokens, seqs;
} Batch;

static void pack(const cJSON *batch, Batch *b)
{
    const cJSON *sequences = cJSON_GetObjectItemCaseSensitive(batch, "sequences"), *sequence, *id, *label;

    *b = (Batch){0};
    cJSON_ArrayForEach(sequence, sequences)
    {
        int64_t position = 0;
        b->starts[b->seqs] = (double)b->tokens;
        cJSON_ArrayForEach(id, sequence)
        {
            b->ids[b->tokens] = id->valuedouble;
            b->positions[b->tokens++] = (double)position++;
        }
        b->lengths[b->seqs++] = (double)position;
    }
    int64_t i = 0;
    cJSON_ArrayForEach(label, cJSON_GetObjectItemCaseSensitive(batch, "labels")) b->labels[i++] = label->valuedouble;
}

static const double *input_data(const Batch *b, const char *name)
{
    static const double rng[4] = {0};
    const struct {
        const char *name;
        const double *data;
    } rows[] = {{"ids", b->ids},         {"positions", b->positions}, {"types", b->types}, {"starts", b->starts},
                {"lengths", b->lengths}, {"labels", b->labels},       {"rng", rng}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].data;
    }
    return NULL;
}

static void bind_all(Fixture *f, GfEval *e, const Batch *b)
{
    GfSafetensors file;

    check_ok(f, gf_safetensors_open(&file, shared(f, "model.safetensors"), &f->diags));
    for (const GfNode *n = f->model.graph->first; n; n = n->next) {
        if (n->op == GF_OP_INPUT)
            check_ok(f, gf_eval_bind(e, n, input_data(b, n->name), &f->diags));
        if (n->op != GF_OP_PARAM)
            continue;
        const GfStTensor *t = gf_safetensors_find(&file, n->label);
        double *data = GF_NEW_ARRAY(&f->arena, double, t->count);
        check_ok(f, gf_safetensors_read_f64(&file, t, data, &f->diags));
        check_ok(f, gf_eval_bind(e, n, data, &f->diags));
    }
    gf_safetensors_close(&file);
}

static void check_logits(const GfTensor *got, const cJSON *run)
{
    const cJSON *row, *value;
    int64_t i = 0;

    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(run, "logits"))
    {
        cJSON_ArrayForEach(value, row)
        {
            assert_true(i < got->count);
            assert_true(fabs(got->data[i++] - value->valuedouble) < 1e-9);
        }
    }
    assert_int_equal(i, got->count);
}

/* The graph in double against the reference in double. */
static void the_reference_has_these_logits(void **state)
{
    Fixture *f = *state;
    GfJson batches, golden;
    Batch batch;
    GfEval *e;

    load_reference(f);
    check_ok(f, gf_json_read_file(&batches, shared(f, "batches.json"), &f->diags));
    check_ok(f, gf_json_read_file(&golden, shared(f, "golden.json"), &f->diags));
    const cJSON *run = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(golden.root, "runs"), 0);
    pack(batches.root->child, &batch);
    const int64_t sizes[] = {batch.tokens, batch.seqs};
    check_ok(f, gf_eval_new(f->model.graph, sizes, NULL, &e, &f->diags));
    bind_all(f, e, &batch);
    check_ok(f, gf_eval_run(e, &f->diags));
    check_logits(gf_eval_value(e, gf_graph_output(f->model.graph, "logits")), run);
    double loss = gf_eval_value(e, gf_graph_output(f->model.graph, "loss"))->data[0];
    assert_true(fabs(loss - cJSON_GetObjectItemCaseSensitive(run, "loss")->child->valuedouble) < 1e-9);
    gf_eval_free(e);
    gf_json_close(&batches);
    gf_json_close(&golden);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bert_base_has_its_parameters),
        TEST(distilbert_has_its_parameters),
        TEST(a_variant_of_another_model_is_refused),
        TEST(the_loss_is_that_of_the_problem),
        TEST(one_label_is_a_value),
        TEST(recipes_are_lists_of_passes),
        TEST(passes_are_switched),
        TEST(frozen_parts_are_cut_off),
        TEST(later_sources_win),
        TEST(null_passes_on_to_the_next_key),
        TEST(repeat_may_be_zero),
        TEST(the_file_says_how_checkpoints_differ),
        TEST(keys_of_random_ops_count_up),
        TEST(the_text_form_reads_back),
        TEST(names_are_the_checkpoints),
        TEST(the_reference_has_these_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
