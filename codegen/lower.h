/* lower.h -- what the back ends share when they write a region as a kernel. */
#ifndef GF_CODEGEN_LOWER_H
#define GF_CODEGEN_LOWER_H

#include "codegen/codegen.h"

/* "k7_linear_gelu": the number and the ops, each once, that a profile shows.  NULL: no memory. */
const char *gf_kernel_name(GfArena *arena, uint32_t number, const GfRegion *r);

bool gf_region_is_output(const GfRegion *r, const GfValue *v);

/* Kernels that do not know their sizes: of FLAT regions, and of sum_squares.  One kernel
 * serves parameters of all shapes; behind the keys a launch has three scalars, {symbol or
 * -1, elements a unit of it (in all, where there is no symbol), elements a task; of
 * sum_squares the number of parts}. */
enum { GF_SIZED_SCALARS = 3 };
bool gf_region_is_sized(const GfRegion *r);

/* The scalars of a launch: the keys of the random nodes; of a kernel that does not know its
 * sizes also those three and the launch's work, with some `task` elements a task.
 * Errors: GF_ERR_COMPILE, two symbolic dims; `target` is named in it; GF_ERR_MEMORY. */
GfStatus gf_set_scalars(GfArena *arena, const GfRegion *r, int64_t task, const char *target, GfLaunch *launch,
                        GfDiags *diags);

/* How a ROW region is walked.  A reduction reads its operand in stage s and its result is
 * known from stage s + phases on; an elementwise value belongs to the latest stage that one
 * of its operands belongs to, and is computed there once.
 *
 *   layer_norm(add(a, b)):  stage 0  x = a + b, kept; sum x
 *                           stage 1  sum (x - mean)^2
 *                           stage 2  y = (x - mean) rstd g + b
 */
typedef struct GfRowStages {
    int *level; /* by node id: stage that its results belong to */
    int *first; /* by node id: stage of a reduction's phase 0 */
    bool *kept; /* by node id * 3 + result: read again in a later stage */
    int stages;
} GfRowStages;

/* What the back end makes of the ops. */
typedef struct GfRowOps {
    int (*phases)(const GfNode *n);          /* of a reduction along the row; 0: it is none */
    bool (*is_row_number)(const GfValue *v); /* a number a row, kept as such: not a row */
} GfRowOps;

/* `inside`: by node id, of the region.  Errors: GF_ERR_MEMORY. */
GfStatus gf_row_stages(const GfRegion *r, uint32_t ids, const bool *inside, const GfRowOps *ops, GfArena *arena,
                       GfRowStages *out, GfDiags *diags);

/* Some result of `n`, a node of the stage, is kept or an output. */
bool gf_row_writes(const GfRegion *r, const GfRowStages *s, const GfRowOps *ops, const GfNode *n);

#endif
