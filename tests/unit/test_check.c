/* test_check.c -- small copies of graphs, and passes that are caught changing values. */
#include "ir/same.h"
#include "ir/sample.h"
#include "ir/shrink.h"
#include "passes/passes.h"
#include "tests/support/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static GfGraph *parse(const char *text, GfDiags *diags)
{
    GfGraph *g;

    gf_diags_init(diags, NULL);
    assert_int_equal(gf_graph_parse("t.gir", text, strlen(text), NULL, &g, diags), GF_OK);
    return g;
}

static void assert_text(const GfGraph *g, const char *wanted)
{
    GfArena arena;
    GfText text = {.arena = &arena};

    gf_arena_init(&arena, NULL);
    gf_graph_print(g, &text);
    assert_string_equal(gf_text_str(&text), wanted);
    gf_arena_free(&arena);
}

/* ---- small copies ------------------------------------------------------------------- */

#define SMALL_GRAPH                                                                                                    \
    "graph @g(tokens) {\n"                                                                                             \
    "  %x = input : f32[tokens,300]\n"                                                                                 \
    "  %1 = exp %x : f32[tokens,300] @k4\n"                                                                            \
    "  return y = %1\n"                                                                                                \
    "}\n"

static void a_small_graph_stays(void **state)
{
    GfDiags diags;
    GfGraph *g = parse(SMALL_GRAPH, &diags), *small;

    (void)state;
    assert_int_equal(gf_shrink(g, NULL, &small, &diags), GF_OK);
    assert_text(small, SMALL_GRAPH);
    gf_graph_free(g); /* a copy of a small graph needs it no more */
    assert_text(small, SMALL_GRAPH);
    gf_graph_free(small);
    gf_diags_free(&diags);
}

static const char large[] = "graph @g(tokens, seqs) {\n"
                            "  %rng = input : i32[4]\n"
                            "  %starts = input : i32[seqs]\n"
                            "  %lengths = input : i32[seqs]\n"
                            "  %x = input : f32[tokens,768]\n"
                            "  %w = param \"w\" frozen : f32[3072,768]\n"
                            "  %h = linear %x, %w : f32[tokens,3072] @k0\n"
                            "  %t = param \"t\" {init = \"zeros\"} : f32[30522,16]\n"
                            "  %a = attention %x, %x, %x, %starts, %lengths, %rng {heads = 12, p = 0.5, key = 3} : "
                            "f32[tokens,768], f32[tokens,12] @k1\n"
                            "  %s = sum_cols %h : f32[tokens,1] @k2\n"
                            "  return a = %a#0, s = %s, t = %t\n"
                            "}\n";

static void a_large_graph_shrinks(void **state)
{
    GfDiags diags;
    GfGraph *g = parse(large, &diags), *small;

    (void)state;
    assert_int_equal(gf_shrink(g, NULL, &small, &diags), GF_OK);
    assert_text(small, "graph @g(tokens, seqs) {\n"
                       "  %rng = input : i32[4]\n"
                       "  %starts = input : i32[seqs]\n"
                       "  %lengths = input : i32[seqs]\n"
                       "  %x = input : f32[tokens,24]\n"
                       "  %w = param \"w\" frozen : f32[36,24]\n"
                       "  %h = linear %x, %w : f32[tokens,36] @k0\n"
                       "  %t = param \"t\" {init = \"zeros\"} : f32[37,16]\n"
                       "  %a = attention %x, %x, %x, %starts, %lengths, %rng {heads = 12, p = 0.5, key = 3} : "
                       "f32[tokens,24], f32[tokens,12] @k1\n"
                       "  %s = sum_cols %h : f32[tokens,1] @k2\n"
                       "  return a = %a#0, s = %s, t = %t\n"
                       "}\n");
    assert_int_equal(gf_verify(small, &diags), GF_OK);
    assert_int_equal(gf_same_values(small, small, NULL, &diags), GF_OK);
    gf_graph_free(small);
    gf_graph_free(g);
    gf_diags_free(&diags);
}

