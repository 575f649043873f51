/* metrics.c -- see metrics.h.
 *
 * With tp hits of a class, p predictions of it and t examples of it:
 *   precision = tp / p     recall = tp / t     f1 = 2 tp / (p + t)
 * Source: sklearn.metrics.precision_recall_fscore_support(average="weighted", "macro"
 * and "micro", zero_division=0), accuracy_score, mean_squared_error; scipy.stats.
 */
#include "runtime/train/metrics.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- room ---- */

static void allocate_values(GfMetrics *m, GfArena *arena, size_t examples)
{
    m->capacity = examples;
    m->truth = GF_NEW_ARRAY(arena, double, examples * m->classes);
    m->predicted = GF_NEW_ARRAY(arena, double, examples * m->classes);
    for (int i = 0; i < 2; i++)
        m->ranks[i] = GF_NEW_ARRAY(arena, double, examples);
    m->scratch = GF_NEW_ARRAY(arena, GfPlaced, examples);
}

GfStatus gf_metrics_init(GfMetrics *m, GfArena *arena, GfProblem problem, size_t classes, size_t examples,
                         GfDiags *diags)
{
    *m = (GfMetrics){.problem = problem, .classes = classes};
    if (classes == 0)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_VALUE, "metrics need at least one class");
    if (classes > SIZE_MAX / classes || examples > SIZE_MAX / classes)
        return gf_fail_memory(diags);
    if (problem == GF_PROBLEM_SINGLE_LABEL)
        m->matrix = GF_NEW_ARRAY(arena, uint64_t, classes * classes);
    else if (problem == GF_PROBLEM_MULTI_LABEL)
        m->counts = GF_NEW_ARRAY(arena, GfClassCounts, classes);
    else
        allocate_values(m, arena, examples);
    return arena->failed ? gf_fail_memory(diags) : GF_OK;
}

void gf_metrics_reset(GfMetrics *m)
{
    if (m->matrix)
        memset(m->matrix, 0, m->classes * m->classes * sizeof *m->matrix);
    if (m->counts)
        memset(m->counts, 0, m->classes * sizeof *m->counts);
    m->total = m->exact = 0;
}

GfStatus gf_metrics_keep(GfMetrics *kept, GfArena *arena, const GfMetrics *m, GfDiags *diags)
{
    GF_TRY(gf_metrics_init(kept, arena, m->problem, m->classes, 0, diags));
    if (m->matrix)
        memcpy(kept->matrix, m->matrix, m->classes * m->classes * sizeof *m->matrix);
    if (m->counts)
        memcpy(kept->counts, m->counts, m->classes * sizeof *m->counts);
    kept->total = m->total;
    kept->exact = m->exact;
    return GF_OK;
}

/* ---- counting ---- */

static GfStatus check_class(const GfMetrics *m, int64_t class, const char *what, GfDiags *diags)
{
    if (class >= 0 && (uint64_t) class < m->classes)
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_LABEL, "%s class %lld, where classes go from 0 to %zu", what,
                   (long long)class, m->classes - 1);
}

GfStatus gf_metrics_add(GfMetrics *m, int64_t truth, int64_t predicted, GfDiags *diags)
{
    GF_TRY(check_class(m, truth, "true", diags));
    GF_TRY(check_class(m, predicted, "predicted", diags));
    m->matrix[(size_t)truth * m->classes + (size_t)predicted]++;
    m->total++;
    return GF_OK;
}

static void add_labels(GfMetrics *m, const float *targets, const float *logits)
{
    bool exact = true;

    for (size_t c = 0; c < m->classes; c++) {
        bool is = targets[c] > 0.5f, said = logits[c] > 0;
        m->counts[c].is += is;
        m->counts[c].said += said;
        m->counts[c].hit += is && said;
        exact = exact && is == said;
    }
    m->exact += exact;
    m->total++;
}

