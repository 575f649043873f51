/* attention.c -- attention over packed sequences, forward and backward.
 *
 * A task is one head of one sequence of length n.  K is transposed into scratch
 * (and V too in the backward pass); then a block of query rows at a time is
 * taken through scores, softmax and the product with V.  Scratch holds
 * BLOCK x n values at a time: nothing of size tokens x tokens exists, and the
 * padding of a sequence is at most the rest of one vector.
 *
 *   S = q k' / sqrt(d),  P = softmax(S),  y = (P drop) v
 * backward, with P from the saved log-sum-exp and D_i = sum_j P_ij (drop dy v')_ij = dy_i y_i:
 *   dv = (P drop)' dy,  dS = P (drop (dy v') - D),  dq = dS k / sqrt(d),  dk = dS' q / sqrt(d)
 * Source: Vaswani et al., arXiv:1706.03762; recomputation from the log-sum-exp:
 * Dao et al., FlashAttention, arXiv:2205.14135.
 *
 * Query rows past the end of a block's sequence repeat the last row: they write
 * its results again, and count zero times in sums over query rows.
 *
 * With first = 1 a sequence has one query, of its row 0, which is row s of q, y,
 * lse, dy and dq; a block is that one row.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"

#include <math.h>

enum { BLOCK = 8, HEAD_SHIFT = 16 };

typedef struct Head {
    V q, k, v, y, lse, dy, dq, dk, dv; /* memory; NULL: not of this pass, or read by nobody */
    const Dropout *dropout;            /* NULL: p is 0 */
    V start, length, padded;           /* rows; padded: up to a whole vector */
    V query, queries;                  /* rows of q: the first of the sequence, and how many */
    V offset;                          /* first column of the head */
    V head;
    int64_t width, heads, size; /* columns of q; heads; columns a head */
    bool first;                 /* one query a sequence */
    int block;                  /* queries at a time: BLOCK or 1 */
    double p, scale;
    V kt, vt, pr, ps, ds; /* scratch: transposed k and v [size][padded]; P drop, P and dS [block][padded] */
} Head;

static bool whole_head(const Emit *e, const Head *h)
{
    return h->size % e->l->width == 0;
}

static V element(Emit *e, const Head *h, V row, V column)
{
    Ll *l = e->l;
    return ll_add(l, ll_add(l, ll_mul(l, row, ll_i(l, h->width)), h->offset), column);
}

/* Element index of (row of the sequence, column of the head). */
static V at(Emit *e, const Head *h, V row, V column)
{
    return element(e, h, ll_add(e->l, h->start, row), column);
}

/* The same in what has a row a query. */
static V at_query(Emit *e, const Head *h, V row, V column)
{
    return element(e, h, ll_add(e->l, h->query, row), column);
}

static V column_mask(Emit *e, const Head *h, V column)
{
    return whole_head(e, h) ? NULL : ll_mask_below(e->l, column, ll_i(e->l, h->size));
}

/* to[c][j] = by * from[j][c] for the rows of the sequence; 0 for j past its end. */
static void transpose_head(Emit *e, const Head *h, V from, double by, V to)
{
    Ll *l = e->l;
    V last = ll_sub(l, h->length, ll_i(l, 1));

    Loop j = ll_for(l, ll_i(l, 0), h->padded, l->width);
    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), l->width);
    V block[64], mask = column_mask(e, h, c.i);
    for (unsigned i = 0; i < l->width; i++) {
        V row = ll_add(l, j.i, ll_i(l, i));
        V value = ll_vload(l, from, at(e, h, ll_min(l, row, last), c.i), mask);
        V factor = ll_select(l, ll_lt(l, last, row), ll_f(l, 0), ll_f(l, by));
        block[i] = ll_fmul(l, value, ll_splat(l, factor));
    }
    ll_transpose(l, block);
    for (unsigned i = 0; i < l->width; i++)
        ll_vstore(l, block[i], to, ll_add(l, ll_mul(l, ll_add(l, c.i, ll_i(l, i)), h->padded), j.i), NULL);
    ll_end(l, &c);
    ll_end(l, &j);
}

/* acc[b] = sum_c a[rows[b]][c] t[c][j..] */
static void block_product(Emit *e, const Head *h, V a, const V *rows, V t, V j, V *acc)
{
    Ll *l = e->l;

    for (int b = 0; b < h->block; b++)
        ll_set(l, acc[b], ll_vf(l, 0));
    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), 1);
    V column = ll_vload(l, t, ll_add(l, ll_mul(l, c.i, h->padded), j), NULL);
    for (int b = 0; b < h->block; b++) {
        V x = ll_splat(l, ll_load_f(l, a, at_query(e, h, rows[b], c.i)));
        ll_set(l, acc[b], ll_fma(l, x, column, ll_get(l, acc[b])));
    }
    ll_end(l, &c);
}

