/* narrow_rows.c -- compute only the rows that someone reads.
 *
 *   before                                      after
 *   %1 = linear %x, %w : f32[tokens,8]          %4 = gather %x, %starts : f32[seqs,8]
 *   %2 = dropout %1, %rng {p = 0.1, key = 3}    %1 = linear %4, %w : f32[seqs,8]
 *   %3 = gather %2, %starts : f32[seqs,8]       %2 = dropout %1, %starts, %rng {p = 0.1, key = 3}
 *   return y = %3                               return y = %2
 *
 * BERT's head reads the first row of each sequence.  So the last layer needs all
 * rows for its keys and values, and the first rows for everything else: the query,
 * attention's result, both dense parts and norms.  Before autodiff, the backward
 * pass is narrowed with it; the gradient comes back to all rows where the gather
 * stands, by one scatter_add.
 *
 * 1. From the last node up: which rows of each node's results are read?  None, the
 *    rows `ids` of gather %v, %ids, or all.  A node that is narrowed reads of its
 *    row operands what is read of it, and all of the others.
 * 2. A node is narrowed if everyone who reads it reads the rows `ids` and row i of
 *    its results depends on row i of its row operands and on whole other operands:
 *      elementwise  operands that are not repeated along the rows
 *      row ops      the same (not cross_entropy: labels cannot be gathered)
 *      products     x of linear, a of matmul if it is not transposed
 *      attention    q, if ids are its starts: it becomes one of `first` queries
 *      dropout      x; it says by its operand `rows` whose mask it draws
 * 3. From the first node on, narrowed nodes are written anew, under their names. A
 *    row operand that is not narrowed itself is gathered once.  The gathers that
 *    read narrowed nodes, and the wide nodes, go.
 *
 * Legal: gather(f(x), ids) = f(gather(x, ids)) for such f, element by element, and
 * masks are those of the rows they were (ir/philox.h).  The first row of a sequence
 * is its own: a sequence has a row.
 * Gains where ids are fewer than rows: a smaller constant, or seqs of tokens; other
 * gathers, as of embeddings, are left alone.  Of 12 layers of bert-base it saves
 * the last but for two of its products, about a twelfth of the step.
 * O(nodes + uses of gathered values).
 * Source: moving selections down to the tables, as query optimizers do: Ullman,
 * Principles of Database Systems, 1982.  Tests: tests/golden/narrow-rows/.
 */
#include "passes/declare.h"

#include <string.h>

typedef struct Narrow {
    GfPassCtx *cx;
    GfGraph *g;
    uint32_t count;    /* ids of nodes that were there before */
    uint32_t *place;   /* by id: place in the graph, from 1 */
    GfValue **ids;     /* by id: the rows that are read; NULL: none so far */
    bool *all;         /* by id: all rows are read, or different ones */
    bool *narrow;      /* by id: is narrowed, to `ids` */
    GfNode **narrowed; /* by id: what stands for it */
} Narrow;

/* ---- 1. which rows are read ------------------------------------------------------------- */

static bool is_symbol(const GfGraph *g, GfDim dim, const char *name)
{
    return dim.symbol != GF_CONSTANT && strcmp(g->symbols[dim.symbol], name) == 0;
}

static bool is_fewer(const GfGraph *g, GfDim few, GfDim many)
{
    if (few.symbol == GF_CONSTANT && many.symbol == GF_CONSTANT)
        return few.size < many.size;
    return is_symbol(g, few, "seqs") && is_symbol(g, many, "tokens");
}

/* A gather of fewer rows of a matrix than it has. */
static bool selects(const GfGraph *g, const GfNode *n)
{
    const GfType *table = &gf_operand(n, 0)->type;

    return n->op == GF_OP_GATHER && table->rank == 2 && is_fewer(g, n->results[0].type.dims[0], table->dims[0]);
}

/* Someone reads the rows `ids` of a result of `n`; NULL: all of them. */
static void add_reader(Narrow *w, const GfNode *n, GfValue *ids)
{
    w->all[n->id] |= !ids || (w->ids[n->id] && w->ids[n->id] != ids);
    w->ids[n->id] = ids;
}

