/* fuzz_tsv.c -- runtime/data/table.h over files of the format tsv. */
#include "tests/fuzz/fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_table(GF_DATA_TSV, "f.tsv", data, size);
    return 0;
}
