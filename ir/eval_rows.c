/* eval_rows.c -- the evaluator's ops along rows, over rows and over everything.
 * A vector is one row.
 */
#include "ir/eval.h"

#include <math.h>

static const double *row_of(const GfTensor *t, int64_t i)
{
    return t->data + i * gf_eval_columns(t);
}

static double sum_of(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i];
    return sum;
}

static double dot(const double *x, const double *y, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

/* ---- layer norm ---------------------------------------------------------------- */

static double variance(const double *x, double mean, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)count;
}

/* mean[i] = mean_j x[i,j],  rstd[i] = 1 / sqrt(mean_j (x[i,j] - mean[i])^2 + eps)
 * y[i,j] = (x[i,j] - mean[i]) rstd[i] g[j] + b[j] */
GfStatus gf_eval_op_layer_norm(const GfEvalArgs *a)
{
    const double *g = a->in[1]->data, *b = a->in[2]->data;
    int64_t rows = gf_eval_rows(a->in[0]), columns = gf_eval_columns(a->in[0]);
    double eps = gf_attr_f(a->n, "eps");

    for (int64_t i = 0; i < rows; i++) {
        const double *x = row_of(a->in[0], i);
        double mean = sum_of(x, columns) / (double)columns;
        double rstd = 1 / sqrt(variance(x, mean, columns) + eps);
        for (int64_t j = 0; j < columns; j++)
            a->out[0].data[i * columns + j] = (x[j] - mean) * rstd * g[j] + b[j];
        a->out[1].data[i] = mean;
        a->out[2].data[i] = rstd;
    }
    return GF_OK;
}

/* With h = (x - mean) rstd and e = dy g, along row i:
 *   dx = rstd (e - mean_j e - h mean_j(e h)) */
static void layer_norm_grad_row(const GfEvalArgs *a, int64_t i)
{
    const double *dy = row_of(a->in[0], i), *x = row_of(a->in[1], i), *g = a->in[2]->data;
    double mean = a->in[3]->data[i], rstd = a->in[4]->data[i], sum_e = 0, sum_eh = 0;
    int64_t columns = gf_eval_columns(a->in[1]);

    for (int64_t j = 0; j < columns; j++) {
        sum_e += dy[j] * g[j];
        sum_eh += dy[j] * g[j] * (x[j] - mean) * rstd;
    }
    for (int64_t j = 0; j < columns; j++) {
        double h = (x[j] - mean) * rstd;
        a->out->data[i * columns + j] = rstd * (dy[j] * g[j] - sum_e / (double)columns - h * sum_eh / (double)columns);
    }
}

GfStatus gf_eval_op_layer_norm_grad(const GfEvalArgs *a)
{
    for (int64_t i = 0; i < gf_eval_rows(a->in[1]); i++)
        layer_norm_grad_row(a, i);
    return GF_OK;
}

/* ---- softmax and cross entropy ---------------------------------------------------- */

static double largest(const double *x, int64_t count)
{
    double most = -INFINITY;
    for (int64_t j = 0; j < count; j++)
        most = fmax(most, x[j]);
    return most;
}

/* sum_j e^(x[j] - most): shifted by the largest, no exponential overflows. */
static double shifted_sum(const double *x, double most, int64_t count)
{
    double sum = 0;
    for (int64_t j = 0; j < count; j++)
        sum += exp(x[j] - most);
    return sum;
}

static void softmax_row(const double *x, int64_t count, double *y)
{
    double most = largest(x, count), sum = shifted_sum(x, most, count);
    for (int64_t j = 0; j < count; j++)
        y[j] = exp(x[j] - most) / sum;
}

/* y[i,j] = e^x[i,j] / sum_k e^x[i,k] */
GfStatus gf_eval_op_softmax(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->out);

    for (int64_t i = 0; i < gf_eval_rows(a->out); i++)
        softmax_row(row_of(a->in[0], i), columns, a->out->data + i * columns);
    return GF_OK;
}

/* dx[i,j] = y[i,j] (dy[i,j] - sum_k dy[i,k] y[i,k]) */
GfStatus gf_eval_op_softmax_grad(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->out);

    for (int64_t i = 0; i < gf_eval_rows(a->out); i++) {
        const double *y = row_of(a->in[0], i), *dy = row_of(a->in[1], i);
        double sum = dot(dy, y, columns);
        for (int64_t j = 0; j < columns; j++)
            a->out->data[i * columns + j] = y[j] * (dy[j] - sum);
    }
    return GF_OK;
}

