/* parse_node.c -- one line of text IR to one node.  See parse.c. */
#include "ir/parse.h"

#include <string.h>

/* What one line says, until the node is made. */
typedef struct Line {
    GfLoc loc; /* of the value's name, or of the op */
    const char *name;
    GfOp op;
    const char *label;
    bool frozen;
    GfValue **operands;
    size_t operand_count, operand_room;
    const char **outputs;
    size_t output_room;
    GfAttr *attrs;
    size_t attr_count, attr_room;
    GfType *types;
    size_t type_count, type_room;
    GfLoc types_loc;
    int32_t kernel;
} Line;

/* ---- names of values -------------------------------------------------------------- */

static GfStatus fail_unknown_value(GfParser *p, const char *name, GfLoc loc)
{
    GfStatus status = gf_fail(p->diags, loc, GF_ERR_NAME, "the value '%%%s' is not defined", name);
    const char **names = GF_NEW_ARRAY(&p->scratch, const char *, gf_graph_ids(p->g));
    size_t count = 0;

    gf_note(p->diags, "a value is defined on a line before its use");
    for (const GfNode *n = p->g->first; names && n; n = n->next) {
        if (n->name)
            names[count++] = n->name;
    }
    const char *close = names ? gf_closest(name, names, count) : NULL;
    if (close)
        gf_note(p->diags, "did you mean '%%%s'?", close);
    return status;
}

/* ---- operands ----------------------------------------------------------------------- */

/* Which result of `n`: ['#' int].  A node with several results needs it. */
static GfStatus parse_result_index(GfParser *p, GfNode *n, GfLoc loc, int64_t *index)
{
    bool given = gf_parse_at_mark(p, '#');

    *index = 0;
    if (given) {
        GF_TRY(gf_parse_advance(p));
        GF_TRY(gf_parse_int(p, index));
    }
    if (*index >= n->result_count)
        return gf_fail(p->diags, loc, GF_ERR_NAME, "'%%%s' has %u result%s, the text asks for #%lld", n->name,
                       n->result_count, n->result_count == 1 ? "" : "s", (long long)*index);
    if (given || n->result_count == 1)
        return GF_OK;
    return gf_fail(p->diags, loc, GF_ERR_NAME, "'%%%s' has %u results: write '%%%s#0' or another", n->name,
                   n->result_count, n->name);
}

/* operand = '%' name ['#' int] */
static GfStatus parse_operand(GfParser *p, GfValue **out)
{
    GfLoc loc = gf_parse_loc(p);
    const char *name = NULL;
    int64_t index = 0;

    GF_TRY(gf_parse_text(p, GF_TOKEN_VALUE, "a value such as '%x'", &name));
    GfNode *n = gf_find_name(p->g, name);
    if (!n)
        return fail_unknown_value(p, name, loc);
    GF_TRY(parse_result_index(p, n, loc, &index));
    *out = &n->results[index];
    return GF_OK;
}

static GfStatus push_operand(GfParser *p, Line *line, GfValue *value)
{
    line->operands =
        gf_arena_grow(&p->scratch, line->operands, line->operand_count, &line->operand_room, sizeof *line->operands);
    if (!line->operands)
        return gf_fail_memory(p->diags);
    line->operands[line->operand_count++] = value;
    return GF_OK;
}