/* out[rows[b]][c..] = by[b] sum_j weights[b][j] m[j][c..] */
static void weighted_rows(Emit *e, const Head *h, V weights, V m, const V *by, const V *rows, V out, V *acc)
{
    Ll *l = e->l;

    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), l->width);
    V mask = column_mask(e, h, c.i);
    for (int b = 0; b < h->block; b++)
        ll_set(l, acc[b], ll_vf(l, 0));
    Loop j = ll_for(l, ll_i(l, 0), h->length, 1);
    V row = ll_vload(l, m, at(e, h, j.i, c.i), mask);
    for (int b = 0; b < h->block; b++) {
        V w = ll_splat(l, ll_load_f(l, weights, ll_add(l, ll_mul(l, ll_i(l, b), h->padded), j.i)));
        ll_set(l, acc[b], ll_fma(l, w, row, ll_get(l, acc[b])));
    }
    ll_end(l, &j);
    for (int b = 0; b < h->block; b++)
        ll_vstore(l, ll_fmul(l, ll_get(l, acc[b]), by[b]), out, at_query(e, h, rows[b], c.i), mask);
    ll_end(l, &c);
}

/* factors[b] of the keys j.. of the block's rows, when there is dropout */
static void drop_factors(Emit *e, const Head *h, const V *rows, V j, V *factors)
{
    Ll *l = e->l;
    V column = ll_add(l, ll_mul(l, h->head, ll_i(l, 1 << HEAD_SHIFT)), j);

    DropoutPair pairs[BLOCK / 2];
    int count = 0;

    for (int b = 0; b < h->block; b += 2) {
        V row = ll_add(l, h->start, rows[b]);
        pairs[count++] = (DropoutPair){row, b + 1 < h->block ? ll_add(l, h->start, rows[b + 1]) : row, column};
    }
    for (int i = 0; h->dropout && i < count; i += DROPOUT_PAIRS)
        ll_dropout(l, h->dropout, h->p, pairs + i, count - i < DROPOUT_PAIRS ? 1 : DROPOUT_PAIRS, factors + 2 * i);
}

static V scratch_index(Emit *e, const Head *h, int b, V j)
{
    return ll_add(e->l, ll_mul(e->l, ll_i(e->l, b), h->padded), j);
}

static void clamp_rows(Emit *e, const Head *h, V first, V *rows)
{
    V last = ll_sub(e->l, h->queries, ll_i(e->l, 1));
    for (int b = 0; b < h->block; b++)
        rows[b] = ll_min(e->l, ll_add(e->l, first, ll_i(e->l, b)), last);
}

/* ---- forward ---------------------------------------------------------------------- */

/* pr[b][j] = scores; most[b] = their largest so far */
static void scores(Emit *e, const Head *h, const V *rows, V *acc, V *most)
{
    Ll *l = e->l;

    Loop j = ll_for(l, ll_i(l, 0), h->padded, l->width);
    block_product(e, h, h->q, rows, h->kt, j.i, acc);
    V inside = ll_mask_below(l, j.i, h->length);
    for (int b = 0; b < h->block; b++) {
        V s = ll_select(l, inside, ll_get(l, acc[b]), ll_vf(l, -3.0e38));
        ll_vstore(l, s, h->pr, scratch_index(e, h, b, j.i), NULL);
        ll_set(l, most[b], ll_fmax(l, s, ll_get(l, most[b])));
    }
    ll_end(l, &j);
}

/* pr[b][j] = e^(s - largest) drop, sums[b] their sum without drop */
static void exponentials(Emit *e, const Head *h, const V *rows, const V *largest, V *sums)
{
    Ll *l = e->l;
    V factors[BLOCK];

    Loop j = ll_for(l, ll_i(l, 0), h->padded, l->width);
    V inside = ll_mask_below(l, j.i, h->length);
    drop_factors(e, h, rows, j.i, factors);
    for (int b = 0; b < h->block; b++) {
        V index = scratch_index(e, h, b, j.i);
        V x = ll_exp(l, ll_fsub(l, ll_vload(l, h->pr, index, NULL), ll_splat(l, largest[b])));
        x = ll_select(l, inside, x, ll_vf(l, 0));
        ll_set(l, sums[b], ll_fadd(l, ll_get(l, sums[b]), x));
        ll_vstore(l, h->dropout ? ll_fmul(l, x, factors[b]) : x, h->pr, index, NULL);
    }
    ll_end(l, &j);
}

