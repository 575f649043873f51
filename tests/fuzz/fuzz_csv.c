/* fuzz_csv.c -- runtime/data/table.h over files of the format csv. */
#include "tests/fuzz/fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_table(GF_DATA_CSV, "f.csv", data, size);
    return 0;
}