/* operands = operand {',' operand} */
static GfStatus parse_operands(GfParser *p, Line *line)
{
    bool more = p->token.kind == GF_TOKEN_VALUE;
    GfValue *value = NULL;

    while (more) {
        GF_TRY(parse_operand(p, &value));
        GF_TRY(push_operand(p, line, value));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return GF_OK;
}

/* ---- the rest of a definition --------------------------------------------------------- */

static GfStatus push_attr(GfParser *p, Line *line, GfAttr attr, GfLoc loc)
{
    for (size_t i = 0; i < line->attr_count; i++)
        if (strcmp(line->attrs[i].key, attr.key) == 0)
            return gf_fail(p->diags, loc, GF_ERR_OP, "the attribute '%s' stands twice", attr.key);
    line->attrs = gf_arena_grow(&p->scratch, line->attrs, line->attr_count, &line->attr_room, sizeof *line->attrs);
    if (!line->attrs)
        return gf_fail_memory(p->diags);
    line->attrs[line->attr_count++] = attr;
    return GF_OK;
}

/* attrs = '{' [attr {',' attr}] '}' */
static GfStatus parse_attrs(GfParser *p, Line *line)
{
    bool more;
    GfAttr attr;

    if (!gf_parse_at_mark(p, '{'))
        return GF_OK;
    GF_TRY(gf_parse_advance(p));
    more = !gf_parse_at_mark(p, '}');
    while (more) {
        GfLoc loc = gf_parse_loc(p);
        GF_TRY(gf_parse_attr(p, line->op, &attr));
        GF_TRY(push_attr(p, line, attr, loc));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return gf_parse_mark(p, '}');
}

/* types = ':' type {',' type} */
static GfStatus parse_types(GfParser *p, Line *line)
{
    bool more = true;

    if (!gf_parse_at_mark(p, ':'))
        return gf_parse_expected(p, "':' and the type of the result");
    GF_TRY(gf_parse_advance(p));
    line->types_loc = gf_parse_loc(p);
    while (more) {
        line->types = gf_arena_grow(&p->scratch, line->types, line->type_count, &line->type_room, sizeof *line->types);
        if (!line->types)
            return gf_fail_memory(p->diags);
        GF_TRY(gf_parse_type(p, &line->types[line->type_count++]));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return GF_OK;
}

/* kernel = '@k' int */
static GfStatus parse_kernel(GfParser *p, Line *line)
{
    int64_t number = 0;

    line->kernel = GF_NO_KERNEL;
    if (p->token.kind != GF_TOKEN_AT)
        return GF_OK;
    bool fine = p->token.text[0] == 'k' && p->token.length > 1 && p->token.length < 8;
    for (size_t i = 1; fine && i < p->token.length; i++) {
        fine = p->token.text[i] >= '0' && p->token.text[i] <= '9';
        number = number * 10 + (p->token.text[i] - '0');
    }
    if (!fine)
        return gf_parse_expected(p, "a kernel such as '@k3'");
    line->kernel = (int32_t)number;
    return gf_parse_advance(p);
}

/* Param or state whose memory a result takes over. */
static GfStatus parse_alias(GfParser *p, GfValue *result)
{
    GfLoc loc = gf_parse_loc(p);
    GfValue *value = NULL;

    GF_TRY(parse_operand(p, &value));
    if (value->node->op != GF_OP_PARAM && value->node->op != GF_OP_STATE)
        return gf_fail(p->diags, loc, GF_ERR_VALUE,
                       "only the memory of a param or state can be taken over; '%%%s' is a '%s'", value->node->name,
                       gf_op_text(value->node->op));
    result->place = GF_PLACE_ALIAS;
    result->alias = value->node;
    return GF_OK;
}

/* place = '+' int | '=' operand | '-' */
static GfStatus parse_place(GfParser *p, GfValue *result)
{
    char mark = p->token.kind == GF_TOKEN_MARK ? p->token.mark : '\0';

    if (mark != '+' && mark != '=' && mark != '-')
        return gf_parse_expected(p, "a place: '+4096', '=%w' or '-'");
    GF_TRY(gf_parse_advance(p));
    if (mark == '=')
        return parse_alias(p, result);
    if (mark == '-')
        return GF_OK;
    result->place = GF_PLACE_ARENA;
    return gf_parse_int(p, &result->offset);
}

/* places = place {',' place} */
static GfStatus parse_places(GfParser *p, GfNode *n)
{
    bool more = gf_parse_at_mark(p, '+') || gf_parse_at_mark(p, '-') || gf_parse_at_mark(p, '=');
    GfLoc loc = gf_parse_loc(p);
    uint32_t count = 0;

    if (!more)
        return GF_OK;
    for (; more; count++) {
        if (count == n->result_count)
            return gf_parse_expected(p, "one place for each result");
        GF_TRY(parse_place(p, &n->results[count]));
        GF_TRY(gf_parse_comma(p, &more));
    }
    if (count == n->result_count)
        return GF_OK;
    return gf_fail(p->diags, loc, GF_ERR_SYNTAX, "'%%%s' has %u results, but %u place%s given", n->name,
                   n->result_count, count, count == 1 ? " is" : "s are");
}

/* ---- making the node -------------------------------------------------------------------- */

static GfStatus check_types(GfParser *p, const Line *line, const GfNode *n)
{
    if (line->type_count != n->result_count)
        return gf_fail(p->diags, line->types_loc, GF_ERR_SHAPE, "'%s' has %u result%s, the text states %zu type%s",
                       gf_op_text(n->op), n->result_count, n->result_count == 1 ? "" : "s", line->type_count,
                       line->type_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < n->result_count; i++) {
        if (gf_type_eq(&line->types[i], &n->results[i].type))
            continue;
        const char *stated = gf_type_str(&p->scratch, p->g, &line->types[i]);
        const char *derived = gf_type_str(&p->scratch, p->g, &n->results[i].type);
        if (!stated || !derived)
            return gf_fail_memory(p->diags);
        return gf_fail(p->diags, line->types_loc, GF_ERR_SHAPE, "result %u of '%s' is %s, the text states %s", i,
                       gf_op_text(n->op), derived, stated);
    }
    return GF_OK;
}

static GfStatus make_node(GfParser *p, const Line *line, GfNode **out)
{
    GfNodeSpec spec = {.op = line->op,
                       .name = line->name,
                       .operands = line->operands,
                       .operand_count = (uint32_t)line->operand_count,
                       .attrs = line->attrs,
                       .attr_count = (uint32_t)line->attr_count,
                       .declared = gf_op_has(line->op, GF_DECLARED) && line->type_count ? line->types : NULL,
                       .label = line->label,
                       .frozen = line->frozen,
                       .outputs = line->outputs,
                       .loc = line->loc};

    GF_TRY(gf_graph_add(p->g, NULL, &spec, out, p->diags));
    (*out)->kernel = line->kernel;
    if (line->kernel >= p->g->next_kernel)
        p->g->next_kernel = line->kernel + 1;
    return GF_OK;
}

/* ---- lines -------------------------------------------------------------------------------- */

static GfStatus fail_op(GfParser *p, const char *word, GfLoc loc)
{
    const char *texts[GF_OP_COUNT];

    for (int i = 0; i < GF_OP_COUNT; i++)
        texts[i] = gf_op_text((GfOp)i);
    GfStatus status = gf_fail(p->diags, loc, GF_ERR_OP, "'%s' is no op", word);
    gf_note(p->diags, "`graft ops` lists them");
    gf_parse_suggest(p, word, texts, GF_OP_COUNT);
    return status;
}

static GfStatus parse_op(GfParser *p, Line *line)
{
    GfLoc loc = gf_parse_loc(p);
    const char *word = NULL;

    GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "an op", &word));
    if (!gf_op_find(word, &line->op))
        return fail_op(p, word, loc);
    if (gf_op_info(line->op)->results)
        return GF_OK;
    return gf_fail(p->diags, loc, GF_ERR_OP, "'%s' has no result that a name could stand for", word);
}

/* label = string ['frozen'], of param and state only */
static GfStatus parse_label(GfParser *p, Line *line)
{
    bool labelled = line->op == GF_OP_PARAM || line->op == GF_OP_STATE;

    if (labelled && p->token.kind != GF_TOKEN_STRING)
        return gf_parse_expected(p, "the checkpoint name in quotes");
    if (!labelled)
        return GF_OK;
    GF_TRY(gf_parse_string(p, &line->label));
    line->frozen = line->op == GF_OP_PARAM && gf_parse_at_word(p, "frozen");
    return line->frozen ? gf_parse_advance(p) : GF_OK;
}

static GfStatus check_new_name(GfParser *p, const Line *line)
{
    const GfNode *old = gf_find_name(p->g, line->name);

    if (!old)
        return GF_OK;
    GfStatus status = gf_fail(p->diags, line->loc, GF_ERR_NAME, "the value '%%%s' is defined twice", line->name);
    gf_note(p->diags, "it is defined first on line %u", old->loc.line);
    return status;
}

/* definition = '%' name '=' op [label] [operands] [attrs] types [kernel] [places] */
static GfStatus parse_definition(GfParser *p, Line *line, GfNode **out)
{
    GF_TRY(gf_parse_text(p, GF_TOKEN_VALUE, "a value", &line->name));
    GF_TRY(check_new_name(p, line));
    GF_TRY(gf_parse_mark(p, '='));
    GF_TRY(parse_op(p, line));
    GF_TRY(parse_label(p, line));
    GF_TRY(parse_operands(p, line));
    GF_TRY(parse_attrs(p, line));
    GF_TRY(parse_types(p, line));
    GF_TRY(parse_kernel(p, line));
    GF_TRY(make_node(p, line, out));
    GF_TRY(check_types(p, line, *out));
    return parse_places(p, *out);
}

/* assignment = ('update' | 'grad') operand '=' operand */
static GfStatus parse_assignment(GfParser *p, Line *line, GfNode **out)
{
    GfValue *target = NULL, *value = NULL;

    line->op = gf_parse_at_word(p, "update") ? GF_OP_UPDATE : GF_OP_GRAD;
    GF_TRY(gf_parse_advance(p));
    GF_TRY(parse_operand(p, &target));
    GF_TRY(gf_parse_mark(p, '='));
    GF_TRY(parse_operand(p, &value));
    GF_TRY(push_operand(p, line, target));
    GF_TRY(push_operand(p, line, value));
    return make_node(p, line, out);
}

/* output = name '=' operand */
static GfStatus parse_output(GfParser *p, Line *line)
{
    const char *name = NULL;
    GfValue *value = NULL;

    GF_TRY(gf_parse_text(p, GF_TOKEN_WORD, "the name of an output", &name));
    GF_TRY(gf_parse_mark(p, '='));
    GF_TRY(parse_operand(p, &value));
    line->outputs =
        gf_arena_grow(&p->scratch, line->outputs, line->operand_count, &line->output_room, sizeof *line->outputs);
    if (!line->outputs)
        return gf_fail_memory(p->diags);
    line->outputs[line->operand_count] = name;
    return push_operand(p, line, value);
}

/* return = 'return' [output {',' output}] */
static GfStatus parse_return(GfParser *p, Line *line, GfNode **out)
{
    bool more;

    line->op = GF_OP_RETURN;
    GF_TRY(gf_parse_advance(p));
    more = p->token.kind == GF_TOKEN_WORD || p->token.kind == GF_TOKEN_VALUE;
    while (more) {
        GF_TRY(parse_output(p, line));
        GF_TRY(gf_parse_comma(p, &more));
    }
    return make_node(p, line, out);
}

/* node = definition | assignment | return */
GfStatus gf_parse_node(GfParser *p, GfNode **out)
{
    Line line = {.loc = gf_parse_loc(p), .kernel = GF_NO_KERNEL};

    if (p->token.kind == GF_TOKEN_VALUE)
        return parse_definition(p, &line, out);
    if (gf_parse_at_word(p, "update") || gf_parse_at_word(p, "grad"))
        return parse_assignment(p, &line, out);
    if (gf_parse_at_word(p, "return"))
        return parse_return(p, &line, out);
    return gf_parse_expected(p, "a node: '%x = op ...', 'update', 'grad' or 'return'");
}
