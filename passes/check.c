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

#include <string.h>

static GfStatus blame(const GfPassCall *call, GfStatus status, const char *what, GfDiags *diags)
{
    if (status == GF_ERR_MEMORY)
        return status;
    return gf_fail(diags, call->loc, status, "the pass '%s' %s: this is a bug in %s", call->info->text, what,
                   call->origin ? call->origin : "graft");
}

/* ---- text ---------------------------------------------------------------------------- */

static const char *print_into(GfArena *arena, const GfGraph *g)
{
    GfText text = {.arena = arena};

    gf_graph_print(g, &text);
    return arena->failed ? NULL : gf_text_str(&text);
}

/* Show the first line that is another. */
static GfStatus compare_texts(const char *a, const char *b, GfDiags *diags)
{
    unsigned line = 1;
    const char *begin = a, *other = b;

    if (strcmp(a, b) == 0)
        return GF_OK;
    for (; *a == *b; a++, b++) {
        if (*a == '\n') {
            begin = a + 1;
            other = b + 1;
            line++;
        }
    }
    gf_fail(diags, GF_NOWHERE, GF_ERR_VERIFY, "line %u of the text reads back as another: '%.*s'", line,
            (int)strcspn(begin, "\n"), begin);
    gf_note(diags, "it becomes '%.*s'", (int)strcspn(other, "\n"), other);
    return GF_ERR_VERIFY;
}

static GfStatus read_back(const GfGraph *g, GfArena *arena, GfDiags *diags)
{
    const char *text = print_into(arena, g);
    GfGraph *read;

    if (!text)
        return gf_fail_memory(diags);
    GF_TRY(gf_graph_parse("the text of the graph", text, strlen(text), arena->allocator, &read, diags));
    const char *again = print_into(arena, read);
    gf_graph_free(read);
    return again ? compare_texts(text, again, diags) : gf_fail_memory(diags);
}

GfStatus gf_check_text(const GfGraph *g, const GfPassCall *call, GfDiags *diags)
{
    GfArena arena;

    gf_arena_init(&arena, g->arena.allocator);
    GfStatus status = read_back(g, &arena, diags);
    gf_arena_free(&arena);
    return status == GF_OK ? GF_OK : blame(call, status, "leaves a graph that its text does not keep", diags);
}

/* ---- values -------------------------------------------------------------------------- */

static GfStatus compare(const GfGraph *before, const GfGraph *after, const GfPassCall *call, GfDiags *diags)
{
    GfStatus status = gf_same_values(before, after, &(GfSameOptions){.undefined_agrees = true}, diags);

    if (status == GF_OK)
        return GF_OK;
    blame(call, status, status == GF_ERR_VERIFY ? "changes values" : "leaves what cannot be evaluated", diags);
    gf_note(diags, "--check-each evaluates a small instance of the graph on random data");
    return status;
}

GfStatus gf_check_pass(GfGraph *small, const GfPassCall *call, const GfTarget *target, GfDiags *diags)
{
    int64_t counts[GF_MAX_COUNTERS];
    GfGraph *before = gf_graph_clone(small, small->arena.allocator);

    if (!before)
        return gf_fail_memory(diags);
    GfStatus status = gf_pass_run(small, call, target, NULL, counts, diags);
    if (status == GF_OK)
        status = gf_verify(small, diags);
    if (status != GF_OK)
        blame(call, status, "fails on a small instance", diags);
    else if (!(call->info->changes & GF_CHANGES_VALUES))
        status = compare(before, small, call, diags);
    gf_graph_free(before);
    return status;
}
