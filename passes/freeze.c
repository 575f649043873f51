/* freeze.c -- mark parameters frozen, then trainable, by patterns of their names.
 *
 *   before                                       after freeze{freeze="*", train="classifier.*"}
 *   %w = param "encoder.weight" : f32[8,8]       %w = param "encoder.weight" frozen : f32[8,8]
 *   %c = param "classifier.weight" : f32[6,8]    %c = param "classifier.weight" : f32[6,8]
 *
 * 1. Every param whose label matches a pattern of `freeze` becomes frozen.
 * 2. Every param whose label matches a pattern of `train` becomes trainable;
 *    so `train` wins where both match.
 * 3. A pattern that matches no param is an error: a typing mistake would
 *    otherwise train the wrong parameters in silence.
 *
 * Legal at any time before autodiff: only says which gradients are wanted, no
 * value changes.  O(params * patterns).
 * Source: requires_grad of every training framework.
 * Tests: tests/golden/freeze/.
 */
#include "passes/match.h"

#include <string.h>

static bool mark(GfGraph *g, const char *pattern, bool frozen)
{
    bool found = false;

    GF_EACH_NODE (n, g) {
        if (n->op != GF_OP_PARAM || !gf_match(pattern, n->label))
            continue;
        n->frozen = frozen;
        found = true;
    }
    return found;
}

/* Dots before the first wildcard of `pattern`: the parts that are spelled out. */
static uint32_t spelled_parts(const char *pattern)
{
    uint32_t parts = 0;
    size_t plain = strcspn(pattern, "*?");

    for (size_t i = 0; i < plain; i++)
        parts += pattern[i] == '.';
    return parts + !pattern[plain];
}

/* Length of the first `parts` parts of `text`, with the dots behind them. */
static size_t length_of_parts(const char *text, uint32_t parts)
{
    const char *p = text;

    for (; parts && *p; parts--) {
        p += strcspn(p, ".");
        p += *p == '.';
    }
    return (size_t)(p - text);
}

/* The spelled-out parts of `pattern` replaced by those of `label`. */
static const char *like_pattern(GfArena *arena, const char *label, const char *pattern)
{
    uint32_t parts = spelled_parts(pattern);
    int head = (int)length_of_parts(label, parts);

    return gf_arena_printf(arena, "%.*s%s", head, label, pattern + length_of_parts(pattern, parts));
}

/* What `pattern` would be with the labels of this graph; NULL when nothing is close. */
static const char *closest_pattern(GfPassCtx *cx, const GfGraph *g, const char *pattern)
{
    const char **candidates = GF_NEW_ARRAY(cx->scratch, const char *, gf_graph_ids(g) + 1);
    size_t count = 0;

    for (const GfNode *n = g->first; candidates && n; n = n->next) {
        if (n->op == GF_OP_PARAM)
            candidates[count++] = like_pattern(cx->scratch, n->label, pattern);
    }
    return cx->scratch->failed ? NULL : gf_closest(pattern, candidates, count);
}

static GfStatus fail_unmatched(GfPassCtx *cx, const GfGraph *g, const char *option, const char *pattern)
{
    const char *closest = closest_pattern(cx, g, pattern);

    gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "no parameter matches '%s' of '%s'", pattern, option);
    if (closest)
        gf_note(cx->diags, "did you mean '%s'?", closest);
    return GF_ERR_PASS;
}

static GfStatus mark_all(GfPassCtx *cx, GfGraph *g, const char *option, bool frozen)
{
    const char *cursor = gf_option_s(cx, option), *pattern;

    while ((pattern = gf_next_word(cx->scratch, &cursor))) {
        if (!mark(g, pattern, frozen))
            return fail_unmatched(cx, g, option, pattern);
    }
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}

GfStatus gf_pass_freeze(GfPassCtx *cx, GfGraph *g)
{
    GF_TRY(mark_all(cx, g, "freeze", true));
    GF_TRY(mark_all(cx, g, "train", false));
    GF_EACH_NODE (n, g) {
        if (n->op == GF_OP_PARAM)
            cx->counts[n->frozen ? 0 : 1]++;
    }
    return GF_OK;
}
