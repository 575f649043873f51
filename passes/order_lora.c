/* order_lora.c -- products of three factors in the order that takes fewest operations.
 *
 *   before {tokens = 712}                              after
 *   %1 = matmul %dy, %x {transpose_a = 1} : f32[m,k]   %4 = linear %x, %A : f32[tokens,8]
 *   %2 = scale %1 {by = 4.0} : f32[m,k]                %5 = matmul %dy, %4 {transpose_a = 1} : f32[m,8]
 *   %3 = matmul %2, %A {transpose_b = 1} : f32[m,8]    %6 = scale %5 {by = 4.0} : f32[m,8]
 *
 *   %1 = linear %x, %w, %c                             %4 = matmul %B, %A : f32[m,k]
 *   %2 = linear %x, %A                                 %5 = add %w, %4 : f32[m,k]
 *   %3 = linear %2, %B                                 %6 = linear %x, %5, %c : f32[tokens,m]
 *   add %1, %3
 *
 * 1. Chains.  A product x y that, over scales and signs, only products read: each
 *    of those, x y z or z x y, can be computed from the other end, x (y z) or
 *    (z x) y.  All of them are or none, since as long as one reads x y it has to
 *    be computed.  The factor of the scales goes to the smaller of the results.
 * 2. Sums.  An adapter without dropout (low_rank.h) becomes part of the weight.
 * Each where the operations are fewer: 2 rows columns inner of a product, and of a
 * sum its scale and additions.  `tokens` and `seqs` say at which sizes; a symbol
 * without a size counts as 1 and as 65536, and the new order must win at both.
 * The counter flops is what is saved at the size, or at 1.
 *
 * Before autodiff, step 2 gives y = x (w + B A)', and with it dx = dy (w + B A):
 * the backward pass has no low-rank product on the way of dx.  Behind autodiff,
 * step 1 takes the gradients of A and B apart from that of w, which is not wanted.
 * A mask between the factors stops both: with dropout the order is given.
 *
 * Operations are not time: where the weight is frozen, x (w + B A)' packs anew what
 * was packed once, so on the cpu target the sums of step 2 are slower though they
 * are fewer.  Hence it is not part of the training pipeline.
 *
 * Legal: products associate; additions are made in another order, and nobody
 * else reads the values that go.  Products of rounded factors, and inner products
 * with a bias, stay.  O(nodes + readers).
 * Source: RunLoRA, Cherniuk et al., arXiv:2312.03415, whose five ways forward and
 * backward are what these two steps choose from.  Tests: tests/golden/order-lora/.
 */
#include "passes/declare.h"
#include "passes/merge_lora.h"

#include <string.h>

enum { MANY = 65536, MAX_READERS = 8, SIZINGS = 2 };

typedef struct Order {
    GfPassCtx *cx;
    GfGraph *g;
    int64_t sizes[SIZINGS][GF_MAX_SYMBOLS]; /* at which operations are counted */
} Order;

/* A matrix as a product reads it. */
typedef struct Factor {
    GfValue *v;
    bool transposed;
} Factor;

/* Operations at each of the sizings. */
typedef struct Cost {
    double at[SIZINGS];
} Cost;

/* x y, by, and the products that read it. */
typedef struct Chain {
    GfNode *bottom, *top; /* the product x y, and what gives what they read */
    Factor x, y;
    double by;
    GfUse *readers[MAX_READERS];
    uint32_t count;
} Chain;

/* Three factors of one reader, in order: (f0 f1) f2 where `left`, else f0 (f1 f2). */
typedef struct Triple {
    Factor f[3];
    bool left;
} Triple;

/* ---- operations -------------------------------------------------------------------- */

static const GfDim one = {.symbol = GF_CONSTANT, .size = 1};

static void add_operations(const Order *o, Cost *cost, double each, GfDim a, GfDim b, GfDim c)
{
    for (int i = 0; i < SIZINGS; i++)
        cost->at[i] += each * (double)gf_dim_value(a, o->sizes[i]) * (double)gf_dim_value(b, o->sizes[i]) *
                       (double)gf_dim_value(c, o->sizes[i]);
}

static bool is_less(const Cost *a, const Cost *b)
{
    for (int i = 0; i < SIZINGS; i++) {
        if (!(a->at[i] < b->at[i]))
            return false;
    }
    return true;
}

static void count_saved(const Order *o, const Cost *before, const Cost *after)
{
    o->cx->counts[2] += (int64_t)(before->at[0] - after->at[0]);
}

/* ---- factors --------------------------------------------------------------------- */

