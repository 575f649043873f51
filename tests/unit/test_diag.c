/* test_diag.c -- diagnostics as the user sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/diag.h"

static void assert_shown(const GfDiags *diags, const char *wanted)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    gf_diags_print(diags, out);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void control_characters_are_escaped(void **state)
{
    GfDiags diags;

    (void)state;
    gf_diags_init(&diags, NULL);
    gf_fail(&diags, (GfLoc){.file = "a\x1b[2J.json"}, GF_ERR_NAME, "no '%s'", "x\x07\n\x7f \xc2\x9b \xff \xc3\xa9");
    gf_note(&diags, "did you mean '%s'?", "\x1b]0;\t");
    assert_shown(&diags, "a\\x1b[2J.json: error GF0104: no 'x\\x07\\x0a\\x7f \\xc2\\x9b \\xff \xc3\xa9'\n"
                         "  note: did you mean '\\x1b]0;\t'?\n");
    gf_diags_free(&diags);
}

/* The caret stands below "x": it counts characters, the column bytes. */
static void carets_count_characters(void **state)
{
    GfDiags diags;
    static const char source[] = "\xc3\xa9\xe2\x82\xac\t\x1b\xffx y";

    (void)state;
    gf_diags_init(&diags, NULL);
    gf_fail(&diags, gf_loc_at("a.json", source, strcspn(source, "x")), GF_ERR_NAME, "no");
    assert_shown(&diags, "a.json:1:9: error GF0104: no\n"
                         "    1 | \xc3\xa9\xe2\x82\xac  ?x y\n"
                         "      |      ^\n");
    gf_diags_free(&diags);
}

/* A long line is cut to what stands around the place, never within a character. */
static void long_lines_are_cut_between_characters(void **state)
{
    enum { EUROS = 200, SHOWN_BEFORE = 26, SHOWN = 52 };
    char source[3 * EUROS + 1] = "", wanted[1024];
    GfDiags diags;

    (void)state;
    for (int i = 0; i < EUROS; i++)
        strcat(source, "\xe2\x82\xac");
    gf_diags_init(&diags, NULL);
    gf_fail(&diags, gf_loc_at("a", source, 300), GF_ERR_NAME, "no");
    strcpy(wanted, "a:1:301: error GF0104: no\n    1 | ");
    snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%.*s\n      | ", 3 * SHOWN, source);
    size_t end = strlen(wanted);
    memset(wanted + end, ' ', SHOWN_BEFORE);
    strcpy(wanted + end + SHOWN_BEFORE, "^\n");
    assert_shown(&diags, wanted);
    gf_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(carets_count_characters),
        cmocka_unit_test(long_lines_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
