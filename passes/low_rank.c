/* low_rank.c -- see low_rank.h. */
#include "passes/low_rank.h"

#include "ir/kernel.h"

GfNode *gf_only_user(const GfNode *n)
{
    const GfUse *use = n->result_count == 1 ? n->results[0].uses : NULL;
    return use && !use->next ? use->user : NULL;
}

bool gf_is_exact_product(const GfNode *n)
{
    const char *round = gf_attr_s(n, "round");
    return gf_is_product(n) && !(round && *round);
}

static bool is_linear(const GfNode *n)
{
    return n->op == GF_OP_LINEAR && gf_is_exact_product(n);
}

/* Step over a scale, neg or dropout that gives `v`; NULL when it is none. */
static GfValue *step_down(GfValue *v, GfLowRank *ad)
{
    const GfNode *n = v->node;

    if (n->op != GF_OP_SCALE && n->op != GF_OP_NEG && n->op != GF_OP_DROPOUT)
        return NULL;
    ad->by *= n->op == GF_OP_SCALE ? gf_attr_f(n, "by") : n->op == GF_OP_NEG ? -1 : 1;
    ad->drops |= n->op == GF_OP_DROPOUT && gf_attr_f(n, "p") > 0;
    return gf_operand(n, 0);
}

/* The linear under `v`, over nodes that have no other reader; NULL: none. */
static GfNode *linear_below(GfValue *v, GfLowRank *ad)
{
    while (v && gf_only_user(v->node)) {
        if (is_linear(v->node))
            return v->node->operand_count == 2 ? v->node : NULL;
        v = step_down(v, ad);
    }
    return NULL;
}

/* `v` is made of `x` by such nodes. */
static bool comes_from(GfValue *v, const GfValue *x, GfLowRank *ad)
{
    while (v && v != x)
        v = step_down(v, ad);
    return v != NULL;
}

static bool find(GfNode *sum, uint32_t at, GfLowRank *ad)
{
    GfNode *base = gf_operand(sum, at)->node;

    *ad = (GfLowRank){.sum = sum, .base = base, .by = 1};
    if (!is_linear(base) || gf_only_user(base) != sum)
        return false;
    ad->x = gf_operand(base, 0);
    ad->w = gf_operand(base, 1);
    ad->bias = base->operand_count == 3 ? gf_operand(base, 2) : NULL;
    ad->up = linear_below(gf_operand(sum, 1 - at), ad);
    ad->down = ad->up ? linear_below(gf_operand(ad->up, 0), ad) : NULL;
    if (!ad->down || !gf_type_eq(&base->results[0].type, &ad->up->results[0].type))
        return false;
    ad->a = gf_operand(ad->down, 1);
    ad->b = gf_operand(ad->up, 1);
    return comes_from(gf_operand(ad->down, 0), ad->x, ad);
}

bool gf_low_rank_find(GfNode *sum, GfLowRank *out)
{
    return sum->op == GF_OP_ADD && (find(sum, 0, out) || find(sum, 1, out));
}
