/* emit.c -- lines, names and signatures of kernels.  See emit.h. */
#include "codegen/cuda/emit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- lines ---------------------------------------------------------------------- */

static void add_line(CudaEmit *e, const char *format, va_list args, const char *end)
{
    char line[1024];

    vsnprintf(line, sizeof line, format, args);
    gf_text_add(e->out, "%*s%s%s\n", *line ? e->indent * 4 : 0, "", line, end);
}

void cuda_line(CudaEmit *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_line(e, format, args, "");
    va_end(args);
}

void cuda_open(CudaEmit *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_line(e, format, args, " {");
    va_end(args);
    e->indent++;
}

void cuda_close(CudaEmit *e, const char *behind)
{
    e->indent--;
    cuda_line(e, "}%s", behind);
}

const char *cuda_text(CudaEmit *e, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = gf_arena_strdup(e->arena, text);
    return copy ? copy : "";
}

/* ---- names ---------------------------------------------------------------------- */

/* Words that the language, the headers or the kernel's frame use. */
static const char *const reserved[] = {
    "alignas",  "alignof",  "and",      "asm",      "auto",     "bool",    "break",     "case",     "char",
    "class",    "const",    "continue", "default",  "delete",   "do",      "double",    "else",     "enum",
    "exp",      "explicit", "export",   "extern",   "false",    "float",   "for",       "friend",   "goto",
    "if",       "inline",   "int",      "log",      "long",     "mutable", "namespace", "new",      "not",
    "or",       "private",  "public",   "register", "return",   "short",   "signed",    "sizeof",   "static",
    "struct",   "switch",   "template", "this",     "throw",    "true",    "try",       "typedef",  "typename",
    "union",    "unsigned", "using",    "void",     "volatile", "while",   "xor",       "sizes",    "batch",
    "count",    "task",     "part",     "row",      "col",      "i",       "tile",      "scratch",  "record",
    "elements", "kept",     "sqrt",     "tanh",     "erf",      "min",     "max",       "gamma",    "y0",
    "y1",       "yn",       "j0",       "j1",       "jn",       "lane",    "s",         "acc",      "to",
    "k",        "blocks",   "end",      "first",    "each",     "launch",  "head",      "head_acc", "head_rows",
    "tail",     "tail_acc", "tail_row", "x",        "y",        "sum",
};

static bool is_taken(const CudaEmit *e, const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], name) == 0)
            return true;
    for (uint32_t i = 0; i < e->g->symbol_count; i++)
        if (strcmp(e->g->symbols[i], name) == 0)
            return true;
    for (size_t i = 0; i < e->taken_count; i++)
        if (strcmp(e->taken[i], name) == 0)
            return true;
    return false;
}

static const char *take(CudaEmit *e, const char *name)
{
    e->taken = gf_arena_grow(e->arena, e->taken, e->taken_count, &e->taken_room, sizeof *e->taken);
    if (e->taken)
        e->taken[e->taken_count++] = name;
    return name;
}

const char *cuda_fresh_name(CudaEmit *e, const char *like)
{
    const char *name = like;

    for (int i = 2; is_taken(e, name); i++)
        name = cuda_text(e, "%s_%d", like, i);
    return take(e, name);
}

/* The last part of the graph's name: kernels serve all layers. */
static const char *base_name(CudaEmit *e, const GfNode *n)
{
    const char *dot = strrchr(n->name, '.'), *from = dot && dot[1] ? dot + 1 : n->name;
    char name[48] = "";
    size_t length = 0;

    if (!isalpha((unsigned char)*from))
        name[length++] = 'v';
    for (; *from && length + 1 < sizeof name; from++)
        name[length++] = (char)(isalnum((unsigned char)*from) ? *from : '_');
    name[length] = '\0';
    return strncmp(name, "gf_", 3) == 0 ? cuda_text(e, "v_%s", name) : cuda_text(e, "%s", name);
}

const char *cuda_name(CudaEmit *e, const GfValue *v)
{
    const char **name = &e->names[v->node->id * 3 + v->index];
    static const char *const suffix[] = {"", "_1", "_2"};

    if (!*name)
        *name = cuda_fresh_name(
            e, cuda_text(e, "%s%s%s", base_name(e, v->node), suffix[v->index], e->inside[v->node->id] ? "" : "_x"));
    return *name;
}

static uint32_t pointer_index(const CudaEmit *e, const GfValue *v)
{
    for (uint32_t i = 0; e->inside[v->node->id] && i < e->r->output_count; i++)
        if (e->r->outputs[i] == v)
            return e->r->input_count + i;
    for (uint32_t i = 0; i < e->r->input_count; i++)
        if (e->r->inputs[i] == v)
            return i;
    return UINT32_MAX;
}

const char *cuda_pointer(CudaEmit *e, const GfValue *v)
{
    uint32_t i = pointer_index(e, v);
    return i == UINT32_MAX ? "missing" : e->pointers[i];
}

