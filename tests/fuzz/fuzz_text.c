/* fuzz_text.c -- runtime/data/table.h over files of the format text;label. */
#include "tests/fuzz/fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_table(GF_DATA_TEXT, "f.text", data, size);
    return 0;
}
