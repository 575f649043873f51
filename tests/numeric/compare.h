/* compare.h -- numbers against their reference, counted and reported. */
#ifndef GF_TESTS_NUMERIC_COMPARE_H
#define GF_TESTS_NUMERIC_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Tally {
    const char *run; /* that is compared now */
    bool verbose;    /* report what passes too */
    size_t passed, failed;
} Tally;

/* Euclidean norm of `count` numbers, and of the difference. */
double norm_of(const double *values, size_t count);
double distance_of(const float *values, const double *reference, size_t count);

/* Count `what`: it passes when error <= allowed; both are finite or it fails. */
void tally_check(Tally *tally, const char *what, double error, double allowed);

/* |value - reference| <= relative |reference| */
void tally_number(Tally *tally, const char *what, size_t index, double value, double reference, double relative);

/* ||values - reference|| <= relative ||reference||; a reference of zeros wants zeros. */
void tally_tensor(Tally *tally, const char *what, const float *values, const double *reference, size_t count,
                  double relative);

#endif
