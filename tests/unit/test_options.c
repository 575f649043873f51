/* test_options.c -- command lines of the subcommands. */
#include "frontend/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const GfOptionSpec options[] = {
    {"passes", "LIST", "run these"},
    {"set", "KEY=VALUE", "override"},
    {"stats", NULL, "say more"},
    {"o", "PATH", "write here"},
};

static const GfCommandSpec spec = {
    .name = "test",
    .arguments = "FILE",
    .about = "About.",
    .least = 1,
    .most = 2,
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

typedef struct Parsed {
    GfArena arena;
    GfDiags diags;
    GfOptions options;
    GfStatus status;
} Parsed;

enum { WORDS_MAX = 8 };

/* The command line is `words`, divided by blanks. */
static Parsed parse(const char *words)
{
    static char buffer[256];
    char *argv[WORDS_MAX] = {"test"};
    int argc = 1;
    Parsed p;

    snprintf(buffer, sizeof buffer, "%s", words);
    for (char *word = strtok(buffer, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    gf_arena_init(&p.arena, NULL);
    gf_diags_init(&p.diags, NULL);
    p.status = gf_options_parse(&spec, argc, argv, &p.arena, &p.options, &p.diags);
    return p;
}

static void release(Parsed *p)
{
    gf_arena_free(&p->arena);
    gf_diags_free(&p->diags);
}

static void both_forms(void **state)
{
    (void)state;
    static const char *const lines[] = {"--passes=a,b file", "--passes a,b file", "file --passes a,b"};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Parsed p = parse(lines[i]);
        assert_int_equal(p.status, GF_OK);
        assert_string_equal(gf_options_value(&p.options, "passes"), "a,b");
        assert_int_equal(p.options.argument_count, 1);
        assert_string_equal(p.options.arguments[0], "file");
        assert_false(gf_options_has(&p.options, "stats"));
        release(&p);
    }
}

static void repeated(void **state)
{
    (void)state;
    Parsed p = parse("--set a=1 --stats f --set=b=2=3 --set=");

    assert_int_equal(p.status, GF_OK);
    assert_string_equal(gf_options_nth(&p.options, "set", 0), "a=1");
    assert_string_equal(gf_options_nth(&p.options, "set", 1), "b=2=3");
    assert_string_equal(gf_options_nth(&p.options, "set", 2), "");
    assert_null(gf_options_nth(&p.options, "set", 3));
    assert_string_equal(gf_options_value(&p.options, "set"), "");
    assert_true(gf_options_has(&p.options, "stats"));
    release(&p);
}

/* "-" is a file, "--" ends the options, what follows an option is its value. */
static void dashes(void **state)
{
    (void)state;
    Parsed p = parse("- -- --stats");

    assert_int_equal(p.status, GF_OK);
    assert_string_equal(p.options.arguments[0], "-");
    assert_string_equal(p.options.arguments[1], "--stats");
    release(&p);
    p = parse("--passes --stats f");
    assert_string_equal(gf_options_value(&p.options, "passes"), "--stats");
    release(&p);
}

static void help(void **state)
{
    (void)state;
    static const char *const lines[] = {"--help", "-h", "a b c --help"};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Parsed p = parse(lines[i]);
        assert_int_equal(p.status, GF_OK);
        assert_true(p.options.help);
        release(&p);
    }
}

static void errors(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"--pases=x f", "'graft test' has no option '--pases'", "did you mean '--passes'?"},
        {"--quiet f", "'graft test' has no option '--quiet'", "'graft test --help' lists its options"},
        {"-x f", "'graft test' has no option '-x'", "'graft test --help' lists its options"},
        {"f --passes", "'--passes' needs a value: --passes=LIST", NULL},
        {"f -o", "'-o' needs a value: -o PATH", NULL},
        {"f --stats=1", "'--stats' takes no value", NULL},
        {"", "'graft test' needs FILE", NULL},
        {"a b c", "'c' is one argument too many", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Parsed p = parse(cases[i][0]);
        assert_int_equal(p.status, GF_ERR_USAGE);
        assert_string_equal(p.diags.first->message, cases[i][1]);
        if (cases[i][2])
            assert_string_equal(p.diags.first->note, cases[i][2]);
        else
            assert_null(p.diags.first->note);
        release(&p);
    }
}

static void exit_codes(void **state)
{
    (void)state;
    assert_int_equal(gf_exit_code(GF_OK), 0);
    assert_int_equal(gf_exit_code(GF_ERR_IO), 1);
    assert_int_equal(gf_exit_code(GF_ERR_USAGE), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms), cmocka_unit_test(repeated), cmocka_unit_test(dashes),
        cmocka_unit_test(help),       cmocka_unit_test(errors),   cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
