/* test_fuse.c -- what must hold of every fused graph, on random graphs and on an
 * encoder: kernels that are possible and wait for each other in no circle, the
 * same numbers, and no memory for a low-rank product.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/kernel.h"
#include "passes/passes.h"
#include "tests/support/encoder_text.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/random_graph.h"

enum { GRAPHS = 200, NODES = 60, HIDDEN = 80 };

static const GfTarget wide = {"wide", 8192, 64, 4, 32, 32, true, 64, false, false};
static const GfTarget narrow = {"narrow", 4, 3, 1, 1, 1, false, 64, false, false};

typedef struct Bed {
    GfArena arena;
    GfDiags diags;
} Bed;

static void bed_open(Bed *b)
{
    gf_arena_init(&b->arena, NULL);
    gf_diags_init(&b->diags, NULL);
}

static void bed_close(Bed *b)
{
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
}

static const char *message(const Bed *b)
{
    return b->diags.first ? b->diags.first->message : "";
}

static void run(Bed *b, GfGraph *g, const GfTarget *target, const char *passes)
{
    GfPipelineOptions options = {.target = target};

    if (gf_pipeline_run(g, passes, &options, NULL, NULL, NULL, &b->diags) != GF_OK)
        fail_msg("%s: %s", passes, message(b));
}

static GfGraph *parse(Bed *b, const char *text)
{
    GfGraph *g = NULL;

    if (!text || gf_graph_parse("t", text, strlen(text), NULL, &g, &b->diags) != GF_OK)
        fail_msg("%s", message(b));
    return g;
}

static GfGraph *encoder(Bed *b, const GfTarget *target, const char *passes)
{
    const char *text = encoder_text(&b->arena, 2, HIDDEN);
    GfGraph *g;

    if (gf_graph_parse("encoder", text, strlen(text), NULL, &g, &b->diags) != GF_OK)
        fail_msg("%s", message(b));
    run(b, g, target, passes);
    return g;
}

/* ---- kernels ---------------------------------------------------------------------------- */

/* reach[a * count + b]: kernel b waits for kernel a, directly or not. */
static bool *closure(Bed *b, const GfGraph *g, uint32_t count)
{
    bool *reach = GF_NEW_ARRAY(&b->arena, bool, (size_t)count *count);

    for (const GfNode *n = g->first; n; n = n->next) {
        for (uint32_t i = 0; n->kernel >= 0 && i < n->operand_count; i++) {
            int32_t from = gf_operand(n, i)->node->kernel;
            if (from >= 0 && from != n->kernel)
                reach[(uint32_t)from * count + (uint32_t)n->kernel] = true;
        }
    }
    for (uint32_t k = 0; k < count; k++) {
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t j = 0; reach[i * count + k] && j < count; j++)
                reach[i * count + j] |= reach[k * count + j];
        }
    }
    return reach;
}

static void check_acyclic(Bed *b, const GfGraph *g)
{
    uint32_t count = (uint32_t)g->next_kernel;
    const bool *reach = closure(b, g, count);

    for (uint32_t k = 0; k < count; k++)
        assert_false(reach[k * count + k]);
}

/* Every node that makes code has a kernel, which its target can do. */
static void check_kernels(Bed *b, const GfGraph *g, const GfTarget *target)
{
    GfKernelNodes *kernels;
    GfKernelForm form;
    uint32_t count;

    for (const GfNode *n = g->first; n; n = n->next)
        assert_int_equal(n->kernel != GF_NO_KERNEL, gf_makes_code(n));
    assert_int_equal(gf_kernel_order(g, &b->arena, &kernels, &count, &b->diags), GF_OK);
    assert_int_equal(count, g->next_kernel);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(kernels[i].kernel, i); /* numbered in launch order */
        assert_true(gf_kernel_form(kernels[i].nodes, kernels[i].node_count, target, &form));
    }
    check_acyclic(b, g);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static void bind_all(Bed *b, GfEval *e, const GfGraph *g, const int64_t *sizes)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (gf_op_info(n->op)->class_ != GF_CLASS_STRUCTURE || !n->result_count)
            continue;
        const GfType *type = &n->results[0].type;
        int64_t count = gf_type_elements(type, sizes);
        double *data = GF_NEW_ARRAY(&b->arena, double, (size_t)count);
        uint64_t seed = n->name[0] * 251u + strlen(n->name);
        for (int64_t i = 0; i < count; i++)
            data[i] = type->dtype == GF_I32 ? (double)(i % 5) : random_below(&seed, 1000) / 500.0 - 1;
        assert_int_equal(gf_eval_bind(e, n, data, &b->diags), GF_OK);
    }
}

