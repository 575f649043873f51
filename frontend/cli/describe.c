/* describe.c -- see describe.h. */
#include "frontend/cli/describe.h"

#include "ir/cost.h"

#include <string.h>

/* A bit of a table's column and what it says. */
typedef struct Bit {
    uint32_t bit;
    const char *meaning;
} Bit;

static void print_bits(const char *title, uint32_t bits, const Bit *table, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        if (bits & table[i].bit) {
            fprintf(out, "  %-10s  %s\n", title, table[i].meaning);
            title = "";
        }
    }
}

void gf_describe_schema(const char *schema, const char *title, FILE *out)
{
    static const char *const kinds[] = {
        [GF_ATTR_INT] = "integer", [GF_ATTR_FLOAT] = "number", [GF_ATTR_STRING] = "string"};
    GfAttrSpec attr;

    for (; gf_schema_next(&schema, &attr); title = "") {
        fprintf(out, "  %-10s  %s: %s, ", title, attr.key, kinds[attr.kind]);
        if (!attr.has_default)
            fputs("must be given\n", out);
        else if (attr.kind == GF_ATTR_STRING)
            fprintf(out, "default \"%s\"\n", attr.string);
        else
            fprintf(out, "default %s\n", attr.string);
    }
}

/* ---- ops -------------------------------------------------------------------------- */

static const char *const class_texts[] = {
    [GF_CLASS_STRUCTURE] = "structure: makes no code",
    [GF_CLASS_ELEMENTWISE] = "elementwise: fuses with its neighbours",
    [GF_CLASS_ROW] = "row: works on whole rows at a time",
    [GF_CLASS_COLSUM] = "colsum: sums over rows",
    [GF_CLASS_GEMM] = "gemm: a matrix product, computed in tiles",
    [GF_CLASS_OPAQUE] = "opaque: a kernel of its own",
};

static const Bit traits[] = {
    {GF_PURE, "pure: may be merged, moved, removed"},
    {GF_COMMUTES, "commutes: the first two operands may be swapped"},
    {GF_RANDOM, "random: the last operand is %rng, `key` is its identity"},
    {GF_DECLARED, "declared: the text states the result type"},
    {GF_LINEAR_MAP, "linear in its first operand"},
    {GF_GATHERS, "gathers: operand 0 is addressed by operand 1"},
};

static void print_operand_counts(const GfOpInfo *info, FILE *out)
{
    fprintf(out, "  %-10s  %u", "operands", info->min_operands);
    if (info->max_operands == GF_ANY)
        fputs(" or more", out);
    else if (info->max_operands != info->min_operands)
        fprintf(out, " to %u", info->max_operands);
    fprintf(out, "\n  %-10s  %u\n", "results", info->results);
}

void gf_describe_op(GfOp op, FILE *out)
{
    const GfOpInfo *info = gf_op_info(op);

    fprintf(out, "op %s\n\n  %s\n\n", info->text, info->meaning);
    print_operand_counts(info, out);
    gf_describe_schema(info->attrs, "attributes", out);
    fprintf(out, "  %-10s  %s\n", "class", class_texts[info->class_]);
    fprintf(out, "  %-10s  %s (the letters: ir/cost.def)\n", "FLOPs", gf_flops_formula(op));
    print_bits("traits", info->traits, traits, sizeof traits / sizeof *traits, out);
}

/* ---- passes ------------------------------------------------------------------------- */

static const Bit pass_needs[] = {
    {GF_NEEDS_LOSS, "an output called 'loss', f32[]"},
    {GF_NEEDS_FORWARD, "no gradients and no updates yet"},
    {GF_NEEDS_GRADS, "gradients that nothing has used yet: after 'autodiff', before 'adamw'"},
    {GF_NEEDS_UNFUSED, "no kernels yet: before 'fuse'"},
    {GF_NEEDS_FUSED, "kernels: after 'fuse'"},
};

void gf_describe_pass(const GfPassInfo *info, const char *origin, FILE *out)
{
    fprintf(out, "pass %s\n\n  %s\n\n", info->text, info->meaning);
    print_bits("needs", info->needs, pass_needs, sizeof pass_needs / sizeof *pass_needs, out);
    if (info->changes & GF_CHANGES_VALUES)
        fprintf(out, "  %-10s  values, by design: --check-each does not compare them\n", "changes");
    gf_describe_schema(info->options, "options", out);
    fprintf(out, "  %-10s  %s\n", "counts", *info->counters ? info->counters : "nothing");
    if (origin)
        fprintf(out, "  %-10s  %s\n", "from", origin);
}

/* ---- errors ------------------------------------------------------------------------- */

GfStatus gf_fail_unknown(GfDiags *diags, const char *word, const char *what, const char *const *names, size_t count)
{
    GfStatus status = gf_fail(diags, GF_NOWHERE, GF_ERR_USAGE, "'%s' is no %s", word, what);
    const char *close = gf_closest(word, names, count);

    if (close)
        gf_note(diags, "did you mean '%s'?", close);
    return status;
}
