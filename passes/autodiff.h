/* autodiff.h -- what the gradient functions of autodiff_ops.c are given.
 * Internal to passes/.
 */
#ifndef GF_PASSES_AUTODIFF_H
#define GF_PASSES_AUTODIFF_H

#include "passes/passes.h"

typedef struct GfAutodiff {
    GfPassCtx *cx;
    GfGraph *g;
    GfNode *end;     /* the gradient is written before it */
    GfNode *forward; /* the node whose gradient is being written */
    bool *active;    /* by id: its results depend on a param through f32 values */
    GfValue **grads; /* by id: gradient of the loss by result 0; NULL so far none */
    GfStatus status; /* the first failure; everything after it does nothing */
} GfAutodiff;

/* Write the gradient of n's operands from dy, that of its result (autodiff_ops.c). */
void gf_autodiff_node(GfAutodiff *ad, GfNode *n, GfValue *dy);

/* True if the gradient by operand i of the current node is asked for. */
bool gf_autodiff_wants(const GfAutodiff *ad, uint32_t i);

/* Add `value` to the gradient by operand i of the current node, summed over
 * what the operand was broadcast along.  NULL, after a failure, does nothing. */
void gf_autodiff_give(GfAutodiff *ad, uint32_t i, GfValue *value);

/* What a node of the gradient is made of. */
typedef struct GfEmit {
    GfOp op;
    GfValue *in[9];
    uint32_t count;
    const GfAttr *attrs;
    uint32_t attr_count;
    const GfType *declared;
} GfEmit;

/* A new node, placed and located; its first result, or NULL after a failure. */
GfValue *gf_autodiff_emit(GfAutodiff *ad, const GfEmit *emit);

/* Fail at the current node. */
void gf_autodiff_fail(GfAutodiff *ad, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
