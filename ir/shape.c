/* shape.c -- shape rules: one function for each name in the column `shape` of
 * ops.def, which derives the result types from the operands, or checks them
 * where the op states its type itself.
 *
 * All ops compute in f32; ids, labels, starts, lengths, steps and rng are i32.
 * Broadcasting ops take any rank, the others what their rule says.
 */
#include "ir/shape_rule.h"

#include <stdio.h>
#include <string.h>

/* ---- structure -------------------------------------------------------------- */

static GfStatus shape_nothing(const GfRule *r)
{
    (void)r;
    return GF_OK;
}

static GfStatus need_declared(const GfRule *r)
{
    if (r->declared)
        return GF_OK;
    return GF_FAIL_OP(r, "'%s' must state its result type", gf_rule_op(r));
}

static GfStatus need_known_dim(const GfRule *r, GfDim dim)
{
    if (dim.symbol == GF_CONSTANT && dim.size < 1)
        return GF_FAIL_SHAPE(r, "'%s' has a dim of size %lld; sizes are at least 1", gf_rule_op(r),
                             (long long)dim.size);
    if (dim.symbol < GF_CONSTANT || dim.symbol >= (int32_t)r->g->symbol_count)
        return GF_FAIL_SHAPE(r, "'%s' has a symbolic dim that its graph does not declare", gf_rule_op(r));
    return GF_OK;
}

static GfStatus shape_declared(const GfRule *r)
{
    GF_TRY(need_declared(r));
    if (r->declared->dtype >= GF_DTYPE_COUNT || r->declared->rank > GF_MAX_RANK)
        return GF_FAIL_SHAPE(r, "'%s' has no valid type: rank %u of at most %d", gf_rule_op(r), r->declared->rank,
                             GF_MAX_RANK);
    for (uint32_t i = 0; i < r->declared->rank; i++)
        GF_TRY(need_known_dim(r, r->declared->dims[i]));
    if (r->n->op == GF_OP_CONST && r->declared->dtype != GF_F32)
        return GF_FAIL_SHAPE(r, "'const' is f32, got %s", gf_rule_show(r, r->declared));
    return gf_rule_give(r, 0, *r->declared);
}

/* update, grad: operand 0 names what is updated or derived by. */
static GfStatus shape_update(const GfRule *r)
{
    GfOp op = gf_operand(r->n, 0)->node->op;
    bool is_grad = r->n->op == GF_OP_GRAD;

    if (op != GF_OP_PARAM && (is_grad || op != GF_OP_STATE))
        return GF_FAIL_OP(r, "'%s' needs a %s as its first operand, got the result of '%s'", gf_rule_op(r),
                          is_grad ? "param" : "param or state", gf_op_text(op));
    return gf_need_equal(r, 0, 1);
}

/* ---- elementwise ------------------------------------------------------------ */

static GfStatus shape_broadcast(const GfRule *r)
{
    GfType out;

    GF_TRY(gf_need_all_f32(r));
    if (gf_broadcast(gf_rule_operand(r, 0), gf_rule_operand(r, 1), &out))
        return gf_rule_give(r, 0, out);
    GfStatus status = GF_FAIL_SHAPE(r, "'%s' cannot broadcast %s and %s", gf_rule_op(r),
                                    gf_rule_show(r, gf_rule_operand(r, 0)), gf_rule_show(r, gf_rule_operand(r, 1)));
    gf_note(r->diags, "counted from the right, sizes must be equal, or one of them 1 or missing");
    return status;
}

/* Row ops work on whole rows: a vector is one row. */
static GfStatus need_rows(const GfRule *r)
{
    return gf_op_info(r->n->op)->class_ == GF_CLASS_ROW ? gf_need_rank(r, 0, "its operand", 1, 2) : GF_OK;
}

static GfStatus shape_same(const GfRule *r)
{
    GF_TRY(gf_need_f32(r, 0));
    GF_TRY(need_rows(r));
    return gf_rule_give(r, 0, *gf_rule_operand(r, 0));
}

