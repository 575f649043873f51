/* compare.c -- see compare.h. */
#include "compare.h"

#include <math.h>
#include <stdio.h>

double norm_of(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i] * values[i];
    return sqrt(sum);
}

double distance_of(const float *values, const double *reference, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double difference = (double)values[i] - reference[i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

void tally_check(Tally *t, const char *what, double error, double allowed)
{
    bool good = isfinite(error) && isfinite(allowed) && error <= allowed;

    if (good)
        t->passed++;
    else
        t->failed++;
    if (!good || t->verbose)
        printf("%s %s: %s: off by %.3g, allowed %.3g\n", good ? "ok    " : "FAILED", t->run, what, error, allowed);
}

void tally_number(Tally *t, const char *what, size_t index, double value, double reference, double relative)
{
    char name[128];

    snprintf(name, sizeof name, "%s %zu: %.9g for %.9g", what, index, value, reference);
    tally_check(t, name, fabs(value - reference), relative * fabs(reference));
}

void tally_tensor(Tally *t, const char *what, const float *values, const double *reference, size_t count,
                  double relative)
{
    tally_check(t, what, distance_of(values, reference, count), relative * norm_of(reference, count));
}