static GfEval *evaluate(Bed *b, const GfGraph *g)
{
    static const int64_t sizes[] = {5};
    GfEval *e;

    assert_int_equal(gf_eval_new(g, sizes, NULL, &e, &b->diags), GF_OK);
    bind_all(b, e, g, sizes);
    assert_int_equal(gf_eval_run(e, &b->diags), GF_OK);
    return e;
}

/* Fusion computes the same nodes: the results are the same to the last bit. */
static void check_values(Bed *b, const GfGraph *before, const GfGraph *after)
{
    GfEval *e = evaluate(b, before), *f = evaluate(b, after);
    const GfNode *x = gf_graph_return(before), *y = gf_graph_return(after);

    for (uint32_t i = 0; i < x->operand_count; i++) {
        const GfTensor *t = gf_eval_value(e, gf_operand(x, i)), *u = gf_eval_value(f, gf_operand(y, i));
        assert_int_equal(t->count, u->count);
        assert_memory_equal(t->data, u->data, (size_t)t->count * sizeof(double));
    }
    gf_eval_free(e);
    gf_eval_free(f);
}

/* ---- random graphs --------------------------------------------------------------------------- */

static void check_random(uint64_t seed, const GfTarget *target, const char *passes)
{
    Bed b;

    bed_open(&b);
    GfGraph *g = random_graph(seed, NODES, &b.diags), *before = gf_graph_clone(g, NULL);
    run(&b, g, target, passes);
    check_kernels(&b, g, target);
    check_values(&b, before, g);
    gf_graph_free(g);
    gf_graph_free(before);
    bed_close(&b);
}

static void random_graphs_stay_right(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        check_random(seed, &wide, "fuse");
        check_random(seed, &narrow, "fuse-lora,fuse");
        check_random(seed, &wide, "fuse-lora,fuse,fuse");
        check_random(seed, &wide, "fuse-down{everywhere=1},fuse");
        check_random(seed, &gf_target_any, "dce,fuse-lora,fuse,dce");
        check_random(seed, &gf_target_any, "fuse-down{everywhere=1},dce,fuse");
        check_random(seed, &wide, "fuse-up-grad,fuse-down{everywhere=1},dce,fuse");
    }
}

/* A chain of LONG_CHAIN nodes: no kernel takes more than the target allows. */
static void long_chains_are_cut(void **state)
{
    enum { LONG_CHAIN = 1000 };
    Bed b;

    (void)state;
    bed_open(&b);
    GfText text = {.arena = &b.arena};
    gf_text_add(&text, "graph @t(tokens) {\n  %%0 = input : f32[tokens,8]\n");
    for (int i = 1; i <= LONG_CHAIN; i++)
        gf_text_add(&text, "  %%%d = tanh %%%d : f32[tokens,8]\n", i, i - 1);
    gf_text_add(&text, "  return y = %%%d\n}\n", LONG_CHAIN);
    GfGraph *g = parse(&b, gf_text_str(&text));
    run(&b, g, &wide, "fuse");
    uint32_t *held = GF_NEW_ARRAY(&b.arena, uint32_t, LONG_CHAIN);
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->kernel >= 0)
            assert_true(++held[n->kernel] <= wide.kernel_nodes);
    }
    assert_int_equal(g->next_kernel, (LONG_CHAIN + (int)wide.kernel_nodes - 1) / (int)wide.kernel_nodes);
    gf_graph_free(g);
    bed_close(&b);
}

/* A graph in which %d is made of %x by 40 nodes that read the one before twice. */
static GfGraph *doublings(Bed *b, const char *tail)
{
    GfText text = {.arena = &b->arena};

    gf_text_add(&text, "graph @t(tokens) {\n  %%x = input : f32[tokens,8]\n  %%w = param \"w\" : f32[8,8]\n"
                       "  %%0 = neg %%x : f32[tokens,8]\n");
    for (int i = 1; i < 40; i++)
        gf_text_add(&text, "  %%%d = mul %%%d, %%%d : f32[tokens,8]\n", i, i - 1, i - 1);
    gf_text_add(&text, "  %%d = mul %%39, %%39 : f32[tokens,8]\n%s}\n", tail);
    return parse(b, gf_text_str(&text));
}