static GfStatus shape_equal(const GfRule *r)
{
    GF_TRY(gf_need_all_f32(r));
    GF_TRY(gf_need_equal(r, 0, 1));
    GF_TRY(need_rows(r));
    return gf_rule_give(r, 0, *gf_rule_operand(r, 0));
}

static GfStatus shape_dropout(const GfRule *r)
{
    GF_TRY(gf_need_probability(r));
    GF_TRY(gf_need_rank(r, 0, "its operand", gf_dropout_rows(r->n) ? 2 : 1, 2));
    if (gf_dropout_rows(r->n))
        GF_TRY(gf_need_type(r, 1, "rows", gf_type_vector(GF_I32, gf_rule_operand(r, 0)->dims[0])));
    GF_TRY(gf_need_rng(r));
    return gf_rule_give(r, 0, *gf_rule_operand(r, 0));
}

static GfStatus shape_spread(const GfRule *r)
{
    GfType out;

    GF_TRY(shape_declared(r));
    GF_TRY(gf_need_f32(r, 0));
    if (r->n->op == GF_OP_MEAN_GRAD)
        GF_TRY(gf_need_type(r, 0, "dy", gf_type_scalar(GF_F32)));
    if (gf_broadcast(gf_rule_operand(r, 0), r->declared, &out) && gf_type_eq(&out, r->declared))
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' cannot repeat %s to %s", gf_rule_op(r), gf_rule_show(r, gf_rule_operand(r, 0)),
                         gf_rule_show(r, r->declared));
}

/* The type of rows of `type` ([v,m] or [v]), one for each element of `ids`. */
static GfType rows_at(const GfType *type, const GfType *ids)
{
    GfType out = *type;
    out.dims[0] = ids->dims[0];
    return out;
}

static GfStatus shape_gather(const GfRule *r)
{
    GF_TRY(gf_need_rank(r, 0, "table", 1, 2));
    GF_TRY(gf_need_index_vector(r, 1, "ids"));
    return gf_rule_give(r, 0, rows_at(gf_rule_operand(r, 0), gf_rule_operand(r, 1)));
}

static GfStatus shape_correction(const GfRule *r)
{
    GF_TRY(gf_need_fraction(r, "beta"));
    GF_TRY(gf_need_type(r, 0, "step", gf_type_scalar(GF_I32)));
    return gf_rule_give(r, 0, gf_type_scalar(GF_F32));
}

static GfStatus need_adamw_attrs(const GfRule *r)
{
    GF_TRY(gf_need_fraction(r, "beta1"));
    GF_TRY(gf_need_fraction(r, "beta2"));
    GF_TRY(gf_need_not_negative(r, "eps"));
    return gf_need_not_negative(r, "weight_decay");
}

static GfStatus shape_adamw(const GfRule *r)
{
    static const char *const scalars[] = {"lr", "clip", "c1", "c2"};

    GF_TRY(need_adamw_attrs(r));
    GF_TRY(gf_need_all_f32(r));
    for (uint32_t i = 1; i < 4; i++)
        GF_TRY(gf_need_equal(r, 0, i));
    for (uint32_t i = 0; i < 4; i++)
        GF_TRY(gf_need_type(r, 4 + i, scalars[i], gf_type_scalar(GF_F32)));
    for (uint32_t i = 0; i < 3; i++)
        gf_rule_give(r, i, *gf_rule_operand(r, 0));
    return GF_OK;
}

/* ---- along rows --------------------------------------------------------------- */

static GfType column_for(const GfType *x)
{
    return gf_type_matrix(GF_F32, x->dims[0], gf_dim_const(1));
}

static GfType row_for(const GfType *x)
{
    return gf_type_vector(GF_F32, x->dims[1]);
}

static GfStatus shape_layer_norm(const GfRule *r)
{
    const GfType *x = gf_rule_operand(r, 0);

    GF_TRY(gf_need_not_negative(r, "eps"));
    GF_TRY(gf_need_rank(r, 0, "x", 2, 2));
    GF_TRY(gf_need_type(r, 1, "g", row_for(x)));
    GF_TRY(gf_need_type(r, 2, "b", row_for(x)));
    gf_rule_give(r, 0, *x);
    gf_rule_give(r, 1, column_for(x));
    return gf_rule_give(r, 2, column_for(x));
}

