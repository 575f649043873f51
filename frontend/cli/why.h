/* why.h -- `graft compile --why NAME[,NAME]`: what the passes decided about a
 * parameter, a value, or two of them, in words. */
#ifndef GF_FRONTEND_CLI_WHY_H
#define GF_FRONTEND_CLI_WHY_H

#include "passes/why.h"

/* What is asked about. */
typedef struct GfWhySubject {
    const GfGraph *forward;   /* of the variant, before autodiff */
    const GfGraph *step;      /* after all passes */
    const char *list;         /* of the passes */
    const GfPlugins *plugins; /* passes beside graft's own; NULL: none */
    const GfTarget *target;
    const GfRefusals *recorded;
} GfWhySubject;

/* Add the answer to `question`: "bert.pooler.dense.weight", "%12", "%12,%14".
 * Errors: GF_ERR_USAGE there is no such parameter or value; two parameters. */
GfStatus gf_why_print(const GfWhySubject *subject, const char *question, GfText *out, GfDiags *diags);

#endif
