/* shape_rule.h -- what the shape rules of shape.c are made of: each gf_need_x
 * refuses a node, with a located message, unless x holds.
 */
#ifndef GF_IR_SHAPE_RULE_H
#define GF_IR_SHAPE_RULE_H

#include "ir/ir.h"

/* What a rule is given. */
typedef struct GfRule {
    const GfGraph *g;
    GfNode *n;
    const GfType *declared; /* or NULL */
    GfDiags *diags;
} GfRule;

#define GF_FAIL_SHAPE(r, ...) gf_fail((r)->diags, (r)->n->loc, GF_ERR_SHAPE, __VA_ARGS__)
#define GF_FAIL_OP(r, ...) gf_fail((r)->diags, (r)->n->loc, GF_ERR_OP, __VA_ARGS__)

const GfType *gf_rule_operand(const GfRule *r, uint32_t operand);
const char *gf_rule_op(const GfRule *r);

/* For messages; in the arena of the diagnostics. */
const char *gf_rule_show(const GfRule *r, const GfType *type);

/* Sets the type of a result; always GF_OK, so that a rule can end with it. */
GfStatus gf_rule_give(const GfRule *r, uint32_t result, GfType type);

GfStatus gf_need_f32(const GfRule *r, uint32_t operand);
GfStatus gf_need_all_f32(const GfRule *r);
GfStatus gf_need_equal(const GfRule *r, uint32_t first, uint32_t second);
GfStatus gf_need_rng(const GfRule *r); /* the last operand */

/* `what` names the operand in messages. */
GfStatus gf_need_type(const GfRule *r, uint32_t operand, const char *what, GfType want);
GfStatus gf_need_rank(const GfRule *r, uint32_t operand, const char *what, uint32_t least, uint32_t most); /* and f32 */
GfStatus gf_need_index_vector(const GfRule *r, uint32_t operand, const char *what);

/* Attributes: 0 <= p < 1; finite and >= 0; in [0, 1); 0 or 1. */
GfStatus gf_need_probability(const GfRule *r);
GfStatus gf_need_not_negative(const GfRule *r, const char *key);
GfStatus gf_need_fraction(const GfRule *r, const char *key);
GfStatus gf_need_flag(const GfRule *r, const char *key);

#endif
