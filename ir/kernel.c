/* kernel.c -- which nodes can be one kernel.  See kernel.h.
 *
 * gf_kernel_form sorts the nodes by class, which settles the kind and the
 * domain D, and then asks for each node whether it fits: one predicate a kind.
 * O(nodes * (operands + uses + nodes between it and the product it leads to)).
 */
#include "ir/kernel.h"

typedef struct Census {
    int32_t kernel;
    uint32_t products, heads, tails, rows, sums, opaques, maps, updates;      /* maps: elementwise; updates: adamw */
    const GfNode *product, *head, *tail, *row, *sum, *opaque, *update, *last; /* the last of each, and of all */
    GfNode *first;                                                            /* of the class that decides the domain */
    GfNode *constant;
} Census;

/* What is asked of each node of a kernel. */
typedef struct Fit {
    const GfType *domain;
    const GfTarget *target;
    GfRefusal *why; /* out */
} Fit;

/* Note why a kernel cannot be; false. */
static bool refuse(const Fit *fit, GfRefusalKind kind, const GfNode *n)
{
    *fit->why = (GfRefusal){kind, n};
    return false;
}

const char *gf_refusal_text(GfRefusalKind kind)
{
    static const char *const texts[] = {
#define X(id, text) text,
        GF_REFUSAL_TABLE(X)
#undef X
    };
    return texts[kind];
}

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

/* ---- operands of products ------------------------------------------------------ */

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

/* ---- heads -------------------------------------------------------------------------- */

/* The one node of its kernel that uses `n`; NULL: none, or several. */
static const GfNode *only_user_inside(const GfNode *n)
{
    const GfNode *user = NULL;

    for (const GfUse *u = n->result_count == 1 ? n->results[0].uses : NULL; u; u = u->next) {
        if (u->user->kernel != n->kernel || u->user == user)
            continue;
        if (user)
            return NULL;
        user = u->user;
    }
    return user;
}

static bool reads_rows(const GfNode *product)
{
    return product->op == GF_OP_LINEAR || !gf_attr_i(product, "transpose_a");
}

/* A product that reads `v` as rows of its operand a, and as nothing else. */
static bool multiplies_rows(const GfNode *product, const GfValue *v)
{
    for (uint32_t i = 1; i < product->operand_count; i++) {
        if (gf_operand(product, i) == v)
            return false;
    }
    return reads_rows(product) && gf_operand(product, 0) == v;
}

enum { HEAD_CHAIN = 16 }; /* elementwise nodes between two products, at most */

/* The product that `n` leads to over elementwise nodes of one user each; NULL: none. */
static const GfNode *product_behind(const GfNode *n)
{
    const GfNode *user = only_user_inside(n);

    for (int i = 0; user && is_map(user) && i < HEAD_CHAIN; i++) {
        n = user;
        user = only_user_inside(n);
    }
    return user && class_of(user) == GF_CLASS_GEMM && multiplies_rows(user, &n->results[0]) ? user : NULL;
}

static bool is_repeated(const GfNode *n, uint32_t operand)
{
    for (uint32_t i = 0; i < operand; i++) {
        if (gf_operand(n, i) == gf_operand(n, operand))
            return true;
    }
    return false;
}

/* A product among what `n` is made of in its kernel, over elementwise nodes that have
 * no other user there.  They are a tree: each is asked once. */
static bool is_made_of_product(const GfNode *n, int depth)
{
    for (uint32_t i = 0; depth < HEAD_CHAIN && i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (from->kernel != n->kernel || is_repeated(n, i) || only_user_inside(from) != n)
            continue;
        if (class_of(from) == GF_CLASS_GEMM ? reads_rows(from) : is_map(from) && is_made_of_product(from, depth + 1))
            return true;
    }
    return false;
}

bool gf_kernel_is_head(const GfNode *n)
{
    bool product = class_of(n) == GF_CLASS_GEMM;

    if (n->kernel == GF_NO_KERNEL || (!product && !is_map(n)) || !product_behind(n))
        return false;
    return product ? reads_rows(n) : is_made_of_product(n, 0);
}

/* ---- tails ------------------------------------------------------------------------- */

bool gf_kernel_is_tail(const GfNode *n)
{
    if (n->kernel == GF_NO_KERNEL || n->op != GF_OP_MATMUL || reads_rows(n) || gf_attr_i(n, "transpose_b"))
        return false;
    for (const GfUse *u = gf_operand(n, 0)->uses; u; u = u->next) {
        const GfNode *other = u->user;
        if (other->kernel == n->kernel && class_of(other) == GF_CLASS_GEMM && u == other->operands &&
            reads_rows(other) && !gf_type_eq(&other->results[0].type, &n->results[0].type))
            return true;
    }
    return false;
}

