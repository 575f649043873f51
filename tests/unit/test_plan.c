/* test_plan.c -- memory plans, checked launch by launch with nothing but use
 * lists; packing; and how close a plan is to the least that is possible.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/kernel.h"
#include "passes/pack.h"
#include "passes/passes.h"
#include "tests/support/encoder_text.h"
#include "tests/support/random_graph.h"

enum { GRAPHS = 120, NODES = 80 };

static const GfTarget wide = {"wide", 8192, 64, 4, 32, 32, true, 64, false, false};

typedef struct Bed {
    GfArena arena;
    GfDiags diags;
    GfGraph *g;
    GfKernelNodes *kernels;
    uint32_t count;
} Bed;

static void bed_close(Bed *b)
{
    gf_graph_free(b->g);
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
}

static void plan(Bed *b, const char *passes)
{
    GfPipelineOptions options = {.target = &wide};

    if (gf_pipeline_run(b->g, passes, &options, NULL, NULL, NULL, &b->diags) != GF_OK)
        fail_msg("%s: %s", passes, b->diags.first->message);
    assert_int_equal(gf_kernel_order(b->g, &b->arena, &b->kernels, &b->count, &b->diags), GF_OK);
}

static void open_random(Bed *b, uint64_t seed)
{
    *b = (Bed){0};
    gf_arena_init(&b->arena, NULL);
    gf_diags_init(&b->diags, NULL);
    b->g = random_graph(seed, NODES, &b->diags);
    plan(b, "fuse-lora,fuse,plan-memory{tokens=64}");
}

static void open_encoder(Bed *b, int layers, const char *passes)
{
    *b = (Bed){0};
    gf_arena_init(&b->arena, NULL);
    gf_diags_init(&b->diags, NULL);
    const char *text = encoder_text(&b->arena, layers, 96);
    if (gf_graph_parse("encoder", text, strlen(text), NULL, &b->g, &b->diags) != GF_OK)
        fail_msg("%s", b->diags.first->message);
    plan(b, passes);
}

/* ---- lives, as the use lists say ------------------------------------------------------------ */

static uint32_t launch_of(const Bed *b, const GfNode *n)
{
    for (uint32_t k = 0; k < b->count; k++) {
        if (b->kernels[k].kernel == n->kernel)
            return k;
    }
    return b->count;
}

static uint32_t last_read(const Bed *b, const GfValue *v)
{
    uint32_t last = 0;

    for (const GfUse *u = v->uses; u; u = u->next) {
        uint32_t at = gf_makes_code(u->user) ? launch_of(b, u->user) : b->count;
        last = at > last ? at : last;
    }
    return last;
}

typedef struct Life {
    const GfValue *value;
    uint32_t written, read;
    int64_t begin, end;
} Life;

static uint32_t lives_of(Bed *b, Life **lives)
{
    uint32_t count = 0;

    *lives = GF_NEW_ARRAY(&b->arena, Life, 3 * (size_t)gf_graph_ids(b->g));
    for (GfNode *n = b->g->first; n; n = n->next) {
        for (uint32_t r = 0; r < n->result_count; r++) {
            const GfValue *v = &n->results[r];
            if (v->place != GF_PLACE_ARENA)
                continue;
            int64_t bytes = gf_type_elements(&v->type, b->g->plan_sizes) * (int64_t)gf_dtype_size(v->type.dtype);
            (*lives)[count++] = (Life){v, launch_of(b, n), last_read(b, v), v->offset, v->offset + bytes};
        }
    }
    return count;
}

/* Both are in memory during some launch, other than by taking over. */
static bool meet(const Bed *b, const Life *x, const Life *y)
{
    const Life *old = x->written <= y->written ? x : y, *new = old == x ? y : x;
    GfKernelForm form;

    if (old->read < new->written)
        return false;
    const GfKernelNodes *k = &b->kernels[new->written];
    bool flat = gf_kernel_form(k->nodes, k->node_count, NULL, &form) && form.kind == GF_KERNEL_FLAT;
    bool exact = old->begin == new->begin &&gf_type_eq(&old->value->type, &new->value->type);
    return !(old->read == new->written && old->written < new->written &&flat &&exact);
}

static int overlaps(Bed *b)
{
    Life *lives;
    uint32_t count = lives_of(b, &lives);
    int found = 0;

    for (uint32_t i = 0; i < count; i++) {
        assert_true(lives[i].begin >= 0 && lives[i].end <= b->g->arena_size);
        assert_int_equal(lives[i].begin % wide.alignment, 0);
        for (uint32_t j = 0; j < i; j++) {
            bool apart = lives[i].end <= lives[j].begin || lives[j].end <= lives[i].begin;
            found += !apart && meet(b, &lives[i], &lives[j]);
        }
    }
    return found;
}

/* ---- what is planned ---------------------------------------------------------------------------- */

static bool crosses(const GfValue *v)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        if (u->user->kernel != v->node->kernel)
            return true;
    }
    return false;
}

