/* test_join.c -- launches that run as one: none touches what another writes, by the
 * bytes of the program; and what must not be joined is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "ir/kernel.h"
#include "passes/passes.h"
#include "tests/support/encoder_text.h"
#include "tests/support/random_graph.h"

enum { GRAPHS = 60, NODES = 80 };

#define JOIN "join-launches{tokens=64,seqs=8},plan-memory{tokens=64,seqs=8}"

typedef struct Bed {
    GfArena arena;
    GfDiags diags;
    GfGraph *g;
    GfRegion *regions;
    uint32_t count;
    GfLaunchBatch *batches;
    uint32_t batch_count;
} Bed;

static void require(const Bed *b, GfStatus status)
{
    if (status != GF_OK)
        fail_msg("%s", b->diags.first ? b->diags.first->message : "no message");
}

static void join(Bed *b)
{
    require(b, gf_batch_regions(b->g, b->regions, b->count, &b->arena, &b->batches, &b->batch_count, &b->diags));
}

/* Takes `g` over. */
static void bed_open(Bed *b, const char *passes)
{
    GfPipelineOptions options = {.target = &gf_target_cuda};

    require(b, gf_pipeline_run(b->g, passes, &options, NULL, NULL, NULL, &b->diags));
    require(b, gf_schedule(b->g, &b->arena, &b->regions, &b->count, &b->diags));
    join(b);
}

static void bed_init(Bed *b)
{
    *b = (Bed){0};
    gf_arena_init(&b->arena, NULL);
    gf_diags_init(&b->diags, NULL);
}

static void open_text(Bed *b, const char *text, const char *passes)
{
    bed_init(b);
    require(b, gf_graph_parse("test", text, strlen(text), NULL, &b->g, &b->diags));
    bed_open(b, passes);
}

static void open_encoder(Bed *b, int layers, const char *passes)
{
    GfArena arena;

    gf_arena_init(&arena, NULL);
    open_text(b, encoder_text(&arena, layers, 96), passes);
    gf_arena_free(&arena);
}

static void bed_close(Bed *b)
{
    gf_graph_free(b->g);
    gf_arena_free(&b->arena);
    gf_diags_free(&b->diags);
}

/* ---- what a batch touches, byte by byte ------------------------------------------------------ */

static bool same_bytes(const GfGraph *g, const GfValue *a, const GfValue *b)
{
    const GfValue *v[2] = {a, b};
    int64_t begin[2], end[2];
    const void *where[2];

    for (int i = 0; i < 2; i++) {
        begin[i] = v[i]->place == GF_PLACE_ARENA ? v[i]->offset : 0;
        end[i] = begin[i] + gf_type_elements(&v[i]->type, g->plan_sizes) * (int64_t)gf_dtype_size(v[i]->type.dtype);
        where[i] = v[i]->place == GF_PLACE_ARENA   ? (const void *)g
                   : v[i]->place == GF_PLACE_ALIAS ? (const void *)v[i]->alias
                                                   : (const void *)v[i]->node;
    }
    return where[0] == where[1] && begin[0] < end[1] && begin[1] < end[0];
}

static int conflicts_of(const GfGraph *g, const GfRegion *a, const GfRegion *b)
{
    int found = 0;

    for (uint32_t i = 0; i < a->output_count; i++) {
        for (uint32_t k = 0; k < b->input_count; k++)
            found += same_bytes(g, a->outputs[i], b->inputs[k]);
        for (uint32_t k = 0; k < b->output_count; k++)
            found += same_bytes(g, a->outputs[i], b->outputs[k]);
    }
    return found;
}

/* Regions that share a batch and disturb each other. */
static int conflicts(const Bed *b)
{
    int found = 0;

    for (uint32_t n = 0; n < b->batch_count; n++) {
        const GfLaunchBatch *batch = &b->batches[n];
        for (uint32_t i = 0; i < batch->count; i++)
            for (uint32_t k = 0; k < batch->count; k++)
                found += i != k && conflicts_of(b->g, &b->regions[batch->first + i], &b->regions[batch->first + k]);
    }
    return found;
}

/* In order, all, of equal structure. */
static void check_batches(const Bed *b)
{
    uint32_t next = 0;

    for (uint32_t n = 0; n < b->batch_count; n++) {
        assert_int_equal(b->batches[n].first, next);
        assert_true(b->batches[n].count > 0);
        for (uint32_t i = 1; i < b->batches[n].count; i++)
            assert_string_equal(b->regions[next + i].structure, b->regions[next].structure);
        next += b->batches[n].count;
    }
    assert_int_equal(next, b->count);
}