/* ---- 2. what can be narrowed -------------------------------------------------------------- */

static bool is_matrix_of(const GfType *type, GfDim rows)
{
    return type->rank == 2 && type->dtype == GF_F32 && gf_dim_eq(type->dims[0], rows);
}

/* Row i of the results depends on row i of the operand. */
static bool is_row_operand(const GfNode *n, uint32_t i)
{
    GfClass class_ = gf_op_info(n->op)->class_;

    if (class_ == GF_CLASS_GEMM || n->op == GF_OP_ATTENTION)
        return i == 0;
    return is_matrix_of(&gf_operand(n, i)->type, n->results[0].type.dims[0]);
}

static bool all_f32(const GfNode *n)
{
    for (uint32_t i = 0; i < n->operand_count; i++) {
        if (gf_operand(n, i)->type.dtype != GF_F32)
            return false;
    }
    return true;
}

/* Rows are computed one by one, by an op that says which they are where that matters. */
static bool is_row_by_row(const GfNode *n, const GfValue *ids)
{
    switch (gf_op_info(n->op)->class_) {
    case GF_CLASS_ELEMENTWISE:
        if (n->op == GF_OP_DROPOUT)
            return !gf_dropout_rows(n);
        return n->result_count == 1 && n->op != GF_OP_MEAN_GRAD && all_f32(n);
    case GF_CLASS_ROW:
        return all_f32(n);
    case GF_CLASS_GEMM:
        return !gf_attr_i(n, "transpose_a");
    case GF_CLASS_OPAQUE:
        return n->op == GF_OP_ATTENTION && !gf_attr_i(n, "first") && gf_operand(n, 3) == ids;
    default:
        return false;
    }
}

static bool can_narrow(const Narrow *w, const GfNode *n)
{
    const GfValue *ids = w->ids[n->id];

    if (!ids || w->all[n->id] || n->results[0].type.rank != 2)
        return false;
    return is_row_by_row(n, ids) && w->place[ids->node->id] < w->place[n->id];
}

static void find_narrow(Narrow *w)
{
    for (GfNode *n = w->g->last; n; n = n->prev) {
        bool narrow = w->narrow[n->id] = can_narrow(w, n);
        for (uint32_t i = 0; i < n->operand_count; i++) {
            bool picks = i == 0 && n->op == GF_OP_GATHER && selects(w->g, n);
            bool passes_on = narrow && is_row_operand(n, i);
            add_reader(w, gf_operand(n, i)->node, picks ? gf_operand(n, 1) : passes_on ? w->ids[n->id] : NULL);
        }
    }
}

/* ---- 3. writing anew ------------------------------------------------------------------------ */

/* A gather of the rows `ids` of `v` that stands before `n`, or NULL. */
static GfValue *find_gather(const Narrow *w, const GfValue *v, const GfValue *ids, const GfNode *n)
{
    for (const GfUse *u = v->uses; u; u = u->next) {
        GfNode *user = u->user;
        bool before = user->id >= w->count || w->place[user->id] < w->place[n->id];
        if (before && user->op == GF_OP_GATHER && gf_operand(user, 0) == v && gf_operand(user, 1) == ids)
            return gf_result(user);
    }
    return NULL;
}

/* The rows that are read of what `n` reads of `v`; NULL after a failure. */
static GfValue *rows_of(Narrow *w, GfValue *v, GfNode *n)
{
    GfValue *ids = w->ids[n->id];

    if (w->narrow[v->node->id])
        return &w->narrowed[v->node->id]->results[v->index];
    GfValue *found = find_gather(w, v, ids, n);
    if (found)
        return found;
    w->cx->counts[1]++;
    return gf_build(w->g, n, n, w->cx->diags, GF_OP_GATHER, NULL, 0, (GfValue *[]){v, ids}, 2);
}

/* attention: the first query of each sequence only.  NULL when memory ran out. */
static const GfAttr *narrow_attrs(const Narrow *w, const GfNode *n)
{
    if (n->op != GF_OP_ATTENTION)
        return n->attrs;
    GfAttr *attrs = GF_NEW_ARRAY(w->cx->scratch, GfAttr, n->attr_count);
    for (uint32_t i = 0; attrs && i < n->attr_count; i++)
        attrs[i] = strcmp(n->attrs[i].key, "first") == 0 ? gf_attr_int("first", 1) : n->attrs[i];
    return attrs;
}

