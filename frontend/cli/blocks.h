/* blocks.h -- a step in parts that people know: layers, and forward, backward, optimizer.
 *
 * A block is what the names of parameters share: "bert.encoder.layer.3" up to the
 * number, else all but the last two parts: "bert.embeddings", "classifier".  Blocks are
 * numbered in the order of the parameters.  An op belongs to the block of the parameter
 * that it reads; one that reads none
 *   forward    to the highest block of its operands
 *   backward   to the block of the only parameter whose update needs it, else to the
 *              lowest of its operands
 */
#ifndef GF_FRONTEND_CLI_BLOCKS_H
#define GF_FRONTEND_CLI_BLOCKS_H

#include "ir/ir.h"

typedef enum GfPhase { GF_PHASE_FORWARD, GF_PHASE_BACKWARD, GF_PHASE_OPTIMIZER, GF_PHASES } GfPhase;

typedef struct GfBlocks {
    const char **names;
    uint32_t count;  /* at least 1: "the whole" where there are no parameters */
    uint32_t *of;    /* by id: its block */
    GfPhase *phases; /* by id: backward is what depends on the input loss_scale, optimizer what needs gradients' norm,
                        learning rate or AdamW */
} GfBlocks;

/* In `arena`; false when memory ran out. */
bool gf_blocks_find(GfBlocks *blocks, const GfGraph *g, GfArena *arena);

/* A label without its block: "attention.self.query.weight". */
const char *gf_block_rest(const GfBlocks *blocks, const GfNode *param);

#endif
