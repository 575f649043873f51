/* declare.h -- inputs, params, states and outputs that passes add.
 *
 * Inputs go behind the leading inputs of the graph, params and states behind
 * its leading declarations, so that a step graph still opens with what the
 * runtime has to provide.
 */
#ifndef GF_PASSES_DECLARE_H
#define GF_PASSES_DECLARE_H

#include "passes/pass.h"

/* The input called `name`, made if there is none; one that stands behind other nodes
 * moves to the leading inputs.
 * Errors: GF_ERR_PASS the name is taken by something else or has another type. */
GfStatus gf_declare_input(GfPassCtx *cx, GfGraph *g, const char *name, GfType type, GfValue **out);

/* A new trainable param, initialized as `init` says.
 * Errors: GF_ERR_PASS the label is taken. */
GfStatus gf_declare_param(GfPassCtx *cx, GfGraph *g, const char *label, GfType type, const char *init, GfLoc loc,
                          GfValue **out);

/* A new state "<label of of>.<suffix>" of the type of `of`, zeros at first.
 * Errors: GF_ERR_PASS the label is taken. */
GfStatus gf_declare_state(GfPassCtx *cx, GfGraph *g, const GfNode *of, const char *suffix, GfValue **out);

/* After the step, `target` (of a param or state) holds `value`; stands before `before`. */
GfStatus gf_declare_update(GfPassCtx *cx, GfGraph *g, GfNode *before, GfValue *target, GfValue *value);

/* Return `count` outputs more. */
GfStatus gf_declare_outputs(GfPassCtx *cx, GfGraph *g, const char *const *names, GfValue *const *values,
                            uint32_t count);

/* Why the last gf_build has returned NULL. */
GfStatus gf_build_status(const GfPassCtx *cx);

#endif