static void add_values(GfMetrics *m, const float *targets, const float *logits)
{
    assert(m->total < m->capacity);
    for (size_t c = 0; c < m->classes; c++) {
        m->truth[c * m->capacity + m->total] = (double)targets[c];
        m->predicted[c * m->capacity + m->total] = (double)logits[c];
    }
    m->total++;
}

void gf_metrics_add_row(GfMetrics *m, const float *targets, const float *logits)
{
    if (m->counts)
        add_labels(m, targets, logits);
    else
        add_values(m, targets, logits);
}

/* ---- classes ---- */

static GfClassCounts counts_of(const GfMetrics *m, size_t class)
{
    GfClassCounts counts = {.hit = m->matrix ? m->matrix[class * m->classes + class] : 0};

    if (m->counts)
        return m->counts[class];
    for (size_t c = 0; c < m->classes; c++) {
        counts.is += m->matrix[class * m->classes + c];
        counts.said += m->matrix[c * m->classes + class];
    }
    return counts;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static double f1_of(const GfClassCounts *c)
{
    return ratio(2 * c->hit, c->is + c->said);
}

GfClassScores gf_metrics_class(const GfMetrics *m, size_t class)
{
    GfClassCounts c = counts_of(m, class);

    return (GfClassScores){
        .precision = ratio(c.hit, c.said), .recall = ratio(c.hit, c.is), .f1 = f1_of(&c), .support = c.is};
}

static GfScores score_classes(const GfMetrics *m)
{
    GfScores s = {0};
    double *v = s.values;
    GfClassCounts all = {0};
    size_t seen = 0;

    for (size_t c = 0; c < m->classes; c++) {
        GfClassScores class = gf_metrics_class(m, c);
        GfClassCounts counts = counts_of(m, c);
        all = (GfClassCounts){all.is + counts.is, all.said + counts.said, all.hit + counts.hit};
        seen += m->counts || counts.is + counts.said > 0;
        v[GF_METRIC_PRECISION] += class.precision * (double)class.support;
        v[GF_METRIC_RECALL] += class.recall * (double)class.support;
        v[GF_METRIC_F1] += class.f1 * (double)class.support;
        v[GF_METRIC_F1_MACRO] += class.f1;
    }
    double support = all.is ? (double)all.is : 1;
    v[GF_METRIC_PRECISION] /= support;
    v[GF_METRIC_RECALL] /= support;
    v[GF_METRIC_F1] /= support;
    v[GF_METRIC_F1_MACRO] /= (double)seen;
    v[GF_METRIC_F1_MICRO] = f1_of(&all);
    v[GF_METRIC_ACCURACY] = ratio(m->matrix ? all.hit : m->exact, m->total);
    return s;
}

/* ---- values ---- */

static double squared_error(const double *truth, const double *predicted, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (predicted[i] - truth[i]) * (predicted[i] - truth[i]);
    return sum / (double)count;
}

static GfScores score_values(GfMetrics *m)
{
    GfScores s = {0};
    size_t count = (size_t)m->total;

    for (size_t c = 0; c < m->classes; c++) {
        const double *truth = m->truth + c * m->capacity, *predicted = m->predicted + c * m->capacity;
        gf_ranks(truth, count, m->scratch, m->ranks[0]);
        gf_ranks(predicted, count, m->scratch, m->ranks[1]);
        s.values[GF_METRIC_MSE] += squared_error(truth, predicted, count) / (double)m->classes;
        s.values[GF_METRIC_PEARSON] += gf_pearson(truth, predicted, count) / (double)m->classes;
        s.values[GF_METRIC_SPEARMAN] += gf_pearson(m->ranks[0], m->ranks[1], count) / (double)m->classes;
    }
    return s;
}

GfScores gf_metrics_scores(GfMetrics *m)
{
    if (m->total == 0)
        return (GfScores){0};
    return m->problem == GF_PROBLEM_REGRESSION ? score_values(m) : score_classes(m);
}
