/* eval_elementwise.c -- the evaluator's elementwise ops: y[i] from operands at
 * [i], broadcast as in numpy, or gathered by row.
 */
#include "ir/eval.h"
#include "ir/philox.h"

#include <math.h>

#define SQRT_HALF 0.70710678118654752440
#define INVERSE_SQRT_2PI 0.39894228040143267794

/* ---- one operand ------------------------------------------------------------- */

static GfStatus map(const GfEvalArgs *a, double (*f)(double))
{
    const double *x = a->in[0]->data;
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = f(x[i]);
    return GF_OK;
}

static double negative(double x)
{
    return -x;
}

static double relu(double x)
{
    return x > 0 ? x : 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The normal distribution function: (1 + erf(x / sqrt 2)) / 2. */
static double normal(double x)
{
    return 0.5 * (1 + erf(x * SQRT_HALF));
}

static double gelu(double x)
{
    return x * normal(x);
}

/* y = -x */
GfStatus gf_eval_op_neg(const GfEvalArgs *a)
{
    return map(a, negative);
}

/* y = e^x */
GfStatus gf_eval_op_exp(const GfEvalArgs *a)
{
    return map(a, exp);
}

/* y = ln x */
GfStatus gf_eval_op_log(const GfEvalArgs *a)
{
    return map(a, log);
}

/* y = square root of x */
GfStatus gf_eval_op_sqrt(const GfEvalArgs *a)
{
    return map(a, sqrt);
}

/* y = tanh x */
GfStatus gf_eval_op_tanh(const GfEvalArgs *a)
{
    return map(a, tanh);
}

/* y = 1 / (1 + e^-x) */
GfStatus gf_eval_op_sigmoid(const GfEvalArgs *a)
{
    return map(a, sigmoid);
}

/* y = erf x */
GfStatus gf_eval_op_erf(const GfEvalArgs *a)
{
    return map(a, erf);
}

/* y = max(x, 0) */
GfStatus gf_eval_op_relu(const GfEvalArgs *a)
{
    return map(a, relu);
}

/* y = x (1 + erf(x / sqrt 2)) / 2 */
GfStatus gf_eval_op_gelu(const GfEvalArgs *a)
{
    return map(a, gelu);
}

/* y = by x */
GfStatus gf_eval_op_scale(const GfEvalArgs *a)
{
    double by = gf_attr_f(a->n, "by");
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = by * a->in[0]->data[i];
    return GF_OK;
}

/* y = x + by */
GfStatus gf_eval_op_offset(const GfEvalArgs *a)
{
    double by = gf_attr_f(a->n, "by");
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = a->in[0]->data[i] + by;
    return GF_OK;
}

/* y = value */
GfStatus gf_eval_op_const(const GfEvalArgs *a)
{
    double value = gf_attr_f(a->n, "value");
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = value;
    return GF_OK;
}

/* ---- operands that broadcast ---------------------------------------------------- */

/* Where element `i` of `y` is found in `x`, which broadcasts to it: dims count
 * from the right, and along a dim of size 1 every element is the same. */
static int64_t source(const GfTensor *x, const GfTensor *y, int64_t i)
{
    int64_t index = 0, stride = 1;

    for (uint32_t d = 1; d <= x->type.rank; d++) {
        int64_t size = x->type.dims[x->type.rank - d].size, out = y->type.dims[y->type.rank - d].size;
        index += size == 1 ? 0 : i % out * stride;
        stride *= size;
        i /= out;
    }
    return index;
}

static GfStatus map_pairs(const GfEvalArgs *a, double (*f)(double, double))
{
    const GfTensor *x = a->in[0], *y = a->in[1];
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = f(x->data[source(x, a->out, i)], y->data[source(y, a->out, i)]);
    return GF_OK;
}

static double sum(double x, double y)
{
    return x + y;
}

static double difference(double x, double y)
{
    return x - y;
}

static double product(double x, double y)
{
    return x * y;
}

static double quotient(double x, double y)
{
    return x / y;
}

static double relu_grad(double x, double dy)
{
    return x > 0 ? dy : 0;
}

/* gelu'(x) = N(x) + x N'(x), N the normal distribution function */
static double gelu_grad(double x, double dy)
{
    return dy * (normal(x) + x * INVERSE_SQRT_2PI * exp(-0.5 * x * x));
}

/* -t ln p - (1 - t) ln(1 - p) with p = sigmoid x, where no term can overflow */
static double bce_with_logits(double x, double t)
{
    return relu(x) - x * t + log1p(exp(-fabs(x)));
}

/* y = a + b */
GfStatus gf_eval_op_add(const GfEvalArgs *a)
{
    return map_pairs(a, sum);
}

/* y = a - b */
GfStatus gf_eval_op_sub(const GfEvalArgs *a)
{
    return map_pairs(a, difference);
}

/* y = a b */
GfStatus gf_eval_op_mul(const GfEvalArgs *a)
{
    return map_pairs(a, product);
}

/* y = a / b */
GfStatus gf_eval_op_div(const GfEvalArgs *a)
{
    return map_pairs(a, quotient);
}

/* y = the smaller of a and b */
GfStatus gf_eval_op_min(const GfEvalArgs *a)
{
    return map_pairs(a, fmin);
}

/* y = the larger of a and b */
GfStatus gf_eval_op_max(const GfEvalArgs *a)
{
    return map_pairs(a, fmax);
}

/* dx = dy where x > 0 */
GfStatus gf_eval_op_relu_grad(const GfEvalArgs *a)
{
    return map_pairs(a, relu_grad);
}

/* dx = dy gelu'(x) */
GfStatus gf_eval_op_gelu_grad(const GfEvalArgs *a)
{
    return map_pairs(a, gelu_grad);
}

/* y = -t ln p - (1 - t) ln(1 - p) */
GfStatus gf_eval_op_bce_with_logits(const GfEvalArgs *a)
{
    return map_pairs(a, bce_with_logits);
}

/* y = x, repeated */
GfStatus gf_eval_op_broadcast(const GfEvalArgs *a)
{
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = a->in[0]->data[source(a->in[0], a->out, i)];
    return GF_OK;
}

/* y[i,j] = dy / number of elements of y */
GfStatus gf_eval_op_mean_grad(const GfEvalArgs *a)
{
    for (int64_t i = 0; i < a->out->count; i++)
        a->out->data[i] = a->in[0]->data[0] / (double)a->out->count;
    return GF_OK;
}

/* ---- dropout, gather, optimizer ---------------------------------------------------- */

/* y[i,j] = x[i,j] drop[i,j], or drop[rows[i],j] */
GfStatus gf_eval_op_dropout(const GfEvalArgs *a)
{
    int64_t columns = gf_eval_columns(a->out), key = gf_attr_i(a->n, "key");
    const GfTensor *rows = gf_dropout_rows(a->n) ? a->in[1] : NULL;
    double p = gf_attr_f(a->n, "p");
    int32_t rng[4];

    gf_eval_rng(a->in[a->n->operand_count - 1], rng);
    for (int64_t i = 0; i < a->out->count; i++) {
        int64_t row = rows ? (int64_t)rows->data[i / columns] : i / columns;
        a->out->data[i] = a->in[0]->data[i] * gf_dropout_factor(rng, key, p, row, i % columns);
    }
    return GF_OK;
}

/* y[i,j] = table[ids[i],j] */
GfStatus gf_eval_op_gather(const GfEvalArgs *a)
{
    const GfTensor *table = a->in[0], *ids = a->in[1];
    int64_t columns = table->type.rank == 2 ? table->type.dims[1].size : 1, row;

    for (int64_t i = 0; i < ids->count; i++) {
        GF_TRY(gf_eval_index(a, ids, i, table->type.dims[0].size, &row));
        for (int64_t j = 0; j < columns; j++)
            a->out->data[i * columns + j] = table->data[row * columns + j];
    }
    return GF_OK;
}

/* y = 1 - beta^step */
GfStatus gf_eval_op_bias_correction(const GfEvalArgs *a)
{
    a->out->data[0] = 1 - pow(gf_attr_f(a->n, "beta"), a->in[0]->data[0]);
    return GF_OK;
}

/* With d = clip g, elementwise:
 *   m' = beta1 m + (1 - beta1) d
 *   v' = beta2 v + (1 - beta2) d^2
 *   p' = p (1 - lr weight_decay) - lr (m' / c1) / (sqrt(v' / c2) + eps) */
GfStatus gf_eval_op_adamw(const GfEvalArgs *a)
{
    const double *p = a->in[0]->data, *g = a->in[1]->data, *m = a->in[2]->data, *v = a->in[3]->data;
    double lr = *a->in[4]->data, clip = *a->in[5]->data, c1 = *a->in[6]->data, c2 = *a->in[7]->data;
    double beta1 = gf_attr_f(a->n, "beta1"), beta2 = gf_attr_f(a->n, "beta2");
    double eps = gf_attr_f(a->n, "eps"), decay = gf_attr_f(a->n, "weight_decay");

    for (int64_t i = 0; i < a->out->count; i++) {
        double d = clip * g[i];
        double m1 = beta1 * m[i] + (1 - beta1) * d;
        double v1 = beta2 * v[i] + (1 - beta2) * d * d;
        a->out[0].data[i] = p[i] * (1 - lr * decay) - lr * (m1 / c1) / (sqrt(v1 / c2) + eps);
        a->out[1].data[i] = m1;
        a->out[2].data[i] = v1;
    }
    return GF_OK;
}
