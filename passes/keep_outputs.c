/* keep_outputs.c -- return only the outputs that somebody wants.
 *
 *   before                                   after keep-outputs{names=logits}
 *   %loss = mean %losses : f32[]             %loss = mean %losses : f32[]
 *   return loss = %loss, logits = %logits    return logits = %logits
 *
 * 1. Every output whose name matches no pattern of `names` leaves the return.
 * 2. A pattern that matches no output is an error: a typing mistake would
 *    otherwise compile a program that is asked for nothing.
 *
 * `dce` then removes what only they needed, inputs included: without the loss a
 * model needs no labels.  Legal: what is still returned has its value.
 * O(outputs * patterns).
 * Source: folklore, as dead code elimination.  Tests: tests/golden/keep-outputs/.
 */
#include "passes/match.h"

static GfStatus check_patterns(GfPassCtx *cx, const GfNode *ret)
{
    const char *cursor = gf_option_s(cx, "names"), *pattern;

    while ((pattern = gf_next_word(cx->scratch, &cursor))) {
        bool found = false;
        for (uint32_t i = 0; i < ret->operand_count; i++)
            found = found || gf_match(pattern, ret->outputs[i]);
        if (found)
            continue;
        gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "no output matches '%s'", pattern);
        const char *close = gf_closest(pattern, ret->outputs, ret->operand_count);
        if (close)
            gf_note(cx->diags, "did you mean '%s'?", close);
        return GF_ERR_PASS;
    }
    return cx->scratch->failed ? gf_fail_memory(cx->diags) : GF_OK;
}

/* A return takes its place: nodes are not made smaller. */
static GfStatus replace(GfPassCtx *cx, GfGraph *g, GfNode *ret)
{
    GfValue **kept = GF_NEW_ARRAY(cx->scratch, GfValue *, ret->operand_count + 1);
    const char **names = GF_NEW_ARRAY(cx->scratch, const char *, ret->operand_count + 1);
    GfNodeSpec spec = {.op = GF_OP_RETURN, .operands = kept, .outputs = names, .loc = ret->loc};
    GfNode *made;

    if (cx->scratch->failed)
        return gf_fail_memory(cx->diags);
    for (uint32_t i = 0; i < ret->operand_count; i++) {
        if (!gf_match(gf_option_s(cx, "names"), ret->outputs[i]))
            continue;
        names[spec.operand_count] = ret->outputs[i];
        kept[spec.operand_count++] = gf_operand(ret, i);
    }
    cx->counts[0] = ret->operand_count - spec.operand_count;
    if (cx->counts[0] == 0)
        return GF_OK;
    gf_remove(g, ret);
    GF_TRY(gf_graph_add(g, NULL, &spec, &made, cx->diags));
    made->comment = ret->comment;
    made->lead = ret->lead;
    return GF_OK;
}

GfStatus gf_pass_keep_outputs(GfPassCtx *cx, GfGraph *g)
{
    GfNode *ret = gf_graph_return(g);

    GF_TRY(check_patterns(cx, ret));
    return replace(cx, g, ret);
}
