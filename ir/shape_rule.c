/* shape_rule.c -- see shape_rule.h. */
#include "ir/shape_rule.h"

#include <math.h>

const GfType *gf_rule_operand(const GfRule *r, uint32_t operand)
{
    return &gf_operand(r->n, operand)->type;
}

const char *gf_rule_op(const GfRule *r)
{
    return gf_op_text(r->n->op);
}

const char *gf_rule_show(const GfRule *r, const GfType *type)
{
    const char *text = r->diags ? gf_type_str(&r->diags->arena, r->g, type) : NULL;
    return text ? text : "?";
}

GfStatus gf_rule_give(const GfRule *r, uint32_t result, GfType type)
{
    r->n->results[result].type = type;
    return GF_OK;
}

GfStatus gf_need_f32(const GfRule *r, uint32_t operand)
{
    const GfType *type = gf_rule_operand(r, operand);
    if (type->dtype == GF_F32)
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' computes in f32, but operand %u is %s", gf_rule_op(r), operand,
                         gf_rule_show(r, type));
}

GfStatus gf_need_all_f32(const GfRule *r)
{
    for (uint32_t i = 0; i < r->n->operand_count; i++)
        GF_TRY(gf_need_f32(r, i));
    return GF_OK;
}

GfStatus gf_need_type(const GfRule *r, uint32_t operand, const char *what, GfType want)
{
    const GfType *type = gf_rule_operand(r, operand);
    if (gf_type_eq(type, &want))
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' needs %s as %s, got %s", gf_rule_op(r), what, gf_rule_show(r, &want),
                         gf_rule_show(r, type));
}

GfStatus gf_need_rank(const GfRule *r, uint32_t operand, const char *what, uint32_t least, uint32_t most)
{
    const GfType *type = gf_rule_operand(r, operand);
    GF_TRY(gf_need_f32(r, operand));
    if (type->rank >= least && type->rank <= most)
        return GF_OK;
    const char *wanted = most == 1 ? "a vector" : least == 2 ? "a matrix" : "a vector or matrix";
    return GF_FAIL_SHAPE(r, "'%s' needs %s as %s, got %s", gf_rule_op(r), what, wanted, gf_rule_show(r, type));
}

GfStatus gf_need_index_vector(const GfRule *r, uint32_t operand, const char *what)
{
    const GfType *type = gf_rule_operand(r, operand);
    if (type->dtype == GF_I32 && type->rank == 1)
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' needs %s as a vector of i32, got %s", gf_rule_op(r), what, gf_rule_show(r, type));
}

GfStatus gf_need_equal(const GfRule *r, uint32_t first, uint32_t second)
{
    const GfType *a = gf_rule_operand(r, first), *b = gf_rule_operand(r, second);
    if (gf_type_eq(a, b))
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' needs equal types of operands %u and %u, got %s and %s", gf_rule_op(r), first, second,
                         gf_rule_show(r, a), gf_rule_show(r, b));
}

GfStatus gf_need_rng(const GfRule *r)
{
    return gf_need_type(r, r->n->operand_count - 1, "rng", gf_type_vector(GF_I32, gf_dim_const(4)));
}

GfStatus gf_need_probability(const GfRule *r)
{
    double p = gf_attr_f(r->n, "p");
    if (p >= 0 && p < 1)
        return GF_OK;
    return GF_FAIL_OP(r, "'%s' needs 0 <= p < 1, got %g", gf_rule_op(r), p);
}

GfStatus gf_need_not_negative(const GfRule *r, const char *key)
{
    double value = gf_attr_f(r->n, key);
    if (isfinite(value) && value >= 0)
        return GF_OK;
    return GF_FAIL_OP(r, "'%s' needs a finite %s >= 0, got %g", gf_rule_op(r), key, value);
}

GfStatus gf_need_fraction(const GfRule *r, const char *key)
{
    double value = gf_attr_f(r->n, key);
    if (value >= 0 && value < 1)
        return GF_OK;
    return GF_FAIL_OP(r, "'%s' needs 0 <= %s < 1, got %g", gf_rule_op(r), key, value);
}

GfStatus gf_need_flag(const GfRule *r, const char *key)
{
    int64_t value = gf_attr_i(r->n, key);
    if (value == 0 || value == 1)
        return GF_OK;
    return GF_FAIL_OP(r, "'%s' needs %s as 0 or 1, got %lld", gf_rule_op(r), key, (long long)value);
}
