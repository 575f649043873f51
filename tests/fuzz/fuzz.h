/* fuzz.h -- what the fuzz targets share.
 *
 * A target reads any bytes as a file of its kind.  Beside not crashing, it must
 * keep the promise of every reader: success without a diagnostic, or an error
 * whose first diagnostic says where and what.
 */
#ifndef GF_TESTS_FUZZ_H
#define GF_TESTS_FUZZ_H

#include "ir/diag.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The bytes with a NUL behind them, in a block of their own: one too many read is seen. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);

    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/* What was promised of `status`, and that it can be printed. */
static inline void fuzz_check_diags(GfStatus status, const GfDiags *diags)
{
    FUZZ_CHECK((status == GF_OK) == (diags->count == 0));
    if (status == GF_OK)
        return;
    FUZZ_CHECK(diags->first->status == status || diags->last->status == status);
    FUZZ_CHECK(diags->first->loc.file && *diags->first->message);
    FILE *nowhere = fopen("/dev/null", "w");
    FUZZ_CHECK(nowhere);
    gf_diags_print(diags, nowhere);
    fclose(nowhere);
}

#endif
