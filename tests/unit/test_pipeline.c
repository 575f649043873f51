/* test_pipeline.c -- lists of passes, what passes need, reports, patterns, and
 * running out of memory at every allocation. */
#include "passes/pass_list.h"
#include "passes/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char forward[] = "graph @t(tokens) {\n"
                              "  %x = input : f32[tokens,4]\n"
                              "  %labels = input : i32[tokens]\n"
                              "  %w = param \"layer.query.weight\" : f32[4,4]\n"
                              "  %c = param \"classifier.weight\" : f32[3,4]\n"
                              "  %b = param \"classifier.bias\" : f32[3]\n"
                              "  %1 = linear %x, %w : f32[tokens,4]\n"
                              "  %2 = tanh %1 : f32[tokens,4]\n"
                              "  %logits = linear %2, %c, %b : f32[tokens,3]\n"
                              "  %3 = cross_entropy %logits, %labels : f32[tokens,1]\n"
                              "  %loss = mean %3 : f32[]\n"
                              "  return loss = %loss, logits = %logits\n"
                              "}\n";

static const char whole_step[] =
    "freeze{freeze=\"*\", train=\"classifier.*\"},attach-lora{targets=query, r=2, dropout=0.1},"
    "autodiff,prune-frozen,adamw{max_grad_norm=1, return_gradients=1},fold,cse,dce";

typedef struct Fixture {
    GfGraph *g;
    GfDiags diags;
    GfArena arena;
    GfPassReport *reports;
    size_t count;
} Fixture;

static void open_graph(Fixture *f, const char *text, const GfAllocator *allocator)
{
    *f = (Fixture){0};
    gf_diags_init(&f->diags, NULL);
    gf_arena_init(&f->arena, allocator);
    assert_int_equal(gf_graph_parse("test.gir", text, strlen(text), allocator, &f->g, &f->diags), GF_OK);
}

static void close_graph(Fixture *f)
{
    gf_graph_free(f->g);
    gf_arena_free(&f->arena);
    gf_diags_free(&f->diags);
}

static GfStatus run(Fixture *f, const char *list, const GfPipelineOptions *options)
{
    return gf_pipeline_run(f->g, list, options, &f->arena, &f->reports, &f->count, &f->diags);
}

static const char *printed(Fixture *f)
{
    GfText text = {.arena = &f->arena};

    gf_graph_print(f->g, &text);
    return gf_text_str(&text);
}

/* ---- lists ------------------------------------------------------------------------ */

static void test_empty_list(void **state)
{
    static const char *const lists[] = {"", " ", "\t\n "};
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(run(&f, lists[i], NULL), GF_OK);
        assert_int_equal(f.count, 0);
        assert_string_equal(printed(&f), forward);
    }
    close_graph(&f);
}

static GfPassCall *parse_one(Fixture *f, const char *list)
{
    GfPassCall *calls;
    size_t count;

    assert_int_equal(gf_pass_list_parse(list, NULL, &f->arena, &calls, &count, &f->diags), GF_OK);
    assert_int_equal(count, 1);
    return calls;
}

static const GfAttr *option(const GfPassCall *call, const char *key)
{
    for (uint32_t i = 0; i < call->option_count; i++) {
        if (strcmp(call->options[i].key, key) == 0)
            return &call->options[i];
    }
    fail_msg("no option %s", key);
    return NULL;
}

static void test_options(void **state)
{
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    const GfPassCall *call =
        parse_one(&f, " attach-lora { targets = \"query *.fc? \\\"x\\\\\" , r=16,alpha = -1.5e1 , dropout=1 } ");
    assert_string_equal(call->text,
                        "attach-lora { targets = \"query *.fc? \\\"x\\\\\" , r=16,alpha = -1.5e1 , dropout=1 }");
    assert_int_equal(call->loc.column, 2);
    assert_string_equal(option(call, "targets")->s, "query *.fc? \"x\\");
    assert_int_equal(option(call, "r")->i, 16);
    assert_true(option(call, "alpha")->f == -15.0);
    assert_true(option(call, "dropout")->f == 1.0);
    assert_int_equal(option(call, "rslora")->i, 0);
    close_graph(&f);
}

