/* fuzz_vocab.c -- a vocab.txt, and a text tokenized with it. */
#include "runtime/data/wordpiece.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    GfDiags diags;
    GfTokenizer t;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_tokenizer_parse(&t, "vocab.txt", text, size, GF_UNCASED, NULL, &diags);
    fuzz_check_diags(status, &diags);
    if (status == GF_OK) {
        int32_t *ids = malloc(gf_tokenizer_pair_bound(size, size) * sizeof *ids);
        size_t first, count = gf_tokenizer_encode_pair(&t, text, size, text, size, 0, ids, &first);
        FUZZ_CHECK(ids[0] == t.cls && ids[first - 1] == t.sep && ids[count - 1] == t.sep);
        count = gf_tokenizer_encode_pair(&t, text, size, text, size / 2, 7, ids, &first);
        FUZZ_CHECK(count <= 7 && first < count && ids[count - 1] == t.sep);
        free(ids);
        gf_tokenizer_free(&t);
    }
    gf_diags_free(&diags);
    free(text);
    return 0;
}
