/* golden_values.c -- the same numbers before and after.  See golden.h.
 *
 * Data depends on the name of what is bound alone, so that both graphs get the
 * same.  Integers that are used as indices stay below what they index; starts
 * and lengths cut the rows into sequences.  What only the graph after has starts
 * as its initializer says, so that adapters begin as the identity.
 */
#include "tests/golden/golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A pass may reorder additions of a few dozen doubles, no more. */
#define AGREEMENT 1e-9

static const double tau = 6.283185307179586;

/* ---- sizes ------------------------------------------------------------------------- */

static int64_t size_of_symbol(const GoldenCase *c, const char *symbol)
{
    size_t length = strlen(symbol);

    for (const char *p = c->sizes; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        if (strncmp(p, symbol, length) == 0 && p[length] == '=')
            return atoll(p + length + 1);
    }
    return strcmp(symbol, "tokens") == 0 ? 7 : strcmp(symbol, "seqs") == 0 ? 3 : 5;
}

static void bind_sizes(const GoldenCase *c, const GfGraph *g, int64_t sizes[GF_MAX_SYMBOLS])
{
    for (uint32_t i = 0; i < g->symbol_count; i++)
        sizes[i] = size_of_symbol(c, g->symbols[i]);
}

/* ---- random numbers ------------------------------------------------------------------ */

/* SplitMix64: Steele, Lea, Flood, OOPSLA 2014. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(1 - uniform(state)));
    return radius * cos(tau * uniform(state));
}

static const char *key_of(const GfNode *n)
{
    return n->label ? n->label : n->name;
}

static uint64_t seed_of(const char *key)
{
    uint64_t hash = 14695981039346656037u;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 1099511628211u;
    return hash;
}

/* ---- integers ------------------------------------------------------------------------ */

typedef enum IndexKind { INDEX_NONE, INDEX_ROWS, INDEX_STARTS, INDEX_LENGTHS } IndexKind;

/* What a vector of integers is for: indices below `limit`, or sequences in
 * `limit` rows. */
typedef struct IndexUse {
    IndexKind kind;
    int64_t limit;
} IndexUse;

static IndexUse index_use(const GfUse *u, const int64_t *sizes)
{
    const GfNode *n = u->user;
    uint32_t operand = (uint32_t)(u - n->operands);
    const GfType *first = &gf_operand(n, 0)->type;

    if (n->op == GF_OP_GATHER && operand == 1)
        return (IndexUse){INDEX_ROWS, gf_dim_value(first->dims[0], sizes)};
    if (n->op == GF_OP_SCATTER_ADD && operand == 1)
        return (IndexUse){INDEX_ROWS, gf_dim_value(n->results[0].type.dims[0], sizes)};
    if ((n->op == GF_OP_CROSS_ENTROPY || n->op == GF_OP_CROSS_ENTROPY_GRAD) && operand == 1)
        return (IndexUse){INDEX_ROWS, gf_dim_value(first->dims[1], sizes)};
    uint32_t starts = n->op == GF_OP_ATTENTION ? 3 : n->op == GF_OP_ATTENTION_GRAD ? 6 : UINT32_MAX - 1;
    if (operand == starts || operand == starts + 1)
        return (IndexUse){operand == starts ? INDEX_STARTS : INDEX_LENGTHS, gf_dim_value(first->dims[0], sizes)};
    return (IndexUse){INDEX_NONE, INT64_MAX};
}

/* The strictest of all uses in `g`, merged into `found`. */
static void merge_uses(const GfGraph *g, const char *key, const int64_t *sizes, IndexUse *found)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op != GF_OP_INPUT || strcmp(n->name, key) != 0)
            continue;
        for (const GfUse *u = n->results[0].uses; u; u = u->next) {
            IndexUse use = index_use(u, sizes);
            found->kind = use.kind > found->kind ? use.kind : found->kind;
            found->limit = use.limit < found->limit ? use.limit : found->limit;
        }
    }
    if (strcmp(key, "starts") == 0 && found->kind == INDEX_ROWS)
        found->kind = INDEX_STARTS;
}

static void fill_integers(double *data, int64_t count, IndexUse use, uint64_t state)
{
    int64_t step = use.limit < INT64_MAX && count ? use.limit / count : 1;

    for (int64_t i = 0; i < count; i++) {
        if (use.kind == INDEX_STARTS)
            data[i] = (double)(i * step);
        else if (use.kind == INDEX_LENGTHS)
            data[i] = (double)(i == count - 1 ? use.limit - i * step : step);
        else
            data[i] = floor(uniform(&state) * (double)(use.limit < INT64_MAX ? use.limit : 4));
    }
}

/* ---- binding -------------------------------------------------------------------------- */

typedef struct Side {
    const GfGraph *g;
    GfEval *eval;
    GfDiags diags;
    int64_t sizes[GF_MAX_SYMBOLS];
    bool is_after;
} Side;

static const GfNode *find_bound(const GfGraph *g, const GfNode *like)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == like->op && strcmp(key_of(n), key_of(like)) == 0)
            return n;
    }
    return NULL;
}

static void fill_floats(const GfNode *n, double *data, int64_t count)
{
    uint64_t state = seed_of(key_of(n));
    bool positive = strstr(key_of(n), "positive") || n->op == GF_OP_STATE || n->results[0].type.rank == 0;

    for (int64_t i = 0; i < count; i++)
        data[i] = positive ? 0.5 + uniform(&state) : normal(&state);
}