static void name_pointers(CudaEmit *e)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < e->r->input_count; i++)
        e->pointers[k++] = cuda_fresh_name(e, base_name(e, e->r->inputs[i]->node));
    for (uint32_t i = 0; i < e->r->output_count; i++)
        e->pointers[k++] = cuda_fresh_name(e, cuda_text(e, e->r->outputs[i]->index ? "%s_out%u" : "%s_out",
                                                        base_name(e, e->r->outputs[i]->node), e->r->outputs[i]->index));
}

/* ---- dims ----------------------------------------------------------------------- */

const char *cuda_dim(CudaEmit *e, GfDim dim)
{
    return dim.symbol == GF_CONSTANT ? cuda_text(e, "%" PRId64, dim.size) : e->g->symbols[dim.symbol];
}

int64_t cuda_dim_max(const CudaEmit *e, GfDim dim)
{
    return dim.symbol == GF_CONSTANT ? dim.size : e->g->plan_sizes[dim.symbol];
}

bool cuda_is_wide(GfDim line)
{
    return line.symbol == GF_CONSTANT && line.size % 4 == 0;
}

CudaShape cuda_shape(const GfType *type)
{
    CudaShape s = {gf_dim_const(1), gf_dim_const(1)};

    if (!gf_as_matrix(type, &s.rows, &s.cols) && type->rank > 0) {
        s.cols = type->dims[type->rank - 1];
        s.rows = gf_dim_const(0); /* no matrix: whoever asks for rows gets none */
    }
    return s;
}

/* ---- the frame -------------------------------------------------------------------- */

static const char *c_type(const GfValue *v)
{
    return v->type.dtype == GF_I32 ? "int" : "float";
}

static void add_shapes(CudaEmit *e)
{
    GfText line = {.arena = e->arena};
    uint32_t all = e->r->input_count + e->r->output_count;

    gf_text_add(&line, "//");
    for (uint32_t i = 0; i < all; i++) {
        const GfValue *v = i < e->r->input_count ? e->r->inputs[i] : e->r->outputs[i - e->r->input_count];
        if (i == e->r->input_count)
            gf_text_add(&line, "  ->");
        if (i == 24) {
            gf_text_add(&line, " ... %u in all", all);
            break;
        }
        gf_text_add(&line, "  %s ", e->pointers[i]);
        gf_type_print(e->g, &v->type, &line);
    }
    gf_text_add(e->out, "%s\n", gf_text_str(&line));
}

/* The parameters, each followed by `end`. */
static void add_params(CudaEmit *e, const char *before, const char *end)
{
    for (uint32_t i = 0; i < e->r->input_count; i++)
        gf_text_add(e->out, "%sconst %s *%s%s", before, c_type(e->r->inputs[i]), e->pointers[i], end);
    for (uint32_t i = 0; i < e->r->output_count; i++)
        gf_text_add(e->out, "%s%s *%s%s", before, c_type(e->r->outputs[i]), e->pointers[e->r->input_count + i], end);
    if (e->scratch_bytes)
        gf_text_add(e->out, "%sfloat *scratch%s", before, end);
    for (uint32_t i = 0; i < e->r->random_count; i++)
        gf_text_add(e->out, "%slong long key%u%s", before, i, end);
    for (uint32_t i = 0; i < e->extra_scalars; i++)
        gf_text_add(e->out, "%slong long extra%u%s", before, i, end);
}

/* `task`, and `part` of the blocks that share it. */
static void open_task(CudaEmit *e, const char *block)
{
    if (e->splits > 1)
        cuda_line(e, "const int task = %s / %u, part = %s %% %u;", block, e->splits, block, e->splits);
    else
        cuda_line(e, "const int task = %s;", block);
}

/* Blocks of one launch. */
static const char *blocks_of(CudaEmit *e)
{
    GfText text = {.arena = e->arena};
    int64_t known = e->splits > 1 ? e->splits : 1;

    for (int i = 0; i < 2; i++) {
        GfDim dim = e->work.dim[i];
        if (dim.symbol == GF_CONSTANT)
            known *= (dim.size + e->work.unit[i] - 1) / e->work.unit[i];
        else
            gf_text_add(&text, "(%s + %" PRId64 ") / %" PRId64 " * ", cuda_dim(e, dim), e->work.unit[i] - 1,
                        e->work.unit[i]);
    }
    return cuda_text(e, "%s%" PRId64, gf_text_str(&text), known);
}

static void open_symbols(CudaEmit *e)
{
    for (uint32_t i = 0; i < e->g->symbol_count; i++)
        cuda_line(e, "const int %s = (int)sizes[%u];", e->g->symbols[i], i);
}

/* The words of the launch's record by the names that the parameters of a plain kernel have. */
static void open_record(CudaEmit *e)
{
    for (uint32_t i = 0; i < e->r->input_count; i++)
        cuda_line(e, "const %s *%s = record.%s;", c_type(e->r->inputs[i]), e->pointers[i], e->pointers[i]);
    for (uint32_t i = 0; i < e->r->output_count; i++) {
        const char *p = e->pointers[e->r->input_count + i];
        cuda_line(e, "%s *%s = record.%s;", c_type(e->r->outputs[i]), p, p);
    }
    if (e->scratch_bytes)
        cuda_line(e, "float *scratch = record.scratch;");
    for (uint32_t i = 0; i < e->r->random_count; i++)
        cuda_line(e, "const long long key%u = record.key%u;", i, i);
    for (uint32_t i = 0; i < e->extra_scalars; i++)
        cuda_line(e, "const long long extra%u = record.extra%u;", i, i);
}

