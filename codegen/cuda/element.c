/* element.c -- values of elementwise ops as lines of C.
 *
 * Every value becomes one `const float` line, so that what is written reads as
 * the graph does and no expression needs parentheses.  Formulas: ir/ops.def.
 */
#include "codegen/cuda/emit.h"
#include "codegen/cuda/ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- loading and storing ---------------------------------------------------------- */

const char *cuda_float(CudaEmit *e, double value)
{
    char text[64];

    snprintf(text, sizeof text, "%.9g", value);
    return cuda_text(e, "%s%sf", text, strpbrk(text, ".en") ? "" : ".0");
}

const char *cuda_index(CudaEmit *e, const GfValue *v)
{
    CudaShape s = cuda_shape(&v->type);

    if (e->flat)
        return gf_type_eq(&v->type, &e->r->type) ? "i" : "0";
    const char *row = gf_dim_is(s.rows, 1) ? NULL : e->row;
    if (gf_dim_is(s.cols, 1))
        return row ? row : "0";
    if (!row)
        return e->col;
    return cuda_text(e, "(long long)%s * %s + %s", row, cuda_dim(e, s.cols), e->col);
}

void cuda_fresh(CudaEmit *e)
{
    memset(e->done, 0, sizeof *e->done * (size_t)gf_graph_ids(e->g) * 3);
}

/* "$0", "$1": operands; "$by": the attribute of that name. */
static const char *expand(CudaEmit *e, const GfNode *n, const char *pattern)
{
    GfText text = {.arena = e->arena};

    while (*pattern) {
        if (*pattern != '$') {
            gf_text_add(&text, "%c", *pattern++);
        } else if (pattern[1] >= '0' && pattern[1] <= '9') {
            gf_text_add(&text, "%s", cuda_operand(e, n, (uint32_t)(pattern[1] - '0')));
            pattern += 2;
        } else {
            char key[16];
            size_t length = strspn(++pattern, "abcdefghijklmnopqrstuvwxyz_");
            snprintf(key, sizeof key, "%.*s", (int)length, pattern);
            gf_text_add(&text, "%s", cuda_float(e, gf_attr_f(n, key)));
            pattern += length;
        }
    }
    return gf_text_str(&text);
}

static const char *compute(CudaEmit *e, const GfValue *v)
{
    const CudaOp *op = cuda_op(v->node->op);

    return op->write ? op->write(e, v->node, v->index) : op->element ? expand(e, v->node, op->element) : "missing";
}

/* Of the value among those that are loaded ahead; new ones are added. */
static uint32_t quad_index(CudaQuads *q, const GfValue *v)
{
    uint32_t i = 0;

    while (i < q->count && q->values[i] != v)
        i++;
    if (i == q->count)
        q->values[q->count++] = v;
    return i;
}

const char *cuda_value(CudaEmit *e, const GfValue *v)
{
    size_t slot = (size_t)v->node->id * 3 + v->index;

    if (e->done[slot])
        return cuda_name(e, v);
    const char *ready = e->source ? e->source(e, v) : NULL;
    if (ready)
        return ready;
    if (v->node->op == GF_OP_CONST && e->inside[v->node->id]) /* elsewhere it is an input as any other */
        return cuda_float(e, gf_attr_f(v->node, "value"));
    if (e->inside[v->node->id]) {
        const char *value = compute(e, v);
        cuda_line(e, "const float %s = %s;", cuda_name(e, v), value);
    } else if (e->quads && v->type.dtype == GF_F32) {
        cuda_line(e, "const float %s = x[%u];", cuda_name(e, v), quad_index(e->quads, v));
    } else {
        cuda_line(e, "const float %s = %s[%s];", cuda_name(e, v), cuda_pointer(e, v), cuda_index(e, v));
    }
    e->done[slot] = true;
    return cuda_name(e, v);
}

const char *cuda_operand(CudaEmit *e, const GfNode *n, uint32_t i)
{
    return cuda_value(e, gf_operand(n, i));
}

/* All values before any store: an output may take over the memory of an input. */
void cuda_store(CudaEmit *e, GfValue *const *outputs, uint32_t count)
{
    const char **values = GF_NEW_ARRAY(e->arena, const char *, count + 1);

    for (uint32_t i = 0; values && i < count; i++)
        values[i] = cuda_value(e, outputs[i]);
    for (uint32_t i = 0; values && i < count; i++)
        cuda_line(e, "%s[%s] = %s;", cuda_pointer(e, outputs[i]), cuda_index(e, outputs[i]), values[i]);
}