/* lse = largest + ln sum of rows [from, to), at most a vector's width of them: their
 * logarithms are taken in one. */
static void store_some_lse(Emit *e, const Head *h, const V *rows, const V *largest, const V *sum, int from, int to)
{
    Ll *l = e->l;
    V all = ll_vf(l, 1);

    for (int b = from; b < to; b++)
        all = LLVMBuildInsertElement(l->b, all, sum[b], ll_i32(l, b - from), "");
    all = ll_log(l, all);
    for (int b = from; b < to; b++) {
        V index = ll_mul(l, ll_add(l, h->query, rows[b]), ll_i(l, h->heads));
        V lse = ll_fadd(l, largest[b], ll_lane(l, all, (unsigned)(b - from)));
        ll_store_f(l, lse, h->lse, ll_add(l, index, h->head));
    }
}

static void store_lse(Emit *e, const Head *h, const V *rows, const V *largest, const V *sum)
{
    int width = (int)e->l->width;

    for (int b = 0; b < h->block; b += width)
        store_some_lse(e, h, rows, largest, sum, b, b + width < h->block ? b + width : h->block);
}

static void block_vars(Ll *l, V *vars)
{
    for (int b = 0; b < BLOCK; b++)
        vars[b] = ll_var(l, l->vf);
}

static void set_all(Ll *l, V *vars, double value)
{
    for (int b = 0; b < BLOCK; b++)
        ll_set(l, vars[b], ll_vf(l, value));
}

/* The one query of an empty sequence has a row of zeros: nothing else writes it. */
static void clear_query(Emit *e, const Head *h, V out)
{
    Ll *l = e->l;

    if (!h->first || !out)
        return;
    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), l->width);
    ll_vstore(l, ll_vf(l, 0), out, at_query(e, h, ll_i(l, 0), c.i), column_mask(e, h, c.i));
    ll_end(l, &c);
}

static void forward_head(Emit *e, const Head *h)
{
    Ll *l = e->l;
    V acc[BLOCK], most[BLOCK], sums[BLOCK], rows[BLOCK], largest[BLOCK], sum[BLOCK], by[BLOCK];

    block_vars(l, acc);
    block_vars(l, most);
    block_vars(l, sums);
    clear_query(e, h, h->y);
    if (h->first && h->lse)
        ll_store_f(l, ll_f(l, 0), h->lse, ll_add(l, ll_mul(l, h->query, ll_i(l, h->heads)), h->head));
    transpose_head(e, h, h->k, h->scale, h->kt);
    Loop first = ll_for(l, ll_i(l, 0), h->queries, h->block);
    clamp_rows(e, h, first.i, rows);
    set_all(l, most, -3.0e38);
    set_all(l, sums, 0);
    scores(e, h, rows, acc, most);
    for (int b = 0; b < h->block; b++)
        largest[b] = ll_largest(l, ll_get(l, most[b]));
    exponentials(e, h, rows, largest, sums);
    for (int b = 0; b < h->block; b++) {
        sum[b] = ll_sum(l, ll_get(l, sums[b]));
        by[b] = ll_splat(l, ll_fdiv(l, ll_f(l, 1), sum[b]));
    }
    if (h->lse)
        store_lse(e, h, rows, largest, sum);
    if (h->y)
        weighted_rows(e, h, h->pr, h->v, by, rows, h->y, acc);
    ll_end(l, &first);
}

/* ---- backward --------------------------------------------------------------------- */

/* First walk of a block: ps = e^(s - lse), pr = ps drop, ds = drop (dy v'); sums
 * of ps and of ps ds. */
static void block_products(Emit *e, const Head *h, const V *rows, V *acc, V *acc2, const V *lse, V *sums, V *dots)
{
    Ll *l = e->l;

    Loop j = ll_for(l, ll_i(l, 0), h->padded, l->width);
    block_product(e, h, h->q, rows, h->kt, j.i, acc);
    block_product(e, h, h->dy, rows, h->vt, j.i, acc2);
    V inside = ll_mask_below(l, j.i, h->length), factors[BLOCK];
    drop_factors(e, h, rows, j.i, factors);
    for (int b = 0; b < h->block; b++) {
        V index = scratch_index(e, h, b, j.i), dp = ll_get(l, acc2[b]);
        V p = ll_exp(l, ll_fsub(l, ll_get(l, acc[b]), ll_splat(l, lse[b])));
        p = ll_select(l, inside, p, ll_vf(l, 0));
        if (h->dropout) {
            dp = ll_fmul(l, dp, factors[b]);
            ll_vstore(l, ll_fmul(l, p, factors[b]), h->pr, index, NULL);
        }
        ll_vstore(l, p, h->ps, index, NULL);
        ll_vstore(l, dp, h->ds, index, NULL);
        ll_set(l, sums[b], ll_fadd(l, ll_get(l, sums[b]), p));
        ll_set(l, dots[b], ll_fma(l, p, dp, ll_get(l, dots[b])));
    }
    ll_end(l, &j);
}

