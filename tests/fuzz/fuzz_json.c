/* fuzz_json.c -- frontend/graph/json.h: what is read prints as what is read again. */
#include "frontend/graph/json.h"
#include "tests/fuzz/fuzz.h"

/* The printed tree reads as the same tree. */
static void check_again(const GfJson *doc, GfDiags *diags)
{
    GfArena arena;
    GfText text = {.arena = &arena};
    GfJson again;

    gf_arena_init(&arena, NULL);
    gf_json_print(&text, doc, doc->root, 0);
    FUZZ_CHECK(gf_json_read_text(&again, "again.json", gf_text_str(&text), text.length, diags) == GF_OK);
    FUZZ_CHECK(cJSON_Compare(doc->root, again.root, 1));
    gf_json_close(&again);
    gf_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    GfDiags diags;
    GfJson doc;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_json_read_text(&doc, "f.json", text, size, &diags);
    fuzz_check_diags(status, &diags);
    if (status == GF_OK)
        check_again(&doc, &diags);
    gf_json_close(&doc);
    gf_diags_free(&diags);
    free(text);
    return 0;
}
