/* test_blocks.c -- which block and which phase an op of a step belongs to. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frontend/cli/blocks.h"
#include "passes/passes.h"

#include <setjmp.h>

#include <cmocka.h>

static const char model[] = "graph @t(tokens) {\n"
                            "%x = input : f32[tokens,8]\n"
                            "%e = param \"m.embeddings.table.weight\" frozen : f32[8,8]\n"
                            "%n = param \"m.embeddings.norm.weight\" frozen : f32[8]\n"
                            "%a = param \"m.encoder.layer.0.dense.weight\" : f32[8,8]\n"
                            "%b = param \"m.encoder.layer.1.dense.weight\" : f32[8,8]\n"
                            "%c = param \"classifier.weight\" : f32[8,8]\n"
                            "%1 = linear %x, %e : f32[tokens,8]\n"
                            "%2 = mul %1, %n : f32[tokens,8]\n"
                            "%3 = linear %2, %a : f32[tokens,8]\n"
                            "%4 = gelu %3 : f32[tokens,8]\n"
                            "%5 = linear %4, %b : f32[tokens,8]\n"
                            "%6 = add %5, %4 : f32[tokens,8]\n"
                            "%7 = linear %6, %c : f32[tokens,8]\n"
                            "%loss = mean %7 : f32[]\n"
                            "return loss = %loss\n}\n";

typedef struct Fixture {
    GfArena arena;
    GfDiags diags;
    GfGraph *g;
    GfBlocks blocks;
} Fixture;

static void start(Fixture *f, const char *passes)
{
    *f = (Fixture){0};
    gf_arena_init(&f->arena, NULL);
    gf_diags_init(&f->diags, NULL);
    assert_int_equal(gf_graph_parse("t.gir", model, sizeof model - 1, NULL, &f->g, &f->diags), GF_OK);
    if (gf_pipeline_run(f->g, passes, NULL, NULL, NULL, NULL, &f->diags) != GF_OK)
        fail_msg("%s", f->diags.first->message);
    assert_true(gf_blocks_find(&f->blocks, f->g, &f->arena));
}

static void end(Fixture *f)
{
    gf_graph_free(f->g);
    gf_diags_free(&f->diags);
    gf_arena_free(&f->arena);
}

static const char *block_of(const Fixture *f, const GfNode *n)
{
    return f->blocks.names[f->blocks.of[n->id]];
}

static void labels_are_cut_at_the_number(void **state)
{
    static const char *const names[] = {"m.embeddings", "m.encoder.layer.0", "m.encoder.layer.1", "classifier"};
    Fixture f;

    (void)state;
    start(&f, "autodiff,prune-frozen,adamw"); /* with states */
    assert_int_equal(f.blocks.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_string_equal(f.blocks.names[i], names[i]);
    assert_string_equal(gf_block_rest(&f.blocks, gf_find_name(f.g, "a")), "dense.weight");
    assert_string_equal(gf_block_rest(&f.blocks, gf_find_name(f.g, "c")), "weight");
    end(&f);
}

static void forward_goes_up(void **state)
{
    static const char *const want[][2] = {
        {"1", "m.embeddings"},      {"2", "m.embeddings"},      {"3", "m.encoder.layer.0"}, {"4", "m.encoder.layer.0"},
        {"5", "m.encoder.layer.1"}, {"6", "m.encoder.layer.1"}, {"7", "classifier"},        {"loss", "classifier"}};
    Fixture f;

    (void)state;
    start(&f, "");
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const GfNode *n = gf_find_name(f.g, want[i][0]);
        assert_string_equal(block_of(&f, n), want[i][1]);
        assert_int_equal(f.blocks.phases[n->id], GF_PHASE_FORWARD);
    }
    end(&f);
}

/* Of each trainable parameter: its gradient, its norm and its update stand in its block. */
static void gradients_and_updates_stand_with_their_parameter(void **state)
{
    Fixture f;
    uint32_t updates = 0, norms = 0;

    (void)state;
    start(&f, "autodiff,prune-frozen,adamw{max_grad_norm=1},dce");
    GF_EACH_NODE (n, f.g) {
        if (n->op == GF_OP_ADAMW) {
            const GfNode *param = gf_operand(n, 0)->node, *grad = gf_operand(n, 1)->node;
            assert_string_equal(block_of(&f, n), block_of(&f, param));
            assert_string_equal(block_of(&f, grad), block_of(&f, param));
            assert_int_equal(f.blocks.phases[n->id], GF_PHASE_OPTIMIZER);
            assert_int_equal(f.blocks.phases[grad->id], GF_PHASE_BACKWARD);
            updates++;
        }
        if (n->op == GF_OP_SUM_SQUARES) {
            assert_string_equal(block_of(&f, n), block_of(&f, gf_operand(n, 0)->node));
            assert_int_equal(f.blocks.phases[n->id], GF_PHASE_OPTIMIZER);
            norms++;
        }
        if (n->op == GF_OP_GELU_GRAD)
            assert_string_equal(block_of(&f, n), "m.encoder.layer.0");
        if (f.blocks.phases[n->id] == GF_PHASE_BACKWARD && n->op != GF_OP_INPUT)
            assert_string_not_equal(block_of(&f, n), "m.embeddings"); /* nothing trains there */
    }
    assert_int_equal(updates, 3);
    assert_int_equal(norms, 3);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_cut_at_the_number),
        cmocka_unit_test(forward_goes_up),
        cmocka_unit_test(gradients_and_updates_stand_with_their_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
