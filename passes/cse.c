/* cse.c -- merge nodes that compute the same value.
 *
 *   before                       after (and dce)
 *   %2 = mul %0, %1 : f32[8]     %2 = mul %0, %1 : f32[8]
 *   %3 = mul %1, %0 : f32[8]     return %2, %2
 *   return %2, %3
 *
 * 1. Walk the nodes in order; look each GF_PURE one up in a table of those seen.
 * 2. Equal = same op, attributes, result types and operands; the first two
 *    operands compare unordered when the op is GF_COMMUTES.
 * 3. The uses of all results of a duplicate go to those of the first; dce
 *    removes the duplicate.
 *
 * Topological order makes operands canonical before their users, so one walk
 * suffices.  Random ops merge only with an equal key: then they draw the same
 * numbers.  A const tensor is left alone: it costs nothing to make, and each of
 * its users can write it where it is wanted.
 *
 * Legal: pure nodes with equal inputs have equal values.  O(nodes).
 * Source: Click, PLDI 1995.  Tests: tests/golden/cse/.
 */
#include "passes/passes.h"

#include <string.h>

/* Open addressing; `size` is a power of two, at most half full. */
typedef struct Table {
    GfNode **slots;
    uint32_t size;
} Table;

/* ---- equality ------------------------------------------------------------------ */

static bool same_attr(const GfAttr *a, const GfAttr *b)
{
    if (strcmp(a->key, b->key) != 0 || a->kind != b->kind)
        return false;
    if (a->kind == GF_ATTR_STRING)
        return a->s && b->s ? strcmp(a->s, b->s) == 0 : a->s == b->s;
    /* 0.0 and -0.0 are equal numbers but not equal attributes */
    return a->kind == GF_ATTR_INT ? a->i == b->i : memcmp(&a->f, &b->f, sizeof a->f) == 0;
}

static bool same_attrs(const GfNode *a, const GfNode *b)
{
    for (uint32_t i = 0; i < a->attr_count; i++) {
        if (!same_attr(&a->attrs[i], &b->attrs[i]))
            return false;
    }
    return true;
}

static bool same_types(const GfNode *a, const GfNode *b)
{
    for (uint32_t i = 0; i < a->result_count; i++) {
        if (!gf_type_eq(&a->results[i].type, &b->results[i].type))
            return false;
    }
    return true;
}

/* Operands from the `begin`th on. */
static bool same_operands(const GfNode *a, const GfNode *b, uint32_t begin)
{
    for (uint32_t i = begin; i < a->operand_count; i++) {
        if (gf_operand(a, i) != gf_operand(b, i))
            return false;
    }
    return true;
}

static bool same_swapped(const GfNode *a, const GfNode *b)
{
    return gf_op_has(a->op, GF_COMMUTES) && gf_operand(a, 0) == gf_operand(b, 1) &&
           gf_operand(a, 1) == gf_operand(b, 0) && same_operands(a, b, 2);
}

static bool is_same(const GfNode *a, const GfNode *b)
{
    if (a->op != b->op || a->operand_count != b->operand_count || a->attr_count != b->attr_count)
        return false;
    return (same_operands(a, b, 0) || same_swapped(a, b)) && same_attrs(a, b) && same_types(a, b);
}

/* ---- the table ------------------------------------------------------------------- */

/* Operands are added up, so that swapped ones hash alike. */
static uint64_t hash_node(const GfNode *n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n->operand_count; i++)
        sum += ((uint64_t)gf_operand(n, i)->node->id * 4 + gf_operand(n, i)->index + 1) * 0x9E3779B97F4A7C15u;
    uint64_t h = (sum ^ (uint64_t)n->op) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static bool table_new(Table *table, GfArena *arena, uint32_t nodes)
{
    table->size = 16;
    while (table->size / 2 < nodes)
        table->size *= 2;
    table->slots = GF_NEW_ARRAY(arena, GfNode *, table->size);
    return table->slots != NULL;
}

static GfNode *table_find_or_add(Table *table, GfNode *n)
{
    uint32_t i = (uint32_t)hash_node(n) & (table->size - 1);

    while (table->slots[i] && !is_same(table->slots[i], n))
        i = (i + 1) & (table->size - 1);
    if (!table->slots[i])
        table->slots[i] = n;
    return table->slots[i];
}

/* ---- the pass --------------------------------------------------------------------- */

static bool may_merge(const GfNode *n)
{
    return gf_op_has(n->op, GF_PURE) && (n->op != GF_OP_CONST || n->results[0].type.rank == 0);
}

static bool is_used(const GfNode *n)
{
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (n->results[i].uses)
            return true;
    }
    return false;
}

GfStatus gf_pass_cse(GfPassCtx *cx, GfGraph *g)
{
    Table seen;

    if (!table_new(&seen, cx->scratch, gf_graph_ids(g)))
        return gf_fail_memory(cx->diags);
    GF_EACH_NODE (n, g) {
        GfNode *same = may_merge(n) ? table_find_or_add(&seen, n) : n;
        if (same == n || !is_used(n))
            continue;
        for (uint32_t i = 0; i < n->result_count; i++)
            gf_replace_uses(g, &n->results[i], &same->results[i]);
        cx->counts[0]++;
    }
    return GF_OK;
}
