/* comparison_rows.h -- what the tables of a comparison are made of: figures of runs, and
 * of runs that differ in the seed alone. */
#ifndef GF_RUNTIME_TRAIN_COMPARISON_ROWS_H
#define GF_RUNTIME_TRAIN_COMPARISON_ROWS_H

#include "runtime/train/comparison.h"
#include "runtime/train/spread.h"

typedef struct GfComparisonRow {
    const char *name;   /* of the run, or of what the runs share */
    const size_t *runs; /* [count], indices of results */
    size_t count;
} GfComparisonRow;

typedef struct GfComparisonRows {
    GfComparisonRow *list;
    size_t count;
    bool groups; /* gathered: how many runs a row is of is shown */
} GfComparisonRows;

/* A row a group, or, where not `gathered`, a run.  In `arena`. */
GfComparisonRows gf_comparison_rows(const GfComparison *comparison, GfArena *arena, bool gathered);

/* Whether a group has more than one run. */
bool gf_comparison_is_gathered(const GfComparison *comparison, GfArena *arena);

/* A figure of a run; NAN: not known. */
typedef struct GfFigure {
    double (*value)(const GfVariantResult *result); /* NULL: the metric */
    GfMetric metric;
} GfFigure;

double gf_figure_trainable(const GfVariantResult *result);
double gf_figure_all(const GfVariantResult *result);
double gf_figure_epochs(const GfVariantResult *result);
double gf_figure_seconds(const GfVariantResult *result);
double gf_figure_speed(const GfVariantResult *result);
double gf_figure_loss(const GfVariantResult *result);
double gf_figure_steps(const GfVariantResult *result);
double gf_figure_train_loss(const GfVariantResult *result);
double gf_figure_token_speed(const GfVariantResult *result);

double gf_figure_value(GfFigure figure, const GfVariantResult *result);

/* Over the runs of a row. */
GfSpread gf_figure_spread(const GfComparison *comparison, GfFigure figure, const GfComparisonRow *row);

#endif