static void test_defaults(void **state)
{
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    const GfPassCall *call = parse_one(&f, "adamw{}");
    assert_int_equal(call->option_count, 7);
    assert_true(option(call, "beta1")->f == 0.9);
    assert_true(option(call, "eps")->f == 1e-8);
    assert_int_equal(option(call, "accumulated")->i, 0);
    assert_string_equal(option(parse_one(&f, "freeze"), "freeze")->s, "");
    assert_string_equal(option(parse_one(&f, "freeze{freeze=*.bias}"), "freeze")->s, "*.bias");
    assert_string_equal(option(parse_one(&f, "freeze{freeze=\"\"}"), "freeze")->s, "");
    close_graph(&f);
}

/* A list or graph that a pipeline must refuse. */
typedef struct Refusal {
    const char *list;
    uint32_t line, column;
    const char *message, *note;
} Refusal;

static const Refusal refusals[] = {
    {"dec", 1, 1, "there is no pass 'dec'", "did you mean 'dce'?"},
    {"cse,autodif", 1, 5, "there is no pass 'autodif'", "did you mean 'autodiff'?"},
    {"cse,\n  quantize", 2, 3, "there is no pass 'quantize'", NULL},
    {"cse,", 1, 5, "the list of passes ends where the name of a pass is expected", NULL},
    {",cse", 1, 1, "expected the name of a pass, got ','", NULL},
    {"cse dce", 1, 5, "expected ',' or the end of the list, got 'd'", NULL},
    {"cse}", 1, 4, "expected ',' or the end of the list, got '}'", NULL},
    {"dce{", 1, 5, "the list of passes ends where the name of an option is expected", NULL},
    {"dce{params", 1, 11, "the list of passes ends where '=' is expected", NULL},
    {"dce{params 1}", 1, 12, "expected '=', got '1'", NULL},
    {"dce{params=}", 1, 12, "expected a value, got '}'", NULL},
    {"dce{params=1", 1, 13, "the list of passes ends where ',' or '}' is expected", NULL},
    {"dce{params=1,}", 1, 14, "expected the name of an option, got '}'", NULL},
    {"dce{params=1 params=1}", 1, 14, "expected ',' or '}', got 'p'", NULL},
    {"dce{params=1,params=1}", 1, 14, "option 'params' stands twice", NULL},
    {"dce{params=yes}", 1, 12, "option 'params' must be a whole number, got 'yes'", NULL},
    {"dce{params=1.5}", 1, 12, "option 'params' must be a whole number, got '1.5'", NULL},
    {"dce{params=99999999999999999999}", 1, 12, "option 'params' must be a whole number", NULL},
    {"adamw{beta1=big}", 1, 13, "option 'beta1' must be a finite number, got 'big'", NULL},
    {"adamw{beta1=nan}", 1, 13, "option 'beta1' must be a finite number, got 'nan'", NULL},
    {"adamw{beta1=\"\"}", 1, 13, "option 'beta1' must be a finite number, got ''", NULL},
    {"dce{all=1}", 1, 5, "'dce' has no option 'all'", "its options are params"},
    {"cse{all=1}", 1, 5, "'cse' has no option 'all'", "it takes none"},
    {"freeze{freeze=\"*}", 1, 15, "a quoted value that is never closed", NULL},
    {"cse,attach-lora{r=4}", 1, 5, "'attach-lora' needs the option 'targets'", NULL},
    {"freeze{train=\"clasifier.*\"}", 1, 1, "no parameter matches 'clasifier.*' of 'train'",
     "did you mean 'classifier.*'?"},
    {"freeze{freeze=layer.qury.weight}", 1, 1, "no parameter matches", "did you mean 'layer.query.weight'?"},
    {"dce,attach-lora{targets=\"querry\"}", 1, 5, "no linear matches the target 'querry'", "did you mean 'query'?"},
    {"adamw", 1, 1, "'adamw' needs gradients that nothing has used yet", NULL},
    {"autodiff,autodiff", 1, 10, "'autodiff' needs a forward graph", "it must run before 'autodiff'"},
    {"autodiff,accumulate,adamw", 1, 21, "'adamw' needs gradients", NULL},
    {"plan-memory", 1, 1, "'plan-memory' needs a graph whose nodes all have kernels", "'fuse' must run before it"},
};