/* ---- four columns at a time ---------------------------------------------------------- */

static bool is_wide(const GfValue *v)
{
    return cuda_is_wide(cuda_shape(&v->type).cols);
}

static void write_load(CudaEmit *e, const GfValue *v, uint32_t i)
{
    const char *from = cuda_pointer(e, v), *index = cuda_index(e, v);

    if (gf_dim_is(cuda_shape(&v->type).cols, 1))
        cuda_line(e, "x[%u] = gf_four_of(%s[%s]);", i, from, index);
    else if (is_wide(v))
        cuda_line(e, "x[%u] = gf_read16(%s + %s);", i, from, index);
    else
        cuda_line(e, "x[%u] = gf_read_some(%s + %s, %s - col);", i, from, index, cuda_dim(e, e->r->cols));
}

static void write_stores(CudaEmit *e, GfValue *const *outputs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *to = cuda_text(e, "%s + %s", cuda_pointer(e, outputs[i]), cuda_index(e, outputs[i]));
        if (is_wide(outputs[i]))
            cuda_line(e, "gf_write16(%s, y[%u]);", to, i);
        else
            cuda_line(e, "gf_write_some(%s, y[%u], %s - col);", to, i, cuda_dim(e, e->r->cols));
    }
}

/* The lines of the elements, into a text of their own: they say what has to be loaded. */
static const char *write_elements(CudaEmit *e, CudaQuads *quads, GfValue *const *outputs, uint32_t count)
{
    GfText text = {.arena = e->arena}, *out = e->out;

    quads->values = GF_NEW_ARRAY(e->arena, const GfValue *, (size_t)e->r->input_count + 1);
    if (!quads->values)
        return "";
    e->out = &text;
    e->quads = quads;
    e->indent += 2;
    cuda_fresh(e);
    for (uint32_t i = 0; i < count; i++) {
        const char *value = cuda_value(e, outputs[i]);
        cuda_line(e, "y[%u] = %s;", i, value);
    }
    e->indent -= 2;
    e->quads = NULL;
    e->out = out;
    return gf_text_str(&text);
}

void cuda_store_quads(CudaEmit *e, const char *call, const char *args, GfValue *const *outputs, uint32_t count)
{
    CudaQuads quads = {0};
    const char *elements = write_elements(e, &quads, outputs, count);

    cuda_line(e, "%s%u, %u>(%s,", call, quads.count, count, args);
    e->indent++;
    cuda_open(e, "[&](int row, int col, GfQuad *x)");
    for (uint32_t i = 0; i < quads.count; i++)
        write_load(e, quads.values[i], i);
    cuda_close(e, ",");
    cuda_open(e, "[&](int row, int col, const float *sum, const float *x, float *y)");
    gf_text_add(e->out, "%s", elements);
    cuda_close(e, ",");
    cuda_open(e, "[&](int row, int col, const GfQuad *y)");
    write_stores(e, outputs, count);
    cuda_close(e, ");");
    e->indent--;
}

/* ---- ops ---------------------------------------------------------------------------- */

#define ELEMENT(name, text) const CudaOp cuda_##name = {.element = text};

ELEMENT(const, "$value")
ELEMENT(add, "$0 + $1")
ELEMENT(sub, "$0 - $1")
ELEMENT(mul, "$0 * $1")
ELEMENT(div, "$0 / $1")
ELEMENT(min, "fminf($0, $1)")
ELEMENT(max, "fmaxf($0, $1)")
ELEMENT(scale, "$0 * $by")
ELEMENT(offset, "$0 + $by")
ELEMENT(neg, "-$0")
ELEMENT(exp, "expf($0)")
ELEMENT(log, "logf($0)")
ELEMENT(sqrt, "sqrtf($0)")
ELEMENT(tanh, "tanhf($0)")
ELEMENT(sigmoid, "gf_sigmoid($0)")
ELEMENT(erf, "erff($0)")
ELEMENT(relu, "fmaxf($0, 0.0f)")
ELEMENT(gelu, "gf_gelu($0)")
ELEMENT(relu_grad, "$0 > 0.0f ? $1 : 0.0f")
ELEMENT(gelu_grad, "$1 * gf_gelu_slope($0)")
ELEMENT(bce_with_logits, "gf_bce_with_logits($0, $1)")
ELEMENT(broadcast, "$0")

