/* metrics.c -- see metrics.h.
 *
 * With tp hits of a class, p predictions of it and t examples of it:
 *   precision = tp / p     recall = tp / t     f1 = 2 tp / (p + t)
 * Source: sklearn.metrics.precision_recall_fscore_support(average="weighted", zero_division=0).
 */
#include "runtime/train/metrics.h"

#include <string.h>

GfStatus gf_metrics_init(GfMetrics *metrics, GfArena *arena, size_t classes, GfDiags *diags)
{
    *metrics = (GfMetrics){.classes = classes};
    if (classes == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "metrics need at least one class");
    if (classes > SIZE_MAX / classes)
        return gf_fail_memory(diags);
    metrics->matrix = GF_NEW_ARRAY(arena, uint64_t, classes * classes);
    return metrics->matrix ? GF_OK : gf_fail_memory(diags);
}

void gf_metrics_reset(GfMetrics *metrics)
{
    memset(metrics->matrix, 0, metrics->classes * metrics->classes * sizeof *metrics->matrix);
    metrics->total = 0;
}

static GfStatus check_class(const GfMetrics *m, int64_t class, const char *what, GfDiags *diags)
{
    if (class >= 0 && (uint64_t) class < m->classes)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_LABEL, "%s class %lld, where classes go from 0 to %zu", what,
                   (long long)class, m->classes - 1);
}

GfStatus gf_metrics_add(GfMetrics *metrics, int64_t truth, int64_t predicted, GfDiags *diags)
{
    GF_TRY(check_class(metrics, truth, "true", diags));
    GF_TRY(check_class(metrics, predicted, "predicted", diags));
    metrics->matrix[(size_t)truth * metrics->classes + (size_t)predicted]++;
    metrics->total++;
    return GF_OK;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static uint64_t row_sum(const GfMetrics *m, size_t truth)
{
    uint64_t sum = 0;

    for (size_t c = 0; c < m->classes; c++)
        sum += m->matrix[truth * m->classes + c];
    return sum;
}

static uint64_t column_sum(const GfMetrics *m, size_t predicted)
{
    uint64_t sum = 0;

    for (size_t c = 0; c < m->classes; c++)
        sum += m->matrix[c * m->classes + predicted];
    return sum;
}

GfClassScores gf_metrics_class(const GfMetrics *m, size_t class)
{
    uint64_t hit = m->matrix[class * m->classes + class];
    uint64_t is = row_sum(m, class), said = column_sum(m, class);

    return (GfClassScores){
        .precision = ratio(hit, said), .recall = ratio(hit, is), .f1 = ratio(2 * hit, is + said), .support = is};
}

GfScores gf_metrics_scores(const GfMetrics *metrics)
{
    GfScores sum = {0};
    uint64_t hits = 0;

    if (metrics->total == 0)
        return sum;
    for (size_t c = 0; c < metrics->classes; c++) {
        GfClassScores class = gf_metrics_class(metrics, c);
        hits += metrics->matrix[c * metrics->classes + c];
        sum.precision += class.precision * (double)class.support;
        sum.recall += class.recall * (double)class.support;
        sum.f1 += class.f1 * (double)class.support;
    }
    double total = (double)metrics->total;
    return (GfScores){ratio(hits, metrics->total), sum.f1 / total, sum.precision / total, sum.recall / total};
}