static void check_refusal(const Refusal *r)
{
    Fixture f;

    open_graph(&f, forward, NULL);
    GfStatus status = run(&f, r->list, NULL);
    const GfDiag *d = f.diags.first;
    if (status != GF_ERR_PASS || !d)
        fail_msg("'%s' is not refused", r->list);
    if (!strstr(d->message, r->message))
        fail_msg("'%s' says: %s", r->list, d->message);
    if (r->note && (!d->note || strcmp(d->note, r->note) != 0))
        fail_msg("'%s' notes: %s", r->list, d->note ? d->note : "nothing");
    if (!d->loc.file || strcmp(d->loc.file, "--passes") != 0 || d->loc.line != r->line || d->loc.column != r->column)
        fail_msg("'%s' points at %u:%u", r->list, d->loc.line, d->loc.column);
    close_graph(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_refusal(&refusals[i]);
}

/* A malformed list is refused before any of its passes has run. */
static void test_list_is_parsed_first(void **state)
{
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    assert_int_equal(run(&f, "autodiff,nonsense", NULL), GF_ERR_PASS);
    assert_string_equal(printed(&f), forward);
    close_graph(&f);
}

/* ---- needs ------------------------------------------------------------------------- */

static void test_needs_unfused(void **state)
{
    static const char fused[] = "graph @t() {\n"
                                "  %x = input : f32[4]\n"
                                "  %1 = exp %x : f32[4] @k0\n"
                                "  return y = %1\n"
                                "}\n";
    static const char *const lists[] = {"fold", "cse", "fuse-lora", "merge-lora", "order-lora", "decompose"};
    Fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        open_graph(&f, fused, NULL);
        assert_int_equal(run(&f, lists[i], NULL), GF_ERR_PASS);
        assert_non_null(strstr(f.diags.first->message, "needs a graph without kernels"));
        close_graph(&f);
    }
}

static void test_needs_scalar_loss(void **state)
{
    static const char vector[] = "graph @t() {\n"
                                 "  %w = param \"w\" : f32[4]\n"
                                 "  return loss = %w\n"
                                 "}\n";
    Fixture f;

    (void)state;
    open_graph(&f, vector, NULL);
    assert_int_equal(run(&f, "autodiff", NULL), GF_ERR_PASS);
    assert_string_equal(f.diags.first->message, "'autodiff' needs an output called 'loss' of type f32[]");
    close_graph(&f);
}

/* ---- reports and hooks ----------------------------------------------------------------- */

static void test_reports(void **state)
{
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    assert_int_equal(run(&f, "freeze{freeze=layer.*} , autodiff,prune-frozen", NULL), GF_OK);
    assert_int_equal(f.count, 3);
    assert_string_equal(f.reports[0].text, "freeze{freeze=layer.*}");
    assert_string_equal(f.reports[0].info->counters, "frozen trainable");
    assert_int_equal(f.reports[0].counts[0], 1);
    assert_int_equal(f.reports[0].counts[1], 2);
    assert_int_equal(f.reports[1].nodes_before, 11);
    assert_int_equal(f.reports[1].counts[0], 3);
    /* loss_scale, the nodes written and three grads */
    assert_int_equal(f.reports[1].nodes_after, 11 + 1 + f.reports[1].counts[1] + 3);
    assert_int_equal(f.reports[2].nodes_before, f.reports[1].nodes_after);
    assert_int_equal(f.reports[2].nodes_after,
                     f.reports[2].nodes_before - f.reports[2].counts[0] - f.reports[2].counts[1]);
    assert_true(f.reports[0].seconds >= 0 && f.reports[0].seconds < 10);
    close_graph(&f);
}

typedef struct Seen {
    char text[256];
} Seen;

static void note_pass(void *self, const GfPassReport *report, const GfGraph *g)
{
    Seen *seen = self;
    size_t length = strlen(seen->text);

    assert_non_null(g->first);
    snprintf(seen->text + length, sizeof seen->text - length, "%s%s ", report->info->text, report->changed ? "!" : "");
}

static void test_hook(void **state)
{
    Seen seen = {""};
    GfPipelineOptions options = {.after = note_pass, .self = &seen};
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    assert_int_equal(run(&f, "cse,autodiff,cse,dce,freeze{freeze=*},freeze{train=*}", &options), GF_ERR_PASS);
    assert_string_equal(seen.text, "cse autodiff! cse dce ");
    close_graph(&f);
    seen.text[0] = '\0';
    open_graph(&f, forward, NULL);
    assert_int_equal(run(&f, "freeze{freeze=*},freeze{freeze=*},freeze{train=*}", &options), GF_OK);
    assert_string_equal(seen.text, "freeze! freeze freeze! ");
    close_graph(&f);
}

