/* elaborate.c -- see elaborate.h.
 *
 * Statements are walked as they stand; the use of a block opens a scope of its
 * own, `repeat` does so once a round.  gf_model_check has seen to keys and
 * references, so that here only names, sizes and types can be wrong.  In the
 * graph all inputs come first, then all params, then the ops.
 */
#include "frontend/graph/elaborate.h"

#include "frontend/graph/builder.h"
#include "frontend/graph/model_check.h"
#include "frontend/graph/semantics.h"

#include <string.h>

static GfStatus build_statements(GfBuilder *b, GfScope *scope, const cJSON *owner);

/* ---- ops ---- */

enum { ATTRS_MAX = 16 };

/* What a node is made of. */
typedef struct Parts {
    GfValue *operands[GF_NAMES_MAX + 1];
    uint32_t operand_count;
    GfAttr attrs[ATTRS_MAX];
    uint32_t attr_count;
    GfType type;
} Parts;

/* The op that a statement names, directly or by a config key. */
static GfStatus op_of(const GfBuilder *b, const cJSON *statement, GfOp *op)
{
    const cJSON *node = gf_json_find(b->doc, statement, "op");
    const char *text = node->valuestring;

    if (text[0] != '$')
        return gf_model_find_op(text, gf_builder_loc(b, node), op, b->diags);
    const GfConfigValue *value = gf_config_find(&b->model->config, text + 1);
    if (!value || value->kind != GF_CONFIG_STRING)
        return gf_fail(b->diags, gf_builder_loc(b, node), GF_ERR_NAME, "'%s' names no config key that holds a string",
                       text);
    GF_TRY(gf_model_find_op(value->text, value->loc, op, b->diags));
    return gf_model_check_op(b->doc, statement, *op, b->diags);
}

static GfStatus attr_of(const GfScope *scope, const GfAttrSpec *want, const cJSON *node, bool random, GfAttr *attr)
{
    double number;
    int64_t whole = 0;
    const char *string = NULL;
    GfLoc loc;

    if (want->kind == GF_ATTR_STRING) {
        GF_TRY(gf_json_as_string(scope->doc, node, node->string, &string, scope->diags));
        *attr = gf_attr_string(node->string, string);
        return GF_OK;
    }
    GF_TRY(gf_scope_number(scope, node, &number, &loc));
    *attr = gf_attr_float(node->string, number);
    if (random && strcmp(want->key, "p") == 0 && !(number >= 0 && number < 1))
        return gf_fail(scope->diags, loc, GF_ERR_VALUE, "a dropout probability is from 0 to less than 1, found %g",
                       number);
    if (want->kind == GF_ATTR_INT) {
        char what[GF_WORD_MAX];
        snprintf(what, sizeof what, "'%.40s'", node->string);
        GF_TRY(gf_scope_whole(scope, number, loc, what, 0, INT32_MAX, &whole));
        *attr = gf_attr_int(node->string, whole);
    }
    return GF_OK;
}

static GfStatus read_attrs(GfBuilder *b, const GfScope *scope, const cJSON *statement, GfOp op, Parts *parts)
{
    const char *cursor = gf_op_info(op)->attrs;
    GfAttrSpec want;

    while (gf_schema_next(&cursor, &want)) {
        if (gf_op_has(op, GF_RANDOM) && strcmp(want.key, "key") == 0) {
            parts->attrs[parts->attr_count++] = gf_attr_int("key", ++b->next_key);
            continue;
        }
        const cJSON *node = gf_json_find(b->doc, statement, want.key);
        if (node)
            GF_TRY(attr_of(scope, &want, node, gf_op_has(op, GF_RANDOM), &parts->attrs[parts->attr_count++]));
    }
    return GF_OK;
}

static GfStatus read_operands(GfBuilder *b, const GfScope *scope, const cJSON *statement, GfOp op, Parts *parts)
{
    GfNames in;

    GF_TRY(gf_names_read(&in, b->scratch, b->doc, gf_json_find(b->doc, statement, "in"), b->diags));
    for (size_t i = 0; i < in.count; i++)
        GF_TRY(gf_scope_value(scope, in.nodes[i], in.items[i], &parts->operands[parts->operand_count++]));
    if (!gf_op_has(op, GF_RANDOM))
        return GF_OK;
    const GfOpInfo *info = gf_op_info(op);
    if (in.count + 1 != info->min_operands) /* rng is not counted in the message; rows of dropout are for passes */
        return gf_fail(b->diags, gf_builder_loc(b, statement), GF_ERR_OP, "'%s' takes %d operand%s here, got %zu",
                       info->text, info->min_operands - 1, info->min_operands == 2 ? "" : "s", in.count);
    GF_TRY(gf_builder_rng(b));
    parts->operands[parts->operand_count++] = b->rng;
    return GF_OK;
}

