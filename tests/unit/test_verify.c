/* test_verify.c -- graphs broken by hand, in ways that text cannot say.
 *
 * Each test breaks one invariant of ir.h and names the message it must get; what
 * text can break is in tests/golden/text/errors_verify.gir.
 */
#include "ir/ir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] = "graph @g(tokens) {\n"
                             "  %x = input : f32[tokens,8]\n"
                             "  %w = param \"w\" {init = \"zeros\"} : f32[8,8]\n"
                             "  %v = param \"v\" : f32[8,8]\n"
                             "  %y = linear %x, %w : f32[tokens,8]\n"
                             "  %z = add %y, %y : f32[tokens,8]\n"
                             "  %s = scale %z {by = 2.0} : f32[tokens,8]\n"
                             "  return y = %z, s = %s\n"
                             "}\n";

typedef struct Broken {
    GfGraph *g;
    GfDiags diags;
    GfNode *x, *w, *v, *y, *z, *s, *ret;
} Broken;

static int setup(void **state)
{
    static Broken b;

    gf_diags_init(&b.diags, NULL);
    if (gf_graph_parse("t.gir", sample, strlen(sample), NULL, &b.g, &b.diags) != GF_OK)
        return 1;
    b.x = gf_find_name(b.g, "x");
    b.w = gf_find_name(b.g, "w");
    b.v = gf_find_name(b.g, "v");
    b.y = gf_find_name(b.g, "y");
    b.z = gf_find_name(b.g, "z");
    b.s = gf_find_name(b.g, "s");
    b.ret = b.g->last;
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    Broken *b = *state;
    gf_graph_free(b->g);
    gf_diags_free(&b->diags);
    return 0;
}

static void assert_message(Broken *b, const char *message)
{
    assert_int_equal(gf_verify(b->g, &b->diags), GF_ERR_VERIFY);
    assert_int_equal(b->diags.count, 1);
    assert_string_equal(b->diags.first->message, message);
}

static void whole(void **state)
{
    Broken *b = *state;
    assert_int_equal(gf_verify(b->g, &b->diags), GF_OK);
    assert_int_equal(b->diags.count, 0);
}

/* ---- 1 */

static void op_number(void **state)
{
    Broken *b = *state;
    b->y->op = (GfOp)1000;
    assert_message(b, "a node has the op number 1000, which does not exist");
}

static void node_id(void **state)
{
    Broken *b = *state;
    b->y->id = b->x->id;
    assert_message(b, "the id 0 of '%y = linear' is not its own");
}

static void node_id_range(void **state)
{
    Broken *b = *state;
    b->y->id = 1000;
    assert_message(b, "the id 1000 of '%y = linear' is not its own");
}

static void list_back(void **state)
{
    Broken *b = *state;
    b->y->prev = b->x;
    assert_message(b, "'%y = linear' is not linked to the node before it");
}

static void list_end(void **state)
{
    Broken *b = *state;
    b->g->last = b->s;
    assert_message(b, "'return' ends the list of nodes, but the graph ends elsewhere");
}

static void list_cycle(void **state)
{
    Broken *b = *state;
    b->s->next = b->x;
    assert_message(b, "the id 0 of '%x = input' is not its own");
}

static void result_node(void **state)
{
    Broken *b = *state;
    b->y->results[0].node = b->x;
    assert_message(b, "result 0 of '%y = linear' does not know its node");
}

static void operand_missing(void **state)
{
    Broken *b = *state;
    b->z->operands[1].value = NULL;
    assert_message(b, "operand 1 of '%z = add' is missing");
}

static void operand_later(void **state)
{
    Broken *b = *state;
    gf_move_before(b->g, b->y, b->ret);
    assert_message(b, "operand 0 of '%z = add' is not defined before it");
}

static void operand_removed(void **state)
{
    Broken *b = *state;
    gf_remove(b->g, b->y);
    assert_message(b, "operand 0 of '%z = add' is not defined before it");
}

static void operand_index(void **state)
{
    Broken *b = *state;
    GfValue fake = {.node = b->y};
    b->z->operands[0].value = &fake;
    assert_message(b, "operand 0 of '%z = add' is no result of '%y = linear'");
}

/* ---- 2 */

static void operand_count(void **state)
{
    Broken *b = *state;
    b->z->operand_count = 1;
    assert_message(b, "'%z = add' has 1 operands, which its row in ops.def does not allow");
}

static void result_count(void **state)
{
    Broken *b = *state;
    b->s->op = GF_OP_SUM_COLS;
    b->s->result_count = 0;
    b->ret->operand_count = 1;
    assert_message(b, "'%s = sum_cols' has 0 results instead of 1");
}

static void attr_unknown(void **state)
{
    Broken *b = *state;
    assert_int_equal(gf_attr_set(b->g, b->s, gf_attr_int("key", 1)), GF_OK);
    assert_message(b, "'%s = scale' has an attribute 'key' that its op does not know");
}

static void attr_kind(void **state)
{
    Broken *b = *state;
    assert_int_equal(gf_attr_set(b->g, b->s, gf_attr_int("by", 1)), GF_OK);
    assert_message(b, "the attribute 'by' of '%s = scale' has the wrong type");
}

static void attr_null(void **state)
{
    Broken *b = *state;
    b->w->attrs[0].s = NULL;
    assert_message(b, "the attribute 'init' of '%w = param' has the wrong type");
}

static void attr_twice(void **state)
{
    Broken *b = *state;
    b->w->attrs[1] = b->w->attrs[0];
    assert_message(b, "'%w = param' has the attribute 'init' twice");
}

static void attr_missing(void **state)
{
    Broken *b = *state;
    b->s->attr_count = 0;
    assert_message(b, "'%s = scale' lacks its attribute 'by'");
}