/* No question about a value is asked once for each way to it. */
static void doublings_cost_no_more(void **state)
{
    Bed b;

    (void)state;
    bed_open(&b);
    GfGraph *g = doublings(&b, "  %y = linear %d, %w : f32[tokens,8]\n  %z = add %y, %0 : f32[tokens,8]\n"
                               "  return z = %z\n");
    run(&b, g, &wide, "fuse-down{everywhere=1},fuse");
    check_kernels(&b, g, &wide);
    gf_graph_free(g);
    /* in front of a head that loses its tile */
    g = doublings(&b, "  %t = linear %d, %w : f32[tokens,8]\n  %y = linear %t, %w : f32[tokens,8]\n"
                      "  %u = linear %x, %w : f32[tokens,8]\n  %z = add %u, %y : f32[tokens,8]\n"
                      "  return u = %u, t = %t\n");
    for (GfNode *n = g->first; n; n = n->next)
        n->kernel = gf_makes_code(n) ? 0 : GF_NO_KERNEL;
    g->next_kernel = 1;
    check_kernels(&b, g, &wide);
    run(&b, g, &wide, "dce,fuse");
    check_kernels(&b, g, &wide);
    assert_int_equal(gf_find_name(g, "t")->kernel, gf_find_name(g, "0")->kernel);
    assert_int_not_equal(gf_find_name(g, "t")->kernel, gf_find_name(g, "u")->kernel);
    gf_graph_free(g);
    bed_close(&b);
}

/* Of a kernel's constants only its elementwise nodes know: they are not in memory. */
static void constants_are_no_operands(void **state)
{
    static const char *const texts[] = {
        "%w = const {value = 0.5} : f32[4,8] @k0\n%1 = linear %x, %w : f32[tokens,4] @k0\n",
        "%w = const {value = 0.5} : f32[4,8] @k0\n%1 = sum %w : f32[] @k0\n",
        "%w = const {value = 0.5} : f32[4,8] @k0\n%1 = sum_cols %w : f32[4,1] @k0\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Bed b;
        GfKernelForm form;
        GfRefusal why;
        bed_open(&b);
        GfGraph *g = parse(&b, gf_arena_printf(&b.arena,
                                               "graph @t(tokens) {\n%%x = input : f32[tokens,8]\n%s"
                                               "return y = %%1\n}\n",
                                               texts[i]));
        GfNode *nodes[] = {gf_find_name(g, "w"), gf_find_name(g, "1")};
        assert_false(gf_kernel_form_why(nodes, 2, NULL, &form, &why));
        assert_int_equal(why.kind, GF_REFUSAL_CONSTANT);
        nodes[0]->kernel = GF_NO_KERNEL;
        assert_true(gf_kernel_form_why(&nodes[1], 1, NULL, &form, &why));
        gf_graph_free(g);
        bed_close(&b);
    }
}

/* The test must be able to fail: kernels 0 and 1 wait for each other. */
static void circles_are_seen(void **state)
{
    static const char text[] = "graph @t(tokens) {\n%x = input : f32[tokens,4]\n%a = exp %x : f32[tokens,4]\n"
                               "%b = mean %a : f32[]\n%c = mul %a, %b : f32[tokens,4]\nreturn c = %c\n}\n";
    Bed b;

    (void)state;
    bed_open(&b);
    GfGraph *g = parse(&b, text);
    gf_find_name(g, "a")->kernel = gf_find_name(g, "c")->kernel = 0;
    gf_find_name(g, "b")->kernel = 1;
    assert_true(closure(&b, g, 2)[0]);
    GfKernelNodes *kernels;
    uint32_t count;
    assert_int_equal(gf_kernel_order(g, &b.arena, &kernels, &count, &b.diags), GF_ERR_VERIFY);
    gf_graph_free(g);
    bed_close(&b);
}

/* ---- low-rank products ------------------------------------------------------------------------- */

static bool is_low_rank(const GfNode *n)
{
    const GfType *a = n->operand_count ? &gf_operand(n, 0)->type : NULL;

    if (gf_op_info(n->op)->class_ != GF_CLASS_GEMM || gf_attr_i(n, "transpose_a"))
        return false;
    return gf_dim_is(a->dims[1], 4) && gf_dim_is(n->results[0].type.dims[1], HIDDEN);
}