/* ---- prologues ---------------------------------------------------------------- */

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
    if (gf_kernel_is_head(n))
        return false;
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

/* Says where in a mask an element is, and is no element itself: rng, and rows of dropout. */
static bool addresses_mask(const GfNode *n, uint32_t operand)
{
    return gf_op_has(n->op, GF_RANDOM) &&
           (operand == n->operand_count - 1 || gf_operand(n, operand) == gf_dropout_rows(n));
}

static bool all_outside(const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (inside(gf_operand(n, i), n->kernel))
            return false;
    }
    return true;
}

/* An elementwise node whose result has the type `domain` and whose operands from outside broadcast to it. */
static bool map_fits(const GfNode *n, const GfType *domain, const Fit *fit)
{
    if (gf_op_has(n->op, GF_GATHERS))
        return refuse(fit, GF_REFUSAL_GATHERS, n);
    if (n->result_count != 1)
        return refuse(fit, GF_REFUSAL_RESULTS, n);
    if (!gf_type_eq(&n->results[0].type, domain))
        return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (addresses_mask(n, i) ? inside(gf_operand(n, i), n->kernel) : !broadcasts(&gf_operand(n, i)->type, domain))
            return refuse(fit, GF_REFUSAL_OPERAND_TYPE, n);
    }
    return true;
}

/* ---- one predicate a kind ------------------------------------------------------ */

/* What a product reads from inside is a prologue, or a head that reads none. */
static bool factors_fit(const GfNode *n, const Fit *fit)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (!inside(gf_operand(n, i), n->kernel) || gf_kernel_is_head(from))
            continue;
        if (!gf_kernel_is_prologue(from))
            return refuse(fit, GF_REFUSAL_FEEDS_PRODUCT, n);
        if (!gf_kernel_takes_prologue(&n->operands[i], fit->target))
            return refuse(fit, GF_REFUSAL_PROLOGUE_SIZE, from);
    }
    return true;
}

static bool product_fits(const GfNode *n, const Fit *fit)
{
    if (!gf_type_eq(&n->results[0].type, fit->domain))
        return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    return factors_fit(n, fit);
}

/* Rows of D, few columns, and no reason to compute them over and over. */
static bool head_fits(const GfNode *n, const Fit *fit)
{
    const GfType *type = &n->results[0].type, *domain = fit->domain;
    const GfTarget *target = fit->target;

    if (type->rank != 2 || domain->rank != 2 || !limited(&type->dims[1], GF_HEAD_COLUMNS) ||
        !gf_dim_eq(type->dims[0], domain->dims[0]))
        return refuse(fit, GF_REFUSAL_FEEDS_PRODUCT, product_behind(n));
    if (target && !target->whole_rows && !limited(&domain->dims[1], target->prologue_columns))
        return refuse(fit, GF_REFUSAL_PROLOGUE_SIZE, n);
    if (class_of(n) == GF_CLASS_GEMM)
        return factors_fit(n, fit);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfNode *from = gf_operand(n, i)->node;
        if (inside(gf_operand(n, i), n->kernel) && !gf_kernel_is_head(from))
            return refuse(fit, GF_REFUSAL_PROLOGUE_WAITS, n);
        if (gf_kernel_is_head(from) && !gf_type_eq(type, &gf_operand(n, i)->type))
            return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    }
    return map_fits(n, type, fit);
}

/* Its sums are small, and known too late for the kernel itself. */
static bool tail_fits(const GfNode *n, const Fit *fit)
{
    const GfType *type = &n->results[0].type;

    if (type->dims[0].symbol != GF_CONSTANT || !limited(&type->dims[1], GF_HEAD_COLUMNS) || fit->domain->rank != 2)
        return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (u->user->kernel == n->kernel && gf_makes_code(u->user))
            return refuse(fit, GF_REFUSAL_TAIL_WAITS, u->user);
    }
    return all_outside(n) || refuse(fit, GF_REFUSAL_FEEDS_PRODUCT, n);
}