/* Four dims of 16 keep their size: 17 such values are too many elements. */
static void what_cannot_shrink_is_refused(void **state)
{
    GfDiags diags;
    GfArena arena;
    GfText text = {.arena = &arena};
    GfGraph *small;

    (void)state;
    gf_arena_init(&arena, NULL);
    gf_text_add(&text, "graph @wide() {\n");
    for (int i = 0; i < 17; i++)
        gf_text_add(&text, "  %%x%d = input : f32[16,16,16,16]\n", i);
    gf_text_add(&text, "  return\n}\n");
    GfGraph *g = parse(gf_text_str(&text), &diags);
    assert_int_equal(gf_shrink(g, NULL, &small, &diags), GF_ERR_VALUE);
    assert_null(small);
    assert_non_null(strstr(diags.first->message, "a small copy of '@wide' would still have 1114112 elements"));
    gf_graph_free(g);
    gf_diags_free(&diags);
    gf_arena_free(&arena);
}

/* ---- passes that lie -------------------------------------------------------------------- */

/* exp x becomes exp 1.000001 x: legal, and wrong in the sixth digit. */
static GfStatus lie(GfPassCtx *cx, GfGraph *g)
{
    GfAttr by = gf_attr_float("by", 1.000001);

    GF_EACH_NODE (n, g) {
        if (n->op != GF_OP_EXP)
            continue;
        GfValue *x = gf_build(g, n, n, cx->diags, GF_OP_SCALE, &by, 1, &(GfValue *){gf_operand(n, 0)}, 1);
        assert_non_null(x);
        x->node->kernel = n->kernel;
        gf_set_operand(n, 0, x);
        cx->counts[0]++;
    }
    return GF_OK;
}

/* Fails where sizes are small: on the copy, not on the graph. */
static GfStatus fail_small(GfPassCtx *cx, GfGraph *g)
{
    const GfType *t = &gf_find_name(g, "x")->results[0].type;

    return t->dims[1].size > 100 ? GF_OK : gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "too small");
}

/* Run the pass `fn` over `text`, with and without values being checked. */
static GfStatus run_loaded(const char *text, GfPassFn fn, uint32_t changes, bool check, GfDiags *diags)
{
    GfLoadedPass pass = {{{.text = "mine", .changes = changes, .options = "", .counters = "n"}, fn}, "./mine.so"};
    GfPlugins plugins = {.passes = &(GfLoadedPass *){&pass}, .pass_count = 1};
    GfPipelineOptions options = {.plugins = &plugins, .check_values = check};
    GfGraph *g = parse(text, diags);
    GfStatus status = gf_pipeline_run(g, "cse,mine,dce", &options, NULL, NULL, NULL, diags);

    gf_graph_free(g);
    return status;
}

#define EXP_OF(size)                                                                                                   \
    "graph @g(tokens) {\n"                                                                                             \
    "  %x = input : f32[tokens," size "]\n"                                                                            \
    "  %y = exp %x : f32[tokens," size "]\n"                                                                           \
    "  %z = log %x : f32[tokens," size "]\n"                                                                           \
    "  return y = %y, z = %z\n"                                                                                        \
    "}\n"

static void a_lie_is_caught(void **state)
{
    static const char *const texts[] = {EXP_OF("8"), EXP_OF("300000")};
    GfDiags diags;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_loaded(texts[i], lie, GF_CHANGES_NOTHING, true, &diags), GF_ERR_VERIFY);
        assert_int_equal(diags.count, 2);
        assert_non_null(strstr(diags.first->message, "the output 'y' differs by "));
        assert_int_equal(diags.first->loc.line, 3);
        assert_string_equal(diags.last->message, "the pass 'mine' changes values: this is a bug in ./mine.so");
        gf_diags_free(&diags);
        assert_int_equal(run_loaded(texts[i], lie, GF_CHANGES_NOTHING, false, &diags), GF_OK);
        gf_diags_free(&diags);
        assert_int_equal(run_loaded(texts[i], lie, GF_CHANGES_VALUES, true, &diags), GF_OK); /* by design */
        gf_diags_free(&diags);
    }
}

