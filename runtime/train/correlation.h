/* correlation.h -- how well one row of numbers follows another.
 */
#ifndef GF_RUNTIME_TRAIN_CORRELATION_H
#define GF_RUNTIME_TRAIN_CORRELATION_H

#include "ir/arena.h"

#include <stddef.h>
#include <stdint.h>

/* A number and its place, while ranks are found. */
typedef struct GfPlaced {
    double value;
    size_t place;
} GfPlaced;

/* Pearson's coefficient, in [-1, 1]: covariance over both standard deviations.
 * NAN where either row is constant, or count < 2.  As scipy.stats.pearsonr. */
double gf_pearson(const double *x, const double *y, size_t count);

/* Ranks from 1; equal numbers share the mean of theirs.  As scipy.stats.rankdata.
 *
 *   ranks    out [count]; may be x
 *   scratch  [count] */
void gf_ranks(const double *x, size_t count, GfPlaced *scratch, double *ranks);

#endif