/* Exactly the values that leave their kernel have a place. */
static void check_places(const Bed *b)
{
    for (GfNode *n = b->g->first; n; n = n->next) {
        for (uint32_t r = 0; r < n->result_count; r++)
            assert_int_equal(n->results[r].place != GF_PLACE_NONE, gf_makes_code(n) && crosses(&n->results[r]));
    }
}

/* Nothing that runs later reads what has been overwritten. */
static void check_aliases(const Bed *b)
{
    for (GfNode *n = b->g->first; n; n = n->next) {
        for (uint32_t r = 0; r < n->result_count; r++) {
            const GfNode *target = n->results[r].alias;
            for (const GfUse *u = target ? target->results[0].uses : NULL; u; u = u->next) {
                if (u->user->op != GF_OP_UPDATE && u->user->op != GF_OP_GRAD)
                    assert_true(gf_makes_code(u->user) && launch_of(b, u->user) <= launch_of(b, n));
            }
        }
    }
}

static void random_plans_hold(void **state)
{
    Bed b;

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        open_random(&b, seed);
        assert_int_equal(overlaps(&b), 0);
        check_places(&b);
        check_aliases(&b);
        bed_close(&b);
    }
}

/* The test must be able to fail: one value moved onto another. */
static void overlaps_are_seen(void **state)
{
    Bed b;

    (void)state;
    open_encoder(&b, 1, ENCODER_BACKWARD "fuse,plan-memory{tokens=64,seqs=8}");
    assert_int_equal(overlaps(&b), 0);
    gf_find_name(b.g, "k0")->results[0].offset = gf_find_name(b.g, "q0")->results[0].offset;
    assert_int_not_equal(overlaps(&b), 0);
    bed_close(&b);
}

/* ---- size ------------------------------------------------------------------------------------------- */

/* The largest sum of what is alive in one launch; values that take over share. */
static int64_t least(Bed *b)
{
    Life *lives;
    uint32_t count = lives_of(b, &lives);
    int64_t most = 0;

    for (uint32_t k = 0; k <= b->count; k++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            bool shared = false; /* with a value that takes over here */
            for (uint32_t j = 0; j < count; j++)
                shared |= lives[j].written == k && lives[i].read == k && lives[i].written < k &&
                          lives[i].begin == lives[j].begin;
            if (lives[i].written <= k && k <= lives[i].read && !shared)
                sum += lives[i].end - lives[i].begin;
        }
        most = sum > most ? sum : most;
    }
    return most;
}

static void encoder_plans_are_tight(void **state)
{
    static const char *const passes[] = {
        ENCODER_BACKWARD "fuse-lora,fuse,plan-memory{tokens=712,seqs=32}",
        ENCODER_LORA "fuse-lora,fuse,plan-memory{tokens=712,seqs=32}",
        "inference,dce,fuse,plan-memory{tokens=712,seqs=32}",
        "freeze{freeze=\"*\",train=\"classifier.*\"}," ENCODER_BACKWARD "fuse,plan-memory{tokens=712,seqs=32}",
    };
    Bed b;

    (void)state;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        open_encoder(&b, 4, passes[i]);
        assert_int_equal(overlaps(&b), 0);
        check_places(&b);
        check_aliases(&b);
        assert_true((double)b.g->arena_size <= 1.1 * (double)least(&b));
        bed_close(&b);
    }
}

/* Every parameter and moment is updated in place: a step copies nothing. */
static void updates_are_in_place(void **state)
{
    Bed b;

    (void)state;
    open_encoder(&b, 2, ENCODER_BACKWARD "fuse,plan-memory");
    for (const GfNode *n = b.g->first; n; n = n->next) {
        if (n->op == GF_OP_UPDATE)
            assert_ptr_equal(gf_operand(n, 1)->alias, gf_operand(n, 0)->node);
    }
    bed_close(&b);
}

/* ---- packing ------------------------------------------------------------------------------------------- */

static void pieces_are_packed(void **state)
{
    GfPiece pieces[50];
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 200; round++) {
        GfArena arena;
        gf_arena_init(&arena, NULL);
        uint32_t count = random_below(&seed, 50);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t start = random_below(&seed, 30);
            pieces[i] = (GfPiece){64 * (1 + random_below(&seed, 9)), -1, start, start + random_below(&seed, 9)};
        }
        int64_t bytes = gf_pack(pieces, count, &arena);
        assert_true(bytes >= gf_pack_bound(pieces, count, &arena));
        for (uint32_t i = 0; i < count; i++) {
            assert_true(pieces[i].offset >= 0 && pieces[i].offset + pieces[i].size <= bytes);
            for (uint32_t j = 0; j < i; j++)
                assert_true(pieces[i].end < pieces[j].start || pieces[j].end < pieces[i].start ||
                            pieces[i].offset + pieces[i].size <= pieces[j].offset ||
                            pieces[j].offset + pieces[j].size <= pieces[i].offset);
        }
        gf_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_plans_hold),       cmocka_unit_test(overlaps_are_seen),
        cmocka_unit_test(encoder_plans_are_tight), cmocka_unit_test(updates_are_in_place),
        cmocka_unit_test(pieces_are_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