static GfStatus read_declared(const GfBuilder *b, const GfScope *scope, const cJSON *statement, GfOp op, Parts *parts)
{
    const cJSON *node = gf_json_find(b->doc, statement, "type");
    GfTypeText text;

    if (!gf_op_has(op, GF_DECLARED))
        return GF_OK;
    if (!node)
        return gf_fail(b->diags, gf_builder_loc(b, statement), GF_ERR_KEY,
                       "'%s' needs the key \"type\": its result type", gf_op_text(op));
    GF_TRY(gf_type_text_read(&text, b->doc, node, b->diags));
    return gf_scope_type(scope, node, &text, &parts->type);
}

static GfStatus bind_results(const GfBuilder *b, GfScope *scope, const cJSON *statement, GfNode *n)
{
    GfNames out;

    GF_TRY(gf_names_read(&out, b->scratch, b->doc, gf_json_find(b->doc, statement, "out"), b->diags));
    if (out.count == 0 || out.count > n->result_count)
        return gf_fail(b->diags, gf_builder_loc(b, statement), GF_ERR_VALUE, "'%s' gives %u value%s, \"out\" names %zu",
                       gf_op_text(n->op), n->result_count, n->result_count == 1 ? "" : "s", out.count);
    for (size_t i = 0; i < out.count; i++)
        GF_TRY(gf_scope_bind(scope, out.nodes[i], out.items[i], &n->results[i], false));
    return GF_OK;
}

static GfStatus build_op(GfBuilder *b, GfScope *scope, const cJSON *statement)
{
    Parts parts = {0};
    GfOp op;
    GfNode *n;

    GF_TRY(op_of(b, statement, &op));
    GF_TRY(read_operands(b, scope, statement, op, &parts));
    GF_TRY(read_attrs(b, scope, statement, op, &parts));
    GF_TRY(read_declared(b, scope, statement, op, &parts));
    GfNodeSpec spec = {.op = op,
                       .operands = parts.operands,
                       .operand_count = parts.operand_count,
                       .attrs = parts.attrs,
                       .attr_count = parts.attr_count,
                       .declared = gf_op_has(op, GF_DECLARED) ? &parts.type : NULL,
                       .loc = gf_builder_loc(b, statement)};
    GF_TRY(gf_graph_add(b->g, NULL, &spec, &n, b->diags));
    GF_TRY(gf_semantics_check_op(b, statement, n));
    if (!b->first_op)
        b->first_op = n;
    return bind_results(b, scope, statement, n);
}

/* ---- uses of blocks ---- */

/* The prefix inside a block: "as" with {i} replaced, behind the prefix outside. */
static const char *inner_prefix(const GfBuilder *b, const GfScope *scope, const char *as, int64_t round)
{
    GfText text = {.arena = b->scratch};
    const char *mark;

    gf_text_add(&text, "%s", scope->prefix);
    for (; (mark = strstr(as, "{i}")) != NULL; as = mark + 3)
        gf_text_add(&text, "%.*s%lld", (int)(mark - as), as, (long long)round);
    gf_text_add(&text, "%s%s", as, *as || text.length > strlen(scope->prefix) ? "." : "");
    return gf_text_str(&text);
}

static GfStatus bind_takes(const GfBuilder *b, GfScope *inner, const GfScope *outer, const cJSON *block,
                           const cJSON *statement)
{
    GfNames takes, in;
    GfValue *value;

    GF_TRY(gf_names_read(&takes, b->scratch, b->doc, gf_json_find(b->doc, block, "takes"), b->diags));
    GF_TRY(gf_names_read(&in, b->scratch, b->doc, gf_json_find(b->doc, statement, "in"), b->diags));
    for (size_t i = 0; i < takes.count; i++) {
        GF_TRY(gf_scope_value(outer, in.nodes[i], in.items[i], &value));
        GF_TRY(gf_scope_bind(inner, takes.nodes[i], takes.items[i], value, false));
    }
    return GF_OK;
}

static GfStatus bind_sizes(const GfBuilder *b, GfScope *inner, const GfScope *outer, const cJSON *block,
                           const cJSON *statement)
{
    const cJSON *given = gf_json_find(b->doc, statement, "sizes");
    const cJSON *node = cJSON_IsArray(given) ? given->child : given;
    GfNames names;

    GF_TRY(gf_names_read(&names, b->scratch, b->doc, gf_json_find(b->doc, block, "sizes"), b->diags));
    inner->sizes = GF_NEW_ARRAY(b->scratch, GfSize, names.count + 1);
    if (!inner->sizes)
        return gf_fail_memory(b->diags);
    for (size_t i = 0; i < names.count; i++, node = node->next) {
        inner->sizes[i].name = names.items[i];
        GF_TRY(gf_scope_size(outer, node, &inner->sizes[i].value));
    }
    inner->size_count = names.count;
    return GF_OK;
}

