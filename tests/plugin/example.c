/* example.c -- two passes in a shared object: options, counters, errors, outputs.
 *
 *   $ graft opt step.gir --load-pass ./example.so --passes='count-ops{op=linear},tap{values="12 logits"}' --stats
 */
#include <graft_pass.h>

#include <string.h>

/* ---- count-ops -------------------------------------------------------------------- */

static GfStatus fail_op(GfPassCtx *cx, const char *word)
{
    const char *texts[GF_OP_COUNT];

    for (int i = 0; i < GF_OP_COUNT; i++)
        texts[i] = gf_op_text((GfOp)i);
    gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'%s' is no op", word);
    const char *close = gf_closest(word, texts, GF_OP_COUNT);
    if (close)
        gf_note(cx->diags, "did you mean '%s'?", close);
    return GF_ERR_PASS;
}

static GfStatus count_ops(GfPassCtx *cx, GfGraph *g)
{
    const char *text = gf_option_s(cx, "op");
    GfOp op;

    if (!gf_op_find(text, &op))
        return fail_op(cx, text);
    GF_EACH_NODE (n, g)
        cx->counts[0] += n->op == op;
    return GF_OK;
}

/* ---- tap: returns values under their names --------------------------------------------- */

static GfStatus tap_one(GfPassCtx *cx, GfGraph *g, const char *name)
{
    GfNode *n = name ? gf_find_name(g, name) : NULL;
    const char *output = name ? gf_arena_printf(cx->scratch, "tap.%s", name) : NULL;

    if (!output)
        return gf_fail_memory(cx->diags);
    if (!n)
        return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "there is no value '%%%s'", name);
    cx->counts[0]++;
    return gf_declare_outputs(cx, g, &output, &(GfValue *){gf_result(n)}, 1);
}

static GfStatus tap(GfPassCtx *cx, GfGraph *g)
{
    for (const char *p = gf_option_s(cx, "values"); *p; p += strspn(p, " ")) {
        size_t length = strcspn(p, " ");
        GF_TRY(tap_one(cx, g, gf_arena_strndup(cx->scratch, p, length)));
        p += length;
    }
    return GF_OK;
}

static const GfPassRow rows[] = {
    {{.text = "count-ops", .options = "op:s=linear", .counters = "ops", .meaning = "counts the nodes of an op"},
     count_ops},
    {{.text = "tap",
      .needs = GF_NEEDS_UNFUSED,
      .options = "values:s",
      .counters = "outputs",
      .meaning = "returns values, for a look at them"},
     tap},
};
GF_EXPORT_PASSES(rows)