static GfStatus shape_layer_norm_grad(const GfRule *r)
{
    const GfType *x = gf_rule_operand(r, 1);

    GF_TRY(gf_need_rank(r, 1, "x", 2, 2));
    GF_TRY(gf_need_equal(r, 0, 1));
    GF_TRY(gf_need_type(r, 2, "g", row_for(x)));
    GF_TRY(gf_need_type(r, 3, "mean", column_for(x)));
    GF_TRY(gf_need_type(r, 4, "rstd", column_for(x)));
    return gf_rule_give(r, 0, *x);
}

static GfStatus shape_sum_cols(const GfRule *r)
{
    GF_TRY(gf_need_rank(r, 0, "its operand", 2, 2));
    return gf_rule_give(r, 0, column_for(gf_rule_operand(r, 0)));
}

static GfStatus need_labels(const GfRule *r)
{
    GF_TRY(gf_need_rank(r, 0, "x", 2, 2));
    return gf_need_type(r, 1, "labels", gf_type_vector(GF_I32, gf_rule_operand(r, 0)->dims[0]));
}

static GfStatus shape_cross_entropy(const GfRule *r)
{
    GF_TRY(need_labels(r));
    return gf_rule_give(r, 0, column_for(gf_rule_operand(r, 0)));
}

static GfStatus shape_cross_entropy_grad(const GfRule *r)
{
    GF_TRY(need_labels(r));
    GF_TRY(gf_need_type(r, 2, "dy", column_for(gf_rule_operand(r, 0))));
    return gf_rule_give(r, 0, *gf_rule_operand(r, 0));
}

/* ---- over rows, over all --------------------------------------------------------- */

static GfStatus shape_sum_rows(const GfRule *r)
{
    GF_TRY(gf_need_rank(r, 0, "its operand", 2, 2));
    return gf_rule_give(r, 0, row_for(gf_rule_operand(r, 0)));
}

static GfStatus shape_scalar(const GfRule *r)
{
    GF_TRY(gf_need_f32(r, 0));
    return gf_rule_give(r, 0, gf_type_scalar(GF_F32));
}

static GfStatus shape_sum_squares(const GfRule *r)
{
    int64_t parts = gf_attr_i(r->n, "parts");

    GF_TRY(gf_need_f32(r, 0));
    if (parts < 1)
        return GF_FAIL_OP(r, "'sum_squares' needs parts >= 1, got %lld", (long long)parts);
    return gf_rule_give(r, 0, gf_type_vector(GF_F32, gf_dim_const(parts)));
}

static GfStatus shape_global_norm(const GfRule *r)
{
    GF_TRY(gf_need_all_f32(r));
    return gf_rule_give(r, 0, gf_type_scalar(GF_F32));
}

/* ---- matrix products ---------------------------------------------------------------- */

/* For notes: the size as it is written in a type. */
static const char *show_dim(const GfRule *r, GfDim dim, char buffer[32])
{
    if (dim.symbol != GF_CONSTANT)
        return r->g->symbols[dim.symbol];
    snprintf(buffer, 32, "%lld", (long long)dim.size);
    return buffer;
}

static GfStatus fail_inner(const GfRule *r, GfDim a, GfDim b)
{
    return GF_FAIL_SHAPE(r, "'%s' needs equal inner sizes, got %s and %s (%s and %s)", gf_rule_op(r),
                         gf_rule_show(r, gf_rule_operand(r, 0)), gf_rule_show(r, gf_rule_operand(r, 1)),
                         show_dim(r, a, (char[32]){0}), show_dim(r, b, (char[32]){0}));
}

static GfStatus need_round(const GfRule *r)
{
    const char *round = gf_attr_s(r->n, "round");

    if (!round || !*round || strcmp(round, "bf16") == 0 || strcmp(round, "tf32") == 0)
        return GF_OK;
    return gf_fail(r->diags, r->n->loc, GF_ERR_VALUE, "round = \"%s\": factors are rounded to \"bf16\" or \"tf32\"",
                   round);
}

