/* undefined.c -- calls what graft does not have. */
#include <graft_pass.h>

GfStatus gf_not_there(GfGraph *g);

static GfStatus run(GfPassCtx *cx, GfGraph *g)
{
    (void)cx;
    return gf_not_there(g);
}

static const GfPassRow rows[] = {{{.text = "undefined"}, run}};
GF_EXPORT_PASSES(rows)
