/* options.c -- see options.h. */
#include "frontend/cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------- */

static const GfOptionSpec *find_option(const GfCommandSpec *spec, const char *key, size_t length)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        if (strlen(spec->options[i].key) == length && memcmp(spec->options[i].key, key, length) == 0)
            return &spec->options[i];
    }
    return NULL;
}

/* Options of one letter are written "-o PATH", others "--passes=LIST". */
static const char *dashes(const char *key)
{
    return key[0] && !key[1] ? "-" : "--";
}

static const char *before_value(const char *key)
{
    return key[0] && !key[1] ? " " : "=";
}

static GfStatus fail_option(const GfCommandSpec *spec, const char *key, GfArena *arena, GfDiags *diags)
{
    GfStatus status =
        gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'graft %s' has no option '%s%s'", spec->name, dashes(key), key);
    const char **keys = GF_NEW_ARRAY(arena, const char *, spec->option_count);

    for (size_t i = 0; keys && i < spec->option_count; i++)
        keys[i] = spec->options[i].key;
    bool is_word = key[0] && key[1]; /* one letter is close to any other */
    const char *close = keys && is_word ? gf_closest(key, keys, spec->option_count) : NULL;
    if (close)
        gf_note(diags, "did you mean '%s%s'?", dashes(close), close);
    else
        gf_note(diags, "'graft %s --help' lists its options", spec->name);
    return status;
}

static GfStatus fail_value(const GfOptionSpec *option, GfDiags *diags)
{
    const char *before = dashes(option->key), *key = option->key;

    return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'%s%s' needs a value: %s%s%s%s", before, key, before, key,
                   before_value(key), option->value);
}

static bool may_lack(const GfOptionSpec *option)
{
    return option->value[0] == '[';
}

/* A word that is neither an option nor an argument that is still wanted. */
static bool is_free_word(const GfOptions *o, const char *word)
{
    return word[0] != '-' && o->argument_count >= o->spec->least;
}

/* One option at argv[*i], which moves on when its value is the next word. */
static GfStatus read_option(GfOptions *o, int argc, char **argv, int *i, GfArena *arena, GfDiags *diags)
{
    const char *key = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    const char *equals = strchr(key, '=');
    size_t length = equals ? (size_t)(equals - key) : strlen(key);
    const GfOptionSpec *option = find_option(o->spec, key, length);
    const char *value = equals ? equals + 1 : "";

    if (!option) {
        const char *name = gf_arena_strndup(arena, key, length);
        return name ? fail_option(o->spec, name, arena, diags) : gf_fail_memory(diags);
    }
    if (!option->value && equals)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'%s%s' takes no value", dashes(option->key), option->key);
    if (option->value && !equals) {
        bool is_there = *i + 1 < argc && (!may_lack(option) || is_free_word(o, argv[*i + 1]));
        if (!is_there && !may_lack(option))
            return fail_value(option, diags);
        value = is_there ? argv[++*i] : "";
    }
    o->given[o->given_count].option = option;
    o->given[o->given_count++].value = value;
    return GF_OK;
}

/* "-o": an option of one letter, whose value is the next word. */
static bool is_letter_option(const char *word)
{
    return word[0] == '-' && word[1] && word[1] != '-' && !word[2];
}

static GfStatus read_words(GfOptions *o, int argc, char **argv, GfArena *arena, GfDiags *diags)
{
    bool ended = false;

    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0)
            ended = true;
        else if (!ended && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
            o->help = true;
        else if (!ended && (strncmp(argv[i], "--", 2) == 0 || is_letter_option(argv[i])))
            GF_TRY(read_option(o, argc, argv, &i, arena, diags));
        else if (!ended && argv[i][0] == '-' && argv[i][1])
            return fail_option(o->spec, argv[i] + 1, arena, diags);
        else
            o->arguments[o->argument_count++] = argv[i];
    }
    return GF_OK;
}

static GfStatus check_arguments(const GfOptions *o, GfDiags *diags)
{
    const GfCommandSpec *spec = o->spec;

    if (o->help || (o->argument_count >= spec->least && o->argument_count <= spec->most))
        return GF_OK;
    if (o->argument_count > spec->most)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'%s' is one argument too many", o->arguments[spec->most]);
    return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'graft %s' needs %s", spec->name, spec->arguments);
}

