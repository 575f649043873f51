/* check.h -- what is checked after each pass beside the invariants.  Internal to passes/. */
#ifndef GF_PASSES_CHECK_H
#define GF_PASSES_CHECK_H

#include "passes/pass_list.h"

/* Run `call` over `small` too, and compare what it computes with what it computed, unless
 * the pass changes values by design.
 * Errors: GF_ERR_VERIFY something differs: what, by how much, and the pass; whatever the
 * pass reports, when it fails on the small instance alone. */
GfStatus gf_check_pass(GfGraph *small, const GfPassCall *call, const GfTarget *target, GfDiags *diags);

/* print(parse(print(g))) is print(g): nothing that the pass has made is lost in the text.
 * Errors: GF_ERR_VERIFY it does not parse, or a line reads back as another. */
GfStatus gf_check_text(const GfGraph *g, const GfPassCall *call, GfDiags *diags);

/* One run of a pass with a scratch arena of its own; `counts` takes what it counted. */
GfStatus gf_pass_run(GfGraph *g, const GfPassCall *call, const GfTarget *target, GfRefusals *refusals,
                     int64_t counts[GF_MAX_COUNTERS], GfDiags *diags);

#endif
