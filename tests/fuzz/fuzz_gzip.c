/* fuzz_gzip.c -- runtime/data/gzip.h, and tables that are compressed. */
#include "runtime/data/gzip.h"
#include "tests/fuzz/fuzz_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    GfArena arena;
    GfDiags diags;
    GfText text = {.arena = &arena};

    gf_arena_init(&arena, NULL);
    gf_diags_init(&diags, NULL);
    fuzz_check_diags(gf_gzip_expand(&text, "f.gz", bytes, size, &diags), &diags);
    gf_diags_free(&diags);
    gf_arena_free(&arena);
    fuzz_table_as("f.csv.gz", bytes, size, &gf_data_format_defaults, GF_PROBLEM_DERIVED);
    free(bytes);
    return 0;
}