static void test_without_reports(void **state)
{
    Fixture f;

    (void)state;
    open_graph(&f, forward, NULL);
    assert_int_equal(gf_pipeline_run(f.g, whole_step, NULL, NULL, NULL, NULL, &f.diags), GF_OK);
    assert_non_null(gf_graph_output(f.g, "grad_norm"));
    close_graph(&f);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < GF_PASS_COUNT; i++) {
        const GfPassInfo *info = gf_pass_info((GfPassId)i);
        const char *cursor = info->options;
        GfAttrSpec spec;
        int counters = *info->counters != '\0';
        while (gf_schema_next(&cursor, &spec))
            assert_true(spec.key[0] != '\0');
        for (const char *p = info->counters; *p; p++)
            counters += *p == ' ';
        assert_true(counters <= GF_MAX_COUNTERS);
        assert_non_null(gf_pass_function((GfPassId)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(info->text, gf_pass_info((GfPassId)k)->text);
    }
}

/* ---- patterns -------------------------------------------------------------------------------- */

static void test_match(void **state)
{
    (void)state;
    assert_true(gf_match("*", ""));
    assert_true(gf_match("*", "a.b"));
    assert_true(gf_match("a.b", "a.b"));
    assert_true(gf_match("x a.b", "a.b"));
    assert_true(gf_match("  a.b  ", "a.b"));
    assert_true(gf_match("a.*.c", "a.b.b.c"));
    assert_true(gf_match("*a*a*", "xaxxa"));
    assert_true(gf_match("*ab", "aab"));
    assert_true(gf_match("?.b", "a.b"));
    assert_true(gf_match("a**b", "ab"));
    assert_false(gf_match("", ""));
    assert_false(gf_match(" ", "a"));
    assert_false(gf_match("a", "a.b"));
    assert_false(gf_match("a.b", "a"));
    assert_false(gf_match("?", ""));
    assert_false(gf_match("a.*.c", "a.c"));
    assert_false(gf_match("*a*a*", "xax"));
}

/* Takes quadratic time at most: a naive recursion would never end. */
static void test_match_is_fast(void **state)
{
    char text[2001];

    (void)state;
    memset(text, 'a', 2000);
    text[2000] = '\0';
    assert_false(gf_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

/* ---- memory ------------------------------------------------------------------------------------ */

typedef struct Failing {
    GfAllocator allocator;
    long left; /* allocations that succeed; negative: all */
} Failing;

static void *failing_alloc(void *self, size_t size)
{
    Failing *failing = self;

    if (failing->left == 0)
        return NULL;
    failing->left -= failing->left > 0;
    return gf_system_allocator.alloc(NULL, size);
}

static void failing_release(void *self, void *memory)
{
    (void)self;
    gf_system_allocator.release(NULL, memory);
}

/* Runs the whole step with `left` more allocations; `used` bytes of the graph's
 * block are taken before, so that it runs out at another node each time. */
static GfStatus run_short_of_memory(const char *list, long left, size_t used)
{
    Failing failing = {{failing_alloc, failing_release, &failing}, -1};
    Seen seen = {""};
    GfPipelineOptions options = {.after = note_pass, .self = &seen};
    Fixture f;

    open_graph(&f, forward, &failing.allocator);
    assert_non_null(gf_arena_alloc(&f.g->arena, used));
    failing.left = left;
    GfStatus status = run(&f, list, &options);
    assert_int_equal(f.diags.count, status != GF_OK);
    close_graph(&f);
    return status;
}

/* The nth allocation of a pipeline fails, for n = 0, 1 ... until it succeeds. */
static void check_memory(const char *list, size_t used)
{
    GfStatus status = GF_ERR_MEMORY;
    long n;

    for (n = 0; status != GF_OK && n < 1000; n++) {
        status = run_short_of_memory(list, n, used);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
    }
    assert_true(status == GF_OK && n > 4); /* at least the scratch of every pass */
}

static void test_memory(void **state)
{
    static const char *const lists[] = {
        whole_step,
        "attach-lora{targets=query, r=2},merge-lora,autodiff,order-lora{tokens=99},decompose,merge-matmuls",
    };

    (void)state;
    for (size_t used = 0; used < 16384; used += 2112) {
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
            check_memory(lists[i], used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_list),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_list_is_parsed_first),
        cmocka_unit_test(test_needs_unfused),
        cmocka_unit_test(test_needs_scalar_loss),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_hook),
        cmocka_unit_test(test_without_reports),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_match_is_fast),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
