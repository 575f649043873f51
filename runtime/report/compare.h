/* compare.h -- the table of all runs: what trained, how long, how well. */
#ifndef GF_RUNTIME_REPORT_COMPARE_H
#define GF_RUNTIME_REPORT_COMPARE_H

#include "runtime/report/report.h"

/* Add the section. */
void gf_report_comparison(GfText *out, const GfReport *report);

#endif
