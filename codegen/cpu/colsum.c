/* colsum.c -- sums over rows, y[j] = sum_i x[i,j], with the elementwise values
 * that feed them.  A task owns a block of columns and walks all rows: each sum
 * is one sequence of additions, whatever the number of threads.
 */
#include "codegen/cpu/emit.h"
#include "codegen/cpu/ops.h"

enum { BLOCK_VECTORS = 4 };

const CpuOp cpu_sum_rows = {0};

/* acc[s] += x_s[row, col .. col+width) for each sum s at each vector of the block */
static void add_row(Emit *e, V row, V first_col, V end_col, V *acc, unsigned vectors)
{
    Point points[BLOCK_VECTORS];

    for (unsigned v = 0; v < vectors; v++) {
        V col = ll_add(e->l, first_col, ll_i(e->l, (int64_t)v * e->l->width));
        points[v] = (Point){.row = row, .col = col, .mask = end_col ? ll_mask_below(e->l, col, end_col) : NULL};
    }
    emit_group(points, vectors);
    for (unsigned v = 0; v < vectors; v++) {
        Point p = points[v];
        emit_fresh(e);
        for (uint32_t s = 0; s < e->r->output_count; s++) {
            V slot = acc[s * BLOCK_VECTORS + v];
            V x = emit_operand(e, e->r->outputs[s]->node, 0, p);
            ll_set(e->l, slot, ll_fadd(e->l, ll_get(e->l, slot), x));
        }
    }
}

/* The block of columns from `col`; end NULL: all of its columns exist. */
static void emit_block(Emit *e, V col, V end, V *acc)
{
    Ll *l = e->l;
    GfDim rows = e->r->rows;

    for (uint32_t i = 0; i < e->r->output_count * BLOCK_VECTORS; i++)
        ll_set(l, acc[i], ll_vf(l, 0));
    Loop row = ll_for(l, ll_i(l, 0), emit_dim(e, rows), 1);
    add_row(e, row.i, col, end, acc, BLOCK_VECTORS);
    ll_end(l, &row);
    for (uint32_t s = 0; s < e->r->output_count; s++) {
        for (unsigned v = 0; v < BLOCK_VECTORS; v++) {
            V at = ll_add(l, col, ll_i(l, (int64_t)v * l->width));
            ll_vstore(l, ll_get(l, acc[s * BLOCK_VECTORS + v]), emit_base(e, e->r->outputs[s]), at,
                      end ? ll_mask_below(l, at, end) : NULL);
        }
    }
}

GfStatus cpu_emit_colsum(Emit *e, const char *name)
{
    Ll *l = e->l;
    int64_t block = (int64_t)l->width * BLOCK_VECTORS;

    for (uint32_t i = 0; i < e->r->output_count; i++) {
        if (e->r->outputs[i]->node->op != GF_OP_SUM_ROWS)
            return gf_fail(e->diags, e->r->nodes[0]->loc, GF_ERR_COMPILE,
                           "a kernel of column sums may only give column sums, not '%%%s'",
                           e->r->outputs[i]->node->name);
    }
    GF_TRY(emit_begin(e, name, 0));
    V *acc = GF_NEW_ARRAY(e->arena, V, (size_t)e->r->output_count * BLOCK_VECTORS + 1);
    if (!acc)
        return gf_fail_memory(e->diags);
    for (uint32_t i = 0; i < e->r->output_count * BLOCK_VECTORS; i++)
        acc[i] = ll_var(l, l->vf);
    V cols = emit_dim(e, e->r->cols);
    Loop task = ll_for(l, e->begin, e->end, 1);
    V col = ll_mul(l, task.i, ll_i(l, block));
    If whole = ll_if(l, ll_lt(l, cols, ll_add(l, col, ll_i(l, block))));
    emit_block(e, col, cols, acc);
    ll_else(l, &whole);
    emit_block(e, col, NULL, acc);
    ll_fi(l, &whole);
    ll_end(l, &task);
    LLVMBuildRetVoid(l->b);
    e->work = (GfWork){.dim = {e->r->cols, gf_dim_const(1)}, .unit = {block, 1}};
    return GF_OK;
}
