/* job_grid.h -- several settings and seeds in one job.
 *
 *   "training": {"learning_rate": [1e-4, 5e-5]},  "seeds": [1, 2, 3]
 *
 * A list of values for a training argument means a run for each; several lists, one
 * for each combination; "seeds" is such a list for the argument `seed`, whose runs
 * belong together: the comparison gives their mean and standard deviation.
 */
#ifndef GF_FRONTEND_GRAPH_JOB_GRID_H
#define GF_FRONTEND_GRAPH_JOB_GRID_H

#include "frontend/graph/training.h"

/* A place where arguments are given; the last one that gives an argument counts. */
typedef struct GfTrainingSource {
    const GfJson *doc;
    const cJSON *object; /* NULL: none */
} GfTrainingSource;

typedef struct GfGridAxis {
    const char *key;
    const GfJson *doc;
    const cJSON *values; /* an array, not empty */
    size_t count;
} GfGridAxis;

typedef struct GfGrid {
    GfGridAxis *axes; /* the last one changes from run to run; seeds are the last */
    size_t axis_count;
    size_t runs; /* at least 1 */
} GfGrid;

enum { GF_GRID_RUNS_MAX = 256 };

/* The lists in `sources`, and `seeds`, an array of `seeds_doc` or NULL.  In `arena`.
 * Errors: GF_ERR_VALUE a list without values, more than GF_GRID_RUNS_MAX runs,
 * seeds given twice. */
GfStatus gf_grid_find(GfGrid *grid, GfArena *arena, const GfTrainingSource *sources, size_t source_count,
                      const GfJson *seeds_doc, const cJSON *seeds, GfDiags *diags);

/* Lay the values of a run, from 0 on, over `training`.  `setting` and `seed` get what
 * tells it from others, "-learning_rate=5e-05" and "-seed=2"; "" where there is no list. */
GfStatus gf_grid_apply(const GfGrid *grid, size_t run, GfTraining *training, GfArena *arena, const char **setting,
                       const char **seed, GfDiags *diags);

#endif