/* A prologue runs before the product: it must not wait for the tile. */
static bool prologue_fits(const GfNode *n, const Fit *fit)
{
    const GfNode *user = only_user(n);
    const GfType *type = &n->results[0].type;

    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (inside(gf_operand(n, i), n->kernel) && !gf_kernel_is_prologue(gf_operand(n, i)->node))
            return refuse(fit, GF_REFUSAL_PROLOGUE_WAITS, n);
    }
    if (class_of(user) != GF_CLASS_GEMM && !gf_type_eq(type, &user->results[0].type))
        return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    if (!prologue_within(n, fit->target))
        return refuse(fit, GF_REFUSAL_PROLOGUE_SIZE, n);
    return map_fits(n, type, fit);
}

static bool tile_fits(const GfNode *n, const Fit *fit)
{
    if (gf_kernel_is_head(n))
        return head_fits(n, fit);
    if (gf_kernel_is_tail(n))
        return tail_fits(n, fit);
    if (class_of(n) == GF_CLASS_GEMM)
        return product_fits(n, fit);
    return gf_kernel_is_prologue(n) ? prologue_fits(n, fit) : map_fits(n, fit->domain, fit);
}

/* Operands of a row op from inside are whole rows or one value a row. */
static bool row_op_fits(const GfNode *n, const Fit *fit)
{
    const GfType *domain = fit->domain;

    if (!gf_type_eq(&gf_operand(n, 0)->type, domain))
        return refuse(fit, GF_REFUSAL_OPERAND_TYPE, n);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfType *type = &gf_operand(n, i)->type;
        bool column = type->rank == 2 && gf_dim_eq(type->dims[0], domain->dims[0]) && gf_dim_is(type->dims[1], 1);
        if (inside(gf_operand(n, i), n->kernel) && !column && !gf_type_eq(type, domain))
            return refuse(fit, GF_REFUSAL_OPERAND_TYPE, n);
    }
    return true;
}

static bool row_fits(const GfNode *n, const Fit *fit)
{
    if (class_of(n) == GF_CLASS_ROW)
        return row_op_fits(n, fit);
    if (!gf_op_has(n->op, GF_GATHERS))
        return map_fits(n, fit->domain, fit);
    if (!gf_type_eq(&n->results[0].type, fit->domain))
        return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    return all_outside(n) || refuse(fit, GF_REFUSAL_GATHERS, n);
}

static bool flat_fits(const GfNode *n, const Fit *fit)
{
    if (gf_op_has(n->op, GF_GATHERS))
        return refuse(fit, GF_REFUSAL_GATHERS, n);
    for (uint32_t i = 0; i < n->operand_count; i++) {
        const GfType *type = &gf_operand(n, i)->type;
        if (type->rank != 0 && !gf_type_eq(type, fit->domain))
            return refuse(fit, GF_REFUSAL_OPERAND_TYPE, n);
    }
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (!gf_type_eq(&n->results[i].type, fit->domain))
            return refuse(fit, GF_REFUSAL_RESULT_TYPE, n);
    }
    return true;
}

static bool colsum_fits(const GfNode *n, const Fit *fit)
{
    if (class_of(n) == GF_CLASS_COLSUM)
        return gf_type_eq(&gf_operand(n, 0)->type, fit->domain) || refuse(fit, GF_REFUSAL_OPERAND_TYPE, n);
    for (const GfUse *u = n->results[0].uses; u; u = u->next) {
        if (u->user->kernel != n->kernel)
            return refuse(fit, GF_REFUSAL_STORED, n);
    }
    return map_fits(n, fit->domain, fit);
}

/* ---- the form ------------------------------------------------------------------ */

static void count_class(uint32_t *count, const GfNode **last, bool is, const GfNode *n)
{
    *count += is;
    *last = is ? n : *last;
}

static void count_node(Census *c, GfNode *n)
{
    GfClass class_ = class_of(n);

    if (n->op == GF_OP_CONST) {
        c->constant = n;
        return;
    }
    bool head = class_ == GF_CLASS_GEMM && gf_kernel_is_head(n), tail = gf_kernel_is_tail(n);

    c->last = n;
    count_class(&c->heads, &c->head, head, n);
    count_class(&c->tails, &c->tail, tail, n);
    count_class(&c->products, &c->product, class_ == GF_CLASS_GEMM && !head && !tail, n);
    count_class(&c->rows, &c->row, class_ == GF_CLASS_ROW, n);
    count_class(&c->sums, &c->sum, class_ == GF_CLASS_COLSUM, n);
    count_class(&c->opaques, &c->opaque, class_ == GF_CLASS_OPAQUE, n);
    count_class(&c->updates, &c->update, n->result_count > 1 && class_ == GF_CLASS_ELEMENTWISE, n);
    c->maps += class_ == GF_CLASS_ELEMENTWISE;
    if (!head && !tail && (!c->first || class_of(c->first) == GF_CLASS_ELEMENTWISE))
        c->first = n;
}

