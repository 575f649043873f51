/* spread.h -- what runs with several seeds came to: mean and standard deviation of a
 * figure, and which runs belong together. */
#ifndef GF_RUNTIME_TRAIN_SPREAD_H
#define GF_RUNTIME_TRAIN_SPREAD_H

#include "ir/arena.h"

/* Zero: no values yet. */
typedef struct GfSpread {
    size_t count;
    double mean;
    double squares; /* sum of the squared differences from the mean */
} GfSpread;

/* A NAN makes everything one.  Source: Welford, Technometrics 4 (1962). */
void gf_spread_add(GfSpread *spread, double value);

double gf_spread_mean(const GfSpread *spread); /* NAN of no values */

/* Of the sample, with n - 1; NAN of fewer than two values. */
double gf_spread_deviation(const GfSpread *spread);

/* Runs that belong together, in their order. */
typedef struct GfRunGroup {
    size_t *runs; /* [count], indices */
    size_t count; /* at least 1 */
} GfRunGroup;

typedef struct GfRunGroups {
    GfRunGroup *list; /* in the order of their first runs */
    size_t count;
    bool several; /* one group at least has more than one run */
} GfRunGroups;

/* Whether two runs, by index, belong together. */
typedef bool (*GfTogether)(const void *self, size_t a, size_t b);

/* Put each of `count` runs into the first group with all of whose runs it belongs
 * `together`; NULL: none does with any.  In `arena`; when memory runs out there are no
 * groups, and the arena tells. */
GfRunGroups gf_run_groups(GfArena *arena, size_t count, GfTogether together, const void *self);

#endif
