/* golden_values.c -- the same numbers before and after.  See golden.h. */
#include "ir/same.h"
#include "tests/golden/golden.h"

bool golden_same_values(const GoldenCase *c, const GfGraph *before, const GfGraph *after)
{
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_same_values(before, after, &(GfSameOptions){.sizes = c->sizes}, &diags);
    for (const GfDiag *d = diags.first; d; d = d->next)
        golden_fail(c, "%s", d->message);
    gf_diags_free(&diags);
    return status == GF_OK;
}