GfStatus gf_options_parse(const GfCommandSpec *spec, int argc, char **argv, GfArena *arena, GfOptions *out,
                          GfDiags *diags)
{
    *out = (GfOptions){.spec = spec,
                       .arena = arena,
                       .given = gf_arena_array(arena, (size_t)argc, sizeof *out->given),
                       .arguments = GF_NEW_ARRAY(arena, const char *, (size_t)argc)};
    if (!out->given || !out->arguments)
        return gf_fail_memory(diags);
    GF_TRY(read_words(out, argc, argv, arena, diags));
    return check_arguments(out, diags);
}

/* ---- asking ---------------------------------------------------------------------- */

const char *gf_options_nth(const GfOptions *o, const char *key, size_t n)
{
    for (size_t i = 0; i < o->given_count; i++) {
        if (strcmp(o->given[i].option->key, key) == 0 && n-- == 0)
            return o->given[i].value;
    }
    return NULL;
}

const char *gf_options_value(const GfOptions *o, const char *key)
{
    const char *last = NULL;

    for (size_t i = 0; i < o->given_count; i++) {
        if (strcmp(o->given[i].option->key, key) == 0)
            last = o->given[i].value;
    }
    return last;
}

bool gf_options_has(const GfOptions *o, const char *key)
{
    return gf_options_value(o, key) != NULL;
}

GfStatus gf_options_number(const GfOptions *o, const char *key, size_t least, size_t most, size_t *value,
                           GfDiags *diags)
{
    const char *text = gf_options_value(o, key);
    char *end;

    if (!text)
        return GF_OK;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *text < '0' || *text > '9' || *end || number < least || number > most)
        return gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "--%s needs a number from %zu to %zu, got '%s'", key, least,
                       most, text);
    *value = (size_t)number;
    return GF_OK;
}

/* ---- help ------------------------------------------------------------------------ */

static size_t written_length(const GfOptionSpec *option)
{
    return strlen(option->key) + (option->value ? strlen(option->value) + 1 : 0);
}

static void print_option(const GfOptionSpec *option, size_t width, FILE *out)
{
    int padding = (int)(width - written_length(option)) + !option->key[1];

    fprintf(out, "  %s%s%s%s%*s  %s\n", dashes(option->key), option->key,
            option->value ? before_value(option->key) : "", option->value ? option->value : "", padding, "",
            option->help);
}

void gf_command_help(const GfCommandSpec *spec, FILE *out)
{
    static const GfOptionSpec help = {"help", NULL, "show this"};
    size_t width = written_length(&help);

    for (size_t i = 0; i < spec->option_count; i++) {
        size_t length = written_length(&spec->options[i]);
        width = length > width ? length : width;
    }
    fprintf(out, "usage: graft %s%s%s%s\n\n%s\n\n", spec->name, *spec->arguments ? " " : "", spec->arguments,
            spec->option_count ? " [options]" : "", spec->about);
    for (size_t i = 0; i < spec->option_count; i++)
        print_option(&spec->options[i], width, out);
    print_option(&help, width, out);
    if (spec->more)
        fprintf(out, "\n%s", spec->more);
}

/* ---- the frame -------------------------------------------------------------------- */

int gf_exit_code(GfStatus status)
{
    return status == GF_OK ? 0 : status == GF_ERR_USAGE ? 2 : 1;
}

/* A full disk or a closed pipe must not look like success. */
static GfStatus flush_output(GfDiags *diags)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return GF_OK;
    return gf_fail(diags, GF_NOWHERE, GF_ERR_IO, "cannot write to standard output: %s", strerror(errno));
}

static GfStatus run_body(const GfOptions *o, GfStatus (*body)(const GfOptions *, GfDiags *), GfDiags *diags)
{
    if (o->help)
        gf_command_help(o->spec, stdout);
    else
        GF_TRY(body(o, diags));
    return flush_output(diags);
}

int gf_command_run(const GfCommandSpec *spec, int argc, char **argv, GfStatus (*body)(const GfOptions *, GfDiags *))
{
    GfDiags diags;
    GfArena arena;
    GfOptions options;

    gf_diags_init(&diags, NULL);
    gf_arena_init(&arena, NULL);
    GfStatus status = gf_options_parse(spec, argc, argv, &arena, &options, &diags);
    if (status == GF_OK)
        status = run_body(&options, body, &diags);
    fflush(stdout); /* what was said before the error comes before it */
    gf_diags_print(&diags, stderr);
    gf_arena_free(&arena);
    gf_diags_free(&diags);
    return gf_exit_code(status);
}
