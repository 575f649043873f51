/* kernel.c -- which nodes can be one kernel.  See kernel.h.
 *
 * gf_kernel_form sorts the nodes by class, which settles the kind and the
 * domain D, and then asks for each node whether it fits: one predicate a kind.
 * O(nodes * operands + uses of prologues).
 */
#include "ir/kernel.h"

typedef struct Census {
    int32_t kernel;
    uint32_t products, rows, sums, opaques, maps, updates; /* maps: elementwise; updates: adamw */
    GfNode *first;                                         /* of the class that decides the domain */
    GfNode *constant;
} Census;

static GfClass class_of(const GfNode *n)
{
    return gf_op_info(n->op)->class_;
}

static bool is_map(const GfNode *n)
{
    return class_of(n) == GF_CLASS_ELEMENTWISE && n->op != GF_OP_CONST;
}

/* Computed in the kernel; a constant is not, it is written into the code. */
static bool inside(const GfValue *v, int32_t kernel)
{
    return v->node->kernel == kernel && v->node->op != GF_OP_CONST;
}

/* ---- prologues ---------------------------------------------------------------- */

static bool limited(const GfDim *dim, int64_t limit)
{
    return dim->symbol == GF_CONSTANT && dim->size <= limit;
}

bool gf_kernel_takes_prologue(const GfUse *use, const GfTarget *target)
{
    const GfNode *n = use->user;
    const GfType *y = &n->results[0].type;
    uint32_t index = (uint32_t)(use - n->operands);

    if (class_of(n) != GF_CLASS_GEMM || y->rank != 2)
        return false;
    if (index == 0)
        return !gf_attr_i(n, "transpose_a") && (!target || limited(&y->dims[1], target->prologue_columns));
    if (n->op != GF_OP_MATMUL || index != 1)
        return false;
    return !gf_attr_i(n, "transpose_b") && (!target || limited(&y->dims[0], target->prologue_rows));
}

/* The one node that uses `n`, or NULL. */
static const GfNode *only_user(const GfNode *n)
{
    const GfUse *first = n->result_count == 1 ? n->results[0].uses : NULL;

    for (const GfUse *u = first; u; u = u->next) {
        if (u->user != first->user)
            return NULL;
    }
    return first ? first->user : NULL;
}

bool gf_kernel_is_prologue(const GfNode *n)
{
    const GfNode *user = is_map(n) ? only_user(n) : NULL;

    if (!user || user->kernel != n->kernel || n->kernel == GF_NO_KERNEL)
        return false;
    if (class_of(user) != GF_CLASS_GEMM)
        return gf_kernel_is_prologue(user);
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (!gf_kernel_takes_prologue(u, NULL))
            return false;
    }
    return true;
}

/* The slots of products that a prologue feeds at the end of its chain are all
 * within the limits of `target`. */
static bool prologue_within(const GfNode *n, const GfTarget *target)
{
    while (class_of(only_user(n)) != GF_CLASS_GEMM)
        n = only_user(n);
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (!gf_kernel_takes_prologue(u, target))
            return false;
    }
    return true;
}

/* ---- operands of elementwise nodes -------------------------------------------- */

/* `type` repeats along D: dims from the right equal or 1. */
static bool broadcasts(const GfType *type, const GfType *domain)
{
    if (type->rank > domain->rank || domain->rank > 2)
        return type->rank == 0 || gf_type_eq(type, domain);
    for (uint32_t i = 0; i < type->rank; i++) {
        GfDim dim = type->dims[type->rank - 1 - i];
        if (!gf_dim_is(dim, 1) && !gf_dim_eq(dim, domain->dims[domain->rank - 1 - i]))
            return false;
    }
    return true;
}

static bool is_rng(const GfNode *n, uint32_t operand)
{
    return gf_op_has(n->op, GF_RANDOM) && operand == n->operand_count - 1;
}