static bool is_stored(const GfNode *n)
{
    return n->results[0].place != GF_PLACE_NONE;
}

/* How many low-rank products, as they are or after dropout and scale, have memory. */
static int stored_products(const GfGraph *g, int *products)
{
    int stored = 0;

    *products = 0;
    for (const GfNode *n = g->first; n; n = n->next) {
        if (!is_low_rank(n))
            continue;
        bool found = is_stored(n);
        for (const GfNode *m = n->results[0].uses->user;
             gf_op_has(m->op, GF_LINEAR_MAP) && gf_makes_code(m) && gf_op_info(m->op)->class_ == GF_CLASS_ELEMENTWISE;
             m = m->results[0].uses->user)
            found |= is_stored(m);
        *products += 1;
        stored += found;
    }
    return stored;
}

static void low_rank_products_need_no_memory(void **state)
{
    const GfTarget *targets[] = {&wide, &gf_target_any};
    int products;
    Bed b;

    (void)state;
    for (int i = 0; i < 2; i++) {
        bed_open(&b);
        GfGraph *g = encoder(&b, targets[i], ENCODER_LORA "fuse-lora,fuse,plan-memory");
        assert_int_equal(stored_products(g, &products), 0);
        assert_int_equal(products, 9); /* three forward a layer, three backward but in the first */
        check_kernels(&b, g, targets[i]);
        gf_graph_free(g);
        bed_close(&b);
    }
}

/* The test must be able to fail: one product a tile, and no fuse-lora. */
static void stored_products_are_seen(void **state)
{
    int products;
    Bed b;

    (void)state;
    bed_open(&b);
    GfGraph *g = encoder(&b, &narrow, ENCODER_LORA "fuse,plan-memory");
    assert_int_not_equal(stored_products(g, &products), 0);
    gf_graph_free(g);
    bed_close(&b);
}

/* No dropped-out input of an adapter waits for the backward pass: it is drawn again. */
static void adapters_keep_no_dropout(void **state)
{
    int drawn = 0;
    Bed b;

    (void)state;
    bed_open(&b);
    GfGraph *g = encoder(&b, &wide, ENCODER_LORA "fuse-lora,fuse,plan-memory");
    for (const GfNode *n = g->first; n; n = n->next) {
        const GfUse *use = n->op == GF_OP_DROPOUT ? n->results[0].uses : NULL;
        bool adapter = use && gf_kernel_takes_prologue(use, &wide) && n->results[0].type.dims[0].symbol == 0;
        drawn += adapter;
        assert_false(adapter && is_stored(n));
    }
    assert_int_equal(drawn, 12); /* three a layer, forward and for the gradient of A */
    gf_graph_free(g);
    bed_close(&b);
}

/* ---- memory -------------------------------------------------------------------------------------- */

static void out_of_memory_is_an_error(void **state)
{
    FailingAlloc alloc;
    GfStatus status = GF_ERR_MEMORY;
    Bed b;

    (void)state;
    bed_open(&b);
    const char *text = encoder_text(&b.arena, 1, 16);
    for (long n = 0; status != GF_OK; n++) {
        GfDiags diags;
        GfGraph *g = NULL;
        failing_alloc_init(&alloc, n);
        gf_diags_init(&diags, &alloc.allocator);
        status = gf_graph_parse("encoder", text, strlen(text), &alloc.allocator, &g, &diags);
        if (status == GF_OK)
            status = gf_pipeline_run(g, "fuse-lora,fuse,plan-memory", NULL, NULL, NULL, NULL, &diags);
        assert_true(status == GF_OK || status == GF_ERR_MEMORY);
        gf_graph_free(g);
        gf_diags_free(&diags);
        assert_int_equal(alloc.live, 0);
    }
    bed_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_stay_right),  cmocka_unit_test(long_chains_are_cut),
        cmocka_unit_test(doublings_cost_no_more),    cmocka_unit_test(constants_are_no_operands),
        cmocka_unit_test(circles_are_seen),          cmocka_unit_test(low_rank_products_need_no_memory),
        cmocka_unit_test(stored_products_are_seen),  cmocka_unit_test(adapters_keep_no_dropout),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
