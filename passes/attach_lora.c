/* attach_lora.c -- add a low-rank product beside the linears that match.
 *
 *   before                            after attach-lora{targets="query", r=8, alpha=32, dropout=0.1}
 *   %w = param "a.query.weight"       %w = param "a.query.weight"
 *   %1 = linear %x, %w, %b            %A = param "a.query.lora_A" {init = "kaiming_uniform"} : f32[8,k]
 *                                     %B = param "a.query.lora_B" {init = "zeros"} : f32[m,8]
 *                                     %1 = linear %x, %w, %b
 *                                     %2 = dropout %x, %rng {p = 0.1, key = 1}
 *                                     %3 = linear %2, %A
 *                                     %4 = scale %3 {by = 4.0}
 *                                     %5 = linear %4, %B
 *                                     %6 = add %1, %5               ... and %6 is used for %1
 *
 * 1. A linear matches when the path of its weight (the label without ".weight")
 *    is a target, ends in ".target", or matches a target as a pattern.
 * 2. A and B are made once for each weight, also where two linears share it.
 * 3. Every dropout gets a key of its own, counted on from the largest in the
 *    graph: peft draws a mask for each adapter too.
 * 4. by = alpha / r, or alpha / sqrt(r) with rslora.  The scale stands on the
 *    n x r value: neither the forward nor the backward pass then makes a value
 *    of the output's size for it.
 *
 * Legal: B is zero at first, so the graph computes what it computed.  (Frozen
 * or not is said by `freeze`; A and B train.)  O(nodes * targets).
 * Source: Hu et al., arXiv:2106.09685; rslora: Kalajdzievski, arXiv:2312.03732.
 * Tests: tests/golden/attach-lora/.
 */
#include "passes/declare.h"
#include "passes/match.h"

#include <math.h>
#include <string.h>

typedef struct Adapter {
    GfValue *a, *b;
} Adapter;

typedef struct Attach {
    GfPassCtx *cx;
    GfGraph *g;
    int64_t r;
    double by, dropout;
    int64_t next_key;
    GfValue *rng;      /* NULL without dropout */
    Adapter *adapters; /* by id of the weight */
} Attach;

/* ---- which linears --------------------------------------------------------------- */

static const char *const weight_suffix = ".weight";

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

/* The label of the weight of `n` without ".weight", in `arena`; NULL when `n` is
 * no linear or its weight no param of such a name. */
static const char *linear_path(GfArena *arena, const GfNode *n)
{
    if (n->op != GF_OP_LINEAR || gf_operand(n, 1)->node->op != GF_OP_PARAM)
        return NULL;
    const char *label = gf_operand(n, 1)->node->label;
    if (!ends_with(label, weight_suffix))
        return NULL;
    return gf_arena_strndup(arena, label, strlen(label) - strlen(weight_suffix));
}

static bool is_target(const char *path, const char *target)
{
    size_t n = strlen(path), m = strlen(target);
    bool is_tail = n > m && path[n - m - 1] == '.' && strcmp(path + n - m, target) == 0;

    return is_tail || gf_match(target, path);
}

/* Whether `path` matches a target; marks all that it matches, by position. */
static bool match_targets(GfArena *arena, const char *targets, const char *path, bool *matched)
{
    const char *target;
    bool any = false;

    for (uint32_t i = 0; (target = gf_next_word(arena, &targets)); i++) {
        if (is_target(path, target))
            matched[i] = any = true;
    }
    return any;
}

/* ---- attaching ------------------------------------------------------------------- */

static GfStatus make_adapter(Attach *at, const GfNode *linear, const char *path, Adapter *adapter)
{
    const GfType *w = &gf_operand(linear, 1)->type;
    GfDim r = gf_dim_const(at->r);
    GfType a = gf_type_matrix(GF_F32, r, w->dims[1]), b = gf_type_matrix(GF_F32, w->dims[0], r);
    const char *a_label = gf_arena_printf(at->cx->scratch, "%s.lora_A", path);
    const char *b_label = gf_arena_printf(at->cx->scratch, "%s.lora_B", path);

    GF_TRY(gf_declare_param(at->cx, at->g, a_label, a, "kaiming_uniform", linear->loc, &adapter->a));
    GF_TRY(gf_declare_param(at->cx, at->g, b_label, b, "zeros", linear->loc, &adapter->b));
    at->cx->counts[1] += gf_type_elements(&adapter->a->type, NULL) + gf_type_elements(&adapter->b->type, NULL);
    return GF_OK;
}

/* A node behind `linear`; NULL operands carry an earlier failure on. */
static GfValue *build(Attach *at, const GfNode *linear, GfNode *before, GfOp op, const GfAttr *attrs, uint32_t count,
                      GfValue *x, GfValue *y)
{
    GfValue *operands[] = {x, y};

    if (!x)
        return NULL;
    return gf_build(at->g, before, linear, at->cx->diags, op, attrs, count, operands, y ? 2 : 1);
}

static GfValue *build_dropout(Attach *at, const GfNode *linear, GfNode *before, GfValue *x)
{
    if (!at->rng)
        return x;
    GfAttr attrs[] = {gf_attr_float("p", at->dropout), gf_attr_int("key", at->next_key++)};
    return build(at, linear, before, GF_OP_DROPOUT, attrs, 2, x, at->rng);
}