static Factor factor(const GfNode *n, uint32_t i)
{
    bool linear = n->op == GF_OP_LINEAR;
    return (Factor){gf_operand(n, i), linear ? i == 1 : gf_attr_i(n, i == 0 ? "transpose_a" : "transpose_b") != 0};
}

static GfDim rows(const Factor *f)
{
    return f->v->type.dims[f->transposed ? 1 : 0];
}

static GfDim columns(const Factor *f)
{
    return f->v->type.dims[f->transposed ? 0 : 1];
}

/* (x y)' = y' x' */
static Triple triple_of(const Chain *c, const GfUse *use)
{
    const GfNode *n = use->user;
    bool left = use == &n->operands[0], turn = factor(n, left ? 0 : 1).transposed;
    Factor x = turn ? c->y : c->x, y = turn ? c->x : c->y;

    x.transposed ^= turn;
    y.transposed ^= turn;
    if (left)
        return (Triple){{x, y, factor(n, 1)}, true};
    return (Triple){{factor(n, 0), x, y}, false};
}

/* ---- 1. chains: which ------------------------------------------------------------------ */

static bool can_read(const GfUse *use)
{
    const GfNode *n = use->user;
    uint32_t slot = (uint32_t)(use - n->operands);

    return gf_is_exact_product(n) && slot < 2 && gf_operand(n, 1 - slot) != use->value;
}

/* From the product `n` over scales and signs to what its readers read. */
static GfNode *climb(GfNode *n, double *by)
{
    GfNode *up = gf_only_user(n);

    while (up && (up->op == GF_OP_SCALE || up->op == GF_OP_NEG)) {
        *by *= up->op == GF_OP_SCALE ? gf_attr_f(up, "by") : -1;
        n = up;
        up = gf_only_user(n);
    }
    return n;
}

static bool find_chain(GfNode *n, Chain *c)
{
    if (!gf_is_exact_product(n) || n->operand_count != 2)
        return false;
    *c = (Chain){.bottom = n, .x = factor(n, 0), .y = factor(n, 1), .by = 1};
    c->top = climb(n, &c->by);
    for (GfUse *u = c->top->results[0].uses; u; u = u->next) {
        if (c->count == MAX_READERS || !can_read(u))
            return false;
        c->readers[c->count++] = u;
    }
    return c->count > 0;
}

static void count_reader(const Order *o, const Triple *t, Cost *before, Cost *after)
{
    GfDim d0 = rows(&t->f[0]), d1 = columns(&t->f[0]), d2 = columns(&t->f[1]), d3 = columns(&t->f[2]);

    add_operations(o, t->left ? before : after, 2, d0, d2, d3); /* of (f0 f1) with f2 */
    add_operations(o, t->left ? after : before, 2, d0, d1, d3); /* of f0 with (f1 f2) */
    add_operations(o, after, 2, t->left ? d1 : d0, t->left ? d2 : d1, t->left ? d3 : d2);
}

/* The scale is left out: it costs little, and one remains. */
static bool chain_gains(const Order *o, const Chain *c)
{
    Cost before = {0}, after = {0};

    add_operations(o, &before, 2, rows(&c->x), columns(&c->x), columns(&c->y));
    for (uint32_t i = 0; i < c->count; i++) {
        Triple t = triple_of(c, c->readers[i]);
        count_reader(o, &t, &before, &after);
    }
    if (!is_less(&after, &before))
        return false;
    count_saved(o, &before, &after);
    return true;
}

/* ---- 1. chains: the other order ---------------------------------------------------------- */

static GfValue *build(const Order *o, GfNode *at, GfOp op, const GfAttr *attrs, uint32_t attr_count, GfValue *a,
                      GfValue *b)
{
    if (!a)
        return NULL;
    return gf_build(o->g, at, at, o->cx->diags, op, attrs, attr_count, (GfValue *[]){a, b}, b ? 2 : 1);
}

static GfValue *product(const Order *o, GfNode *at, Factor a, Factor b)
{
    GfAttr attrs[] = {gf_attr_int("transpose_a", a.transposed), gf_attr_int("transpose_b", b.transposed)};
    bool linear = !a.transposed && b.transposed;

    return a.v && b.v ? build(o, at, linear ? GF_OP_LINEAR : GF_OP_MATMUL, attrs, linear ? 0 : 2, a.v, b.v) : NULL;
}

static GfValue *scaled(const Order *o, GfNode *at, GfValue *v, double by)
{
    GfAttr attr = gf_attr_float("by", by);
    return by == 1 ? v : build(o, at, GF_OP_SCALE, &attr, 1, v, NULL);
}

