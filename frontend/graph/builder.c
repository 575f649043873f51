/* builder.c -- see builder.h. */
#include "frontend/graph/builder.h"

#include <string.h>

GfLoc gf_builder_loc(const GfBuilder *b, const cJSON *node)
{
    return gf_json_loc(b->doc, node);
}

GfStatus gf_builder_step(GfBuilder *b, const cJSON *node)
{
    if (++b->steps <= GF_MODEL_STEPS_MAX)
        return GF_OK;
    return gf_fail(b->diags, gf_builder_loc(b, node), GF_ERR_VALUE,
                   "the model has more than %d ops, parameters and uses of blocks", GF_MODEL_STEPS_MAX);
}

GfScope gf_builder_scope(const GfBuilder *b, const char *prefix)
{
    return (GfScope){.inputs = &b->inputs,
                     .config = &b->model->config,
                     .doc = b->doc,
                     .arena = b->scratch,
                     .diags = b->diags,
                     .prefix = prefix};
}

/* ---- inputs ---- */

/* What the runtime can bind. */
typedef struct InputRow {
    const char *name;
    GfDType dtype;
    const char *dims[2]; /* a symbol; a config key, or NULL */
} InputRow;

static const InputRow input_rows[] = {
    {"ids", GF_I32, {"tokens"}},
    {"positions", GF_I32, {"tokens"}},
    {"types", GF_I32, {"tokens"}},
    {"starts", GF_I32, {"seqs"}},
    {"lengths", GF_I32, {"seqs"}},
    {"labels", GF_I32, {"seqs"}},
    {"targets", GF_F32, {"seqs", "num_labels"}},
};
enum { INPUT_COUNT = sizeof input_rows / sizeof *input_rows };

static bool is_type_of(const GfTypeText *text, const InputRow *row)
{
    uint32_t rank = row->dims[1] ? 2 : 1;

    return text->dtype == row->dtype && text->rank == rank && strcmp(text->dims[0], row->dims[0]) == 0 &&
           (rank == 1 || strcmp(text->dims[1], row->dims[1]) == 0) && !text->init[0];
}

static GfStatus input_type(const GfBuilder *b, const cJSON *node, const InputRow *row, GfType *type)
{
    GfDim rows = gf_dim_symbol(gf_graph_symbol(b->g, row->dims[0]));
    int64_t columns = 1;
    double number;
    GfLoc loc;

    *type = gf_type_vector(row->dtype, rows);
    if (!row->dims[1])
        return GF_OK;
    GF_TRY(gf_scope_named_number(&b->inputs, node, row->dims[1], &number, &loc));
    GF_TRY(gf_scope_whole(&b->inputs, number, loc, "a size", 1, INT32_MAX, &columns));
    *type = gf_type_matrix(row->dtype, rows, gf_dim_const(columns));
    return GF_OK;
}

static GfStatus add_input(GfBuilder *b, const cJSON *node, const InputRow *row)
{
    GfTypeText text;
    GfType type;

    GF_TRY(gf_type_text_read(&text, b->doc, node, b->diags));
    if (!is_type_of(&text, row))
        return gf_fail(b->diags, gf_builder_loc(b, node), GF_ERR_SHAPE, "the input '%s' is %s[%s%s%s], not %s",
                       row->name, gf_dtype_text(row->dtype), row->dims[0], row->dims[1] ? "," : "",
                       row->dims[1] ? row->dims[1] : "", node->valuestring);
    GF_TRY(input_type(b, node, row, &type));
    GfNodeSpec spec = {.op = GF_OP_INPUT, .name = row->name, .declared = &type, .loc = gf_json_key_loc(b->doc, node)};
    GF_TRY(gf_graph_add(b->g, NULL, &spec, &b->last_input, b->diags));
    return gf_scope_bind(&b->inputs, node, node->string, gf_result(b->last_input), true);
}

GfStatus gf_builder_inputs(GfBuilder *b)
{
    const cJSON *inputs = NULL;
    const char *names[INPUT_COUNT];

    for (int i = 0; i < INPUT_COUNT; i++)
        names[i] = input_rows[i].name;
    GF_TRY(gf_json_get_object(b->doc, b->doc->root, "inputs", GF_REQUIRED, &inputs, b->diags));
    GF_TRY(gf_json_check_keys(b->doc, inputs, names, INPUT_COUNT, "inputs", b->diags));
    for (const cJSON *node = inputs->child; node; node = node->next) {
        for (int i = 0; i < INPUT_COUNT; i++) {
            if (strcmp(node->string, input_rows[i].name) == 0)
                GF_TRY(add_input(b, node, &input_rows[i]));
        }
    }
    return GF_OK;
}