/* What the passes have planned as one is one: memory keeps none apart. */
static void check_planned(Bed *b)
{
    GfKernelNodes *kernels;
    uint32_t count, *batches;

    require(b, gf_kernel_order(b->g, &b->arena, &kernels, &count, &b->diags));
    require(b, gf_kernel_batches(b->g, kernels, count, &gf_target_cuda, &b->arena, &batches, &b->diags));
    uint32_t planned = 0, last = UINT32_MAX;
    for (uint32_t k = 0; k < count; k++) { /* those without outputs make no launch */
        planned += kernels[k].output_count && batches[k] != last;
        last = kernels[k].output_count ? batches[k] : last;
    }
    assert_int_equal(b->batch_count, planned);
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void encoders_run_in_few_launches(void **state)
{
    static const struct {
        const char *passes;
        int of_hundred; /* at most so many launches of a hundred regions */
    } cases[] = {
        {ENCODER_BACKWARD "fuse-lora,fuse," JOIN, 40},
        {ENCODER_LORA "fuse-lora,fuse," JOIN, 55},
        {"inference,dce,fuse," JOIN, 82},
    };
    Bed b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_encoder(&b, 4, cases[i].passes);
        check_batches(&b);
        check_planned(&b);
        assert_int_equal(conflicts(&b), 0);
        if (100 * b.batch_count > (uint32_t)cases[i].of_hundred * b.count)
            fail_msg("%s: %u launches for %u regions", cases[i].passes, b.batch_count, b.count);
        bed_close(&b);
    }
}

static void random_graphs_hold(void **state)
{
    uint32_t joined = 0;
    Bed b;

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        bed_init(&b);
        b.g = random_graph(seed, NODES, &b.diags);
        bed_open(&b, "fuse-lora,fuse,join-launches{tokens=64},plan-memory{tokens=64}");
        check_batches(&b);
        check_planned(&b);
        assert_int_equal(conflicts(&b), 0);
        joined += b.count - b.batch_count;
        bed_close(&b);
    }
    assert_true(joined > GRAPHS);
}

/* Three products of one input; what memory the second of them writes or reads is moved. */
static const char products[] = "graph @t(tokens) {\n%x = input : f32[tokens,8]\n"
                               "%u = param \"u\" : f32[8,8]\n%v = param \"v\" : f32[8,8]\n%w = param \"w\" : f32[8,8]\n"
                               "%z = softmax %x : f32[tokens,8]\n%a = linear %z, %u : f32[tokens,8]\n"
                               "%b = linear %z, %v : f32[tokens,8]\n%c = linear %z, %w : f32[tokens,8]\n"
                               "return a = %a, b = %b, c = %c\n}\n";

static void planted_conflicts_are_not_joined(void **state)
{
    Bed b;

    (void)state;
    open_text(&b, products, "fuse," JOIN);
    assert_int_equal(b.batch_count, 2);
    GfValue *z = &gf_find_name(b.g, "z")->results[0], *second = &gf_find_name(b.g, "b")->results[0];
    int64_t right = second->offset;
    const int64_t planted[] = {z->offset, gf_find_name(b.g, "a")->results[0].offset,
                               gf_find_name(b.g, "a")->results[0].offset + 64};

    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        second->offset = planted[i];
        assert_int_not_equal(conflicts(&b), 0); /* of the batches as they were */
        join(&b);
        assert_true(b.batch_count > 2);
        assert_int_equal(conflicts(&b), 0);
        second->offset = right;
        join(&b);
        assert_int_equal(b.batch_count, 2);
    }
    bed_close(&b);
}

/* A plan that does not know of batches, as for a device that runs launches one by one,
 * lets the second launch write where the first has read: it is not joined. */
static void a_plan_without_batches_is_respected(void **state)
{
    static const char text[] = "graph @t() {\n%s = param \"s\" : f32[8]\n%e = exp %s : f32[8]\n"
                               "%a = scale %e {by = 2.0} : f32[8]\n%b = scale %e {by = 2.0} : f32[8]\n"
                               "return a = %a, b = %b\n}\n";
    GfPipelineOptions cpu = {.target = &gf_target_cpu};
    Bed b;

    (void)state;
    bed_init(&b);
    require(&b, gf_graph_parse("test", text, strlen(text), NULL, &b.g, &b.diags));
    GF_EACH_NODE (n, b.g) {
        if (gf_makes_code(n))
            n->kernel = b.g->next_kernel++; /* `fuse` would make one of them */
    }
    require(&b, gf_pipeline_run(b.g, "plan-memory", &cpu, NULL, NULL, NULL, &b.diags));
    require(&b, gf_schedule(b.g, &b.arena, &b.regions, &b.count, &b.diags));
    join(&b);
    assert_int_equal(b.count, 3);
    assert_int_equal(b.batch_count, 3);
    bed_open(&b, JOIN);
    assert_int_equal(b.batch_count, 2);
    bed_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_run_in_few_launches),
        cmocka_unit_test(random_graphs_hold),
        cmocka_unit_test(planted_conflicts_are_not_joined),
        cmocka_unit_test(a_plan_without_batches_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
