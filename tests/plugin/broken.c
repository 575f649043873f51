/* broken.c -- everything that can be wrong with a shared object of passes: $BROKEN says which. */
#include <graft_pass.h>

#include <stdlib.h>
#include <string.h>

static GfStatus fine(GfPassCtx *cx, GfGraph *g)
{
    (void)cx, (void)g;
    return GF_OK;
}

static GfStatus silent(GfPassCtx *cx, GfGraph *g)
{
    (void)cx, (void)g;
    return GF_ERR_PASS;
}

/* A loop without end: the first node becomes its own operand, or a use list is left wrong. */
static GfStatus breaks(GfPassCtx *cx, GfGraph *g)
{
    (void)cx;
    GF_EACH_NODE (n, g) {
        if (n->operand_count && n->result_count)
            gf_set_operand(n, 0, gf_result(n));
    }
    return GF_OK;
}

/* Twice x is not x: legal IR, wrong numbers. */
static GfStatus lies(GfPassCtx *cx, GfGraph *g)
{
    GfAttr by = gf_attr_float("by", 2);

    GF_EACH_NODE (n, g) {
        if (n->op != GF_OP_NEG)
            continue;
        GfValue *twice = gf_build(g, n, n, cx->diags, GF_OP_SCALE, &by, 1, &(GfValue *){gf_operand(n, 0)}, 1);
        if (!twice)
            return gf_build_status(cx);
        gf_set_operand(n, 0, twice);
        cx->counts[0]++;
    }
    return GF_OK;
}

/* A comment that the text does not keep: blanks at its end are no part of one. */
static GfStatus mumbles(GfPassCtx *cx, GfGraph *g)
{
    (void)cx;
    g->first->comment = "hm ";
    return GF_OK;
}

static GfPassRow row = {{.text = "mine", .options = "n:i=1", .counters = "things", .meaning = "-"}, fine};
static GfPassObject object;

__attribute__((visibility("default"))) const GfPassObject *graft_pass_object(void);
const GfPassObject *graft_pass_object(void)
{
    const char *what = getenv("BROKEN") ? getenv("BROKEN") : "";

#define IS(text) (strcmp(what, text) == 0)
    object = (GfPassObject){GF_PASS_ABI, 1, gf_pass_layout(), GRAFT_VERSION, &row};
    object.abi += IS("abi");
    object.layout += IS("layout");
    object.version = IS("layout") ? "9.9.9" : object.version;
    object.passes = IS("no-passes") ? NULL : object.passes;
    object.count = IS("no-count") ? 0 : IS("many") ? 100000 : 1;
    row.run = IS("no-function") ? NULL
              : IS("silent")    ? silent
              : IS("breaks")    ? breaks
              : IS("lies")      ? lies
              : IS("mumbles")   ? mumbles
                                : fine;
    row.info.needs = IS("needs") ? 1u << 30 : 0;
    row.info.changes = IS("changes") ? 6 : 0;
    row.info.text = IS("no-name")      ? NULL
                    : IS("name")       ? "no name"
                    : IS("empty-name") ? ""
                    : IS("clash")      ? "cse"
                                       : "mine";
    row.info.counters = IS("counters") ? "a b c d e f g" : IS("counter") ? "a b=c" : IS("nothing") ? NULL : "things";
    row.info.options = IS("nothing")        ? NULL
                       : IS("option-kind")  ? "n:i=1 m:x"
                       : IS("option-colon") ? "n"
                       : IS("option-value") ? "n:i=one"
                       : IS("option-end")   ? "n:"
                       : IS("option-long")  ? "a_name_of_an_option_that_has_no_end:i=1"
                       : IS("option-twice") ? "n:i=1 n:f=2"
                                            : "n:i=1";
    return IS("null") ? NULL : &object;
}
