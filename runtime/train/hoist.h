/* hoist.h -- what a frozen part gives for each example of a data set, kept from epoch
 * to epoch: the inputs hoisted.N of a step that passes/hoist_frozen.c has cut.
 *
 *   f32[seqs,h]    a row an example
 *   f32[tokens,h]  as many as the example has tokens
 *
 * Rows are computed when a batch first asks for them, in a batch of those that are
 * missing, and kept for the first `kept` examples: as many as the budget holds.  A row
 * does not depend on the batch it was computed in, bit for bit on the CPU, so it
 * makes no difference when that was, or whether it was kept.
 */
#ifndef GF_RUNTIME_TRAIN_HOIST_H
#define GF_RUNTIME_TRAIN_HOIST_H

#include "frontend/graph/training.h"
#include "runtime/data/batch.h"
#include "runtime/exec/exec.h"

/* A hoisted value. */
typedef struct GfHoisted {
    const char *name;
    bool by_token;
    int64_t width; /* floats in a row */
    float *kept;   /* [rows of the kept examples, width], in the store's memory; NULL: none */
    float *batch;  /* [rows of the batch, width]: what is bound */
} GfHoisted;

typedef struct GfHoist {
    const GfDataset *dataset; /* borrowed */
    GfExec *frozen;           /* of the program that computes the values; borrowed */
    GfHoisted *values;
    uint32_t count;
    size_t kept;        /* examples [0, kept) are kept */
    size_t kept_count;  /* of these, how many have been computed */
    bool *computed;     /* [kept] */
    int64_t bytes;      /* of the rows of the kept examples */
    int64_t wanted;     /* of those of all examples */
    uint32_t *missing;  /* [seqs of a batch] */
    size_t *first_rows; /* [seqs of a batch] where in the batch the rows of a missing example go */
    GfBatch batch;      /* of the missing examples */
} GfHoist;

/* Bytes that may be kept, of all data sets together. */
int64_t gf_hoist_budget(const GfTraining *training);

/* Whether the program has hoisted inputs; NULL: no program. */
bool gf_program_hoists(const GfProgram *program);

/* That `frozen` computes every hoisted input of `step`, in its type.
 * Errors: GF_ERR_COMPILE. */
GfStatus gf_hoist_check(const GfProgram *step, const GfProgram *frozen, GfDiags *diags);

/* Make room for batches of up to so many rows, in `arena`, and for as many examples as
 * `budget` bytes hold, in the store's memory, which is taken only as rows come.  Budget
 * 0: everything is computed each time.
 * Errors: GF_ERR_MEMORY. */
GfStatus gf_hoist_init(GfHoist *hoist, GfArena *arena, GfExec *frozen, const GfProgram *program, GfStore *store,
                       const GfBatcher *batches, int64_t budget, GfDiags *diags);

/* Give `step` its hoisted inputs for a batch of the data set; sizes are bound, too.
 * An empty hoist has nothing to give.
 * Errors: GF_ERR_VALUE the batch is larger than planned; GF_ERR_DEVICE. */
GfStatus gf_hoist_bind(GfHoist *hoist, GfExec *step, const GfBatch *batch, GfDiags *diags);

#endif
