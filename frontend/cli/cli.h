/* cli.h -- the subcommands of `graft`: one file each, cmd_NAME.c.
 *
 * argv[0] is the subcommand's name.  Each prints its own diagnostics and returns
 * the exit code: 0 fine, 1 an error in the work, 2 the command line is wrong.
 */
#ifndef GF_FRONTEND_CLI_CLI_H
#define GF_FRONTEND_CLI_CLI_H

/* X(name, meaning): gf_cmd_NAME runs `graft NAME`. */
#define GF_COMMAND_TABLE(X)                                                                                            \
    X(compile, "compile a model to a training step and say what it holds")                                             \
    X(train, "train the variants of a job and compare them")                                                           \
    X(eval, "evaluate a trained model on data")                                                                        \
    X(predict, "what a trained model says of texts")                                                                   \
    X(bench, "time training steps, with all passes and without each")                                                  \
    X(report, "write a page about trained variants: scores, curves, settings")                                         \
    X(export, "write a trained model for transformers or peft, adapters merged or not")                                \
    X(inspect, "show what a checkpoint or another file holds")                                                         \
    X(opt, "run passes over text IR")                                                                                  \
    X(passes, "list the passes, or describe one")                                                                      \
    X(ops, "list the ops, or describe one")                                                                            \
    X(explain, "explain an error code, a pass or an op")                                                               \
    X(tokenize, "lines of text to token ids")                                                                          \
    X(metrics, "accuracy, precision, recall and F1 of predictions")

#define X(name, meaning) int gf_cmd_##name(int argc, char **argv);
GF_COMMAND_TABLE(X)
#undef X

#endif