/* The operand of all ops that draw. */
GfStatus gf_builder_rng(GfBuilder *b)
{
    GfType type = gf_type_vector(GF_I32, gf_dim_const(4));
    GfNodeSpec spec = {.op = GF_OP_INPUT, .name = "rng", .declared = &type};
    GfNode *n;

    if (b->rng)
        return GF_OK;
    GF_TRY(gf_graph_add(b->g, b->last_input ? b->last_input->next : b->g->first, &spec, &n, b->diags));
    b->rng = gf_result(n);
    return GF_OK;
}

/* ---- params ---- */

/* prefix + name, as checkpoints have it. */
static GfStatus check_label(const GfBuilder *b, const cJSON *node, const char *label)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

    if (strlen(label) > GF_LABEL_MAX)
        return gf_fail(b->diags, gf_json_key_loc(b->doc, node), GF_ERR_VALUE,
                       "a parameter's whole name is longer than %d characters", GF_LABEL_MAX);
    if (!*label || label[strspn(label, allowed)])
        return gf_fail(b->diags, gf_json_key_loc(b->doc, node), GF_ERR_VALUE,
                       "the parameter's whole name \"%s\" may only have letters, digits and _ . -", label);
    if (gf_find_label(b->g, label))
        return gf_fail(b->diags, gf_json_key_loc(b->doc, node), GF_ERR_NAME, "the parameter '%s' is declared twice",
                       label);
    return GF_OK;
}

static GfStatus param_type(const GfScope *scope, const cJSON *node, const GfTypeText *text, GfType *type)
{
    const int64_t most = (int64_t)1 << 40;
    GfLoc loc = gf_json_loc(scope->doc, node);

    if (text->dtype != GF_F32)
        return gf_fail(scope->diags, loc, GF_ERR_SHAPE, "a parameter is f32, not %s", gf_dtype_text(text->dtype));
    GF_TRY(gf_scope_type(scope, node, text, type));
    int64_t elements = gf_type_elements(type, NULL);
    if (elements < 0 || elements > most)
        return gf_fail(scope->diags, loc, GF_ERR_VALUE, "the parameter '%s' would have more than 2^40 elements",
                       node->string);
    return GF_OK;
}

/* How it starts when no checkpoint has it: attributes init and std. */
static GfStatus param_init(const GfBuilder *b, const cJSON *node, const char *word, GfAttr attrs[2])
{
    const char *init = *word ? word : "normal";
    const GfConfigValue *range = gf_config_find(&b->model->config, "initializer_range");

    if (strcmp(init, "normal") != 0 && strcmp(init, "zeros") != 0 && strcmp(init, "ones") != 0)
        return gf_fail(b->diags, gf_builder_loc(b, node), GF_ERR_VALUE,
                       "a parameter starts as \"normal\", \"zeros\" or \"ones\", not \"%s\"", init);
    attrs[0] = gf_attr_string("init", init);
    attrs[1] = gf_attr_float("std", 0);
    if (init[0] != 'n')
        return GF_OK;
    if (!range || range->kind != GF_CONFIG_NUMBER || !(range->number >= 0))
        return gf_fail(b->diags, range ? range->loc : gf_builder_loc(b, node), GF_ERR_VALUE,
                       "normal values need the config key 'initializer_range', a number of at least 0");
    attrs[1] = gf_attr_float("std", range->number);
    return GF_OK;
}

static GfStatus add_param(GfBuilder *b, GfScope *scope, const cJSON *node)
{
    char name[16];
    GfTypeText text;
    GfType type;
    GfAttr attrs[2];
    GfNode *n;
    const char *label = gf_arena_printf(b->scratch, "%s%s", scope->prefix, node->string);

    if (!label)
        return gf_fail_memory(b->diags);
    GF_TRY(gf_builder_step(b, node));
    GF_TRY(check_label(b, node, label));
    GF_TRY(gf_type_text_read(&text, b->doc, node, b->diags));
    GF_TRY(param_type(scope, node, &text, &type));
    GF_TRY(param_init(b, node, text.init, attrs));
    snprintf(name, sizeof name, "%c%u", node->string[0] == 'b' ? 'b' : 'w', b->params++);
    GfNodeSpec spec = {.op = GF_OP_PARAM,
                       .name = name,
                       .declared = &type,
                       .label = label,
                       .attrs = attrs,
                       .attr_count = 2,
                       .loc = gf_json_key_loc(b->doc, node)};
    GF_TRY(gf_graph_add(b->g, b->first_op, &spec, &n, b->diags));
    return gf_scope_bind(scope, node, node->string, gf_result(n), true);
}

GfStatus gf_builder_params(GfBuilder *b, GfScope *scope, const cJSON *owner)
{
    const cJSON *params = NULL;

    GF_TRY(gf_json_get_object(b->doc, owner, "params", GF_OPTIONAL, &params, b->diags));
    for (const cJSON *node = params ? params->child : NULL; node; node = node->next)
        GF_TRY(add_param(b, scope, node));
    return GF_OK;
}