static bool has_fewer_elements(const Order *o, const GfValue *a, const GfValue *b)
{
    return a && gf_type_elements(&a->type, o->sizes[1]) < gf_type_elements(&b->type, o->sizes[1]);
}

/* Compute what a reader gives from the other end, and use it instead. */
static GfStatus turn_reader(const Order *o, const Chain *c, GfUse *use)
{
    GfNode *at = use->user;
    Triple t = triple_of(c, use);
    GfValue *inner = t.left ? product(o, at, t.f[1], t.f[2]) : product(o, at, t.f[0], t.f[1]);
    bool early = has_fewer_elements(o, inner, gf_result(at)); /* where fewer elements are scaled */
    Factor first = {scaled(o, at, inner, early ? c->by : 1), false};
    GfValue *outer = t.left ? product(o, at, t.f[0], first) : product(o, at, first, t.f[2]);

    outer = scaled(o, at, outer, early ? 1 : c->by);
    if (at->operand_count == 3)
        outer = build(o, at, GF_OP_ADD, NULL, 0, outer, gf_operand(at, 2));
    if (!outer)
        return gf_build_status(o->cx);
    gf_replace_uses(o->g, gf_result(at), outer);
    return GF_OK;
}

static GfStatus turn_chain(const Order *o, const Chain *c)
{
    GfNode *readers[MAX_READERS];

    for (uint32_t i = 0; i < c->count; i++) {
        readers[i] = c->readers[i]->user;
        GF_TRY(turn_reader(o, c, c->readers[i]));
    }
    for (uint32_t i = 0; i < c->count; i++)
        gf_remove(o->g, readers[i]);
    for (GfNode *n = c->top, *below; n; n = n == c->bottom ? NULL : below) {
        below = gf_operand(n, 0)->node;
        gf_remove(o->g, n);
    }
    o->cx->counts[0]++;
    return GF_OK;
}

/* ---- 2. sums ------------------------------------------------------------------------------- */

static bool sum_gains(const Order *o, const GfLowRank *ad)
{
    GfDim n = ad->x->type.dims[0], k = ad->w->type.dims[1], m = ad->w->type.dims[0], r = ad->b->type.dims[1];
    Cost before = {0}, after = {0};

    if (ad->drops)
        return false;
    add_operations(o, &before, 2, n, k, r);
    add_operations(o, &before, 2, n, r, m);
    add_operations(o, &before, 1, n, m, one);
    add_operations(o, &after, 2, m, r, k);
    add_operations(o, &after, ad->by == 1 ? 1 : 2, m, k, one);
    if (!is_less(&after, &before))
        return false;
    count_saved(o, &before, &after);
    return true;
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* Go on behind what was made of `n`; sets *next. */
static GfStatus order_node(const Order *o, GfNode *n, GfNode **next)
{
    GfNode *before = n->prev;
    GfLowRank ad;
    Chain c;

    if (gf_low_rank_find(n, &ad) && sum_gains(o, &ad)) {
        GF_TRY(gf_merge_low_rank(o->cx, o->g, &ad));
        o->cx->counts[1]++;
    } else if (find_chain(n, &c) && chain_gains(o, &c)) {
        GF_TRY(turn_chain(o, &c));
        *next = before ? before->next : o->g->first;
    }
    return GF_OK;
}

/* A size for every symbol: the option's, or one and many. */
static GfStatus read_sizes(Order *o)
{
    for (uint32_t s = 0; s < o->g->symbol_count; s++) {
        bool tokens = strcmp(o->g->symbols[s], "tokens") == 0, seqs = strcmp(o->g->symbols[s], "seqs") == 0;
        int64_t size = tokens || seqs ? gf_option_i(o->cx, tokens ? "tokens" : "seqs") : 0;
        if (size < 0 || size > INT32_MAX)
            return gf_fail(o->cx->diags, o->cx->loc, GF_ERR_PASS, "'order-lora' needs 0 <= %s <= %d, got %lld",
                           o->g->symbols[s], INT32_MAX, (long long)size);
        o->sizes[0][s] = size ? size : 1;
        o->sizes[1][s] = size ? size : MANY;
    }
    return GF_OK;
}

GfStatus gf_pass_order_lora(GfPassCtx *cx, GfGraph *g)
{
    Order o = {.cx = cx, .g = g};

    GF_TRY(read_sizes(&o));
    for (GfNode *n = g->first, *next; n; n = next) {
        next = n->next;
        GF_TRY(order_node(&o, n, &next));
    }
    return GF_OK;
}
