/* test_stages.c -- text in is text out after every pass, for every variant of BERT and
 * each of its three pipelines: print, parse, print again, byte for byte; and what is
 * read has the names, places in the model, kernels and memory that were written.
 */
#include "frontend/graph/model.h"
#include "frontend/graph/training.h"
#include "frontend/graph/variant.h"
#include "passes/passes.h"
#include "runtime/train/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- two graphs ----------------------------------------------------------------------- */

/* "bert.json:31": what the text says of where a node comes from. */
static const char *origin_of(const GfNode *n, GfArena *arena)
{
    const char *slash = n->loc.file ? strrchr(n->loc.file, '/') : NULL;

    if (n->loc.origin)
        return n->loc.origin;
    return n->loc.file ? gf_arena_printf(arena, "%s:%u", slash ? slash + 1 : n->loc.file, n->loc.line) : "";
}

static bool same_word(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_place(const GfValue *a, const GfValue *b)
{
    return gf_type_eq(&a->type, &b->type) && a->place == b->place && a->offset == b->offset &&
           same_word(a->alias ? a->alias->name : NULL, b->alias ? b->alias->name : NULL);
}

static bool same_node(const GfNode *a, const GfNode *b, GfArena *arena)
{
    bool same = a->op == b->op && same_word(a->name, b->name) && same_word(a->label, b->label) &&
                a->frozen == b->frozen && a->kernel == b->kernel && a->operand_count == b->operand_count &&
                a->attr_count == b->attr_count && a->result_count == b->result_count &&
                same_word(origin_of(a, arena), origin_of(b, arena));

    for (uint32_t i = 0; same && i < a->operand_count; i++)
        same = same_word(gf_operand(a, i)->node->name, gf_operand(b, i)->node->name) &&
               gf_operand(a, i)->index == gf_operand(b, i)->index;
    for (uint32_t i = 0; same && i < a->result_count; i++)
        same = same_place(&a->results[i], &b->results[i]);
    return same;
}

/* The first node of `a` that is not so in `b`; NULL: there is none. */
static const GfNode *first_difference(const GfGraph *a, const GfGraph *b, GfArena *arena)
{
    const GfNode *m = a->first, *n = b->first;

    for (; m && n && same_node(m, n, arena); m = m->next)
        n = n->next;
    return m ? m : n;
}

/* ---- every stage ------------------------------------------------------------------------ */

typedef struct Stages {
    int count, with_origin;
    GfDiags diags;
} Stages;

static void check_stage(void *self, const GfPassReport *report, const GfGraph *g)
{
    Stages *s = self;
    GfArena arena;
    GfGraph *read;

    gf_arena_init(&arena, NULL);
    GfText first = {.arena = &arena}, second = {.arena = &arena};
    gf_graph_print(g, &first);
    assert_int_equal(gf_graph_parse("stage.gir", first.data, first.length, NULL, &read, &s->diags), GF_OK);
    gf_graph_print(read, &second);
    assert_string_equal(first.data, second.data);
    const GfNode *wrong = first_difference(g, read, &arena);
    if (wrong)
        fail_msg("after %s: '%s' does not read back as it was", report->text, wrong->name ? wrong->name : "?");
    for (const GfNode *n = read->first; n; n = n->next)
        s->with_origin += strncmp(origin_of(n, &arena), "bert.json:", 10) == 0;
    gf_graph_free(read);
    gf_arena_free(&arena);
    s->count++;
}

/* All stages of BERT with three layers in this variant, for each pipeline. */
static void check_variant(const char *path)
{
    static const char *(*const lists[])(const GfRecipe *, GfArena *) = {gf_recipe_train, gf_recipe_accumulate,
                                                                        gf_recipe_eval};
    static const char config[] = "{\"num_hidden_layers\": 3}";
    GfJson doc;
    GfTraining training = gf_training_defaults;
    Stages s = {0};
    GfPipelineOptions options = {.after = check_stage, .self = &s};

    training.bf16 = true;
    gf_diags_init(&s.diags, NULL);
    assert_int_equal(gf_json_read_text(&doc, "config", config, sizeof config - 1, &s.diags), GF_OK);
    const GfConfigSource source = {.doc = &doc, .object = doc.root};
    const GfModelOptions small = {.sources = &source, .source_count = 1, .num_labels = 6};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        GfModel model = {0};
        GfVariant variant;
        GfArena arena;

        gf_arena_init(&arena, NULL);
        assert_int_equal(gf_model_load(&model, GRAFT_SOURCE_DIR "/models/bert.json", &small, &s.diags), GF_OK);
        assert_int_equal(gf_variant_load(&variant, path, NULL, 0, &s.diags), GF_OK);
        GfRecipe recipe = {.variant = &variant, .training = &training, .tokens = 64, .seqs = 4, .weighted = true};
        const char *list = lists[i](&recipe, &arena);
        int before = s.count, stages = 1;
        for (const char *p = list; (p = strpbrk(p, ",{")); p++) {
            stages += *p == ',';
            p = *p == '{' ? strchr(p, '}') : p; /* commas of options */
        }
        assert_int_equal(gf_pipeline_run(model.graph, list, &options, NULL, NULL, NULL, &s.diags), GF_OK);
        assert_int_equal(s.count - before, stages);
        gf_model_close(&model);
        gf_variant_close(&variant);
        gf_arena_free(&arena);
    }
    assert_true(s.count > 20);
    gf_json_close(&doc);
    assert_true(s.with_origin > 100 * s.count); /* nearly all nodes say where they come from */
    gf_diags_free(&s.diags);
}