static GfStatus bind_gives(const GfBuilder *b, const GfScope *inner, GfScope *outer, const cJSON *block,
                           const cJSON *statement)
{
    GfNames gives, out;
    GfValue *value;

    GF_TRY(gf_names_read(&gives, b->scratch, b->doc, gf_json_find(b->doc, block, "gives"), b->diags));
    GF_TRY(gf_names_read(&out, b->scratch, b->doc, gf_json_find(b->doc, statement, "out"), b->diags));
    for (size_t i = 0; i < gives.count; i++) {
        GF_TRY(gf_scope_value(inner, gives.nodes[i], gives.items[i], &value));
        GF_TRY(gf_scope_bind(outer, out.nodes[i], out.items[i], value, false));
    }
    return GF_OK;
}

static GfStatus build_round(GfBuilder *b, GfScope *scope, const cJSON *statement, const cJSON *block, int64_t round)
{
    const cJSON *as = gf_json_find(b->doc, statement, "as");
    const char *prefix = inner_prefix(b, scope, cJSON_IsString(as) ? as->valuestring : "", round);
    GfScope inner = gf_builder_scope(b, prefix);

    GF_TRY(gf_builder_step(b, statement));
    if (strlen(prefix) > GF_LABEL_MAX)
        return gf_fail(b->diags, gf_builder_loc(b, as), GF_ERR_VALUE,
                       "a parameter's whole name is longer than %d characters", GF_LABEL_MAX);
    GF_TRY(bind_sizes(b, &inner, scope, block, statement));
    GF_TRY(bind_takes(b, &inner, scope, block, statement));
    GF_TRY(gf_builder_params(b, &inner, block));
    GF_TRY(build_statements(b, &inner, block));
    return bind_gives(b, &inner, scope, block, statement);
}

static GfStatus fail_choice(const GfBuilder *b, const cJSON *blocks, const char *key, const GfConfigValue *value)
{
    const char *names[GF_NAMES_MAX];
    size_t count = 0;

    for (const cJSON *block = blocks ? blocks->child : NULL; block; block = block->next)
        names[count++] = block->string;
    gf_fail(b->diags, value->loc, GF_ERR_NAME, "'%s' is \"%s\", but the model has no such block", key, value->text);
    const char *close = gf_closest(value->text, names, count);
    if (close)
        gf_note(b->diags, "did you mean '%s'?", close);
    return GF_ERR_NAME;
}

/* The block that a statement names, directly or by a config key. */
static GfStatus block_of(const GfBuilder *b, const cJSON *statement, const cJSON **block)
{
    const cJSON *blocks = gf_json_find(b->doc, b->doc->root, "blocks"), *use = gf_json_find(b->doc, statement, "use");
    const char *text = use->valuestring;

    if (text[0] != '$') {
        *block = gf_json_find(b->doc, blocks, text);
        return GF_OK;
    }
    const GfConfigValue *value = gf_config_find(&b->model->config, text + 1);
    if (!value || value->kind != GF_CONFIG_STRING)
        return gf_fail(b->diags, gf_builder_loc(b, use), GF_ERR_NAME, "'%s' names no config key that holds a string",
                       text);
    *block = gf_json_find(b->doc, blocks, value->text);
    return *block ? gf_model_check_use(b->doc, statement, *block, b->diags) : fail_choice(b, blocks, text + 1, value);
}

static GfStatus build_use(GfBuilder *b, GfScope *scope, const cJSON *statement)
{
    const cJSON *repeat = gf_json_find(b->doc, statement, "repeat"), *block = NULL;
    int64_t rounds = 1;

    GF_TRY(block_of(b, statement, &block));
    if (repeat) {
        double number;
        GfLoc loc;
        GF_TRY(gf_scope_number(scope, repeat, &number, &loc));
        GF_TRY(gf_scope_whole(scope, number, loc, "the rounds of a repeat", 0, GF_MODEL_REPEAT_MAX, &rounds));
    }
    for (int64_t round = 0; round < rounds; round++)
        GF_TRY(build_round(b, scope, statement, block, round));
    return GF_OK;
}

