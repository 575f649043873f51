/* main.c -- the command `graft`: finds the subcommand and hands over. */
#include "frontend/cli/cli.h"
#include "ir/diag.h"

#include <string.h>

typedef struct Command {
    const char *name, *meaning;
    int (*run)(int argc, char **argv);
} Command;

static const Command commands[] = {
#define X(name, meaning) {#name, meaning, gf_cmd_##name},
    GF_COMMAND_TABLE(X)
#undef X
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fputs("usage: graft COMMAND ...\n\n"
          "Compiles and fine-tunes BERT-family encoders: a model graph in JSON in, one compiled\n"
          "training step out.\n\n",
          out);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-9s  %s\n", commands[i].name, commands[i].meaning);
    fputs("\n'graft COMMAND --help' says more.  'graft --version' prints the version.\n", out);
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *close = gf_closest(name, names, COMMAND_COUNT);
    fprintf(stderr, "graft: error GF%04d: '%s' is no command\n", GF_ERR_USAGE, name);
    if (close)
        fprintf(stderr, "  note: did you mean '%s'?\n", close);
    else
        fputs("  note: 'graft --help' lists the commands\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return fflush(stdout) ? 1 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("graft " GRAFT_VERSION);
        return fflush(stdout) ? 1 : 0;
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(argv[1]);
}
