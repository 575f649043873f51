/* test_why.c -- every reason why nodes are not one kernel, and every fate of a
 * parameter's gradient, once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "passes/why.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfGraph *g;
    GfRefusals recorded;
} Fixture;

static void check_ok(const Fixture *f, GfStatus status, const char *text)
{
    if (status != GF_OK)
        fail_msg("%s\n%s", f->diags.first ? f->diags.first->message : "failed", text);
}

static void start(Fixture *f, const char *body)
{
    *f = (Fixture){0};
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    f->recorded.arena = &f->arena;
    const char *text = gf_arena_printf(&f->arena, "graph @t(tokens, seqs) {\n%s}\n", body);
    check_ok(f, gf_graph_parse("t.gir", text, strlen(text), NULL, &f->g, &f->diags), text);
}

static void end(Fixture *f)
{
    gf_graph_free(f->g);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
}

/* ---- kernels ---------------------------------------------------------------------------- */

typedef struct Case {
    GfRefusalKind kind;
    const char *node; /* of which it speaks; NULL: of none */
    const char *a, *b;
    const char *body;
    uint32_t kernel_nodes; /* 0: as any target has it */
} Case;

#define X "%x = input : f32[tokens,8]\n"
#define W "%w = param \"w\" : f32[8,8]\n"
#define ADAM                                                                                                           \
    "%lr = input : f32[]\n%g = input : f32[8,8]\n%p = param \"p\" : f32[8,8]\n%m = state \"m\" : f32[8,8]\n"           \
    "%v = state \"v\" : f32[8,8]\n"
#define UPDATE(name, from)                                                                                             \
    "%" name " = adamw %" from ", %g, %m, %v, %lr, %lr, %lr, %lr {beta1 = 0.9, beta2 = 0.999, eps = 1e-8, "            \
    "weight_decay = 0.0} : f32[8,8], f32[8,8], f32[8,8]\n"

