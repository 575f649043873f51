/* eval_attention.c -- the evaluator's attention over packed sequences.
 *
 * Sequence s is rows starts[s] .. starts[s] + lengths[s] - 1; head a reads and
 * writes columns a d .. a d + d - 1, d = h / heads.  Within a sequence, for each
 * head, with i a query and j a key:
 *
 *   S[i,j] = sum_c q[i,c] k[j,c] / sqrt d
 *   L[i]   = ln sum_j e^S[i,j]                      (result lse)
 *   P[i,j] = e^(S[i,j] - L[i])
 *   y[i,c] = sum_j P[i,j] D[i,j] v[j,c]             D: factors of dropout
 *
 * and its gradient:
 *
 *   dv[j,c] = sum_i P[i,j] D[i,j] dy[i,c]
 *   dS[i,j] = P[i,j] (D[i,j] sum_c dy[i,c] v[j,c] - sum_c dy[i,c] y[i,c])
 *   dq[i,c] = sum_j dS[i,j] k[j,c] / sqrt d
 *   dk[j,c] = sum_i dS[i,j] q[i,c] / sqrt d
 *
 * With first = 1 there is one query a sequence, i = 0, and row s of q, y, lse, dy
 * and dq is that of sequence s.  Rows of no sequence, and the one query of an empty
 * sequence, are zero in every result.
 */
#include "ir/eval.h"
#include "ir/philox.h"

#include <math.h>
#include <string.h>

/* One head of one sequence, and what is the same for all of them. */
typedef struct Head {
    const double *q, *k, *v;
    int64_t h, d, heads; /* columns, columns of a head */
    double scale, p;     /* 1 / sqrt d */
    int64_t key;
    int32_t rng[4];
    int64_t start, length, head;
    int64_t query, queries; /* rows of q: the first of the sequence, and how many */
} Head;

static Head head_new(const GfEvalArgs *a, uint32_t q)
{
    Head s = {.q = a->in[q]->data, .k = a->in[q + 1]->data, .v = a->in[q + 2]->data};

    s.h = gf_eval_columns(a->in[q]);
    s.heads = gf_attr_i(a->n, "heads");
    s.d = s.h / s.heads;
    s.scale = 1 / sqrt((double)s.d);
    s.p = gf_attr_f(a->n, "p");
    s.key = gf_attr_i(a->n, "key");
    gf_eval_rng(a->in[a->n->operand_count - 1], s.rng);
    return s;
}

/* Where the head's columns of row `i` of the sequence begin. */
static int64_t at(const Head *s, int64_t i)
{
    return (s->start + i) * s->h + s->head * s->d;
}

/* The same of query `i`, in q, y, dy and dq. */
static int64_t at_query(const Head *s, int64_t i)
{
    return (s->query + i) * s->h + s->head * s->d;
}

static double dot(const double *x, const double *y, int64_t count)
{
    double sum = 0;
    for (int64_t c = 0; c < count; c++)
        sum += x[c] * y[c];
    return sum;
}

/* S[i,j] */
static double score(const Head *s, int64_t i, int64_t j)
{
    return s->scale * dot(s->q + at_query(s, i), s->k + at(s, j), s->d);
}

/* L[i], shifted by the largest score so that no exponential overflows. */
static double log_sum_exp(const Head *s, int64_t i)
{
    double most = -INFINITY, sum = 0;

    for (int64_t j = 0; j < s->length; j++)
        most = fmax(most, score(s, i, j));
    for (int64_t j = 0; j < s->length; j++)
        sum += exp(score(s, i, j) - most);
    return most + log(sum);
}

/* D[i,j] */
static double drop(const Head *s, int64_t i, int64_t j)
{
    return gf_dropout_factor(s->rng, s->key, s->p, s->start + i, s->head * 65536 + j);
}

/* ---- sequences -------------------------------------------------------------------- */

static GfStatus check_sequence(const GfEvalArgs *a, uint32_t starts, int64_t s, int64_t rows)
{
    double start = a->in[starts]->data[s], length = a->in[starts + 1]->data[s];

    if (start >= 0 && length >= 0 && start + length <= (double)rows)
        return GF_OK;
    return gf_fail(a->diags, a->n->loc, GF_ERR_VALUE,
                   "'%s' has sequence %lld at row %.0f with length %.0f; there are %lld rows", gf_op_text(a->n->op),
                   (long long)s, start, length, (long long)rows);
}

