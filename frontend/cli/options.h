/* options.h -- command lines of the subcommands, and the frame around each.
 *
 *   static const GfOptionSpec options[] = {
 *       {"passes", "LIST", "run these passes"},
 *       {"stats", NULL, "print what each pass did"},
 *   };
 *   static const GfCommandSpec spec = {"opt", "FILE.gir|-", "Run passes over text IR.", NULL, 1, 1, options, 2};
 *
 *   int gf_cmd_opt(int argc, char **argv)
 *   {
 *       return gf_command_run(&spec, argc, argv, run);
 *   }
 *
 * Options are written `--key value` or `--key=value`, those of one letter `-o
 * value`; `--` ends them.  A value that may be left out is the next word if that is no
 * option and the arguments are there already.  Every command also takes `--help`.
 */
#ifndef GF_FRONTEND_CLI_OPTIONS_H
#define GF_FRONTEND_CLI_OPTIONS_H

#include "ir/diag.h"

typedef struct GfOptionSpec {
    const char *key;
    const char *value; /* what stands for it in the help, "LIST"; "[FILE]": it may be left out; NULL: takes none */
    const char *help;  /* one line */
} GfOptionSpec;

typedef struct GfCommandSpec {
    const char *name;      /* "opt" */
    const char *arguments; /* positional, as the help shows them; "" when there are none */
    const char *about;     /* what it does, one line */
    const char *more;      /* lines after the options in the help, or NULL */
    size_t least, most;    /* positional arguments */
    const GfOptionSpec *options;
    size_t option_count;
} GfCommandSpec;

/* What was given; strings are argv's. */
typedef struct GfOptions {
    const GfCommandSpec *spec;
    GfArena *arena; /* of the command: freed when it is done */
    struct GfOptionGiven {
        const GfOptionSpec *option;
        const char *value; /* "" for options without a value */
    } * given;             /* in the order of the command line */
    size_t given_count;
    const char **arguments;
    size_t argument_count;
    bool help; /* --help or -h: nothing else counts */
} GfOptions;

/* Read a command line; lists live in `arena`.  argv[0] is the subcommand.
 * Errors: GF_ERR_USAGE unknown option (with the closest), a value missing or too
 * many, too few or too many arguments. */
GfStatus gf_options_parse(const GfCommandSpec *spec, int argc, char **argv, GfArena *arena, GfOptions *out,
                          GfDiags *diags);

/* The last value of --key, or NULL when it was not given. */
const char *gf_options_value(const GfOptions *o, const char *key);
bool gf_options_has(const GfOptions *o, const char *key);

/* The nth (from 0) value of an option that may be repeated, or NULL. */
const char *gf_options_nth(const GfOptions *o, const char *key, size_t n);

/* The value of --key as a whole number in [least, most]; *value is left when it was not given.
 * Errors: GF_ERR_USAGE. */
GfStatus gf_options_number(const GfOptions *o, const char *key, size_t least, size_t most, size_t *value,
                           GfDiags *diags);

/* Parse the command line, show help or run `body`, print diagnostics to stderr
 * and return the exit code: 0 fine, 1 an error in the work (also when stdout
 * cannot be written), 2 usage. */
int gf_command_run(const GfCommandSpec *spec, int argc, char **argv, GfStatus (*body)(const GfOptions *, GfDiags *));

void gf_command_help(const GfCommandSpec *spec, FILE *out);

/* The exit code of a status. */
int gf_exit_code(GfStatus status);

#endif