static GfStatus shape_linear(const GfRule *r)
{
    const GfType *x = gf_rule_operand(r, 0), *w = gf_rule_operand(r, 1);

    GF_TRY(need_round(r));
    GF_TRY(gf_need_rank(r, 0, "x", 2, 2));
    GF_TRY(gf_need_rank(r, 1, "w", 2, 2));
    if (!gf_dim_eq(x->dims[1], w->dims[1])) {
        GfStatus status = fail_inner(r, x->dims[1], w->dims[1]);
        gf_note(r->diags, "w is stored as [outputs,inputs]; matmul reads it as [inputs,outputs]");
        return status;
    }
    if (r->n->operand_count == 3)
        GF_TRY(gf_need_type(r, 2, "b", gf_type_vector(GF_F32, w->dims[0])));
    return gf_rule_give(r, 0, gf_type_matrix(GF_F32, x->dims[0], w->dims[0]));
}

/* Says which transposition would make the product fit, if one would. */
static void note_transpose(const GfRule *r, GfDim inner_a, GfDim outer_a, GfDim inner_b, GfDim outer_b)
{
    GfType a = gf_type_matrix(GF_F32, inner_a, outer_a), b = gf_type_matrix(GF_F32, outer_b, inner_b);

    if (gf_dim_eq(inner_a, outer_b))
        gf_note(r->diags, "transpose_b = %d reads the second as %s", !gf_attr_i(r->n, "transpose_b"),
                gf_rule_show(r, &b));
    else if (gf_dim_eq(outer_a, inner_b))
        gf_note(r->diags, "transpose_a = %d reads the first as %s", !gf_attr_i(r->n, "transpose_a"),
                gf_rule_show(r, &a));
}

static GfStatus shape_matmul(const GfRule *r)
{
    const GfType *a = gf_rule_operand(r, 0), *b = gf_rule_operand(r, 1);

    GF_TRY(need_round(r));
    GF_TRY(gf_need_flag(r, "transpose_a"));
    GF_TRY(gf_need_flag(r, "transpose_b"));
    GF_TRY(gf_need_rank(r, 0, "a", 2, 2));
    GF_TRY(gf_need_rank(r, 1, "b", 2, 2));
    int64_t ta = gf_attr_i(r->n, "transpose_a"), tb = gf_attr_i(r->n, "transpose_b");
    GfDim n = a->dims[ta], inner_a = a->dims[!ta], inner_b = b->dims[tb], m = b->dims[!tb];
    if (gf_dim_eq(inner_a, inner_b))
        return gf_rule_give(r, 0, gf_type_matrix(GF_F32, n, m));
    GfStatus status = fail_inner(r, inner_a, inner_b);
    note_transpose(r, inner_a, n, inner_b, m);
    return status;
}

/* ---- packed sequences ------------------------------------------------------------------ */

/* heads >= 1 divides the columns of operand `x`. */
static GfStatus need_heads(const GfRule *r, uint32_t operand)
{
    const GfType *x = gf_rule_operand(r, operand);
    int64_t heads = gf_attr_i(r->n, "heads");

    GF_TRY(gf_need_rank(r, operand, "q", 2, 2));
    if (heads < 1)
        return GF_FAIL_OP(r, "'%s' needs heads >= 1, got %lld", gf_rule_op(r), (long long)heads);
    if (x->dims[1].symbol == GF_CONSTANT && x->dims[1].size % heads == 0)
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'%s' needs columns that %lld heads divide, got %s", gf_rule_op(r), (long long)heads,
                         gf_rule_show(r, x));
}

/* starts and lengths at `operand` and the one after. */
static GfStatus need_sequences(const GfRule *r, uint32_t operand)
{
    GF_TRY(gf_need_index_vector(r, operand, "starts"));
    return gf_need_type(r, operand + 1, "lengths", *gf_rule_operand(r, operand));
}

static GfType lse_for(const GfRule *r, const GfType *q)
{
    return gf_type_matrix(GF_F32, q->dims[0], gf_dim_const(gf_attr_i(r->n, "heads")));
}

/* q at operand `q`, k and v behind it, starts at `starts`: a query for each row of
 * k or, with first = 1, for each sequence. */