/* Second walk: pr = P drop, ds = dS.  P is normalized by its own sum and D is
 * the sum of just these products: rounding of the log-sum-exp, which is large
 * where attention is sharp, and of y cancels. */
static void block_gradients(Emit *e, const Head *h, const V *scale, const V *dot)
{
    Ll *l = e->l;

    Loop j = ll_for(l, ll_i(l, 0), h->padded, l->width);
    for (int b = 0; b < h->block; b++) {
        V index = scratch_index(e, h, b, j.i), by = ll_splat(l, scale[b]);
        V p = ll_fmul(l, ll_vload(l, h->ps, index, NULL), by);
        V dropped = h->dropout ? ll_fmul(l, ll_vload(l, h->pr, index, NULL), by) : p;
        V ds = ll_fmul(l, p, ll_fsub(l, ll_vload(l, h->ds, index, NULL), ll_splat(l, dot[b])));
        ll_vstore(l, dropped, h->pr, index, NULL);
        ll_vstore(l, ds, h->ds, index, NULL);
    }
    ll_end(l, &j);
}

/* out[j] += by * sum_b weights[b][j] m[rows[b]] for every row j of the sequence */
static void add_outer(Emit *e, const Head *h, V first, V weights, V m, double by, const V *rows, V out)
{
    Ll *l = e->l;
    V factor[BLOCK];

    if (!out)
        return;
    for (int b = 0; b < h->block; b++) {
        V real = ll_lt(l, ll_add(l, first, ll_i(l, b)), h->queries);
        factor[b] = ll_splat(l, ll_select(l, real, ll_f(l, by), ll_f(l, 0)));
    }

    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), l->width);
    V mask = column_mask(e, h, c.i), row[BLOCK];
    for (int b = 0; b < h->block; b++)
        row[b] = ll_fmul(l, ll_vload(l, m, at_query(e, h, rows[b], c.i), mask), factor[b]);
    Loop j = ll_for(l, ll_i(l, 0), h->length, 1);
    V index = at(e, h, j.i, c.i), sum = ll_vload(l, out, index, mask);
    for (int b = 0; b < h->block; b++) {
        V w = ll_splat(l, ll_load_f(l, weights, scratch_index(e, h, b, j.i)));
        sum = ll_fma(l, w, row[b], sum);
    }
    ll_vstore(l, sum, out, index, mask);
    ll_end(l, &j);
    ll_end(l, &c);
}

static void clear_rows(Emit *e, const Head *h, V out)
{
    Ll *l = e->l;

    if (!out)
        return;
    Loop j = ll_for(l, ll_i(l, 0), h->length, 1);
    Loop c = ll_for(l, ll_i(l, 0), ll_i(l, h->size), l->width);
    ll_vstore(l, ll_vf(l, 0), out, at(e, h, j.i, c.i), column_mask(e, h, c.i));
    ll_end(l, &c);
    ll_end(l, &j);
}

static void backward_head(Emit *e, const Head *h)
{
    Ll *l = e->l;
    V acc[BLOCK], acc2[BLOCK], sums[BLOCK], dots[BLOCK], rows[BLOCK], dot[BLOCK], lse[BLOCK], scale[BLOCK], by[BLOCK];

    block_vars(l, acc);
    block_vars(l, acc2);
    block_vars(l, sums);
    block_vars(l, dots);
    transpose_head(e, h, h->k, h->scale, h->kt);
    transpose_head(e, h, h->v, 1, h->vt);
    clear_query(e, h, h->dq);
    clear_rows(e, h, h->dk);
    clear_rows(e, h, h->dv);
    Loop first = ll_for(l, ll_i(l, 0), h->queries, h->block);
    clamp_rows(e, h, first.i, rows);
    for (int b = 0; b < h->block; b++) {
        V index = ll_mul(l, ll_add(l, h->query, rows[b]), ll_i(l, h->heads));
        lse[b] = ll_load_f(l, h->lse, ll_add(l, index, h->head));
        by[b] = ll_vf(l, h->scale);
    }
    set_all(l, sums, 0);
    set_all(l, dots, 0);
    block_products(e, h, rows, acc, acc2, lse, sums, dots);
    for (int b = 0; b < h->block; b++) {
        scale[b] = ll_fdiv(l, ll_f(l, 1), ll_sum(l, ll_get(l, sums[b])));
        dot[b] = ll_fmul(l, ll_sum(l, ll_get(l, dots[b])), scale[b]);
    }
    block_gradients(e, h, scale, dot);
    add_outer(e, h, first.i, h->pr, h->dy, 1, rows, h->dv);
    add_outer(e, h, first.i, h->ds, h->q, h->scale, rows, h->dk);
    if (h->dq)
        weighted_rows(e, h, h->ds, h->k, by, rows, h->dq, acc);
    ll_end(l, &first);
}

