/* pass_list.h -- parsing lists of passes.  Internal to passes/.
 *
 *   list   = [ pass { "," pass } ]
 *   pass   = name [ "{" [ option { "," option } ] "}" ]
 *   option = key "=" value
 *   value  = number | word | '"' characters '"'      a word has none of , { } = " or blanks
 *
 * Blanks may stand between any two tokens.  In quotes, \" and \\ are " and \.
 */
#ifndef GF_PASSES_PASS_LIST_H
#define GF_PASSES_PASS_LIST_H

#include "passes/passes.h"

/* One pass of a list, options complete. */
typedef struct GfPassCall {
    const GfPassInfo *info;
    GfPassFn run;
    const char *origin; /* the shared object that it comes from; NULL: graft's own */
    const char *text;   /* as written */
    GfLoc loc;          /* "--passes", line and column in the list */
    GfAttr *options;    /* in the order of passes.def */
    uint32_t option_count;
} GfPassCall;

/* Passes beside those of passes.def are of `plugins` (NULL: none).  Everything returned lives in `arena`; `list` is
 * borrowed by the locations. Errors: GF_ERR_PASS malformed list, unknown pass or option, a value of the wrong type, an
 * option that is missing or stands twice. */
GfStatus gf_pass_list_parse(const char *list, const GfPlugins *plugins, GfArena *arena, GfPassCall **calls,
                            size_t *count, GfDiags *diags);

#endif
