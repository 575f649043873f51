/* fuzz_gir.c -- the text form of graphs: print(parse(s)) parses, and prints alike. */
#include "ir/ir.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const GfGraph *g, GfDiags *diags)
{
    GfArena arena;
    GfText once = {.arena = &arena}, twice = {.arena = &arena};
    GfGraph *again = NULL;

    gf_arena_init(&arena, NULL);
    gf_graph_print(g, &once);
    FUZZ_CHECK(gf_graph_parse("again.gir", gf_text_str(&once), once.length, NULL, &again, diags) == GF_OK);
    gf_graph_print(again, &twice);
    FUZZ_CHECK(strcmp(gf_text_str(&once), gf_text_str(&twice)) == 0);
    gf_graph_free(again);
    gf_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    GfGraph *g = NULL;
    GfDiags diags;

    gf_diags_init(&diags, NULL);
    GfStatus status = gf_graph_parse("f.gir", text, size, NULL, &g, &diags);
    fuzz_check_diags(status, &diags);
    if (status == GF_OK) {
        check_again(g, &diags);
        FUZZ_CHECK(gf_verify(g, &diags) == GF_OK);
        gf_graph_free(g);
    }
    gf_diags_free(&diags);
    free(text);
    return 0;
}
