/* cmd_ops.c -- `graft ops`: the op table, or one row of it in words. */
#include "frontend/cli/cli.h"
#include "frontend/cli/describe.h"
#include "frontend/cli/options.h"

static const GfCommandSpec spec = {
    .name = "ops",
    .arguments = "[NAME]",
    .about = "Lists the ops of the IR with their attributes, or describes one.",
    .most = 1,
};

static void print_table(void)
{
    for (int i = 0; i < GF_OP_COUNT; i++) {
        const GfOpInfo *info = gf_op_info((GfOp)i);
        printf("%-18s  %s\n", info->text, info->meaning);
        if (*info->attrs)
            printf("%-18s  {%s}\n", "", info->attrs);
    }
    puts("\nIn braces: attributes with their types (i integer, f number, s string) and defaults.");
}

static GfStatus run(const GfOptions *o, GfDiags *diags)
{
    const char *names[GF_OP_COUNT];
    GfOp op;

    if (!o->argument_count) {
        print_table();
        return GF_OK;
    }
    if (gf_op_find(o->arguments[0], &op)) {
        gf_describe_op(op, stdout);
        return GF_OK;
    }
    for (int i = 0; i < GF_OP_COUNT; i++)
        names[i] = gf_op_text((GfOp)i);
    return gf_fail_unknown(diags, o->arguments[0], "op; 'graft ops' lists them", names, GF_OP_COUNT);
}

int gf_cmd_ops(int argc, char **argv)
{
    return gf_command_run(&spec, argc, argv, run);
}