static GfStatus build_statements(GfBuilder *b, GfScope *scope, const cJSON *owner)
{
    for (const cJSON *s = gf_json_find(b->doc, owner, "do")->child; s; s = s->next) {
        GF_TRY(gf_builder_step(b, s));
        bool use = gf_json_find(b->doc, s, "use") != NULL;
        GF_TRY(use ? build_use(b, scope, s) : build_op(b, scope, s));
    }
    return GF_OK;
}

/* ---- the top level ---- */

/* An output's value carries its name in the text form. */
static GfStatus name_output(const GfBuilder *b, const char *output, const GfValue *value)
{
    GfNode *n = value->node;

    if (value->index || n->name[0] < '0' || n->name[0] > '9' || gf_find_name(b->g, output))
        return GF_OK;
    return gf_rename(b->g, n, output) == GF_OK ? GF_OK : gf_fail_memory(b->diags);
}

static GfStatus read_gives(const GfBuilder *b, const cJSON **gives, size_t *count)
{
    GF_TRY(gf_json_get_object(b->doc, b->doc->root, "gives", GF_REQUIRED, gives, b->diags));
    *count = (size_t)cJSON_GetArraySize(*gives);
    for (int i = 0; i < 2; i++) {
        const char *name = NULL;
        GF_TRY(gf_json_get_string(b->doc, *gives, i ? "logits" : "loss", GF_REQUIRED, &name, b->diags));
    }
    if (*count <= GF_NAMES_MAX)
        return GF_OK;
    return gf_fail(b->diags, gf_builder_loc(b, *gives), GF_ERR_VALUE, "at most %d outputs, found %zu", GF_NAMES_MAX,
                   *count);
}

static GfStatus check_output_name(const GfBuilder *b, const cJSON *node)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    if (*node->string && !node->string[strspn(node->string, allowed)] && strspn(node->string, allowed + 53) == 0)
        return GF_OK;
    return gf_fail(b->diags, gf_json_key_loc(b->doc, node), GF_ERR_VALUE,
                   "an output's name is made of letters, digits and _, and does not begin with a digit");
}

static GfStatus build_return(GfBuilder *b, const GfScope *scope)
{
    GfValue *values[GF_NAMES_MAX];
    const char *names[GF_NAMES_MAX], *name = NULL;
    const cJSON *gives = NULL;
    size_t count = 0, i = 0;
    GfNode *n;

    GF_TRY(read_gives(b, &gives, &count));
    for (const cJSON *node = gives->child; node; node = node->next, i++) {
        names[i] = node->string;
        GF_TRY(check_output_name(b, node));
        GF_TRY(gf_json_as_string(b->doc, node, node->string, &name, b->diags));
        GF_TRY(gf_scope_value(scope, node, name, &values[i]));
        GF_TRY(gf_semantics_check_output(b, node, values[i]));
        GF_TRY(name_output(b, node->string, values[i]));
    }
    GfNodeSpec spec = {.op = GF_OP_RETURN,
                       .operands = values,
                       .operand_count = (uint32_t)count,
                       .outputs = names,
                       .loc = gf_builder_loc(b, gives)};
    return gf_graph_add(b->g, NULL, &spec, &n, b->diags);
}

/* What a model is not asked for, it does not take: only one of labels and targets is read. */
static void drop_unread_inputs(const GfBuilder *b)
{
    GF_EACH_NODE (n, b->g) {
        if (n->op == GF_OP_INPUT && !gf_result(n)->uses)
            gf_remove(b->g, n);
    }
}

static GfStatus build_model(GfBuilder *b)
{
    GfScope top = gf_builder_scope(b, "");

    gf_graph_symbol(b->g, "tokens");
    gf_graph_symbol(b->g, "seqs");
    GF_TRY(gf_builder_inputs(b));
    GF_TRY(gf_builder_params(b, &top, b->doc->root));
    GF_TRY(build_statements(b, &top, b->doc->root));
    GF_TRY(build_return(b, &top));
    drop_unread_inputs(b);
    return b->g->arena.failed ? gf_fail_memory(b->diags) : GF_OK;
}

GfStatus gf_model_elaborate(GfModel *model, GfDiags *diags)
{
    GfArena scratch;
    GfLoc root = gf_json_loc(&model->doc, model->doc.root);

    gf_arena_init(&scratch, model->arena.allocator);
    GfBuilder b = {.model = model, .g = model->graph, .doc = &model->doc, .diags = diags, .scratch = &scratch};
    b.inputs = gf_builder_scope(&b, "");
    b.inputs.inputs = NULL;
    if (root.file && root.source)
        gf_graph_keep_source(b.g, root.file, root.source);
    GfStatus status = build_model(&b);
    if (status == GF_OK && scratch.failed)
        status = gf_fail_memory(diags);
    gf_arena_free(&scratch);
    return status;
}