static bool all_outside(const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (inside(gf_operand(n, i), n->kernel))
            return false;
    }
    return true;
}

/* An elementwise node of type D whose operands from outside broadcast to D. */
static bool map_fits(const GfNode *n, const GfType *domain, int32_t kernel)
{
    if (!gf_type_eq(&n->results[0].type, domain) || gf_op_has(n->op, GF_GATHERS) || n->result_count != 1)
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (is_rng(n, i) ? inside(gf_operand(n, i), kernel) : !broadcasts(&gf_operand(n, i)->type, domain))
            return false;
    }
    return true;
}

/* ---- one predicate a kind ------------------------------------------------------ */

static bool product_fits(const GfNode *n, const GfType *domain, const GfTarget *target)
{
    if (!gf_type_eq(&n->results[0].type, domain))
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (!inside(gf_operand(n, i), n->kernel))
            continue;
        if (!gf_kernel_is_prologue(from) || !gf_kernel_takes_prologue(&n->operands[i], target))
            return false;
    }
    return true;
}

/* A prologue runs before the product: it must not wait for the tile. */
static bool prologue_fits(const GfNode *n, const GfTarget *target)
{
    const GfNode *user = only_user(n);
    const GfType *type = &n->results[0].type;

    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (inside(gf_operand(n, i), n->kernel) && !gf_kernel_is_prologue(gf_operand(n, i)->node))
            return false;
    }
    if (class_of(user) != GF_CLASS_GEMM && !gf_type_eq(type, &user->results[0].type))
        return false;
    return prologue_within(n, target) && map_fits(n, type, n->kernel);
}

static bool tile_fits(const GfNode *n, const GfType *domain, const GfTarget *target)
{
    if (class_of(n) == GF_CLASS_GEMM)
        return product_fits(n, domain, target);
    return gf_kernel_is_prologue(n) ? prologue_fits(n, target) : map_fits(n, domain, n->kernel);
}

/* Operands of a row op from inside are whole rows or one value a row. */
static bool row_op_fits(const GfNode *n, const GfType *domain)
{
    if (!gf_type_eq(&gf_operand(n, 0)->type, domain))
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfType *type = &gf_operand(n, i)->type;
        bool column = type->rank == 2 && gf_dim_eq(type->dims[0], domain->dims[0]) && gf_dim_is(type->dims[1], 1);
        if (inside(gf_operand(n, i), n->kernel) && !column && !gf_type_eq(type, domain))
            return false;
    }
    return true;
}

static bool row_fits(const GfNode *n, const GfType *domain, const GfTarget *target)
{
    (void)target;
    if (class_of(n) == GF_CLASS_ROW)
        return row_op_fits(n, domain);
    if (gf_op_has(n->op, GF_GATHERS))
        return gf_type_eq(&n->results[0].type, domain) && all_outside(n);
    return map_fits(n, domain, n->kernel);
}

static bool flat_fits(const GfNode *n, const GfType *domain, const GfTarget *target)
{
    (void)target;
    if (gf_op_has(n->op, GF_GATHERS))
        return false;
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfType *type = &gf_operand(n, i)->type;
        if (type->rank != 0 && !gf_type_eq(type, domain))
            return false;
    }
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (!gf_type_eq(&n->results[i].type, domain))
            return false;
    }
    return true;
}

static bool colsum_fits(const GfNode *n, const GfType *domain, const GfTarget *target)
{
    (void)target;
    if (class_of(n) == GF_CLASS_COLSUM)
        return gf_type_eq(&gf_operand(n, 0)->type, domain);
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (u->user->kernel != n->kernel)
            return false;
    }
    return map_fits(n, domain, n->kernel);
}

/* ---- the form ------------------------------------------------------------------ */