typedef bool (*FitsFn)(const GfNode *n, const Fit *fit);

static bool all_fit(GfNode *const *nodes, uint32_t count, FitsFn fits, const Fit *fit)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i]->op != GF_OP_CONST && !fits(nodes[i], fit))
            return false;
    }
    return true;
}

static bool rows_limited(const GfNode *n, const Fit *fit)
{
    const GfType *domain = fit->domain;
    bool fits = domain->rank == 2 && (!fit->target || limited(&domain->dims[1], fit->target->row_limit));
    return fits || refuse(fit, GF_REFUSAL_ROW_LENGTH, n);
}

/* Only elementwise nodes have constants written into their code. */
static bool constants_fit(GfNode *const *nodes, uint32_t count, const Fit *fit)
{
    for (uint32_t i = 0; i < count; i++) {
        const GfNode *n = nodes[i];
        bool writes = is_map(n) && !gf_op_has(n->op, GF_GATHERS);
        for (uint32_t k = 0; !writes && n->kernel != GF_NO_KERNEL && k < n->operand_count; k++) {
            const GfNode *from = gf_operand(n, k)->node;
            if (from->op == GF_OP_CONST && from->kernel == n->kernel)
                return refuse(fit, GF_REFUSAL_CONSTANT, n);
        }
    }
    return true;
}

/* Rows or, where only scalars are broadcast, a flat walk over the elements. */
static bool form_of_maps(GfNode *const *nodes, uint32_t count, const Census *c, const Fit *fit, GfKernelForm *form)
{
    form->kind = GF_KERNEL_FLAT;
    if (all_fit(nodes, count, flat_fits, fit))
        return c->updates <= 1 || refuse(fit, GF_REFUSAL_UPDATES, c->update);
    form->kind = GF_KERNEL_ROW;
    return all_fit(nodes, count, row_fits, fit) && rows_limited(c->first, fit);
}

static bool form_of_many(GfNode *const *nodes, uint32_t count, const Census *c, const Fit *fit, GfKernelForm *form)
{
    if (c->opaques)
        return refuse(fit, GF_REFUSAL_OPAQUE, c->opaque);
    if (c->products && (c->rows || c->sums))
        return refuse(fit, GF_REFUSAL_MIXES_PRODUCT, c->rows ? c->row : c->sum);
    if (c->products && fit->target && c->products > fit->target->products_limit)
        return refuse(fit, GF_REFUSAL_PRODUCTS, c->product);
    if (c->heads > 1)
        return refuse(fit, GF_REFUSAL_HEADS, c->head);
    if (c->tails > 1)
        return refuse(fit, GF_REFUSAL_TAILS, c->tail);
    if (c->products)
        return all_fit(nodes, count, tile_fits, fit);
    if (c->rows && c->sums)
        return refuse(fit, GF_REFUSAL_MIXES_SUM, c->sum);
    if (c->rows)
        return rows_limited(c->row, fit) && all_fit(nodes, count, row_fits, fit);
    if (c->sums)
        return all_fit(nodes, count, colsum_fits, fit);
    return form_of_maps(nodes, count, c, fit, form);
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
    GfRefusal unseen;
    return gf_kernel_form_why(nodes, count, target, form, &unseen);
}

bool gf_kernel_form_why(GfNode *const *nodes, uint32_t count, const GfTarget *target, GfKernelForm *form,
                        GfRefusal *why)
{
    Fit fit = {.domain = &form->domain, .target = target, .why = why};
    Census c = {0};

    for (uint32_t i = 0; i < count; i++)
        count_node(&c, nodes[i]);
    if (!c.first) /* constants only: one of them, stored */
        c.first = c.constant;
    *form = form_by_class(&c);
    uint32_t coded = c.products + c.heads + c.tails + c.rows + c.sums + c.opaques + c.maps;
    if (coded == 0)
        return count == 1 || refuse(&fit, GF_REFUSAL_NO_EDGE, NULL);
    if (!constants_fit(nodes, count, &fit))
        return false;
    if (coded > 1 && target && coded > target->kernel_nodes)
        return refuse(&fit, GF_REFUSAL_TOO_MANY, c.last);
    if (coded > 1)
        return form_of_many(nodes, count, &c, &fit, form);
    if (c.maps && !flat_fits(c.first, &fit))
        form->kind = GF_KERNEL_ROW;
    return true;
}