static const Case cases[] = {
    {GF_REFUSAL_NONE, NULL, "1", "2",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = gelu %1 : f32[tokens,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_OPAQUE, "2", "1", "2", X "%1 = exp %x : f32[tokens,8]\n%2 = sum %1 : f32[]\nreturn y = %2, z = %1\n",
     0},
    {GF_REFUSAL_TOO_MANY, "3", "1", "3",
     X "%1 = exp %x : f32[tokens,8]\n%2 = exp %1 : f32[tokens,8]\n%3 = exp %2 : f32[tokens,8]\nreturn y = %3\n", 2},
    {GF_REFUSAL_MIXES_PRODUCT, "2", "1", "2",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = softmax %1 : f32[tokens,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_MIXES_SUM, "2", "1", "2",
     X "%1 = softmax %x : f32[tokens,8]\n%2 = sum_rows %1 : f32[8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_PRODUCTS, "1", "1", "3",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = linear %x, %w : f32[tokens,8]\n%3 = linear %x, %w : f32[tokens,8]\n"
         "%4 = add %1, %2 : f32[tokens,8]\n%5 = add %4, %3 : f32[tokens,8]\nreturn y = %5\n",
     0},
    {GF_REFUSAL_ROW_LENGTH, "1", "1", "2",
     "%x = input : f32[tokens,5000]\n%1 = softmax %x : f32[tokens,5000]\n%2 = exp %1 : f32[tokens,5000]\n"
     "return y = %2\n",
     0},
    {GF_REFUSAL_RESULT_TYPE, "1", "1", "2",
     X "%b = input : f32[8]\n%1 = exp %b : f32[8]\n%2 = add %x, %1 : f32[tokens,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_OPERAND_TYPE, "2", "1", "2",
     X "%z = input : f32[tokens,4]\n%1 = sum_rows %x : f32[8]\n%2 = sum_rows %z : f32[4]\nreturn y = %1, z = %2\n", 0},
    {GF_REFUSAL_GATHERS, "2", "1", "2",
     "%t = input : f32[10,8]\n%ids = input : i32[10]\n%1 = exp %t : f32[10,8]\n%2 = gather %1, %ids : f32[10,8]\n"
     "return y = %2\n",
     0},
    {GF_REFUSAL_RESULTS, "1", "1", "2",
     ADAM "%b = input : f32[8]\n" UPDATE("1", "p") "%2 = mul %1#0, %b : f32[8,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_FEEDS_PRODUCT, "2", "1", "2",
     X "%w = param \"w\" : f32[96,8]\n%v = param \"v\" : f32[8,96]\n%1 = linear %x, %w : f32[tokens,96]\n"
       "%2 = linear %1, %v : f32[tokens,8]\nreturn y = %2\n",
     0},
    {GF_REFUSAL_NOT_ASKED, "1", "1", "2",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = linear %1, %w : f32[tokens,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_PROLOGUE_WAITS, "2", "2", "3",
     W "%x = input : f32[10,8]\n%y = input : f32[tokens,10]\n%1 = linear %x, %w : f32[10,8]\n"
       "%2 = gelu %1 : f32[10,8]\n%3 = matmul %y, %2 : f32[tokens,8]\nreturn y = %3\n",
     0},
    {GF_REFUSAL_PROLOGUE_SIZE, "1", "1", "2",
     X "%w = param \"w\" : f32[100,8]\n%1 = exp %x : f32[tokens,8]\n%2 = linear %1, %w : f32[tokens,100]\n"
       "return y = %2\n",
     0},
    {GF_REFUSAL_STORED, "1", "1", "2",
     X "%1 = exp %x : f32[tokens,8]\n%2 = sum_rows %1 : f32[8]\nreturn y = %2, z = %1\n", 0},
    {GF_REFUSAL_UPDATES, "2", "1", "2", ADAM UPDATE("1", "p") UPDATE("2", "g") "return y = %1#0, z = %2#0\n", 0},
    {GF_REFUSAL_PATH, "2", "1", "3",
     X "%1 = exp %x : f32[tokens,8]\n%2 = sum %1 : f32[]\n%3 = mul %1, %2 : f32[tokens,8]\nreturn y = %3\n", 0},
    {GF_REFUSAL_IN_PLACE, "2", "1", "2",
     X W "%s = state \"s\" : f32[tokens,8]\n%1 = linear %x, %w : f32[tokens,8]\n%2 = add %s, %1 : f32[tokens,8]\n"
         "update %s = %2\nreturn\n",
     0},
    {GF_REFUSAL_NO_EDGE, NULL, "1", "2",
     X "%z = input : f32[tokens,8]\n%1 = exp %x : f32[tokens,8]\n%2 = exp %z : f32[tokens,8]\nreturn y = %1, z = %2\n",
     0},
    {GF_REFUSAL_NOT_ASKED, "1", "1", "2",
     X W "%z = input : f32[tokens,8]\n%1 = add %x, %z : f32[tokens,8]\n%2 = linear %1, %w : f32[tokens,8]\n"
         "return y = %2\n",
     0},
};

/* Behind fuse-down: a product in front of another's tile, and of two such only one. */
static const Case heads[] = {
    {GF_REFUSAL_NONE, NULL, "1", "2",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = linear %1, %w : f32[tokens,8]\nreturn y = %2\n", 0},
    {GF_REFUSAL_HEADS, "1", "5", "4",
     X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = linear %1, %w : f32[tokens,8]\n%3 = linear %x, %w : f32[tokens,8]\n"
         "%4 = linear %3, %w : f32[tokens,8]\n%5 = add %2, %4 : f32[tokens,8]\nreturn y = %5\n",
     0},
};

/* Behind fuse-up-grad: one sum over rows a kernel, which nothing in the kernel reads. */
#define SUM_BESIDE                                                                                                     \
    X "%t = input : f32[tokens,2]\n%u = input : f32[tokens,2]\n%b = param \"b\" : f32[8,2]\n"                          \
      "%1 = matmul %x, %b : f32[tokens,2]\n%2 = matmul %x, %t {transpose_a = 1} : f32[8,2]\n"
static const Case tails[] = {
    {GF_REFUSAL_NONE, NULL, "1", "2", SUM_BESIDE "return y = %1, z = %2\n", 0},
    {GF_REFUSAL_TAILS, "3", "3", "1",
     SUM_BESIDE "%3 = matmul %x, %u {transpose_a = 1} : f32[8,2]\nreturn y = %1, z = %2, w = %3\n", 0},
    {GF_REFUSAL_TAIL_WAITS, "3", "2", "3", SUM_BESIDE "%3 = neg %2 : f32[8,2]\nreturn y = %1, z = %3\n", 0},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static GfRefusal why(Fixture *f, const char *passes, const char *a, const char *b, uint32_t kernel_nodes)
{
    GfTarget target = gf_target_any;
    GfPipelineOptions options = {.target = &target, .refusals = &f->recorded};
    GfRefusal refusal;

    target.kernel_nodes = kernel_nodes ? kernel_nodes : target.kernel_nodes;
    check_ok(f, gf_pipeline_run(f->g, passes, &options, NULL, NULL, NULL, &f->diags), passes);
    const GfNode *x = gf_find_name(f->g, a), *y = gf_find_name(f->g, b);
    check_ok(f, gf_why_apart(f->g, &target, &f->recorded, x, y, &refusal, &f->diags), "gf_why_apart");
    assert_true((x->kernel == y->kernel) == (refusal.kind == GF_REFUSAL_NONE));
    return refusal;
}

/* False, and what was said instead is printed. */
static bool is_refusal(const char *body, GfRefusal got, GfRefusalKind kind, const char *node)
{
    bool same = got.kind == kind && !got.node == !node && (!node || strcmp(got.node->name, node) == 0);

    if (!same)
        print_message("of %%%s: %s\nand not of %%%s: %s\n%s", got.node ? got.node->name : "", gf_refusal_text(got.kind),
                      node ? node : "", gf_refusal_text(kind), body);
    return same;
}

static void check_cases(const Case *list, size_t count, const char *passes)
{
    bool all = true;

    for (size_t i = 0; i < count; i++) {
        const Case *c = &list[i];
        Fixture f;
        start(&f, c->body);
        all &= is_refusal(c->body, why(&f, passes, c->a, c->b, c->kernel_nodes), c->kind, c->node);
        end(&f);
    }
    assert_true(all);
}

static void every_reason_is_given(void **state)
{
    (void)state;
    check_cases(cases, CASE_COUNT, "fuse");
    check_cases(heads, sizeof heads / sizeof *heads, "fuse-down{everywhere=1},fuse");
    check_cases(tails, sizeof tails / sizeof *tails, "fuse-up-grad,fuse");
}

/* A reader more than 64 nodes behind. */
static void far_apart(void **state)
{
    Fixture f;
    GfArena arena;

    (void)state;
    gf_arena_init(&arena, NULL);
    GfText body = {.arena = &arena};
    gf_text_add(&body, "%s", X "%1 = exp %x : f32[tokens,8]\n");
    for (int i = 2; i < 80; i++)
        gf_text_add(&body, "%%%d = sum %%x : f32[]\n", i);
    gf_text_add(&body, "%%80 = neg %%1 : f32[tokens,8]\nreturn y = %%80\n");
    start(&f, gf_text_str(&body));
    assert_true(is_refusal("", why(&f, "fuse", "80", "1", 0), GF_REFUSAL_FAR, "80"));
    end(&f);
    gf_arena_free(&arena);
}

static void no_reason_is_left_out(void **state)
{
    bool seen[GF_REFUSAL_COUNT] = {[GF_REFUSAL_FAR] = true,
                                   [GF_REFUSAL_HEADS] = true,
                                   [GF_REFUSAL_TAILS] = true,
                                   [GF_REFUSAL_TAIL_WAITS] = true,
                                   [GF_REFUSAL_CONSTANT] = true}; /* of kernels that are given: test_fuse.c */

    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        seen[cases[i].kind] = true;
    for (int i = 0; i < GF_REFUSAL_COUNT; i++) {
        if (!seen[i])
            fail_msg("no case for '%s'", gf_refusal_text((GfRefusalKind)i));
    }
}

/* What was written down between any two nodes of the kernels counts for all of them. */
static void neighbours_in_kernels_share_the_reason(void **state)
{
    Fixture f;

    (void)state;
    start(&f, X W "%1 = linear %x, %w : f32[tokens,8]\n%2 = gelu %1 : f32[tokens,8]\n"
                  "%3 = softmax %2 : f32[tokens,8]\n%4 = neg %3 : f32[tokens,8]\nreturn y = %4\n");
    assert_true(is_refusal("", why(&f, "fuse", "1", "4", 0), GF_REFUSAL_MIXES_PRODUCT, "3"));
    end(&f);
}

/* ---- gradients ----------------------------------------------------------------------------- */

#define MODEL(a, b, unused)                                                                                            \
    X "%a = param \"low\"" a " : f32[8,8]\n%b = param \"high\"" b " : f32[8,8]\n"                                      \
      "%c = param \"unused\"" unused " : f32[8,8]\n%1 = linear %x, %a : f32[tokens,8]\n"                               \
      "%2 = linear %1, %b : f32[tokens,8]\n%3 = linear %x, %c : f32[tokens,8]\n%loss = mean %2 : f32[]\n"              \
      "return loss = %loss, other = %3\n"

static GfWhyGradient gradient(Fixture *f, const char *body, const char *label)
{
    GfWhyGradient why;

    start(f, body);
    check_ok(f, gf_why_gradient(f->g, gf_find_label(f->g, label), &f->arena, &why, &f->diags), body);
    return why;
}

static bool has_gradient(Fixture *f, const char *label)
{
    check_ok(f, gf_pipeline_run(f->g, "autodiff,prune-frozen", NULL, NULL, NULL, NULL, &f->diags), "autodiff");
    for (const GfUse *u = gf_find_label(f->g, label)->results[0].uses; u; u = u->next) {
        if (u->user->op == GF_OP_GRAD)
            return true;
    }
    return false;
}

/* The fate, and that the passes agree: what is said to have a gradient gets one. */
static void check_fate(const char *body, const char *label, GfFate fate, uint32_t path, const char *lowest)
{
    Fixture f;
    GfWhyGradient why = gradient(&f, body, label);

    assert_int_equal(why.fate, fate);
    assert_int_equal(why.path_count, path);
    if (path)
        assert_string_equal(why.path[path - 1]->name, "loss");
    if (lowest)
        assert_string_equal(why.lowest->name, lowest);
    assert_true(has_gradient(&f, label) == (fate == GF_FATE_TRAINS));
    end(&f);
}

static void every_fate(void **state)
{
    (void)state;
    check_fate(MODEL("", "", ""), "low", GF_FATE_TRAINS, 3, NULL);
    check_fate(MODEL("", "", ""), "high", GF_FATE_TRAINS, 2, NULL);
    check_fate(MODEL("", "", ""), "unused", GF_FATE_NO_PATH, 0, NULL);
    check_fate(MODEL(" frozen", "", ""), "low", GF_FATE_FROZEN_BELOW, 3, "2");
    check_fate(MODEL("", " frozen", ""), "high", GF_FATE_FROZEN, 2, "2");
    check_fate(MODEL(" frozen", " frozen", ""), "high", GF_FATE_NO_TRAINING, 2, NULL);
}

static void who_trains_instead(void **state)
{
    Fixture f;

    (void)state;
    assert_string_equal(gradient(&f, MODEL(" frozen", "", ""), "low").trains->label, "high");
    end(&f);
    assert_string_equal(gradient(&f, MODEL("", " frozen", ""), "high").trains->label, "low");
    end(&f);
}

static void without_loss_there_is_none(void **state)
{
    Fixture f;
    GfWhyGradient why;

    (void)state;
    start(&f, "%a = param \"low\" : f32[8]\nreturn y = %a\n");
    assert_int_equal(gf_why_gradient(f.g, gf_find_label(f.g, "low"), &f.arena, &why, &f.diags), GF_ERR_PASS);
    end(&f);
}

static void check_patterns(const char *list, const char *label, const char *freeze, const char *train)
{
    Fixture f;
    GfWhyFrozen got;

    start(&f, "return\n");
    check_ok(&f, gf_why_frozen(list, NULL, label, &f.arena, &got, &f.diags), list);
    assert_true(!freeze == !got.freeze && !train == !got.train);
    if (freeze)
        assert_string_equal(got.freeze, freeze);
    if (train)
        assert_string_equal(got.train, train);
    end(&f);
}

static void patterns_that_decided(void **state)
{
    static const char list[] = "freeze{freeze=\"embeddings.* *.bias\",train=\"layer.1.* head.bias\"},autodiff";

    (void)state;
    check_patterns(list, "layer.0.weight", NULL, NULL);
    check_patterns(list, "layer.0.bias", "*.bias", NULL);
    check_patterns(list, "layer.1.bias", "*.bias", "layer.1.*");
    check_patterns(list, "layer.1.weight", NULL, "layer.1.*");
    check_patterns(list, "embeddings.bias", "embeddings.*", NULL);
    check_patterns("autodiff", "layer.0.bias", NULL, NULL);
    check_patterns("freeze{freeze=\"*\",train=a},freeze{freeze=a}", "a", "a", NULL); /* the last one wins */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_given),
        cmocka_unit_test(far_apart),
        cmocka_unit_test(no_reason_is_left_out),
        cmocka_unit_test(neighbours_in_kernels_share_the_reason),
        cmocka_unit_test(every_fate),
        cmocka_unit_test(who_trains_instead),
        cmocka_unit_test(without_loss_there_is_none),
        cmocka_unit_test(patterns_that_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
