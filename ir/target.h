/* target.h -- what a back end can do, as plain data that passes may ask.
 *
 * A pass never asks which back end it serves, only what that back end can do.
 */
#ifndef GF_IR_TARGET_H
#define GF_IR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct GfTarget {
    const char *name;         /* "cpu" */
    int64_t row_limit;        /* longest row (elements) that a row kernel keeps at hand */
    uint32_t kernel_nodes;    /* nodes (without constants) that one kernel may hold: bounds the time to compile it */
    uint32_t products_limit;  /* matrix products that one tile may add up */
    int64_t prologue_columns; /* widest product that may recompute an elementwise operand a */
    int64_t prologue_rows;    /* tallest product that may recompute an elementwise operand b */
    bool whole_rows;          /* a tile of products can take all columns of its rows: a head is computed once */
    int64_t alignment;        /* bytes, of every planned buffer */
    bool rounded_products;    /* gains from factors rounded to bf16 or tf32 */
    bool joins_launches;      /* runs neighbouring launches of one kernel that do not wait for each other as one */
} GfTarget;

#endif