static bool overlap(const double *starts, const double *lengths, int64_t s, int64_t t)
{
    return lengths[s] > 0 && lengths[t] > 0 && starts[s] < starts[t] + lengths[t] && starts[t] < starts[s] + lengths[s];
}

/* Every sequence lies within the rows and no two overlap. */
static GfStatus check_sequences(const GfEvalArgs *a, uint32_t starts, int64_t rows)
{
    const double *begin = a->in[starts]->data, *length = a->in[starts + 1]->data;

    for (int64_t s = 0; s < a->in[starts]->count; s++) {
        GF_TRY(check_sequence(a, starts, s, rows));
        for (int64_t t = 0; t < s; t++) {
            if (overlap(begin, length, s, t))
                return gf_fail(a->diags, a->n->loc, GF_ERR_VALUE, "'%s' has sequences %lld and %lld on the same rows",
                               gf_op_text(a->n->op), (long long)t, (long long)s);
        }
    }
    return GF_OK;
}

typedef void (*HeadFn)(const GfEvalArgs *a, const Head *s);

/* Zeroes the results, then calls `f` for every head of every sequence; q, k, v
 * are operands `q` and the two after, starts and lengths `starts` and the next. */
static GfStatus each_head(const GfEvalArgs *a, uint32_t q, uint32_t starts, HeadFn f)
{
    Head s = head_new(a, q);
    bool first = gf_attr_i(a->n, "first");

    GF_TRY(check_sequences(a, starts, gf_eval_rows(a->in[q + 1])));
    for (uint32_t i = 0; i < a->n->result_count; i++)
        memset(a->out[i].data, 0, (size_t)a->out[i].count * sizeof(double));
    for (int64_t i = 0; i < a->in[starts]->count; i++) {
        s.start = (int64_t)a->in[starts]->data[i];
        s.length = (int64_t)a->in[starts + 1]->data[i];
        s.query = first ? i : s.start;
        s.queries = first && s.length > 1 ? 1 : s.length;
        for (s.head = 0; s.head < s.heads; s.head++)
            f(a, &s);
    }
    return GF_OK;
}

/* ---- the ops ------------------------------------------------------------------------ */

static void attention_head(const GfEvalArgs *a, const Head *s)
{
    for (int64_t i = 0; i < s->queries; i++) {
        double lse = log_sum_exp(s, i), *y = a->out[0].data + at_query(s, i);
        for (int64_t j = 0; j < s->length; j++) {
            double weight = exp(score(s, i, j) - lse) * drop(s, i, j);
            for (int64_t c = 0; c < s->d; c++)
                y[c] += weight * s->v[at(s, j) + c];
        }
        a->out[1].data[(s->query + i) * s->heads + s->head] = lse;
    }
}

/* y and L; operands q, k, v, starts, lengths, rng */
GfStatus gf_eval_op_attention(const GfEvalArgs *a)
{
    return each_head(a, 0, 3, attention_head);
}

static void attention_grad_pair(const GfEvalArgs *a, const Head *s, int64_t i, int64_t j)
{
    const double *dy = a->in[0]->data + at_query(s, i), *y = a->in[4]->data + at_query(s, i);
    double *dq = a->out[0].data + at_query(s, i), *dk = a->out[1].data + at(s, j), *dv = a->out[2].data + at(s, j);
    double lse = a->in[5]->data[(s->query + i) * s->heads + s->head];
    double p = exp(score(s, i, j) - lse), factor = drop(s, i, j);
    double ds = p * (factor * dot(dy, s->v + at(s, j), s->d) - dot(dy, y, s->d));

    for (int64_t c = 0; c < s->d; c++) {
        dq[c] += s->scale * ds * s->k[at(s, j) + c];
        dk[c] += s->scale * ds * s->q[at_query(s, i) + c];
        dv[c] += p * factor * dy[c];
    }
}

static void attention_grad_head(const GfEvalArgs *a, const Head *s)
{
    for (int64_t i = 0; i < s->queries; i++) {
        for (int64_t j = 0; j < s->length; j++)
            attention_grad_pair(a, s, i, j);
    }
}

/* dq, dk, dv; operands dy, q, k, v, y, lse, starts, lengths, rng */
GfStatus gf_eval_op_attention_grad(const GfEvalArgs *a)
{
    return each_head(a, 1, 6, attention_grad_head);
}