static uint32_t random_index(const CudaEmit *e, const GfNode *n)
{
    uint32_t i = 0;
    while (i < e->r->random_count && e->r->random[i] != n)
        i++;
    return i;
}

static const char *write_dropout(CudaEmit *e, const GfNode *n, uint32_t result)
{
    (void)result;
    const char *x = cuda_operand(e, n, 0);
    if (gf_attr_f(n, "p") <= 0)
        return x;
    const char *row = e->row;
    if (gf_dropout_rows(n))
        row = cuda_text(e, "%s[%s]", cuda_pointer(e, gf_dropout_rows(n)), e->row);
    return cuda_text(e, "%s * gf_drop(gf_seed%u, %s, %s, %.17g)", x, random_index(e, n), row, e->col,
                     gf_attr_f(n, "p"));
}

const CudaOp cuda_dropout = {.write = write_dropout};

static const char *write_mean_grad(CudaEmit *e, const GfNode *n, uint32_t result)
{
    GfText count = {.arena = e->arena};
    const GfType *type = &n->results[0].type;

    (void)result;
    const char *dy = cuda_operand(e, n, 0);
    if (e->flat)
        return cuda_text(e, "%s / (float)elements", dy);
    for (uint32_t i = 0; i < type->rank; i++)
        gf_text_add(&count, " / (float)%s", cuda_dim(e, type->dims[i]));
    return cuda_text(e, "%s%s", dy, gf_text_str(&count));
}

const CudaOp cuda_mean_grad = {.write = write_mean_grad};

static const char *write_gather(CudaEmit *e, const GfNode *n, uint32_t result)
{
    CudaShape s = cuda_shape(&n->results[0].type);
    const char *table = cuda_pointer(e, gf_operand(n, 0)), *ids = cuda_pointer(e, gf_operand(n, 1));

    (void)result;
    if (n->results[0].type.rank == 1)
        return cuda_text(e, "%s[%s[%s]]", table, ids, e->flat ? "i" : e->col);
    return cuda_text(e, "%s[(long long)%s[%s] * %s + %s]", table, ids, e->row, cuda_dim(e, s.cols), e->col);
}

const CudaOp cuda_gather = {.write = write_gather};

static const char *write_bias_correction(CudaEmit *e, const GfNode *n, uint32_t result)
{
    (void)result;
    return cuda_text(e, "gf_bias_correction(%.17g, %s[0])", gf_attr_f(n, "beta"), cuda_pointer(e, gf_operand(n, 0)));
}

const CudaOp cuda_bias_correction = {.write = write_bias_correction};

/* m' = b1 m + (1-b1) g, v' = b2 v + (1-b2) g^2,
 * p' = p - lr (m'/c1 / (sqrt(v'/c2) + eps) + weight_decay p) */
static const char *write_adamw(CudaEmit *e, const GfNode *n, uint32_t result)
{
    if (result > 0) {
        double beta = gf_attr_f(n, result == 1 ? "beta1" : "beta2");
        const char *g = cuda_operand(e, n, 1), *clip = cuda_operand(e, n, 5), *old = cuda_operand(e, n, 1 + result);
        return cuda_text(e, "gf_moment%u(%s, %s * %s, %s, %s)", result, old, g, clip, cuda_float(e, beta),
                         cuda_float(e, 1 - beta));
    }
    const char *m = cuda_value(e, &n->results[1]), *v = cuda_value(e, &n->results[2]);
    const char *p = cuda_operand(e, n, 0), *lr = cuda_operand(e, n, 4);
    const char *c1 = cuda_operand(e, n, 6), *c2 = cuda_operand(e, n, 7);
    return cuda_text(e, "gf_adamw(%s, %s, %s, %s, %s, %s, %s, %s)", p, m, v, lr, c1, c2,
                     cuda_float(e, gf_attr_f(n, "eps")), cuda_float(e, gf_attr_f(n, "weight_decay")));
}

const CudaOp cuda_adamw = {.write = write_adamw};