static void failing_on_the_copy_is_told(void **state)
{
    GfDiags diags;

    (void)state;
    assert_int_equal(run_loaded(EXP_OF("300000"), fail_small, 0, true, &diags), GF_ERR_PASS);
    assert_non_null(strstr(diags.last->message, "the pass 'mine' fails on a small instance"));
    gf_diags_free(&diags);
    assert_int_equal(run_loaded(EXP_OF("300000"), fail_small, 0, false, &diags), GF_OK);
    gf_diags_free(&diags);
}

/* Every pass of the training pipeline, on a graph with all that they work on. */
static void own_passes_keep_values(void **state)
{
    static const char model[] = "graph @t(tokens, seqs) {\n"
                                "  %rng = input : i32[4]\n"
                                "  %ids = input : i32[tokens]\n"
                                "  %starts = input : i32[seqs]\n"
                                "  %lengths = input : i32[seqs]\n"
                                "  %labels = input : i32[seqs]\n"
                                "  %e = param \"e.weight\" : f32[30000,768]\n"
                                "  %q = param \"query.weight\" : f32[768,768]\n"
                                "  %g = param \"norm.weight\" : f32[768]\n"
                                "  %b = param \"norm.bias\" : f32[768]\n"
                                "  %c = param \"classifier.weight\" : f32[3,768]\n"
                                "  %1 = gather %e, %ids : f32[tokens,768]\n"
                                "  %2 = dropout %1, %rng {p = 0.1, key = 1} : f32[tokens,768]\n"
                                "  %3 = linear %2, %q : f32[tokens,768]\n"
                                "  %4 = attention %3, %2, %2, %starts, %lengths, %rng {heads = 12, p = 0.1, key = 2} : "
                                "f32[tokens,768], f32[tokens,12]\n"
                                "  %5 = layer_norm %4#0, %g, %b {eps = 0.1} : f32[tokens,768], f32[tokens,1], "
                                "f32[tokens,1]\n"
                                "  %6 = gather %5#0, %starts : f32[seqs,768]\n"
                                "  %7 = linear %6, %c : f32[seqs,3]\n"
                                "  %8 = cross_entropy %7, %labels : f32[seqs,1]\n"
                                "  %loss = mean %8 : f32[]\n"
                                "  return loss = %loss\n"
                                "}\n";
    GfDiags diags;
    GfGraph *g = parse(model, &diags);
    GfPipelineOptions options = {.check_values = true};

    (void)state;
    assert_int_equal(
        gf_pipeline_run(g,
                        "freeze{freeze=\"*\",train=classifier.*},attach-lora{targets=query,r=4,dropout=0.1}"
                        ",autodiff,prune-frozen,adamw{max_grad_norm=1},precision,fold,cse,dce,fuse-lora,"
                        "fuse,join-launches,plan-memory",
                        &options, NULL, NULL, NULL, &diags),
        GF_OK);
    gf_graph_free(g);
    gf_diags_free(&diags);
}

/* The nth allocation fails, for n = 0, 1 ... until the large graph is checked. */
static void out_of_memory_is_no_crash(void **state)
{
    GfPipelineOptions options = {.check_values = true, .check_text = true};
    GfStatus status = GF_ERR_MEMORY;
    long n;

    (void)state;
    for (n = 0; status != GF_OK && n < 1000; n++) {
        FailingAlloc failing;
        GfDiags diags;
        GfGraph *g;

        failing_alloc_init(&failing, n);
        gf_diags_init(&diags, NULL);
        status = gf_graph_parse("t.gir", large, strlen(large), &failing.allocator, &g, &diags);
        if (status == GF_OK)
            status = gf_pipeline_run(g, "dce", &options, NULL, NULL, NULL, &diags);
        if (status != GF_OK)
            assert_int_equal(status, GF_ERR_MEMORY);
        gf_graph_free(g);
        assert_int_equal(failing.live, 0);
        gf_diags_free(&diags);
    }
    assert_true(status == GF_OK && n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_graph_stays),           cmocka_unit_test(a_large_graph_shrinks),
        cmocka_unit_test(what_cannot_shrink_is_refused), cmocka_unit_test(a_lie_is_caught),
        cmocka_unit_test(failing_on_the_copy_is_told),   cmocka_unit_test(own_passes_keep_values),
        cmocka_unit_test(out_of_memory_is_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
