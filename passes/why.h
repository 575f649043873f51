/* why.h -- what passes decided, asked afterwards: --why. */
#ifndef GF_PASSES_WHY_H
#define GF_PASSES_WHY_H

#include "passes/passes.h"

/* ---- kernels -------------------------------------------------------------------- */

/* Why `a` and `b` of `g`, which has been fused for `target`, are not one kernel.
 *   recorded  what the passes wrote down while they ran (GfPipelineOptions.refusals)
 * The last refusal between what became their two kernels counts.  Where the passes
 * never tried, the union of the two kernels is put to the same test now.
 *   out  its node, if any, is one of `g`; NONE: they are one kernel
 * Errors: memory; GF_ERR_VERIFY kernels of `g` that cannot be kernels. */
GfStatus gf_why_apart(const GfGraph *g, const GfTarget *target, const GfRefusals *recorded, const GfNode *a,
                      const GfNode *b, GfRefusal *out, GfDiags *diags);

/* ---- gradients ------------------------------------------------------------------ */

typedef enum GfFate {
    GF_FATE_TRAINS,
    GF_FATE_NO_PATH,      /* the loss does not depend on it */
    GF_FATE_FROZEN,       /* it does not train, though the backward pass goes through an op that reads it */
    GF_FATE_FROZEN_BELOW, /* nor does anything that its ops depend on: the backward pass ends above */
    GF_FATE_NO_TRAINING   /* nothing trains at all */
} GfFate;

typedef struct GfWhyGradient {
    GfFate fate;
    const GfNode **path; /* ops from the one that reads it to the loss, the shortest way; NO_PATH: none */
    uint32_t path_count;
    const GfNode *trains; /* FROZEN: a trainable parameter that the op at path[0] depends on; BELOW: see lowest */
    const GfNode *lowest; /* BELOW: the first op of the path that depends on something that trains, on `trains` */
} GfWhyGradient;

/* Why `param` of a forward graph (after freeze and attach-lora, before autodiff) gets a
 * gradient or not.  In `arena`.  Errors: memory; GF_ERR_PASS there is no loss. */
GfStatus gf_why_gradient(const GfGraph *forward, const GfNode *param, GfArena *arena, GfWhyGradient *out,
                         GfDiags *diags);

/* The patterns of the `freeze` passes of `list` that decided about `label`; NULL: none did. */
typedef struct GfWhyFrozen {
    const char *freeze, *train;
} GfWhyFrozen;

GfStatus gf_why_frozen(const char *list, const GfPlugins *plugins, const char *label, GfArena *arena, GfWhyFrozen *out,
                       GfDiags *diags);

#endif
