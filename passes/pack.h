/* pack.h -- offsets for buffers with lifetimes.  Internal to passes/. */
#ifndef GF_PASSES_PACK_H
#define GF_PASSES_PACK_H

#include "ir/arena.h"

/* `size` bytes alive in the launches start..end, both included. */
typedef struct GfPiece {
    int64_t size, offset;
    uint32_t start, end;
} GfPiece;

/* Set the offsets so that pieces alive at once do not overlap; returns the bytes
 * needed for all, or -1 when memory ran out.  Sizes are multiples of one
 * alignment, and so are the offsets; their sum must fit an int64_t.
 * Scratch memory from `arena`. */
int64_t gf_pack(GfPiece *pieces, uint32_t count, GfArena *arena);

/* The largest sum of sizes alive at once: no packing needs less. */
int64_t gf_pack_bound(const GfPiece *pieces, uint32_t count, GfArena *arena);

#endif
