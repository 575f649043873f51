/* correlation.c -- see correlation.h. */
#include "runtime/train/correlation.h"

#include <math.h>
#include <stdlib.h>

static double mean_of(const double *x, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += x[i];
    return sum / (double)count;
}

static bool is_constant(const double *x, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (x[i] != x[0])
            return false;
    }
    return true;
}

double gf_pearson(const double *x, const double *y, size_t count)
{
    double xx = 0, yy = 0, xy = 0;

    if (count < 2 || is_constant(x, count) || is_constant(y, count))
        return NAN;
    double mean_x = mean_of(x, count), mean_y = mean_of(y, count);
    for (size_t i = 0; i < count; i++) {
        double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return fmax(-1, fmin(1, xy / sqrt(xx) / sqrt(yy)));
}

static int by_value(const void *a, const void *b)
{
    double x = ((const GfPlaced *)a)->value, y = ((const GfPlaced *)b)->value;
    return (x > y) - (x < y);
}

void gf_ranks(const double *x, size_t count, GfPlaced *scratch, double *ranks)
{
    size_t end;

    for (size_t i = 0; i < count; i++)
        scratch[i] = (GfPlaced){x[i], i};
    qsort(scratch, count, sizeof *scratch, by_value);
    for (size_t begin = 0; begin < count; begin = end) {
        for (end = begin + 1; end < count && scratch[end].value == scratch[begin].value;)
            end++;
        for (size_t i = begin; i < end; i++)
            ranks[scratch[i].place] = 0.5 * (double)(begin + 1 + end);
    }
}
