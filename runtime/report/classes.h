/* classes.h -- which classes a run tells apart: its confusion matrix, and each class's scores. */
#ifndef GF_RUNTIME_REPORT_CLASSES_H
#define GF_RUNTIME_REPORT_CLASSES_H

#include "runtime/report/report.h"

enum { GF_REPORT_MATRIX_MAX = 40 }; /* more classes than this make no readable matrix */

/* Add both tables; nothing where nothing is known. */
void gf_report_classes(GfText *out, const GfReportRun *run);

#endif
