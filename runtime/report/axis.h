/* axis.h -- the scale of a chart: from round number to round number. */
#ifndef GF_RUNTIME_REPORT_AXIS_H
#define GF_RUNTIME_REPORT_AXIS_H

#include "ir/arena.h"

typedef struct GfAxis {
    double low, high; /* multiples of step; low < high */
    double step;      /* 1, 2 or 5 times a power of ten */
    int count;        /* of ticks: low, low + step, ... high */
} GfAxis;

/* An axis over [low, high], finite, with about `ticks` ticks.  A range of nothing is widened.
 * Source: Heckbert, "Nice Numbers for Graph Labels", Graphics Gems, 1990. */
GfAxis gf_axis_over(double low, double high, int ticks);

double gf_axis_tick(const GfAxis *axis, int index);

/* Add a tick's number, with as many digits as the step needs: "0.25", "2e-5". */
void gf_axis_label(GfText *out, const GfAxis *axis, int index);

/* Add a number in the fewest words: "0.5", "3e-5", "12". */
void gf_axis_number(GfText *out, double value, int decimals);

#endif
