/* fuzz_tokenizer_json.c -- a tokenizer.json, and itself as a text tokenized with it. */
#include "runtime/data/wordpiece.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    GfDiags diags;
    GfTokenizer t;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_tokenizer_parse_json(&t, "tokenizer.json", text, size, NULL, &diags);
    fuzz_check_diags(status, &diags);
    if (status == GF_OK) {
        int32_t *ids = malloc(gf_tokenizer_bound(size, 0) * sizeof *ids);
        size_t count = gf_tokenizer_encode(&t, text, size, 0, ids);
        for (size_t i = 0; i < count; i++)
            FUZZ_CHECK(ids[i] >= 0 && (size_t)ids[i] < t.count);
        free(ids);
        gf_tokenizer_free(&t);
    }
    gf_diags_free(&diags);
    free(text);
    return 0;
}
