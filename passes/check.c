/* check.c -- see check.h.
 *
 * The pass runs a second time, over a copy of the graph that is small enough to be
 * evaluated (ir/shrink.h), and that copy is evaluated before and after (ir/same.h).
 * So a rewrite is checked on any graph, of any pass, without a test of its own.  What
 * a pass does because of sizes alone, it may not do to the small copy.
 *
 * Tests: tests/unit/test_check.c, tests/plugin/.
 */
#include "passes/check.h"

#include "ir/same.h"

static GfStatus blame(const GfPassCall *call, GfStatus status, const char *what, GfDiags *diags)
{
    if (status == GF_ERR_MEMORY)
        return status;
    gf_fail(diags, call->loc, status, "the pass '%s' %s: this is a bug in %s", call->info->text, what,
            call->origin ? call->origin : "graft");
    gf_note(diags, "--check-each evaluates a small instance of the graph on random data");
    return status;
}

static GfStatus compare(const GfGraph *before, const GfGraph *after, const GfPassCall *call, GfDiags *diags)
{
    GfStatus status = gf_same_values(before, after, &(GfSameOptions){.undefined_agrees = true}, diags);

    return status == GF_OK
               ? GF_OK
               : blame(call, status, status == GF_ERR_VERIFY ? "changes values" : "leaves what cannot be evaluated",
                       diags);
}

GfStatus gf_check_pass(GfGraph *small, const GfPassCall *call, const GfTarget *target, GfDiags *diags)
{
    int64_t counts[GF_MAX_COUNTERS];
    GfGraph *before = gf_graph_clone(small, small->arena.allocator);

    if (!before)
        return gf_fail_memory(diags);
    GfStatus status = gf_pass_run(small, call, target, counts, diags);
    if (status == GF_OK)
        status = gf_verify(small, diags);
    if (status != GF_OK)
        blame(call, status, "fails on a small instance", diags);
    else if (!(call->info->changes & GF_CHANGES_VALUES))
        status = compare(before, small, call, diags);
    gf_graph_free(before);
    return status;
}
