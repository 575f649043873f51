/* eval_products.c -- the evaluator's matrix products, and sums of rows by ids. */
#include "ir/eval.h"

#include <math.h>
#include <string.h>

/* ---- rounded factors ---------------------------------------------------------------- */

typedef double (*RoundFn)(double x);

static double exact(double x)
{
    return x;
}

/* An f32 with the lowest `bits` of its mantissa rounded away; `even`: ties to even, else away from zero. */
static double drop_bits(double x, int bits, bool even)
{
    float f = (float)x;
    uint32_t u, half = (uint32_t)1 << (bits - 1), mask = ((uint32_t)1 << bits) - 1;

    if (!isfinite(f))
        return f;
    memcpy(&u, &f, sizeof u);
    u += even ? half - 1 + ((u >> bits) & 1) : half;
    u &= ~mask;
    memcpy(&f, &u, sizeof f);
    return f;
}

static double to_bf16(double x)
{
    return drop_bits(x, 16, true);
}

static double to_tf32(double x)
{
    return drop_bits(x, 13, false);
}

static RoundFn rounding(const GfNode *n)
{
    const char *round = gf_attr_s(n, "round");

    if (!round || !*round)
        return exact;
    return strcmp(round, "bf16") == 0 ? to_bf16 : to_tf32;
}

/* ---- products ------------------------------------------------------------------------ */

/* y[i,j] = sum_k x[i,k] w[j,k] + b[j] */
GfStatus gf_eval_op_linear(const GfEvalArgs *a)
{
    const double *x = a->in[0]->data, *w = a->in[1]->data;
    const double *b = a->n->operand_count == 3 ? a->in[2]->data : NULL;
    int64_t n = gf_eval_rows(a->out), m = gf_eval_columns(a->out), inner = gf_eval_columns(a->in[0]);
    RoundFn r = rounding(a->n);

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++)
                sum += r(x[i * inner + k]) * r(w[j * inner + k]);
            a->out->data[i * m + j] = b ? sum + b[j] : sum;
        }
    }
    return GF_OK;
}

/* How a matrix is read: element [i,k] lies at i row + k column. */
typedef struct Strides {
    int64_t row, column;
} Strides;

static Strides strides_of(const GfTensor *t, bool transposed)
{
    int64_t columns = gf_eval_columns(t);
    return transposed ? (Strides){1, columns} : (Strides){columns, 1};
}

/* y[i,j] = sum_k a[i,k] b[k,j], either operand read transposed if asked */
GfStatus gf_eval_op_matmul(const GfEvalArgs *a)
{
    bool transpose_a = gf_attr_i(a->n, "transpose_a"), transpose_b = gf_attr_i(a->n, "transpose_b");
    Strides s = strides_of(a->in[0], transpose_a), t = strides_of(a->in[1], transpose_b);
    int64_t n = gf_eval_rows(a->out), m = gf_eval_columns(a->out);
    int64_t inner = transpose_a ? gf_eval_rows(a->in[0]) : gf_eval_columns(a->in[0]);
    RoundFn r = rounding(a->n);

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++)
                sum += r(a->in[0]->data[i * s.row + k * s.column]) * r(a->in[1]->data[k * t.row + j * t.column]);
            a->out->data[i * m + j] = sum;
        }
    }
    return GF_OK;
}

/* y[v,j] = sum of x[i,j] over i with ids[i] = v, in order of i */
GfStatus gf_eval_op_scatter_add(const GfEvalArgs *a)
{
    const GfTensor *x = a->in[0], *ids = a->in[1];
    int64_t columns = x->type.rank == 2 ? x->type.dims[1].size : 1, row;

    memset(a->out->data, 0, (size_t)a->out->count * sizeof *a->out->data);
    for (int64_t i = 0; i < ids->count; i++) {
        GF_TRY(gf_eval_index(a, ids, i, a->out->type.dims[0].size, &row));
        for (int64_t j = 0; j < columns; j++)
            a->out->data[row * columns + j] += x->data[i * columns + j];
    }
    return GF_OK;
}
