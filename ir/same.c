/* same.c -- see same.h.
 *
 * 1. Bind the same random data to both graphs, run both in double.
 * 2. Compare each output, update and gradient that `before` has with that of
 *    `after`: the norm of the difference may be AGREEMENT times the norm.
 *
 * What is zero but for rounding, such as the gradient of a key's bias, has no digits
 * to agree in: a norm counts as FLOOR times the largest of its kind at least.
 */
#include "ir/same.h"

#include "ir/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A pass may reorder additions of a few dozen doubles, no more. */
#define AGREEMENT 1e-9
#define FLOOR 1e-4

enum { REPORTS_MAX = 4 }; /* one wrong value makes many */

typedef struct Side {
    const GfGraph *g;
    GfEval *eval;
    int64_t sizes[GF_MAX_SYMBOLS];
} Side;

typedef struct Same {
    const GfSameOptions *options;
    GfDiags *diags;
    Side before, after;
    double largest; /* norm of its kind */
    int reports;
} Same;

/* ---- running --------------------------------------------------------------------------- */

static bool is_bindable(const GfNode *n)
{
    return n->op == GF_OP_INPUT || n->op == GF_OP_PARAM || n->op == GF_OP_STATE;
}

static GfStatus bind(Side *side, const Side *other, bool is_after, const GfNode *n, GfDiags *diags)
{
    int64_t count = gf_type_elements(&n->results[0].type, side->sizes);
    bool is_new = is_after && n->results[0].type.dtype != GF_I32 && !gf_sample_find(other->g, n);
    GfArena arena;

    if (count < 0)
        return gf_fail(diags, n->loc, GF_ERR_VALUE, "'%s' is too large to evaluate", gf_sample_key(n));
    gf_arena_init(&arena, NULL);
    double *data = GF_NEW_ARRAY(&arena, double, (size_t)count + 1);
    if (data && !(is_new && gf_sample_fill_initial(n, data, count)))
        gf_sample_fill(side->g, other->g, n, side->sizes, data, count);
    GfStatus status = data ? gf_eval_bind(side->eval, n, data, diags) : gf_fail_memory(diags);
    gf_arena_free(&arena);
    return status;
}

static GfStatus run_side(Side *side, const Side *other, bool is_after, GfDiags *diags)
{
    GF_TRY(gf_eval_new(side->g, side->sizes, NULL, &side->eval, diags));
    for (const GfNode *n = side->g->first; n; n = n->next) {
        if (is_bindable(n))
            GF_TRY(bind(side, other, is_after, n, diags));
    }
    return gf_eval_run(side->eval, diags);
}

/* ---- comparing ------------------------------------------------------------------------- */

/* Two values that must be one, and what they are called. */
typedef struct Pair {
    const char *what, *name;
    const GfValue *before, *after;
} Pair;

static const GfTensor *tensor_before(const Same *s, const Pair *p)
{
    return gf_eval_value(s->before.eval, p->before);
}

static double norm_of(const GfTensor *t)
{
    double sum = 0;

    for (int64_t i = 0; i < t->count; i++)
        sum += isfinite(t->data[i]) ? t->data[i] * t->data[i] : 0;
    return sqrt(sum);
}

static GfStatus report(Same *s, const Pair *p, const char *problem)
{
    s->reports++;
    return gf_fail(s->diags, p->after ? p->after->node->loc : p->before->node->loc, GF_ERR_VERIFY, "%s '%s' %s",
                   p->what, p->name, problem);
}

/* NaN is undefined in both, an infinity the same in both. */
static bool both_undefined(double a, double b)
{
    return isnan(a) ? isnan(b) : isinf(a) && a == b;
}

