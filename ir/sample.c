/* sample.c -- see sample.h. */
#include "ir/sample.h"

#include "ir/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sizes ------------------------------------------------------------------------- */

static int64_t size_of_symbol(const char *text, const char *symbol)
{
    size_t length = strlen(symbol);

    for (const char *p = text; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        if (strncmp(p, symbol, length) == 0 && p[length] == '=')
            return atoll(p + length + 1);
    }
    return strcmp(symbol, "tokens") == 0 ? 7 : strcmp(symbol, "seqs") == 0 ? 3 : 5;
}

void gf_sample_sizes(const GfGraph *g, const char *text, int64_t sizes[GF_MAX_SYMBOLS])
{
    for (uint32_t i = 0; i < g->symbol_count; i++)
        sizes[i] = size_of_symbol(text, g->symbols[i]);
}

/* ---- data ---------------------------------------------------------------------------- */

const char *gf_sample_key(const GfNode *n)
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
    bool labelled = n->op == GF_OP_CROSS_ENTROPY || n->op == GF_OP_CROSS_ENTROPY_GRAD || n->op == GF_OP_PICK_COLS;
    if (labelled && operand == 1)
        return (IndexUse){INDEX_ROWS, gf_dim_value(first->dims[1], sizes)};
    uint32_t starts = n->op == GF_OP_ATTENTION ? 3 : n->op == GF_OP_ATTENTION_GRAD ? 6 : UINT32_MAX - 1;
    /* k stands at 1 and at 2 */
    const GfType *k = operand == starts || operand == starts + 1 ? &gf_operand(n, starts / 3)->type : NULL;
    if (k)
        return (IndexUse){operand == starts ? INDEX_STARTS : INDEX_LENGTHS, gf_dim_value(k->dims[0], sizes)};
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
            data[i] = floor(gf_random_uniform(&state) * (double)(use.limit < INT64_MAX ? use.limit : 4));
    }
}

/* ---- data -------------------------------------------------------------------------- */

const GfNode *gf_sample_find(const GfGraph *g, const GfNode *like)
{
    for (const GfNode *n = g->first; n; n = n->next) {
        if (n->op == like->op && strcmp(gf_sample_key(n), gf_sample_key(like)) == 0)
            return n;
    }
    return NULL;
}

static void fill_floats(const GfNode *n, double *data, int64_t count)
{
    uint64_t state = seed_of(gf_sample_key(n));
    bool positive = strstr(gf_sample_key(n), "positive") || n->op == GF_OP_STATE || n->results[0].type.rank == 0;

    for (int64_t i = 0; i < count; i++)
        data[i] = positive ? 0.5 + gf_random_uniform(&state) : gf_random_normal(&state);
}

bool gf_sample_fill_initial(const GfNode *n, double *data, int64_t count)
{
    const char *init = gf_attr_s(n, "init");
    bool ones = init && strcmp(init, "ones") == 0, zeros = init && strcmp(init, "zeros") == 0;

    for (int64_t i = 0; (ones || zeros) && i < count; i++)
        data[i] = ones;
    return ones || zeros;
}

void gf_sample_fill(const GfGraph *g, const GfGraph *other, const GfNode *n, const int64_t *sizes, double *data,
                    int64_t count)
{
    IndexUse use = {INDEX_NONE, INT64_MAX};
    const char *key = gf_sample_key(n);

    if (n->results[0].type.dtype != GF_I32) {
        fill_floats(n, data, count);
        return;
    }
    merge_uses(g, key, sizes, &use);
    if (other)
        merge_uses(other, key, sizes, &use);
    fill_integers(data, count, use, seed_of(key));
    if (n->results[0].type.rank == 0)
        data[0] = 3; /* a step counts from 1 */
}