static GfStatus label_at(const GfEvalArgs *a, int64_t i, int64_t *label)
{
    int64_t classes = gf_eval_columns(a->in[0]);

    *label = (int64_t)a->in[1]->data[i];
    if (*label >= 0 && *label < classes)
        return GF_OK;
    return gf_fail(a->diags, a->n->loc, GF_ERR_LABEL, "'%s' has label %lld in row %lld; valid is 0 to %lld",
                   gf_op_text(a->n->op), (long long)*label, (long long)i, (long long)classes - 1);
}

/* y[i,0] = ln sum_j e^x[i,j] - x[i,labels[i]] */
GfStatus gf_eval_op_cross_entropy(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->in[0]), label;

    for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++) {
        const double *x = row_of(a->in[0], i);
        GF_TRY(label_at(a, i, &label));
        double most = largest(x, columns);
        a->out->data[i] = log(shifted_sum(x, most, columns)) + (most - x[label]);
    }
    return GF_OK;
}

/* dx[i,j] = (softmax(x)[i,j] - (1 if j = labels[i])) dy[i,0] */
GfStatus gf_eval_op_cross_entropy_grad(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->in[0]), label;

    for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++) {
        double *dx = a->out->data + i * columns;
        GF_TRY(label_at(a, i, &label));
        softmax_row(row_of(a->in[0], i), columns, dx);
        dx[label] -= 1;
        for (int64_t j = 0; j < columns; j++)
            dx[j] *= a->in[2]->data[i];
    }
    return GF_OK;
}

/* ---- sums ----------------------------------------------------------------------------- */

/* y[i,0] = sum_j x[i,j] */
GfStatus gf_eval_op_sum_cols(const GfEvalArgs *a)
{
    for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++)
        a->out->data[i] = sum_of(row_of(a->in[0], i), gf_eval_columns(a->in[0]));
    return GF_OK;
}

/* y[i,0] = max_j x[i,j] */
GfStatus gf_eval_op_max_cols(const GfEvalArgs *a)
{
    for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++)
        a->out->data[i] = largest(row_of(a->in[0], i), gf_eval_columns(a->in[0]));
    return GF_OK;
}

/* y[i,0] = x[i,labels[i]] */
GfStatus gf_eval_op_pick_cols(const GfEvalArgs *a)
{
    int64_t label;

    for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++) {
        GF_TRY(label_at(a, i, &label));
        a->out->data[i] = row_of(a->in[0], i)[label];
    }
    return GF_OK;
}

/* y[j] = sum_i x[i,j] */
GfStatus gf_eval_op_sum_rows(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->in[0]);

    for (int64_t j = 0; j < columns; j++) {
        a->out->data[j] = 0;
        for (int64_t i = 0; i < gf_eval_rows(a->in[0]); i++)
            a->out->data[j] += a->in[0]->data[i * columns + j];
    }
    return GF_OK;
}

/* y = sum of all elements */
GfStatus gf_eval_op_sum(const GfEvalArgs *a)
{
    a->out->data[0] = sum_of(a->in[0]->data, a->in[0]->count);
    return GF_OK;
}

/* y = mean of all elements */
GfStatus gf_eval_op_mean(const GfEvalArgs *a)
{
    a->out->data[0] = sum_of(a->in[0]->data, a->in[0]->count) / (double)a->in[0]->count;
    return GF_OK;
}

/* y[q] = sum of x[i]^2 over q s <= i < (q+1) s, where s = ceil(count / parts) */
GfStatus gf_eval_op_sum_squares(const GfEvalArgs *a)
{
    int64_t count = a->in[0]->count, parts = a->out->count, slice = (count + parts - 1) / parts;

    for (int64_t q = 0; q < parts; q++) {
        int64_t begin = q * slice < count ? q * slice : count;
        int64_t end = count - begin < slice ? count : begin + slice;
        a->out->data[q] = dot(a->in[0]->data + begin, a->in[0]->data + begin, end - begin);
    }
    return GF_OK;
}

/* y = sqrt(sum of all elements of all operands) */
GfStatus gf_eval_op_global_norm(const GfEvalArgs *a)
{
    double sum = 0;

    for (uint32_t i = 0; i < a->n->operand_count; i++)
        sum += sum_of(a->in[i]->data, a->in[i]->count);
    a->out->data[0] = sqrt(sum);
    return GF_OK;
}