/* ---- 3, 5 */

static void type_not_derived(void **state)
{
    Broken *b = *state;
    b->y->results[0].type.dims[1] = gf_dim_const(9);
    assert_message(b, "result 0 of '%y = linear' is f32[tokens,9], its shape rule gives f32[tokens,8]");
}

static void type_refused(void **state)
{
    Broken *b = *state;
    b->w->results[0].type.dims[1] = gf_dim_const(9);
    assert_int_equal(gf_verify(b->g, &b->diags), GF_ERR_SHAPE);
}

static void type_invalid(void **state)
{
    Broken *b = *state;
    b->w->results[0].type.rank = GF_MAX_RANK + 1;
    assert_message(b, "'%w = param' has a result without a valid type");
}

static void dim_size(void **state)
{
    Broken *b = *state;
    b->w->results[0].type.dims[0] = gf_dim_const(0);
    assert_message(b, "'%w = param' has a dimension of size 0; sizes are at least 1");
}

static void dim_symbol(void **state)
{
    Broken *b = *state;
    b->x->results[0].type.dims[0] = gf_dim_symbol(1);
    assert_message(b, "'%x = input' has a dimension that is no symbol of the graph");
}

/* ---- 4 */

static void name_twice(void **state)
{
    Broken *b = *state;
    b->z->name = "y";
    assert_message(b, "the value name 'y' stands twice");
}

static void name_characters(void **state)
{
    Broken *b = *state;
    b->z->name = "a b";
    assert_message(b, "'%a b = add' needs a name of letters, digits, '_', '.' and '-'");
}

static void name_missing(void **state)
{
    Broken *b = *state;
    b->z->name = NULL;
    assert_message(b, "'add' needs a name of letters, digits, '_', '.' and '-'");
}

static void graph_name(void **state)
{
    Broken *b = *state;
    b->g->symbols[0] = "7";
    assert_message(b, "the graph '@g' or one of its dimensions has a name that text IR cannot hold");
}

static void label_missing(void **state)
{
    Broken *b = *state;
    b->w->label = NULL;
    assert_message(b, "'%w = param' has no checkpoint name");
}

static void label_elsewhere(void **state)
{
    Broken *b = *state;
    b->x->label = "x";
    assert_message(b, "'%x = input' has a checkpoint name, but is no param or state");
}

static void frozen_elsewhere(void **state)
{
    Broken *b = *state;
    b->x->frozen = true;
    assert_message(b, "'%x = input' is frozen, but is no param");
}

/* ---- 6 */

static void use_list_short(void **state)
{
    Broken *b = *state;
    b->x->results[0].uses = NULL;
    assert_message(b, "the use list of '%x = input' does not hold its 1 uses");
}

static void use_list_long(void **state)
{
    Broken *b = *state;
    b->v->results[0].uses = b->w->results[0].uses;
    assert_message(b, "the use list of '%v = param' is broken");
}

static void use_list_cycle(void **state)
{
    Broken *b = *state;
    GfUse *first = b->y->results[0].uses;
    first->next->next = first;
    assert_message(b, "the use list of '%y = linear' is broken");
}

static void use_list_removed(void **state)
{
    Broken *b = *state;
    GfUse stale = {.value = &b->v->results[0], .user = &(GfNode){.id = 0, .operand_count = 1}};
    stale.user->operands = &stale;
    b->v->results[0].uses = &stale;
    assert_message(b, "the use list of '%v = param' is broken");
}

/* ---- 9 */

static void return_missing(void **state)
{
    Broken *b = *state;
    gf_remove(b->g, b->ret);
    assert_message(b, "the graph '@g' has no 'return' at its end");
}

static void output_name(void **state)
{
    Broken *b = *state;
    b->ret->outputs[0] = "8y";
    assert_message(b, "output 0 has no name of letters, digits, '_', '.' and '-'");
}

/* ---- 10, 11 */

static void kernel_number(void **state)
{
    Broken *b = *state;
    b->y->kernel = 5;
    assert_message(b, "the kernel @k5 of '%y = linear' was never given out");
}

static void alias_of_nothing(void **state)
{
    Broken *b = *state;
    GfNode *const code[] = {b->y, b->z, b->s};
    for (int i = 0; i < 3; i++)
        code[i]->kernel = b->g->next_kernel++;
    b->g->arena_size = 1024;
    b->g->plan_sizes[0] = 2;
    b->y->results[0].place = GF_PLACE_ALIAS;
    assert_message(b, "'%y' takes over the memory of something that has none of its own");
}

#define BREAKING(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BREAKING(whole),           BREAKING(op_number),       BREAKING(node_id),          BREAKING(node_id_range),
        BREAKING(list_back),       BREAKING(list_end),        BREAKING(list_cycle),       BREAKING(result_node),
        BREAKING(operand_missing), BREAKING(operand_later),   BREAKING(operand_removed),  BREAKING(operand_index),
        BREAKING(operand_count),   BREAKING(result_count),    BREAKING(attr_unknown),     BREAKING(attr_kind),
        BREAKING(attr_null),       BREAKING(attr_twice),      BREAKING(attr_missing),     BREAKING(type_not_derived),
        BREAKING(type_refused),    BREAKING(type_invalid),    BREAKING(dim_size),         BREAKING(dim_symbol),
        BREAKING(name_twice),      BREAKING(name_characters), BREAKING(name_missing),     BREAKING(graph_name),
        BREAKING(label_missing),   BREAKING(label_elsewhere), BREAKING(frozen_elsewhere), BREAKING(use_list_short),
        BREAKING(use_list_long),   BREAKING(use_list_cycle),  BREAKING(use_list_removed), BREAKING(return_missing),
        BREAKING(output_name),     BREAKING(kernel_number),   BREAKING(alias_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
