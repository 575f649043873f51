/* classes.h -- which classes a run tells apart: its confusion matrix, and each class's scores. */
#ifndef GF_RUNTIME_REPORT_CLASSES_H
#define GF_RUNTIME_REPORT_CLASSES_H

#include "runtime/report/report.h"

enum { GF_REPORT_MATRIX_MAX = 40 }; /* more classes than this make no readable matrix */

/* Whether anything is known of single classes. */
bool gf_report_has_classes(const GfReportRun *run);

/* Add what is known: both tables, or one. */
void gf_report_classes(GfText *out, const GfReportRun *run);

#endif