/* linear + scale dropout(x) A' B', which then is used for the linear. */
static GfStatus attach(Attach *at, GfNode *linear, const Adapter *adapter)
{
    GfNode *before = linear->next;
    GfAttr by = gf_attr_float("by", at->by);

    GfValue *x = build_dropout(at, linear, before, gf_operand(linear, 0));
    GfValue *down = build(at, linear, before, GF_OP_LINEAR, NULL, 0, x, adapter->a);
    GfValue *scaled = build(at, linear, before, GF_OP_SCALE, &by, 1, down, NULL);
    GfValue *up = build(at, linear, before, GF_OP_LINEAR, NULL, 0, scaled, adapter->b);
    GfValue *sum = up ? build(at, linear, before, GF_OP_ADD, NULL, 0, gf_result(linear), up) : NULL;
    if (!sum)
        return gf_build_status(at->cx);
    gf_replace_uses(at->g, gf_result(linear), sum);
    gf_set_operand(sum->node, 0, gf_result(linear));
    at->cx->counts[0]++;
    return GF_OK;
}

static GfStatus attach_to_linear(Attach *at, GfNode *linear, const char *path)
{
    Adapter *adapter = &at->adapters[gf_operand(linear, 1)->node->id];

    if (!adapter->a)
        GF_TRY(make_adapter(at, linear, path, adapter));
    return attach(at, linear, adapter);
}

/* ---- options and errors ------------------------------------------------------------ */

static GfStatus check_options(const GfPassCtx *cx)
{
    int64_t r = gf_option_i(cx, "r");
    double alpha = gf_option_f(cx, "alpha"), dropout = gf_option_f(cx, "dropout");

    if (r < 1 || r > 65536)
        return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'attach-lora' needs 1 <= r <= 65536, got %lld", (long long)r);
    if (!(alpha > 0))
        return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'attach-lora' needs alpha > 0, got %g", alpha);
    if (!(dropout >= 0 && dropout < 1))
        return gf_fail(cx->diags, cx->loc, GF_ERR_PASS, "'attach-lora' needs 0 <= dropout < 1, got %g", dropout);
    return GF_OK;
}

static int64_t largest_key(const GfGraph *g)
{
    int64_t largest = 0;

    for (const GfNode *n = g->first; n; n = n->next) {
        if (gf_attr_i(n, "key") > largest)
            largest = gf_attr_i(n, "key");
    }
    return largest;
}

/* Last parts of the paths of all linears: what a target usually is. */
static const char *closest_target(Attach *at, const char *target)
{
    GfArena *scratch = at->cx->scratch;
    const char **parts = GF_NEW_ARRAY(scratch, const char *, gf_graph_ids(at->g) + 1);
    size_t count = 0;

    for (const GfNode *n = at->g->first; parts && n; n = n->next) {
        const char *path = linear_path(scratch, n);
        const char *dot = path ? strrchr(path, '.') : NULL;
        if (path)
            parts[count++] = dot ? dot + 1 : path;
    }
    return scratch->failed ? NULL : gf_closest(target, parts, count);
}

static GfStatus check_all_matched(Attach *at, const char *targets, const bool *matched)
{
    const char *target;

    for (uint32_t i = 0; (target = gf_next_word(at->cx->scratch, &targets)); i++) {
        if (matched[i])
            continue;
        const char *closest = closest_target(at, target);
        gf_fail(at->cx->diags, at->cx->loc, GF_ERR_PASS, "no linear matches the target '%s'", target);
        if (closest)
            gf_note(at->cx->diags, "did you mean '%s'?", closest);
        return GF_ERR_PASS;
    }
    return GF_OK;
}

/* ---- the pass ------------------------------------------------------------------------ */

static GfStatus attach_all(Attach *at, const char *targets)
{
    GfArena *scratch = at->cx->scratch;
    bool *matched = GF_NEW_ARRAY(scratch, bool, strlen(targets) + 1);

    if (!matched)
        return gf_fail_memory(at->cx->diags);
    GF_EACH_NODE (n, at->g) {
        const char *path = linear_path(scratch, n);
        if (path && match_targets(scratch, targets, path, matched))
            GF_TRY(attach_to_linear(at, n, path));
    }
    return check_all_matched(at, targets, matched);
}

GfStatus gf_pass_attach_lora(GfPassCtx *cx, GfGraph *g)
{
    GF_TRY(check_options(cx));
    double r = (double)gf_option_i(cx, "r"), alpha = gf_option_f(cx, "alpha");
    Attach at = {.cx = cx,
                 .g = g,
                 .r = gf_option_i(cx, "r"),
                 .by = gf_option_i(cx, "rslora") ? alpha / sqrt(r) : alpha / r,
                 .dropout = gf_option_f(cx, "dropout"),
                 .next_key = largest_key(g) + 1,
                 .adapters = GF_NEW_ARRAY(cx->scratch, Adapter, gf_graph_ids(g) + 1)};

    if (!at.adapters)
        return gf_fail_memory(cx->diags);
    if (at.dropout > 0)
        GF_TRY(gf_declare_input(cx, g, "rng", gf_type_vector(GF_I32, gf_dim_const(4)), &at.rng));
    return attach_all(&at, gf_option_s(cx, "targets"));
}