static void count_node(Census *c, GfNode *n)
{
    GfClass class_ = class_of(n);

    if (n->op == GF_OP_CONST) {
        c->constant = n;
        return;
    }
    c->products += class_ == GF_CLASS_GEMM;
    c->rows += class_ == GF_CLASS_ROW;
    c->sums += class_ == GF_CLASS_COLSUM;
    c->opaques += class_ == GF_CLASS_OPAQUE;
    c->maps += class_ == GF_CLASS_ELEMENTWISE;
    c->updates += n->result_count > 1 && class_ == GF_CLASS_ELEMENTWISE;
    if (!c->first || class_of(c->first) == GF_CLASS_ELEMENTWISE)
        c->first = n;
}

typedef bool (*FitsFn)(const GfNode *n, const GfType *domain, const GfTarget *target);

static bool all_fit(GfNode *const *nodes, uint32_t count, FitsFn fits, const GfType *domain, const GfTarget *target)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i]->op != GF_OP_CONST && !fits(nodes[i], domain, target))
            return false;
    }
    return true;
}

static bool rows_limited(const GfType *domain, const GfTarget *target)
{
    return domain->rank == 2 && (!target || limited(&domain->dims[1], target->row_limit));
}

/* Rows or, where only scalars are broadcast, a flat walk over the elements. */
static bool form_of_maps(GfNode *const *nodes, uint32_t count, const GfTarget *target, uint32_t updates,
                         GfKernelForm *form)
{
    form->kind = GF_KERNEL_FLAT;
    if (all_fit(nodes, count, flat_fits, &form->domain, target))
        return updates <= 1;
    form->kind = GF_KERNEL_ROW;
    return rows_limited(&form->domain, target) && all_fit(nodes, count, row_fits, &form->domain, target);
}

static bool form_of_many(GfNode *const *nodes, uint32_t count, const GfTarget *target, const Census *c,
                         GfKernelForm *form)
{
    if (c->opaques)
        return false;
    if (c->products)
        return !c->rows && !c->sums && (!target || c->products <= target->products_limit) &&
               all_fit(nodes, count, tile_fits, &form->domain, target);
    if (c->rows)
        return !c->sums && rows_limited(&form->domain, target) &&
               all_fit(nodes, count, row_fits, &form->domain, target);
    if (c->sums)
        return all_fit(nodes, count, colsum_fits, &form->domain, target);
    return form_of_maps(nodes, count, target, c->updates, form);
}

static GfKernelForm form_by_class(const Census *c)
{
    GfKernelForm form = {.domain = c->first->results[0].type, .products = c->products};

    switch (class_of(c->first)) {
    case GF_CLASS_GEMM:
        form.kind = GF_KERNEL_TILE;
        break;
    case GF_CLASS_ROW:
        form.kind = GF_KERNEL_ROW;
        form.domain = gf_operand(c->first, 0)->type;
        break;
    case GF_CLASS_COLSUM:
        form.kind = GF_KERNEL_COLSUM;
        form.domain = gf_operand(c->first, 0)->type;
        break;
    case GF_CLASS_OPAQUE:
        form.kind = GF_KERNEL_OPAQUE;
        break;
    default:
        form.kind = GF_KERNEL_FLAT;
    }
    return form;
}

bool gf_kernel_form(GfNode *const *nodes, uint32_t count, const GfTarget *target, GfKernelForm *form)
{
    Census c = {0};

    for (uint32_t i = 0; i < count; i++)
        count_node(&c, nodes[i]);
    if (!c.first) /* constants only: one of them, stored */
        c.first = c.constant;
    *form = form_by_class(&c);
    uint32_t coded = c.products + c.rows + c.sums + c.opaques + c.maps;
    if (coded == 0)
        return count == 1;
    if (coded > 1 && target && coded > target->kernel_nodes)
        return false;
    if (coded > 1)
        return form_of_many(nodes, count, target, &c, form);
    if (c.maps && !flat_fits(c.first, &form->domain, target))
        form->kind = GF_KERNEL_ROW;
    return true;
}