/* True when the initializer says what a new param or state begins with. */
static bool fill_initial(const GfNode *n, double *data, int64_t count)
{
    const char *init = gf_attr_s(n, "init");
    bool ones = init && strcmp(init, "ones") == 0, zeros = init && strcmp(init, "zeros") == 0;

    for (int64_t i = 0; (ones || zeros) && i < count; i++)
        data[i] = ones;
    return ones || zeros;
}

static void fill(const Side *side, const Side *other, const GfNode *n, double *data, int64_t count)
{
    IndexUse use = {INDEX_NONE, INT64_MAX};

    if (n->results[0].type.dtype != GF_I32) {
        bool is_new = side->is_after && !find_bound(other->g, n);
        if (!is_new || !fill_initial(n, data, count))
            fill_floats(n, data, count);
        return;
    }
    merge_uses(side->g, key_of(n), side->sizes, &use);
    merge_uses(other->g, key_of(n), other->sizes, &use);
    fill_integers(data, count, use, seed_of(key_of(n)));
    if (n->results[0].type.rank == 0)
        data[0] = 3; /* a step counts from 1 */
}

static bool bind_all(const GoldenCase *c, Side *side, const Side *other)
{
    for (const GfNode *n = side->g->first; n; n = n->next) {
        if (n->op != GF_OP_INPUT && n->op != GF_OP_PARAM && n->op != GF_OP_STATE)
            continue;
        int64_t count = gf_type_elements(&n->results[0].type, side->sizes);
        double *data = count < 0 ? NULL : malloc(((size_t)count + 1) * sizeof *data);
        if (!data)
            return golden_fail(c, "'%s' is too large to evaluate", key_of(n));
        fill(side, other, n, data, count);
        GfStatus status = gf_eval_bind(side->eval, n, data, &side->diags);
        free(data);
        if (status != GF_OK)
            return golden_fail(c, "cannot bind '%s': %s", key_of(n), side->diags.first->message);
    }
    return true;
}

static bool side_run(const GoldenCase *c, Side *side, const Side *other)
{
    if (gf_eval_new(side->g, side->sizes, NULL, &side->eval, &side->diags) != GF_OK)
        return golden_fail(c, "cannot be evaluated: %s", side->diags.first->message);
    if (!bind_all(c, side, other))
        return false;
    if (gf_eval_run(side->eval, &side->diags) != GF_OK)
        return golden_fail(c, "cannot be evaluated: %s", side->diags.first->message);
    return true;
}

/* ---- comparing ------------------------------------------------------------------------- */

static bool same_value(const GoldenCase *c, const char *what, const char *name, const GfTensor *a, const GfTensor *b)
{
    double difference = 0, norm = 0;

    if (a->count != b->count)
        return golden_fail(c, "%s '%s' has another size after the passes", what, name);
    for (int64_t i = 0; i < a->count; i++) {
        difference += (a->data[i] - b->data[i]) * (a->data[i] - b->data[i]);
        norm += a->data[i] * a->data[i];
    }
    if (sqrt(difference) <= AGREEMENT * sqrt(norm)) /* false for NaN */
        return true;
    return golden_fail(c, "%s '%s' differs by %g of its norm %g", what, name, sqrt(difference / norm), sqrt(norm));
}

static bool same_outputs(const GoldenCase *c, const Side *before, const Side *after)
{
    const GfNode *ret = gf_graph_return(before->g);
    bool fine = true;

    for (uint32_t i = 0; i < ret->operand_count; i++) {
        const GfValue *other = gf_graph_output(after->g, ret->outputs[i]);
        if (!other)
            return golden_fail(c, "the output '%s' is gone", ret->outputs[i]);
        fine &= same_value(c, "the output", ret->outputs[i], gf_eval_value(before->eval, gf_operand(ret, i)),
                           gf_eval_value(after->eval, other));
    }
    return fine;
}

/* The `op` (update or grad) in `g` of the param or state with this label. */
static const GfNode *find_assignment(const GfGraph *g, GfOp op, const char *label)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == op && strcmp(gf_operand(n, 0)->node->label, label) == 0)
            return n;
    }
    return NULL;
}

static bool same_assignments(const GoldenCase *c, GfOp op, const Side *before, const Side *after)
{
    bool fine = true;

    for (const GfNode *n = before->g->first; n; n = n->next) {
        const char *label = n->op == op ? gf_operand(n, 0)->node->label : NULL;
        const GfNode *other = label ? find_assignment(after->g, op, label) : NULL;
        if (other)
            fine &= same_value(c, gf_op_text(op), label, gf_eval_value(before->eval, gf_operand(n, 1)),
                               gf_eval_value(after->eval, gf_operand(other, 1)));
        else if (label && op == GF_OP_UPDATE)
            fine = golden_fail(c, "the update of '%s' is gone", label);
    }
    return fine;
}

bool golden_same_values(const GoldenCase *c, const GfGraph *before, const GfGraph *after)
{
    Side a = {.g = before}, b = {.g = after, .is_after = true};

    gf_diags_init(&a.diags, NULL);
    gf_diags_init(&b.diags, NULL);
    bind_sizes(c, before, a.sizes);
    bind_sizes(c, after, b.sizes);
    bool fine = side_run(c, &a, &b) && side_run(c, &b, &a);
    if (fine)
        fine = same_outputs(c, &a, &b) && same_assignments(c, GF_OP_UPDATE, &a, &b) &&
               same_assignments(c, GF_OP_GRAD, &a, &b);
    gf_eval_free(a.eval);
    gf_eval_free(b.eval);
    gf_diags_free(&a.diags);
    gf_diags_free(&b.diags);
    return fine;
}
