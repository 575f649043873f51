/* pack.c -- offsets for buffers with lifetimes.  See pack.h.
 *
 * Dynamic storage allocation is NP-hard; greedy by size is close to the bound on
 * the graphs of networks.  In a fixed order, each piece goes into the smallest
 * gap that holds it between the pieces placed before it whose lives overlap its
 * own.  Three orders are tried, the best is kept, and the search ends early when
 * the bound is met:
 *   by size; by size times life; by start, as an allocator at run time would.
 * O(pieces^2).
 * Source: Pisarchyk & Lee, Efficient memory management for deep neural net
 * inference, arXiv:2001.03288, section 5.  Tests: tests/unit/test_plan.c.
 */
#include "passes/pack.h"

#include <stdlib.h>
#include <string.h>

typedef struct Item {
    GfPiece piece;
    uint32_t index;
} Item;

/* ---- the bound -------------------------------------------------------------------- */

static uint32_t last_launch(const GfPiece *pieces, uint32_t count)
{
    uint32_t last = 0;

    for (uint32_t i = 0; i < count; i++)
        last = pieces[i].end > last ? pieces[i].end : last;
    return last;
}

int64_t gf_pack_bound(const GfPiece *pieces, uint32_t count, GfArena *arena)
{
    size_t launches = (size_t)last_launch(pieces, count) + 2;
    int64_t *change = GF_NEW_ARRAY(arena, int64_t, launches), alive = 0, most = 0;

    if (!change)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        change[pieces[i].start] += pieces[i].size;
        change[pieces[i].end + 1] -= pieces[i].size;
    }
    for (size_t i = 0; i < launches; i++) {
        alive += change[i];
        most = alive > most ? alive : most;
    }
    return most;
}

/* ---- orders ------------------------------------------------------------------------- */

static int compare(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_start(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int order = compare(x->piece.start, y->piece.start);
    return order ? order : compare(x->index, y->index);
}

static int by_size(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int order = compare((double)y->piece.size, (double)x->piece.size);
    return order ? order : by_start(a, b);
}

static double volume(const GfPiece *p)
{
    return (double)p->size * (p->end - p->start + 1.0);
}

static int by_volume(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int order = compare(volume(&y->piece), volume(&x->piece));
    return order ? order : by_start(a, b);
}

/* ---- placing -------------------------------------------------------------------------- */

static bool alive_at_once(const GfPiece *a, const GfPiece *b)
{
    return a->start <= b->end && b->start <= a->end;
}

/* The smallest gap for `p` among `placed` (by offset), or the end of them. */
static int64_t best_offset(GfPiece *const *placed, uint32_t count, const GfPiece *p)
{
    int64_t best = -1, best_gap = INT64_MAX, end = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (!alive_at_once(placed[i], p))
            continue;
        int64_t gap = placed[i]->offset - end;
        if (gap >= p->size && gap < best_gap) {
            best = end;
            best_gap = gap;
        }
        if (placed[i]->offset + placed[i]->size > end)
            end = placed[i]->offset + placed[i]->size;
    }
    return best >= 0 ? best : end;
}

static void insert_by_offset(GfPiece **placed, uint32_t count, GfPiece *p)
{
    uint32_t at = count;

    while (at > 0 && placed[at - 1]->offset > p->offset)
        at--;
    memmove(&placed[at + 1], &placed[at], (count - at) * sizeof *placed);
    placed[at] = p;
}

static int64_t place_all(Item *items, uint32_t count, GfPiece **placed)
{
    int64_t peak = 0;

    for (uint32_t i = 0; i < count; i++) {
        GfPiece *p = &items[i].piece;
        p->offset = best_offset(placed, i, p);
        insert_by_offset(placed, i, p);
        peak = p->offset + p->size > peak ? p->offset + p->size : peak;
    }
    return peak;
}

int64_t gf_pack(GfPiece *pieces, uint32_t count, GfArena *arena)
{
    static int (*const orders[])(const void *, const void *) = {by_size, by_volume, by_start};
    Item *items = GF_NEW_ARRAY(arena, Item, count);
    GfPiece **placed = GF_NEW_ARRAY(arena, GfPiece *, count);
    int64_t bound = gf_pack_bound(pieces, count, arena), best = INT64_MAX;

    if (arena->failed)
        return -1;
    for (size_t o = 0; o < sizeof orders / sizeof *orders && best > bound; o++) {
        for (uint32_t i = 0; i < count; i++)
            items[i] = (Item){pieces[i], i};
        qsort(items, count, sizeof *items, orders[o]);
        int64_t peak = place_all(items, count, placed);
        for (uint32_t i = 0; peak < best && i < count; i++)
            pieces[items[i].index].offset = items[i].piece.offset;
        best = peak < best ? peak : best;
    }
    return best;
}