static void full(void **state)
{
    (void)state;
    check_variant(GRAFT_SOURCE_DIR "/models/variants/full.json");
}

static void classifier(void **state)
{
    (void)state;
    check_variant(GRAFT_SOURCE_DIR "/models/variants/classifier.json");
}

static void lora(void **state)
{
    (void)state;
    check_variant(GRAFT_SOURCE_DIR "/models/variants/lora.json");
}

/* ---- the comparison itself ---------------------------------------------------------------- */

static void differences_are_found(void **state)
{
#define HEAD "graph @g(n) {\n  %x = input : f32[n,4]\n  %w = param \"w\" : f32[n,4]\n"
    static const char *const texts[] = {
        HEAD "  %1 = add %x, %w : f32[n,4] @k0 // a.json:1\n  return y = %1\n}\n",
        HEAD "  %1 = add %x, %w : f32[n,4] @k0 // a.json:2\n  return y = %1\n}\n",
        HEAD "  %1 = add %x, %w : f32[n,4] @k1 // a.json:1\n  return y = %1\n}\n",
        HEAD "  %2 = add %x, %w : f32[n,4] @k0 // a.json:1\n  return y = %2\n}\n",
        HEAD "  %1 = add %w, %x : f32[n,4] @k0 // a.json:1\n  return y = %1\n}\n",
        "graph @g(n) {\n  %x = input : f32[n,4]\n  %w = param \"w\" frozen : f32[n,4]\n"
        "  %1 = add %x, %w : f32[n,4] @k0 // a.json:1\n  return y = %1\n}\n",
        HEAD "  %1 = add %x, %w : f32[n,4] @k0 // a.json:1\n  grad %w = %1\n  return y = %1\n}\n",
    };
    GfDiags diags;
    GfArena arena;
    GfGraph *g[7];

    (void)state;
    gf_diags_init(&diags, NULL);
    gf_arena_init(&arena, NULL);
    for (int i = 0; i < 7; i++) {
        GfStatus status = gf_graph_parse("t.gir", texts[i], strlen(texts[i]), NULL, &g[i], &diags);
        if (status != GF_OK)
            gf_diags_print(&diags, stderr);
        assert_int_equal(status, GF_OK);
        assert_true((first_difference(g[0], g[i], &arena) != NULL) == (i > 0));
    }
    for (int i = 0; i < 7; i++)
        gf_graph_free(g[i]);
    gf_arena_free(&arena);
    gf_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full),
        cmocka_unit_test(classifier),
        cmocka_unit_test(lora),
        cmocka_unit_test(differences_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