/* The operands of the narrowed `n`; NULL after a failure. */
static GfValue **narrow_operands(Narrow *w, GfNode *n, uint32_t *count)
{
    GfValue **in = GF_NEW_ARRAY(w->cx->scratch, GfValue *, n->operand_count + 2);

    *count = 0;
    for (uint32_t i = 0; in && i < n->operand_count; i++) {
        GfValue *v = is_row_operand(n, i) ? rows_of(w, gf_operand(n, i), n) : gf_operand(n, i);
        if (!v)
            return NULL;
        in[(*count)++] = v;
        if (i == 0 && n->op == GF_OP_DROPOUT)
            in[(*count)++] = w->ids[n->id];
    }
    return in;
}

static GfStatus narrow_node(Narrow *w, GfNode *n)
{
    GfType declared = n->results[0].type;
    GfNode **made = &w->narrowed[n->id];
    GfNodeSpec spec = {.op = n->op, .attrs = narrow_attrs(w, n), .attr_count = n->attr_count, .loc = n->loc};

    declared.dims[0] = w->ids[n->id]->type.dims[0];
    spec.declared = gf_op_has(n->op, GF_DECLARED) ? &declared : NULL;
    spec.operands = narrow_operands(w, n, &spec.operand_count);
    if (w->cx->scratch->failed)
        return gf_fail_memory(w->cx->diags);
    if (!spec.operands)
        return gf_build_status(w->cx);
    GF_TRY(gf_graph_add(w->g, n, &spec, made, w->cx->diags));
    (*made)->comment = n->comment;
    (*made)->lead = n->lead;
    w->cx->counts[0]++;
    return GF_OK;
}

static GfStatus narrow_all(Narrow *w)
{
    GF_EACH_NODE (n, w->g) {
        if (n->id >= w->count)
            continue;
        if (w->narrow[n->id])
            GF_TRY(narrow_node(w, n));
        else if (n->op == GF_OP_GATHER && w->narrow[gf_operand(n, 0)->node->id])
            gf_replace_uses(w->g, gf_result(n), rows_of(w, gf_operand(n, 0), n));
    }
    return GF_OK;
}

/* The wide nodes and the gathers that read them, users first. */
static GfStatus remove_wide(Narrow *w)
{
    for (GfNode *n = w->g->last, *prev; n; n = prev) {
        prev = n->prev;
        if (n->id >= w->count)
            continue;
        bool replaced = n->op == GF_OP_GATHER && w->narrow[gf_operand(n, 0)->node->id];
        if (w->narrow[n->id] || replaced)
            gf_remove(w->g, n);
        if (w->narrow[n->id] && gf_rename(w->g, w->narrowed[n->id], n->name) != GF_OK)
            return gf_fail_memory(w->cx->diags);
    }
    return GF_OK;
}

/* ---- the pass ---------------------------------------------------------------------------------- */

static GfStatus make_tables(Narrow *w)
{
    GfArena *scratch = w->cx->scratch;
    uint32_t place = 0;

    w->place = GF_NEW_ARRAY(scratch, uint32_t, w->count);
    w->ids = GF_NEW_ARRAY(scratch, GfValue *, w->count);
    w->all = GF_NEW_ARRAY(scratch, bool, w->count);
    w->narrow = GF_NEW_ARRAY(scratch, bool, w->count);
    w->narrowed = GF_NEW_ARRAY(scratch, GfNode *, w->count);
    if (scratch->failed)
        return gf_fail_memory(w->cx->diags);
    GF_EACH_NODE (n, w->g)
        w->place[n->id] = ++place;
    return GF_OK;
}

GfStatus gf_pass_narrow_rows(GfPassCtx *cx, GfGraph *g)
{
    Narrow w = {.cx = cx, .g = g, .count = gf_graph_ids(g)};

    GF_TRY(make_tables(&w));
    find_narrow(&w);
    GF_TRY(narrow_all(&w));
    return remove_wide(&w);
}
