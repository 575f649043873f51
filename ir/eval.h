/* eval.h -- inside the evaluator: what the function of an op is given.
 *
 * Every name in the column `eval` of ops.def is a function gf_eval_op_NAME in
 * eval_elementwise.c, eval_rows.c, eval_products.c or eval_attention.c.  Types
 * of its tensors have constant dims only: symbols are replaced by their sizes.
 * Integer tensors hold integers of 32 bits: gf_eval_bind has checked them.
 */
#ifndef GF_IR_EVAL_H
#define GF_IR_EVAL_H

#include "ir/ir.h"

typedef struct GfEvalArgs {
    const GfNode *n;
    const GfTensor *const *in; /* one an operand */
    GfTensor *out;             /* one a result; allocated, holds what the last run left */
    GfDiags *diags;
} GfEvalArgs;

/* A tensor seen as a matrix: whatever stands before the last dim is rows. */
static inline int64_t gf_eval_columns(const GfTensor *t)
{
    return t->type.rank ? t->type.dims[t->type.rank - 1].size : 1;
}

static inline int64_t gf_eval_rows(const GfTensor *t)
{
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < t->type.rank; i++)
        rows *= t->type.dims[i].size;
    return rows;
}

/* The operand %rng of the op as gf_dropout_factor takes it. */
static inline void gf_eval_rng(const GfTensor *t, int32_t rng[4])
{
    for (int i = 0; i < 4; i++)
        rng[i] = (int32_t)t->data[i];
}

/* Element `i` of `ids` as an index below `limit`.  Errors: GF_ERR_VALUE. */
GfStatus gf_eval_index(const GfEvalArgs *a, const GfTensor *ids, int64_t i, int64_t limit, int64_t *out);

#define GF_OP(id, text, least, most, results, attrs, shape, eval, ...) GfStatus gf_eval_op_##eval(const GfEvalArgs *a);
#include "ir/ops.def"

#endif