static GfStatus need_queries(const GfRule *r, uint32_t q, uint32_t starts)
{
    const GfType *k = gf_rule_operand(r, q + 1);

    GF_TRY(gf_need_probability(r));
    GF_TRY(gf_need_flag(r, "first"));
    GF_TRY(need_heads(r, q));
    GF_TRY(need_sequences(r, starts));
    GF_TRY(gf_need_rng(r));
    if (!gf_attr_i(r->n, "first"))
        return gf_need_equal(r, q, q + 1);
    GF_TRY(gf_need_rank(r, q + 1, "k", 2, 2));
    return gf_need_type(r, q, "q", gf_type_matrix(GF_F32, gf_rule_operand(r, starts)->dims[0], k->dims[1]));
}

static GfStatus shape_attention(const GfRule *r)
{
    const GfType *q = gf_rule_operand(r, 0);

    GF_TRY(need_queries(r, 0, 3));
    GF_TRY(gf_need_equal(r, 1, 2));
    gf_rule_give(r, 0, *q);
    return gf_rule_give(r, 1, lse_for(r, q));
}

static GfStatus shape_attention_grad(const GfRule *r)
{
    const GfType *q = gf_rule_operand(r, 1), *k = gf_rule_operand(r, 2);

    GF_TRY(need_queries(r, 1, 6));
    GF_TRY(gf_need_equal(r, 1, 0));
    GF_TRY(gf_need_equal(r, 2, 3));
    GF_TRY(gf_need_equal(r, 1, 4));
    GF_TRY(gf_need_type(r, 5, "lse", lse_for(r, q)));
    gf_rule_give(r, 0, *q);
    gf_rule_give(r, 1, *k);
    return gf_rule_give(r, 2, *k);
}

static GfStatus shape_scatter_add(const GfRule *r)
{
    const GfType *x = gf_rule_operand(r, 0), *ids = gf_rule_operand(r, 1);

    GF_TRY(shape_declared(r));
    GF_TRY(gf_need_rank(r, 0, "x", 1, 2));
    GF_TRY(gf_need_index_vector(r, 1, "ids"));
    GfType want = rows_at(r->declared, ids);
    if (r->declared->rank && gf_type_eq(x, &want))
        return GF_OK;
    return GF_FAIL_SHAPE(r, "'scatter_add' cannot add rows of %s by %s to %s", gf_rule_show(r, x), gf_rule_show(r, ids),
                         gf_rule_show(r, r->declared));
}

/* ---- the table ----------------------------------------------------------------------------- */

typedef GfStatus (*ShapeFn)(const GfRule *r);

static const ShapeFn shape_of[GF_OP_COUNT] = {
#define GF_OP(id, text, least, most, results, attrs, shape, ...) [GF_OP_##id] = shape_##shape,
#include "ir/ops.def"
};

/* No tensor has more elements than this, symbols counted as 1: so that byte
 * sizes cannot overflow anywhere. */
#define MOST_ELEMENTS ((int64_t)1 << 40)

/* Constants of a type multiply to no more than MOST_ELEMENTS. */
static GfStatus check_size(const GfRule *r, const GfType *type)
{
    int64_t sizes[GF_MAX_SYMBOLS];

    for (uint32_t i = 0; i < GF_MAX_SYMBOLS; i++)
        sizes[i] = 1;
    int64_t count = gf_type_elements(type, sizes);
    if (count >= 0 && count <= MOST_ELEMENTS)
        return GF_OK;
    return GF_FAIL_SHAPE(r, "the result of '%s' is too large: %s", gf_rule_op(r), gf_rule_show(r, type));
}

/* gf_graph_add and gf_verify have checked the number of operands before. */
GfStatus gf_infer(GfGraph *g, GfNode *n, const GfType *declared, GfDiags *diags)
{
    GfRule r = {.g = g, .n = n, .declared = declared, .diags = diags};

    GF_TRY(shape_of[n->op](&r));
    for (uint32_t i = 0; i < n->result_count; i++)
        GF_TRY(check_size(&r, &n->results[i].type));
    return GF_OK;
}