/* ---- kernels ----------------------------------------------------------------------- */

static V result_base(Emit *e, const GfNode *n, uint32_t i)
{
    return emit_base(e, &n->results[i]);
}

static void common(Emit *e, const GfNode *n, const GfValue *k, const GfValue *lengths, Head *h)
{
    h->heads = gf_attr_i(n, "heads");
    h->width = emit_shape(&k->type).cols.size;
    h->size = h->width / h->heads;
    h->scale = 1.0 / sqrt((double)h->size);
    h->p = gf_attr_f(n, "p");
    h->dropout = emit_dropout(e, n);
    h->first = gf_attr_i(n, "first");
    h->block = h->first ? 1 : BLOCK;
    int64_t rows = emit_dim_max(e, emit_shape(&k->type).rows), w = e->l->width;
    int64_t padded = (rows + w - 1) / w * w, size = (h->size + w - 1) / w * w;
    h->kt = emit_scratch(e, size * padded * 4);
    h->vt = h->dy ? emit_scratch(e, size * padded * 4) : NULL;
    h->pr = emit_scratch(e, h->block * padded * 4);
    h->ds = h->dy ? emit_scratch(e, h->block * padded * 4) : NULL;
    h->ps = h->dy ? emit_scratch(e, h->block * padded * 4) : NULL;
    e->work = (GfWork){.dim = {lengths->type.dims[0], gf_dim_const(h->heads)}, .unit = {1, 1}};
}

static GfStatus write_kernel(Emit *e, Head *h, V starts, V lengths, void (*body)(Emit *, const Head *))
{
    Ll *l = e->l;
    Loop task = ll_for(l, e->begin, e->end, 1);
    V seq = ll_sdiv(l, task.i, ll_i(l, h->heads));

    h->head = ll_srem(l, task.i, ll_i(l, h->heads));
    h->offset = ll_mul(l, h->head, ll_i(l, h->size));
    h->start = ll_load_i32(l, starts, seq);
    h->length = ll_load_i32(l, lengths, seq);
    h->padded = ll_round_up(l, h->length, l->width);
    h->query = h->first ? seq : h->start;
    h->queries = h->first ? ll_min(l, h->length, ll_i(l, 1)) : h->length;
    body(e, h);
    ll_end(l, &task);
    return GF_OK;
}

static GfStatus attention_kernel(Emit *e, const GfNode *n)
{
    Head h = {.q = emit_base(e, gf_operand(n, 0)),
              .k = emit_base(e, gf_operand(n, 1)),
              .v = emit_base(e, gf_operand(n, 2)),
              .y = result_base(e, n, 0),
              .lse = result_base(e, n, 1)};

    common(e, n, gf_operand(n, 1), gf_operand(n, 4), &h);
    return write_kernel(e, &h, emit_base(e, gf_operand(n, 3)), emit_base(e, gf_operand(n, 4)), forward_head);
}

const CpuOp cpu_attention = {.kernel = attention_kernel};

static GfStatus attention_grad_kernel(Emit *e, const GfNode *n)
{
    Head h = {.dy = emit_base(e, gf_operand(n, 0)),
              .q = emit_base(e, gf_operand(n, 1)),
              .k = emit_base(e, gf_operand(n, 2)),
              .v = emit_base(e, gf_operand(n, 3)),
              .lse = emit_base(e, gf_operand(n, 5)),
              .dq = result_base(e, n, 0),
              .dk = result_base(e, n, 1),
              .dv = result_base(e, n, 2)};

    common(e, n, gf_operand(n, 2), gf_operand(n, 7), &h);
    return write_kernel(e, &h, emit_base(e, gf_operand(n, 6)), emit_base(e, gf_operand(n, 7)), backward_head);
}

const CpuOp cpu_attention_grad = {.kernel = attention_grad_kernel};
