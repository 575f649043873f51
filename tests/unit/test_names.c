/* test_names.c -- finding nodes by name and by label while a graph changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ir/ir.h"

enum { NODES = 3000, LONG_CHAIN = 40000 };

static GfNode *scan_name(const GfGraph *g, const char *name)
{
    GF_EACH_NODE (n, g) {
        if (strcmp(n->name, name) == 0)
            return n;
    }
    return NULL;
}

static GfNode *scan_label(const GfGraph *g, const char *label)
{
    GF_EACH_NODE (n, g) {
        if (strcmp(n->label, label) == 0)
            return n;
    }
    return NULL;
}

static void add_param(GfGraph *g, int i)
{
    char name[16], label[16];
    GfType type = gf_type_scalar(GF_F32);
    GfNodeSpec spec = {.op = GF_OP_PARAM, .name = name, .label = label, .declared = &type};

    snprintf(name, sizeof name, "n%d", i);
    snprintf(label, sizeof label, "layer.%d", i);
    assert_int_equal(gf_graph_add(g, NULL, &spec, NULL, NULL), GF_OK);
}

static void assert_found(const GfGraph *g, int i)
{
    char name[16], label[16];

    snprintf(name, sizeof name, "n%d", i);
    snprintf(label, sizeof label, "layer.%d", i);
    assert_ptr_equal(gf_find_name(g, name), scan_name(g, name));
    assert_ptr_equal(gf_find_label(g, label), scan_label(g, label));
}

static GfGraph *many_params(void)
{
    GfGraph *g = gf_graph_new("g", NULL);

    assert_null(gf_find_name(g, "n0"));
    assert_null(gf_find_label(g, "layer.0"));
    for (int i = 0; i < NODES; i++)
        add_param(g, i);
    return g;
}

static void removed_nodes_are_not_found(void **state)
{
    GfGraph *g = many_params();
    int i = 0;

    (void)state;
    GF_EACH_NODE (n, g) {
        if (i++ % 3 != 1)
            gf_remove(g, n);
    }
    for (int k = 0; k < NODES; k++)
        assert_found(g, k);
    assert_null(gf_find_name(g, "n0"));
    assert_non_null(gf_find_name(g, "n1"));
    add_param(g, 0); /* the name is free again */
    assert_found(g, 0);
    gf_graph_free(g);
}

static void renamed_nodes_are_found_by_the_new_name(void **state)
{
    GfGraph *g = many_params();
    GfNode *n = gf_find_name(g, "n7");

    (void)state;
    assert_int_equal(gf_rename(g, n, "loss"), GF_OK);
    assert_ptr_equal(gf_find_name(g, "loss"), n);
    assert_null(gf_find_name(g, "n7"));
    assert_ptr_equal(gf_find_label(g, "layer.7"), n);
    gf_graph_free(g);
}

static void copies_find_their_own_nodes(void **state)
{
    GfGraph *g = many_params(), *copy = gf_graph_clone(g, NULL);

    (void)state;
    gf_graph_free(g);
    assert_non_null(gf_find_name(copy, "n5"));
    for (int i = 0; i < NODES; i++)
        assert_found(copy, i);
    gf_graph_free(copy);
}

/* 40,000 nodes took 5 s when each name was compared with all before it. */
static void long_texts_parse_in_linear_time(void **state)
{
    GfArena arena;
    GfGraph *g;

    (void)state;
    gf_arena_init(&arena, NULL);
    GfText text = {.arena = &arena};
    gf_text_add(&text, "graph @g() {\n  %%0 = input : f32[]\n");
    for (int i = 1; i < LONG_CHAIN; i++)
        gf_text_add(&text, "  %%%d = tanh %%%d : f32[]\n", i, i - 1);
    gf_text_add(&text, "  return y = %%%d\n}\n", LONG_CHAIN - 1);
    clock_t begin = clock();
    assert_int_equal(gf_graph_parse("long.gir", text.data, text.length, NULL, &g, NULL), GF_OK);
    assert_true(clock() - begin < 3 * CLOCKS_PER_SEC);
    gf_graph_free(g);
    gf_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed_nodes_are_not_found),
        cmocka_unit_test(renamed_nodes_are_found_by_the_new_name),
        cmocka_unit_test(copies_find_their_own_nodes),
        cmocka_unit_test(long_texts_parse_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
