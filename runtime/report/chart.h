/* chart.h -- a line chart as SVG within a page: curves over epochs, one colour and
 * dash a run (classes s0 to s7 of the page's style), named at their ends. */
#ifndef GF_RUNTIME_REPORT_CHART_H
#define GF_RUNTIME_REPORT_CHART_H

#include "runtime/report/report.h"

enum { GF_CHART_STYLES = 8 }; /* further runs take them again */

typedef struct GfChart {
    const char *title;
    const char *const *names;     /* [count], of the curves */
    const GfCurve *const *curves; /* [count]; empty ones are left out */
    size_t count;
    bool share; /* of a whole: never beyond 1 */
} GfChart;

/* Whether there is anything to draw. */
bool gf_chart_has_points(const GfChart *chart);

void gf_chart_add(GfText *out, const GfChart *chart);

/* A short piece of the line that stands for curve `index`. */
void gf_chart_key(GfText *out, size_t index);

#endif
