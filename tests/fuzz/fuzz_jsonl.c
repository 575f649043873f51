/* fuzz_jsonl.c -- runtime/data/table.h over files of the format jsonl. */
#include "tests/fuzz/fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_table(GF_DATA_JSONL, "f.jsonl", data, size);
    return 0;
}
