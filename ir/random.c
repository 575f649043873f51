/* random.c -- see random.h. */
#include "ir/random.h"

#include <math.h>

uint64_t gf_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double gf_random_uniform(uint64_t *state)
{
    return (double)(gf_random_next(state) >> 11) * 0x1p-53;
}

/* Box and Muller's, one of its two. */
double gf_random_normal(uint64_t *state)
{
    static const double tau = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - gf_random_uniform(state)));
    return radius * cos(tau * gf_random_uniform(state));
}