static GfStatus compare(Same *s, const Pair *p)
{
    const GfTensor *a = tensor_before(s, p), *b = gf_eval_value(s->after.eval, p->after);
    double sum = 0, most = -1, norm = norm_of(a);
    int64_t worst = 0;
    char problem[160];

    if (a->count != b->count)
        return report(s, p, "has another size");
    for (int64_t i = 0; i < a->count; i++) {
        double d = fabs(a->data[i] - b->data[i]);
        if (s->options->undefined_agrees && both_undefined(a->data[i], b->data[i]))
            continue;
        sum += d * d;
        if (!(d <= most)) { /* true for NaN */
            most = d;
            worst = i;
        }
    }
    if (sqrt(sum) <= AGREEMENT * fmax(norm, FLOOR * s->largest)) /* false for NaN */
        return GF_OK;
    snprintf(problem, sizeof problem, "differs by %.3g of its norm %.3g: element %lld is %.6g instead of %.6g",
             sqrt(sum) / norm, norm, (long long)worst, b->data[worst], a->data[worst]);
    return report(s, p, problem);
}

typedef GfStatus (*PairFn)(Same *s, const Pair *p);

static GfStatus take_norm(Same *s, const Pair *p)
{
    s->largest = fmax(s->largest, norm_of(tensor_before(s, p)));
    return GF_OK;
}

static GfStatus each_output(Same *s, PairFn fn)
{
    const GfNode *ret = gf_graph_return(s->before.g);
    GfStatus status = GF_OK;

    for (uint32_t i = 0; i < ret->operand_count && s->reports < REPORTS_MAX; i++) {
        Pair p = {"the output", ret->outputs[i], gf_operand(ret, i), gf_graph_output(s->after.g, ret->outputs[i])};
        GfStatus one = p.after ? fn(s, &p) : report(s, &p, "is gone");
        status = one == GF_OK ? status : one;
    }
    return status;
}

/* The update or gradient (`op`) of the param or state with this label. */
static const GfNode *find_assignment(const GfGraph *g, GfOp op, const char *label)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == op && strcmp(gf_operand(n, 0)->node->label, label) == 0)
            return n;
    }
    return NULL;
}

static GfStatus each_assignment(Same *s, GfOp op, PairFn fn)
{
    GfStatus status = GF_OK;

    for (const GfNode *n = s->before.g->first; n && s->reports < REPORTS_MAX; n = n->next) {
        if (n->op != op)
            continue;
        Pair p = {op == GF_OP_UPDATE ? "the update of" : "the gradient of", gf_operand(n, 0)->node->label,
                  gf_operand(n, 1), NULL};
        const GfNode *other = find_assignment(s->after.g, op, p.name);
        p.after = other ? gf_operand(other, 1) : NULL;
        GfStatus one = other ? fn(s, &p) : op == GF_OP_UPDATE ? report(s, &p, "is gone") : GF_OK;
        status = one == GF_OK ? status : one;
    }
    return status;
}

static GfStatus compare_assignments(Same *s, GfOp op)
{
    s->largest = 0;
    GF_TRY(each_assignment(s, op, take_norm));
    return each_assignment(s, op, compare);
}

static GfStatus compare_all(Same *s)
{
    GF_TRY(each_output(s, compare));
    GF_TRY(compare_assignments(s, GF_OP_UPDATE));
    return compare_assignments(s, GF_OP_GRAD);
}

GfStatus gf_same_values(const GfGraph *before, const GfGraph *after, const GfSameOptions *options, GfDiags *diags)
{
    static const GfSameOptions defaults = {0};
    Same s = {.options = options ? options : &defaults, .diags = diags, .before.g = before, .after.g = after};
    const char *sizes = s.options->sizes ? s.options->sizes : "";

    gf_sample_sizes(before, sizes, s.before.sizes);
    gf_sample_sizes(after, sizes, s.after.sizes);
    GfStatus status = run_side(&s.before, &s.after, false, diags);
    if (status == GF_OK)
        status = run_side(&s.after, &s.before, true, diags);
    if (status == GF_OK)
        status = compare_all(&s);
    gf_eval_free(s.before.eval);
    gf_eval_free(s.after.eval);
    return status;
}