/* Launches of one work stand behind each other at equal distances; others are looked for. */
static void find_record(CudaEmit *e, bool one_work)
{
    if (one_work) {
        cuda_line(e, "const int each = %s, launch = blockIdx.x / each;", blocks_of(e));
        cuda_line(e, "if (launch >= count)");
        cuda_line(e, "    return;");
        cuda_line(e, "const %s_record &record = batch[launch];", e->name);
        open_task(e, "blockIdx.x % each");
    } else {
        cuda_line(e, "const %s_record &record = gf_find(batch, count);", e->name);
        cuda_line(e, "const long long task = blockIdx.x - record.first;");
    }
}

/* Of a multiprocessor: the compiler keeps to so few registers that they have room. */
static uint32_t least_blocks(const CudaEmit *e)
{
    return e->least_blocks ? e->least_blocks : 1;
}

static void open_batched(CudaEmit *e, bool one_work)
{
    gf_text_add(e->out, "struct %s_record {\n", e->name);
    add_params(e, "    ", ";\n");
    gf_text_add(e->out, "    long long first;\n};\n\n");
    gf_text_add(e->out, "extern \"C\" __global__ void __launch_bounds__(%u, %u)\n", e->threads, least_blocks(e));
    gf_text_add(e->out, "%s(const %s_record *batch, int count, const long long *sizes)\n{\n", e->name, e->name);
    e->indent = 1;
    open_symbols(e);
    find_record(e, one_work);
    open_record(e);
}

static void open_plain(CudaEmit *e)
{
    gf_text_add(e->out, "extern \"C\" __global__ void __launch_bounds__(%u, %u)\n%s(", e->threads, least_blocks(e),
                e->name);
    add_params(e, "", ", ");
    gf_text_add(e->out, "const long long *sizes)\n{\n");
    e->indent = 1;
    open_symbols(e);
    open_task(e, "blockIdx.x");
}

GfStatus cuda_begin(CudaEmit *e)
{
    enum { PARAM_BYTES = 4096 }; /* what every driver takes */
    size_t params = (size_t)e->r->input_count + e->r->output_count + e->r->random_count + e->extra_scalars + 2;

    bool one_work = !e->batched;

    e->batched = e->batched || e->joined;
    if (!e->batched && params * 8 > PARAM_BYTES)
        return gf_fail(e->diags, e->r->nodes[0]->loc, GF_ERR_COMPILE,
                       "'%s' has %zu operands and results; a kernel takes %d", gf_op_text(e->r->nodes[0]->op), params,
                       PARAM_BYTES / 8);
    add_shapes(e);
    if (e->batched)
        open_batched(e, one_work);
    else
        open_plain(e);
    for (uint32_t i = 0; i < e->r->random_count; i++) {
        const GfNode *n = e->r->random[i];
        cuda_line(e, "const GfSeed gf_seed%u(%s, key%u);", i, cuda_pointer(e, gf_operand(n, n->operand_count - 1)), i);
    }
    cuda_line(e, "%s", "");
    return GF_OK;
}

void cuda_end(CudaEmit *e)
{
    cuda_close(e, "");
}

/* ---- a region ------------------------------------------------------------------------ */

static GfStatus emit_kind(CudaEmit *e)
{
    const GfNode *n = e->r->nodes[0];

    switch (e->r->kind) {
    case GF_REGION_TILE:
        return cuda_emit_tile(e);
    case GF_REGION_ROW:
        return cuda_emit_row(e);
    case GF_REGION_FLAT:
        return cuda_emit_flat(e);
    case GF_REGION_COLSUM:
        return cuda_emit_colsum(e);
    case GF_REGION_OPAQUE:
        if (e->r->node_count == 1 && cuda_op(n->op)->kernel)
            return cuda_op(n->op)->kernel(e, n);
        break;
    }
    return gf_fail(e->diags, n->loc, GF_ERR_COMPILE, "the cuda target has no kernel for '%s'", gf_op_text(n->op));
}

GfStatus cuda_emit_region(CudaEmit *e)
{
    size_t slots = (size_t)gf_graph_ids(e->g) * 3;

    e->names = GF_NEW_ARRAY(e->arena, const char *, slots);
    e->done = GF_NEW_ARRAY(e->arena, bool, slots);
    e->inside = GF_NEW_ARRAY(e->arena, bool, gf_graph_ids(e->g));
    e->pointers = GF_NEW_ARRAY(e->arena, const char *, e->r->input_count + e->r->output_count + 1);
    if (e->arena->failed)
        return gf_fail_memory(e->diags);
    for (uint32_t i = 0; i < e->r->node_count; i++)
        e->inside[e->r->nodes[i]->id] = true;
    name_pointers(e);
    GF_TRY(emit_kind(e));
    return e->arena->failed || e->out->arena->failed ? gf_fail_memory(e->diags) : GF_OK;
}
